//! Events that somebody else writes: what the embedded engine reads of them, and what it says when files change under it.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../../store/tests/it/common/shared.rs"]
mod shared;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3Builder;
use parquet::arrow::ArrowWriter;
use query_backends::backend::{Backend, Query, RunOptions};
use query_backends::error::{BackendError, ErrorKind};
use query_backends::memory::MemoryBackend;
use query_backends::parquet::{ParquetBackend, ParquetConfig};
use segment_core::catalog::Catalog;
use segment_core::json::Json;
use segment_core::lower::Strategy;
use segment_core::resolve::Library;
use segment_core::time::{Zone, parse_instant};
use segment_core::{compile, declare};
use store::{Pinned, Store, StoreConfig, Workspace};
use tempfile::TempDir;

/// Days of events, from 2026-11-01 on.
const DAYS: i64 = 10;
const DAY_MS: i64 = 86_400_000;
/// 2026-11-01 in milliseconds.
const FIRST_MS: i64 = 1_793_491_200_000;

/// A day's events: `u<day>` buys, and everyone's friend `all` views.
fn file(day: i64, amounts: ArrayRef) -> Vec<u8> {
    let noon = FIRST_MS + day * DAY_MS + DAY_MS / 2;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("who", Arc::new(StringArray::from(vec![format!("u{day}"), "all".to_owned()]))),
        ("what", Arc::new(StringArray::from(vec!["buy", "view"]))),
        ("at", Arc::new(Int64Array::from(vec![noon, noon + 1]))),
        ("amount", amounts),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn amounts() -> ArrayRef {
    Arc::new(Int64Array::from(vec![Some(5), None]))
}

/// Where a day's file is, below the binding's folder.
fn place(day: i64) -> String {
    format!("dt=2026-11-{:02}/part.parquet", day + 1)
}

fn put(folder: &Path, day: i64, bytes: &[u8]) {
    let path = folder.join(place(day));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn binding(location: &str, refresh_seconds: u32) -> Json {
    Json::parse(&format!(
        r#"{{"properties": {{"amount": {{"type": "integer"}}}}, "events": {{"buy": {{}}, "view": {{}}}},
            "events_table": {{"format": "hive-parquet", "location": "{location}", "partitions": [{{"column": "dt", "format": "date"}}],
            "slack_seconds": 0, "user_id": "who", "event": "what", "ts": {{"column": "at", "type": "epoch_ms"}},
            "properties": {{"amount": "amount"}}, "refresh_seconds": {refresh_seconds}}}}}"#
    ))
    .unwrap()
}

async fn bound(dir: &TempDir, config: StoreConfig, binding: &Json) -> (Store, Workspace) {
    let store = Store::open_with(dir.path().join("data"), config).await.unwrap();
    let workspace = store.create_workspace("w", "UTC").await.unwrap();
    let pinned = workspace.pin().await.unwrap();
    let catalog = declare::declare(&pinned.catalog, binding).unwrap();
    workspace.set_catalog(pinned.version, &catalog).await.unwrap();
    (store, workspace)
}

/// All days' files in a folder, bound.
async fn days(dir: &TempDir) -> Workspace {
    let folder = dir.path().join("theirs");
    (0..DAYS).for_each(|day| put(&folder, day, &file(day, amounts())));
    bound(dir, StoreConfig::default(), &binding(&folder.display().to_string(), 3_600)).await.1
}

fn query(pinned: &Arc<Pinned>, condition: &str) -> Query {
    let as_of = parse_instant("2026-12-01", &Zone::utc()).unwrap();
    let checked = compile::check(condition, &pinned.catalog, &Library::default(), as_of);
    assert!(checked.warnings.is_empty(), "{:?}", checked.warnings);
    let plan = checked.plan.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    Query::new(Arc::new(plan), pinned.clone())
}

fn parquet() -> ParquetBackend {
    ParquetBackend::new(&ParquetConfig { threads: 2, ..ParquetConfig::default() }).unwrap()
}

