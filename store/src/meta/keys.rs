//! Keys that open a workspace to programs, each for some scopes. Of each only a hash is kept.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Meta, now_us};
use crate::error::{Attempt, Result, StoreError};
use crate::store::Store;

/// Keys of a directory.
const KEYS_MAX: i64 = 10_000;

/// What a key is for. None of them has another one in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// To collect. A key for nothing else reads nothing, and may be public.
    Ingest,
    /// To read segments, catalog, lists and users.
    Read,
    /// To have conditions evaluated.
    Run,
    /// To take members out.
    Export,
    /// To change segments and lists.
    Manage,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 5] = [Self::Ingest, Self::Read, Self::Run, Self::Export, Self::Manage];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Run => "run",
            Self::Export => "export",
            Self::Manage => "manage",
        }
    }

    /// The scope of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// The scopes of a key.
pub type Scopes = BTreeSet<Scope>;

/// A key, without what opens anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Tells it from others.
    pub id: String,
    /// The workspace that it opens.
    pub workspace: String,
    /// For what.
    pub scopes: Scopes,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// When it was made, microseconds.
    pub created_at: i64,
    /// From when on it opens nothing, microseconds; `None`: it does not expire.
    pub expires_at: Option<i64>,
}

/// Between the names of scopes.
const BETWEEN: &str = " ";

fn key(row: &SqliteRow) -> Result<KeyInfo> {
    let hash: Vec<u8> = row.get(4);
    let scope = |name: &str| Scope::named(name).ok_or_else(|| StoreError::corrupt_plain(format!("a key is for {name:?}")));
    Ok(KeyInfo {
        id: row.get(0),
        workspace: row.get(1),
        scopes: row.get::<&str, _>(2).split(BETWEEN).filter(|name| !name.is_empty()).map(scope).collect::<Result<_>>()?,
        name: row.get(3),
        hash: hash.try_into().map_err(|_| StoreError::corrupt_plain("a key's hash does not have 32 bytes"))?,
        created_at: row.get(5),
        expires_at: row.get(6),
    })
}

impl Meta {
    async fn insert_key(&self, key: &KeyInfo) -> Result<()> {
        let scopes: Vec<&str> = key.scopes.iter().map(|s| s.name()).collect();
        let done = sqlx::query(
            "INSERT INTO keys (id, workspace, scopes, name, hash, created_at, expires_at) SELECT $1, $2, $3, $4, $5, $6, $7
             WHERE (SELECT count(*) FROM keys) < $8",
        )
        .bind(&key.id)
        .bind(&key.workspace)
        .bind(scopes.join(BETWEEN))
        .bind(&key.name)
        .bind(key.hash.as_slice())
        .bind(key.created_at)
        .bind(key.expires_at)
        .bind(KEYS_MAX)
        .execute(&self.pool)
        .await
        .attempt("keep a key")?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Invalid(format!("there are {KEYS_MAX} keys already: revoke some")));
        }
        Ok(())
    }

    pub(super) async fn keys(&self) -> Result<Vec<KeyInfo>> {
        let rows = sqlx::query("SELECT id, workspace, scopes, name, hash, created_at, expires_at FROM keys ORDER BY created_at, id")
            .fetch_all(&self.pool)
            .await
            .attempt("read the keys")?;
        rows.iter().map(key).collect()
    }

    async fn delete_key(&self, id: &str) -> Result<bool> {
        let done = sqlx::query("DELETE FROM keys WHERE id = $1").bind(id).execute(&self.pool).await.attempt("revoke a key")?;
        Ok(done.rows_affected() > 0)
    }
}

impl Store {
    /// Keeps a key's hash.
    ///
    /// # Errors
    ///
    /// `NotFound` for a workspace that is not there, `Invalid` if there are too many keys.
    pub async fn add_key(&self, workspace: &str, scopes: Scopes, name: &str, hash: [u8; 32], expires_at: Option<i64>) -> Result<KeyInfo> {
        if !self.shared.meta.has_workspace(workspace).await? {
            return Err(StoreError::NotFound(format!("there is no workspace \"{workspace}\"")));
        }
        let id = Uuid::new_v4().simple().to_string().chars().take(12).collect();
        let key = KeyInfo { id, workspace: workspace.to_owned(), scopes, name: name.to_owned(), hash, created_at: now_us(), expires_at };
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
