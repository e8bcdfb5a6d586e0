//! What the tests of the store share: a small workspace and events made by hand.

pub mod shared;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::types::Type;
use segment_core::value::Value;
use store::{ColumnsBuilder, DataFileInfo, EventRead, Pinned, Seen, Store, Workspace, Writer};
use tempfile::TempDir;

pub const DAY_US: i64 = 86_400_000_000;

/// An event made by hand: name, user, microseconds into the day, price.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub user: String,
    pub at: i64,
    pub price: Option<Value>,
}

pub fn event(name: &str, user: &str, at: i64, price: Option<i64>) -> Event {
    Event { name: name.to_owned(), user: user.to_owned(), at, price: price.map(Value::Integer) }
}

/// A workspace whose events have an integer property `price`.
pub async fn workspace() -> (TempDir, Store, Workspace) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("odd name % #?")).await.unwrap();
    let workspace = store.create_workspace("default", "Europe/London").await.unwrap();
    (dir, store, workspace)
}

pub fn priced(catalog: &Catalog, ty: &Type) -> Catalog {
    let mut catalog = catalog.clone();
    catalog.set_field(Scope::Property, "price", ty, Origin::Learned).unwrap();
    catalog
}

/// The batch of a day's events, sorted.
pub fn batch(writer: &mut Writer, schema: &SchemaRef, catalog: &Catalog, day: i32, events: &[Event]) -> RecordBatch {
    let ids: Vec<&str> = events.iter().map(|e| e.user.as_str()).collect();
    let numbers = writer.user_numbers(&ids).unwrap();
    let mut rows: Vec<(&Event, u64)> = events.iter().zip(numbers).collect();
    rows.sort_by(|(a, n), (b, m)| (&a.name, n, a.at).cmp(&(&b.name, m, b.at)));
    let start = i64::from(day) * DAY_US;
    let seen: Vec<Seen> = rows.iter().map(|(e, n)| Seen { user_no: *n, first: start + e.at, last: start + e.at }).collect();
    writer.note_events(&seen).unwrap();
    let times = |f: &dyn Fn(&Event) -> i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(e, _)| f(e))).with_timezone(store::LAKE_TIMEZONE))
    };
    let mut columns = ColumnsBuilder::new(catalog, Scope::Property);
    for (e, _) in &rows {
        columns.append(|name| e.price.as_ref().filter(|_| name == "price")).unwrap();
    }
    let message = |(i, (e, _)): (usize, &(&Event, u64))| format!("{day}-{}-{}-{}-{i}", e.name, e.user, e.at);
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(e, _)| &e.name))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, n)| *n as i64))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(e, _)| &e.user))),
        times(&|e| start + e.at),
        Arc::new(StringArray::from_iter_values(rows.iter().enumerate().map(message))),
        times(&|_| start + DAY_US),
        Arc::new(Int32Array::new_null(rows.len())),
        Arc::new(Int64Array::new_null(rows.len())),
        Arc::new(StringArray::new_null(rows.len())),
    ];
    arrays.extend(columns.finish());
    RecordBatch::try_new(schema.clone(), arrays).unwrap()
}

/// Writes a day's events into the import, not committing.
pub fn write_day(writer: &mut Writer, catalog: &Catalog, day: i32, events: &[Event]) {
    let mut file = writer.event_file(day).unwrap();
    let schema = file.schema().clone();
    file.write(&batch(writer, &schema, catalog, day, events)).unwrap();
    writer.add_event_files(file.finish().unwrap());
}

/// Imports one day's events with integer prices.
pub async fn import_day(workspace: &Workspace, day: i32, events: &[Event]) -> store::CommitInfo {
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = priced(&writer.base().catalog, &Type::Integer);
    writer.set_catalog(&catalog).await.unwrap();
    write_day(&mut writer, &catalog, day, events);
    writer.commit(catalog, serde_json::json!({"day": day})).await.unwrap()
}

/// All batches of a Parquet file.
pub fn read(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}

/// The path of a local file of events.
pub fn local(file: &DataFileInfo) -> &Path {
    match &file.place {
        store::FilePlace::Local(path) => path,
        store::FilePlace::Object(uri) => panic!("{uri} is not local"),
    }
}

/// All batches of a file of events, wherever it is.
pub fn read_planned(pinned: &Pinned, file: &DataFileInfo) -> Vec<RecordBatch> {
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(pinned.events.open(file).unwrap()).unwrap();
    if let Some(kept) = file.deleted.selection(0, file.rows) {
        builder = builder.with_row_selection(kept);
    }
    builder.build().unwrap().map(Result::unwrap).collect()
}

pub fn everything() -> EventRead {
    EventRead { names: None, prefix: None, start: None, end: i64::MAX }
}

/// Event names and users of a pinned state, in files' order.
pub async fn events(pinned: &Pinned) -> Vec<(String, String)> {
    let plan = pinned.events.plan(&[everything()]).await.unwrap();
    let mut out = Vec::new();
    for batch in plan.files.iter().flat_map(|f| read_planned(pinned, f)) {
        let (names, users) = (batch["event"].as_string::<i32>(), batch["user_id"].as_string::<i32>());
        out.extend(names.iter().flatten().zip(users.iter().flatten()).map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
    out
}

/// Users of a pinned state: number and id, in files' order.
pub fn users(pinned: &Pinned) -> Vec<(i64, String)> {
    let mut out = Vec::new();
    for batch in pinned.profiles.files.iter().flat_map(|f| read(&f.path)) {
        let numbers = batch["user_no"].as_primitive::<arrow::datatypes::Int64Type>();
        out.extend(numbers.values().iter().copied().zip(batch["user_id"].as_string::<i32>().iter().flatten().map(str::to_owned)));
    }
    out
}

/// Files below a folder, by what they are called.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        out.push(entry.file_name().to_string_lossy().into_owned());
    }
    out.sort();
    out
}
