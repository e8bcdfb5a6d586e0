//! What is measured on: the demo's retail data and made-up data, each a workspace of a shared lake, with their segments.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use ingest::{ImportRequest, NoProgress};
use muster_benches::events::DAYS;
use muster_benches::{Result, Size, files};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use segment_core::resolve::Library;
use segment_core::time::{Zone, parse_instant};
use store::{Pinned, Store, StoreConfig};

/// The day after the retail data ends, in their zone.
const RETAIL_AS_OF: &str = "2011-12-10";
const RETAIL_ZONE: &str = "Europe/London";
/// The midnight that ends the made-up data.
const MADE_AS_OF: &str = "2026-04-01";
/// Threads that make data up.
const THREADS: usize = 2;

/// Where data go.
pub struct Place {
    /// The lake.
    pub store: StoreConfig,
    /// What is in no lake: the store's own, files to import.
    pub folder: PathBuf,
    /// The repository.
    pub root: PathBuf,
    /// Begins the workspaces' names.
    pub prefix: String,
    /// Segments are wanted whose names contain this.
    pub wanted: String,
}

/// Data, and segments over them.
pub struct DataSet {
    pub name: &'static str,
    pub pinned: Arc<Pinned>,
    /// The wanted conditions by name.
    pub segments: BTreeMap<String, String>,
    /// What conditions may refer to.
    pub library: Library,
    /// The instant of evaluation, microseconds.
    pub as_of: i64,
    /// What it took to import.
    pub import: Duration,
}

/// The demo's retail data, unless none of its segments is wanted. They are made ready as fixtures/recipes/retail.toml has it, which is SQL for an engine that is not here.
pub async fn retail(place: &Place) -> Result<Option<DataSet>> {
    let Some(segments) = conditions(place, "fixtures/segments/retail")? else { return Ok(None) };
    crate::say("importing the demo's retail data");
    let folder = place.folder.join("retail");
    std::fs::create_dir_all(&folder)?;
    let (events, users) = retail_files(&place.root.join("fixtures/data/online-retail.parquet"), &folder)?;
    let set = Set { name: "retail", events: vec![events], users, zone: RETAIL_ZONE, as_of: RETAIL_AS_OF };
    load(place, set, segments).await.map(Some)
}

/// Made-up data, unless none of their segments is wanted.
pub async fn made(place: &Place, size: Size) -> Result<Option<DataSet>> {
    let Some(segments) = conditions(place, "benches/segments")? else { return Ok(None) };
    crate::say(&format!("making {} users and {} events up, and importing them", size.users, size.events));
    let folder = made_folder(place);
    files::write_all(&folder, size, THREADS)?;
    let events = (0..DAYS).map(|day| files::events_file(&folder, day)).collect();
    let set = Set { name: "made", events, users: files::users_file(&folder), zone: "UTC", as_of: MADE_AS_OF };
    load(place, set, segments).await.map(Some)
}

/// Where the made-up files are.
pub fn made_folder(place: &Place) -> PathBuf {
    place.folder.join("made")
}

struct Set {
    name: &'static str,
    events: Vec<PathBuf>,
    users: PathBuf,
    zone: &'static str,
    as_of: &'static str,
}

async fn load(place: &Place, set: Set, all: BTreeMap<String, String>) -> Result<DataSet> {
    let store = Store::open_with(place.folder.join("store"), place.store.clone()).await?;
    let workspace = store.create_workspace(&format!("{}_{}", place.prefix, set.name), set.zone).await?;
    let mut request = ImportRequest::new(now()?, place.folder.join("rejects"));
    (request.events, request.users) = (set.events, vec![set.users]);
    let started = Instant::now();
    ingest::import(&workspace, request, Arc::new(NoProgress)).await?;
    let import = started.elapsed();
    let segments = all.iter().filter(|(name, _)| name.contains(&place.wanted)).map(|(n, c)| (n.clone(), c.clone())).collect();
    let library = Library { segments: all, ..Library::default() };
    let as_of = parse_instant(set.as_of, &Zone::parse(set.zone)?).ok_or("the instant of evaluation is none")?;
    Ok(DataSet { name: set.name, pinned: Arc::new(workspace.pin().await?), segments, library, as_of, import })
}

/// Now, in microseconds.
pub fn now() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros())?)
}

