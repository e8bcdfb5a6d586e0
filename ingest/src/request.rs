//! What an import is asked to do, and how it tells how far it is.

use std::path::PathBuf;

use crate::limits::MEMORY_BYTES_DEFAULT;

/// An import.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Files of events.
    pub events: Vec<PathBuf>,
    /// Files of users.
    pub users: Vec<PathBuf>,
    /// A recipe (`docs/import.md`). It names its files itself, or those above are its input.
    pub recipe: Option<PathBuf>,
    /// `(field, column)`: where a field comes from. A field is `user_id`, `event`, `ts`, `message_id`, `first_seen_at`, or
    /// the name of a property or attribute.
    pub map: Vec<(String, String)>,
    /// `(field, value)`: constants, which win over columns.
    pub set: Vec<(String, String)>,
    /// Unusable rows that are put up with.
    pub max_rejects: u64,
    /// The file for rejected rows, made when there are any.
    pub reject_file: PathBuf,
    /// Memory to plan with, in bytes.
    pub memory_bytes: usize,
    /// The time of receiving, microseconds since 1970-01-01T00:00:00Z.
    pub now: i64,
    /// The zone that the workspace must have, if stated.
    pub timezone: Option<String>,
}

impl ImportRequest {
    /// A request that imports nothing yet: no rejects allowed, default memory.
    pub fn new(now: i64, reject_file: impl Into<PathBuf>) -> Self {
        Self {
            events: Vec::new(),
            users: Vec::new(),
            recipe: None,
            map: Vec::new(),
            set: Vec::new(),
            max_rejects: 0,
            reject_file: reject_file.into(),
            memory_bytes: MEMORY_BYTES_DEFAULT,
            now,
            timezone: None,
        }
    }
}

/// A part of an import, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading and checking the input; counts bytes of its files.
    Read,
    /// Finding events that are there already; counts parts.
    Deduplicate,
    /// Sorting and writing events; counts events.
    Write,
    /// Merging user rows; counts rows.
    Profiles,
    /// Making it visible; counts nothing.
    Commit,
}

/// Is told how far an import is, from any thread.
pub trait Progress: Send + Sync {
    /// A stage begins; `total` is what it will count to.
    fn stage(&self, stage: Stage, total: u64);
    /// So much more of the stage is done.
    fn advance(&self, done: u64);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn stage(&self, _: Stage, _: u64) {}
    fn advance(&self, _: u64) {}
}
