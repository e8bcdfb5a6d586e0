//! The engine that the tests run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use duckdb_backend::{DuckDbBackend, DuckDbConfig};
use query_backends::conformance::World;
use query_backends::conformance::lake::write;
use store::{Pinned, Store};

/// A Python with DuckDB: `MUSTER_DUCKDB_PYTHON`, or what `scripts/duckdb` made.
pub fn python() -> PathBuf {
    let made = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/muster/duckdb-venv/bin/python");
    let python = std::env::var_os("MUSTER_DUCKDB_PYTHON").map_or_else(made, PathBuf::from);
    assert!(python.is_file(), "there is no {}: run scripts/duckdb, which installs DuckDB for the tests", python.display());
    python
}

/// A small engine that spills below a folder.
pub fn config(folder: &Path) -> DuckDbConfig {
    let mut config = DuckDbConfig::new(python(), folder.join("spill"));
    (config.processes_max, config.threads, config.memory_mib) = (2, 2, 512);
    config
}

/// The backend with that engine.
pub fn backend(folder: &Path) -> Arc<DuckDbBackend> {
    Arc::new(DuckDbBackend::new(config(folder)))
}

/// A world in a store below a folder.
pub async fn pin(folder: &Path, world: &World) -> Arc<Pinned> {
    let store = Store::open(folder).await.unwrap();
    let workspace = store.create_workspace("default", &world.catalog.timezone).await.unwrap();
    write(&workspace, world).await.unwrap();
    Arc::new(workspace.pin().await.unwrap())
}
