//! The pinned state's files as views of the engine.
//!
//! Each view is a union by name of a file without rows, which has the catalog's columns, and the table's own files: so it has all columns
//! whatever its files lack, and is there when it has none.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use query_backends::{BackendError, ErrorKind, Query, Reading, Result, event_reads};
use segment_core::lower::{Lowered, Tables};
use store::{DataFileInfo, FilePlace, Pinned};
use tempfile::TempDir;

use crate::dialect::DuckDb;
use crate::protocol::Table;

/// Views' names; lists are numbered.
const EVENTS: &str = "events";
const PROFILES: &str = "profiles";
const LIST_PREFIX: &str = "list_";

/// A query that is ready to run.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) sql: String,
    pub(crate) tables: BTreeMap<String, Table>,
    /// What is read of the events; `None` if nothing is asked of them.
    pub(crate) events: Option<Reading>,
    /// The events there are.
    pub(crate) events_total: Reading,
    pub(crate) profiles: Reading,
    /// Holds the files without rows, as long as the query runs.
    _folder: TempDir,
}

/// Compiles a query and finds its files.
pub(crate) async fn prepare(query: &Query) -> Result<Prepared> {
    let pinned = query.state()?;
    let (lowered, lists) = lowered(query, pinned)?;
    let plan = pinned.events.plan(&event_reads(&lowered)).await?;
    let files = plan.files.iter().map(local).collect::<Result<Vec<_>>>()?;
    if let Some(what) = plan.unsupported.first() {
        return Err(BackendError::new(ErrorKind::Unsupported, what));
    }
    let folder = tempfile::tempdir().map_err(|e| unwritable().caused_by(e))?;
    let mut tables = BTreeMap::new();
    let mut add = |name: &str, schema: &SchemaRef, files: Vec<PathBuf>| -> Result<()> {
        let path = folder.path().join(format!("{name}.parquet"));
        write_empty(path.clone(), schema)?;
        tables.insert(name.to_owned(), Table { schema: path, files });
        Ok(())
    };
    let mut events = None;
    if !lowered.reads.is_empty() {
        add(EVENTS, pinned.events.schema(), files)?;
        let (rows, bytes) = (plan.files.iter().map(|f| f.rows).sum(), plan.files.iter().map(|f| f.size_bytes).sum());
        events = Some(Reading { files: plan.files.len() as u64, rows, bytes, row_groups: 0 });
    }
    add(PROFILES, &pinned.profiles.schema, pinned.profiles.files.iter().map(|f| f.path.clone()).collect())?;
    let list_schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("user_id", DataType::Utf8, false)]));
    for key in &lowered.lists {
        if let (Some(name), Some(list)) = (lists.get(key), pinned.lists.get(key)) {
            add(name, &list_schema, list.files.clone())?;
        }
    }
    let profiles = Reading {
        files: pinned.profiles.files.len() as u64,
        rows: pinned.profiles.rows,
        bytes: pinned.profiles.files.iter().map(|f| f.size_bytes).sum(),
        row_groups: 0,
    };
    let events_total = Reading { files: plan.files_total, rows: plan.rows_total, bytes: plan.bytes_total, row_groups: 0 };
    Ok(Prepared { sql: lowered.sql(), tables, events, events_total, profiles, _folder: folder })
}

/// A file that the engine can read just so.
fn local(file: &DataFileInfo) -> Result<PathBuf> {
    match &file.place {
        FilePlace::Local(path) if file.deleted.is_empty() => Ok(path.clone()),
        FilePlace::Local(path) => {
            let what = format!("rows of {} were deleted, which this backend cannot leave out: compact the lake", path.display());
            Err(BackendError::new(ErrorKind::Unsupported, what))
        }
        FilePlace::Object(uri) => {
            Err(BackendError::new(ErrorKind::Unsupported, format!("{uri} is no local file, and this backend reads no others")))
        }
    }
}

/// The SQL, and the views' names of the lists.
fn lowered(query: &Query, pinned: &Pinned) -> Result<(Lowered, BTreeMap<String, String>)> {
    let lists: BTreeMap<String, String> = pinned.lists.keys().zip(0..).map(|(key, i)| (key.clone(), format!("{LIST_PREFIX}{i}"))).collect();
    let tables = Tables {
        events: vec![EVENTS.to_owned()],
        profiles: vec![PROFILES.to_owned()],
        lists: lists.iter().map(|(key, name)| (key.clone(), vec![name.clone()])).collect(),
        ..Tables::default()
    };
    Ok((query.lowered(&DuckDb, &tables)?, lists))
}

fn write_empty(path: PathBuf, schema: &SchemaRef) -> Result<()> {
    let file = File::create_new(&path).map_err(|e| unwritable().caused_by(e))?;
    let writer = ArrowWriter::try_new(file, schema.clone(), None).map_err(|e| unwritable().caused_by(e))?;
    writer.close().map_err(|e| unwritable().caused_by(e))?;
    Ok(())
}

fn unwritable() -> BackendError {
    BackendError::new(ErrorKind::Unavailable, "cannot write to the folder for temporary files")
}
