//! Lists by key.

use sqlx::Row;

use super::state::{decode, encode};
use super::{Garbage, Meta, now_us, unsigned};
use crate::error::{Attempt, Result};
use crate::lists::ListInfo;

impl Meta {
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