async fn members(backend: &dyn Backend, query: &Query) -> Result<Vec<String>, BackendError> {
    backend.run(query, RunOptions::default()).await?.sorted_ids().await
}

const WINDOW: &str = r#"{"event": "buy", "window": {"from": "2026-11-03", "to": "2026-11-05"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_window_reads_its_days_in_every_shape() {
    let dir = tempfile::tempdir().unwrap();
    let pinned = Arc::new(days(&dir).await.pin().await.unwrap());
    let backend = parquet();
    let several = format!(
        r#"{{"all": [{WINDOW}, {{"event": "buy", "measure": {{"sum": "amount"}}, "op": "gte", "value": 5, "window": {{"from": "2026-11-04", "to": "2026-11-06"}}}}]}}"#
    );
    for (condition, found, days) in [(WINDOW, vec!["u2", "u3"], 2), (&several, vec!["u3"], 3)] {
        for strategy in Strategy::ALL {
            let query = query(&pinned, condition).with_strategy(strategy);
            assert_eq!(members(&backend, &query).await.unwrap(), found, "{}", strategy.name());
            let explained = backend.explain(&query).await.unwrap();
            assert!(!explained.scans.is_empty() && explained.events.files == DAYS as u64);
            for scan in &explained.scans {
                let read = scan.read.files;
                assert!(read >= 1 && read <= days && scan.files_skipped == DAYS as u64 - read, "{}: {scan:?}", strategy.name());
                assert!(scan.what.contains(&format!("{read} of {DAYS} partitions")), "{}", scan.what);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_universe_is_whoever_has_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let pinned = Arc::new(days(&dir).await.pin().await.unwrap());
    let all: BTreeSet<String> = (0..DAYS).map(|day| format!("u{day}")).chain(["all".to_owned()]).collect();
    for (condition, found) in [
        (r#"{"everyone": true}"#.to_owned(), all.clone()),
        (format!(r#"{{"not": {WINDOW}}}"#), all.iter().filter(|id| *id != "u2" && *id != "u3").cloned().collect()),
        (r#"{"attribute": "first_seen_at", "op": "before", "value": "2026-11-02"}"#.to_owned(), ["all".to_owned(), "u0".to_owned()].into()),
        (r#"{"attribute": "last_seen_at", "op": "after", "value": "2026-11-10"}"#.to_owned(), ["all".to_owned(), "u9".to_owned()].into()),
    ] {
        let query = query(&pinned, &condition);
        for backend in [&parquet() as &dyn Backend, &MemoryBackend::default()] {
            let members: BTreeSet<String> = members(backend, &query).await.unwrap().into_iter().collect();
            assert_eq!(members, found, "{}: {condition}", backend.name());
        }
    }
    let refused = query(&pinned, WINDOW).state().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unsupported, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_change_are_looked_for_anew_or_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = days(&dir).await;
    let (backend, folder) = (parquet(), dir.path().join("theirs"));
    let pinned = Arc::new(workspace.pin().await.unwrap());
    let both = query(&pinned, WINDOW);
    assert_eq!(members(&backend, &both).await.unwrap(), ["u2", "u3"]);

    // Gone, with its footer known and before it is: what is there now is read.
    fs::remove_file(folder.join(place(2))).unwrap();
    assert_eq!(members(&backend, &both).await.unwrap(), ["u3"]);
    assert_eq!(members(&parquet(), &query(&pinned, r#"{"event": "buy", "window": {"from": "2026-11-01"}}"#)).await.unwrap().len(), 9);

    // Cut off before its first value.
    let cut = file(3, amounts());
    put(&folder, 3, &cut[..16]);
    for backend in [&backend as &dyn Backend, &MemoryBackend::default()] {
        let pinned = Arc::new(workspace.pin().await.unwrap());
        let error = members(backend, &query(&pinned, WINDOW)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::SchemaDrift, "{}: {error:?}", backend.name());
    }

    // A column of another type; of a type that is wider, it is read.
    put(&folder, 3, &file(3, Arc::new(StringArray::from(vec!["5", "6"]))));
    let pinned = Arc::new(workspace.pin().await.unwrap());
    let error = members(&backend, &query(&pinned, WINDOW)).await.unwrap_err();
    let what = query_backends::conformance::chain(&error);
    assert_eq!(error.kind, ErrorKind::SchemaDrift, "{what}");
    assert!(
        what.contains("\"amount\"") && what.contains("dt=2026-11-04") && what.contains("Utf8") && what.contains("an integer"),
        "{what}"
    );
    put(&folder, 3, &file(3, Arc::new(arrow::array::Int8Array::from(vec![5, 6]))));
    let pinned = Arc::new(workspace.pin().await.unwrap());
    assert_eq!(members(&backend, &query(&pinned, WINDOW)).await.unwrap(), ["u3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_binding_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = days(&dir).await;
    let pinned = workspace.pin().await.unwrap();
    let first = r#"{"event": "buy", "measure": {"first": "amount"}, "op": "is", "value": 5}"#;
    let checked = compile::check(first, &pinned.catalog, &Library::default(), 0);
    assert!(checked.plan.is_none() && checked.diagnostics.iter().any(|d| d.message.contains("message_id")), "{:?}", checked.diagnostics);

    let own = binding(&dir.path().join("data/warehouse").display().to_string(), 60);
    let catalog: Catalog = declare::declare(&pinned.catalog, &own).unwrap();
    let error = workspace.set_catalog(pinned.version, &catalog).await.unwrap_err();
    assert!(error.to_string().contains("Muster's own"), "{error}");

    // Events of its own would not be seen; nor may an import bind others.
    let mut writer = workspace.begin_write().await.unwrap();
    assert!(writer.event_file(0).err().unwrap().to_string().contains("takes none of its own"));
    let unbound = Catalog { events_table: None, ..(*pinned.catalog).clone() };
    assert!(writer.set_catalog(&unbound).await.unwrap_err().to_string().contains("events_table"));
    drop(writer);

    // A workspace that has events cannot be bound.
    let store = Store::open_with(dir.path().join("data"), StoreConfig::default()).await.unwrap();
    let full = store.create_workspace("full", "Europe/London").await.unwrap();
    query_backends::conformance::lake::write(&full, &query_backends::conformance::World::standard()).await.unwrap();
    let pinned = full.pin().await.unwrap();
    let catalog = Catalog { events_table: workspace.pin().await.unwrap().catalog.events_table.clone(), ..(*pinned.catalog).clone() };
    let error = full.set_catalog(pinned.version, &catalog).await.unwrap_err();
    assert!(error.to_string().contains("events of its own"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_on_s3() {
    let s3 = shared::s3();
    let bucket = s3.bucket.clone().unwrap();
    let objects = AmazonS3Builder::new()
        .with_bucket_name(&bucket)
        .with_endpoint(s3.endpoint.clone().unwrap())
        .with_allow_http(true)
        .with_region(&s3.region)
        .with_access_key_id(s3.access_key.clone().unwrap())
        .with_secret_access_key(s3.secret_key.clone().unwrap().reveal())
        .build()
        .unwrap();
    let folder = shared::unique("byo");
    let path = |day: i64| object_store::path::Path::from(format!("{folder}/{}", place(day)));
    for day in 0..DAYS {
        objects.put(&path(day), file(day, amounts()).into()).await.unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { s3: Some(s3), ..StoreConfig::default() };
    let (_store, workspace) = bound(&dir, config, &binding(&format!("s3://{bucket}/{folder}/"), 3_600)).await;
    let pinned = Arc::new(workspace.pin().await.unwrap());
    let backend = parquet();
    for backend in [&backend as &dyn Backend, &MemoryBackend::default()] {
        assert_eq!(members(backend, &query(&pinned, WINDOW)).await.unwrap(), ["u2", "u3"], "{}", backend.name());
    }
    objects.delete(&path(2)).await.unwrap();
    assert_eq!(members(&backend, &query(&pinned, WINDOW)).await.unwrap(), ["u3"]);
}
