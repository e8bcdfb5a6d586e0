//! From names on the command line to backends, strategies and tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use query_backends::{Backend, MemoryBackend};
use segment_core::dialect::Dialect;
use segment_core::lower::{Strategy, Tables};
use store::Pinned;

use crate::args::Engine;
use crate::failure::Failure;

/// The backends that `--backend` takes.
#[cfg(feature = "parquet")]
const NAMES: [&str; 2] = ["parquet", "memory"];
#[cfg(not(feature = "parquet"))]
const NAMES: [&str; 1] = ["memory"];

/// The backend of that name, with its share of the machine.
pub(crate) fn backend(engine: &Engine) -> Result<Arc<dyn Backend>, Failure> {
    match engine.backend.as_str() {
        "memory" => Ok(Arc::new(MemoryBackend::default())),
        #[cfg(feature = "parquet")]
        "parquet" => {
            let defaults = query_backends::ParquetConfig::default();
            let memory_bytes_max = engine.memory.saturating_mul(1 << 20);
            let config = query_backends::ParquetConfig {
                memory_bytes_max,
                tables_bytes_max: memory_bytes_max as u64 / 2,
                threads: engine.threads.map_or(defaults.threads, |n| n.max(1)),
                ..defaults
            };
            Ok(Arc::new(query_backends::ParquetBackend::new(&config)?))
        }
        other => Err(Failure::Usage(format!("there is no backend \"{other}\": {}", NAMES.join(", ")))),
    }
}

/// The strategy of that name.
pub(crate) fn strategy(name: &str) -> Result<Strategy, Failure> {
    Strategy::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Strategy::ALL.iter().map(|s| s.name()).collect();
        Failure::Usage(format!("there is no strategy \"{name}\": {}", names.join(", ")))
    })
}

/// The names of a workspace's tables in an engine, for SQL that is printed rather than run.
///
/// The embedded engine sees one workspace's tables; a shared one finds the events and lists under the lake's catalog
/// and the profiles in the store's keyspace, both named after the workspace.
pub(crate) fn tables(pinned: &Pinned, dialect: &dyn Dialect) -> Tables {
    let shared = dialect.name() != "datafusion";
    let name = |catalog: &str, table: &str| {
        if shared { vec![catalog.to_owned(), pinned.workspace.clone(), table.to_owned()] } else { vec![table.to_owned()] }
    };
    let lists: BTreeMap<String, Vec<String>> = pinned.lists.values().map(|l| (l.key.clone(), name("lake", &l.table))).collect();
    Tables { events: name("lake", "events"), profiles: name("profiles", "profiles"), lists }
}
