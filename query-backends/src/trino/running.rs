//! A query's rows as members, with progress, metrics and an end at the caller's word.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use tokio_util::sync::CancellationToken;

use super::bound::Whole;
use super::client::{Batch, Results, Stats};
use crate::backend::{RunMetrics, RunOptions, Stage, UserStream, Users};
use crate::error::{BackendError, ErrorKind, Result};
use crate::progress::{Progress, ProgressNow};

struct Running {
    results: Results,
    ids: bool,
    cancel: CancellationToken,
    progress: Arc<Progress>,
    metrics: Arc<OnceLock<RunMetrics>>,
    started: Instant,
    users: u64,
    /// Whether what was read was whole, which is seen at the end.
    whole: Option<Whole>,
}

/// The members. When the stream is dropped or cancelled, so is the query.
pub(super) fn users(
    results: Results,
    options: RunOptions,
    metrics: Arc<OnceLock<RunMetrics>>,
    started: Instant,
    whole: Option<Whole>,
) -> UserStream {
    let (ids, cancel, progress) = (options.ids, options.cancel, options.progress);
    let running = Running { results, ids, cancel, progress, metrics, started, users: 0, whole };
    Box::pin(futures::stream::unfold(Some(running), |running| async move {
        let mut running = running?;
        match running.next().await {
            Ok(Some(users)) => Some((Ok(users), Some(running))),
            Ok(None) => None,
            Err(e) => Some((Err(e), None)),
        }
    }))
}

impl Running {
    /// The next members, some at least; none at the end.
    async fn next(&mut self) -> Result<Option<Users>> {
        loop {
            let progress = self.progress.clone();
            let watch = move |stats: &Stats| progress.set(how_far(stats));
            let next = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(BackendError::cancelled()),
                next = self.results.next(&watch) => next?,
            };
            let Some(batch) = next else {
                if let Some(whole) = self.whole.take() {
                    tokio::select! {
                        biased;
                        () = self.cancel.cancelled() => return Err(BackendError::cancelled()),
                        checked = whole.check() => checked?,
                    }
                }
                self.finish();
                return Ok(None);
            };
            let users = members(&batch, self.ids)?;
            if !users.is_empty() {
                self.users += users.len() as u64;
                return Ok(Some(users));
            }
        }
    }

    fn finish(&mut self) {
        let stats = self.results.stats();
        let (rows, bytes) = (stats.processed_rows, stats.physical_input_bytes);
        self.progress.set(ProgressNow { rows_read: rows, rows_total: rows, bytes_read: bytes, bytes_total: bytes });
        let stage = |name, millis| Stage { name, time: Duration::from_millis(millis) };
        let _ = self.metrics.set(RunMetrics {
            rows_read: rows,
            bytes_read: bytes,
            users: self.users,
            elapsed: self.started.elapsed(),
            stages: vec![stage("plan", stats.planning_time_millis), stage("engine", stats.cpu_time_millis)],
            ..RunMetrics::default()
        });
    }
}

/// How far the engine is: it tells rows read, and a share of its splits. What there is to read follows from both.
pub(super) fn how_far(stats: &Stats) -> ProgressNow {
    let rows_read = stats.processed_rows;
    let share = stats.progress_percentage.unwrap_or_default() / 100.0;
    let rows_total = if share > 0.0 { ((rows_read as f64 / share) as u64).max(rows_read) } else { 0 };
    // Nothing is read of a total that is not known.
    ProgressNow { rows_read: rows_read.min(rows_total), rows_total, ..ProgressNow::default() }
}

fn members(batch: &Batch, ids: bool) -> Result<Users> {
    let column = |i: usize| batch.columns.get(i).ok_or_else(|| BackendError::internal("Trino's result lacks a column"));
    let numbers = column(0)?.as_primitive_opt::<Int64Type>().ok_or_else(|| BackendError::internal("users' numbers are no bigints"))?;
    let ids = match ids {
        false => None,
        true => Some(column(1)?.as_string_opt::<i32>().ok_or_else(|| BackendError::internal("users' ids are no text"))?.clone()),
    };
    if numbers.null_count() > 0 || ids.as_ref().is_some_and(|ids| ids.null_count() > 0) {
        return Err(BackendError::new(ErrorKind::SchemaDrift, "a profile in the lake has no number or no id"));
    }
    Ok(Users { numbers: numbers.clone(), ids })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(processed_rows: u64, progress_percentage: Option<f64>, read: u64, total: u64) {
        let stats = Stats { processed_rows, progress_percentage, ..Stats::default() };
        assert_eq!(how_far(&stats), ProgressNow { rows_read: read, rows_total: total, ..ProgressNow::default() });
    }

    #[test]
    fn totals_follow_from_shares() {
        check(10, None, 0, 0);
        check(10, Some(0.0), 0, 0);
        check(10, Some(25.0), 10, 40);
        check(10, Some(100.0), 10, 10);
        check(10, Some(101.0), 10, 10);
    }
}
