//! Collected events that are not in the lake's table yet: small files that a state names beside it.
//!
//! In: files of publishing, several a second. Out: the same for readers, who take them for files of the table, until they are settled. A
//! commit of Iceberg's table each time would make a snapshot, a manifest and two metadata files of a few rows.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How much of a log of collected messages a state holds: in the same commit as what became of them, so each counts once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// The log's id: offsets of another log are not this one's.
    pub log: String,
    /// The first offset that the state does not hold.
    pub next: u64,
}

/// A file of events of one UTC day, sorted as those of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecentFile {
    /// Absolute path.
    pub(crate) path: PathBuf,
    /// The UTC day, days since 1970-01-01.
    pub(crate) day: i32,
    /// Rows in it.
    pub(crate) rows: u64,
    /// Its size.
    pub(crate) size_bytes: u64,
}
