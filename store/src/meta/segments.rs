//! Saved segments and their versions.
//!
//! Invariants: a segment's row is its newest version and whether it is archived; every save adds a version, in one transaction; of a segment the
//! newest [`VERSIONS_MAX`] are kept. Deliberately absent: what conditions mean and refer to.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::idempotency::{Answered, Token};
use super::state::{decode, encode};
use super::{Meta, now_us, unsigned};
use crate::error::{Attempt, Result, StoreError};

/// Versions of one segment that are kept.
pub const VERSIONS_MAX: u64 = 1000;

/// What people write of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentDraft {
    /// Its condition, JSON text as it came.
    pub condition: String,
    /// What people call it; may be empty.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Words to find it by, without commas and quotes.
    pub tags: Vec<String>,
}

/// A saved segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its key.
    pub key: String,
    /// 1 when first saved, one more each time.
    pub version: u64,
    /// What was saved.
    pub saved: SegmentDraft,
    /// When it was first saved, microseconds.
    pub created_at: i64,
    /// When it was last saved, archived or taken back, microseconds. Each such change has a later one.
    pub updated_at: i64,
    /// When it was archived, microseconds; `None`: it is not.
    pub archived_at: Option<i64>,
}

/// A version of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentVersion {
    /// Its number.
    pub version: u64,
    /// What was saved.
    pub saved: SegmentDraft,
    /// When, microseconds.
    pub created_at: i64,
}

/// What tells a request from others, and what is answered once the segment is saved.
type Telling<'a> = (&'a Token, &'a (dyn Fn(&SegmentInfo) -> String + Sync));

fn draft(row: &SqliteRow, from: usize) -> Result<SegmentDraft> {
    Ok(SegmentDraft {
        condition: row.get(from),
        name: row.get(from + 1),
        description: row.get(from + 2),
        tags: decode(row.get::<&str, _>(from + 3), "a segment's tags")?,
    })
}

fn segment(row: &SqliteRow) -> Result<SegmentInfo> {
    Ok(SegmentInfo {
        key: row.get(0),
        version: unsigned(row.get(1), "a segment's version")?,
        saved: draft(row, 2)?,
        created_at: row.get(6),
        updated_at: row.get(7),
        archived_at: row.get(8),
    })
}

fn version(row: &SqliteRow) -> Result<SegmentVersion> {
    Ok(SegmentVersion { version: unsigned(row.get(0), "a segment's version")?, saved: draft(row, 1)?, created_at: row.get(5) })
}

impl Meta {
    /// Saves a segment, as its first version or the next one; `answered` has what is said of it and remembered for a repetition.
    pub(crate) async fn save_segment(
        &self,
        workspace: &str,
        key: &str,
        draft: SegmentDraft,
        answered: Option<Telling<'_>>,
    ) -> Result<SegmentInfo> {
        let attempt = "save a segment";
        let mut tx = self.pool.begin().await.attempt(attempt)?;
        let row = sqlx::query(
            "INSERT INTO segments (workspace, key, condition, version, created_at, updated_at, name, description, tags)
             VALUES ($1, $2, $3, 1, $4, $4, $5, $6, $7)
             ON CONFLICT (workspace, key) DO UPDATE SET condition = excluded.condition, version = segments.version + 1,
                updated_at = CASE WHEN excluded.updated_at > segments.updated_at THEN excluded.updated_at ELSE segments.updated_at + 1 END,
                name = excluded.name, description = excluded.description, tags = excluded.tags
             RETURNING key, version, condition, name, description, tags, created_at, updated_at, archived_at",
        )
        .bind(workspace)
        .bind(key)
        .bind(&draft.condition)
        .bind(now_us())
        .bind(&draft.name)
        .bind(&draft.description)
        .bind(encode(&draft.tags, "the tags")?)
        .fetch_one(&mut *tx)
        .await
        .attempt(attempt)?;
        let info = segment(&row)?;
        keep_version(&mut tx, workspace, &info).await?;
        if let Some((token, answer)) = answered {
            Answered { token: token.clone(), answer: answer(&info) }.keep(&mut tx, workspace).await?;
        }
        tx.commit().await.attempt(attempt)?;
        Ok(info)
    }

