//! Files that no state names any more, kept for those who still read them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::{Sqlite, Transaction};

use super::{Meta, now_us};
use crate::error::{Attempt, Result, StoreError};

/// How the notes of tables begin.
const TABLE_PREFIX: &str = "table:";
/// How those of objects begin.
const OBJECT_PREFIX: &str = "s3://";

/// What no state names any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Garbage {
    /// A local file or folder.
    Path(PathBuf),
    /// An object of a shared lake.
    Object(String),
    /// A table of a shared lake, with what is below its folder.
    Table(String),
}

impl Garbage {
    pub(super) fn text(&self) -> Result<String> {
        Ok(match self {
            Self::Path(path) => path.to_str().ok_or_else(|| StoreError::Invalid(format!("{} is not UTF-8", path.display())))?.to_owned(),
            Self::Object(uri) => uri.clone(),
            Self::Table(name) => format!("{TABLE_PREFIX}{name}"),
        })
    }

    pub(super) fn of(text: String) -> Self {
        match text.strip_prefix(TABLE_PREFIX) {
            Some(name) => Self::Table(name.to_owned()),
            None if text.starts_with(OBJECT_PREFIX) => Self::Object(text),
            None => Self::Path(PathBuf::from(text)),
        }
    }
}

/// Notes what version `version` no longer names.
pub(super) async fn insert(tx: &mut Transaction<'_, Sqlite>, workspace: &str, garbage: &[Garbage], version: u64, now: i64) -> Result<()> {
    for entry in garbage {
        let text = entry.text()?;
        sqlx::query("INSERT OR REPLACE INTO garbage (workspace, path, version, at) VALUES (?, ?, ?, ?)")
            .bind(workspace)
            .bind(text)
            .bind(version as i64)
            .bind(now)
            .execute(&mut **tx)
            .await
            .attempt("note files to remove")?;
    }
    Ok(())
}

impl Meta {
    /// Everything noted and not yet removed.
    pub(crate) async fn garbage(&self, workspace: &str) -> Result<Vec<Garbage>> {
        let paths: Vec<String> = sqlx::query_scalar("SELECT path FROM garbage WHERE workspace = ?")
            .bind(workspace)
            .fetch_all(&self.pool)
            .await
            .attempt("read the files to remove")?;
        Ok(paths.into_iter().map(Garbage::of).collect())
    }

    /// What was noted longer than `age` ago and before the present version.
    pub(crate) async fn old_garbage(&self, workspace: &str, age: Duration) -> Result<Vec<Garbage>> {
        let age_us = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let paths: Vec<String> = sqlx::query_scalar(
            "SELECT path FROM garbage g JOIN workspaces w ON w.name = g.workspace
             WHERE g.workspace = ? AND g.at <= ? AND g.version < w.version",
        )
        .bind(workspace)
        .bind(now_us().saturating_sub(age_us))
        .fetch_all(&self.pool)
        .await
        .attempt("read the files to remove")?;
        Ok(paths.into_iter().map(Garbage::of).collect())
    }

    /// Forgets what was removed.
    pub(crate) async fn forget_garbage(&self, workspace: &str, entries: &[Garbage]) -> Result<()> {
        let mut tx = self.pool.begin().await.attempt("forget removed files")?;
        for entry in entries {
            sqlx::query("DELETE FROM garbage WHERE workspace = ? AND path = ?")
                .bind(workspace)
                .bind(entry.text()?)
                .execute(&mut *tx)
                .await
                .attempt("forget removed files")?;
        }
        tx.commit().await.attempt("forget removed files")
    }
}

/// Removes a file or a folder with what is in it; one that is gone is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let done = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match done {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use segment_core::catalog::Catalog;

    use super::*;
    use crate::meta::{EventsState, ProfilesState, State};

    #[tokio::test]
    async fn files_go_once_old_enough_and_two_versions_back() {
        let dir = tempfile::tempdir().unwrap();
        let meta = Meta::open(&dir.path().join("m.db"), true).await.unwrap();
        let state = |version| State {
            version,
            catalog: Catalog::new("UTC"),
            events: EventsState {
                metadata_location: String::new(),
                snapshot_id: None,
                field_ids: BTreeMap::new(),
                recent: Vec::new(),
                position: None,
            },
            profiles: ProfilesState::default(),
        };
        meta.insert_workspace("w", &state(1)).await.unwrap();
        let all = [Garbage::Path(dir.path().join("f")), Garbage::Object("s3://b/k".to_owned()), Garbage::Table("list_1".to_owned())];
        meta.switch("w", 1, &state(2), None, &all).await.unwrap();
        assert!(meta.old_garbage("w", Duration::ZERO).await.unwrap().is_empty(), "the previous version named it");
        meta.switch("w", 2, &state(3), None, &[]).await.unwrap();
        assert!(meta.old_garbage("w", Duration::from_secs(3600)).await.unwrap().is_empty(), "it is young");
        let old = meta.old_garbage("w", Duration::ZERO).await.unwrap();
        assert!(old.len() == all.len() && all.iter().all(|entry| old.contains(entry)), "{old:?}");
        meta.forget_garbage("w", &all[1..2]).await.unwrap();
        assert_eq!(meta.garbage("w").await.unwrap().len(), 2);
    }
}
