//! The least that a backend does: say what it can, explain a query, run it.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::array::{Int64Array, StringArray};
use async_trait::async_trait;
use futures::{Stream, StreamExt};
use segment_core::compile;
use segment_core::dialect::Dialect;
use segment_core::lower::{Lowered, Strategy, Tables};
use segment_core::plan::{Plan, ShownWindow};
use store::Pinned;
use tokio_util::sync::CancellationToken;

use crate::error::{BackendError, ErrorKind, Result};
use crate::progress::Progress;

/// What is run: a plan over a pinned state.
#[derive(Debug, Clone)]
pub struct Query {
    /// The plan as resolved, not simplified.
    pub plan: Arc<Plan>,
    /// The state it is evaluated against; `None` only for a backend that holds rows of its own.
    pub pinned: Option<Arc<Pinned>>,
    /// How event leaves become SQL, for the backends that have a choice; `None`: the dialect's own rule.
    pub strategy: Option<Strategy>,
}

impl Query {
    /// A query over a pinned state, by the backend's own strategy.
    pub fn new(plan: Arc<Plan>, pinned: Arc<Pinned>) -> Self {
        Self { plan, pinned: Some(pinned), strategy: None }
    }

    /// The same, by a given strategy.
    pub fn with_strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// The pinned state, for a backend that reads the lake's events.
    ///
    /// # Errors
    ///
    /// `Rejected` if the query names none; `Unsupported` if its events are files that somebody else writes, as the lake has none then.
    pub fn state(&self) -> Result<&Arc<Pinned>> {
        let pinned = self.any_state()?;
        match &pinned.bound {
            None => Ok(pinned),
            Some(bound) => {
                let what = format!("this backend does not read events where somebody else writes them, in {}", bound.table().location);
                Err(BackendError::new(ErrorKind::Unsupported, what))
            }
        }
    }

    /// The pinned state, for a backend that reads events that somebody else writes as well ([`Pinned::bound`]).
    ///
    /// # Errors
    ///
    /// `Rejected` if the query names none.
    pub fn any_state(&self) -> Result<&Arc<Pinned>> {
        let missing = || BackendError::new(ErrorKind::Rejected, "the query names no pinned state, which this backend reads");
        self.pinned.as_ref().ok_or_else(missing)
    }

    /// The query as SQL, by its own strategy or else by the dialect's.
    ///
    /// # Errors
    ///
    /// `Unsupported`, naming everything that the dialect cannot say and every list without a table.
    pub fn lowered(&self, dialect: &dyn Dialect, tables: &Tables) -> Result<Lowered> {
        let strategy = self.strategy.unwrap_or_else(|| dialect.strategy());
        compile::lowered(&self.plan, dialect, tables, strategy).map_err(|faults| {
            let what: Vec<String> = faults.into_iter().map(|f| f.message).collect();
            BackendError::new(ErrorKind::Unsupported, what.join("; "))
        })
    }
}

/// How a query is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Whether batches name the users; without, only their numbers come, which is enough to count them.
    pub ids: bool,
    /// Cancelling it stops the work within 100 ms; the stream then ends with a `Cancelled` error.
    pub cancel: CancellationToken,
    /// What the run reports its progress to.
    pub progress: Arc<Progress>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { ids: true, cancel: CancellationToken::new(), progress: Arc::default() }
    }
}

/// A batch of members.
#[derive(Debug, Clone)]
pub struct Users {
    /// Their permanent numbers (a backend over plain rows: their positions); −1 for those who have none, as only files that somebody else
    /// writes know of them.
    pub numbers: Int64Array,
    /// Their ids, in the same order; `None` where ids were not asked for.
    pub ids: Option<StringArray>,
}

impl Users {
    /// How many.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

/// Members, each once.
pub type UserStream = Pin<Box<dyn Stream<Item = Result<Users>> + Send>>;

/// A query under way. Dropping it stops the work within 100 ms.
pub struct Run {
    /// The members, in no order unless the backend's capabilities say so.
    pub users: UserStream,
    /// How far it is.
    pub progress: Arc<Progress>,
    metrics: Arc<OnceLock<RunMetrics>>,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("progress", &self.progress.now()).finish_non_exhaustive()
    }
}

impl Run {
    /// A run; `metrics` is set by the time the stream ends. Once it has ended it stays so, however often it is asked.
    pub fn new(users: UserStream, progress: Arc<Progress>, metrics: Arc<OnceLock<RunMetrics>>) -> Self {
        Self { users: users.fuse().boxed(), progress, metrics }
    }

