//! A Trino, and an object store, that go away, fall silent and come back: the right kind, in bounded time, and no part of an answer taken for
//! all of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::Array;

use super::backend::{loaded, query};
use super::own::Own;
use super::{HANGS, session};
use crate::backend::{Backend, Query, RunOptions};
use crate::conformance::{chain, expected};
use crate::error::{BackendError, ErrorKind, Result};
use crate::trino::client::{Client, Kind, Repeat, Results, Session};
use crate::trino::{TrinoBackend, TrinoConfig};

/// Rows of the long result, and the statement.
const ROWS: usize = 1_500_000;
const LONG: &str = "SELECT orderkey, comment FROM orders";
/// Time that Trino is suspended for.
const SUSPENDED: Duration = Duration::from_secs(30);
/// Time that the object store is, with queries that wait for it.
const STORE_SUSPENDED: Duration = Duration::from_secs(6);

/// A long result after its first rows.
struct Long {
    results: Results,
    rows: usize,
}

impl Long {
    async fn begin(config: &TrinoConfig) -> Self {
        let client = Client::new(config).unwrap();
        let mut results = client.query(LONG, &session(), &[Kind::Integer, Kind::Text], Repeat::Always).await.unwrap();
        let rows = results.next(&|_| {}).await.unwrap().unwrap().columns[0].len();
        Self { results, rows }
    }

    /// How many rows there are in all.
    async fn end(mut self) -> Result<usize> {
        while let Some(batch) = self.results.next(&|_| {}).await? {
            self.rows += batch.columns[0].len();
        }
        Ok(self.rows)
    }
}

/// A failure that comes in time.
async fn failure<T: std::fmt::Debug>(what: &str, work: impl Future<Output = Result<T>>) -> BackendError {
    let started = Instant::now();
    let error = tokio::time::timeout(HANGS, work).await.unwrap_or_else(|_| panic!("{what}: it hangs")).unwrap_err();
    println!("{what}: {} after {:.1?}: {}", error.kind.name(), started.elapsed(), chain(&error));
    error
}

/// A world in a lake of the test's own, and a query over it that finds some members. Trino keeps small files that it has read, so what
/// happens to files has to happen to those of a world that was not asked before.
struct Asked<'a> {
    own: &'a Own,
    folder: PathBuf,
    backend: TrinoBackend,
    query: Query,
    members: u64,
    namespace: String,
}

