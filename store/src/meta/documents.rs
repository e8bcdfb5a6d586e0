//! Segments and lists by key.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::state::{decode, encode};
use super::{Garbage, Meta, now_us, unsigned};
use crate::error::{Attempt, Result};
use crate::lists::ListInfo;

/// A saved segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its key.
    pub key: String,
    /// Its condition, JSON text as saved.
    pub condition: String,
    /// 1 when first saved, one more each time.
    pub version: u64,
    /// When it was first saved, microseconds.
    pub created_at: i64,
    /// When it was last saved, microseconds.
    pub updated_at: i64,
}

fn segment(row: &SqliteRow) -> Result<SegmentInfo> {
    Ok(SegmentInfo {
        key: row.get(0),
        condition: row.get(1),
        version: unsigned(row.get(2), "a segment's version")?,
        created_at: row.get(3),
        updated_at: row.get(4),
    })
}

impl Meta {
    /// Saves a segment.
    pub(crate) async fn save_segment(&self, workspace: &str, key: &str, condition: &str) -> Result<SegmentInfo> {
        let now = now_us();
        let row = sqlx::query(
            "INSERT INTO segments (workspace, key, condition, version, created_at, updated_at) VALUES (?, ?, ?, 1, ?, ?)
             ON CONFLICT (workspace, key) DO UPDATE SET condition = excluded.condition, version = version + 1, updated_at = excluded.updated_at
             RETURNING key, condition, version, created_at, updated_at",
        )
        .bind(workspace)
        .bind(key)
        .bind(condition)
        .bind(now)
        .bind(now)
        .fetch_one(&self.pool)
        .await
        .attempt("save a segment")?;
        segment(&row)
    }

    /// Saved segments: one, or all by key.
    pub(crate) async fn segments(&self, workspace: &str, key: Option<&str>) -> Result<Vec<SegmentInfo>> {
        sqlx::query(
            "SELECT key, condition, version, created_at, updated_at FROM segments
             WHERE workspace = ? AND (? IS NULL OR key = ?) ORDER BY key",
        )
        .bind(workspace)
        .bind(key)
        .bind(key)
        .fetch_all(&self.pool)
        .await
        .attempt("read the segments")?
        .iter()
        .map(segment)
        .collect()
    }

    /// Deletes a segment; whether it was there.
    pub(crate) async fn delete_segment(&self, workspace: &str, key: &str) -> Result<bool> {
        let done = sqlx::query("DELETE FROM segments WHERE workspace = ? AND key = ?")
            .bind(workspace)
            .bind(key)
            .execute(&self.pool)
            .await
            .attempt("delete a segment")?;
        Ok(done.rows_affected() > 0)
    }

    /// Lists: one, or all by key.
    pub(crate) async fn lists(&self, workspace: &str, key: Option<&str>) -> Result<Vec<ListInfo>> {
        sqlx::query("SELECT info FROM lists WHERE workspace = ? AND (? IS NULL OR key = ?) ORDER BY key")
            .bind(workspace)
            .bind(key)
            .bind(key)
            .fetch_all(&self.pool)
            .await
            .attempt("read the lists")?
            .iter()
            .map(|row| decode(row.get::<&str, _>(0), "a list's record"))
            .collect()
    }

    /// The number of the next table of a list or of profiles, never given before.
    pub(crate) async fn next_table(&self, workspace: &str) -> Result<u64> {
        let n: i64 = sqlx::query_scalar("UPDATE workspaces SET next_list = next_list + 1 WHERE name = ? RETURNING next_list - 1")
            .bind(workspace)
            .fetch_one(&self.pool)
            .await
            .attempt("number a table")?;
        unsigned(n, "a table's number")
    }

    /// Makes a list the current one of its key, noting what was of the one before.
    pub(crate) async fn put_list(&self, workspace: &str, info: &ListInfo, garbage: &[Garbage]) -> Result<()> {
        let mut tx = self.pool.begin().await.attempt("save a list")?;
        sqlx::query("INSERT OR REPLACE INTO lists (workspace, key, info) VALUES (?, ?, ?)")
            .bind(workspace)
            .bind(&info.key)
            .bind(encode(info, "the list's record")?)
            .execute(&mut *tx)
            .await
            .attempt("save a list")?;
        super::garbage::insert(&mut tx, workspace, garbage, 0, now_us()).await?;
        tx.commit().await.attempt("save a list")
    }

    /// Deletes a list, noting what was its.
    pub(crate) async fn delete_list(&self, workspace: &str, key: &str, garbage: &[Garbage]) -> Result<()> {
        let mut tx = self.pool.begin().await.attempt("delete a list")?;
        sqlx::query("DELETE FROM lists WHERE workspace = ? AND key = ?")
            .bind(workspace)
            .bind(key)
            .execute(&mut *tx)
            .await
            .attempt("delete a list")?;
        super::garbage::insert(&mut tx, workspace, garbage, 0, now_us()).await?;
        tx.commit().await.attempt("delete a list")
    }
}
