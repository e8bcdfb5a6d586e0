//! What lies between a state's snapshot of the events and the table's present one.
//!
//! Other engines may delete, compact and insert at any time; their snapshots are taken up. Muster's own carry the property `muster.import`,
//! and one beyond the state's snapshot is of an import that did not reach its commit point, or not yet: neither it nor what others built on
//! it is shown.

use iceberg::spec::SnapshotRef;
use iceberg::table::Table;

use super::tables::IMPORT_PROPERTY;
use crate::error::{Result, StoreError};

/// Snapshots beyond a state's, the earliest first.
pub(crate) struct Beyond {
    base: Option<i64>,
    snapshots: Vec<SnapshotRef>,
}

fn is_import(snapshot: &SnapshotRef) -> bool {
    snapshot.summary().additional_properties.contains_key(IMPORT_PROPERTY)
}

impl Beyond {
    /// Walks from the table's present snapshot back to the state's. One that expired ends the walk: what followed it is there.
    ///
    /// # Errors
    ///
    /// `Conflict` if the present snapshot does not descend from the state's.
    pub(crate) fn of(table: &Table, base: Option<i64>) -> Result<Self> {
        let metadata = table.metadata();
        let mut snapshots = Vec::new();
        let mut next = metadata.current_snapshot_id();
        while next != base {
            let Some(id) = next else {
                return Err(StoreError::Conflict(format!(
                    "{} no longer descends from snapshot {}, which the workspace's state names: it was rolled back or replaced by another \
                     program; make that its present snapshot again",
                    table.identifier(),
                    base.unwrap_or_default()
                )));
            };
            let Some(snapshot) = metadata.snapshot_by_id(id) else { break };
            snapshots.push(snapshot.clone());
            next = snapshot.parent_snapshot_id();
        }
        snapshots.reverse();
        Ok(Self { base, snapshots })
    }

    /// The latest snapshot that holds nothing of an unfinished import.
    pub(crate) fn present(&self) -> Option<i64> {
        let others = self.snapshots.iter().take_while(|s| !is_import(s));
        others.last().map_or(self.base, |s| Some(s.snapshot_id()))
    }

    /// What an unfinished import left, if one did, and what others built on it. There is one at most, as each writer sees to those before.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        let first = self.snapshots.iter().position(is_import)?;
        let (_, after) = self.snapshots.split_at(first);
        let import = after.first().and_then(|s| s.summary().additional_properties.get(IMPORT_PROPERTY).cloned())?;
        Some(Unfinished {
            import,
            snapshots: after.iter().map(|s| s.snapshot_id()).collect(),
            built_on: after.iter().find(|s| !is_import(s)).map(|s| s.snapshot_id()),
        })
    }
}

/// What an unfinished import left.
pub(crate) struct Unfinished {
    /// The import's id.
    pub(crate) import: String,
    /// Its snapshot, and those after it.
    pub(crate) snapshots: Vec<i64>,
    /// The first snapshot of another engine among them.
    pub(crate) built_on: Option<i64>,
}
