//! An engine over a workspace that was imported: what the oracle is compared with.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ingest::{ImportRequest, NoProgress};
#[cfg(feature = "federated")]
use query_backends::TrinoBackend;
use query_backends::{Backend, MemoryBackend, Query, RunOptions};
#[cfg(feature = "engines")]
use query_backends::{ParquetBackend, ParquetConfig};
use segment_core::catalog::Catalog;
use segment_core::declare;
use segment_core::eval;
use segment_core::json::Json;
use segment_core::lower::Strategy;
use segment_core::plan::Plan;
use store::{Pinned, Store, StoreConfig, Workspace};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::world::World;
use crate::world::rows::Rows;

/// The time of receiving that imports state.
const NOW: i64 = 1_750_000_000_000_000;

/// Anything that went wrong, written out.
pub type Result<T> = std::result::Result<T, String>;

/// An engine, and the oracle that reads its lake.
pub struct Engine {
    runtime: Runtime,
    #[cfg(feature = "engines")]
    embedded: Option<Embedded>,
    #[cfg(feature = "federated")]
    trino: Option<TrinoBackend>,
    memory: MemoryBackend,
    /// Of the stores that worlds are loaded into.
    store: StoreConfig,
}

/// The embedded engine.
#[cfg(feature = "engines")]
struct Embedded {
    parquet: ParquetBackend,
    hashing: ParquetBackend,
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
    /// Trino, by a strategy or by its own rule.
    Trino(Option<Strategy>),
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
    /// The embedded engine, with so many threads.
    ///
    /// # Errors
    ///
    /// It cannot be set up.
    #[cfg(feature = "engines")]
    pub fn new(threads: usize) -> Result<Self> {
        let config = ParquetConfig { threads, memory_bytes_max: 512 << 20, ..ParquetConfig::default() };
        let hashing = ParquetConfig { tables_bytes_max: 0, ..config.clone() };
        let embedded = Embedded {
            parquet: ParquetBackend::new(&config).map_err(|e| failed("start the engine")(&e))?,
            hashing: ParquetBackend::new(&hashing).map_err(|e| failed("start the engine")(&e))?,
        };
        Ok(Self { embedded: Some(embedded), ..Self::oracle()? })
    }

    /// Trino, over a lake that it shares with us; both as [`crate::settings::trino`] finds them.
    ///
    /// # Errors
    ///
    /// It cannot be set up, or a setting is missing.
    #[cfg(feature = "federated")]
    pub fn trino() -> Result<Self> {
        let (trino, store) = crate::settings::trino()?;
        let trino = TrinoBackend::new(&trino).map_err(|e| failed("set Trino's backend up")(&e))?;
        Ok(Self { trino: Some(trino), store, ..Self::oracle()? })
    }

