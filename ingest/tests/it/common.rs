//! A workspace in a temporary folder, files to import into it, and what is in it afterwards.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use ingest::{ImportError, ImportReport, ImportRequest, NoProgress};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use segment_core::catalog::{Catalog, Scope};
use segment_core::time::{INSTANT_MAX, Zone, format_instant, parse_instant};
use segment_core::types::Type;
use store::{EventRead, LakeReader, Profile, Store, StoreConfig, Workspace};
use tempfile::TempDir;

/// 2024-06-01T00:00:00Z.
pub const NOW: i64 = 1_717_200_000_000_000;
pub const HOUR: i64 = 3_600_000_000;

pub struct World {
    pub folder: TempDir,
    pub store: Store,
    pub workspace: Workspace,
    /// Where it keeps what is not in its directory.
    pub config: StoreConfig,
    pub now: i64,
}

/// An event as stored: fixed columns and properties as text, nulls left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    pub event: String,
    pub user_id: String,
    pub ts: String,
    pub message_id: String,
    pub values: BTreeMap<String, String>,
    pub extra: Option<String>,
}

impl World {
    pub async fn new() -> Self {
        Self::in_zone("UTC").await
    }

    pub async fn in_zone(zone: &str) -> Self {
        Self::over(StoreConfig::default(), "w", zone).await
    }

    pub async fn over(config: StoreConfig, workspace: &str, zone: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_with(folder.path().join("data"), config.clone()).await.unwrap();
        let workspace = store.create_workspace(workspace, zone).await.unwrap();
        Self { folder, store, workspace, config, now: NOW }
    }

    /// A store of its own, as of another process.
    pub async fn another_store(&self) -> Store {
        Store::open_existing_with(self.path("data"), self.config.clone()).await.unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        File::create(&path).unwrap().write_all(content.as_ref()).unwrap();
        path
    }

    pub fn request(&self) -> ImportRequest {
        ImportRequest::new(self.now, self.path("rejects.ndjson"))
    }

    pub async fn import(&self, request: ImportRequest) -> Result<ImportReport, ImportError> {
        ingest::import(&self.workspace, request, Arc::new(NoProgress)).await
    }

    /// Imports a file of events, written first.
    pub async fn events(&self, name: &str, content: impl AsRef<[u8]>) -> Result<ImportReport, ImportError> {
        let mut request = self.request();
        request.events = vec![self.file(name, content)];
        self.import(request).await
    }

    /// The same of users.
    pub async fn users(&self, name: &str, content: impl AsRef<[u8]>) -> Result<ImportReport, ImportError> {
        let mut request = self.request();
        request.users = vec![self.file(name, content)];
        self.import(request).await
    }

    pub async fn catalog(&self) -> Catalog {
        self.workspace.pin().await.unwrap().catalog.as_ref().clone()
    }

    pub async fn declare(&self, json: &str) {
        let pinned = self.workspace.pin().await.unwrap();
        let json = segment_core::json::Json::parse(json).unwrap();
        let catalog = segment_core::declare::declare(&pinned.catalog, &json).unwrap();
        self.workspace.set_catalog(pinned.version, &catalog).await.unwrap();
    }

    pub async fn property(&self, name: &str) -> Option<Type> {
        self.catalog().await.properties.get(name).map(|f| f.ty.clone())
    }

    pub async fn attribute(&self, name: &str) -> Option<Type> {
        self.catalog().await.attributes.get(name).map(|f| f.ty.clone())
    }

    pub async fn profile(&self, id: &str) -> Option<Profile> {
        self.workspace.begin_write().await.unwrap().profile(id).unwrap()
    }

    pub fn rejects(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path("rejects.ndjson")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// All events, in the files' order.
    pub async fn stored(&self) -> Vec<Event> {
        let pinned = self.workspace.pin().await.unwrap();
        let all = EventRead { names: None, prefix: None, start: None, end: INSTANT_MAX };
        let plan = pinned.events.plan(&[all]).await.unwrap();
        let columns = pinned.catalog.columns(Scope::Property);
        let labels: BTreeMap<String, String> = pinned
            .catalog
            .properties
            .iter()
            .flat_map(|(name, field)| field.columns.iter().map(move |c| (c, name.clone())))
            .map(|(c, name)| (c.name.clone(), std::iter::once(name).chain(c.path.clone()).collect::<Vec<_>>().join(".")))
            .collect();
        assert!(columns.len() >= labels.len());
        plan.files.iter().flat_map(|file| read(pinned.events.open(file).unwrap(), &labels)).collect()
    }
}

fn read(file: LakeReader, labels: &BTreeMap<String, String>) -> Vec<Event> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut out = Vec::new();
    for batch in reader.map(Result::unwrap) {
        let text = |name: &str, row| batch.column_by_name(name).unwrap().as_string::<i32>().value(row).to_owned();
        assert!(batch.column_by_name("user_no").unwrap().as_primitive::<Int64Type>().null_count() == 0);
        let ts = batch.column_by_name("ts").unwrap().as_primitive::<TimestampMicrosecondType>().clone();
        let extra = batch.column_by_name("extra").unwrap().as_string::<i32>().clone();
        for row in 0..batch.num_rows() {
            let mut values = BTreeMap::new();
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                let name = field.name();
                let ours = name.starts_with('p') && name.as_bytes()[1].is_ascii_digit();
                if ours && column.is_valid(row) {
                    let label = labels.get(name).cloned().unwrap_or_else(|| format!("before:{name}"));
                    values.insert(label, array_value_to_string(column, row).unwrap());
                }
            }
            out.push(Event {
                event: text("event", row),
                user_id: text("user_id", row),
                ts: format_instant(ts.value(row)),
                message_id: text("message_id", row),
                values,
                extra: extra.is_valid(row).then(|| extra.value(row).to_owned()),
            });
        }
    }
    out
}

pub fn instant(text: &str) -> i64 {
    parse_instant(text, &Zone::utc()).unwrap()
}

/// `(name, value)` pairs as a map.
pub fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}
