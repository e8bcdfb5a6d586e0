//! Lists of user ids: uploaded or made by hand.
//!
//! Each version of a list is a lake table of its own; the metadata names the current one. Replacing writes a new
//! table, switches the name in one transaction, and leaves the old table's files to be collected.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::StringArray;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::collect::{collect, remove_table};
use crate::error::{Attempt, Result, StoreError};
use crate::lake::file_writer::{close_file, properties};
use crate::lake::metrics::{Place, data_file};
use crate::lake::schema::{list_schema, with_field_ids};
use crate::lake::tables::{sync, sync_metadata, uri};
use crate::lock::Lock;
use crate::meta::{Garbage, now_us, remove};
use crate::names::check_key;
use crate::workspace::Workspace;

/// How the tables of lists begin.
const TABLE_PREFIX: &str = "list_";
/// Ids of a batch.
const BATCH_ROWS: usize = 1 << 16;

/// A list as it is now.
///
/// # Shape
///
/// Files have one column `user_id` (UTF-8, not null), unique over all files, sorted by bytes within and across the files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListInfo {
    /// The list's key.
    pub key: String,
    /// The lake table, `list_<n>`.
    pub table: String,
    /// Its files, absolute paths; none for an empty list.
    pub files: Vec<PathBuf>,
    /// Distinct ids.
    pub rows: u64,
    /// The table's snapshot, if the lake is shared; none for an empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<i64>,
    /// Bytes of all files.
    pub size_bytes: u64,
    /// The import's report as given: rows, matched, duplicate, blank, unknown.
    pub report: serde_json::Value,
    /// When it was replaced last, microseconds.
    pub updated_at: i64,
}

/// Makes a list of these ids.
pub(crate) async fn replace(workspace: &Workspace, key: &str, mut ids: Vec<String>, report: serde_json::Value) -> Result<ListInfo> {
    check_key(key)?;
    ids.sort_unstable();
    ids.dedup();
    if ids.first().is_some_and(String::is_empty) {
        return Err(StoreError::Invalid("a list holds an empty user id".to_owned()));
    }
    let (shared, name) = (&workspace.shared, workspace.name());
    let _lock = Lock::take(&shared.layout.lists_lock(name)).await?;
    remove_orphans(workspace).await?;
    let before = workspace.list(key).await?;

    let tables = shared.tables().await?;
    let table_name = format!("{TABLE_PREFIX}{}", shared.meta.next_table(name).await?);
    let location = shared.layout.table(name, &table_name);
    let started = SystemTime::now();
    let table = tables.create_list(name, &table_name, shared.location(name, &table_name)?).await?;
    let mut info = ListInfo {
        key: key.to_owned(),
        table: table_name,
        files: Vec::new(),
        rows: ids.len() as u64,
        snapshot_id: None,
        size_bytes: 0,
        report,
        updated_at: now_us(),
    };
    if !ids.is_empty() {
        let folder = location.join("data");
        std::fs::create_dir_all(&folder).map_err(|e| StoreError::io("make", &folder, e))?;
        let file_name = format!("{}.parquet", Uuid::new_v4().simple());
        let path = folder.join(&file_name);
        let schema = table.metadata().current_schema();
        let options = ArrowWriterOptions::new()
            .with_properties(properties(&list_schema(), &["user_id"])?.build())
            .with_parquet_schema(ArrowSchemaConverter::new().convert(&with_field_ids(&list_schema(), schema)?).attempt("write a list")?);
        let file = File::create_new(&path).map_err(|e| StoreError::io("make", &path, e))?;
        let mut writer = ArrowWriter::try_new_with_options(file, list_schema(), options).attempt("write a list")?;
        for ids in ids.chunks(BATCH_ROWS) {
            let batch = RecordBatch::try_new(list_schema(), vec![Arc::new(StringArray::from_iter_values(ids))]).attempt("write a list")?;
            writer.write(&batch).attempt("write a list")?;
        }
        let (footer, size_bytes) = close_file(&mut writer, &path)?;
        sync(&folder)?;
        let place = Place { schema, spec_id: table.metadata().default_partition_spec_id(), day: None };
        let uri = match &shared.lake {
            Some(lake) => {
                let uri = format!("{}/data/{file_name}", lake.table(name, &info.table));
                lake.objects().upload(&path, &uri).await?;
                uri
            }
            None => uri(&path)?,
        };
        let file = data_file(uri, size_bytes, &footer, &place)?;
        let table = tables.append(&table, vec![file], &info.table).await?;
        info.snapshot_id = shared.lake.is_some().then(|| table.metadata().current_snapshot_id()).flatten();
        info.files.push(path);
        info.size_bytes = size_bytes;
    }
    if shared.lake.is_none() {
        sync_metadata(&location, started)?;
    }
    shared.meta.put_list(name, &info, &before.iter().flat_map(|b| garbage_of(workspace, b)).collect::<Vec<_>>()).await?;
    if let (Some(before), None) = (before, &shared.lake) {
        tables.drop(name, &before.table).await?;
    }
    Ok(info)
}

/// What is left of a list that is no more. Others read a shared lake's tables by their names, so those go with their files.
fn garbage_of(workspace: &Workspace, info: &ListInfo) -> Vec<Garbage> {
    let shared = &workspace.shared;
    let mut garbage = vec![Garbage::Path(shared.layout.table(workspace.name(), &info.table))];
    garbage.extend(shared.lake.iter().map(|_| Garbage::Table(info.table.clone())));
    garbage
}

/// Deletes a list; whether it was there.
pub(crate) async fn delete(workspace: &Workspace, key: &str) -> Result<bool> {
    let (shared, name) = (&workspace.shared, workspace.name());
    let _lock = Lock::take(&shared.layout.lists_lock(name)).await?;
    let Some(info) = workspace.list(key).await? else { return Ok(false) };
    shared.meta.delete_list(name, key, &garbage_of(workspace, &info)).await?;
    if shared.lake.is_none() {
        shared.tables().await?.drop(name, &info.table).await?;
    }
    Ok(true)
}

/// Removes what interrupted replacements left, and old garbage. The lists' lock is held, so none is under way.
async fn remove_orphans(workspace: &Workspace) -> Result<()> {
    let (shared, name) = (&workspace.shared, workspace.name());
    collect(shared, name).await?;
    let current: Vec<String> = workspace.lists().await?.into_iter().map(|l| l.table).collect();
    let kept = shared.meta.garbage(name).await?;
    let tables = shared.tables().await?;
    for table in tables.names(name).await? {
        let kept = current.contains(&table) || kept.contains(&Garbage::Table(table.clone()));
        if table.starts_with(TABLE_PREFIX) && !kept {
            remove_table(shared, name, &table).await?;
        }
    }
    let folder = shared.layout.warehouse().join(name);
    for entry in std::fs::read_dir(&folder).map_err(|e| StoreError::io("list", &folder, e))? {
        let entry = entry.map_err(|e| StoreError::io("list", &folder, e))?;
        let table = entry.file_name().to_string_lossy().into_owned();
        if table.starts_with(TABLE_PREFIX) && !current.contains(&table) && !kept.contains(&Garbage::Path(entry.path())) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}
