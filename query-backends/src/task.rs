//! A run as a task that hands members on: what is the same in every adapter whose engine answers in pieces.
//!
//! In: the options of a run, and work that gives [`Users`] to a [`Sink`]. Out: the [`Run`]. Invariants: dropping the run aborts the work;
//! cancelling it ends the stream at once with `Cancelled` and aborts the work; an error ends the stream; the metrics are set if, and
//! only if, the work came to a good end; members wait for a slow caller in a bounded channel, so that the work waits too.
//! Deliberately absent: stopping the engine itself. The work does that when it is dropped (a process that is killed, a request
//! that is withdrawn).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::backend::{Run, RunMetrics, RunOptions, UserStream, Users};
use crate::error::{BackendError, Result};

/// Batches that wait for the caller; beyond it the work waits.
pub(crate) const BATCHES_WAITING_MAX: usize = 16;

/// Where the work puts members.
#[derive(Debug)]
pub struct Sink {
    batches: mpsc::Sender<Result<Users>>,
    users: Arc<AtomicU64>,
}

impl Sink {
    /// Hands a batch on; waits while the caller is behind.
    ///
    /// # Errors
    ///
    /// `Cancelled` if nobody takes members any more: stop.
    pub async fn send(&self, users: Users) -> Result<()> {
        self.users.fetch_add(users.len() as u64, Ordering::Relaxed);
        self.batches.send(Ok(users)).await.map_err(|_| BackendError::cancelled())
    }
}

/// What the caller's stream holds.
struct Receiving {
    batches: mpsc::Receiver<Result<Users>>,
    cancel: CancellationToken,
    _work: AbortOnDropHandle<()>,
}

/// Starts work on the present runtime. What it returns are the run's metrics, in which `users` and `elapsed` are filled in.
///
/// # Cancel safety
///
/// Dropping the run aborts the work at its next await.
pub fn start<W>(options: RunOptions, work: impl FnOnce(Sink) -> W) -> Run
where
    W: Future<Output = Result<RunMetrics>> + Send + 'static,
{
    let started = Instant::now();
    let (sender, batches) = mpsc::channel(BATCHES_WAITING_MAX);
    let (metrics, users) = (Arc::new(OnceLock::new()), Arc::new(AtomicU64::new(0)));
    let work = work(Sink { batches: sender.clone(), users: users.clone() });
    let done = metrics.clone();
    let task = tokio::spawn(async move {
        match work.await {
            Ok(cost) => {
                let _ = done.set(RunMetrics { users: users.load(Ordering::Relaxed), elapsed: started.elapsed(), ..cost });
            }
            Err(e) => {
                // Nobody may be listening any more.
                let _ = sender.send(Err(e)).await;
            }
        }
    });
    let users = received(batches, options.cancel, AbortOnDropHandle::new(task), metrics.clone());
    Run::new(users, options.progress, metrics)
}

/// The members that work sends; it has set `metrics` by its end if that is a good one. The work ends with the stream.
pub(crate) fn received(
    batches: mpsc::Receiver<Result<Users>>,
    cancel: CancellationToken,
    work: AbortOnDropHandle<()>,
    metrics: Arc<OnceLock<RunMetrics>>,
) -> UserStream {
    let receiving = Receiving { batches, cancel, _work: work };
    Box::pin(futures::stream::unfold(Some(receiving), move |receiving| next(receiving, metrics.clone())))
}

/// The next batch, and what is left; after an error, nothing.
async fn next(receiving: Option<Receiving>, metrics: Arc<OnceLock<RunMetrics>>) -> Option<(Result<Users>, Option<Receiving>)> {
    let mut receiving = receiving?;
    let next = tokio::select! {
        biased;
        () = receiving.cancel.cancelled() => Some(Err(BackendError::cancelled())),
        next = receiving.batches.recv() => next,
    };
    match next {
        Some(Ok(batch)) => Some((Ok(batch), Some(receiving))),
        Some(Err(e)) => Some((Err(e), None)),
        None if metrics.get().is_some() => None,
        // The channel closed without an error and without metrics: the work panicked.
        None => Some((Err(BackendError::internal("the backend panicked")), None)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arrow::array::Int64Array;
    use futures::StreamExt;

    use super::*;
    use crate::error::ErrorKind;

    fn batch(numbers: Vec<i64>) -> Users {
        Users { numbers: Int64Array::from(numbers), ids: None }
    }

    #[tokio::test]
    async fn members_and_metrics() {
        let mut run = start(RunOptions::default(), |sink| async move {
            sink.send(batch(vec![1, 2])).await?;
            sink.send(batch(vec![3])).await?;
            Ok(RunMetrics { rows_read: 9, ..RunMetrics::default() })
        });
        assert_eq!(run.count().await.unwrap(), 3);
        let metrics = run.metrics().unwrap();
        assert_eq!((metrics.users, metrics.rows_read), (3, 9));
    }

    #[tokio::test]
    async fn an_error_ends_the_stream_without_metrics() {
        let mut run = start(RunOptions::default(), |sink| async move {
            sink.send(batch(vec![1])).await?;
            Err(BackendError::new(ErrorKind::Overloaded, "full"))
        });
        assert!(run.users.next().await.unwrap().is_ok());
        assert_eq!(run.users.next().await.unwrap().unwrap_err().kind, ErrorKind::Overloaded);
        assert!(run.users.next().await.is_none());
        assert!(run.metrics().is_none());
    }

    #[tokio::test]
    async fn a_panic_is_no_end() {
        let mut run = start(RunOptions::default(), |sink| async move {
            sink.send(batch(vec![1])).await?;
            panic!("on purpose");
        });
        assert_eq!(run.count().await.unwrap_err().kind, ErrorKind::Internal);
    }

    #[tokio::test]
    async fn cancelling_and_dropping_stop_the_work() {
        for drops in [false, true] {
            let alive = Arc::new(());
            let (token, held) = (CancellationToken::new(), alive.clone());
            let options = RunOptions { cancel: token.clone(), ..RunOptions::default() };
            let mut run = start(options, |sink| async move {
                let _held = held;
                loop {
                    sink.send(batch(vec![1])).await?;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            assert!(run.users.next().await.unwrap().is_ok());
            if !drops {
                token.cancel();
                assert_eq!(run.count().await.unwrap_err().kind, ErrorKind::Cancelled);
            }
            drop(run);
            tokio::time::timeout(Duration::from_secs(5), async {
                while Arc::strong_count(&alive) > 1 {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .unwrap();
        }
    }
}
