//! Duplicates by message id: recognised exactly within a horizon, across restarts, in bounded memory.
//!
//! In: records on their way to the log, each with the [`key`] of its message. Out: each stored once; a second one is answered as stored when the
//! first is durable. [`Intake`] stands before a log and is the only one that appends to it.
//!
//! What is remembered is 128 bits of a hash and the time of receiving: the latest in memory, older ones in sorted files with a filter in
//! memory. A later copy received at most the horizon after the first accepted one is its duplicate, whatever it carries; one received later is
//! new. Imports draw the same line. The files are behind the log, which is what counts: they are made from it, and what they lack is read
//! from it on opening.
//!
//! Deliberately absent: the clock (received times are given), and what imports look up themselves ([`crate::import()`]).

mod files;
mod intake;
mod merge;
mod run;
mod table;

use std::time::Duration;

use sha2::{Digest, Sha256};

pub use intake::{Intake, Outcome};
#[cfg(feature = "collect")]
pub(crate) use run::{Entry, Run, write as write_run};

/// Bounds of what is remembered.
#[derive(Debug, Clone)]
pub struct SeenOptions {
    /// How long a message is remembered after it was received.
    pub horizon: Duration,
    /// Ids in memory after which they go to a file: about 50 bytes each, twice that while a file is written.
    pub memory_ids: usize,
    /// Bytes of records after which ids go to a file, so that the log can be trimmed: at most a quarter of the log's bound.
    pub log_bytes: u64,
    /// How long an append waits at most.
    pub wait_max: Duration,
    /// Bytes of records that wait for the log at most.
    pub waiting_bytes: usize,
}

impl Default for SeenOptions {
    fn default() -> Self {
        Self {
            horizon: crate::limits::DEDUP_HORIZON,
            memory_ids: 1 << 20,
            log_bytes: 256 << 20,
            wait_max: Duration::from_secs(30),
            waiting_bytes: 64 << 20,
        }
    }
}

/// What all copies of a message have in common: half of the SHA-256 of its workspace and id. Not a faster hash, because whoever may write
/// into one workspace must not be able to make ids that pass for those of another one's. Never 0.
#[must_use]
pub fn key(workspace: &str, message_id: &str) -> u128 {
    let mut hash = Sha256::new();
    hash.update((workspace.len() as u64).to_le_bytes());
    hash.update(workspace);
    hash.update(message_id);
    let digest = hash.finalize();
    let half = digest.first_chunk().map_or(0, |half| u128::from_le_bytes(*half));
    half.max(1)
}

/// How the memory of ids stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenState {
    /// Ids in memory.
    pub memory_ids: u64,
    /// Ids in files.
    pub file_ids: u64,
    /// Files.
    pub files: u64,
    /// Bytes of filters and tables of contents in memory.
    pub filter_bytes: u64,
    /// Bytes of the files.
    pub file_bytes: u64,
    /// Offsets of the log below which ids are in files.
    pub covered: u64,
    /// Duplicates recognised since it was opened.
    pub duplicates: u64,
    /// Pages of files that cannot be read: duplicates of what stood there are not recognised.
    pub damaged: u64,
    /// Why the last file could not be written, or files not merged.
    pub failing: Option<String>,
}
