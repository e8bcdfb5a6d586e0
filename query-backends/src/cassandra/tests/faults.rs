//! A Cassandra that is not there, goes away, or falls silent: the right kind, in bounded time, and no part of an answer taken for all of it.

use std::process::Command;
use std::time::{Duration, Instant};

use futures::StreamExt;
use segment_core::value::Value;
use store::{AttributeWrite, ProfileWrite};

use super::*;
use crate::error::ErrorKind;

/// Users of the scan that is broken off: some seconds of reading.
const USERS: usize = 60_000;

/// A Cassandra of the test's own.
struct Own {
    folder: tempfile::TempDir,
    config: CassandraConfig,
}

fn engines(verb: &str, folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/engines");
    let done =
        Command::new(script).args([verb, "--only", "cassandra", "--dir"]).arg(folder).env_remove("MUSTER_ENGINES_DIR").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

impl Own {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        engines("start", folder.path());
        let port = std::fs::read_to_string(folder.path().join("cassandra/port.cql")).unwrap();
        let config = CassandraConfig { local_datacenter: None, ..fresh(vec![format!("127.0.0.1:{}", port.trim())]) };
        Self { folder, config }
    }

    fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("cassandra/pid")).unwrap();
        let pid = pid.split_whitespace().next().unwrap().to_owned();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        engines("stop", self.folder.path());
    }
}

#[tokio::test]
async fn nobody_listens() {
    let world = World::empty();
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = fresh(vec![format!("127.0.0.1:{port}")]);
    let embedded = Store::open(folder.path()).await.unwrap().create_workspace("default", &world.catalog.timezone).await.unwrap();
    let pinned = Arc::new(embedded.pin().await.unwrap());
    let backend = CassandraBackend::new(&config);
    let query = query(&world, &pinned, r#"{"everyone":true}"#);
    let started = Instant::now();
    let error = backend.run(&query, RunOptions::default()).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{}", chain(&error));
    assert!(chain(&error).contains(&port.to_string()), "{}", chain(&error));
    assert_eq!(backend.explain(&query).await.err().unwrap().kind, ErrorKind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}

/// How a scan ends that is under way while something happens.
async fn scanned(backend: &CassandraBackend, query: &Query, happens: impl FnOnce()) -> (crate::Result<u64>, Duration) {
    let mut run = backend.run(query, RunOptions::default()).await.unwrap();
    let mut members = run.users.next().await.unwrap().unwrap().len() as u64;
    happens();
    let started = Instant::now();
    while let Some(batch) = run.users.next().await {
        match batch {
            Ok(batch) => members += batch.len() as u64,
            Err(e) => {
                assert!(run.metrics().is_none() && run.users.next().await.is_none(), "an error is the end");
                return (Err(e), started.elapsed());
            }
        }
    }
    (Ok(members), started.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_away_and_comes_back() {
    if super::config().is_none() {
        return;
    }
    let own = Own::start();
    let folder = tempfile::tempdir().unwrap();
    let world = World::empty();
    let store = store(folder.path(), &own.config).await;
    let workspace = store.create_workspace("default", &world.catalog.timezone).await.unwrap();
    let mut writer = workspace.begin_write().await.unwrap();
    for part in 0..USERS / 10_000 {
        let write = |i: usize| ProfileWrite {
            user_id: format!("user {part} {i}"),
            attributes: vec![("text".to_owned(), AttributeWrite::Value(Value::String("x".repeat(400))))],
            written_at: 1,
            first_seen_at: None,
        };
        writer.upsert_profiles((0..10_000).map(write).collect()).unwrap();
    }
    writer.commit(world.catalog.clone(), serde_json::Value::Null).await.unwrap();
    let pinned = Arc::new(workspace.pin().await.unwrap());
    let (backend, query) = (CassandraBackend::new(&own.config), query(&world, &pinned, r#"{"attribute":"text","op":"exists"}"#));
    assert_eq!(backend.run(&query, RunOptions::default()).await.unwrap().count().await.unwrap(), USERS as u64);

    // Stopped for 30 s, within the repeats of a request: the scan goes on and is whole.
    let (whole, took) = scanned(&backend, &query, || {
        own.signal("STOP");
        let pid = std::fs::read_to_string(own.folder.path().join("cassandra/pid")).unwrap();
        let pid = pid.split_whitespace().next().unwrap().to_owned();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(30));
            Command::new("kill").args(["-s", "CONT", &pid]).status().unwrap();
        });
    })
    .await;
    match whole {
        Ok(members) => assert_eq!(members, USERS as u64),
        Err(e) => assert!(e.kind.is_retryable(), "{}", chain(&e)),
    }
    assert!(took < Duration::from_secs(90), "{took:?}");

    // Killed: an error, not fewer members.
    let (broken, took) = scanned(&backend, &query, || own.signal("KILL")).await;
    let error = broken.err().unwrap();
    assert!(matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{}: {}", error.kind.name(), chain(&error));
    assert!(took < Duration::from_secs(90), "{took:?}");
    // A live count goes on with the mirror, and says how old it is; an import is refused, and leaves nothing.
    let stale = Arc::new(workspace.pin().await.unwrap());
    assert_eq!((stale.profiles.rows, stale.profiles.as_of.is_some()), (USERS as u64, true));
    let refused = match workspace.begin_write().await {
        Ok(mut writer) => writer.user_numbers(&["one more"]).err().unwrap(),
        Err(e) => e,
    };
    assert!(matches!(refused, store::StoreError::Unavailable { .. }), "{refused:?}");

    engines("start", own.folder.path());
    let started = Instant::now();
    loop {
        match backend.run(&query, RunOptions::default()).await {
            Ok(mut run) => match run.count().await {
                Ok(members) => break assert_eq!(members, USERS as u64),
                Err(e) => assert!(e.kind.is_retryable(), "{}", chain(&e)),
            },
            Err(e) => assert!(e.kind.is_retryable(), "{}", chain(&e)),
        }
        assert!(started.elapsed() < Duration::from_secs(120), "the backend does not recover");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
