//! The durable log: records go in, and their offsets come back once they are on disk.
//!
//! In: opaque bytes with a small header. Out: the same records by offset, to readers that follow the end. [`Log`] is what stands between
//! collecting and the workers; [`LocalLog`] keeps it in segment files of this machine (`docs/adr/0014-a-log-of-our-own.md` has the format and why).
//!
//! Invariants: an append is answered only when its records are durable, and what is not durable is given to nobody. Offsets are
//! consecutive and never given twice. What is damaged is never passed over in silence: a reader gets a [`Gap`] in its place.
//! A file whose writing or syncing failed is never written or synced again. Deliberately absent: what the bytes mean, and time (received
//! times are given).

pub mod disk;
mod error;
mod frame;
mod local;
mod open;
mod options;
mod positions;
mod read;
mod segments;
mod trim;
mod writer;

use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;

pub use error::{LogError, LogResult};
pub use local::LocalLog;
pub use open::Opened;
pub use options::LogOptions;

/// Bytes of one record, without its header.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Records of one append.
pub const APPEND_RECORDS_MAX: usize = 65_536;
/// Bytes of one append, headers included.
pub const APPEND_BYTES_MAX: usize = 8 << 20;
/// Consumers that a log remembers.
pub const CONSUMERS_MAX: usize = 32;
/// Bytes of a consumer's name.
pub const CONSUMER_BYTES_MAX: usize = 64;
/// Gaps that [`LogState`] names; more are counted.
pub const GAPS_MAX: usize = 64;

/// What is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it was received, in microseconds since 1970.
    pub received_at: i64,
    /// What its duplicates have in common (see [`crate::seen`]); 0 for none.
    pub key: u128,
    /// Anything, at most [`RECORD_BYTES_MAX`].
    pub bytes: Bytes,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place: one more than that of the record before it.
    pub offset: u64,
    /// As it was appended.
    pub record: Record,
}

/// Records that were durable once and cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The first offset that is missing.
    pub from: u64,
    /// The first offset after it that is not.
    pub next: u64,
    /// Where it stood. The file is kept in the log's folder `damaged` when it is trimmed.
    pub file: PathBuf,
    /// What is wrong.
    pub reason: String,
}

/// What a read gives. A gap is given by itself, so that nobody passes over it unawares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Records, at least one, of consecutive offsets.
    Entries(Vec<Entry>),
    /// Damage: reading goes on at its `next`.
    Gap(Gap),
}

impl Read {
    /// Where reading goes on; `from` is where this read began.
    #[must_use]
    pub fn next(&self, from: u64) -> u64 {
        match self {
            Self::Entries(entries) => entries.last().map_or(from, |entry| entry.offset + 1),
            Self::Gap(gap) => gap.next,
        }
    }
}

/// How a log stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogState {
    /// The least offset that is kept.
    pub first: u64,
    /// The offset that the next record gets; all below are durable.
    pub next: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// When about the oldest kept record was received, in microseconds since 1970: that of its file's first. None for an empty log.
    pub oldest_received_at: Option<i64>,
    /// Why appends are refused, if they are.
    pub refusing: Option<String>,
    /// Damage known: the first [`GAPS_MAX`].
    pub gaps: Vec<Gap>,
    /// Damage known, counted.
    pub gaps_count: u64,
    /// Groups written since it was opened, each with one sync.
    pub commits: u64,
    /// Time their syncs took, in microseconds.
    pub sync_us: u64,
}

/// A log of one shard.
///
/// # Errors
///
/// [`LogError::retry_after`] says which are worth a repetition, and when.
#[async_trait::async_trait]
pub trait Log: Send + Sync {
    /// Appends records, in order and without others in between, and returns their offsets once they are durable. It waits for the disk
    /// as long as that takes, because an answer is one for good: see [`crate::seen::Intake`], which bounds the time.
    ///
    /// # Errors
    ///
    /// `Full` and `Unavailable` (repeat), `TooLarge`, `Closed`: the records are not in the log. Only if the process ends before more is
    /// appended may they be found in it after all.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer; the records may be appended or not.
    async fn append(&self, records: Vec<Record>) -> LogResult<Range<u64>>;

    /// Reads from an offset on, about `bytes_max` of records but one at least; waits at the end until there are some.
    ///
    /// # Errors
    ///
    /// `Trimmed` below the first offset, `Beyond` past the next one, `Unavailable` if the file cannot be read now, `Closed`.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing.
    async fn read(&self, from: u64, bytes_max: usize) -> LogResult<Read>;

    /// Remembers a consumer, so that nothing is trimmed that it has not passed, and returns where it stands: the first offset when it is new.
    async fn register(&self, consumer: &str) -> LogResult<u64>;

    /// A registered consumer has seen to all records below an offset, for good. Durable when it returns. Never goes back.
    async fn checkpoint(&self, consumer: &str, below: u64) -> LogResult<()>;

    /// Forgets a consumer.
    async fn forget(&self, consumer: &str) -> LogResult<()>;

    /// Gives up records below an offset, but none that a consumer has not passed. Returns the first offset that is kept.
    async fn trim(&self, below: u64) -> LogResult<u64>;

    /// How it stands.
    fn state(&self) -> LogState;
}
