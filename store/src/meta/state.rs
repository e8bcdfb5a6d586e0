//! State rows and the ledger of imports.

use std::collections::BTreeMap;

use iceberg::table::Table;
use segment_core::catalog::Catalog;
use serde::{Deserialize, Serialize};
use sqlx::{Row, Sqlite, Transaction};

use super::quarantine::Quarantine;
use super::{Garbage, Meta, now_us, unsigned};
use crate::error::{Attempt, Result, StoreError};
use crate::lists::ListInfo;
use crate::profiles::ProfileFile;
use crate::recent::{LogPosition, RecentFile};

/// What a workspace's state row says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// Grows with each switch.
    pub(crate) version: u64,
    /// What is known to exist.
    pub(crate) catalog: Catalog,
    /// The lake's events.
    pub(crate) events: EventsState,
    /// The profiles' columnar form.
    pub(crate) profiles: ProfilesState,
}

/// Which state of the Iceberg table holds the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventsState {
    /// The table's metadata file.
    pub(crate) metadata_location: String,
    /// The snapshot; none before the first event.
    pub(crate) snapshot_id: Option<i64>,
    /// The field ids of the columns, by name, if other engines may change them; else none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) field_ids: BTreeMap<String, i32>,
    /// Files of collected events that are not in the table yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) recent: Vec<RecentFile>,
    /// How much of the log of collected messages the state holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<LogPosition>,
}

impl EventsState {
    /// The table as it is; with its columns' ids, if it is shared. Nothing was collected.
    pub(crate) fn of(table: &Table, shared: bool) -> Self {
        let nothing =
            Self { metadata_location: String::new(), snapshot_id: None, field_ids: BTreeMap::new(), recent: Vec::new(), position: None };
        nothing.at(table, shared)
    }

    /// The same with the table as it is now.
    pub(crate) fn at(&self, table: &Table, shared: bool) -> Self {
        let metadata = table.metadata();
        let fields = metadata.current_schema().as_struct().fields().iter().filter(|_| shared);
        Self {
            metadata_location: table.metadata_location().unwrap_or_default().to_owned(),
            snapshot_id: metadata.current_snapshot_id(),
            field_ids: fields.map(|f| (f.name.clone(), f.id)).collect(),
            recent: self.recent.clone(),
            position: self.position.clone(),
        }
    }

    /// Refuses a table of which another engine dropped or replaced a column: files' columns are found by their names, so one that came back
    /// under its old name would show what was dropped.
    ///
    /// # Errors
    ///
    /// `Corrupt`, naming the column.
    pub(crate) fn check_columns(&self, table: &Table) -> Result<()> {
        let schema = table.metadata().current_schema();
        for (name, id) in &self.field_ids {
            if schema.field_id_by_name(name) != Some(*id) {
                return Err(StoreError::corrupt_plain(format!(
                    "another program dropped, renamed or replaced the column {name} of {}: roll the table back to before that",
                    table.identifier()
                )));
            }
        }
        Ok(())
    }
}

/// Which files hold the profiles.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ProfilesState {
    /// The key-value store's commit that the files show.
    pub(crate) version: u64,
    /// The files, by user number.
    pub(crate) files: Vec<ProfileFile>,
    /// Chunks whose files lack changes that the key-value store has, and since when, microseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) stale: BTreeMap<u64, i64>,
    /// Their table in a shared lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) published: Option<PublishedProfiles>,
}

/// A state's profiles as a table of a shared lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublishedProfiles {
    /// The table.
    pub(crate) table: String,
    /// Its snapshot; none while there are no users.
    pub(crate) snapshot_id: Option<i64>,
}

/// A committed import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportInfo {
    /// Its id.
    pub id: String,
    /// The workspace's version after it.
    pub version: u64,
    /// What the importer recorded.
    pub record: serde_json::Value,
    /// When, microseconds.
    pub at: i64,
}

/// A row for the ledger.
#[derive(Debug, Clone)]
pub(crate) struct ImportEntry {
    /// The import's id.
    pub(crate) id: String,
    /// What the importer recorded.
    pub(crate) record: serde_json::Value,
}

/// Everything a pin needs, read in one transaction.
pub(crate) struct Reading {
    pub(crate) state: State,
    pub(crate) lists: BTreeMap<String, ListInfo>,
    pub(crate) segments: BTreeMap<String, String>,
}

pub(super) fn encode<T: Serialize>(value: &T, what: &str) -> Result<String> {
    serde_json::to_string(value).map_err(|e| StoreError::Invalid(format!("{what} has no JSON: {e}")))
}

