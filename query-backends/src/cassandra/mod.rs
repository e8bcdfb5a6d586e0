//! Trees without event leaves, over the profiles in Cassandra as they are now: no mirror, no lake.
//!
//! In: a plan and the pinned state whose catalog and lists it refers to. Out: members, in no order. One user is decided by one read of their row
//! ([`CassandraBackend::evaluate`]). Everybody is found by reading ranges of tokens, several at once, page by page; where a storage-attached index answers a
//! comparison that every member must meet, only the rows that it finds are read. Whatever is read, the whole tree is evaluated over each row by
//! [`segment_core::eval`], so an index decides what is read and never who is a member.
//!
//! Memory: a page for each range that is read, the batches not yet taken, and the members of the lists that the tree names.
//!
//! Deliberately absent: event leaves, which are `Unsupported` as Cassandra has no history of events; `ALLOW FILTERING`; a state of one instant: rows
//! are read one after another while others write.

mod error;
mod lists;
mod pushdown;
mod scan;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use async_trait::async_trait;
use segment_core::eval::{self, Lists, User};
use segment_core::plan::Plan;
use store::cassandra::{Cassandra, Keyspace, ProfileReader, ReadOptions, Stored};
use store::{CassandraConfig, Pinned};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Capabilities, Explanation, Query, Reading, Run, RunOptions};
use crate::error::{BackendError, ErrorKind, Result};
use crate::memory::fields::Fields;
use crate::state::pinned;
use error::{failed, refused};
use pushdown::{Pushdown, Pushed};
use scan::Scan;

/// The backend over profiles in Cassandra. Connects when it is first used. Cheap to clone.
#[derive(Clone)]
pub struct CassandraBackend {
    config: Arc<CassandraConfig>,
    connection: Arc<OnceCell<Arc<Cassandra>>>,
}

impl std::fmt::Debug for CassandraBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CassandraBackend").field("contact_points", &self.config.contact_points).finish_non_exhaustive()
    }
}

impl CassandraBackend {
    /// What it can do.
    pub const CAPABILITIES: Capabilities =
        Capabilities { dialect: None, strategies: &[], sorted: false, events_max: None, events: false, bound: false };

    /// A backend that connects when it is first used, and again if that failed.
    pub fn new(config: &CassandraConfig) -> Self {
        Self { config: Arc::new(config.clone()), connection: Arc::default() }
    }

    /// A backend over a connection that is there.
    pub fn over(connection: &Arc<Cassandra>) -> Self {
        let cell = OnceCell::new_with(Some(connection.clone()));
        Self { config: Arc::new(connection.config().clone()), connection: Arc::new(cell) }
    }

    /// Whether one user is a member now: one read of their row. To ask about many users, make an [`Evaluator`] once.
    ///
    /// # Errors
    ///
    /// As [`Backend::run`].
    pub async fn evaluate(&self, query: &Query, user_id: &str) -> Result<bool> {
        self.evaluator(query).await?.evaluate(user_id).await
    }

    /// A plan made ready to be asked about one user after another.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a plan that looks at events, `Rejected` without a pinned state or for a workspace without profiles in Cassandra.
    pub async fn evaluator(&self, query: &Query) -> Result<Evaluator> {
        let prepared = self.prepare(query, &CancellationToken::new()).await?;
        let reader = prepared.reader(Vec::new()).await?;
        Ok(Evaluator { tree: prepared.tree, reader })
    }

    async fn prepare(&self, query: &Query, cancel: &CancellationToken) -> Result<Prepared> {
        if query.plan.reads_events() {
            let what =
                "Cassandra holds what users are now, not what they did: a tree that looks at events needs another backend (parquet, trino)";
            return Err(BackendError::new(ErrorKind::Unsupported, what));
        }
        let state = pinned(query)?;
        let connecting = self.connection.get_or_try_init(|| Cassandra::connect(&self.config));
        let connection = connecting.await.map_err(|e| failed("connect to Cassandra", e))?.clone();
        let keyspace = Keyspace::open(&connection, &state.workspace).await.map_err(|e| failed("find the workspace's profiles", e))?;
        let lists = lists::read(state, &query.plan, cancel).await?;
        let Some(pinned) = query.pinned.clone() else { return Err(refused("the query names no pinned state, which this backend reads")) };
        Ok(Prepared { tree: Arc::new(Tree { plan: query.plan.clone(), lists }), connection, keyspace, pinned })
    }
}

/// What members are decided by.
struct Tree {
    plan: Arc<Plan>,
    lists: Lists,
}

