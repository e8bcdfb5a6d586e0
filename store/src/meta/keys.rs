//! Keys that let senders write into a workspace, or readers read from it. Of each only a hash is kept.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Meta, now_us};
use crate::error::{Attempt, Result, StoreError};
use crate::store::Store;

/// Keys of a directory.
const KEYS_MAX: i64 = 10_000;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// To collect: it reads nothing, and may be public.
    Write,
    /// To read users.
    Read,
}

impl KeyKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// A key, without what opens anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Tells it from others.
    pub id: String,
    /// The workspace that it opens.
    pub workspace: String,
    /// For what.
    pub kind: KeyKind,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// When it was made, microseconds.
    pub created_at: i64,
}

fn key(row: &SqliteRow) -> Result<KeyInfo> {
    let hash: Vec<u8> = row.get(4);
    let kind = match row.get::<&str, _>(2) {
        "write" => KeyKind::Write,
        "read" => KeyKind::Read,
        other => return Err(StoreError::corrupt_plain(format!("a key is for {other:?}"))),
    };
    Ok(KeyInfo {
        id: row.get(0),
        workspace: row.get(1),
        kind,
        name: row.get(3),
        hash: hash.try_into().map_err(|_| StoreError::corrupt_plain("a key's hash does not have 32 bytes"))?,
        created_at: row.get(5),
    })
}

impl Meta {
    async fn insert_key(&self, key: &KeyInfo) -> Result<()> {
        let done = sqlx::query(
            "INSERT INTO keys (id, workspace, kind, name, hash, created_at) SELECT ?, ?, ?, ?, ?, ?
             WHERE (SELECT count(*) FROM keys) < ?",
        )
        .bind(&key.id)
        .bind(&key.workspace)
        .bind(key.kind.name())
        .bind(&key.name)
        .bind(key.hash.as_slice())
        .bind(key.created_at)
        .bind(KEYS_MAX)
        .execute(&self.pool)
        .await
        .attempt("keep a key")?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Invalid(format!("there are {KEYS_MAX} keys already: revoke some")));
        }
        Ok(())
    }

    async fn keys(&self) -> Result<Vec<KeyInfo>> {
        let rows = sqlx::query("SELECT id, workspace, kind, name, hash, created_at FROM keys ORDER BY created_at, id")
            .fetch_all(&self.pool)
            .await
            .attempt("read the keys")?;
        rows.iter().map(key).collect()
    }

    async fn delete_key(&self, id: &str) -> Result<bool> {
        let done = sqlx::query("DELETE FROM keys WHERE id = ?").bind(id).execute(&self.pool).await.attempt("revoke a key")?;
        Ok(done.rows_affected() > 0)
    }
}

impl Store {
    /// Keeps a key's hash.
    ///
    /// # Errors
    ///
    /// `NotFound` for a workspace that is not there, `Invalid` if there are too many keys.
    pub async fn add_key(&self, workspace: &str, kind: KeyKind, name: &str, hash: [u8; 32]) -> Result<KeyInfo> {
        if !self.shared.meta.has_workspace(workspace).await? {
            return Err(StoreError::NotFound(format!("there is no workspace \"{workspace}\"")));
        }
        let id = Uuid::new_v4().simple().to_string().chars().take(12).collect();
        let key = KeyInfo { id, workspace: workspace.to_owned(), kind, name: name.to_owned(), hash, created_at: now_us() };
        self.shared.meta.insert_key(&key).await?;
        Ok(key)
    }

    /// All keys, the oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>> {
        self.shared.meta.keys().await
    }

    /// Takes a key away; whether it was there.
    pub async fn revoke_key(&self, id: &str) -> Result<bool> {
        self.shared.meta.delete_key(id).await
    }
}
