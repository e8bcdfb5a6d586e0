//! The embedded engine over a workspace that was imported: what the oracle is compared with.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use ingest::{ImportRequest, NoProgress};
use query_backends::{Backend, MemoryBackend, ParquetBackend, ParquetConfig, Query, RunOptions};
use segment_core::catalog::Catalog;
use segment_core::declare;
use segment_core::eval;
use segment_core::json::Json;
use segment_core::lower::Strategy;
use segment_core::plan::Plan;
use store::{Pinned, Store, Workspace};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::world::World;
use crate::world::rows::Rows;

/// The time of receiving that imports state.
const NOW: i64 = 1_750_000_000_000_000;

/// Anything that went wrong, written out.
pub type Result<T> = std::result::Result<T, String>;

/// The embedded engine and the oracle that reads the lake.
pub struct Engine {
    runtime: Runtime,
    parquet: ParquetBackend,
    hashing: ParquetBackend,
    memory: MemoryBackend,
}

/// A workspace that was imported, in a folder that goes with it.
pub struct Lake {
    /// What is evaluated.
    pub pinned: Arc<Pinned>,
    _store: Store,
    _folder: TempDir,
}

/// Which engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// DataFusion, by a strategy or by its own rule.
    Parquet(Option<Strategy>),
    /// The same without memory for tables by users' numbers, so that it groups by hashing.
    Hashing(Option<Strategy>),
    /// The oracle, over rows read from the lake.
    Memory,
}

fn failed(what: &str) -> impl FnOnce(&dyn std::error::Error) -> String {
    move |error| {
        let mut out = format!("{what}: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            let _ = write!(out, ": {cause}");
            source = cause.source();
        }
        out
    }
}

impl Engine {
    /// An engine with so many threads.
    ///
    /// # Errors
    ///
    /// It cannot be set up.
    pub fn new(threads: usize) -> Result<Self> {
        let config = ParquetConfig { threads, memory_bytes_max: 512 << 20, ..ParquetConfig::default() };
        let hashing = ParquetConfig { tables_bytes_max: 0, ..config.clone() };
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build().map_err(|e| failed("start a runtime")(&e))?,
            parquet: ParquetBackend::new(&config).map_err(|e| failed("start the engine")(&e))?,
            hashing: ParquetBackend::new(&hashing).map_err(|e| failed("start the engine")(&e))?,
            memory: MemoryBackend::default(),
        })
    }

    /// Declares, imports and pins a world.
    ///
    /// # Errors
    ///
    /// What the store or an import refused, and rows that an import did not take as they were meant.
    pub fn load(&self, world: &World) -> Result<Lake> {
        let steps: Vec<(&Json, &Rows)> = world.declarations.iter().zip(&world.imports).collect();
        self.runtime.block_on(load(world.zone.name(), &steps, &world.lists))
    }

    /// The same for rows of one import.
    ///
    /// # Errors
    ///
    /// See [`Engine::load`].
    pub fn load_rows(&self, zone: &str, declaration: &Json, rows: &Rows, lists: &eval::Lists) -> Result<Lake> {
        self.runtime.block_on(load(zone, &[(declaration, rows)], lists))
    }

    /// The members of a plan made with the lake's own catalog.
    ///
    /// # Errors
    ///
    /// The backend's.
    pub fn members(&self, lake: &Lake, plan: Arc<Plan>, answers: Answers) -> Result<BTreeSet<String>> {
        let mut query = Query::new(plan, lake.pinned.clone());
        let backend: &dyn Backend = match answers {
            Answers::Memory => &self.memory,
            Answers::Parquet(strategy) => {
                query.strategy = strategy;
                &self.parquet
            }
            Answers::Hashing(strategy) => {
                query.strategy = strategy;
                &self.hashing
            }
        };
        self.runtime.block_on(async {
            let mut run = backend.run(&query, RunOptions::default()).await.map_err(|e| failed(backend.name())(&e))?;
            let ids = run.sorted_ids().await.map_err(|e| failed(backend.name())(&e))?;
            let count = ids.len();
            let members: BTreeSet<String> = ids.into_iter().collect();
            if members.len() == count { Ok(members) } else { Err(format!("{}: some user came twice", backend.name())) }
        })
    }

    /// What the embedded engine would run.
    pub fn explained(&self, lake: &Lake, plan: Arc<Plan>, strategy: Option<Strategy>) -> String {
        let mut query = Query::new(plan, lake.pinned.clone());
        query.strategy = strategy;
        match self.runtime.block_on(self.parquet.explain(&query)) {
            Ok(explanation) => explanation.sql.unwrap_or_default(),
            Err(error) => failed("explain")(&error),
        }
    }
}

async fn load(zone: &str, steps: &[(&Json, &Rows)], lists: &eval::Lists) -> Result<Lake> {
    let folder = tempfile::tempdir().map_err(|e| failed("make a folder")(&e))?;
    let store = Store::open(folder.path().join("data")).await.map_err(|e| failed("open the store")(&e))?;
    let workspace = store.create_workspace("default", zone).await.map_err(|e| failed("make the workspace")(&e))?;
    for (i, (declaration, rows)) in steps.iter().enumerate() {
        declare(&workspace, declaration).await?;
        import(&workspace, rows, &folder.path().join(format!("import{i}"))).await?;
    }
    for (key, ids) in lists {
        let ids: Vec<String> = ids.iter().cloned().collect();
        workspace.replace_list(key, ids, Default::default()).await.map_err(|e| failed("make a list")(&e))?;
    }
    let pinned = workspace.pin().await.map_err(|e| failed("pin")(&e))?;
    Ok(Lake { pinned: Arc::new(pinned), _store: store, _folder: folder })
}

async fn declare(workspace: &Workspace, declaration: &Json) -> Result<()> {
    let pinned = workspace.pin().await.map_err(|e| failed("pin")(&e))?;
    let catalog: Catalog = declare::declare(&pinned.catalog, declaration).map_err(|e| failed("declare")(&e))?;
    workspace.set_catalog(pinned.version, &catalog).await.map_err(|e| failed("set the catalog")(&e))?;
    Ok(())
}

async fn import(workspace: &Workspace, rows: &Rows, folder: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| failed("make a folder")(&e))?;
    let mut request = ImportRequest::new(NOW, folder.join("rejects.ndjson"));
    for (name, rows, files) in [("events", &rows.events, &mut request.events), ("users", &rows.users, &mut request.users)] {
        if rows.is_empty() {
            continue;
        }
        let path = folder.join(format!("{name}.ndjson"));
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        std::fs::write(&path, text).map_err(|e| failed("write rows")(&e))?;
        files.push(path);
    }
    if request.events.is_empty() && request.users.is_empty() {
        return Ok(());
    }
    let report = ingest::import(workspace, request, Arc::new(NoProgress)).await.map_err(|e| failed("import")(&e))?;
    if report.rejected.count > 0 { Err(format!("rows were rejected: {:?}", report.rejected)) } else { Ok(()) }
}
