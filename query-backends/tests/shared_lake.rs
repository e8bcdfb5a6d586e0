//! The embedded engine and the oracle over a lake on S3 that Trino changes, and over one that fails.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "shared_lake/proxy.rs"]
mod proxy;
#[path = "../../store/tests/common/shared.rs"]
mod shared;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::{ObjectStore, ObjectStoreExt};
use proxy::{Manner, Proxy};
use query_backends::backend::{Backend, Query, RunOptions};
use query_backends::conformance::lake::{LakeFixture, write};
use query_backends::conformance::{self, World, cases, conformance};
use query_backends::error::{BackendError, ErrorKind};
use query_backends::memory::MemoryBackend;
use query_backends::parquet::{ParquetBackend, ParquetConfig};
use shared::*;
use store::{EventRead, FilePlace, Pinned, S3Config, Store, StoreConfig, Workspace};
use tempfile::TempDir;

/// The longest that a query takes to fail when S3 is away: the retries of a request, and the first one's own time.
const FAILING_TIME_MAX: Duration = Duration::from_secs(120);

/// Partitions of a query: the many small files here are a matter of waiting, not of computing.
const THREADS: usize = 16;
/// How often the events are changed and compared again.
const STAGES: usize = 4;

fn parquet(dir: &Path) -> ParquetBackend {
    ParquetBackend::new(&ParquetConfig { threads: THREADS, spill_dir: Some(dir.join("spill")), ..ParquetConfig::default() }).unwrap()
}

