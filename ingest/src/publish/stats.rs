//! What is counted of collecting and publishing.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Is told what goes wrong, and that it is over: one line each.
pub trait Reported: Send + Sync {
    /// Something for whoever runs the server.
    fn note(&self, text: &str);
}

/// Counts of one workspace, since the server started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneStats {
    /// The workspace.
    pub workspace: String,
    /// Messages stored in the log.
    pub accepted: u64,
    /// Those that were there already, by their ids.
    pub duplicates: u64,
    /// Messages stored that could not be accepted.
    pub quarantined: u64,
    /// Requests that were refused because the log could not take them.
    pub refused: u64,
    /// Events published.
    pub events: u64,
    /// Rows merged into profiles.
    pub facts: u64,
    /// Users there are, as of the last commit.
    pub users: u64,
    /// Commits.
    pub commits: u64,
    /// Time they took, microseconds.
    pub commit_us: u64,
    /// Commits that failed and are tried again.
    pub failures: u64,
    /// Records of the log that are not published yet.
    pub lag: u64,
    /// When about the oldest of them was received, microseconds since 1970; none if there is none.
    pub oldest_received_at: Option<i64>,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Groups written to the log, each with one sync.
    pub log_commits: u64,
    /// Time their syncs took, microseconds.
    pub log_sync_us: u64,
    /// Records of the log that were lost to damage.
    pub lost: u64,
    /// Message ids remembered.
    pub ids: u64,
}

/// The counters behind them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) quarantined: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) facts: AtomicU64,
    pub(crate) users: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) commit_us: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) lost: AtomicU64,
    /// A time that the oldest unpublished record was received at or after; 0 if nothing waits.
    pub(crate) oldest: AtomicI64,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
