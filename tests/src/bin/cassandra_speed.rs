//! How fast profiles in Cassandra are written, read, scanned and mirrored: figures for docs/benchmarks.md.
//!
//! ```text
//! cassandra-speed [USERS]       1,000,000 unless given; Cassandra as `scripts/engines env` says
//! ```
//!
//! Users have six attributes. Their keyspace is made, and dropped at the end. Standard output has the section of docs/benchmarks.md, standard error
//! each figure as it comes.
#![allow(clippy::print_stdout, reason = "what a tool for the command line is for")]

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use query_backends::{Backend, CassandraBackend, MemoryBackend, Query, RunOptions};
use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::compile;
use segment_core::resolve::Library;
use segment_core::types::Type;
use segment_core::value::Value;
use store::cassandra::{Cassandra, CassandraProfiles, Keyspace};
use store::{AttributeWrite, CassandraConfig, Pinned, ProfileStore, ProfileWrite, Store, StoreConfig, Workspace};

/// The result of everything here.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Users of a measurement unless told otherwise.
const USERS: u64 = 1_000_000;
/// Users written by one call.
const BATCH: u64 = 10_000;
/// Users asked about one by one, and at once.
const POINTS: u64 = 20_000;
const POINTS_AT_ONCE: usize = 64;
/// Users that change before the mirror follows.
const CHANGED: u64 = 1_000;
/// A tree that most users are no members of.
const TWO_ATTRIBUTES: &str = r#"{"all":[{"attribute":"country","op":"is","value":"JP"},{"attribute":"age","op":"gte","value":40}]}"#;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let users = std::env::args().nth(1).map_or(Ok(USERS), |n| n.parse())?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(users))
}

fn config() -> Result<CassandraConfig> {
    let config = store::engines::cassandra(format!("cassandra_speed{}_", std::process::id()))?;
    Ok(CassandraConfig { mirror_age_max_s: 3600, ..config })
}

fn catalog() -> Result<Catalog> {
    let mut catalog = Catalog::new("UTC");
    for (name, ty) in [
        ("country", Type::String),
        ("plan", Type::String),
        ("age", Type::Integer),
        ("score", Type::Number),
        ("signed_up", Type::Timestamp),
        ("opted_in", Type::Boolean),
    ] {
        catalog.set_field(Scope::Attribute, name, &ty, Origin::Declared)?;
    }
    Ok(catalog)
}

fn user(i: u64) -> String {
    format!("user-{i:08}")
}

fn write(i: u64, written_at: i64) -> ProfileWrite {
    let pick = |of: &[&str]| Value::String(of.get((i % of.len() as u64) as usize).copied().unwrap_or_default().to_owned());
    let values = [
        ("country", pick(&["JP", "DE", "FR", "BR", "US", "IN", "NG"])),
        ("plan", pick(&["free", "pro", "team"])),
        ("age", Value::Integer((i % 80) as i64 + 10)),
        ("score", Value::Number((i % 1000) as f64 / 8.0)),
        ("signed_up", Value::Timestamp(1_700_000_000_000_000 + i as i64 * 1_000_003)),
        ("opted_in", Value::Boolean(i.is_multiple_of(3))),
    ];
    let attributes = values.into_iter().map(|(name, value)| (name.to_owned(), AttributeWrite::Value(value))).collect();
    ProfileWrite { user_id: user(i), attributes, written_at, first_seen_at: None, of_events: false }
}

/// The section of docs/benchmarks.md.
struct Section(String);

impl Section {
    fn new(users: u64) -> Result<Self> {
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default();
        let cores = std::thread::available_parallelism()?;
        Ok(Self(format!(
            "## Profiles in Cassandra\n\nWritten by `cassandra-speed {users}`, with one node on the same {cores} cores; load {load} at the start. {users} users with six \
             attributes.\n\n| what | how many | seconds | a second |\n|---|---:|---:|---:|\n"
        )))
    }

    fn add(&mut self, what: &str, count: u64, took: Duration) {
        let (seconds, rate) = (took.as_secs_f64(), count as f64 / took.as_secs_f64().max(1e-9));
        let row = format!("| {what} | {count} | {seconds:.2} | {rate:.0} |\n");
        // Nobody is told where nobody listens.
        let _ = std::io::stderr().write_all(row.as_bytes());
        self.0.push_str(&row);
    }
}