async fn members(backend: &dyn Backend, query: &Query) -> Result<BTreeSet<String>, BackendError> {
    let mut run = backend.run(query, RunOptions::default()).await?;
    Ok(run.sorted_ids().await?.into_iter().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let mut fixture = LakeFixture::new(dir.path(), Arc::new(parquet(dir.path()))).shared(config(), unique("parquet"));
    let report = conformance(&mut fixture).await;
    println!("{} runs, {} cases told users apart", report.runs, report.told_apart);
    assert!(report.passed(), "{} failures of {} runs:\n{}", report.failures.len(), report.runs, report.failures.join("\n"));
}

/// A world in a lake, and both backends over it.
struct Loaded {
    _dir: TempDir,
    store: Store,
    workspace: Workspace,
    parquet: ParquetBackend,
    world: World,
}

impl Loaded {
    async fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_with(dir.path().join("data"), config()).await.unwrap();
        let world = World::standard();
        let workspace = store.create_workspace(&unique(name), &world.catalog.timezone).await.unwrap();
        write(&workspace, &world).await.unwrap();
        Self { parquet: parquet(dir.path()), _dir: dir, store, workspace, world }
    }

    fn table(&self) -> String {
        format!("lake.{}.events", quoted(self.workspace.name()))
    }

    async fn pin(&self) -> Arc<Pinned> {
        Arc::new(self.workspace.pin().await.unwrap())
    }

    /// Compares both backends with what the world's plain rows say, by some of the cases: others at each stage.
    async fn agree(&self, stage: usize, what: &str) {
        let pinned = self.pin().await;
        let all = cases::all(&self.world);
        let with_events: Vec<_> = all.iter().filter(|c| c.has_events).collect();
        let mut told_apart = 0;
        for (i, case) in with_events.iter().enumerate().skip(stage).step_by(STAGES) {
            let plan = Arc::new(conformance::plan(&self.world, &case.condition).unwrap());
            let expected = conformance::expected(&self.world, &plan);
            told_apart += usize::from(!expected.is_empty() && expected.len() < self.world.users.len());
            let query = Query { plan, pinned: Some(pinned.clone()), strategy: None };
            let found = members(&self.parquet, &query).await.unwrap();
            assert_eq!(found, expected, "{what}: parquet: {}", case.condition);
            if i % (5 * STAGES) < STAGES {
                assert_eq!(members(&MemoryBackend::new(), &query).await.unwrap(), expected, "{what}: memory: {}", case.condition);
            }
        }
        assert!(told_apart > 20, "{told_apart} cases tell users apart");
    }

    /// Events of the lake's snapshot, as Trino counts them.
    async fn count(&self) -> String {
        let tables = self.pin().await.shared.clone().unwrap();
        trino_column(&fill("SELECT count(*) FROM {}", &[&as_of(&tables.namespace, &tables.events)])).await.remove(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_trino_changes_is_what_is_found() {
    let mut loaded = Loaded::new("changed").await;
    let events = |world: &World| world.users.iter().map(|u| u.events.len()).sum::<usize>();
    assert_eq!(loaded.count().await, events(&loaded.world).to_string());

    // Every third event goes, by delete files.
    let ids: BTreeSet<String> = loaded
        .world
        .users
        .iter()
        .flat_map(|u| &u.events)
        .map(|e| e.message_id.clone())
        .enumerate()
        .filter(|(i, _)| i % 3 == 0)
        .map(|(_, id)| id)
        .collect();
    let list = ids.iter().map(|id| format!("'{}'", id.replace('\'', "''"))).collect::<Vec<_>>().join(", ");
    trino(&fill("DELETE FROM {} WHERE message_id IN ({})", &[&loaded.table(), &list])).await;
    for user in &mut loaded.world.users {
        user.events.retain(|e| !ids.contains(&e.message_id));
    }
    let plan = loaded.pin().await.events.plan(&[everything()]).await.unwrap();
    assert!(plan.files.iter().any(|f| !f.deleted.is_empty()), "{plan:?}");
    assert_eq!(loaded.count().await, events(&loaded.world).to_string());
    loaded.agree(0, "deleted").await;

    // Some users' events come again, under other ids and without declared order.
    let again: Vec<String> = loaded.world.users.iter().filter(|u| !u.events.is_empty()).step_by(3).map(|u| u.user_id.clone()).collect();
    let columns = trino_column(&format!("SHOW COLUMNS FROM {}", loaded.table())).await;
    let columns: Vec<String> = columns.iter().map(|c| quoted(c.split('|').next().unwrap())).collect();
    let copied: Vec<String> =
        columns.iter().map(|c| if c == "\"message_id\"" { "message_id || '~'".to_owned() } else { c.clone() }).collect();
    let users = again.iter().map(|id| format!("'{}'", id.replace('\'', "''"))).collect::<Vec<_>>().join(", ");
    trino(&fill(
        "INSERT INTO {} ({}) SELECT {} FROM {} WHERE user_id IN ({}) ORDER BY rand()",
        &[&loaded.table(), &columns.join(", "), &copied.join(", "), &loaded.table(), &users],
    ))
    .await;
    for user in loaded.world.users.iter_mut().filter(|u| again.contains(&u.user_id)) {
        let copies: Vec<_> =
            user.events.iter().map(|e| segment_core::eval::Event { message_id: format!("{}~", e.message_id), ..e.clone() }).collect();
        user.events.extend(copies);
        user.events.sort_by(|a, b| (a.ts, &a.message_id).cmp(&(b.ts, &b.message_id)));
    }
    assert_eq!(loaded.count().await, events(&loaded.world).to_string());
    loaded.agree(1, "inserted").await;

    trino(&fill("ALTER TABLE {} EXECUTE optimize", &[&loaded.table()])).await;
    let plan = loaded.pin().await.events.plan(&[everything()]).await.unwrap();
    assert!(plan.files.iter().all(|f| f.deleted.is_empty()), "{plan:?}");
    loaded.agree(2, "compacted").await;

    // What Trino wrote, and deletes of it.
    let gone = loaded.world.users.iter().find(|u| u.events.len() > 3).map(|u| u.user_id.clone()).unwrap();
    trino(&fill("DELETE FROM {} WHERE user_id = '{}'", &[&loaded.table(), &gone.replace('\'', "''")])).await;
    for user in loaded.world.users.iter_mut().filter(|u| u.user_id == gone) {
        user.events.clear();
    }
    loaded.agree(3, "deleted after compaction").await;
}

fn everything() -> EventRead {
    EventRead { names: None, prefix: None, start: None, end: i64::MAX }
}

/// A query that reads every event.
fn reading_all(world: &World, pinned: Arc<Pinned>) -> Query {
    let plan = conformance::plan(world, r#"{"event": "*", "measure": {"count": true}, "op": "gte", "value": 1}"#);
    Query { plan: Arc::new(plan.unwrap()), pinned: Some(pinned), strategy: None }
}

async fn failure(backend: &dyn Backend, query: &Query) -> ErrorKind {
    let started = Instant::now();
    let error = members(backend, query).await.unwrap_err();
    assert!(started.elapsed() < FAILING_TIME_MAX, "{error:?} took {:?}", started.elapsed());
    error.kind
}

/// A file of the events, and where it is.
async fn a_file(pinned: &Pinned) -> (Arc<dyn ObjectStore>, object_store::path::Path) {
    let plan = pinned.events.plan(&[everything()]).await.unwrap();
    let largest = plan.files.iter().max_by_key(|f| f.size_bytes).unwrap();
    match &largest.place {
        FilePlace::Object(uri) => pinned.events.objects().unwrap().at(uri).unwrap(),
        FilePlace::Local(path) => panic!("{} is local", path.display()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_gone_or_cut() {
    let loaded = Loaded::new("files").await;
    let pinned = loaded.pin().await;
    let query = reading_all(&loaded.world, pinned.clone());
    assert!(!members(&loaded.parquet, &query).await.unwrap().is_empty());
    let (objects, path) = a_file(&pinned).await;
    let bytes = objects.get(&path).await.unwrap().bytes().await.unwrap();

    // With the footer remembered, so that it is found out in the middle of the scan; and without.
    for backend in [loaded.parquet.clone(), parquet(loaded.store.dir())] {
        objects.put(&path, bytes.slice(..8).into()).await.unwrap();
        assert_eq!(failure(&backend, &query).await, ErrorKind::SchemaDrift, "cut");
        objects.delete(&path).await.unwrap();
        assert_eq!(failure(&backend, &query).await, ErrorKind::Unavailable, "gone");
    }
    assert_eq!(failure(&MemoryBackend::new(), &query).await, ErrorKind::Unavailable, "gone");
    objects.put(&path, bytes.into()).await.unwrap();
    assert!(!members(&loaded.parquet, &query).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_snapshot() {
    let loaded = Loaded::new("expired").await;
    let old = reading_all(&loaded.world, loaded.pin().await);
    trino(&fill("DELETE FROM {} WHERE event <> 'none'", &[&loaded.table()])).await;
    trino(&fill("ALTER TABLE {} EXECUTE expire_snapshots(retention_threshold => '0s')", &[&loaded.table()])).await;
    assert_eq!(failure(&loaded.parquet, &old).await, ErrorKind::Unavailable);
    let now = reading_all(&loaded.world, loaded.pin().await);
    assert_eq!(members(&loaded.parquet, &now).await.unwrap(), BTreeSet::new());
}

/// The same lake by way of a proxy.
async fn by_way_of(loaded: &Loaded, proxy: &Proxy, change: impl FnOnce(&mut S3Config)) -> Arc<Pinned> {
    let mut lake = lake();
    lake.s3.endpoint = Some(proxy.address());
    change(&mut lake.s3);
    let store = Store::open_existing_with(loaded.store.dir(), StoreConfig { lake: Some(lake), ..StoreConfig::default() }).await.unwrap();
    let workspace = store.workspace(loaded.workspace.name()).await.unwrap().unwrap();
    Arc::new(workspace.pin().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_slow_away_and_silent() {
    let loaded = Loaded::new("away").await;
    let proxy = Proxy::start(&s3().endpoint.unwrap()).await;
    let pinned = by_way_of(&loaded, &proxy, |_| {}).await;
    let query = reading_all(&loaded.world, pinned.clone());
    let expected = members(&loaded.parquet, &query).await.unwrap();

    proxy.set(Manner::Slow(Duration::from_millis(100)));
    assert_eq!(members(&parquet(loaded.store.dir()), &query).await.unwrap(), expected, "slow");
    proxy.set(Manner::Cut(4));
    assert_eq!(members(&parquet(loaded.store.dir()), &query).await.unwrap(), expected, "every fourth connection is cut, and tried again");
    proxy.set(Manner::Away);
    assert_eq!(failure(&parquet(loaded.store.dir()), &query).await, ErrorKind::Unavailable, "away");
    proxy.set(Manner::Silent);
    assert_eq!(failure(&parquet(loaded.store.dir()), &query).await, ErrorKind::Timeout, "silent");
    proxy.set(Manner::Open);
    assert_eq!(members(&loaded.parquet, &query).await.unwrap(), expected, "back again");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_not_read() {
    let loaded = Loaded::new("denied").await;
    let pinned = loaded.pin().await;
    let mut lake = lake();
    lake.s3.secret_key = Some(store::Secret::new("wrong"));
    let store = Store::open_existing_with(loaded.store.dir(), StoreConfig { lake: Some(lake), ..StoreConfig::default() }).await.unwrap();
    let workspace = store.workspace(pinned.workspace.as_str()).await.unwrap().unwrap();
    let error = BackendError::from(workspace.pin().await.unwrap_err());
    assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error:?}");
}
