//! Uploads to a shared lake that no state names yet: noted before they begin, forgotten when the state row is switched, so that what an
//! interrupted import uploaded is known and removed.

use sqlx::{Sqlite, Transaction};

use super::Meta;
use crate::error::{Attempt, Result};

/// Forgets all uploads of a workspace: the state row names them now. There is one writer, so they are all its own.
pub(super) async fn forget(tx: &mut Transaction<'_, Sqlite>, workspace: &str) -> Result<()> {
    sqlx::query("DELETE FROM uploads WHERE workspace = ?").bind(workspace).execute(&mut **tx).await.attempt("forget uploads")?;
    Ok(())
}

impl Meta {
    /// Notes what an import is about to upload.
    pub(crate) async fn note_uploads(&self, workspace: &str, import: &str, uris: &[String]) -> Result<()> {
        let mut tx = self.pool.begin().await.attempt("note uploads")?;
        for uri in uris {
            sqlx::query("INSERT OR REPLACE INTO uploads (workspace, import, uri) VALUES (?, ?, ?)")
                .bind(workspace)
                .bind(import)
                .bind(uri)
                .execute(&mut *tx)
                .await
                .attempt("note uploads")?;
        }
        tx.commit().await.attempt("note uploads")
    }

    /// What was noted and not forgotten.
    pub(crate) async fn uploads(&self, workspace: &str) -> Result<Vec<String>> {
        sqlx::query_scalar("SELECT uri FROM uploads WHERE workspace = ?")
            .bind(workspace)
            .fetch_all(&self.pool)
            .await
            .attempt("read the uploads")
    }

    /// Forgets one that was removed.
    pub(crate) async fn forget_upload(&self, workspace: &str, uri: &str) -> Result<()> {
        sqlx::query("DELETE FROM uploads WHERE workspace = ? AND uri = ?")
            .bind(workspace)
            .bind(uri)
            .execute(&self.pool)
            .await
            .attempt("forget uploads")?;
        Ok(())
    }
}