pub(super) fn decode<T: for<'a> Deserialize<'a>>(text: &str, what: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::corrupt(format!("{what} does not decode"), e))
}

impl Meta {
    /// Names of all workspaces, sorted.
    pub(crate) async fn workspaces(&self) -> Result<Vec<String>> {
        sqlx::query_scalar("SELECT name FROM workspaces ORDER BY name").fetch_all(&self.pool).await.attempt("read the workspaces")
    }

    /// Whether a workspace is there.
    pub(crate) async fn has_workspace(&self, name: &str) -> Result<bool> {
        let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM workspaces WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .attempt("read the workspaces")?;
        Ok(found.is_some())
    }

    /// Adds a workspace with its first state.
    pub(crate) async fn insert_workspace(&self, name: &str, state: &State) -> Result<()> {
        let now = now_us();
        let done = sqlx::query(
            "INSERT INTO workspaces (name, version, catalog, events, profiles, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(state.version as i64)
        .bind(encode(&state.catalog, "the catalog")?)
        .bind(encode(&state.events, "the events' state")?)
        .bind(encode(&state.profiles, "the profiles' state")?)
        .bind(now)
        .bind(now)
        .execute(&self.pool)
        .await
        .attempt("add a workspace")?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!("workspace \"{name}\" is there already")));
        }
        Ok(())
    }

    /// Forgets a workspace that is still at its first version and has no segments and lists; whether it was.
    pub(crate) async fn delete_unused_workspace(&self, workspace: &str, version: u64) -> Result<bool> {
        let deleted = sqlx::query(
            "DELETE FROM workspaces WHERE name = ? AND version = ?
             AND NOT EXISTS (SELECT 1 FROM segments WHERE workspace = name)
             AND NOT EXISTS (SELECT 1 FROM lists WHERE workspace = name)",
        )
        .bind(workspace)
        .bind(version as i64)
        .execute(&self.pool)
        .await
        .attempt("remove a workspace")?;
        Ok(deleted.rows_affected() > 0)
    }

    /// The state row, with the lists and segments of the same moment.
    pub(crate) async fn read(&self, workspace: &str) -> Result<Reading> {
        let mut tx = self.pool.begin().await.attempt("read the state")?;
        let state = read_state(&mut tx, workspace).await?;
        let mut lists = BTreeMap::new();
        for row in sqlx::query("SELECT key, info FROM lists WHERE workspace = ?")
            .bind(workspace)
            .fetch_all(&mut *tx)
            .await
            .attempt("read the lists")?
        {
            let (key, info): (String, String) = (row.get(0), row.get(1));
            lists.insert(key, decode(&info, "a list's record")?);
        }
        let mut segments = BTreeMap::new();
        for row in sqlx::query("SELECT key, condition FROM segments WHERE workspace = ?")
            .bind(workspace)
            .fetch_all(&mut *tx)
            .await
            .attempt("read the segments")?
        {
            segments.insert(row.get(0), row.get(1));
        }
        tx.commit().await.attempt("read the state")?;
        Ok(Reading { state, lists, segments })
    }

    /// The state row alone.
    pub(crate) async fn state(&self, workspace: &str) -> Result<State> {
        let mut tx = self.pool.begin().await.attempt("read the state")?;
        let state = read_state(&mut tx, workspace).await?;
        tx.commit().await.attempt("read the state")?;
        Ok(state)
    }

    /// The same for whoever holds the write lock: after every switch that was begun has ended. One whose caller was dropped goes on in the
    /// database's own thread, after the caller's lock is gone.
    pub(crate) async fn settled_state(&self, workspace: &str) -> Result<State> {
        // Waits for all transactions that write.
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await.attempt("read the state")?;
        let state = read_state(&mut tx, workspace).await?;
        tx.commit().await.attempt("read the state")?;
        Ok(state)
    }

    /// Replaces the state row if its version is still `expected`, with the import's entry and the files that the new
    /// state no longer names. This is the commit point.
    pub(crate) async fn switch(
        &self,
        workspace: &str,
        expected: u64,
        state: &State,
        import: Option<&ImportEntry>,
        garbage: &[Garbage],
    ) -> Result<()> {
        self.switch_with(workspace, expected, state, import, garbage, &Quarantine::default()).await
    }

    /// The same, putting messages into quarantine at the same moment.
    pub(crate) async fn switch_with(
        &self,
        workspace: &str,
        expected: u64,
        state: &State,
        import: Option<&ImportEntry>,
        garbage: &[Garbage],
        quarantine: &Quarantine,
    ) -> Result<()> {
        let now = now_us();
        let mut tx = self.pool.begin().await.attempt("commit the state")?;
        let done = sqlx::query(
            "UPDATE workspaces SET version = ?, catalog = ?, events = ?, profiles = ?, updated_at = ? WHERE name = ? AND version = ?",
        )
        .bind(state.version as i64)
        .bind(encode(&state.catalog, "the catalog")?)
        .bind(encode(&state.events, "the events' state")?)
        .bind(encode(&state.profiles, "the profiles' state")?)
        .bind(now)
        .bind(workspace)
        .bind(expected as i64)
        .execute(&mut *tx)
        .await
        .attempt("commit the state")?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!(
                "workspace \"{workspace}\" changed meanwhile: version {expected} is no longer its present one"
            )));
        }
        if let Some(import) = import {
            insert_import(&mut tx, workspace, state.version, import, now).await?;
        }
        super::uploads::forget(&mut tx, workspace).await?;
        super::prepared::forget(&mut tx, workspace).await?;
        super::garbage::insert(&mut tx, workspace, garbage, state.version, now).await?;
        super::quarantine::insert(&mut tx, workspace, quarantine).await?;
        tx.commit().await.attempt("commit the state")
    }

    /// Records an import that changed nothing.
    pub(crate) async fn record_import(&self, workspace: &str, version: u64, import: &ImportEntry) -> Result<()> {
        let mut tx = self.pool.begin().await.attempt("record an import")?;
        insert_import(&mut tx, workspace, version, import, now_us()).await?;
        tx.commit().await.attempt("record an import")
    }

    /// The ids of all committed imports.
    pub(crate) async fn import_ids(&self, workspace: &str) -> Result<std::collections::HashSet<String>> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM imports WHERE workspace = ?")
            .bind(workspace)
            .fetch_all(&self.pool)
            .await
            .attempt("read the imports")?;
        Ok(ids.into_iter().collect())
    }

    /// Committed imports, the latest first.
    pub(crate) async fn imports(&self, workspace: &str, limit: u32) -> Result<Vec<ImportInfo>> {
        sqlx::query("SELECT id, version, record, at FROM imports WHERE workspace = ? ORDER BY at DESC, rowid DESC LIMIT ?")
            .bind(workspace)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .attempt("read the imports")?
            .iter()
            .map(|row| {
                Ok(ImportInfo {
                    id: row.get(0),
                    version: unsigned(row.get(1), "an import's version")?,
                    record: decode(row.get::<&str, _>(2), "an import's record")?,
                    at: row.get(3),
                })
            })
            .collect()
    }

    /// Points the Iceberg catalog's entry of a table at a metadata file, as the crate's own tables cannot go back.
    pub(crate) async fn reset_table(&self, catalog: &str, namespace: &str, table: &str, metadata_location: &str) -> Result<()> {
        let done = sqlx::query(
            "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = NULL
             WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?",
        )
        .bind(metadata_location)
        .bind(catalog)
        .bind(namespace)
        .bind(table)
        .execute(&self.pool)
        .await
        .attempt("reset a table of the lake")?;
        if done.rows_affected() == 0 {
            return Err(StoreError::corrupt_plain(format!("the lake's catalog has no table {namespace}.{table}")));
        }
        Ok(())
    }
}