fn query(pinned: &Arc<Pinned>, condition: &str) -> Result<Query> {
    let checked = compile::check(condition, &pinned.catalog, &Library::default(), 1_800_000_000_000_000);
    let plan = checked.plan.ok_or_else(|| format!("{:?}", checked.diagnostics))?;
    Ok(Query::new(Arc::new(plan), pinned.clone()))
}

async fn count(backend: &dyn Backend, query: &Query, ids: bool) -> Result<(u64, Duration)> {
    let started = Instant::now();
    let mut run = backend.run(query, RunOptions { ids, ..RunOptions::default() }).await?;
    Ok((run.count().await?, started.elapsed()))
}

async fn measure(users: u64) -> Result<()> {
    let (config, folder, catalog) = (config()?, tempfile::tempdir()?, catalog()?);
    let settings = StoreConfig { cassandra: Some(config.clone()), ..StoreConfig::default() };
    let workspace = Store::open_with(folder.path(), settings).await?.create_workspace("default", "UTC").await?;
    let mut section = Section::new(users)?;
    let done = figures(&mut section, users, &config, &workspace, &catalog, folder.path()).await;
    let cassandra = Cassandra::connect(&config).await?;
    Keyspace::open(&cassandra, "default").await?.drop_all().await?;
    done?;
    print!("{}", section.0);
    Ok(())
}

async fn figures(
    section: &mut Section,
    users: u64,
    config: &CassandraConfig,
    workspace: &Workspace,
    catalog: &Catalog,
    folder: &std::path::Path,
) -> Result<()> {
    let started = Instant::now();
    let mut writer = workspace.begin_write().await?;
    for from in (0..users).step_by(BATCH as usize) {
        writer.upsert_profiles((from..users.min(from + BATCH)).map(|i| write(i, 1)).collect())?;
    }
    section.add("users given numbers and gathered", users, started.elapsed());
    let started = Instant::now();
    writer.commit(catalog.clone(), serde_json::Value::Null).await?;
    section.add("users written, and the mirror built", users, started.elapsed());

    let cassandra = Cassandra::connect(config).await?;
    let owner = std::fs::read_to_string(folder.join("profiles/default/cassandra.owner"))?;
    let elsewhere = tempfile::tempdir()?;
    let mut handle = CassandraProfiles::open(&cassandra, "default", &owner, catalog, elsewhere.path()).await?;
    let started = Instant::now();
    handle.mirror().refresh(catalog).await?;
    section.add("mirror built by a scan of all token ranges", users, started.elapsed());
    let started = Instant::now();
    handle.mirror().refresh(catalog).await?;
    section.add("mirror refreshed, with all users noted as changed lately", users, started.elapsed());

    let pinned = Arc::new(workspace.pin().await?);
    let backend = CassandraBackend::over(&cassandra);
    for (name, condition) in [("two attributes", TWO_ATTRIBUTES), ("everyone", r#"{"everyone":true}"#)] {
        let query = query(&pinned, condition)?;
        let (members, took) = count(&backend, &query, true).await?;
        section.add(&format!("rows of all token ranges scanned, {members} members: {name}"), users, took);
        let (again, took) = count(&MemoryBackend::new(), &query, true).await?;
        section.add(&format!("rows of the mirror scanned by the oracle: {name}"), users, took);
        if again != members {
            return Err(format!("{again} members instead of {members}").into());
        }
    }

    let query = query(&pinned, TWO_ATTRIBUTES)?;
    let evaluator = backend.evaluator(&query).await?;
    let started = Instant::now();
    for i in 0..POINTS / 20 {
        evaluator.evaluate(&user(i * 7919 % users)).await?;
    }
    section.add("point evaluations one after another", POINTS / 20, started.elapsed());
    let started = Instant::now();
    let asked = futures::stream::iter((0..POINTS).map(|i| {
        let (evaluator, id) = (evaluator.clone(), user(i * 7919 % users));
        async move { evaluator.evaluate(&id).await }
    }));
    let mut asked = asked.buffer_unordered(POINTS_AT_ONCE);
    while let Some(answer) = asked.next().await {
        answer?;
    }
    section.add(&format!("point evaluations, {POINTS_AT_ONCE} at once"), POINTS, started.elapsed());

    let started = Instant::now();
    handle.upsert((0..CHANGED).map(|i| write(i * 991 % users, 2)).collect()).await?;
    section.add("users written through a handle", CHANGED, started.elapsed());
    Ok(())
}
