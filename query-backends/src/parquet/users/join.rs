//! Profiles and the marks of their users, through a table indexed by the user's number.
//!
//! The marks' side is read whole first, all partitions at once, and has each user once; then each partition of the profiles finds its own.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::blocks::{Blocks, numbers};
use super::properties;

/// Where a column of the result comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Profiles(usize),
    Marks(usize),
}

/// What is joined.
#[derive(Debug, Clone)]
pub(super) struct Joined {
    /// The column of users' numbers of each side.
    pub(super) profiles_key: usize,
    pub(super) marks_key: usize,
    /// Whether users without marks are in the result.
    pub(super) left: bool,
    pub(super) columns: Vec<Origin>,
    pub(super) schema: SchemaRef,
}

/// The operator. Its partitions are those of the profiles; those of the marks are those of [`Blocks`].
#[derive(Debug)]
pub(super) struct UserJoinExec {
    profiles: Arc<dyn ExecutionPlan>,
    marks: Arc<dyn ExecutionPlan>,
    joined: Joined,
    blocks: Blocks,
    table: Arc<OnceCell<std::result::Result<Arc<Table>, Arc<DataFusionError>>>>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl UserJoinExec {
    pub(super) fn new(profiles: Arc<dyn ExecutionPlan>, marks: Arc<dyn ExecutionPlan>, joined: Joined, blocks: Blocks) -> Self {
        let partitions = profiles.output_partitioning().partition_count();
        let properties = properties(joined.schema.clone(), partitions, EmissionType::Incremental);
        Self { profiles, marks, joined, blocks, table: Arc::default(), metrics: ExecutionPlanMetricsSet::new(), properties }
    }
}

/// The marks' side, read.
#[derive(Debug)]
struct Table {
    /// By partition and a user's place in it: their row, from 1; 0 for those without one.
    rows: Vec<Vec<u32>>,
    /// The columns that the result has, in its order.
    columns: Vec<ArrayRef>,
    _reservation: MemoryReservation,
}

/// The marks of one partition.
struct Part {
    rows: Vec<u32>,
    batches: Vec<RecordBatch>,
}

impl Table {
    async fn read(marks: Arc<dyn ExecutionPlan>, joined: Joined, blocks: Blocks, context: Arc<TaskContext>) -> Result<Self> {
        let reservation = MemoryConsumer::new("UserJoinExec").register(context.memory_pool());
        let places: usize = (0..blocks.partitions()).map(|p| blocks.places(p)).sum();
        reservation.try_grow(places * size_of::<u32>())?;
        let mut parts = Vec::new();
        for partition in 0..blocks.partitions() {
            let marks = marks.execute(partition, context.clone())?;
            parts.push(SpawnedTask::spawn(part(marks, joined.marks_key, blocks.clone(), partition)));
        }
        let (mut rows, mut batches, mut before) = (Vec::new(), Vec::new(), 0);
        for task in parts {
            let mut part = task.await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
            if before > 0 {
                part.rows.iter_mut().filter(|row| **row > 0).for_each(|row| *row += before);
            }
            before += part.batches.iter().map(|b| b.num_rows() as u32).sum::<u32>();
            rows.push(part.rows);
            batches.extend(part.batches);
        }
        let mut columns = Vec::new();
        for column in &joined.columns {
            let Origin::Marks(i) = column else { continue };
            let arrays: Vec<&dyn arrow::array::Array> = batches.iter().map(|b| b.column(*i).as_ref()).collect();
            let whole = match arrays.as_slice() {
                [] => arrow::array::new_empty_array(marks.schema().field(*i).data_type()),
                arrays => concat(arrays)?,
            };
            reservation.try_grow(whole.get_array_memory_size())?;
            columns.push(whole);
        }
        Ok(Self { rows, columns, _reservation: reservation })
    }

    fn row(&self, number: i64, blocks: &Blocks) -> u32 {
        // A stranger's place holds no row.
        let rows = self.rows.get(blocks.owner(blocks.block(number)));
        rows.and_then(|rows| rows.get(blocks.place(number))).copied().unwrap_or(0)
    }

    /// A batch of profiles with their marks.
    fn join(&self, batch: &RecordBatch, joined: &Joined, blocks: &Blocks) -> Result<RecordBatch> {
        let numbers = numbers(batch.column(joined.profiles_key))?;
        let (mut profiles, mut marks) = (Vec::new(), Vec::with_capacity(numbers.len()));
        for (i, number) in (0u32..).zip(numbers) {
            let row = self.row(*number, blocks);
            if joined.left {
                marks.push(row.checked_sub(1));
            } else if row > 0 {
                profiles.push(i);
                marks.push(Some(row - 1));
            }
        }
        let rows = marks.len();
        let whole = joined.left || profiles.len() == numbers.len();
        let (profiles, marks) = (UInt32Array::from(profiles), UInt32Array::from(marks));
        let mut own = self.columns.iter();
        let column = |from: &Origin| match from {
            Origin::Profiles(i) if whole => Ok(batch.column(*i).clone()),
            Origin::Profiles(i) => Ok(take(batch.column(*i), &profiles, None)?),
            Origin::Marks(_) => match own.next() {
                Some(column) => Ok(take(column, &marks, None)?),
                None => internal_err!("a column of the marks is not there"),
            },
        };
        let columns = joined.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(joined.schema.clone(), columns, &options)?)
    }
}

async fn part(mut marks: SendableRecordBatchStream, key: usize, blocks: Blocks, partition: usize) -> Result<Part> {
    let mut part = Part { rows: vec![0; blocks.places(partition)], batches: Vec::new() };
    let mut row = 0u32;
    while let Some(batch) = marks.next().await {
        let batch = batch?;
        for number in numbers(batch.column(key))? {
            row = row.checked_add(1).ok_or_else(|| internal_datafusion_err!("a partition has too many users"))?;
            if blocks.is_stranger(*number) {
                continue;
            }
            let slot = part.rows.get_mut(blocks.place(*number));
            *slot.ok_or_else(|| internal_datafusion_err!("user number {number} is of another partition"))? = row;
        }
        part.batches.push(batch);
    }
    Ok(part)
}

impl DisplayAs for UserJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "UserJoinExec: type={}", if self.joined.left { "Left" } else { "Inner" })
    }
}

impl ExecutionPlan for UserJoinExec {
    fn name(&self) -> &'static str {
        "UserJoinExec"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.profiles, &self.marks]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) {
            Ok([profiles, marks]) => Ok(Arc::new(Self::new(profiles, marks, self.joined.clone(), self.blocks.clone()))),
            Err(_) => internal_err!("UserJoinExec has two inputs"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (table, marks, profiles) = (self.table.clone(), self.marks.clone(), self.profiles.clone());
        let (joined, blocks) = (self.joined.clone(), self.blocks.clone());
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let build_time = MetricBuilder::new(&self.metrics).subset_time("build_time", partition);
        let join_time = MetricBuilder::new(&self.metrics).subset_time("join_time", partition);
        let all = async move {
            let read = async {
                let _timer = build_time.timer();
                Table::read(marks, joined.clone(), blocks.clone(), context.clone()).await.map(Arc::new).map_err(Arc::new)
            };
            let table = table.get_or_init(|| read).await.clone().map_err(DataFusionError::Shared)?;
            let rows = profiles.execute(partition, context)?;
            Ok::<_, DataFusionError>(rows.map(move |batch| {
                let batch = batch?;
                let _timer = join_time.timer();
                let out = table.join(&batch, &joined, &blocks)?;
                metrics.record_output(out.num_rows());
                Ok(out)
            }))
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), futures::stream::once(all).try_flatten())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
