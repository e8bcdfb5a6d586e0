//! The oracle: reads plain rows and asks [`segment_core::eval`] about each user. No SQL, no engine, nothing clever.
//!
//! In: a pinned state, or rows given in memory. Out: members, sorted by their ids' bytes. Every event is read, so it refuses more than
//! [`EVENTS_MAX`]: it is for checks and small data.

mod assemble;
pub(crate) mod fields;
pub(crate) mod read;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow::array::{Int64Array, StringArray};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use segment_core::eval::{self, Lists, User};
use segment_core::plan::Plan;
use store::{BoundEvents, EventRead, Pinned};
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Capabilities, Explanation, Query, Reading, Run, RunMetrics, RunOptions, ScanPlan, Stage, Users};
use crate::error::{BackendError, ErrorKind, Result};
use crate::progress::Progress;
use crate::state::any_pinned;

/// The most events that are read: about 2 GiB of memory, more with many properties in the condition.
pub const EVENTS_MAX: u64 = 5_000_000;
/// Members of a batch.
const BATCH_USERS: usize = 8192;
/// Users evaluated between two looks at the token.
const USERS_BETWEEN_CHECKS: usize = 64;

/// Rows in memory: users with their numbers, and lists.
struct Rows {
    users: Vec<(i64, User)>,
    lists: Lists,
}

/// The oracle. Cheap to clone.
#[derive(Clone, Default)]
pub struct MemoryBackend {
    /// `None`: each query's pinned state is read.
    rows: Option<Arc<Rows>>,
}

impl std::fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryBackend").field("users", &self.rows.as_ref().map(|r| r.users.len())).finish()
    }
}

impl MemoryBackend {
    /// What it can do.
    pub const CAPABILITIES: Capabilities =
        Capabilities { dialect: None, strategies: &[], sorted: true, events_max: Some(EVENTS_MAX), events: true, bound: true };

    /// Over the pinned state of each query.
    pub fn new() -> Self {
        Self::default()
    }

    /// Over these rows, whatever state a query names. A user's number is its position.
    pub fn from_users(users: Vec<User>, lists: Lists) -> Self {
        Self { rows: Some(Arc::new(Rows { users: (0..).zip(users).collect(), lists })) }
    }
}

/// A run's own handles, for the thread that works.
struct Work {
    plan: Arc<Plan>,
    rows: Option<Arc<Rows>>,
    pinned: Option<Arc<Pinned>>,
    files: Vec<store::DataFileInfo>,
    ids: bool,
    cancel: CancellationToken,
    progress: Arc<Progress>,
    metrics: Arc<OnceLock<RunMetrics>>,
    started: Instant,
}

impl Work {
    fn run(self) -> Result<Vec<Users>> {
        let reading = Instant::now();
        let rows = match (&self.rows, &self.pinned) {
            (Some(rows), _) => rows.clone(),
            (None, Some(pinned)) => Arc::new(read::rows(pinned, &self.files, &self.plan, &self.progress, &self.cancel)?),
            (None, None) => return Err(BackendError::internal("there is nothing to read")),
        };
        let read = reading.elapsed();
        let evaluating = Instant::now();
        let mut members: Vec<(&str, i64)> = Vec::new();
        for (i, (number, user)) in rows.users.iter().enumerate() {
            if i % USERS_BETWEEN_CHECKS == 0 {
                check(&self.cancel)?;
            }
            if eval::is_member(&self.plan, user, &rows.lists) {
                members.push((&user.user_id, *number));
            }
        }
        members.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let batches = members.chunks(BATCH_USERS).map(|members| Users {
            numbers: members.iter().map(|(_, number)| *number).collect::<Int64Array>(),
            ids: self.ids.then(|| StringArray::from_iter_values(members.iter().map(|(id, _)| *id))),
        });
        let batches = batches.collect();
        let now = self.progress.now();
        let _ = self.metrics.set(RunMetrics {
            rows_read: now.rows_read,
            bytes_read: now.bytes_read,
            users: members.len() as u64,
            elapsed: self.started.elapsed(),
            stages: vec![Stage { name: "read", time: read }, Stage { name: "evaluate", time: evaluating.elapsed() }],
            ..RunMetrics::default()
        });
        Ok(batches)
    }
}

/// Refuses to go on when the caller is gone.
fn check(cancel: &CancellationToken) -> Result<()> {
    if cancel.is_cancelled() { Err(BackendError::cancelled()) } else { Ok(()) }
}

