//! A connection to a cluster, with threads of its own, so that callers with and without a runtime can use it.

use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::response::query_result::{QueryResult, QueryRowsResult};
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::batch::BatchValues;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::Batch;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::runtime::Runtime;

use super::error::{CassandraError, CassandraFault};
use crate::config::CassandraConfig;
use crate::error::{Result, StoreError};

/// How long a connection may take to come about, and all of them to the first node that answers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one request may take. Readers of the table of changes count on it (see [`super::changes`]).
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A request that may be repeated is tried so often, with pauses that begin with this and grow fourfold.
const ATTEMPTS: u32 = 4;
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// How often the driver asks whether a connection lives, and how long it waits for the answer.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long nodes may take to agree on a schema.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(60);
/// Threads of the connection.
const THREADS_MAX: usize = 4;

/// A connected cluster. Shared by everything that reads or writes profiles in it.
pub struct Cassandra {
    session: Session,
    config: CassandraConfig,
    datacenter: String,
    threads: Threads,
}

impl std::fmt::Debug for Cassandra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cassandra").field("contact_points", &self.config.contact_points).finish_non_exhaustive()
    }
}

/// Threads that end with it. Nothing waits for them, so it may go with a future that is dropped.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Threads {
    fn start() -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("muster-cassandra")
            .enable_all()
            .build()
            .map_err(|e| StoreError::unavailable("cannot start the threads of the connection to Cassandra", e))?;
        Ok(Self(Some(runtime)))
    }

    fn runtime(&self) -> Result<&Runtime> {
        self.0.as_ref().ok_or_else(closed)
    }
}

impl Cassandra {
    /// Connects to the first node that answers; the others are found through it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if none answers in time, the credentials do not suffice, or the local datacenter has no node.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is left of it.
    pub async fn connect(config: &CassandraConfig) -> Result<Arc<Self>> {
        if config.contact_points.is_empty() {
            return Err(StoreError::Invalid("[cassandra] names no contact_points".to_owned()));
        }
        let (threads, settings) = (Threads::start()?, config.clone());
        let opening = threads.runtime()?.spawn(async move { tokio::time::timeout(OPEN_TIMEOUT, open(&settings)).await });
        let what = || format!("cannot connect to Cassandra at {}", config.contact_points.join(", "));
        let opened = match opening.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(_)) => {
                let text = format!("no answer within {} s", OPEN_TIMEOUT.as_secs());
                Err(CassandraError::new(CassandraFault::Unreachable, text))
            }
            Err(e) => Err(CassandraError::new(CassandraFault::Refused, e.to_string())),
        };
        let (session, datacenter) = opened.map_err(|e| StoreError::unavailable(what(), e))?;
        Ok(Arc::new(Self { session, config: config.clone(), datacenter, threads }))
    }

    /// How it was connected.
    pub fn config(&self) -> &CassandraConfig {
        &self.config
    }

    /// The datacenter whose nodes are asked.
    pub fn datacenter(&self) -> &str {
        &self.datacenter
    }

    /// Runs a future on the connection's threads; dropping this one stops that one.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        self.spawn(work)?.done().await
    }

    /// Starts a future on the connection's threads; it ends with the task.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the connection is being closed.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<Task<T>> {
        Ok(Task(Some(self.threads.runtime()?.spawn(work))))
    }

    /// The same, blocking the thread that calls.
    pub(crate) fn wait<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        self.threads.runtime()?.spawn(async move {
            // Whoever waits is there until it has the answer.
            let _ = send.send(work.await);
        });
        receive.recv().unwrap_or_else(|e| Err(StoreError::unavailable("work on Cassandra was broken off", e)))
    }

    /// Prepares a statement that may be repeated.
    pub(crate) async fn prepare(&self, cql: String, what: &str) -> Result<PreparedStatement> {
        let prepared = self.retrying(what, || async { Ok(self.session.prepare(cql.as_str()).await?) }).await;
        let mut prepared = prepared?;
        prepared.set_is_idempotent(true);
        Ok(prepared)
    }

    /// Runs a statement that changes the schema, and waits until the nodes agree.
    pub(crate) async fn change_schema(&self, cql: String, what: &str) -> Result<()> {
        self.retrying(what, || async { Ok(self.session.query_unpaged(cql.as_str(), ()).await?) }).await.map(|_| ())
    }

    /// Runs a statement that may be repeated.
    pub(crate) async fn execute(&self, prepared: &PreparedStatement, values: &impl SerializeRow, what: &str) -> Result<QueryResult> {
        self.retrying(what, || async { Ok(self.session.execute_unpaged(prepared, values).await?) }).await
    }

    /// Runs a batch that may be repeated.
    pub(crate) async fn batch(&self, batch: &Batch, values: &impl BatchValues, what: &str) -> Result<QueryResult> {
        self.retrying(what, || async { Ok(self.session.batch(batch, values).await?) }).await
    }

    /// Reads one page.
    pub(crate) async fn page(
        &self,
        prepared: &PreparedStatement,
        values: &impl SerializeRow,
        from: PagingState,
        what: &str,
    ) -> Result<(QueryRowsResult, Option<PagingState>)> {
        let read = || async { Ok(self.session.execute_single_page(prepared, values, from.clone()).await?) };
        let (result, next) = self.retrying(what, read).await?;
        let next = match next {
            PagingStateResponse::HasMorePages { state } => Some(state),
            PagingStateResponse::NoMorePages => None,
        };
        Ok((rows_of(result, what)?, next))
    }

    async fn retrying<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, CassandraError>>,
    {
        let mut pause = PAUSE_FIRST;
        for _ in 1..ATTEMPTS {
            match attempt().await {
                Err(e) if e.fault.is_retryable() => tokio::time::sleep(pause).await,
                done => return done.map_err(|e| e.during(what)),
            }
            pause *= 4;
        }
        attempt().await.map_err(|e| e.during(what))
    }
}

