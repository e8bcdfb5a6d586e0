//! Undoing what an import left that ended before its commit point. The write lock is held, so none is under way.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use iceberg::table::Table;

use crate::collect::remove_table;
use crate::error::{Result, StoreError};
use crate::lake::lineage::{Beyond, Unfinished};
use crate::lake::shared::SharedLake;
use crate::lake::tables::{CATALOG, EVENTS, IMPORT_PROPERTY};
use crate::layout::Layout;
use crate::meta::{Garbage, State, remove};
use crate::publish::PROFILES_PREFIX;
use crate::store::Shared;

/// Times that a table of a shared lake is put back, if others change it meanwhile.
const ATTEMPTS_MAX: usize = 8;

/// Puts the lake's table back where the state row says, and removes files that nothing names. The state is another afterwards only if an
/// interrupted import had to be finished.
pub(crate) async fn recover(shared: &Shared, workspace: &str) -> Result<(Table, State)> {
    let mut state = shared.meta.settled_state(workspace).await?;
    let table = match &shared.lake {
        Some(lake) => {
            let table = put_back_shared(shared, lake, workspace, &mut state).await?;
            shared.meta.forget_prepared(workspace).await?;
            remove_published(shared, lake, workspace, &state).await?;
            // Whatever is staged was uploaded, or never will be.
            remove(&shared.data_folder(workspace))?;
            table
        }
        None => {
            let imports = shared.meta.import_ids(workspace).await?;
            let table = put_back(shared, workspace, &state, &imports).await?;
            remove_event_files(&shared.data_folder(workspace), &imports)?;
            table
        }
    };
    let mut named: HashSet<PathBuf> = state.profiles.files.iter().map(|f| f.path.clone()).collect();
    named.extend(shared.meta.garbage(workspace).await?.into_iter().filter_map(|entry| match entry {
        Garbage::Path(path) => Some(path),
        Garbage::Object(_) | Garbage::Table(_) => None,
    }));
    named.extend(state.events.recent.iter().map(|f| f.path.clone()));
    for folder in [shared.layout.columns(workspace), shared.layout.recent(workspace)] {
        remove_unnamed(&folder, &named)?;
    }
    remove(&scratch_folder(&shared.layout, workspace))?;
    Ok((table, state))
}

/// Puts the events' table of a lake in the directory back to the metadata file that the state names.
async fn put_back(shared: &Shared, workspace: &str, state: &State, imports: &HashSet<String>) -> Result<Table> {
    let tables = shared.tables().await?;
    let table = tables.load(workspace, EVENTS).await?;
    if table.metadata_location() == Some(state.events.metadata_location.as_str()) {
        return Ok(table);
    }
    check_ours(&table, workspace, state, imports)?;
    shared.meta.reset_table(CATALOG, workspace, EVENTS, &state.events.metadata_location).await?;
    tables.load(workspace, EVENTS).await
}

/// Takes the snapshots of unfinished imports out of a shared lake's table of events; what others did stays.
async fn put_back_shared(shared: &Shared, lake: &SharedLake, workspace: &str, state: &mut State) -> Result<Table> {
    let tables = shared.tables().await?;
    tables.check_owner(workspace, &shared.meta.store_id().await?).await?;
    for _ in 0..ATTEMPTS_MAX {
        let table = tables.load(workspace, EVENTS).await?;
        state.events.check_columns(&table)?;
        let beyond = Beyond::of(&table, state.events.snapshot_id)?;
        let Some(unfinished) = beyond.unfinished() else { return Ok(table) };
        if let Some(other) = unfinished.built_on {
            finish(shared, workspace, state, &table, &unfinished, other).await?;
            return Ok(table);
        }
        if lake.roll_back(workspace, &table, beyond.present(), &unfinished.snapshots).await? {
            return tables.load(workspace, EVENTS).await;
        }
    }
    Err(StoreError::Busy(format!("other engines keep changing the events of workspace \"{workspace}\"")))
}

/// Finishes an interrupted import that another engine has built on: its rows may be in files of that engine's by now.
async fn finish(shared: &Shared, workspace: &str, state: &mut State, table: &Table, unfinished: &Unfinished, other: i64) -> Result<()> {
    let prepared = shared.meta.prepared(workspace).await?;
    let prepared = prepared.filter(|p| p.import == unfinished.import && p.state.version == state.version + 1);
    let Some(prepared) = prepared else {
        return Err(StoreError::Conflict(format!(
            "snapshot {other} of the events of workspace \"{workspace}\" was made on top of snapshot {}, of an import that this directory does not \
             know: roll the table back to before that in the engine that made it",
            unfinished.snapshots.first().copied().unwrap_or_default()
        )));
    };
    let mut next = prepared.state.clone();
    next.events = next.events.at(table, true);
    next.events.snapshot_id = unfinished.snapshots.first().copied();
    shared.meta.switch(workspace, state.version, &next, prepared.entry().as_ref(), &prepared.garbage).await?;
    *state = next;
    Ok(())
}

/// Removes what was uploaded and made for states that never came to be.
async fn remove_published(shared: &Shared, lake: &SharedLake, workspace: &str, state: &State) -> Result<()> {
    let garbage = shared.meta.garbage(workspace).await?;
    for uri in shared.meta.uploads(workspace).await? {
        lake.objects().delete(&uri).await?;
        shared.meta.forget_upload(workspace, &uri).await?;
    }
    let current = state.profiles.published.as_ref().map(|p| p.table.as_str());
    for table in shared.tables().await?.names(workspace).await? {
        let named = current == Some(table.as_str()) || garbage.contains(&Garbage::Table(table.clone()));
        if table.starts_with(PROFILES_PREFIX) && !named {
            remove_table(shared, workspace, &table).await?;
        }
    }
    Ok(())
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

/// Files of profiles and of recent events belong to a state.
fn remove_unnamed(folder: &Path, named: &HashSet<PathBuf>) -> Result<()> {
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