/// Every event there is.
async fn files(pinned: &Pinned) -> Result<store::EventsPlan> {
    let plan = pinned.events.plan(&[EventRead { names: None, prefix: None, start: None, end: i64::MAX }]).await?;
    if let Some(what) = plan.unsupported.first() {
        return Err(BackendError::new(ErrorKind::Unsupported, what.clone()));
    }
    check_count(plan.rows_total)?;
    Ok(plan)
}

fn check_count(events: u64) -> Result<()> {
    if events <= EVENTS_MAX {
        return Ok(());
    }
    Err(BackendError::new(ErrorKind::Rejected, format!("the oracle reads every event, {EVENTS_MAX} at most; there are {events}")))
}

/// The events that somebody else writes: whose rows are not counted before they are read.
fn bound_reading(bound: &BoundEvents) -> Reading {
    let files = bound.files();
    Reading { files: files.len() as u64, bytes: files.iter().map(|f| f.size_bytes).sum(), ..Reading::default() }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    async fn explain(&self, query: &Query) -> Result<Explanation> {
        let (events, profiles, users) = match &self.rows {
            Some(rows) => {
                let events = rows.users.iter().map(|(_, u)| u.events.len() as u64).sum();
                let reading = |rows| Reading { rows, ..Reading::default() };
                (reading(events), reading(rows.users.len() as u64), rows.users.len() as u64)
            }
            None => {
                let pinned = any_pinned(query)?;
                let plan = files(pinned).await?;
                let lake = Reading { files: plan.files_total, row_groups: 0, rows: plan.rows_total, bytes: plan.bytes_total };
                let events = pinned.bound.as_ref().map_or(lake, bound_reading);
                let bytes = pinned.profiles.files.iter().map(|f| f.size_bytes).sum();
                let profiles = Reading { files: pinned.profiles.files.len() as u64, row_groups: 0, rows: pinned.profiles.rows, bytes };
                (events, profiles, pinned.profiles.rows)
            }
        };
        Ok(Explanation {
            sql: None,
            plan: "Evaluates the whole tree for each user, over all of the user's events.".to_owned(),
            windows: query.plan.windows.clone(),
            scans: vec![ScanPlan { what: "all events".to_owned(), read: events, files_skipped: 0, row_groups_skipped: 0 }],
            events,
            profiles,
            users,
            profiles_as_of: query.pinned.as_ref().and_then(|p| p.profiles.as_of),
        })
    }

    async fn run(&self, query: &Query, options: RunOptions) -> Result<Run> {
        let started = Instant::now();
        let (progress, metrics) = (options.progress, Arc::new(OnceLock::new()));
        let files = match &self.rows {
            Some(rows) => {
                progress.add_total(rows.users.len() as u64, 0);
                progress.add_read(rows.users.len() as u64, 0);
                Vec::new()
            }
            None => {
                let pinned = any_pinned(query)?;
                let plan = files(pinned).await?;
                let bytes = |sizes: &mut dyn Iterator<Item = u64>| sizes.sum::<u64>();
                progress.add_total(plan.rows_total, bytes(&mut plan.files.iter().map(|f| f.size_bytes)));
                progress.add_total(0, pinned.bound.as_ref().map_or(0, |bound| bound_reading(bound).bytes));
                progress.add_total(pinned.profiles.rows, bytes(&mut pinned.profiles.files.iter().map(|f| f.size_bytes)));
                plan.files
            }
        };
        let cancel = options.cancel.child_token();
        let guard = cancel.clone().drop_guard();
        let work = Work {
            plan: query.plan.clone(),
            rows: self.rows.clone(),
            pinned: query.pinned.clone(),
            files,
            ids: options.ids,
            cancel,
            progress: progress.clone(),
            metrics: metrics.clone(),
            started,
        };
        let caller = options.cancel;
        let batches = async move {
            let _guard = guard;
            let work = tokio::task::spawn_blocking(move || work.run());
            let done = tokio::select! {
                biased;
                () = caller.cancelled() => return Err(BackendError::cancelled()),
                done = work => done,
            };
            let batches = done.map_err(|e| BackendError::internal("the oracle panicked").caused_by(e))??;
            Ok(stream::iter(batches.into_iter().map(Ok)))
        };
        Ok(Run::new(stream::once(batches).try_flatten().boxed(), progress, metrics))
    }
}