/// The rows of an answer.
pub(crate) fn rows_of(result: QueryResult, what: &str) -> Result<QueryRowsResult> {
    result.into_rows_result().map_err(|e| CassandraError::new(CassandraFault::Refused, e.to_string()).during(what))
}

fn closed() -> StoreError {
    StoreError::Unavailable { what: "the connection to Cassandra is closed".to_owned(), source: None }
}

/// A task that ends with its handle.
#[derive(Debug)]
pub struct Task<T>(Option<tokio::task::JoinHandle<T>>);

impl<T> Task<Result<T>> {
    /// Waits for it so long at most; then it goes on by itself, and there is nothing.
    pub(crate) async fn done_within(mut self, wait: Duration) -> Option<Result<T>> {
        let Some(handle) = &mut self.0 else { return None };
        let done = tokio::time::timeout(wait, handle).await;
        self.0 = None;
        Some(done.ok()?.unwrap_or_else(|e| Err(broken_off(e))))
    }

    pub(crate) async fn done(mut self) -> Result<T> {
        match &mut self.0 {
            Some(handle) => handle.await.unwrap_or_else(|e| Err(broken_off(e))),
            None => Err(closed()),
        }
    }
}

fn broken_off(error: tokio::task::JoinError) -> StoreError {
    StoreError::unavailable("work on Cassandra was broken off", error)
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

async fn open(config: &CassandraConfig) -> std::result::Result<(Session, String), CassandraError> {
    let session = build(config, config.local_datacenter.clone()).await?;
    let found = session.query_unpaged("SELECT data_center FROM system.local", ()).await?;
    let text = |e: &dyn std::error::Error| CassandraError::new(CassandraFault::Refused, e.to_string());
    let (local,) = found.into_rows_result().map_err(|e| text(&e))?.first_row::<(String,)>().map_err(|e| text(&e))?;
    let datacenter = config.local_datacenter.clone().unwrap_or(local);
    let state = session.get_cluster_state();
    let known: Vec<&str> = state.get_nodes_info().iter().filter_map(|n| n.datacenter.as_deref()).collect();
    if !known.contains(&datacenter.as_str()) {
        let text = format!("no node is in the datacenter \"{datacenter}\" that [cassandra] names; there are {known:?}");
        return Err(CassandraError::new(CassandraFault::Refused, text));
    }
    Ok((session, datacenter))
}

async fn build(config: &CassandraConfig, datacenter: Option<String>) -> std::result::Result<Session, CassandraError> {
    let mut policy = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = datacenter {
        policy = policy.prefer_datacenter(datacenter);
    }
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
        .request_timeout(Some(REQUEST_TIMEOUT))
        .load_balancing_policy(policy.build())
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&config.contact_points)
        .connection_timeout(CONNECT_TIMEOUT)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE)
        .schema_agreement_timeout(SCHEMA_TIMEOUT)
        .fetch_schema_metadata(true)
        .default_execution_profile_handle(profile.into_handle());
    if let (Some(user), Some(password)) = (&config.user, &config.password) {
        builder = builder.user(user, password.reveal());
    }
    Ok(builder.build().await?)
}
