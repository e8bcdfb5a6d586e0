//! Metadata in SQLite: workspaces and their state rows, segments, lists, the ledger of imports, garbage, uploads
//! under way, keys, the quarantine, answers that are given again.
//!
//! In and out: the rows below. Invariants: a state row changes by [`Meta::switch`] alone, in one transaction with the
//! ledger and the garbage it makes; [`Meta::read`] sees everything as of one moment.
//!
//! Deliberately absent: the meaning of conditions and catalogs, and files.

mod documents;
mod garbage;
mod idempotency;
mod keys;
mod migrations;
mod prepared;
pub(crate) mod quarantine;
mod segments;
mod settings;
mod state;
mod uploads;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::error::{Attempt, Result, StoreError};
use crate::lock::Lock;

pub(crate) use garbage::{Garbage, remove};
pub use idempotency::{Answered, Token};
pub use keys::{KeyInfo, Scope, Scopes};
pub(crate) use prepared::Prepared;
pub use quarantine::{Quarantine, QuarantinedRow, Unusable};
pub use segments::{SegmentDraft, SegmentInfo, SegmentVersion, VERSIONS_MAX};
pub(crate) use settings::LakeIdentity;
pub use state::ImportInfo;
pub(crate) use state::{EventsState, ImportEntry, ProfilesState, PublishedProfiles, Reading, State};

/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections of one process to the metadata.
const CONNECTIONS_MAX: u32 = 4;

/// The metadata of a data directory.
#[derive(Debug, Clone)]
pub(crate) struct Meta {
    pool: SqlitePool,
}

impl Meta {
    /// Opens the database, making it and its tables if asked to.
    pub(crate) async fn open(path: &Path, create: bool) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let making = if create { Some(Lock::take_making(path).await?) } else { None };
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .connect_with(options)
            .await
            .attempt(&format!("open {}", path.display()))?;
        migrations::run(&pool, path, making).await?;
        Ok(Self { pool })
    }
}

/// Now, in microseconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

/// Reads a column that SQLite keeps as signed.
fn unsigned(value: i64, what: &str) -> Result<u64> {
    u64::try_from(value).map_err(|e| StoreError::corrupt(format!("{what} is negative"), e))
}
