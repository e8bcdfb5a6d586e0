//! Finding all members: ranges of tokens, several at once, page by page.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, StringArray};
use futures::StreamExt;
use store::cassandra::{Cassandra, CassandraError, CassandraFault, Page, Pages, ProfileReader, Task, TokenRange};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Tree;
use super::error::failed;
use crate::backend::{RunMetrics, Stage, UserStream, Users};
use crate::error::{BackendError, Result};
use crate::progress::Progress;

/// Ranges at least and at most, and rows of one about.
const RANGES_MIN: u32 = 8;
const RANGES_MAX: u32 = 256;
const RANGE_ROWS: u64 = 20_000;
/// Ranges read at once.
pub(super) const RANGES_AT_ONCE: usize = 8;
/// Batches that wait for whoever takes them.
const BATCHES_WAITING_MAX: usize = 16;

/// In how many ranges so many rows are read; an index finds few of them.
pub(super) fn ranges(rows: u64, is_indexed: bool) -> u32 {
    let ranges = if is_indexed { 0 } else { rows / RANGE_ROWS };
    u32::try_from(ranges).unwrap_or(RANGES_MAX).clamp(RANGES_MIN, RANGES_MAX)
}

/// A scan made ready.
pub(super) struct Scan {
    pub(super) tree: Arc<Tree>,
    pub(super) connection: Arc<Cassandra>,
    /// Reads what indexes find.
    pub(super) indexed: Option<ProfileReader>,
    /// Reads everybody.
    pub(super) all: ProfileReader,
    /// Rows there are about.
    pub(super) rows: u64,
}

/// What the ranges share.
struct Shared {
    scan: Scan,
    ranges: Vec<TokenRange>,
    next: AtomicU64,
    ids: bool,
    progress: Arc<Progress>,
    rows: AtomicU64,
    bytes: AtomicU64,
    evaluating_ns: AtomicU64,
}

impl Scan {
    /// Starts reading; what is read beyond what is taken is bounded.
    pub(super) fn start(
        self,
        ids: bool,
        started: Instant,
        cancel: CancellationToken,
        progress: Arc<Progress>,
        metrics: Arc<OnceLock<RunMetrics>>,
    ) -> Result<UserStream> {
        progress.add_total(self.rows, 0);
        let ranges = TokenRange::cut(ranges(self.rows, self.indexed.is_some()));
        let connection = self.connection.clone();
        let shared = Arc::new(Shared {
            scan: self,
            ranges,
            next: AtomicU64::new(0),
            ids,
            progress,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            evaluating_ns: AtomicU64::new(0),
        });
        let (send, receive) = mpsc::channel(BATCHES_WAITING_MAX);
        let mut tasks = Vec::with_capacity(RANGES_AT_ONCE);
        for _ in 0..RANGES_AT_ONCE {
            let (shared, send) = (shared.clone(), send.clone());
            tasks.push(connection.spawn(async move { shared.work(&send).await }).map_err(|e| failed("read profiles", e))?);
        }
        drop(send);
        let taking = Taking { shared, receive, tasks, cancel, started, metrics, users: 0, done: 0, is_over: false };
        Ok(futures::stream::unfold(taking, Taking::next).boxed())
    }
}

impl Shared {
    /// Takes one range after another. The last word of each worker is `Ok(None)` or an error: whoever ends without one was broken off.
    async fn work(&self, send: &mpsc::Sender<Result<Option<Users>>>) {
        let last = loop {
            let next = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
            let Some(range) = self.ranges.get(next) else { break Ok(None) };
            match self.range(*range, send).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(e) => break Err(e),
            }
        };
        // Nobody takes it any more: then nobody asks.
        let _ = send.send(last).await;
    }

    /// Whether anybody still takes members.
    async fn range(&self, range: TokenRange, send: &mpsc::Sender<Result<Option<Users>>>) -> Result<bool> {
        let mut pages = self.scan.indexed.as_ref().unwrap_or(&self.scan.all).pages(range);
        let mut first = Some(self.first(range, &mut pages).await?);
        loop {
            let page = match first.take() {
                Some(page) => page,
                None => pages.next().await.map_err(|e| failed("read profiles", e))?,
            };
            let Some(page) = page else { return Ok(true) };
            if let Some(users) = self.members(page)
                && send.send(Ok(Some(users))).await.is_err()
            {
                return Ok(false);
            }
            tokio::task::yield_now().await;
        }
    }

    /// The first page. Where an index is not built on some node, reading goes without it.
    async fn first(&self, range: TokenRange, pages: &mut Pages) -> Result<Option<Page>> {
        match pages.next().await {
            Err(e) if self.scan.indexed.is_some() && CassandraError::fault_of(&e) == Some(CassandraFault::ReadFailed) => {
                *pages = self.scan.all.pages(range);
                pages.next().await.map_err(|e| failed("read profiles", e))
            }
            page => page.map_err(|e| failed("read profiles", e)),
        }
    }

    fn members(&self, page: Page) -> Option<Users> {
        let (rows, started) = (page.users.len() as u64, Instant::now());
        let (mut numbers, mut ids) = (Vec::new(), Vec::new());
        for stored in page.users {
            if let Some((number, id)) = self.scan.tree.is_member(stored) {
                numbers.push(number);
                if self.ids {
                    ids.push(id);
                }
            }
        }
        self.evaluating_ns.fetch_add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.bytes.fetch_add(page.bytes, Ordering::Relaxed);
        let read = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        // More may have come since they were counted.
        self.progress.add_total(rows.min(read.saturating_sub(self.scan.rows)), 0);
        self.progress.add_read(rows, 0);
        (!numbers.is_empty()).then(|| Users { numbers: Int64Array::from(numbers), ids: self.ids.then(|| StringArray::from(ids)) })
    }
}

/// The side that takes members.
struct Taking {
    shared: Arc<Shared>,
    receive: mpsc::Receiver<Result<Option<Users>>>,
    /// End with the stream.
    tasks: Vec<Task<()>>,
    cancel: CancellationToken,
    started: Instant,
    metrics: Arc<OnceLock<RunMetrics>>,
    users: u64,
    /// Workers that came to a good end.
    done: usize,
    is_over: bool,
}

impl Taking {
    async fn next(mut self) -> Option<(Result<Users>, Self)> {
        if self.is_over {
            return None;
        }
        loop {
            let message = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Some(self.end(BackendError::cancelled())),
                message = self.receive.recv() => message,
            };
            match message {
                Some(Ok(Some(users))) => {
                    self.users += users.len() as u64;
                    return Some((Ok(users), self));
                }
                Some(Ok(None)) => self.done += 1,
                Some(Err(e)) => return Some(self.end(e)),
                // A worker that panicked said nothing: its ranges are missing.
                None if self.done < self.tasks.len() => return Some(self.end(BackendError::internal("reading profiles was broken off"))),
                None => {
                    self.finish();
                    return None;
                }
            }
        }
    }

    fn end(mut self, error: BackendError) -> (Result<Users>, Self) {
        self.is_over = true;
        self.tasks.clear();
        (Err(error), self)
    }

    fn finish(&self) {
        let rows_read = self.shared.rows.load(Ordering::Relaxed);
        let evaluating = Duration::from_nanos(self.shared.evaluating_ns.load(Ordering::Relaxed));
        let _ = self.metrics.set(RunMetrics {
            rows_read,
            bytes_read: self.shared.bytes.load(Ordering::Relaxed),
            users: self.users,
            elapsed: self.started.elapsed(),
            stages: vec![Stage { name: "evaluate", time: evaluating }],
            ..RunMetrics::default()
        });
    }
}