    /// What the run cost; `None` until the stream has ended well.
    pub fn metrics(&self) -> Option<&RunMetrics> {
        self.metrics.get()
    }

    /// Runs to the end: how many members.
    ///
    /// # Errors
    ///
    /// The stream's.
    pub async fn count(&mut self) -> Result<u64> {
        let mut count = 0;
        while let Some(batch) = self.users.next().await {
            count += batch?.len() as u64;
        }
        Ok(count)
    }

    /// Runs to the end: all ids, sorted by their bytes. Memory grows with the number of members.
    ///
    /// # Errors
    ///
    /// The stream's.
    pub async fn sorted_ids(&mut self) -> Result<Vec<String>> {
        let mut out = Vec::new();
        while let Some(batch) = self.users.next().await {
            if let Some(ids) = batch?.ids {
                out.extend(ids.iter().flatten().map(str::to_owned));
            }
        }
        out.sort_unstable();
        Ok(out)
    }
}

/// What a backend can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The dialect that its SQL is of; `None` for a backend without SQL.
    pub dialect: Option<&'static str>,
    /// The strategies it has a choice of; empty without SQL.
    pub strategies: &'static [Strategy],
    /// Whether ids come sorted by their bytes.
    pub sorted: bool,
    /// The most events it takes; `None`: any number.
    pub events_max: Option<u64>,
    /// Whether it takes trees that look at events; if not, it refuses them as `Unsupported`.
    pub events: bool,
    /// Whether it takes states whose events somebody else writes ([`Pinned::bound`]); if not, it refuses them as `Unsupported`.
    pub bound: bool,
}

/// What a query would read and do.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The SQL; `None` for a backend without.
    pub sql: Option<String>,
    /// The engine's plan, for people.
    pub plan: String,
    /// Each window of the tree as two instants.
    pub windows: Vec<ShownWindow>,
    /// What is read of the events, one entry a scan.
    pub scans: Vec<ScanPlan>,
    /// The events there are: files, row groups where known, rows, bytes.
    pub events: Reading,
    /// What is read of the profiles.
    pub profiles: Reading,
    /// Users there are; the universe is at most that.
    pub users: u64,
    /// The instant up to which all changes to profiles are seen, microseconds; `None`: all there are, or those of the pinned state.
    pub profiles_as_of: Option<i64>,
}

/// One scan of the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanPlan {
    /// What it asks for, for people.
    pub what: String,
    /// What is read, at most.
    pub read: Reading,
    /// Files that partitions and file statistics ruled out.
    pub files_skipped: u64,
    /// Row groups of the other files that their statistics ruled out.
    pub row_groups_skipped: u64,
}

/// An amount of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Files.
    pub files: u64,
    /// Row groups; 0 where they are not looked at.
    pub row_groups: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes: of the columns that are read, or of whole files where columns are not looked at.
    pub bytes: u64,
}

/// What a run cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunMetrics {
    /// Rows decoded, at most.
    pub rows_read: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Row groups read.
    pub row_groups_read: u64,
    /// Row groups ruled out by statistics.
    pub row_groups_skipped: u64,
    /// Members found.
    pub users: u64,
    /// Wall-clock time from the start to the last batch.
    pub elapsed: Duration,
    /// Processor time by stage, summed over threads; the stages overlap in wall-clock time.
    pub stages: Vec<Stage>,
}

/// Time spent in a part of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `plan`, `decode`, `group`, `join`, …
    pub name: &'static str,
    /// Processor time, summed over threads.
    pub time: Duration,
}

/// An engine that can run plans. Every adapter passes [`crate::conformance`].
#[async_trait]
pub trait Backend: Send + Sync {
    /// Its name, as `--backend` takes it.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// What a query would read and do, without doing it.
    ///
    /// # Errors
    ///
    /// `Unsupported` for plans it cannot run exactly; otherwise as `run`, before the first row.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only reads.
    async fn explain(&self, query: &Query) -> Result<Explanation>;

    /// Starts a query. Work begins when the stream is polled, or before.
    ///
    /// # Errors
    ///
    /// `Unsupported` for plans it cannot run exactly, `Rejected` without the state it needs; the others come from here or out of the
    /// stream, after which the stream ends.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping the future or the run stops the work within 100 ms.
    async fn run(&self, query: &Query, options: RunOptions) -> Result<Run>;
}
