//! The lake: Iceberg tables of events and lists, on a local folder with their catalog in SQLite, or on S3 with their catalog in Postgres,
//! where other engines read and change them.
//!
//! In: sorted batches of one day. Out: pinned snapshots, planned by Iceberg and read as Parquet files by whoever asks.
//! Deliberately absent: rewriting and deleting rows, which Iceberg's Rust library cannot do; what other engines deleted is left out.

use std::time::Duration;

pub(crate) mod blocking;
pub mod deletes;
pub mod file_writer;
pub mod keys;
pub(crate) mod lineage;
pub(crate) mod metrics;
pub mod objects;
pub(crate) mod order;
pub mod schema;
pub(crate) mod shared;
pub mod snapshot;
pub(crate) mod storage;
pub(crate) mod tables;

/// How long files stay after the last state that named them was replaced.
pub const GARBAGE_AGE: Duration = Duration::from_secs(15 * 60);
