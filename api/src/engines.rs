//! From the configuration and names on the command line to backends, strategies and tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use query_backends::{Backend, MemoryBackend, ProfilesRead, Rate, Router, RouterConfig, key};
use segment_core::compile;
use segment_core::diagnostics::Diagnostic;
use segment_core::dialect::{self, Dialect};
use segment_core::lower::{Lowered, Strategy, Tables};
use segment_core::plan::Plan;
use store::Pinned;

use crate::args::Engine;
use crate::config::Settings;
use crate::config::keys::BACKENDS;
use crate::failure::Failure;

/// The configured backends, each made once: asked together, or one alone.
pub(crate) struct Engines {
    all: Router,
    alone: BTreeMap<&'static str, Router>,
    /// For SQL that is written down.
    pub(crate) naming: Naming,
}

impl Engines {
    /// Those that `router.backends` names.
    pub(crate) fn new(settings: &Settings) -> Self {
        let names: Vec<&str> = settings.texts("router.backends").iter().map(String::as_str).collect();
        let (mut members, mut absent, mut alone) = (Vec::new(), Vec::new(), BTreeMap::new());
        for name in BACKENDS {
            let why = match names.contains(&name).then(|| backend(name, settings)) {
                Some(Ok(backend)) => {
                    alone.insert(name, only(backend.clone(), settings));
                    members.push((backend, rate(name, settings)));
                    continue;
                }
                Some(Err(failure)) => failure.to_string(),
                None => "router.backends does not name it".to_owned(),
            };
            absent.push((name, why));
        }
        members.sort_by_key(|(b, _)| names.iter().position(|n| *n == b.name()));
        let all = Router::new(members, absent, config(settings));
        Self { all, alone, naming: Naming::new(settings) }
    }

    /// The router over all of them, or over the one of a name.
    ///
    /// # Errors
    ///
    /// `Usage` if there is none of that name.
    pub(crate) fn router(&self, backend: Option<&str>) -> Result<&Router, Failure> {
        let Some(name) = backend else { return Ok(&self.all) };
        self.alone.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.alone.keys().copied().collect();
            Failure::Usage(format!("there is no backend \"{name}\" here: {}", names.join(", ")))
        })
    }
}

/// The router over one backend.
fn only(backend: Arc<dyn Backend>, settings: &Settings) -> Router {
    let rate = rate(backend.name(), settings);
    Router::new(vec![(backend, rate)], Vec::new(), config(settings))
}

/// The router over the configured backends; over the one that `--backend` names, if it names one.
pub(crate) fn router(engine: &Engine, settings: &Settings) -> Result<Router, Failure> {
    match &engine.backend {
        None => Ok(Engines::new(settings).all),
        Some(name) if !BACKENDS.contains(&name.as_str()) => {
            Err(Failure::Usage(format!("there is no backend \"{name}\": {}", BACKENDS.join(", "))))
        }
        // Who names a backend gets its error, not another backend.
        Some(name) => Ok(only(backend(name, settings)?, settings)),
    }
}

/// The backend of that name, as it is configured.
fn backend(name: &str, settings: &Settings) -> Result<Arc<dyn Backend>, Failure> {
    match name {
        "memory" => Ok(Arc::new(MemoryBackend::default())),
        #[cfg(feature = "parquet")]
        "parquet" => {
            let (parquet, defaults) = (settings.parquet(), query_backends::ParquetConfig::default());
            let bytes = |mib: u64| usize::try_from(mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
            let memory_bytes_max = bytes(parquet.memory_mib);
            let config = query_backends::ParquetConfig {
                memory_bytes_max,
                tables_bytes_max: memory_bytes_max as u64 / 2,
                threads: parquet.threads.and_then(|n| usize::try_from(n).ok()).unwrap_or(defaults.threads),
                spill_dir: parquet.spill_dir,
                spill_bytes_max: parquet.spill_mib.saturating_mul(1 << 20),
                footer_bytes_max: bytes(parquet.footers_mib),
                ..defaults
            };
            Ok(Arc::new(query_backends::ParquetBackend::new(&config)?))
        }
        #[cfg(feature = "trino")]
        "trino" => {
            let Some(trino) = &settings.trino else { return Err(Failure::Usage("no Trino is configured: set trino.url".to_owned())) };
            if settings.store.lake.is_none() {
                let what = "the lake is in the data directory, where Trino does not see it: set postgres.url and s3.bucket before the first import";
                return Err(Failure::Usage(what.to_owned()));
            }
            Ok(Arc::new(query_backends::TrinoBackend::new(trino)?))
        }
        #[cfg(feature = "cassandra")]
        "cassandra" => match &settings.store.cassandra {
            Some(cassandra) => Ok(Arc::new(query_backends::CassandraBackend::new(cassandra))),
            None => Err(Failure::Usage("profiles are not in Cassandra: cassandra.contact_points is not set".to_owned())),
        },
        other => Err(Failure::Usage(format!("this build has no backend \"{other}\""))),
    }
}

/// What a backend costs, as it is configured.
fn rate(name: &str, settings: &Settings) -> Rate {
    let number = |key: &str| settings.integer(&format!("router.{name}_{key}")).unwrap_or_default();
    Rate {
        start: Duration::from_millis(number("start_ms")),
        bytes_per_s: number("mib_per_s").saturating_mul(1 << 20),
        reads_all: name == "memory",
        profiles: match name {
            "cassandra" => ProfilesRead::Live,
            "trino" => ProfilesRead::Shared,
            _ => ProfilesRead::Pinned,
        },
    }
}

fn config(settings: &Settings) -> RouterConfig {
    let seconds = |key: &str| Duration::from_secs(settings.integer(key).unwrap_or_default());
    RouterConfig {
        fresh_within: seconds("router.fresh_within_s"),
        rest: seconds("router.rest_s"),
        explain_timeout: seconds("router.explain_timeout_s"),
    }
}

/// The strategy of that name; `None`, the backend's own rule, for no name.
pub(crate) fn strategy(name: Option<&str>) -> Result<Option<Strategy>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let found = Strategy::ALL.into_iter().find(|s| s.name() == name);
    found.map(Some).ok_or_else(|| {
        let names: Vec<&str> = Strategy::ALL.iter().map(|s| s.name()).collect();
        Failure::Usage(format!("there is no strategy \"{name}\": {}", names.join(", ")))
    })
}

