//! A plan under way: one task a partition, their batches in one channel.
//!
//! Invariant: when the stream is dropped, or the token cancelled, all tasks are aborted; each yields after every batch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::error::wrap;
use super::metrics;
use super::prepare::{Events, Prepared};
use crate::backend::{RunMetrics, RunOptions, UserStream, Users};
use crate::error::{BackendError, ErrorKind, Result};
use crate::task;

/// Starts a prepared query on some threads. If it lacks memory, or a file that somebody else writes has changed,
/// before it has found anyone, what `again` prepares is run instead.
pub(super) fn start(
    threads: &Handle,
    prepared: Prepared,
    again: impl Future<Output = Result<Prepared>> + Send + 'static,
    options: RunOptions,
    metrics: Arc<OnceLock<RunMetrics>>,
    started: Instant,
) -> UserStream {
    let (sender, batches) = mpsc::channel(task::BATCHES_WAITING_MAX);
    let driver = AbortOnDropHandle::new(threads.spawn(drive(prepared, again, options.ids, sender, metrics.clone(), started)));
    task::received(batches, options.cancel, driver, metrics)
}

/// Runs all partitions to their ends, then tells what it cost.
async fn drive(
    prepared: Prepared,
    again: impl Future<Output = Result<Prepared>>,
    ids: bool,
    sender: mpsc::Sender<Result<Users>>,
    metrics: Arc<OnceLock<RunMetrics>>,
    started: Instant,
) {
    let found = Arc::new(AtomicBool::new(false));
    let mut prepared = prepared;
    let mut users = run_partitions(&prepared, ids, &sender, &found).await;
    let may_go_again = |e: &BackendError| match e.kind {
        ErrorKind::Overloaded => true,
        // A file of those that somebody else writes is gone, or is another one now.
        ErrorKind::Unavailable | ErrorKind::SchemaDrift => matches!(prepared.events, Some(Events::Bound(_))),
        ErrorKind::Timeout
        | ErrorKind::Rejected
        | ErrorKind::Unsupported
        | ErrorKind::PermissionDenied
        | ErrorKind::Cancelled
        | ErrorKind::Internal => false,
    };
    if users.as_ref().is_err_and(may_go_again) && !found.load(Ordering::Acquire) {
        users = match again.await {
            Ok(other) => {
                prepared = other;
                run_partitions(&prepared, ids, &sender, &found).await
            }
            Err(e) => Err(e),
        };
    }
    match users {
        Ok(users) => {
            let _ = metrics.set(metrics::collect(&prepared, users, started.elapsed()));
        }
        Err(e) => {
            // Nobody may be listening any more.
            let _ = sender.send(Err(e)).await;
        }
    }
}

/// How many users there are; `found` is set before the first of them is handed on.
async fn run_partitions(prepared: &Prepared, ids: bool, sender: &mpsc::Sender<Result<Users>>, found: &Arc<AtomicBool>) -> Result<u64> {
    let mut tasks = JoinSet::new();
    for partition in 0..prepared.plan.output_partitioning().partition_count() {
        tasks.spawn(run_partition(prepared.plan.clone(), prepared.context.clone(), partition, ids, sender.clone(), found.clone()));
    }
    let mut users = 0;
    while let Some(done) = tasks.join_next().await {
        match done.unwrap_or_else(|e| Err(BackendError::internal("the engine panicked").caused_by(e))) {
            Ok(count) => users += count,
            Err(e) => {
                // The others may not find anyone any more.
                tasks.shutdown().await;
                return Err(e);
            }
        }
    }
    Ok(users)
}

async fn run_partition(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<datafusion::execution::TaskContext>,
    partition: usize,
    ids: bool,
    sender: mpsc::Sender<Result<Users>>,
    found: Arc<AtomicBool>,
) -> Result<u64> {
    let mut stream = plan.execute(partition, context).map_err(|e| wrap("the engine failed", e))?;
    let mut count = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| wrap("the engine failed", e))?;
        if batch.num_rows() == 0 {
            continue;
        }
        let users = users_of(&batch, ids)?;
        count += users.len() as u64;
        found.store(true, Ordering::Release);
        if sender.send(Ok(users)).await.is_err() {
            break;
        }
    }
    Ok(count)
}

fn users_of(batch: &RecordBatch, ids: bool) -> Result<Users> {
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| BackendError::internal(format!("the engine's result lacks {name}")));
    let numbers = column("user_no")?.as_primitive_opt::<Int64Type>();
    let numbers = numbers.ok_or_else(|| BackendError::internal("the engine's user numbers are no bigints"))?.clone();
    let ids = match ids {
        false => None,
        true => {
            // A view keeps whole pages in memory; a plain array holds only the members.
            let plain = cast(column("user_id")?, &DataType::Utf8)
                .map_err(|e| BackendError::internal("the engine's user ids are no text").caused_by(e))?;
            Some(plain.as_string::<i32>().clone())
        }
    };
    Ok(Users { numbers, ids })
}
