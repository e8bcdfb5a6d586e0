//! Faults of the real thing: an engine that is not there, a process that dies, files that vanish or are cut short, columns of other types.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use duckdb_backend::{DuckDbBackend, DuckDbConfig};
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use query_backends::conformance::{World, chain, plan};
use query_backends::{Backend, BackendError, ErrorKind, Query, RunOptions};
use store::Pinned;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::common::{backend, config, pin};

const BUYERS: &str = r#"{"event": "buy"}"#;
/// Time within which any of these has to end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

struct Case {
    folder: TempDir,
    world: World,
    pinned: Arc<Pinned>,
}

impl Case {
    async fn new() -> Self {
        let (folder, world) = (tempfile::tempdir().unwrap(), World::standard());
        let pinned = pin(&folder.path().join("data"), &world).await;
        Self { folder, world, pinned }
    }

    fn query(&self, condition: &str) -> Query {
        Query::new(Arc::new(plan(&self.world, condition).unwrap()), self.pinned.clone())
    }

    async fn count(&self, backend: &DuckDbBackend) -> Result<u64, BackendError> {
        tokio::time::timeout(ENDS_WITHIN, async { backend.run(&self.query(BUYERS), RunOptions::default()).await?.count().await })
            .await
            .unwrap()
    }
}

fn is(kind: ErrorKind, result: Result<u64, BackendError>) {
    match result {
        Err(e) if e.kind == kind => {}
        Err(e) => panic!("{} instead of {}: {}", e.kind.name(), kind.name(), chain(&e)),
        Ok(n) => panic!("{n} users instead of an error"),
    }
}

/// The processes of the backend that spills below a folder.
fn processes(folder: &Path) -> Vec<u32> {
    let mark = folder.join("spill").to_str().unwrap().to_owned();
    let command = |pid: u32| String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned();
    let all = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    all.filter(|pid| command(*pid).contains(&mark)).collect()
}

#[tokio::test]
async fn a_python_that_is_not_there() {
    let case = Case::new().await;
    let missing = DuckDbConfig { python: "/nowhere/python".into(), ..config(case.folder.path()) };
    is(ErrorKind::Unavailable, case.count(&DuckDbBackend::new(missing)).await);
}

#[tokio::test]
async fn a_python_without_duckdb() {
    let case = Case::new().await;
    let bare = DuckDbConfig { python: "/usr/bin/python3".into(), ..config(case.folder.path()) };
    is(ErrorKind::Unavailable, case.count(&DuckDbBackend::new(bare)).await);
}

#[tokio::test]
async fn a_process_that_dies_idle_is_replaced() {
    let case = Case::new().await;
    let backend = backend(case.folder.path());
    let members = case.count(&backend).await.unwrap();
    kill(&processes(case.folder.path()));
    assert_eq!(case.count(&backend).await.unwrap(), members);
}

#[tokio::test]
async fn a_process_that_dies_in_a_query_and_one_that_is_stopped() {
    let case = Case::new().await;
    let (backend, folder) = (backend(case.folder.path()), case.folder.path());
    let many = many(&case).await;
    let mut run = backend.run(&many, RunOptions::default()).await.unwrap();
    assert!(run.users.next().await.unwrap().is_ok(), "the first batch comes");
    kill(&processes(folder));
    is(ErrorKind::Unavailable, tokio::time::timeout(ENDS_WITHIN, run.count()).await.unwrap());
    assert!(run.metrics().is_none());
    assert!(case.count(&backend).await.is_ok(), "the next query has a new process");

    for drops in [false, true] {
        let cancel = CancellationToken::new();
        let mut run = backend.run(&many, RunOptions { cancel: cancel.clone(), ..RunOptions::default() }).await.unwrap();
        assert!(run.users.next().await.unwrap().is_ok(), "the first batch comes");
        assert_eq!(processes(folder).len(), 1);
        let started = Instant::now();
        if !drops {
            cancel.cancel();
            assert_eq!(run.users.next().await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
        }
        drop(run);
        while !processes(folder).is_empty() {
            assert!(started.elapsed() < Duration::from_secs(2), "the process is still there after {:?}", started.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!("gone after {:?}", started.elapsed());
    }
    let mut run = backend.run(&many, RunOptions::default()).await.unwrap();
    assert_eq!(run.count().await.unwrap(), MANY as u64);
}

#[tokio::test]
async fn files_that_vanish_or_are_cut_short() {
    let case = Case::new().await;
    let backend = backend(case.folder.path());
    assert!(case.count(&backend).await.is_ok());
    let plan = case.pinned.events.plan(&[everything()]).await.unwrap();
    let path = local(&plan.files[0].place);
    let whole = std::fs::read(&path).unwrap();
    for kept in [whole.len() / 2, 3, 0] {
        std::fs::write(&path, &whole[..kept]).unwrap();
        is(ErrorKind::SchemaDrift, case.count(&backend).await);
    }
    std::fs::remove_file(&path).unwrap();
    is(ErrorKind::Unavailable, case.count(&backend).await);
    std::fs::write(&path, &whole).unwrap();
    assert!(case.count(&backend).await.is_ok(), "nothing of it stays");
}

#[tokio::test]
async fn a_column_of_another_type() {
    let case = Case::new().await;
    let backend = backend(case.folder.path());
    let plan = case.pinned.events.plan(&[everything()]).await.unwrap();
    let numbers: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
    rewrite(&local(&plan.files[0].place), RecordBatch::try_from_iter([("user_no", numbers)]).unwrap());
    is(ErrorKind::SchemaDrift, case.count(&backend).await);
}

#[tokio::test]
async fn too_little_memory_and_disk() {
    let case = Case::new().await;
    let tight = DuckDbConfig { memory_mib: 1, spill_mib: 0, ..config(case.folder.path()) };
    is(ErrorKind::Overloaded, case.count(&DuckDbBackend::new(tight)).await);
}

fn everything() -> store::EventRead {
    store::EventRead { names: None, prefix: None, start: None, end: i64::MAX }
}

fn local(place: &store::FilePlace) -> std::path::PathBuf {
    match place {
        store::FilePlace::Local(path) => path.clone(),
        store::FilePlace::Object(uri) => panic!("{uri} is no local file"),
    }
}

fn rewrite(path: &Path, batch: RecordBatch) {
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn kill(pids: &[u32]) {
    assert!(!pids.is_empty(), "there is no process to kill");
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    assert!(std::process::Command::new("kill").arg("-9").args(&pids).status().unwrap().success());
}

/// A query that finds far more users than wait for a caller who takes none.
async fn many(case: &Case) -> Query {
    let store = store::Store::open(case.folder.path().join("many")).await.unwrap();
    let workspace = store.create_workspace("default", &case.world.catalog.timezone).await.unwrap();
    let mut writer = workspace.begin_write().await.unwrap();
    let profile = |i: usize| store::ProfileWrite {
        user_id: format!("a-user-with-a-name-that-takes-some-room-{i}"),
        attributes: Vec::new(),
        written_at: 0,
        first_seen_at: None,
        of_events: false,
    };
    writer.upsert_profiles((0..MANY).map(profile).collect()).unwrap();
    writer.commit(case.world.catalog.clone(), serde_json::Value::Null).await.unwrap();
    let pinned = Arc::new(workspace.pin().await.unwrap());
    Query::new(Arc::new(plan(&case.world, r#"{"everyone": true}"#).unwrap()), pinned)
}

/// Users of that query.
const MANY: usize = 300_000;
