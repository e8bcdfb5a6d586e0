//! Follows a workspace's log and publishes it, batch by batch.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::batch::Batch;
use super::commit::{Published, publish, refresh};
use super::error::PublishError;
use super::imported::Imported;
use super::lane::Lane;
use super::service::PublishOptions;
use super::stats::{Reported, add, micros};
use crate::log::{Log, Read};

/// Bytes of the log read at a time.
const READ_BYTES: usize = 4 << 20;
/// How long a workspace is left alone that somebody else writes to.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// How long it is left alone between two commits at least, so that an import gets it.
const GAP: Duration = Duration::from_millis(20);
/// How long it is left alone after a failure; longer after each, up to the second.
const FAILED_PAUSE: Duration = Duration::from_millis(200);
const FAILED_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often the log is told what is published.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// Bytes of the profiles' columnar form that are rewritten in a second, about.
const REFRESH_BYTES_PER_S: i64 = 4 << 20;
/// How long nothing comes until it is rewritten without.
const REFRESH_IDLE: Duration = Duration::from_millis(100);

/// What a worker is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Run,
    /// Publish what there is, and end.
    Finish,
    /// End now; what is not published is in the log.
    Stop,
}

/// Publishes a lane's log until it is told to end.
pub(crate) async fn run(lane: &Lane, options: &PublishOptions, reported: &dyn Reported, mut orders: watch::Receiver<Order>) {
    let mut worker = Worker {
        lane,
        imported: Imported::new(lane.folder.join("imported")),
        next: *lane.published.borrow(),
        refresh: Refresh { credit: REFRESH_BYTES_PER_S, since: Instant::now(), is_stale: true },
        failing: false,
        reported,
        bytes_max: options.batch_bytes,
    };
    let (mut began, mut told) = (None::<Instant>, Instant::now());
    loop {
        let order = if orders.has_changed().is_err() { Order::Stop } else { *orders.borrow() };
        if order == Order::Stop || (order == Order::Finish && worker.next >= lane.log.state().next) {
            break;
        }
        if order == Order::Run {
            // Commits begin this far apart at least, unless there is more than one takes.
            let rest = began.map_or(Duration::ZERO, |at| options.interval.saturating_sub(at.elapsed()).max(GAP));
            if unless(&mut orders, sleep(rest)).await.is_none() {
                continue;
            }
            worker.checkpoint(&mut told, false).await;
        }
        let idle = worker.next >= lane.log.state().next;
        if idle {
            worker.checkpoint(&mut told, true).await;
        }
        let Some(read) = unless(&mut orders, worker.read_or_refresh()).await else { continue };
        began = Some(Instant::now());
        let pause = match read {
            Ok(Some(batch)) => worker.publish(batch).await,
            Ok(None) => worker.refresh().await,
            Err(e) => worker.failed(&e),
        };
        if let Some(pause) = pause
            && unless(&mut orders, sleep(pause)).await.is_none()
            && *orders.borrow() == Order::Finish
        {
            // It is tried again at once, and then not for ever: whoever closes sets an end.
            sleep(pause).await;
        }
    }
    worker.checkpoint(&mut told, true).await;
}

/// Waits for something, unless an order comes before.
async fn unless<T>(orders: &mut watch::Receiver<Order>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        // Without anybody to give orders it is over.
        _ = orders.changed() => None,
    }
}

/// How much of the profiles' columnar form is rewritten: so many bytes a second, because what is replaced stays on the disk for a while.
struct Refresh {
    /// Bytes that may be written; less than nothing after a large file.
    credit: i64,
    since: Instant,
    /// Whether something is left to do.
    is_stale: bool,
}

impl Refresh {
    /// The bytes that have come together.
    fn bytes(&mut self) -> u64 {
        let elapsed = i64::try_from(micros(std::mem::replace(&mut self.since, Instant::now()).elapsed())).unwrap_or(i64::MAX);
        let earned = REFRESH_BYTES_PER_S.saturating_mul(elapsed) / 1_000_000;
        self.credit = self.credit.saturating_add(earned).min(REFRESH_BYTES_PER_S);
        u64::try_from(self.credit).unwrap_or(0)
    }

    fn note(&mut self, published: &Published) {
        self.credit = self.credit.saturating_sub(i64::try_from(published.profile_bytes).unwrap_or(i64::MAX));
        self.is_stale = published.is_stale;
    }

