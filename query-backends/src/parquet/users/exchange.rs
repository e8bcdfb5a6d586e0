//! Deals rows out to the partitions of their users, as slices of the batches that came.
//!
//! Invariants: every partition of the input ends with a message of its own to every receiver, so that a task that dies is an error and
//! not an end; few batches wait at once. Dropping all receivers stops the tasks.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::StreamExt;
use tokio::sync::mpsc;

use super::blocks::{Blocks, numbers};
use super::properties;

/// Slices that wait for one partition; beyond it the input waits.
const SLICES_WAITING_MAX: usize = 64;
/// A batch whose users are in no order is copied apart when its slices would have fewer rows than this.
const SLICE_ROWS_MIN: usize = 16;

/// What goes to a partition.
enum Message {
    Rows(RecordBatch),
    /// A partition of the input has ended.
    End,
    Failed(DataFusionError),
}

/// The tasks that read the input, and who has not come for their rows yet.
struct Started {
    receivers: Vec<Option<mpsc::Receiver<Message>>>,
    tasks: Arc<Vec<SpawnedTask<()>>>,
}

/// The operator. Its partitions are those of [`Blocks`].
pub(super) struct UserExchangeExec {
    input: Arc<dyn ExecutionPlan>,
    /// The column of users' numbers.
    key: usize,
    blocks: Blocks,
    started: Mutex<Option<Started>>,
    properties: Arc<PlanProperties>,
}

impl UserExchangeExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, key: usize, blocks: Blocks) -> Self {
        let properties = properties(input.schema(), blocks.partitions(), EmissionType::Incremental);
        Self { input, key, blocks, started: Mutex::default(), properties }
    }

    fn start(&self, context: &Arc<TaskContext>) -> Result<Started> {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..self.blocks.partitions()).map(|_| mpsc::channel(SLICES_WAITING_MAX)).unzip();
        let mut tasks = Vec::new();
        for partition in 0..self.input.output_partitioning().partition_count() {
            let stream = self.input.execute(partition, context.clone())?;
            tasks.push(SpawnedTask::spawn(deal(stream, self.key, self.blocks.clone(), senders.clone())));
        }
        Ok(Started { receivers: receivers.into_iter().map(Some).collect(), tasks: Arc::new(tasks) })
    }
}

/// Reads one partition of the input to its end.
async fn deal(mut stream: SendableRecordBatchStream, key: usize, blocks: Blocks, senders: Vec<mpsc::Sender<Message>>) {
    let mut failed = None;
    'input: while let Some(batch) = stream.next().await {
        let parts = match batch.and_then(|batch| split(&batch, key, &blocks)) {
            Ok(parts) => parts,
            Err(e) => {
                failed = Some(Arc::new(e));
                break;
            }
        };
        for (owner, rows) in parts {
            let Some(sender) = senders.get(owner) else { continue };
            if sender.send(Message::Rows(rows)).await.is_err() {
                // The query has been dropped.
                break 'input;
            }
        }
    }
    for sender in senders {
        let last = failed.as_ref().map_or(Message::End, |e| Message::Failed(DataFusionError::Shared(e.clone())));
        // Nobody may be listening any more.
        let _ = sender.send(last).await;
    }
}

/// The parts of a batch, each with its partition.
fn split(batch: &RecordBatch, key: usize, blocks: &Blocks) -> Result<Vec<(usize, RecordBatch)>> {
    let numbers = numbers(batch.column(key))?;
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut block = usize::MAX;
    for (row, number) in numbers.iter().enumerate() {
        let next = blocks.block(*number);
        if next != block {
            block = next;
            runs.push((row, blocks.owner(block)));
        }
    }
    runs.dedup_by_key(|(_, owner)| *owner);
    if runs.len() > 1 + numbers.len() / SLICE_ROWS_MIN {
        return taken(batch, numbers, blocks);
    }
    let ends = runs.iter().skip(1).map(|(start, _)| *start).chain([numbers.len()]);
    Ok(runs.iter().zip(ends).map(|((start, owner), end)| (*owner, batch.slice(*start, end - start))).collect())
}

fn taken(batch: &RecordBatch, numbers: &[i64], blocks: &Blocks) -> Result<Vec<(usize, RecordBatch)>> {
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); blocks.partitions()];
    for (row, number) in (0u32..).zip(numbers) {
        if let Some(rows) = rows.get_mut(blocks.owner(blocks.block(*number))) {
            rows.push(row);
        }
    }
    let parts = rows.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty());
    parts.map(|(owner, rows)| Ok((owner, take_record_batch(batch, &UInt32Array::from(rows))?))).collect()
}

impl fmt::Debug for UserExchangeExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserExchangeExec").field("input", &self.input).field("key", &self.key).finish_non_exhaustive()
    }
}

impl DisplayAs for UserExchangeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "UserExchangeExec: key={}, partitions={}", self.input.schema().field(self.key).name(), self.blocks.partitions())
    }
}

impl ExecutionPlan for UserExchangeExec {
    fn name(&self) -> &'static str {
        "UserExchangeExec"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.pop()) {
            (Some(input), None) => Ok(Arc::new(Self::new(input, self.key, self.blocks.clone()))),
            _ => internal_err!("UserExchangeExec has one input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (receiver, tasks) = {
            let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            let started = match started.as_mut() {
                Some(started) => started,
                None => started.insert(self.start(&context)?),
            };
            let receiver = started.receivers.get_mut(partition).and_then(Option::take);
            let receiver =
                receiver.ok_or_else(|| internal_datafusion_err!("partition {partition} of UserExchangeExec was executed already"))?;
            (receiver, started.tasks.clone())
        };
        Ok(received(self.schema(), receiver, tasks))
    }
}

/// The rows of one partition.
fn received(schema: SchemaRef, receiver: mpsc::Receiver<Message>, tasks: Arc<Vec<SpawnedTask<()>>>) -> SendableRecordBatchStream {
    let running = tasks.len();
    let rows = futures::stream::unfold(Some((receiver, tasks, running)), |state| async move {
        let (mut receiver, tasks, mut running) = state?;
        while running > 0 {
            match receiver.recv().await {
                Some(Message::Rows(batch)) => return Some((Ok(batch), Some((receiver, tasks, running)))),
                Some(Message::End) => running -= 1,
                Some(Message::Failed(e)) => return Some((Err(e), None)),
                None => return Some((internal_err!("a task that deals out rows has died"), None)),
            }
        }
        None
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}