/// The conditions of a folder, by the names of their files; none if none is wanted.
fn conditions(place: &Place, folder: &str) -> Result<Option<BTreeMap<String, String>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(place.root.join(folder))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "json") {
            let name = path.file_stem().and_then(|n| n.to_str()).ok_or("a segment's file has no name")?;
            found.insert(name.to_owned(), std::fs::read_to_string(&path)?);
        }
    }
    let wanted = found.keys().any(|name| name.contains(&place.wanted));
    Ok(wanted.then_some(found))
}

/// Files of events and of users. A customer's last line tells the country, and the first when they were first seen.
fn retail_files(from: &Path, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let mut users: BTreeMap<String, (Option<String>, i64)> = BTreeMap::new();
    let mut batches = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(from)?)?.build()? {
        let batch = batch?;
        let ids = text(&batch, "CustomerID")?;
        let (countries, times) = (text(&batch, "Country")?, times(&batch)?);
        for (i, id) in ids.iter().enumerate() {
            let Some(id) = id else { continue };
            let country = countries.is_valid(i).then(|| countries.value(i).to_owned());
            let user = users.entry(id.to_owned()).or_insert((None, i64::MAX));
            *user = (country, user.1.min(times.value(i)));
        }
        batches.push(retail_events(&batch, &ids));
    }
    let paths = (folder.join("events.parquet"), folder.join("users.parquet"));
    files::write(&paths.0, Arc::new(events_schema()), &[], batches.into_iter())?;
    let schema = Schema::new(vec![
        Field::new("user_id", DataType::Utf8, false),
        Field::new("country", DataType::Utf8, true),
        Field::new("first_seen_at", DataType::Timestamp(TimeUnit::Microsecond, None), false),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(users.keys())),
        Arc::new(users.values().map(|(country, _)| country.as_deref()).collect::<StringArray>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(users.values().map(|(_, first)| *first))),
    ];
    let batch = RecordBatch::try_new(Arc::new(schema), columns)?;
    files::write(&paths.1, batch.schema(), &[], std::iter::once(Ok(batch)))?;
    Ok(paths)
}

fn events_schema() -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Schema::new(vec![
        text("user_id"),
        text("event"),
        Field::new("ts", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        text("invoice"),
        text("stock_code"),
        text("description"),
        Field::new("quantity", DataType::Int64, true),
        Field::new("unit_price", DataType::Float64, true),
        Field::new("amount", DataType::Float64, true),
    ])
}

/// The lines of a customer's; negative quantities are refunds.
fn retail_events(batch: &RecordBatch, ids: &StringArray) -> Result<RecordBatch> {
    let quantities = cast(column(batch, "Quantity")?, &DataType::Int64)?;
    let quantities = quantities.as_primitive::<Int64Type>();
    let prices = cast(column(batch, "UnitPrice")?, &DataType::Float64)?;
    let prices = prices.as_primitive::<Float64Type>();
    let kept = ids.iter().zip(quantities).map(|(id, quantity)| Some(id.is_some() && quantity.is_some_and(|q| q != 0))).collect();
    let names: StringArray = quantities.iter().map(|q| Some(if q.unwrap_or_default() > 0 { "purchase" } else { "refund" })).collect();
    let amount = |(quantity, price): (Option<i64>, Option<f64>)| Some((quantity? as f64 * price? * 1e3).round() / 1e3);
    let amounts: Float64Array = quantities.iter().zip(prices).map(amount).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.clone()),
        Arc::new(names),
        Arc::new(times(batch)?),
        Arc::new(text(batch, "InvoiceNo")?),
        Arc::new(text(batch, "StockCode")?),
        Arc::new(text(batch, "Description")?),
        Arc::new(quantities.clone()),
        Arc::new(prices.clone()),
        Arc::new(amounts),
    ];
    Ok(filter_record_batch(&RecordBatch::try_new(Arc::new(events_schema()), columns)?, &kept)?)
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| format!("the retail data have no column {name}").into())
}

fn text(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    Ok(cast(column(batch, name)?, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn times(batch: &RecordBatch) -> Result<TimestampMicrosecondArray> {
    let times = cast(column(batch, "InvoiceDate")?, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    Ok(times.as_primitive::<TimestampMicrosecondType>().clone())
}
