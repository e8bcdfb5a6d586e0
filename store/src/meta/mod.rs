//! Metadata in SQLite: workspaces and their state rows, segments, lists, the ledger of imports, garbage, uploads
//! under way, keys, the quarantine.
//!
//! In and out: the rows below. Invariants: a state row changes by [`Meta::switch`] alone, in one transaction with the
//! ledger and the garbage it makes; [`Meta::read`] sees everything as of one moment.
//!
//! Deliberately absent: the meaning of conditions and catalogs, and files.

mod documents;
mod garbage;
mod keys;
mod prepared;
pub(crate) mod quarantine;
mod settings;
mod state;
mod uploads;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::error::{Attempt, Result, StoreError};
use crate::lock::Lock;

pub use documents::SegmentInfo;
pub(crate) use garbage::{Garbage, remove};
pub use keys::{KeyInfo, KeyKind};
pub(crate) use prepared::Prepared;
pub use quarantine::{Quarantine, QuarantinedRow, Unusable};
pub(crate) use settings::LakeIdentity;
pub use state::ImportInfo;
pub(crate) use state::{EventsState, ImportEntry, ProfilesState, PublishedProfiles, Reading, State};

/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections of one process to the metadata.
const CONNECTIONS_MAX: u32 = 4;

const TABLES: [&str; 12] = [
    "CREATE TABLE IF NOT EXISTS workspaces (
        name TEXT PRIMARY KEY, version INTEGER NOT NULL, catalog TEXT NOT NULL, events TEXT NOT NULL, profiles TEXT NOT NULL,
        next_list INTEGER NOT NULL DEFAULT 1, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS segments (
        workspace TEXT NOT NULL, key TEXT NOT NULL, condition TEXT NOT NULL, version INTEGER NOT NULL,
        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, PRIMARY KEY (workspace, key)) STRICT",
    "CREATE TABLE IF NOT EXISTS lists (
        workspace TEXT NOT NULL, key TEXT NOT NULL, info TEXT NOT NULL, PRIMARY KEY (workspace, key)) STRICT",
    "CREATE TABLE IF NOT EXISTS imports (
        workspace TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, record TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (workspace, id)) STRICT",
    "CREATE TABLE IF NOT EXISTS garbage (
        workspace TEXT NOT NULL, path TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (workspace, path)) STRICT",
    "CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS uploads (
        workspace TEXT NOT NULL, import TEXT NOT NULL, uri TEXT NOT NULL, PRIMARY KEY (workspace, uri)) STRICT",
    "CREATE TABLE IF NOT EXISTS prepared (
        workspace TEXT PRIMARY KEY, import TEXT NOT NULL, version INTEGER NOT NULL, catalog TEXT NOT NULL, rest TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS keys (
        id TEXT PRIMARY KEY, workspace TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
        created_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS quarantine (
        id INTEGER PRIMARY KEY AUTOINCREMENT, workspace TEXT NOT NULL, bytes INTEGER NOT NULL, received_at INTEGER NOT NULL,
        reason TEXT NOT NULL, pointer TEXT NOT NULL, message TEXT NOT NULL, replay INTEGER NOT NULL DEFAULT 0, entry BLOB NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS quarantine_by_workspace ON quarantine (workspace, id, bytes, replay)",
    "CREATE TABLE IF NOT EXISTS quarantine_dropped (workspace TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT",
];

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
        let _making = if create { Some(Lock::take_making(path).await?) } else { None };
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .connect_with(options)
            .await
            .attempt(&format!("open {}", path.display()))?;
        if create {
            for table in TABLES {
                sqlx::query(table).execute(&pool).await.attempt("make the metadata tables")?;
            }
        }
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