impl<'a> Asked<'a> {
    async fn new(own: &'a Own, folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        let (backend, loaded) = loaded(&folder, &own.trino(), own.store(), name).await;
        let query = query(&loaded, r#"{"event":"*"}"#);
        let members = expected(&loaded.world, &query.plan).len() as u64;
        let namespace = loaded.pinned.as_ref().unwrap().shared.as_ref().unwrap().namespace.clone();
        Self { own, folder, backend, query, members, namespace }
    }

    async fn count(&self, backend: &TrinoBackend) -> Result<u64> {
        backend.run(&self.query, RunOptions::default()).await?.count().await
    }

    async fn answers(&self) {
        assert_eq!(self.count(&self.backend).await.unwrap(), self.members);
    }

    async fn fails(&self, what: &str) -> BackendError {
        failure(what, self.count(&self.backend)).await
    }

    /// Runs a statement whose result does not matter.
    async fn statement(&self, sql: &str) {
        let session = [("lake.expire_snapshots_min_retention".to_owned(), "0s".to_owned())].into();
        let client = Client::new(&TrinoConfig { session, ..self.own.trino() }).unwrap();
        let at = Session { catalog: "lake".to_owned(), schema: Some(self.namespace.clone()), ..Session::default() };
        let mut results = client.query(sql, &at, &[], Repeat::Refused).await.unwrap();
        while results.next(&|_| {}).await.unwrap().is_some() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_go_away_and_come_back() {
    if super::config().is_none() {
        return;
    }
    let own = Own::start();
    let dir = tempfile::tempdir().unwrap();
    let asked = Asked::new(&own, dir.path(), "slow").await;
    store_suspended(&asked).await;
    trino_suspended(&asked).await;
    store_killed(&Asked::new(&own, dir.path(), "away").await).await;
    file_lost(&Asked::new(&own, dir.path(), "cut").await, true).await;
    file_lost(&Asked::new(&own, dir.path(), "gone").await, false).await;
    snapshot_expired(&asked).await;
    trino_killed(&asked).await;
}

/// Within the repeats of a request the results go on and are whole; beyond them it is a timeout.
async fn trino_suspended(asked: &Asked<'_>) {
    let patient = |spooling| TrinoConfig { spooling, retry_for_s: 90, ..asked.own.trino() };
    let (spooled, direct) = (Long::begin(&patient(true)).await, Long::begin(&patient(false)).await);
    let impatient = Long::begin(&TrinoConfig { spooling: false, ..asked.own.trino() }).await;
    let started = Instant::now();
    asked.own.signal("trino", "STOP");
    let wakes = async {
        tokio::time::sleep(SUSPENDED).await;
        asked.own.signal("trino", "CONT");
    };
    let (spooled, direct, impatient, unasked, ()) = tokio::join!(
        spooled.end(),
        direct.end(),
        failure("suspended", impatient.end()),
        asked.fails("suspended before it is asked"),
        wakes
    );
    assert_eq!((spooled.unwrap(), direct.unwrap()), (ROWS, ROWS));
    println!("Trino suspended for {SUSPENDED:?}: the rest took {:.1?}", started.elapsed());
    assert_eq!((impatient.kind, unasked.kind), (ErrorKind::Timeout, ErrorKind::Timeout));
    asked.answers().await;
}

/// Who can wait gets the whole answer; a limit on the query's time holds.
async fn store_suspended(asked: &Asked<'_>) {
    let session = [("query_max_run_time".to_owned(), "3s".to_owned())].into();
    let limited = TrinoBackend::new(&TrinoConfig { session, ..asked.own.trino() }).unwrap();
    asked.own.signal("s3", "STOP");
    let wakes = async {
        tokio::time::sleep(STORE_SUSPENDED).await;
        asked.own.signal("s3", "CONT");
    };
    let (count, limited, ()) =
        tokio::join!(asked.count(&asked.backend), failure("a slow object store, with a limit", asked.count(&limited)), wakes);
    assert_eq!(count.unwrap(), asked.members);
    assert_eq!(limited.kind, ErrorKind::Timeout);
}

/// Neither the lake nor spooled segments can be read.
async fn store_killed(asked: &Asked<'_>) {
    let long = Long::begin(&asked.own.trino()).await;
    asked.own.signal("s3", "KILL");
    let (spooled, lake) = tokio::join!(failure("spooled, without the object store", long.end()), asked.fails("without the object store"));
    assert_eq!([spooled.kind, lake.kind], [ErrorKind::Unavailable; 2]);
    asked.own.start_missing();
    asked.answers().await;
}

/// A file that is cut short, or gone.
async fn file_lost(asked: &Asked<'_>, cut: bool) {
    let files = asked.own.event_files(&asked.namespace);
    let file = files.iter().max_by_key(|f| f.metadata().unwrap().len()).unwrap();
    let whole = std::fs::read(file).unwrap();
    if cut {
        std::fs::write(file, &whole[..whole.len() / 2]).unwrap();
    } else {
        std::fs::remove_file(file).unwrap();
    }
    let kind = asked.fails(if cut { "a file that is cut short" } else { "a file that is gone" }).await.kind;
    assert!(kind == ErrorKind::Unavailable || (cut && kind == ErrorKind::SchemaDrift), "{}", kind.name());
    std::fs::write(file, &whole).unwrap();
    // What Trino has read of one that is cut it keeps; in a lake no file ever changes.
    if !cut {
        asked.answers().await;
    }
}

/// Files are compacted, and the pinned snapshot expires: who pins again finds the same members.
async fn snapshot_expired(asked: &Asked<'_>) {
    asked.statement("ALTER TABLE events EXECUTE optimize").await;
    asked.answers().await;
    asked.statement("ALTER TABLE events EXECUTE expire_snapshots(retention_threshold => '0s')").await;
    assert_eq!(asked.fails("an expired snapshot").await.kind, ErrorKind::Unavailable);
    let store = store::Store::open_existing_with(asked.folder.join("world-1"), asked.own.store()).await.unwrap();
    let workspace = store.workspace(&store.workspaces().await.unwrap()[0]).await.unwrap().unwrap();
    let query = Query { pinned: Some(workspace.pin().await.unwrap().into()), ..asked.query.clone() };
    assert_eq!(asked.backend.run(&query, RunOptions::default()).await.unwrap().count().await.unwrap(), asked.members);
}

/// Killed in the middle of a result, then absent when a backend starts; once it is there, it answers.
async fn trino_killed(asked: &Asked<'_>) {
    let long = Long::begin(&TrinoConfig { spooling: false, ..asked.own.trino() }).await;
    asked.own.signal("trino", "KILL");
    let late = TrinoBackend::new(&asked.own.trino()).unwrap();
    let (killed, absent, checked) =
        tokio::join!(failure("killed", long.end()), failure("absent", asked.count(&late)), failure("absent, when checked", late.check()));
    assert_eq!([killed.kind, absent.kind, checked.kind], [ErrorKind::Unavailable; 3]);
    asked.own.start_missing();
    late.check().await.unwrap();
}