    /// Archives a segment or takes it back; `None` if it is not there. One that is as asked stays as it is.
    pub(crate) async fn archive_segment(&self, workspace: &str, key: &str, archived: bool) -> Result<Option<SegmentInfo>> {
        let now = now_us();
        sqlx::query(
            "UPDATE segments SET archived_at = $3, updated_at = CASE WHEN $4 > updated_at THEN $4 ELSE updated_at + 1 END
             WHERE workspace = $1 AND key = $2 AND (archived_at IS NULL) = $5",
        )
        .bind(workspace)
        .bind(key)
        .bind(archived.then_some(now))
        .bind(now)
        .bind(archived)
        .execute(&self.pool)
        .await
        .attempt("archive a segment")?;
        Ok(self.segments(workspace, Some(key)).await?.pop())
    }

    /// Saved segments: one, or all by key.
    pub(crate) async fn segments(&self, workspace: &str, key: Option<&str>) -> Result<Vec<SegmentInfo>> {
        sqlx::query(
            "SELECT key, version, condition, name, description, tags, created_at, updated_at, archived_at FROM segments
             WHERE workspace = $1 AND ($2 IS NULL OR key = $2) ORDER BY key",
        )
        .bind(workspace)
        .bind(key)
        .fetch_all(&self.pool)
        .await
        .attempt("read the segments")?
        .iter()
        .map(segment)
        .collect()
    }

    /// Segments in the order of their keys, those after `after`, `limit` at most.
    pub(crate) async fn segments_after(
        &self,
        workspace: &str,
        after: &str,
        archived: Option<bool>,
        tag: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SegmentInfo>> {
        // A tag is looked for as the JSON text that it has in the list; no other place in it has that text, as tags have no commas.
        let tag = tag.map(|t| encode(&t, "a tag")).transpose()?;
        sqlx::query(
            "SELECT key, version, condition, name, description, tags, created_at, updated_at, archived_at FROM segments
             WHERE workspace = $1 AND key > $2 AND ($3 IS NULL OR (archived_at IS NOT NULL) = $3)
               AND ($4 IS NULL OR replace(tags, $4, '') <> tags) ORDER BY key LIMIT $5",
        )
        .bind(workspace)
        .bind(after)
        .bind(archived)
        .bind(tag)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .attempt("read the segments")?
        .iter()
        .map(segment)
        .collect()
    }

    /// Versions of a segment before `before`, the newest first, `limit` at most.
    pub(crate) async fn segment_versions(&self, workspace: &str, key: &str, before: u64, limit: u32) -> Result<Vec<SegmentVersion>> {
        sqlx::query(
            "SELECT version, condition, name, description, tags, created_at FROM segment_versions
             WHERE workspace = $1 AND key = $2 AND version < $3 ORDER BY version DESC LIMIT $4",
        )
        .bind(workspace)
        .bind(key)
        .bind(i64::try_from(before).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .attempt("read the versions of a segment")?
        .iter()
        .map(version)
        .collect()
    }

    /// Deletes a segment with its versions; whether it was there.
    pub(crate) async fn delete_segment(&self, workspace: &str, key: &str) -> Result<bool> {
        let attempt = "delete a segment";
        let mut tx = self.pool.begin().await.attempt(attempt)?;
        let mut deleted = 0;
        for statement in
            ["DELETE FROM segment_versions WHERE workspace = $1 AND key = $2", "DELETE FROM segments WHERE workspace = $1 AND key = $2"]
        {
            deleted = sqlx::query(statement).bind(workspace).bind(key).execute(&mut *tx).await.attempt(attempt)?.rows_affected();
        }
        tx.commit().await.attempt(attempt)?;
        Ok(deleted > 0)
    }
}

/// Keeps what was just saved as a version, and drops the one that is too old.
async fn keep_version(tx: &mut Transaction<'_, Sqlite>, workspace: &str, info: &SegmentInfo) -> Result<()> {
    let attempt = "keep a version of a segment";
    let number = i64::try_from(info.version).map_err(|e| StoreError::corrupt("a segment has too many versions", e))?;
    sqlx::query(
        "INSERT INTO segment_versions (workspace, key, version, condition, name, description, tags, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(workspace)
    .bind(&info.key)
    .bind(number)
    .bind(&info.saved.condition)
    .bind(&info.saved.name)
    .bind(&info.saved.description)
    .bind(encode(&info.saved.tags, "the tags")?)
    .bind(info.updated_at)
    .execute(&mut **tx)
    .await
    .attempt(attempt)?;
    sqlx::query("DELETE FROM segment_versions WHERE workspace = $1 AND key = $2 AND version <= $3")
        .bind(workspace)
        .bind(&info.key)
        .bind(number.saturating_sub(VERSIONS_MAX as i64))
        .execute(&mut **tx)
        .await
        .attempt(attempt)?;
    Ok(())
}