    /// The oracle alone.
    fn oracle() -> Result<Self> {
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build().map_err(|e| failed("start a runtime")(&e))?,
            #[cfg(feature = "engines")]
            embedded: None,
            #[cfg(feature = "federated")]
            trino: None,
            memory: MemoryBackend::default(),
            store: StoreConfig::default(),
        })
    }

    /// Who answers, and the strategy.
    fn backend(&self, answers: Answers) -> Result<(&dyn Backend, Option<Strategy>)> {
        match answers {
            Answers::Memory => Some((&self.memory as &dyn Backend, None)),
            #[cfg(feature = "engines")]
            Answers::Parquet(strategy) => self.embedded.as_ref().map(|e| (&e.parquet as &dyn Backend, strategy)),
            #[cfg(feature = "engines")]
            Answers::Hashing(strategy) => self.embedded.as_ref().map(|e| (&e.hashing as &dyn Backend, strategy)),
            #[cfg(feature = "federated")]
            Answers::Trino(strategy) => self.trino.as_ref().map(|t| (t as &dyn Backend, strategy)),
            #[cfg(not(all(feature = "engines", feature = "federated")))]
            _ => None,
        }
        .ok_or_else(|| format!("this is another engine than {answers:?}"))
    }

    /// Declares, imports and pins a world.
    ///
    /// # Errors
    ///
    /// What the store or an import refused, and rows that an import did not take as they were meant.
    pub fn load(&self, world: &World) -> Result<Lake> {
        let steps: Vec<(&Json, &Rows)> = world.declarations.iter().zip(&world.imports).collect();
        self.runtime.block_on(load(self.store.clone(), world.zone.name(), &steps, &world.lists))
    }

    /// The same with the events bound instead of imported: files that somebody else wrote, below a folder of their own.
    ///
    /// # Errors
    ///
    /// See [`Engine::load`].
    pub fn load_bound(&self, world: &World) -> Result<Lake> {
        let users = |rows: &Rows| Rows { users: rows.users.clone(), events: Vec::new() };
        let imports: Vec<Rows> = world.imports.iter().map(users).collect();
        let steps: Vec<(&Json, &Rows)> = world.declarations.iter().zip(&imports).collect();
        self.runtime.block_on(async {
            let mut lake = load(self.store.clone(), world.zone.name(), &steps, &world.lists).await?;
            let (folder, location) = self.theirs(&lake)?;
            let declaration = crate::world::hive::write(world, &folder, &location)?;
            let workspace = lake._store.workspace(&lake.pinned.workspace).await.map_err(|e| failed("open the workspace")(&e))?;
            let workspace = workspace.ok_or("the workspace is gone")?;
            declare(&workspace, &declaration).await?;
            lake.pinned = Arc::new(workspace.pin().await.map_err(|e| failed("pin")(&e))?);
            Ok(lake)
        })
    }

    /// A folder that somebody else writes to, and where engines find it: of a shared lake it is in the bucket `hive`, whose folder `scripts/engines` serves.
    fn theirs(&self, lake: &Lake) -> Result<(PathBuf, String)> {
        if self.store.lake.is_none() {
            let folder = lake._folder.path().join("theirs");
            let location = format!("{}/", folder.display());
            return Ok((folder, location));
        }
        let engines = std::env::var("MUSTER_ENGINES_DIR").map_err(|_| "MUSTER_ENGINES_DIR is not set; see docs/engines.md".to_owned())?;
        let workspace = &lake.pinned.workspace;
        Ok((PathBuf::from(engines).join("s3/data/hive").join(workspace), format!("s3://hive/{workspace}/")))
    }

    /// The same for rows of one import.
    ///
    /// # Errors
    ///
    /// See [`Engine::load`].
    pub fn load_rows(&self, zone: &str, declaration: &Json, rows: &Rows, lists: &eval::Lists) -> Result<Lake> {
        self.runtime.block_on(load(self.store.clone(), zone, &[(declaration, rows)], lists))
    }

    /// The members of a plan made with the lake's own catalog.
    ///
    /// # Errors
    ///
    /// The backend's.
    pub fn members(&self, lake: &Lake, plan: Arc<Plan>, answers: Answers) -> Result<BTreeSet<String>> {
        let (backend, strategy) = self.backend(answers)?;
        let query = Query { plan, pinned: Some(lake.pinned.clone()), strategy };
        self.runtime.block_on(async {
            let mut run = backend.run(&query, RunOptions::default()).await.map_err(|e| failed(backend.name())(&e))?;
            let ids = run.sorted_ids().await.map_err(|e| failed(backend.name())(&e))?;
            let count = ids.len();
            let members: BTreeSet<String> = ids.into_iter().collect();
            if members.len() == count { Ok(members) } else { Err(format!("{}: some user came twice", backend.name())) }
        })
    }

    /// What the engine would run.
    pub fn explained(&self, lake: &Lake, plan: Arc<Plan>, answers: Answers) -> String {
        let explanation = self.backend(answers).and_then(|(backend, strategy)| {
            let query = Query { plan, pinned: Some(lake.pinned.clone()), strategy };
            self.runtime.block_on(backend.explain(&query)).map_err(|e| failed("explain")(&e))
        });
        explanation.map_or_else(|e| e, |e| e.sql.unwrap_or_default())
    }
}

/// A name that no other workspace of a shared lake has.
fn unique() -> String {
    static LOADED: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("tests_{:x}_{}", since.as_micros(), LOADED.fetch_add(1, Ordering::Relaxed))
}

async fn load(config: StoreConfig, zone: &str, steps: &[(&Json, &Rows)], lists: &eval::Lists) -> Result<Lake> {
    let folder = tempfile::tempdir().map_err(|e| failed("make a folder")(&e))?;
    let name = if config.lake.is_some() { unique() } else { "default".to_owned() };
    let store = Store::open_with(folder.path().join("data"), config).await.map_err(|e| failed("open the store")(&e))?;
    let workspace = store.create_workspace(&name, zone).await.map_err(|e| failed("make the workspace")(&e))?;
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