impl Tree {
    fn is_member(&self, stored: Stored) -> Option<(i64, String)> {
        let user = User {
            user_id: stored.user_id,
            first_seen_at: stored.first_seen_at,
            last_seen_at: stored.last_seen_at,
            attributes: stored.attributes,
            events: Vec::new(),
        };
        eval::is_member(&self.plan, &user, &self.lists).then(|| (stored.user_no.cast_signed(), user.user_id))
    }
}

/// A plan and where its rows are.
struct Prepared {
    tree: Arc<Tree>,
    connection: Arc<Cassandra>,
    keyspace: Keyspace,
    pinned: Arc<Pinned>,
}

impl Prepared {
    async fn reader(&self, bounds: Vec<store::cassandra::Bound>) -> Result<ProfileReader> {
        let attributes = Fields::of(&self.tree.plan).attributes;
        let options = ReadOptions { attributes: Some(attributes), raw: false, zone: Some(self.tree.plan.zone.clone()), bounds };
        ProfileReader::open(&self.keyspace, &self.pinned.catalog, options).await.map_err(|e| failed("read profiles", e))
    }

    async fn pushdown(&self) -> Result<Pushdown> {
        let indexes = store::cassandra::indexes(&self.keyspace).await.map_err(|e| failed("read the indexes of profiles", e))?;
        Ok(pushdown::of(&self.tree.plan, &indexes))
    }

    async fn scan(&self) -> Result<Scan> {
        let pushdown = self.pushdown().await?;
        let bounds: Vec<_> = pushdown.pushed.iter().flat_map(|p| p.bounds.clone()).collect();
        let all = self.reader(Vec::new()).await?;
        let indexed = if bounds.is_empty() { None } else { Some(self.reader(bounds).await?) };
        Ok(Scan { tree: self.tree.clone(), connection: self.connection.clone(), indexed, all, rows: self.pinned.profiles.rows })
    }
}

/// A plan that can be asked about one user after another. Cheap to clone.
#[derive(Clone)]
pub struct Evaluator {
    tree: Arc<Tree>,
    reader: ProfileReader,
}

impl Evaluator {
    /// Whether the user is a member now. Somebody who is not a user is none.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Timeout` and `Overloaded`, as Cassandra is.
    pub async fn evaluate(&self, user_id: &str) -> Result<bool> {
        let stored = self.reader.get(user_id).await.map_err(|e| failed("read a profile", e))?;
        Ok(stored.is_some_and(|stored| self.tree.is_member(stored).is_some()))
    }
}

#[async_trait]
impl Backend for CassandraBackend {
    fn name(&self) -> &'static str {
        "cassandra"
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    async fn explain(&self, query: &Query) -> Result<Explanation> {
        let prepared = self.prepare(query, &CancellationToken::new()).await?;
        let pushdown = prepared.pushdown().await?;
        let estimate = store::cassandra::estimate(&prepared.keyspace).await.map_err(|e| failed("estimate the size of profiles", e))?;
        let users = prepared.pinned.profiles.rows;
        Ok(Explanation {
            sql: None,
            plan: describe(&pushdown, estimate, users, prepared.keyspace.name()),
            windows: query.plan.windows.clone(),
            scans: Vec::new(),
            events: Reading::default(),
            profiles: Reading { rows: estimate.unwrap_or(users), ..Reading::default() },
            users,
            profiles_as_of: None,
        })
    }

    async fn run(&self, query: &Query, options: RunOptions) -> Result<Run> {
        let started = Instant::now();
        let (cancel, progress, metrics) = (options.cancel, options.progress, Arc::new(OnceLock::new()));
        let preparing = async { self.prepare(query, &cancel).await?.scan().await };
        let scan = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(BackendError::cancelled()),
            scan = preparing => scan?,
        };
        let users = scan.start(options.ids, started, cancel, progress.clone(), metrics.clone())?;
        Ok(Run::new(users, progress, metrics))
    }
}

fn describe(pushdown: &Pushdown, estimate: Option<u64>, users: u64, keyspace: &str) -> String {
    let mut out = format!("Reads the table of profiles in keyspace {keyspace}, as it is now.\n");
    let rows = estimate.map_or("not estimated by Cassandra yet".to_owned(), |n| format!("about {n}, as Cassandra estimates"));
    out.push_str(&format!("Rows: {rows}.\n"));
    let ranges = scan::ranges(users, !pushdown.pushed.is_empty());
    out.push_str(&format!("Token ranges: {ranges}, {} at once.\n", scan::RANGES_AT_ONCE));
    for Pushed { index, what, .. } in &pushdown.pushed {
        out.push_str(&format!("Read through index {index}: {what}.\n"));
    }
    for unready in &pushdown.unready {
        out.push_str(&format!("Index {unready} is not built yet and not used.\n"));
    }
    out.push_str("Residual: the whole tree is evaluated over each row that is read.\n");
    out
}
