//! A Trino, and an object store, that go away, fall silent, and come back: the right kind, in bounded time, and no part of an answer taken for
//! all of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use store::{LakeConfig, S3Config, Secret, StoreConfig};

use super::backend::{loaded, query};
use super::session;
use crate::backend::{Backend, Query, RunOptions};
use crate::conformance::{chain, expected};
use crate::error::{BackendError, ErrorKind};
use crate::trino::client::{Client, Kind, Repeat};
use crate::trino::{TrinoBackend, TrinoConfig};

/// Rows of the long result, and the statement.
const ROWS: usize = 6_001_215;
const LONG: &str = "SELECT orderkey, shipinstruct || comment FROM lineitem";
/// The longest that anything takes to fail.
const FAILING_TIME_MAX: Duration = Duration::from_secs(60);

/// Engines of the test's own: Trino, and what it needs.
struct Own {
    folder: tempfile::TempDir,
}

impl Own {
    fn start() -> Self {
        let own = Self { folder: tempfile::tempdir().unwrap() };
        own.engines(&["start", "--only", "trino"]);
        own
    }

    fn engines(&self, arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/engines");
        let mut command = Command::new(script);
        let done = command.args(arguments).arg("--dir").arg(self.folder.path()).env_remove("MUSTER_ENGINES_DIR").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap().trim().to_owned()
    }

    fn pid(&self, engine: &str) -> String {
        self.file(&format!("{engine}/pid")).split_whitespace().next().unwrap().to_owned()
    }

    fn url(&self, engine: &str, purpose: &str) -> String {
        format!("http://127.0.0.1:{}", self.file(&format!("{engine}/port.{purpose}")))
    }

    fn trino(&self) -> TrinoConfig {
        TrinoConfig { request_timeout_s: 5, retry_for_s: 10, ..TrinoConfig::new(self.url("trino", "http"), "muster") }
    }

    fn store(&self) -> StoreConfig {
        let catalog = format!("postgres://muster:muster@127.0.0.1:{}/muster", self.file("postgres/port.sql"));
        let s3 = S3Config {
            endpoint: Some(self.url("s3", "http")),
            region: "us-east-1".to_owned(),
            bucket: None,
            access_key: Some("muster".to_owned()),
            secret_key: Some(Secret::new("muster-secret")),
            path_style: true,
        };
        let lake = LakeConfig {
            warehouse: "s3://muster/warehouse".to_owned(),
            catalog_name: "muster".to_owned(),
            catalog_url: Secret::new(catalog),
            s3,
        };
        StoreConfig { lake: Some(lake), ..StoreConfig::default() }
    }

    /// The Parquet files of a namespace's events.
    fn event_files(&self, namespace: &str) -> Vec<PathBuf> {
        let (mut folders, mut files) = (vec![self.folder.path().join("s3/data")], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let text = path.to_string_lossy().into_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if text.ends_with(".parquet") && text.contains(&format!("{namespace}/events")) {
                    files.push(path);
                }
            }
        }
        files
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.engines(&["stop"]);
    }
}

fn signal(pid: &str, signal: &str) {
    assert!(Command::new("kill").args(["-s", signal, pid]).status().unwrap().success());
}

/// How a long result ends that something happens to after its first rows, and how long that takes.
async fn long(config: &TrinoConfig, happens: impl FnOnce()) -> (crate::Result<usize>, Duration) {
    let client = Client::new(config).unwrap();
    let mut results = client.query(LONG, &session(), &[Kind::Integer, Kind::Text], Repeat::Always).await.unwrap();
    let mut rows = 0;
    while rows == 0 {
        rows += results.next(&|_| {}).await.unwrap().unwrap().columns[0].len();
    }
    happens();
    let started = Instant::now();
    let whole = loop {
        match results.next(&|_| {}).await {
            Ok(Some(batch)) => rows += batch.columns[0].len(),
            Ok(None) => break Ok(rows),
            Err(e) => break Err(e),
        }
    };
    (whole, started.elapsed())
}

async fn count(backend: &TrinoBackend, query: &Query) -> Result<u64, BackendError> {
    backend.run(query, RunOptions::default()).await?.count().await
}

