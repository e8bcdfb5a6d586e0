//! DataFusion over the lake.
//!
//! In: a query over a pinned state. The plan is lowered to DataFusion's SQL, the state's files become tables
//! (`lake_table`), the missing functions are registered (`functions`), and the engine's stream is handed on. Planning and running
//! happen on threads of the backend's own, with stacks deep enough for the deepest tree. Deliberately absent: recent
//! events that the lake does not hold yet.

mod ahead;
mod bound_table;
mod error;
mod files;
mod footers;
mod functions;
mod lake_table;
mod metrics;
mod prepare;
mod proof;
mod pushdown;
mod row_groups;
mod running;
mod scan;
mod session;
mod split_source;
mod users;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use datafusion::physical_plan::displayable;
use segment_core::lower::Strategy;
use tokio::runtime::Runtime;

pub use session::{ParquetConfig, TABLE_BYTES_A_USER};

use crate::backend::{Backend, Capabilities, Explanation, Query, Run, RunOptions};
use crate::error::{BackendError, ErrorKind, Result};
use crate::progress::Progress;
use crate::state::any_pinned;
use files::Counters;
use footers::Footers;
use lake_table::sum;
use prepare::{Events, Prepared};
use session::BaseStates;

/// Bytes of stack of each thread: planning recurses over trees 32 deep and 1,000 wide. Only what is used is taken.
const STACK_BYTES: usize = 64 << 20;

/// The embedded engine. Cheap to clone.
#[derive(Clone)]
pub struct ParquetBackend {
    shared: Arc<Shared>,
}

struct Shared {
    states: BaseStates,
    tables_bytes_max: u64,
    footers: Arc<Footers>,
    threads: Option<Runtime>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

impl std::fmt::Debug for ParquetBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetBackend").finish_non_exhaustive()
    }
}

impl ParquetBackend {
    /// What it can do.
    pub const CAPABILITIES: Capabilities = Capabilities {
        dialect: Some("datafusion"),
        strategies: &Strategy::ALL,
        sorted: false,
        events_max: None,
        events: true,
        bound: true,
    };

    /// Starts the engine's threads.
    ///
    /// # Errors
    ///
    /// `Unavailable` if they, or the folder to spill to, cannot be made.
    pub fn new(config: &ParquetConfig) -> Result<Self> {
        let states = BaseStates::new(config)
            .map_err(|e| BackendError::new(ErrorKind::Unavailable, "cannot set the engine's memory and disk up").caused_by(e))?;
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads.max(1))
            .thread_name("muster-query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|e| BackendError::new(ErrorKind::Unavailable, "cannot start the engine's threads").caused_by(e))?;
        Ok(Self {
            shared: Arc::new(Shared {
                states,
                tables_bytes_max: config.tables_bytes_max,
                footers: Arc::new(Footers::new(config.footer_bytes_max)),
                threads: Some(threads),
            }),
        })
    }

    /// Runs a future on the engine's threads; dropping this one stops that one.
    async fn on_threads<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let Some(threads) = &self.shared.threads else {
            return Err(BackendError::internal("the engine is shut down"));
        };
        let task = tokio_util::task::AbortOnDropHandle::new(threads.spawn(work));
        match task.await {
            Ok(result) => result,
            Err(e) if e.is_cancelled() => Err(BackendError::cancelled()),
            Err(e) => Err(BackendError::internal("the engine panicked").caused_by(e)),
        }
    }

    async fn prepare(&self, query: &Query, ids: bool, progress: Arc<Progress>) -> Result<Prepared> {
        let (shared, query) = (self.shared.clone(), query.clone());
        self.on_threads(async move { shared.prepare(&query, ids, false, progress).await }).await
    }
}

impl Shared {
    async fn prepare(&self, query: &Query, ids: bool, again: bool, progress: Arc<Progress>) -> Result<Prepared> {
        let counters = Arc::new(Counters { progress, ..Counters::default() });
        prepare::prepare(self, query, any_pinned(query)?, ids, again, counters).await
    }
}

#[async_trait]
impl Backend for ParquetBackend {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    async fn explain(&self, query: &Query) -> Result<Explanation> {
        let prepared = self.prepare(query, true, Arc::default()).await?;
        Ok(Explanation {
            plan: displayable(prepared.plan.as_ref()).indent(true).to_string(),
            sql: Some(prepared.sql),
            windows: query.plan.windows.clone(),
            scans: prepared.events.as_ref().map(Events::scans).unwrap_or_default(),
            events: prepared.events_total,
            profiles: sum(&prepared.profiles.scans()),
            users: any_pinned(query)?.profiles.rows,
            profiles_as_of: any_pinned(query)?.profiles.as_of,
        })
    }

    async fn run(&self, query: &Query, options: RunOptions) -> Result<Run> {
        let started = std::time::Instant::now();
        let (progress, cancel) = (options.progress.clone(), options.cancel.clone());
        let prepared = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(BackendError::cancelled()),
            prepared = self.prepare(query, options.ids, progress.clone()) => prepared?,
        };
        let Some(threads) = &self.shared.threads else {
            return Err(BackendError::internal("the engine is shut down"));
        };
        let metrics = Arc::new(OnceLock::new());
        let (shared, query, ids) = (self.shared.clone(), query.clone(), options.ids);
        let again = {
            let progress = progress.clone();
            async move { shared.prepare(&query, ids, true, progress).await }
        };
        let users = running::start(threads.handle(), prepared, again, options, metrics.clone(), started);
        Ok(Run::new(users, progress, metrics))
    }
}
