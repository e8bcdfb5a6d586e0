//! A Cassandra that is not there, falls silent, or is killed: the right kind, in bounded time, no part of an answer taken for all of it, and nothing lost that
//! was acknowledged.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use segment_core::value::Value;
use store::cassandra::{CassandraError, CassandraProfiles};
use store::{AttributeWrite, ProfileStore, ProfileWrite, StoreError};
use tokio::task::JoinHandle;

use super::*;
use crate::error::ErrorKind;

/// What takes this long hangs.
const HANGS: Duration = Duration::from_secs(300);
/// How long the node is suspended.
const SUSPENDED: Duration = Duration::from_secs(30);
/// Users of the scan that is broken off: many more than are read before somebody takes them.
const USERS: usize = 40_000;
/// Users of one write.
const WRITTEN: usize = 50;
/// Who is there, and who was written meanwhile.
const THERE: &str = r#"{"attribute":"text","op":"is","value":"there"}"#;
const MEANWHILE: &str = r#"{"attribute":"text","op":"is","value":"meanwhile"}"#;

/// A Cassandra of the test's own.
struct Own {
    folder: tempfile::TempDir,
    config: CassandraConfig,
}

fn engines(verb: &str, folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/engines");
    let mut command = Command::new(script);
    command.args([verb, "--only", "cassandra", "--dir"]).arg(folder).env_remove("MUSTER_ENGINES_DIR");
    // What it acknowledged is there after it was killed.
    let done = command.env("MUSTER_ENGINES_CASSANDRA_SYNC", "batch").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

impl Own {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        engines("start", folder.path());
        let port = std::fs::read_to_string(folder.path().join("cassandra/port.cql")).unwrap();
        let points = vec![format!("127.0.0.1:{}", port.trim())];
        let config = CassandraConfig { keyspace_prefix: prefix(), mirror_age_max_s: 0, ..CassandraConfig::new(points) };
        Self { folder, config }
    }

    fn pid(&self) -> String {
        let record = std::fs::read_to_string(self.folder.path().join("cassandra/pid")).unwrap();
        record.split_whitespace().next().unwrap().to_owned()
    }
}

fn signal(pid: &str, signal: &str) {
    assert!(Command::new("kill").args(["-s", signal, pid]).status().unwrap().success());
}

impl Drop for Own {
    fn drop(&mut self) {
        engines("stop", self.folder.path());
    }
}

async fn bounded<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANGS, work).await.unwrap_or_else(|_| panic!("{what} hangs"))
}

#[tokio::test]
async fn nobody_listens() {
    let world = World::empty();
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = CassandraConfig { keyspace_prefix: prefix(), ..CassandraConfig::new(vec![format!("127.0.0.1:{port}")]) };
    let embedded = Store::open(folder.path()).await.unwrap().create_workspace("default", &world.catalog.timezone).await.unwrap();
    let pinned = Arc::new(embedded.pin().await.unwrap());
    let backend = CassandraBackend::new(&config);
    let query = query(&world, &pinned, r#"{"everyone":true}"#);
    let error = bounded("a run", backend.run(&query, RunOptions::default())).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{}", chain(&error));
    assert!(chain(&error).contains(&port.to_string()), "{}", chain(&error));
    assert_eq!(bounded("explaining", backend.explain(&query)).await.err().unwrap().kind, ErrorKind::Unavailable);
}

fn write(user: String, text: &str) -> ProfileWrite {
    let attributes = vec![("text".to_owned(), AttributeWrite::Value(Value::String(text.to_owned())))];
    ProfileWrite { user_id: user, attributes, written_at: 1, first_seen_at: None, of_events: false }
}

/// Somebody who writes one batch of users after another, each until it is acknowledged.
struct Writing {
    stop: Arc<AtomicBool>,
    task: JoinHandle<(Vec<String>, usize)>,
}

impl Writing {
    fn start(mut handle: CassandraProfiles, name: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let (mut acknowledged, mut refused) = (Vec::new(), 0);
            while !stopped.load(Ordering::Relaxed) {
                let from = acknowledged.len();
                let users: Vec<String> = (from..from + WRITTEN).map(|i| format!("{name} {i}")).collect();
                while let Err(error) = handle.upsert(users.iter().map(|u| write(u.clone(), "meanwhile")).collect()).await {
                    let fault = CassandraError::fault_of(&error);
                    assert!(fault.is_some_and(|f| f.is_retryable()), "{}", chain(&error));
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                acknowledged.extend(users);
            }
            (acknowledged, refused)
        });
        Self { stop, task }
    }

    /// Who was acknowledged, and how often a batch was refused before.
    async fn end(self) -> (Vec<String>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        bounded("writing", self.task).await.unwrap()
    }
}

/// How a scan ends that is under way while something happens: what was read ahead is little, as nobody takes it meanwhile.
async fn scanned(backend: &CassandraBackend, query: &Query, happens: impl FnOnce()) -> crate::Result<u64> {
    let mut run = backend.run(query, RunOptions::default()).await.unwrap();
    let mut members = run.users.next().await.unwrap().unwrap().len() as u64;
    happens();
    while let Some(batch) = run.users.next().await {
        match batch {
            Ok(batch) => members += batch.len() as u64,
            Err(e) => {
                assert!(run.metrics().is_none() && run.users.next().await.is_none(), "an error is the end");
                return Err(e);
            }
        }
    }
    Ok(members)
}