#[tokio::test(flavor = "multi_thread")]
async fn they_go_away_and_come_back() {
    if super::config().is_none() {
        return;
    }
    let own = Own::start();
    let dir = tempfile::tempdir().unwrap();
    let (backend, loaded) = loaded(dir.path(), &own.trino(), own.store(), "own").await;
    let query = query(&loaded, r#"{"event":"*"}"#);
    let members = expected(&loaded.world, &query.plan).len() as u64;
    assert_eq!(count(&backend, &query).await.unwrap(), members);

    // Stopped for 30 s, within the repeats of a request: the result goes on and is whole.
    let patient = TrinoConfig { retry_for_s: 90, ..own.trino() };
    for spooling in [true, false] {
        let pid = own.pid("trino");
        let stopped = || {
            signal(&pid, "STOP");
            let pid = pid.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_secs(30));
                signal(&pid, "CONT");
            });
        };
        let (whole, took) = long(&TrinoConfig { spooling, ..patient.clone() }, stopped).await;
        assert_eq!(whole.unwrap(), ROWS, "spooling {spooling}");
        println!("stopped for 30 s, spooling {spooling}: the rest took {took:?}");
    }
    // Beyond them it is a timeout.
    let pid = own.pid("trino");
    let (broken, took) = long(&TrinoConfig { spooling: false, ..own.trino() }, || signal(&pid, "STOP")).await;
    signal(&pid, "CONT");
    let error = broken.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{}", chain(&error));
    assert!(took < FAILING_TIME_MAX, "{took:?}");

    // The object store is away: neither the lake nor spooled segments can be read. It comes back, and so do the answers.
    let pid = own.pid("s3");
    let (broken, took) = long(&own.trino(), || signal(&pid, "KILL")).await;
    let error = broken.unwrap_err();
    assert!(error.kind.is_retryable(), "{}: {}", error.kind.name(), chain(&error));
    assert!(took < FAILING_TIME_MAX, "{took:?}");
    let started = Instant::now();
    let error = count(&backend, &query).await.unwrap_err();
    println!("without the object store: {} after {:?}: {}", error.kind.name(), started.elapsed(), chain(&error));
    assert!(error.kind.is_retryable(), "{}: {}", error.kind.name(), chain(&error));
    assert!(started.elapsed() < 3 * FAILING_TIME_MAX, "{:?}", started.elapsed());
    own.engines(&["start", "--only", "trino"]);
    assert_eq!(count(&backend, &query).await.unwrap(), members);

    // Killed: an error, not fewer rows. Started anew, it answers again.
    for spooling in [true, false] {
        let pid = own.pid("trino");
        let (broken, took) = long(&TrinoConfig { spooling, ..own.trino() }, || signal(&pid, "KILL")).await;
        let error = broken.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{}", chain(&error));
        assert!(took < FAILING_TIME_MAX, "{took:?}");
        let started = Instant::now();
        assert_eq!(count(&backend, &query).await.unwrap_err().kind, ErrorKind::Unavailable);
        assert!(started.elapsed() < FAILING_TIME_MAX, "{:?}", started.elapsed());
        own.engines(&["start", "--only", "trino"]);
        assert_eq!(count(&backend, &query).await.unwrap(), members);
    }

    // A file that is cut short, and one that has vanished.
    let namespace = &loaded.pinned.as_ref().unwrap().shared.as_ref().unwrap().namespace;
    let files = own.event_files(namespace);
    let file = files.iter().max_by_key(|f| f.metadata().unwrap().len()).unwrap();
    let whole = std::fs::read(file).unwrap();
    for (what, part) in [("truncated", Some(&whole[..whole.len() / 2])), ("gone", None)] {
        match part {
            Some(part) => std::fs::write(file, part).unwrap(),
            None => std::fs::remove_file(file).unwrap(),
        }
        let started = Instant::now();
        let error = count(&backend, &query).await.unwrap_err();
        println!("{what}: {} after {:?}: {}", error.kind.name(), started.elapsed(), chain(&error));
        assert!(matches!(error.kind, ErrorKind::Unavailable | ErrorKind::SchemaDrift), "{what}: {}", chain(&error));
        assert!(started.elapsed() < FAILING_TIME_MAX, "{what}: {:?}", started.elapsed());
        std::fs::write(file, &whole).unwrap();
    }
}
