//! Events that somebody else writes, on S3, read through the Hive connector: each case beside the oracle's answer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, ListBuilder,
    RecordBatch, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    UInt16Array, UInt32Array,
};
use arrow::datatypes::Field;
use parquet::arrow::ArrowWriter;
use segment_core::compile;
use segment_core::declare::declare;
use segment_core::json::Json;
use segment_core::lower::{Strategy, tables_of};
use segment_core::resolve::Library;
use segment_core::time::{Zone, parse_instant};
use store::{Store, Workspace};

use super::{config, session, store_config, unique};
use crate::backend::{Backend, Query, RunOptions};
use crate::conformance::chain;
use crate::error::{BackendError, ErrorKind};
use crate::memory::MemoryBackend;
use crate::trino::TrinoBackend;
use crate::trino::client::Client;

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
        self.declare(&format!(
            r#"{{"events_table": {{"format": "hive-parquet", "location": "{location}", "refresh_seconds": 1, {binding}}}}}"#
        ))
        .await;
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

    /// Whom both find, by one strategy after the other.
    async fn members(&self, condition: &str) -> Vec<String> {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let strategy = Strategy::ALL[ASKED.fetch_add(1, Ordering::Relaxed) % Strategy::ALL.len()];
        let query = self.query(condition).await.with_strategy(strategy);
        let expected = MemoryBackend::new().run(&query, RunOptions::default()).await.unwrap().sorted_ids().await.unwrap();
        match self.run(&query).await {
            Ok(found) => assert_eq!(found, expected, "{condition} by {}", strategy.name()),
            Err(e) => panic!("{condition} by {}: {}", strategy.name(), chain(&e)),
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

const TIMES: [&str; 16] = [
    "2026-11-02T12:34:56Z",
    "2026-11-02t12:34:56.5z",
    "2026-11-02 12:34:56.1234569+01:30",
    "2026-11-02T12:34-00:30",
    "2026-11-02T12:34",
    "2026-11-02",
    "2026-11-02T23:59:60",
    "2026-11-02T12:34:56.",
    "2026-11-02T24:00:00Z",
    "2026-11-31",
    "2026-11-02T12:34:56Z ",
    "0000-11-02",
    "2026-11-02T12",
    "2026-11-02T12:34:61Z",
    "2026-11-02\n",
    "",
];

/// Of `users` in their order: who has an event at all, and who before and after some instants to the microsecond.
async fn told_apart(bound: &Bound, instants: &[&str]) -> usize {
    let mut found = bound.members(r#"{"event": "view"}"#).await.len();
    for instant in instants {
        for side in ["from", "to"] {
            found += bound.members(&format!(r#"{{"event": "view", "window": {{"{side}": "{instant}"}}}}"#)).await.len();
        }
    }
    found
}

fn users(count: usize) -> ArrayRef {
    Arc::new((0..count).map(|i| Some(format!("u{i:02}"))).collect::<StringArray>())
}

#[tokio::test(flavor = "multi_thread")]
async fn times_in_text() {
    let binding = |zone: &str| {
        format!(
            r#"{BY_DAY}, "partition_zone": "{zone}", "slack_seconds": 7200, "user_id": "user", "event": {{"constant": "view"}}, "ts": {{"column": "at", "type": "string", "zone": "{zone}"}}"#
        )
    };
    let Some(bound) = Bound::new("bound_text", "UTC", "", &binding("Europe/London")).await else { return };
    let file = |day: &str, times: &[&str]| {
        let times: Vec<Option<&str>> = times.iter().map(|t| Some(*t)).collect();
        bound.write(&format!("dt={day}/f.parquet"), vec![("user", users(times.len())), ("at", texts(&times))]);
    };
    file("2026-11-02", &TIMES);
    // The hour that came twice, and one that there was not.
    file("2026-10-25", &["2026-10-25T01:30:00", "2026-10-25T00:59:59.999999", "2026-10-25T02:00:00", "2026-10-25T01:30:00Z"]);
    file("2026-03-29", &["2026-03-29T01:30:00", "2026-03-29T00:59:59.999999", "2026-03-29T02:00:00"]);
    let instants = [
        "2026-11-02T12:34:56Z",
        "2026-11-02T12:34:56.5Z",
        "2026-11-02T11:04:56.123456Z",
        "2026-11-02T11:04:56.123457Z",
        "2026-11-02T13:04:00Z",
        "2026-11-02T23:59:59.999999Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-03-29T01:30:00Z",
        "2026-03-29T01:00:00Z",
    ];
    assert!(told_apart(&bound, &instants).await > 20);
    for zone in ["Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"] {
        bound.bind(&binding(zone)).await;
        told_apart(&bound, &instants[..6]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_as_timestamps_and_counts() {
    let binding = |form: &str, zone: &str| {
        format!(
            r#"{BY_DAY}, "slack_seconds": 0, "user_id": "user", "event": {{"constant": "view"}}, "ts": {{"column": "at", "type": "{form}"{zone}}}"#
        )
    };
    let zone = r#", "zone": "America/New_York""#;
    let base = at("2026-11-01T05:30:00Z");
    let near: Vec<i64> = [0, 1, -1, 500, 999_999, 3_600_000_000, 7_200_000_000, -90_000_000_000, i64::MAX / 2000]
        .iter()
        .map(|d| base.saturating_add(*d))
        .collect();
    let instants = ["2026-11-01T05:30:00Z", "2026-11-01T05:30:00.000001Z", "2026-11-01T06:30:00Z", "2026-11-01T10:30:00Z"];
    let nanos: Vec<i64> = near.iter().take(8).flat_map(|us| [us * 1000, us * 1000 + 999]).collect();
    let cases: Vec<(&str, &str, ArrayRef)> = vec![
        ("epoch_us", "", Arc::new(Int64Array::from(near.clone()))),
        ("epoch_ms", "", Arc::new(Int64Array::from_iter_values(near.iter().map(|us| us / 1000).chain([i64::MIN, i64::MAX])))),
        ("epoch_s", "", Arc::new(Int32Array::from_iter_values(near.iter().take(8).map(|us| (us / 1_000_000) as i32)))),
        ("timestamp", zone, Arc::new(TimestampMicrosecondArray::from(near.clone()))),
        ("timestamp", "", Arc::new(TimestampMicrosecondArray::from(near.clone()).with_timezone("UTC"))),
        ("timestamp", "", Arc::new(TimestampMillisecondArray::from_iter_values(near.iter().map(|us| us / 1000)).with_timezone("UTC"))),
        ("timestamp", zone, Arc::new(TimestampNanosecondArray::from(nanos.clone()))),
        ("timestamp", "", Arc::new(TimestampNanosecondArray::from(nanos).with_timezone("UTC"))),
    ];
    for (i, (form, zone, times)) in cases.into_iter().enumerate() {
        let Some(bound) = Bound::new(&format!("bound_times{i}"), "UTC", "", &binding(form, zone)).await else { return };
        bound.write("dt=2026-11-01/f.parquet", vec![("user", users(times.len())), ("at", times)]);
        assert!(told_apart(&bound, &instants).await > 10, "{form}{zone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_type() {
    let properties = r#""n": {"type": "number"}, "i": {"type": "integer"}, "b": {"type": "boolean"}, "d": {"type": "date"}, "at": {"type": "timestamp"},
        "tags": {"type": "strings"}, "m": {"type": "map", "values": "number"}, "none": {"type": "string"}, "src": {"type": "string"}"#;
    let binding = r#""partitions": [{"column": "dt", "format": "date"}, {"column": "src", "format": "text"}], "user_id": "user", "event": {"constant": "view"},
        "ts": {"column": "t", "type": "epoch_s"}, "properties": {"n": "n", "i": "i", "b": "b", "d": "d", "at": "at", "tags": "tags", "m": "m", "none": "none", "src": "src"}"#;
    let numbers: [ArrayRef; 4] = [
        Arc::new(Decimal128Array::from(vec![Some(150), Some(-225), None]).with_precision_and_scale(10, 2).unwrap()),
        Arc::new(Float32Array::from(vec![Some(0.1), Some(f32::NAN), Some(-0.0)])),
        Arc::new(Int8Array::from(vec![Some(-1), Some(1), None])),
        Arc::new(UInt16Array::from(vec![Some(65_535), Some(1), None])),
    ];
    for (i, n) in numbers.into_iter().enumerate() {
        let Some(bound) = Bound::new(&format!("bound_types{i}"), "Asia/Tokyo", properties, binding).await else { return };
        let mut tags = ListBuilder::new(StringBuilder::new());
        tags.values().append_value("x");
        tags.values().append_null();
        tags.append(true);
        tags.append(true);
        tags.append(false);
        let noon = at("2026-11-02T12:00:00Z");
        for folder in [
            "dt=2026-11-02/src=",
            "dt=2026-11-02/src=web%27s",
            "dt=2026-11-02/src=__HIVE_DEFAULT_PARTITION__",
            "dt=__HIVE_DEFAULT_PARTITION__/src=x",
        ] {
            bound.write(
                &format!("{folder}/f.parquet"),
                vec![
                    ("user", texts(&[Some("a"), Some("b"), Some("c")])),
                    ("t", Arc::new(Int64Array::from(vec![noon / 1_000_000; 3]))),
                    ("n", n.clone()),
                    ("i", if n.as_any().is::<Int8Array>() { n.clone() } else { Arc::new(Int32Array::from(vec![i32::MIN, 0, 7])) }),
                    ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
                    ("d", Arc::new(Date32Array::from(vec![Some(20_000), Some(-1), None]))),
                    ("at", Arc::new(TimestampMillisecondArray::from(vec![Some(0), Some(1), None]))),
                    ("tags", Arc::new(tags.finish_cloned())),
                    ("m", texts(&[Some(r#"{"a": 1}"#), None, None])),
                ],
            );
        }
        for (property, tests) in [
            ("n", r#""gte","value":0|"is","value":0.10000000149011612|"is","value":1.5|"lt","value":0|"exists"|"is","value":65535"#),
            ("i", r#""gte","value":0|"exists"|"lt","value":0"#),
            ("b", r#""is","value":true|"is_not","value":true|"exists""#),
            ("d", r#""before","value":"1970-01-01"|"is","value":"2024-10-04""#),
            ("at", r#""is","value":"1969-12-31T15:00:00Z"|"is","value":"1970-01-01"|"exists""#),
            ("tags", r#""has","value":"x"|"is_empty"|"exists"|"has_all","value":[]"#),
            ("none", r#""exists"|"not_exists""#),
            ("src", r#""is","value":"web's"|"is","value":""|"exists"|"not_exists""#),
        ] {
            for test in tests.split('|') {
                bound.members(&format!(r#"{{"event": "view", "where": {{"property": "{property}", "op": {test}}}}}"#)).await;
            }
        }
        assert_eq!(bound.members(r#"{"event": "view", "op": "is", "value": 3}"#).await, ["a", "b", "c"]);
        assert_eq!(
            bound.members(r#"{"event": "view", "where": {"property": "src", "op": "is", "value": "web's"}}"#).await,
            ["a", "b", "c"]
        );
        let (kind, what) = bound.fails(r#"{"event": "view", "where": {"property": "m.a", "op": "exists"}}"#).await;
        assert!(kind == ErrorKind::Unsupported && what.contains("\"m.a\""), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_trino_would_read_otherwise_is_refused() {
    let properties = r#""n": {"type": "integer"}, "at": {"type": "timestamp"}"#;
    let binding = format!(
        r#"{BY_DAY}, "slack_seconds": 0, "user_id": "user", "event": {{"constant": "view"}}, "ts": {{"column": "t", "type": "epoch_s"}}, "properties": {{"n": "n", "at": "at"}}"#
    );
    let Some(bound) = Bound::new("bound_refused", "UTC", properties, &binding).await else { return };
    let file = |path: &str, more: Vec<(&str, ArrayRef)>| {
        let times: ArrayRef = Arc::new(Int64Array::from(vec![at("2026-11-02T12:00:00Z") / 1_000_000]));
        bound.write(path, [vec![("user", texts(&[Some("a")])), ("t", times)], more].concat());
    };
    let local = || -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![0])) };
    file("dt=2026-11-02/a.parquet", vec![("n", Arc::new(UInt32Array::from(vec![u32::MAX]))), ("at", local())]);
    file("dt=2026-11-03/a.parquet", vec![("N", Arc::new(Int32Array::from(vec![1])))]);
    let instant: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"));
    file("dt=2026-11-01/a.parquet", vec![("at", instant)]);
    let asked = |property: &str, from: &str, to: &str| {
        format!(
            r#"{{"event": "view", "where": {{"property": "{property}", "op": "exists"}}, "window": {{"from": "{from}", "to": "{to}"}}}}"#
        )
    };
    for (property, from, to, why) in [
        ("n", "2026-11-02T10:00:00Z", "2026-11-02T13:00:00Z", "is UInt32"),
        ("n", "2026-11-03T10:00:00Z", "2026-11-05T13:00:00Z", "by case only"),
        ("at", "2026-11-01", "2026-11-03", "in some files and"),
    ] {
        let (kind, what) = bound.fails(&asked(property, from, to)).await;
        assert!(kind == ErrorKind::Unsupported && what.contains(why), "{why}: {kind:?} {what}");
    }
    // Who does not ask for such a column is answered.
    assert_eq!(bound.members(r#"{"event": "view"}"#).await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_leave_partitions_out_and_new_files_are_seen() {
    let binding = r#""partitions": [{"column": "dt", "format": "basic_date"}, {"column": "h", "format": "hour"}], "partition_zone": "Asia/Kathmandu",
        "slack_seconds": 60, "user_id": "user", "event": {"constant": "view"}, "ts": {"column": "at", "type": "epoch_us"}"#;
    let Some(bound) = Bound::new("bound_windows", "UTC", "", binding).await else { return };
    let file = |day: &str, hour: u32, name: &str, user: &str, time: &str| {
        let times: ArrayRef = Arc::new(Int64Array::from(vec![at(time); 100]));
        bound.write(&format!("dt={day}/h={hour:02}/{name}.parquet"), vec![("user", texts(&[Some(user); 100])), ("at", times)]);
    };
    // Kathmandu is 5:45 ahead.
    for hour in 6..24 {
        file("20261102", hour, "a", &format!("u{hour:02}"), &format!("2026-11-02T{:02}:30:00Z", hour - 6));
    }
    let window = r#"{"event": "view", "window": {"from": "2026-11-02T04:00:00Z", "to": "2026-11-02T06:00:00Z"}}"#;
    assert_eq!(bound.members(window).await, ["u10", "u11"]);
    for strategy in Strategy::ALL {
        let query = bound.query(window).await.with_strategy(strategy);
        let mut run = bound.backend.run(&query, RunOptions::default()).await.unwrap();
        assert_eq!(run.count().await.unwrap(), 2);
        // Of 1,800 rows, those of the two hours and of one beside them; a subquery reads them once more.
        let (read, times) = (run.metrics().unwrap().rows_read, if strategy == Strategy::Subqueries { 2 } else { 1 });
        assert!(read <= 300 * times, "{read} rows by {}", strategy.name());
    }
    let explanation = bound.backend.explain(&bound.query(window).await).await.unwrap();
    let [scan] = explanation.scans.as_slice() else { panic!("{:?}", explanation.scans) };
    assert!(scan.what.contains("3 of 18 partitions") && scan.read.files == 3 && scan.files_skipped == 15, "{scan:?}");

    // A file more in an hour that is known, an hour more, and an hour that is gone.
    file("20261102", 10, "b", "more", "2026-11-02T04:40:00Z");
    file("20261103", 0, "a", "next", "2026-11-02T18:30:00Z");
    std::fs::remove_dir_all(bound.files.join("dt=20261102/h=06")).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(bound.members(window).await, ["more", "u10", "u11"]);
    let all = bound.members(r#"{"event": "view"}"#).await;
    assert!(all.contains(&"next".to_owned()) && !all.contains(&"u06".to_owned()) && all.len() == 19, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_break() {
    let binding = r#""partitions": [{"column": "dt", "format": "date"}], "user_id": "user", "event": {"constant": "view"}, "ts": {"column": "at", "type": "epoch_us"}, "refresh_seconds": 3600"#;
    let Some(bound) = Bound::new("bound_break", "UTC", "", &binding.replace(r#", "refresh_seconds": 3600"#, "")).await else { return };
    let file = |day: &str| {
        let times: ArrayRef = Arc::new(Int64Array::from(vec![at(&format!("{day}T12:00:00Z")); 20_000]));
        let ids: Vec<Option<String>> = (0..20_000).map(|i| Some(format!("user {i} {day}"))).collect();
        bound.write(&format!("dt={day}/a.parquet"), vec![("user", Arc::new(StringArray::from(ids))), ("at", times)]);
        bound.files.join(format!("dt={day}/a.parquet"))
    };
    let (first, _) = (file("2026-11-02"), file("2026-11-03"));
    let query = bound.query(r#"{"event": "view"}"#).await;
    assert_eq!(bound.run(&query).await.unwrap().len(), 40_000);
    // Whoever gives the binding up has the tables removed; who asks again has them made again.
    let tables = tables_of(&["hive".to_owned(), bound.name.clone()]);
    let client = Client::new(&config().unwrap()).unwrap();
    assert_eq!(client.texts(&tables, &session()).await.unwrap().len(), 1);
    bound.backend.forget_bound(&bound.name).await.unwrap();
    assert!(client.texts(&tables, &session()).await.unwrap().is_empty());
    assert_eq!(bound.run(&query).await.unwrap().len(), 40_000);
    bound.backend.check_hive(&unique("check"), &format!("s3://hive/{}", bound.name)).await.unwrap();
    // It was looked at already, and Trino finds it cut off.
    let whole = std::fs::read(&first).unwrap();
    std::fs::write(&first, &whole[..whole.len() / 2]).unwrap();
    let error = bound.run(&query).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::SchemaDrift, "{}", chain(&error));
    // Who pins anew is told of the file.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let (kind, what) = bound.fails(r#"{"event": "view"}"#).await;
    assert!(kind == ErrorKind::SchemaDrift && what.contains("a.parquet"), "{kind:?} {what}");
    std::fs::remove_file(&first).unwrap();
    // The pinned files are those of before: Trino has the folder of a partition that is empty now.
    let gone = bound.run(&query).await;
    assert!(gone.as_ref().is_err_and(|e| e.kind == ErrorKind::Unavailable) || gone.is_ok_and(|found| found.len() == 20_000));
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(bound.members(r#"{"event": "view"}"#).await.len(), 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_apart() {
    let binding = format!(r#"{BY_DAY}, "user_id": "user", "event": {{"constant": "view"}}, "ts": {{"column": "at", "type": "epoch_s"}}"#);
    let mut both = Vec::new();
    for user in ["ann", "bob"] {
        let Some(bound) = Bound::new("bound_apart", "UTC", "", &binding).await else { return };
        let time: ArrayRef = Arc::new(Int64Array::from(vec![at("2026-11-02T12:00:00Z") / 1_000_000]));
        bound.write("dt=2026-11-02/a.parquet", vec![("user", texts(&[Some(user)])), ("at", time)]);
        both.push((bound, user));
    }
    let log = "SELECT query FROM system.runtime.queries WHERE source = 'muster'";
    let client = Client::new(&config().unwrap()).unwrap();
    for (bound, user) in &both {
        assert_eq!(bound.members(r#"{"event": "view"}"#).await, [*user]);
        assert_eq!(bound.members(r#"{"not": {"event": "buy"}}"#).await, [*user]);
    }
    let names: Vec<&str> = both.iter().map(|(bound, _)| bound.name.as_str()).collect();
    let queries = client.texts(log, &session()).await.unwrap();
    let of = |name: &str| queries.iter().filter(|query| query.contains(name)).collect::<Vec<_>>();
    assert!(names.iter().all(|name| of(name).len() >= 4));
    assert!(of(names[0]).iter().all(|query| !query.contains(names[1])));
}
