//! A backend's run up to its first member, and its members handed on from there.

use std::sync::{Arc, OnceLock};

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Query, Run, RunOptions, Users};
use crate::error::{BackendError, Result};

/// A run whose first members have come, or that has ended without any.
pub(super) struct Started {
    run: Run,
    first: Option<Users>,
}

/// Starts a run and waits for its first member. An error is of a run that has handed nothing on.
pub(super) async fn first(backend: &Arc<dyn Backend>, query: &Query, options: &RunOptions) -> Result<Started> {
    let before = options.progress.now();
    let started = async {
        let mut run = backend.run(query, options.clone()).await?;
        loop {
            match run.users.next().await {
                Some(Ok(batch)) if batch.is_empty() => {}
                Some(Ok(batch)) => return Ok(Started { run, first: Some(batch) }),
                Some(Err(error)) => return Err(error),
                None => return Ok(Started { run, first: None }),
            }
        }
    };
    let started = started.await;
    if started.is_err() {
        // What was to be read will not be: the next backend adds its own, and the share still comes to 1.
        let now = options.progress.now();
        let rows = now.rows_total.saturating_sub(before.rows_total).saturating_sub(now.rows_read.saturating_sub(before.rows_read));
        let bytes = now.bytes_total.saturating_sub(before.bytes_total).saturating_sub(now.bytes_read.saturating_sub(before.bytes_read));
        options.progress.add_read(rows, bytes);
    }
    started
}

struct Handing<F> {
    run: Run,
    first: Option<Users>,
    ended: bool,
    cancel: CancellationToken,
    metrics: Arc<OnceLock<crate::backend::RunMetrics>>,
    failed: F,
}

/// Hands the members on. `failed` is told of an error among them, which is passed on: no other backend takes over.
pub(super) fn on(started: Started, options: RunOptions, failed: impl Fn(&BackendError) + Send + 'static) -> Run {
    let metrics = Arc::new(OnceLock::new());
    let progress = started.run.progress.clone();
    let handing =
        Handing { ended: false, run: started.run, first: started.first, cancel: options.cancel, metrics: metrics.clone(), failed };
    Run::new(stream::unfold(handing, next).boxed(), progress, metrics)
}

async fn next<F: Fn(&BackendError)>(mut handing: Handing<F>) -> Option<(Result<Users>, Handing<F>)> {
    if handing.ended {
        return None;
    }
    if handing.cancel.is_cancelled() {
        handing.ended = true;
        return Some((Err(BackendError::cancelled()), handing));
    }
    if let Some(first) = handing.first.take() {
        return Some((Ok(first), handing));
    }
    match handing.run.users.next().await {
        Some(Ok(batch)) => Some((Ok(batch), handing)),
        Some(Err(error)) => {
            (handing.failed)(&error);
            handing.ended = true;
            Some((Err(error), handing))
        }
        None => {
            if let Some(metrics) = handing.run.metrics() {
                let _ = handing.metrics.set(metrics.clone());
            }
            None
        }
    }
}
