//! Undoing what an import left that ended before its commit point. The write lock is held, so none is under way.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use iceberg::table::Table;

use crate::error::{Result, StoreError};
use crate::lake::tables::{CATALOG, EVENTS, IMPORT_PROPERTY};
use crate::layout::Layout;
use crate::meta::{State, remove};
use crate::store::Shared;

/// Puts the lake's table back where the state row says, and removes files that nothing names.
pub(crate) async fn recover(shared: &Shared, workspace: &str, state: &State) -> Result<Table> {
    let tables = shared.tables().await?;
    let imports = shared.meta.import_ids(workspace).await?;
    let mut table = tables.load(workspace, EVENTS).await?;
    if table.metadata_location() != Some(state.events.metadata_location.as_str()) {
        check_ours(&table, workspace, state, &imports)?;
        shared.meta.reset_table(CATALOG, workspace, EVENTS, &state.events.metadata_location).await?;
        table = tables.load(workspace, EVENTS).await?;
    }
    remove_event_files(&data_folder(&shared.layout, workspace), &imports)?;
    let mut named: HashSet<PathBuf> = state.profiles.files.iter().map(|f| f.path.clone()).collect();
    named.extend(shared.meta.garbage(workspace).await?);
    remove_profile_files(&shared.layout.columns(workspace), &named)?;
    remove(&scratch_folder(&shared.layout, workspace))?;
    Ok(table)
}

/// The folder of the events' data files.
pub(crate) fn data_folder(layout: &Layout, workspace: &str) -> PathBuf {
    layout.table(workspace, EVENTS).join("data")
}

/// The folder of an import's temporary files.
pub(crate) fn scratch_folder(layout: &Layout, workspace: &str) -> PathBuf {
    layout.profiles(workspace).join("scratch")
}

/// Refuses to undo what another program appended: every snapshot beyond the state's must be of an import that never
/// reached its commit point.
fn check_ours(table: &Table, workspace: &str, state: &State, imports: &HashSet<String>) -> Result<()> {
    let metadata = table.metadata();
    let mut next = metadata.current_snapshot_id();
    while next != state.events.snapshot_id {
        let snapshot = next.and_then(|id| metadata.snapshot_by_id(id));
        let snapshot = snapshot.ok_or_else(|| {
            StoreError::Conflict(format!("the events of workspace \"{workspace}\" no longer hold the snapshot that its state names"))
        })?;
        let import = snapshot.summary().additional_properties.get(IMPORT_PROPERTY);
        if import.is_none_or(|id| imports.contains(id)) {
            return Err(StoreError::Conflict(format!(
                "snapshot {} of the events of workspace \"{workspace}\" was not made by an import of this store",
                snapshot.snapshot_id()
            )));
        }
        next = snapshot.parent_snapshot_id();
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = match std::fs::read_dir(folder) {
        Ok(list) => list,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(StoreError::io("list", folder, e)),
    };
    list.map(|entry| entry.map(|e| e.path())).collect::<std::io::Result<_>>().map_err(|e| StoreError::io("list", folder, e))
}

/// Event files are named after their import, and an import is in the ledger or never happened.
fn remove_event_files(folder: &Path, imports: &HashSet<String>) -> Result<()> {
    for path in entries(folder)? {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let ours = name.split_once('-').is_some_and(|(import, _)| is_import_id(import) && !imports.contains(import));
        if ours {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove_profile_files(folder: &Path, named: &HashSet<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        if path.extension().is_some_and(|e| e == "parquet") && !named.contains(&path) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Import ids are UUIDs without hyphens.
fn is_import_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
