//! `GROUP BY user_no` over inputs that are divided by user: in one step, through a table indexed by the user's number.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt};

use super::at_end::AtEnd;
use super::blocks::{Blocks, numbers};
use super::distinct::{self, DistinctCounts};
use super::properties;

/// Batches after which the memory taken is looked at.
const BATCHES_BETWEEN_ACCOUNTS: usize = 32;

/// A function, with the filter of its rows.
pub(super) type Filtered = (Arc<AggregateFunctionExpr>, Option<Arc<dyn PhysicalExpr>>);

/// What is aggregated.
#[derive(Debug, Clone)]
pub(super) struct Aggregates {
    /// The functions.
    pub(super) functions: Vec<Filtered>,
    /// The column of users' numbers in the inputs.
    pub(super) key: usize,
    /// The users' numbers, then a column for each function.
    pub(super) schema: SchemaRef,
}

/// The operator. Its inputs have the partitions of [`Blocks`], and so has it; its first column is the users' numbers.
#[derive(Debug)]
pub(super) struct UserAggregateExec {
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    aggregates: Aggregates,
    blocks: Blocks,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl UserAggregateExec {
    pub(super) fn new(inputs: Vec<Arc<dyn ExecutionPlan>>, aggregates: Aggregates, blocks: Blocks) -> Self {
        let properties = properties(aggregates.schema.clone(), blocks.partitions(), EmissionType::Final);
        Self { inputs, aggregates, blocks, metrics: ExecutionPlanMetricsSet::new(), properties }
    }
}

/// A function at work.
struct Working {
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    accumulator: Box<dyn GroupsAccumulator>,
}

impl Working {
    fn new(function: &Arc<AggregateFunctionExpr>, filter: Option<Arc<dyn PhysicalExpr>>, input: &Schema) -> Result<Self> {
        let mut arguments = function.expressions();
        arguments.extend(function.order_bys().iter().map(|o| o.expr.clone()));
        let accumulator: Box<dyn GroupsAccumulator> = if counts_distinct(function, input)? {
            Box::new(DistinctCounts::default())
        } else if let Some(at_end) = AtEnd::of(function, input)? {
            Box::new(at_end)
        } else if function.groups_accumulator_supported() {
            function.create_groups_accumulator()?
        } else {
            let function = function.clone();
            Box::new(GroupsAccumulatorAdapter::new(move || function.create_accumulator()))
        };
        Ok(Self { arguments, filter, accumulator })
    }

    fn update(&mut self, batch: &RecordBatch, groups: &[usize], groups_total: usize) -> Result<()> {
        let array = |e: &Arc<dyn PhysicalExpr>| e.evaluate(batch).and_then(|v| v.into_array(batch.num_rows()));
        let values = self.arguments.iter().map(array).collect::<Result<Vec<ArrayRef>>>()?;
        let filter = self.filter.as_ref().map(array).transpose()?;
        let filter: Option<&BooleanArray> = filter.as_ref().map(|f| f.as_boolean());
        self.accumulator.update_batch(&values, groups, filter, groups_total)
    }
}

/// Whether this is a count of distinct values that is made here.
fn counts_distinct(function: &AggregateFunctionExpr, input: &Schema) -> Result<bool> {
    match function.expressions().as_slice() {
        [value] if function.fun().name() == "count" && function.is_distinct() => Ok(distinct::counts(&value.data_type(input)?)),
        _ => Ok(false),
    }
}

/// The groups of one partition.
struct Groups {
    blocks: Blocks,
    key: usize,
    schema: SchemaRef,
    /// By a user's place: their group, from 1; 0 before their first row.
    table: Vec<u32>,
    users: Vec<i64>,
    functions: Vec<Working>,
    /// The groups of a batch's rows.
    rows: Vec<usize>,
    reservation: MemoryReservation,
    batches: usize,
}

impl Groups {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows.clear();
        for number in numbers(batch.column(self.key))? {
            let slot = self.table.get_mut(self.blocks.place(*number));
            let slot = slot.ok_or_else(|| internal_datafusion_err!("user number {number} is of another partition"))?;
            if *slot == 0 {
                self.users.push(*number);
                *slot = u32::try_from(self.users.len()).map_err(|_| internal_datafusion_err!("a partition has too many users"))?;
            }
            self.rows.push(*slot as usize - 1);
        }
        for function in &mut self.functions {
            function.update(batch, &self.rows, self.users.len())?;
        }
        self.batches += 1;
        if self.batches.is_multiple_of(BATCHES_BETWEEN_ACCOUNTS) {
            self.account()?;
        }
        Ok(())
    }

    fn account(&self) -> Result<()> {
        let own = self.table.capacity() * size_of::<u32>() + self.users.capacity() * size_of::<i64>();
        self.reservation.try_resize(own + self.functions.iter().map(|f| f.accumulator.size()).sum::<usize>())
    }

    /// All groups.
    fn finish(mut self) -> Result<RecordBatch> {
        if self.users.is_empty() {
            // Some of the engine's functions cannot be asked for no groups.
            return Ok(RecordBatch::new_empty(self.schema));
        }
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(std::mem::take(&mut self.users)))];
        for function in &mut self.functions {
            columns.push(function.accumulator.evaluate(EmitTo::All)?);
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

impl DisplayAs for UserAggregateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let functions: Vec<&str> = self.aggregates.functions.iter().map(|(function, _)| function.name()).collect();
        write!(f, "UserAggregateExec: aggr=[{}]", functions.join(", "))
    }
}

impl ExecutionPlan for UserAggregateExec {
    fn name(&self) -> &'static str {
        "UserAggregateExec"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != self.inputs.len() {
            return internal_err!("UserAggregateExec has {} inputs, not {}", self.inputs.len(), children.len());
        }
        Ok(Arc::new(Self::new(children, self.aggregates.clone(), self.blocks.clone())))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(input) = self.inputs.first().map(|i| i.schema()) else { return internal_err!("UserAggregateExec has no input") };
        let functions = self.aggregates.functions.iter().map(|(f, filter)| Working::new(f, filter.clone(), &input));
        let reservation = MemoryConsumer::new(format!("UserAggregateExec[{partition}]")).register(context.memory_pool());
        let mut groups = Groups {
            blocks: self.blocks.clone(),
            key: self.aggregates.key,
            schema: self.aggregates.schema.clone(),
            table: Vec::new(),
            users: Vec::new(),
            functions: functions.collect::<Result<_>>()?,
            rows: Vec::new(),
            reservation,
            batches: 0,
        };
        let inputs = self.inputs.clone();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let batch_rows = context.session_config().batch_size();
        let all = async move {
            let places = groups.blocks.places(partition);
            groups.reservation.try_grow(places * size_of::<u32>())?;
            groups.table = vec![0; places];
            for input in inputs {
                let mut rows = input.execute(partition, context.clone())?;
                while let Some(batch) = rows.next().await {
                    let batch = batch?;
                    let _timer = metrics.elapsed_compute().timer();
                    groups.add(&batch)?;
                }
            }
            groups.account()?;
            let _timer = metrics.elapsed_compute().timer();
            let all = groups.finish()?;
            metrics.record_output(all.num_rows());
            let starts = (0..all.num_rows()).step_by(batch_rows.max(1));
            let cut: Vec<Result<RecordBatch>> = starts.map(|start| Ok(all.slice(start, batch_rows.min(all.num_rows() - start)))).collect();
            Ok::<_, DataFusionError>(futures::stream::iter(cut))
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), futures::stream::once(all).try_flatten())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
