//! The backend against a real Cassandra, whose settings `scripts/engines` puts into the environment.

mod faults;
mod indexes;
#[cfg(feature = "trino")]
mod shared;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use store::cassandra::{Cassandra, Keyspace};
use store::{CassandraConfig, Pinned, Store, StoreConfig, Workspace};

use super::CassandraBackend;
use crate::backend::{Backend, Query, RunOptions};
use crate::conformance::{self, Fixture, Loaded, World, chain, conformance, lake};
use crate::memory::MemoryBackend;

/// The Cassandra that tests use, with keyspaces that nobody else has; none, said so, where no engines are started.
fn config() -> Option<CassandraConfig> {
    store::engines::cassandra(prefix()).map_err(|error| println!("skipped: {error}")).ok()
}

/// Begins keyspaces that nobody else has.
fn prefix() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("cassandra_q{:x}_", since.as_nanos() % (1 << 40))
}

/// A store whose profiles are in Cassandra.
async fn store(folder: &Path, config: &CassandraConfig) -> Store {
    let config = StoreConfig { cassandra: Some(config.clone()), ..StoreConfig::default() };
    Store::open_with(folder, config).await.unwrap()
}

/// Removes what a test made.
async fn drop_keyspace(config: &CassandraConfig, workspace: &str) {
    let cassandra = Cassandra::connect(config).await.unwrap();
    Keyspace::open(&cassandra, workspace).await.unwrap().drop_all().await.unwrap();
}

/// A world in a workspace.
async fn loaded(folder: &Path, config: &CassandraConfig, world: &World) -> (Workspace, Arc<Pinned>) {
    let workspace = store(folder, config).await.create_workspace("default", &world.catalog.timezone).await.unwrap();
    lake::write(&workspace, world).await.unwrap();
    let pinned = Arc::new(workspace.pin().await.unwrap());
    (workspace, pinned)
}

/// A query of a condition over a world.
fn query(world: &World, pinned: &Arc<Pinned>, condition: &str) -> Query {
    Query::new(Arc::new(conformance::plan(world, condition).unwrap()), pinned.clone())
}

/// Whom a backend finds.
async fn found(backend: &dyn Backend, query: &Query) -> Vec<String> {
    let mut run = backend.run(query, RunOptions::default()).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    run.sorted_ids().await.unwrap_or_else(|e| panic!("{}", chain(&e)))
}

/// Whom the oracle finds among a world's rows.
fn expected(world: &World, query: &Query) -> Vec<String> {
    conformance::expected(world, &query.plan).into_iter().collect()
}

/// Loads worlds into keyspaces, for the backend over Cassandra or for one that reads the mirror.
struct OnCassandra {
    folder: PathBuf,
    config: CassandraConfig,
    backend: Arc<dyn Backend>,
    loaded: usize,
}

#[async_trait]
impl Fixture for OnCassandra {
    async fn load(&mut self, world: &World) -> Result<Loaded, String> {
        if self.loaded > 0 {
            drop_keyspace(&self.config, "default").await;
        }
        self.loaded += 1;
        let (_, pinned) = loaded(&self.folder.join(self.loaded.to_string()), &self.config, world).await;
        assert!(pinned.profiles.as_of.is_some());
        Ok(Loaded { backend: self.backend.clone(), pinned: Some(pinned), world: world.clone() })
    }
}

async fn passes(config: CassandraConfig, backend: Arc<dyn Backend>) {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = OnCassandra { folder: folder.path().to_owned(), config: config.clone(), backend, loaded: 0 };
    let report = conformance(&mut fixture).await;
    drop_keyspace(&config, "default").await;
    println!("{} runs, {} cases told users apart", report.runs, report.told_apart);
    assert!(report.passed(), "{} failures of {} runs:\n{}", report.failures.len(), report.runs, report.failures.join("\n"));
    assert!(report.told_apart > 100, "{} cases tell users apart", report.told_apart);
}

#[tokio::test]
async fn cassandra_passes_the_suite() {
    let Some(config) = config() else { return };
    let backend = Arc::new(CassandraBackend::new(&config));
    passes(config, backend).await;
}

#[tokio::test]
async fn the_oracle_over_the_mirror_passes_the_suite() {
    let Some(config) = config() else { return };
    passes(config, Arc::new(MemoryBackend::new())).await;
}
