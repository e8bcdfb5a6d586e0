//! The engine's settings, and a session for each query.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
    TableProvider,
};
use datafusion::common::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;
use segment_core::dialect::ItemFilter;

use super::functions;

/// How the embedded engine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetConfig {
    /// Threads that run queries, and partitions of each query.
    pub threads: usize,
    /// Bytes of memory that all queries together may take for grouping and joining; beyond it they spill to disk.
    pub memory_bytes_max: usize,
    /// Where they spill; the system's folder for temporary files when left out.
    pub spill_dir: Option<PathBuf>,
    /// Bytes they may spill.
    pub spill_bytes_max: u64,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Bytes, of that memory, up to which a query groups through tables indexed by users' numbers ([`TABLE_BYTES_A_USER`]); with more
    /// users it groups by hashing, which spills.
    pub tables_bytes_max: u64,
    /// Bytes of Parquet footers remembered between queries.
    pub footer_bytes_max: usize,
}

impl Default for ParquetConfig {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes_max: 2 << 30,
            spill_dir: None,
            spill_bytes_max: 100 << 30,
            batch_rows: 8192,
            tables_bytes_max: 1 << 30,
            footer_bytes_max: 256 << 20,
        }
    }
}

/// What grouping and joining by number takes for each user, besides the groups: an arm's table, that of all arms, and the join's.
pub const TABLE_BYTES_A_USER: u64 = 12;

/// The name under which a query's tables are found.
const SCHEMA: &str = "lake";
/// The name of the engine's catalog.
const CATALOG: &str = "muster";
/// Nesting that the engine's SQL parser takes; far above what a valid tree needs.
const SQL_DEPTH_MAX: usize = 100_000;

/// The parts of a table's name.
pub(super) fn table_name(table: &str) -> Vec<String> {
    vec![CATALOG.to_owned(), SCHEMA.to_owned(), table.to_owned()]
}

/// Memory, disk and caches that all queries share.
fn runtime(config: &ParquetConfig) -> Result<Arc<RuntimeEnv>> {
    let mode = match &config.spill_dir {
        Some(dir) => DiskManagerMode::Directories(vec![dir.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(config.spill_bytes_max);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(config.memory_bytes_max)))
        .with_disk_manager_builder(disk)
        .build_arc()
}

/// Who groups and joins by user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    /// This crate, through tables indexed by number, which have to fit into memory.
    ByNumber,
    /// The engine, by hashing; it spills.
    ByEngine,
}

/// The states that sessions start from.
pub(super) struct BaseStates {
    by_number: SessionState,
    by_engine: SessionState,
}

impl BaseStates {
    /// Both, over the same memory and disk.
    pub(super) fn new(config: &ParquetConfig) -> Result<Self> {
        let runtime = runtime(config)?;
        let state = |grouping| base_state(config, runtime.clone(), grouping);
        Ok(Self { by_number: state(Grouping::ByNumber)?, by_engine: state(Grouping::ByEngine)? })
    }

    /// The one for a way of grouping.
    pub(super) fn get(&self, grouping: Grouping) -> &SessionState {
        match grouping {
            Grouping::ByNumber => &self.by_number,
            Grouping::ByEngine => &self.by_engine,
        }
    }
}

fn base_state(config: &ParquetConfig, runtime: Arc<RuntimeEnv>, grouping: Grouping) -> Result<SessionState> {
    let mut settings = SessionConfig::new()
        .with_target_partitions(config.threads)
        .with_batch_size(config.batch_rows)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(false)
        .with_repartition_file_scans(false);
    let options = settings.options_mut();
    options.sql_parser.recursion_limit = SQL_DEPTH_MAX;
    options.sql_parser.parse_float_as_decimal = false;
    options.sql_parser.map_string_types_to_utf8view = true;
    options.optimizer.enable_dynamic_filter_pushdown = false;
    let mut state = SessionStateBuilder::new()
        .with_config(settings)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_optimizer_rules(logical_rules(grouping))
        .with_physical_optimizer_rules(physical_rules())
        .build();
    for function in functions::all() {
        state.register_udf(Arc::new(function))?;
    }
    Ok(state)
}

/// The engine's rules; grouping twice to count distinct values is for the engine's own aggregates only.
fn logical_rules(grouping: Grouping) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let kept = |name: &str| grouping == Grouping::ByEngine || name != "single_distinct_aggregation_to_group_by";
    Optimizer::new().rules.into_iter().filter(|rule| kept(rule.name())).collect()
}

/// The engine's rules but those that push filters down: what a table takes, it takes when the scan is planned.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    PhysicalOptimizer::new().rules.into_iter().filter(|rule| !rule.name().starts_with("FilterPushdown")).collect()
}

/// A session of one query: its tables and its item filters.
pub(super) fn query_state(
    base: &SessionState,
    tables: Vec<(String, Arc<dyn TableProvider>)>,
    filters: Vec<ItemFilter>,
) -> Result<SessionState> {
    let schema = MemorySchemaProvider::new();
    for (name, table) in tables {
        schema.register_table(name, table)?;
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(schema))?;
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    let mut state = base.clone();
    state.register_catalog_list(Arc::new(catalogs));
    state.register_udf(Arc::new(functions::any_item(filters)))?;
    Ok(state)
}
