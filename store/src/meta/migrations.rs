//! The tables, and the changes that were made to them since.
//!
//! In: a database of whatever age. Out: one with the tables of this program. A change runs once, in one transaction with the number that says so
//! (SQLite's `user_version`); a database of a later program is refused. Deliberately absent: going back.

use std::path::Path;

use sqlx::sqlite::SqlitePool;

use crate::error::{Attempt, Result, StoreError};
use crate::lock::Lock;

/// What was there before schemas had numbers.
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

/// Changes of the schema, the first one first. Statements do without what SQLite alone has, but for the types of columns and the last one of each,
/// which numbers it.
const MIGRATIONS: [&[&str]; 1] = [&[
    "ALTER TABLE segments ADD COLUMN name TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE segments ADD COLUMN description TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE segments ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE segments ADD COLUMN archived_at INTEGER",
    "CREATE TABLE segment_versions (
        workspace TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, condition TEXT NOT NULL, name TEXT NOT NULL,
        description TEXT NOT NULL, tags TEXT NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (workspace, key, version)) STRICT",
    "INSERT INTO segment_versions (workspace, key, version, condition, name, description, tags, created_at)
     SELECT workspace, key, version, condition, name, description, tags, updated_at FROM segments",
    "ALTER TABLE keys ADD COLUMN scopes TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE keys ADD COLUMN expires_at INTEGER",
    "UPDATE keys SET scopes = CASE kind WHEN 'write' THEN 'ingest' WHEN 'read' THEN 'read' ELSE kind END",
    "ALTER TABLE keys DROP COLUMN kind",
    "CREATE TABLE answered (
        workspace TEXT NOT NULL, caller TEXT NOT NULL, token TEXT NOT NULL, request BLOB NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (workspace, caller, token)) STRICT",
    "CREATE INDEX answered_by_age ON answered (at)",
    "PRAGMA user_version = 1",
]];

/// Makes and changes tables. `making` is the lock of whoever makes a database; it is taken where tables of one that is there are to change.
pub(super) async fn run(pool: &SqlitePool, path: &Path, making: Option<Lock>) -> Result<()> {
    let attempt = "make the metadata tables";
    let is_new = making.is_some();
    let mut at = version(pool, path).await?;
    if !is_new && at == MIGRATIONS.len() {
        return Ok(());
    }
    let _making = match making {
        Some(lock) => lock,
        None => Lock::take_making(path).await?,
    };
    at = at.max(version(pool, path).await?);
    if at == 0 {
        for table in TABLES {
            sqlx::query(table).execute(pool).await.attempt(attempt)?;
        }
    }
    for statements in MIGRATIONS.iter().skip(at) {
        let mut tx = pool.begin().await.attempt(attempt)?;
        for statement in *statements {
            sqlx::query(statement).execute(&mut *tx).await.attempt(attempt)?;
        }
        tx.commit().await.attempt(attempt)?;
    }
    Ok(())
}

/// How many changes a database has had.
async fn version(pool: &SqlitePool, path: &Path) -> Result<usize> {
    let at: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(pool).await.attempt("read the version of the metadata")?;
    let known = MIGRATIONS.len();
    usize::try_from(at).ok().filter(|at| *at <= known).ok_or_else(|| {
        StoreError::Conflict(format!("{} was changed by a later Muster (schema {at}, this one knows {known}): use that", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Meta, Scope};
    use super::*;

    /// A database as programs made it before schemas had numbers, with a segment and a key.
    async fn old(path: &Path) {
        let pool =
            SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true)).await.unwrap();
        let rows = [
            "INSERT INTO segments VALUES ('w', 'old', '{}', 7, 1, 2)",
            "INSERT INTO keys VALUES ('a', 'w', 'write', 'n', zeroblob(32), 5), ('b', 'w', 'read', 'n', randomblob(32), 6)",
        ];
        for statement in TABLES.iter().chain(&rows) {
            sqlx::query(statement).execute(&pool).await.unwrap();
        }
        pool.close().await;
    }

    #[tokio::test]
    async fn an_old_database_is_changed_once_by_whoever_opens_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.db");
        old(&path).await;
        for _ in 0..2 {
            let opened = tokio::join!(Meta::open(&path, false), Meta::open(&path, true), Meta::open(&path, false));
            let meta = opened.0.unwrap();
            opened.1.unwrap();
            opened.2.unwrap();
            let segment = meta.segments("w", None).await.unwrap().pop().unwrap();
            assert_eq!((segment.version, segment.archived_at, segment.saved.condition.as_str()), (7, None, "{}"));
            let versions = meta.segment_versions("w", "old", u64::MAX, 10).await.unwrap();
            assert_eq!(versions.iter().map(|v| (v.version, v.created_at)).collect::<Vec<_>>(), [(7, 2)]);
            let keys = meta.keys().await.unwrap();
            assert_eq!(
                keys.iter().map(|k| k.scopes.iter().copied().collect::<Vec<_>>()).collect::<Vec<_>>(),
                [[Scope::Ingest], [Scope::Read]]
            );
        }
    }

    #[tokio::test]
    async fn a_database_of_a_later_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.db");
        let meta = Meta::open(&path, true).await.unwrap();
        sqlx::query("PRAGMA user_version = 1000").execute(&meta.pool).await.unwrap();
        let error = Meta::open(&path, false).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    }
}