async fn read_state(tx: &mut Transaction<'_, Sqlite>, workspace: &str) -> Result<State> {
    let row = sqlx::query("SELECT version, catalog, events, profiles FROM workspaces WHERE name = ?")
        .bind(workspace)
        .fetch_optional(&mut **tx)
        .await
        .attempt("read the state")?
        .ok_or_else(|| StoreError::NotFound(format!("there is no workspace \"{workspace}\"")))?;
    Ok(State {
        version: unsigned(row.get(0), "a state's version")?,
        catalog: decode(row.get::<&str, _>(1), "the catalog")?,
        events: decode(row.get::<&str, _>(2), "the events' state")?,
        profiles: decode(row.get::<&str, _>(3), "the profiles' state")?,
    })
}

async fn insert_import(tx: &mut Transaction<'_, Sqlite>, workspace: &str, version: u64, import: &ImportEntry, now: i64) -> Result<()> {
    sqlx::query("INSERT INTO imports (workspace, id, version, record, at) VALUES (?, ?, ?, ?, ?)")
        .bind(workspace)
        .bind(&import.id)
        .bind(version as i64)
        .bind(encode(&import.record, "the import's record")?)
        .bind(now)
        .execute(&mut **tx)
        .await
        .attempt("record an import")?;
    Ok(())
}