/// Asks until it answers; meanwhile all that is said is that it may be asked again.
async fn recovered(backend: &CassandraBackend, query: &Query) -> Vec<String> {
    bounded("recovering", async {
        loop {
            let found = match backend.run(query, RunOptions::default()).await {
                Ok(mut run) => run.sorted_ids().await,
                Err(e) => Err(e),
            };
            match found {
                Ok(found) => return found,
                Err(e) => assert!(e.kind.is_retryable(), "{}", chain(&e)),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await
}

/// A workspace with everybody who is there.
async fn filled(folder: &Path, own: &Own, world: &World) -> (Workspace, Arc<Pinned>) {
    let workspace = store(folder, &own.config).await.create_workspace("default", &world.catalog.timezone).await.unwrap();
    let mut writer = workspace.begin_write().await.unwrap();
    for part in 0..USERS / 10_000 {
        writer.upsert_profiles((0..10_000).map(|i| write(format!("user {part} {i}"), "there")).collect()).unwrap();
    }
    writer.commit(world.catalog.clone(), serde_json::Value::Null).await.unwrap();
    let pinned = Arc::new(workspace.pin().await.unwrap());
    (workspace, pinned)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_away_and_comes_back() {
    if super::config().is_none() {
        return;
    }
    let own = Own::start();
    let folder = tempfile::tempdir().unwrap();
    let world = World::standard();
    let (workspace, pinned) = filled(folder.path(), &own, &world).await;
    let (backend, there) = (CassandraBackend::new(&own.config), query(&world, &pinned, THERE));
    let handle = || async {
        let cassandra = Cassandra::connect(&own.config).await.unwrap();
        let owner = std::fs::read_to_string(folder.path().join("profiles/default/cassandra.owner")).unwrap();
        CassandraProfiles::open(&cassandra, "default", &owner, &world.catalog, folder.path()).await.unwrap()
    };

    // Suspended for as long as three of a request's four attempts take: whoever reads and writes waits, or is told to try again.
    let writing = Writing::start(handle().await, "suspended");
    let whole = bounded("a scan of a node that is suspended", async {
        scanned(&backend, &there, || {
            let pid = own.pid();
            signal(&pid, "STOP");
            std::thread::spawn(move || {
                std::thread::sleep(SUSPENDED);
                signal(&pid, "CONT");
            });
        })
        .await
    });
    match whole.await {
        Ok(members) => assert_eq!(members, USERS as u64),
        Err(e) => assert!(e.kind.is_retryable(), "{}", chain(&e)),
    }
    assert_eq!(recovered(&backend, &there).await.len(), USERS);
    let (mut written, refused) = writing.end().await;
    println!("{} users were written around a pause of {SUSPENDED:?}; {refused} batches were refused first", written.len());
    let meanwhile = query(&world, &pinned, MEANWHILE);
    written.sort_unstable();
    assert_eq!(recovered(&backend, &meanwhile).await, written);

    // Killed: an error, not fewer members.
    let writing = Writing::start(handle().await, "killed");
    let broken = bounded("a scan of a node that is killed", scanned(&backend, &there, || signal(&own.pid(), "KILL"))).await;
    let error = broken.err().unwrap();
    assert!(matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{}: {}", error.kind.name(), chain(&error));
    the_mirror_stands_in(&own, folder.path(), &workspace, &world).await;
    let refused = match bounded("beginning an import", workspace.begin_write()).await {
        Ok(mut writer) => writer.user_numbers(&["one more"]).err().unwrap(),
        Err(e) => e,
    };
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused:?}");
    // One that is made while the node is away is as good as the one that was there before, once it is back.
    let late = CassandraBackend::new(&own.config);
    let error = bounded("a run", late.run(&there, RunOptions::default())).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{}", chain(&error));

    engines("start", own.folder.path());
    assert_eq!(recovered(&backend, &there).await.len(), USERS);
    assert_eq!(recovered(&late, &there).await.len(), USERS);
    let (killed, refused) = writing.end().await;
    println!("{} users were written around the kill; {refused} batches were refused first", killed.len());
    assert!(refused > 0, "the kill came while somebody wrote");
    written.extend(killed);
    written.sort_unstable();
    assert_eq!(recovered(&late, &meanwhile).await, written);
    // And the mirror has them all, whichever attempt was the one that was acknowledged.
    let now = Arc::new(workspace.pin().await.unwrap());
    assert_eq!(found(&MemoryBackend::new(), &query(&world, &now, MEANWHILE)).await, written);
}

/// With Cassandra away, a mirror within the bound answers, and says how old it is; one beyond it does not.
async fn the_mirror_stands_in(own: &Own, folder: &Path, workspace: &Workspace, world: &World) {
    let stale = Arc::new(bounded("pinning", workspace.pin()).await.unwrap());
    let query = query(world, &stale, THERE);
    assert_eq!(found(&MemoryBackend::new(), &query).await.len(), USERS);
    let explained = MemoryBackend::new().explain(&query).await.unwrap();
    assert!(explained.profiles_as_of.is_some() && explained.profiles_as_of == stale.profiles.as_of);

    let strict = CassandraConfig { mirror_behind_max_s: 0, ..own.config.clone() };
    let strict = store(folder, &strict).await.workspace("default").await.unwrap().unwrap();
    let refused = bounded("pinning", strict.pin()).await.unwrap_err();
    assert!(CassandraError::fault_of(&refused).is_some_and(|f| f.is_retryable()), "{}", chain(&refused));
    assert!(refused.to_string().contains("mirror_behind_max_s"), "{refused}");
    assert!(crate::BackendError::from(refused).kind.is_retryable());
}
