//! The state that an import is about to switch to, noted before it appends to a shared lake's events. If it ends between the two, and another
//! engine builds on what it appended, the import cannot be taken out any more, and the next writer finishes it.

use serde::{Deserialize, Serialize};
use sqlx::{Row, Sqlite, Transaction};

use super::state::{decode, encode};
use super::{Garbage, ImportEntry, Meta, ProfilesState, State, unsigned};
use crate::error::{Attempt, Result, StoreError};

/// A switch that is about to happen, but for the events.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prepared {
    /// The id that the append's snapshot carries.
    pub(crate) import: String,
    /// The import's record; none for a declaration, which the ledger does not have.
    pub(crate) record: Option<serde_json::Value>,
    /// The state to be, with the events as they were before the append.
    pub(crate) state: State,
    /// What it no longer names.
    pub(crate) garbage: Vec<Garbage>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    record: Option<serde_json::Value>,
    profiles: ProfilesState,
    events: super::EventsState,
    garbage: Vec<String>,
}

impl Prepared {
    /// The entry for the ledger.
    pub(crate) fn entry(&self) -> Option<ImportEntry> {
        self.record.clone().map(|record| ImportEntry { id: self.import.clone(), record })
    }
}

/// Forgets it: the switch happens in this transaction.
pub(super) async fn forget(tx: &mut Transaction<'_, Sqlite>, workspace: &str) -> Result<()> {
    sqlx::query("DELETE FROM prepared WHERE workspace = ?").bind(workspace).execute(&mut **tx).await.attempt("commit the state")?;
    Ok(())
}

impl Meta {
    /// Notes it, in place of one before.
    pub(crate) async fn prepare(&self, workspace: &str, prepared: &Prepared) -> Result<()> {
        let state = &prepared.state;
        let stored = Stored {
            record: prepared.record.clone(),
            profiles: state.profiles.clone(),
            events: state.events.clone(),
            garbage: prepared.garbage.iter().map(Garbage::text).collect::<Result<_>>()?,
        };
        sqlx::query("INSERT OR REPLACE INTO prepared (workspace, import, version, catalog, rest) VALUES (?, ?, ?, ?, ?)")
            .bind(workspace)
            .bind(&prepared.import)
            .bind(state.version as i64)
            .bind(encode(&state.catalog, "the catalog")?)
            .bind(encode(&stored, "the state to be")?)
            .execute(&self.pool)
            .await
            .attempt("prepare a commit")?;
        Ok(())
    }

    /// What was noted and not switched to.
    pub(crate) async fn prepared(&self, workspace: &str) -> Result<Option<Prepared>> {
        let row = sqlx::query("SELECT import, version, catalog, rest FROM prepared WHERE workspace = ?")
            .bind(workspace)
            .fetch_optional(&self.pool)
            .await
            .attempt("read what was prepared")?;
        let Some(row) = row else { return Ok(None) };
        let stored: Stored = decode(row.get::<&str, _>(3), "the state to be")?;
        let state = State {
            version: unsigned(row.get(1), "a state's version")?,
            catalog: decode(row.get::<&str, _>(2), "the catalog")?,
            events: stored.events,
            profiles: stored.profiles,
        };
        let garbage = stored.garbage.into_iter().map(Garbage::of).collect();
        Ok(Some(Prepared { import: row.get(0), record: stored.record, state, garbage }))
    }

    /// Forgets what was prepared and taken back.
    pub(crate) async fn forget_prepared(&self, workspace: &str) -> Result<()> {
        let done = sqlx::query("DELETE FROM prepared WHERE workspace = ?").bind(workspace).execute(&self.pool).await;
        done.map(|_| ()).map_err(|e| StoreError::unavailable("cannot forget what was prepared", e))
    }
}