/// The dialect of that name.
fn dialect(name: &str) -> Result<Box<dyn Dialect>, Failure> {
    dialect::named(name).ok_or_else(|| Failure::Usage(format!("there is no dialect \"{name}\": {}", dialect::NAMES.join(", "))))
}

/// What it takes to name tables in SQL that is written down rather than run.
pub(crate) struct Naming {
    trino_catalog: String,
    #[cfg(feature = "trino")]
    trino: Option<query_backends::TrinoConfig>,
}

impl Naming {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            trino_catalog: settings.text("trino.catalog").unwrap_or_default().to_owned(),
            #[cfg(feature = "trino")]
            trino: settings.trino.clone(),
        }
    }

    /// A plan as SQL of a dialect, by a strategy or the dialect's own.
    ///
    /// # Errors
    ///
    /// `Usage` for no dialect's name; `Condition`, with these warnings, for what the dialect cannot say; what reading footers of events that somebody else writes gives.
    pub(crate) async fn written(
        &self,
        plan: Plan,
        pinned: Pinned,
        dialect: &str,
        strategy: Option<Strategy>,
        warnings: &[Diagnostic],
    ) -> Result<Lowered, Failure> {
        if pinned.bound.is_some() && dialect == "trino" {
            return self.over_bound(plan, pinned, strategy).await;
        }
        let dialect = self::dialect(dialect)?;
        let strategy = strategy.unwrap_or_else(|| dialect.strategy());
        let tables = tables(&pinned, dialect.as_ref(), &self.trino_catalog);
        let lowered = compile::lowered(&plan, dialect.as_ref(), &tables, strategy);
        lowered.map_err(|diagnostics| Failure::Condition { diagnostics, warnings: warnings.to_vec() })
    }

    /// What Trino is sent for events that somebody else writes, which are in a table that is named after what the files hold.
    async fn over_bound(&self, plan: Plan, pinned: Pinned, strategy: Option<Strategy>) -> Result<Lowered, Failure> {
        #[cfg(feature = "trino")]
        if let Some(trino) = &self.trino {
            let query = query_backends::Query { strategy, ..query_backends::Query::new(Arc::new(plan), Arc::new(pinned)) };
            return Ok(query_backends::TrinoBackend::new(trino)?.sql(&query).await?);
        }
        let _ = (plan, pinned, strategy);
        let what = "events that somebody else writes are in tables that only a configured Trino has: set trino.url and trino.hive_catalog";
        Err(Failure::Usage(what.to_owned()))
    }
}

/// The names of a workspace's tables in an engine, for SQL that is printed rather than run.
///
/// The embedded engine sees one workspace's tables. A shared one finds them in the lake's catalog, by the name that it has for that; where the lake
/// is not shared, names are those that it would have.
fn tables(pinned: &Pinned, dialect: &dyn Dialect, catalog: &str) -> Tables {
    let own = dialect.name() == "datafusion";
    let name = |table: &str| {
        let namespace = pinned.shared.as_ref().map_or(&pinned.workspace, |s| &s.namespace);
        if own { vec![table.to_owned()] } else { vec![catalog.to_owned(), namespace.clone(), table.to_owned()] }
    };
    match pinned.shared.as_ref().filter(|_| !own) {
        Some(shared) => Tables {
            events: name(&shared.events.table),
            profiles: name(&shared.profiles.table),
            lists: shared.lists.iter().map(|(key, list)| (key.clone(), name(&list.table))).collect(),
            key: key(pinned),
            spans: false,
        },
        None => {
            let lists: BTreeMap<String, Vec<String>> = pinned.lists.values().map(|l| (l.key.clone(), name(&l.table))).collect();
            Tables { events: name("events"), profiles: name("profiles"), lists, key: key(pinned), spans: false }
        }
    }
}
