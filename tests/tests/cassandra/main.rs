//! Random trees over random worlds whose profiles are in Cassandra: the backend over it, the oracle over its mirror, and the oracle over the rows
//! that were meant find the same users.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ingest::{ImportRequest, NoProgress};
use muster_tests::oracle;
use muster_tests::random::Random;
use muster_tests::trees::Trees;
use muster_tests::world::World;
use muster_tests::world::rows::Rows;
use query_backends::{Backend, CassandraBackend, MemoryBackend, Query, RunOptions};
use segment_core::json::Json;
use store::cassandra::{Cassandra, Keyspace};
use store::{CassandraConfig, Pinned, Store, StoreConfig, Workspace};

/// How much is tried; `MUSTER_TREES` and `MUSTER_WORLDS` in the environment set others.
const WORLDS: u64 = 8;
const TREES: u64 = 60;
/// Leaves of the largest trees.
const LEAVES_MAX: usize = 8;
/// The time of receiving that the first import states; each is received later than the one before.
const NOW: i64 = 1_750_000_000_000_000;
/// The first world's seed; the others follow it.
const SEED: u64 = 41_000;

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or)
}

fn config() -> Option<CassandraConfig> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let prefix = format!("cassandra_w{:x}_", since.as_nanos() % (1 << 40));
    store::engines::cassandra(prefix).map_err(|error| println!("skipped: {error}")).ok()
}

async fn import(workspace: &Workspace, rows: &Rows, now: i64, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let mut request = ImportRequest::new(now, folder.join("rejects.ndjson"));
    for (name, rows, files) in [("events", &rows.events, &mut request.events), ("users", &rows.users, &mut request.users)] {
        if !rows.is_empty() {
            let path = folder.join(format!("{name}.ndjson"));
            std::fs::write(&path, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
            files.push(path);
        }
    }
    if !request.events.is_empty() || !request.users.is_empty() {
        let report = ingest::import(workspace, request, Arc::new(NoProgress)).await.unwrap();
        assert_eq!(report.rejected.count, 0, "{:?}", report.rejected);
    }
}

async fn load(world: &World, config: &CassandraConfig, folder: &Path) -> Arc<Pinned> {
    let settings = StoreConfig { cassandra: Some(config.clone()), ..StoreConfig::default() };
    let store = Store::open_with(folder.join("data"), settings).await.unwrap();
    let workspace = store.create_workspace("default", world.zone.name()).await.unwrap();
    for (i, (declaration, rows)) in world.declarations.iter().zip(&world.imports).enumerate() {
        let pinned = workspace.pin().await.unwrap();
        let catalog = segment_core::declare::declare(&pinned.catalog, declaration).unwrap();
        workspace.set_catalog(pinned.version, &catalog).await.unwrap();
        import(&workspace, rows, NOW + i as i64, &folder.join(format!("import{i}"))).await;
    }
    for (key, ids) in &world.lists {
        workspace.replace_list(key, ids.iter().cloned().collect(), Default::default()).await.unwrap();
    }
    Arc::new(workspace.pin().await.unwrap())
}

async fn found(backend: &dyn Backend, query: &Query) -> BTreeSet<String> {
    let mut run = backend.run(query, RunOptions::default()).await.unwrap();
    let ids = run.sorted_ids().await.unwrap();
    let members: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(members.len(), ids.len(), "some user came twice");
    members
}

/// A tree that looks at no event, and its plan.
fn tree(world: &World, pinned: &Pinned, random: &mut Random, i: u64) -> (Json, Arc<segment_core::plan::Plan>) {
    loop {
        let mut maker = Trees::new(world, random.fork()).without_events();
        let tree = if i % 10 == 9 { maker.contradiction() } else { maker.tree(LEAVES_MAX) };
        let plan = oracle::plan(world, &pinned.catalog, &tree).unwrap();
        if !plan.reads_events() {
            return (tree, Arc::new(plan));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_trees_find_the_same() {
    let Some(config) = config() else { return };
    let backend = CassandraBackend::new(&config);
    let (mut compared, mut told_apart) = (0, 0);
    for seed in SEED..SEED + number("MUSTER_WORLDS", WORLDS) {
        let world = World::generate(seed);
        let folder = tempfile::tempdir().unwrap();
        let pinned = load(&world, &config, folder.path()).await;
        let everyone = oracle::universe(&world);
        let mut random = Random::new(!seed);
        for i in 0..number("MUSTER_TREES", TREES) {
            let (tree, plan) = tree(&world, &pinned, &mut random, i);
            let expected = oracle::members(&world, &plan);
            let query = Query::new(plan, pinned.clone());
            assert_eq!(found(&backend, &query).await, expected, "world {seed}, tree {i}: {tree}");
            if i % 4 == 0 {
                assert_eq!(found(&MemoryBackend::new(), &query).await, expected, "the mirror, world {seed}, tree {i}: {tree}");
                let evaluator = backend.evaluator(&query).await.unwrap();
                for user in world.users.iter().take(5) {
                    assert_eq!(evaluator.evaluate(&user.user_id).await.unwrap(), expected.contains(&user.user_id), "{tree}");
                }
            }
            compared += 1;
            told_apart += u64::from(!expected.is_empty() && expected != everyone);
        }
        let cassandra = Cassandra::connect(&config).await.unwrap();
        Keyspace::open(&cassandra, "default").await.unwrap().drop_all().await.unwrap();
    }
    println!("{compared} trees compared, {told_apart} told users apart");
    assert!(told_apart * 3 > compared, "{told_apart} of {compared} trees tell users apart");
}