    /// When it is worth doing without anything to publish.
    fn due(&self) -> Duration {
        let missing = u64::try_from(self.credit.saturating_neg()).unwrap_or(0);
        REFRESH_IDLE.saturating_add(Duration::from_micros(missing.saturating_mul(1_000_000) / REFRESH_BYTES_PER_S.unsigned_abs()))
    }
}

struct Worker<'a> {
    lane: &'a Lane,
    imported: Imported,
    /// The offset to read from.
    next: u64,
    refresh: Refresh,
    failing: bool,
    reported: &'a dyn Reported,
    bytes_max: usize,
}

impl Worker<'_> {
    /// The same, or nothing if the profiles' columnar form lacks changes and nothing comes.
    async fn read_or_refresh(&mut self) -> Result<Option<Batch>, PublishError> {
        if !self.refresh.is_stale || self.next < self.lane.log.state().next {
            return self.read().await.map(Some);
        }
        let due = self.refresh.due();
        match timeout(due, self.read()).await {
            Ok(read) => read.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn refresh(&mut self) -> Option<Duration> {
        let bytes = self.refresh.bytes();
        match refresh(&self.lane.workspace, &mut self.imported, bytes).await {
            Ok(published) => {
                self.refresh.note(&published);
                None
            }
            Err(e) => self.failed(&e),
        }
    }

    /// What is in the log from `next` on, as much as one commit takes; waits for something.
    async fn read(&mut self) -> Result<Batch, PublishError> {
        let mut batch = Batch { next: self.next, ..Batch::default() };
        loop {
            match self.lane.log.read(batch.next, READ_BYTES).await? {
                Read::Entries(entries) => {
                    for entry in entries {
                        batch.take(entry)?;
                    }
                }
                Read::Gap(gap) => {
                    add(&self.lane.counters.lost, gap.next - gap.from);
                    let (from, next, file) = (gap.from, gap.next, gap.file.display());
                    let name = self.lane.workspace.name();
                    self.reported.note(&format!("{name}: offsets {from} to {next} of the log are lost: {file}: {}", gap.reason));
                    batch.next = gap.next;
                }
            }
            if batch.bytes >= self.bytes_max || batch.next >= self.lane.log.state().next {
                return Ok(batch);
            }
        }
    }

    /// Publishes a batch; how long to wait if that failed.
    async fn publish(&mut self, batch: Batch) -> Option<Duration> {
        let last = batch.messages.last().map(|(_, m)| m.received_at);
        let (lane, started) = (self.lane, Instant::now());
        let refresh_bytes = self.refresh.bytes();
        match publish(&lane.workspace, &lane.id, &mut self.imported, batch, refresh_bytes).await {
            Ok(published) => {
                self.count(&published, started.elapsed());
                self.refresh.note(&published);
                self.next = published.next;
                lane.publish(published.next);
                let behind = lane.log.state().next > published.next;
                lane.counters.oldest.store(last.filter(|_| behind).unwrap_or(0), Ordering::Relaxed);
                if std::mem::take(&mut self.failing) {
                    self.reported.note(&format!("{}: publishing goes on", lane.workspace.name()));
                }
                None
            }
            Err(e) => self.failed(&e),
        }
    }

    fn count(&self, published: &Published, took: Duration) {
        let counters = &self.lane.counters;
        add(&counters.events, published.events);
        add(&counters.facts, published.facts);
        add(&counters.duplicates, published.duplicates);
        counters.users.store(published.users, Ordering::Relaxed);
        add(&counters.commits, 1);
        add(&counters.commit_us, micros(took));
    }

    /// How long to wait after a failure, which is told once.
    fn failed(&mut self, error: &PublishError) -> Option<Duration> {
        if error.is_busy() {
            return Some(BUSY_PAUSE);
        }
        add(&self.lane.counters.failures, 1);
        if !std::mem::replace(&mut self.failing, true) {
            let name = self.lane.workspace.name();
            self.reported.note(&format!("{name}: publishing waits, and what is collected is kept: {}", error.told()));
            return Some(FAILED_PAUSE);
        }
        Some(FAILED_PAUSE_MAX)
    }

    /// Tells the log what is published, now and then. If that fails the log keeps more for a while.
    async fn checkpoint(&self, told: &mut Instant, now: bool) {
        if now || told.elapsed() >= CHECKPOINT_EVERY {
            *told = Instant::now();
            if let Err(e) = self.lane.checkpoint().await {
                self.reported.note(&format!("{}: the log is not trimmed: {e}", self.lane.workspace.name()));
            }
        }
    }
}
