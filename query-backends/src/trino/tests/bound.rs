//! Events that somebody else writes, on S3, read through the Hive connector: each case beside the oracle's answer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt16Array,
    UInt32Array,
};
use arrow::datatypes::Field;
use parquet::arrow::ArrowWriter;
use segment_core::compile;
use segment_core::declare::declare;
use segment_core::json::Json;
use segment_core::lower::Strategy;
use segment_core::resolve::Library;
use segment_core::time::{Zone, parse_instant};
use store::{Store, Workspace};

use super::{config, store_config, unique};
use crate::backend::{Backend, Query, RunOptions};
use crate::conformance::chain;
use crate::error::{BackendError, ErrorKind};
use crate::memory::MemoryBackend;
use crate::trino::TrinoBackend;

/// A workspace bound to a folder of the bucket `hive`, which is written to as others would.
struct Bound {
    _folder: tempfile::TempDir,
    files: PathBuf,
    workspace: Workspace,
    backend: TrinoBackend,
    name: String,
}

impl Bound {
    /// `None` without engines. Of the declaration, `PLACE` is the folder.
    async fn new(name: &str, zone: &str, properties: &str, binding: &str) -> Option<Self> {
        let (config, store_config) = (config()?, store_config()?);
        let name = unique(name);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_with(folder.path().join("data"), store_config).await.unwrap();
        let workspace = store.create_workspace(&name, zone).await.unwrap();
        let files = PathBuf::from(std::env::var("MUSTER_ENGINES_DIR").unwrap()).join("s3/data/hive").join(&name);
        std::fs::create_dir_all(&files).unwrap();
        let bound = Self { _folder: folder, files, workspace, backend: TrinoBackend::new(&config).unwrap(), name };
        bound.declare(&format!(r#"{{"properties": {{{properties}}}, "events": {{"view": {{}}, "buy": {{}}}}}}"#)).await;
        bound.bind(binding).await;
        Some(bound)
    }

    async fn declare(&self, json: &str) {
        let pinned = self.workspace.pin().await.unwrap();
        let catalog = declare(&pinned.catalog, &Json::parse(json).unwrap()).unwrap_or_else(|e| panic!("{json}: {e}"));
        self.workspace.set_catalog(pinned.version, &catalog).await.unwrap();
    }

    async fn bind(&self, binding: &str) {
        let location = format!("s3://hive/{}/", self.name);
        self.declare(&format!(r#"{{"events_table": {{"format": "hive-parquet", "location": "{location}", "refresh_seconds": 1, {binding}}}}}"#)).await;
    }

    /// Writes a file.
    fn write(&self, path: &str, columns: Vec<(&str, ArrayRef)>) {
        let path = self.files.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
        let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    async fn query(&self, condition: &str) -> Query {
        let pinned = self.workspace.pin().await.unwrap();
        let as_of = parse_instant("2026-12-01T00:00:00Z", &Zone::utc()).unwrap();
        let checked = compile::check(condition, &pinned.catalog, &Library::default(), as_of);
        let plan = checked.plan.unwrap_or_else(|| panic!("{condition}: {:?}", checked.diagnostics));
        Query::new(Arc::new(plan), Arc::new(pinned))
    }

    /// Whom Trino finds.
    async fn run(&self, query: &Query) -> Result<Vec<String>, BackendError> {
        self.backend.run(query, RunOptions::default()).await?.sorted_ids().await
    }

    /// Whom all find, by every strategy.
    async fn members(&self, condition: &str) -> Vec<String> {
        let query = self.query(condition).await;
        let expected = MemoryBackend.run(&query, RunOptions::default()).await.unwrap().sorted_ids().await.unwrap();
        for strategy in [Strategy::Arms, Strategy::OneScan, Strategy::OneScanBounded, Strategy::Subqueries] {
            let query = query.clone().with_strategy(strategy);
            match self.run(&query).await {
                Ok(found) => assert_eq!(found, expected, "{condition} by {}", strategy.name()),
                Err(e) => panic!("{condition} by {}: {}", strategy.name(), chain(&e)),
            }
        }
        expected
    }

    async fn fails(&self, condition: &str) -> (ErrorKind, String) {
        let error = self.run(&self.query(condition).await).await.unwrap_err();
        (error.kind, chain(&error))
    }
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn structure(fields: Vec<(&str, ArrayRef)>, present: Option<Vec<bool>>) -> ArrayRef {
    let fields: BTreeMap<&str, ArrayRef> = fields.into_iter().collect();
    let named: Vec<Field> = fields.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    Arc::new(StructArray::new(named.into(), fields.into_values().collect(), present.map(Into::into)))
}

fn at(text: &str) -> i64 {
    parse_instant(text, &Zone::utc()).unwrap()
}

const BY_DAY: &str = r#""partitions": [{"column": "dt", "format": "date"}]"#;

#[tokio::test(flavor = "multi_thread")]
async fn events_in_place() {
    let properties = r#""price": {"type": "number"}, "page": {"type": "object", "fields": {"path": {"type": "string"}}}"#;
    let binding = r#""partitions": [{"column": "dt", "format": "date"}, {"column": "source", "format": "text"}], "slack_seconds": 3600,
        "user_id": "who.id", "event": "Event Name", "ts": {"column": "at", "type": "epoch_ms"}, "message_id": "id",
        "properties": {"price": ["payload", "the.price"], "page": "payload.page"}"#;
    let Some(bound) = Bound::new("bound_place", "Europe/Berlin", properties, binding).await else { return };
    let users = ["ann", "bob", "cid", "con\u{7}trol", "", "late"].map(Some);
    for (day, source, event) in [("2026-11-01", "web", "view"), ("2026-11-02", "a%20b%2Fc", "buy"), ("2026-11-03", "web", "buy")] {
        let noon = at(&format!("{day}T12:00:00Z")) / 1000;
        let times = [noon, noon + 1, noon - 43_200_000 - 3_600_000, noon, noon, noon + 43_200_000 + 3_600_000];
        let prices = Float64Array::from(vec![Some(1.5), Some(f64::NAN), None, Some(1.0), None, Some(9.0)]);
        let paths = texts(&[Some("/a"), None, Some("/c"), None, None, None]);
        let page = structure(vec![("path", paths)], Some(vec![true, true, false, true, true, true]));
        let names: Vec<Option<&str>> = users.iter().map(|_| Some(event)).collect();
        bound.write(
            &format!("dt={day}/source={source}/f.parquet"),
            vec![
                ("who", structure(vec![("id", texts(&users))], None)),
                ("Event Name", texts(&names)),
                ("at", Arc::new(Int64Array::from(times.to_vec()))),
                ("id", Arc::new(Int64Array::from(vec![6, 5, 4, 3, 2, 1]))),
                ("payload", structure(vec![("the.price", Arc::new(prices)), ("page", page)], None)),
            ],
        );
    }
    let window = r#""window": {"from": "2026-11-02T00:00:00Z", "to": "2026-11-03T00:00:00Z"}"#;
    assert_eq!(bound.members(&format!(r#"{{"event": "buy", {window}}}"#)).await, ["ann", "bob", "cid"]);
    assert_eq!(bound.members(r#"{"event": "buy", "op": "gte", "value": 2}"#).await, ["ann", "bob", "cid"]);
    assert_eq!(bound.members(r#"{"event": "buy", "where": {"property": "price", "op": "exists"}}"#).await, ["ann"]);
    assert_eq!(bound.members(r#"{"event": "view", "where": {"property": "page", "op": "not_exists"}}"#).await, ["cid"]);
    assert_eq!(bound.members(r#"{"event": "view", "where": {"property": "page.path", "op": "is", "value": "/a"}}"#).await, ["ann"]);
    assert_eq!(bound.members(r#"{"not": {"event": "buy", "where": {"property": "price", "op": "gt", "value": 1}}}"#).await, ["bob", "cid"]);
    assert_eq!(bound.members(r#"{"event": "buy", "measure": {"last": "price"}, "op": "is", "value": 1.5}"#).await, ["ann"]);
    assert_eq!(bound.members(r#"{"attribute": "last_seen_at", "op": "after", "value": "2026-11-02T12:00:00Z"}"#).await.len(), 3);
}
