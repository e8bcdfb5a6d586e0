//! The physical operator.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{Result, exec_datafusion_err, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, aggregate_expressions};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use super::groups::{Groups, Reads};

/// Groups by `user_no` with accumulators indexed by it. One output partition, ordered by `user_no`.
#[derive(Debug)]
pub(crate) struct DenseAggregateExec {
    input: Arc<dyn ExecutionPlan>,
    reads: Arc<Reads>,
    schema: SchemaRef,
    users: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DenseAggregateExec {
    /// The dense form of an aggregation that reads raw rows, giving the schema of its final half.
    pub(super) fn try_new(aggregate: &AggregateExec, schema: SchemaRef, users: usize) -> Result<Self> {
        let Some((key, _)) = aggregate.group_expr().expr().first() else {
            return internal_err!("a dense aggregation needs a key");
        };
        let functions = aggregate.aggr_expr().to_vec();
        let reads = Reads {
            key: key.clone(),
            arguments: aggregate_expressions(&functions, &AggregateMode::Partial, 0)?,
            filters: aggregate.filter_expr().to_vec(),
            functions,
        };
        Ok(Self::over(aggregate.input().clone(), Arc::new(reads), schema, users))
    }

    fn over(input: Arc<dyn ExecutionPlan>, reads: Arc<Reads>, schema: SchemaRef, users: usize) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { input, reads, schema, users, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for DenseAggregateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<&str> = self.reads.functions.iter().map(|a| a.name()).collect();
        write!(f, "DenseAggregateExec: users={}, aggr=[{}]", self.users, functions.join(", "))
    }
}

impl ExecutionPlan for DenseAggregateExec {
    fn name(&self) -> &str {
        "DenseAggregateExec"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        // Each input partition is read by a thread of its own; splitting batches up once more costs more than it gives.
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(Self::over(input, self.reads.clone(), self.schema.clone(), self.users))),
            Err(_) => internal_err!("DenseAggregateExec has one child"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("DenseAggregateExec has one partition, not {partition}");
        }
        let partitions = self.input.output_partitioning().partition_count();
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let mut tasks = Vec::with_capacity(partitions);
        for i in 0..partitions {
            let input = self.input.execute(i, context.clone())?;
            tasks.push(SpawnedTask::spawn(gather(input, self.reads.clone(), self.users, context.clone(), baseline.clone())));
        }
        let (schema, batch_rows) = (self.schema.clone(), context.session_config().batch_size());
        let finished = async move {
            let mut all: Option<Groups> = None;
            for task in tasks {
                let groups = task.join().await.map_err(|e| exec_datafusion_err!("a grouping thread ended: {e}"))??;
                let _timer = baseline.elapsed_compute().timer();
                all = Some(match all {
                    None => groups,
                    Some(mut all) => {
                        all.merge(groups)?;
                        all
                    }
                });
            }
            let _timer = baseline.elapsed_compute().timer();
            let batches = all.map_or_else(|| Ok(Vec::new()), |all| all.finish(&schema, batch_rows))?;
            baseline.record_output(batches.iter().map(|b| b.num_rows()).sum());
            Ok(stream::iter(batches.into_iter().map(Ok)))
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream::once(finished).try_flatten())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Reads one partition to its end.
async fn gather(
    mut input: SendableRecordBatchStream,
    reads: Arc<Reads>,
    users: usize,
    context: Arc<TaskContext>,
    baseline: BaselineMetrics,
) -> Result<Groups> {
    let mut memory = MemoryConsumer::new("DenseAggregateExec").register(context.memory_pool());
    let mut groups = Groups::new(&reads, users)?;
    while let Some(batch) = input.next().await {
        let batch = batch?;
        let _timer = baseline.elapsed_compute().timer();
        groups.update(&reads, &batch)?;
        memory.try_resize(groups.size())?;
    }
    Ok(groups)
}
