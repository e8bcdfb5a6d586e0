//! Muster as a peer of the benchmark: the embedded engine in a process that stays, asked over standard input.
//!
//! A request is a line of JSON, and so is its answer. `{"describe": true}`: the lake's files and the names of its columns, so that
//! others can read the very same files. `{"condition": …, "as_of": "…", "strategy": "…", "hash": true}`: runs a condition.
//!
//! Timed is what a service does for each request: pinning the state, compiling, running, until the last batch of ids. Not timed:
//! sorting the ids and the hash by which answers are compared.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, StringArray};
use clap::Parser;
use futures::StreamExt;
use muster_benches::{Result, ids};
use query_backends::{Backend, ParquetBackend, ParquetConfig, Query, RunMetrics, RunOptions};
use segment_core::catalog::{Catalog, Scope};
use segment_core::compile;
use segment_core::lower::Strategy;
use segment_core::resolve::Library;
use segment_core::time::{Zone, parse_instant};
use serde_json::{Value, json};
use store::{EventRead, Pinned, Store, Workspace};

/// Runs conditions for the benchmark.
#[derive(Debug, Parser)]
struct Args {
    /// The data directory.
    #[arg(long)]
    data: PathBuf,
    /// The workspace.
    #[arg(long, default_value = "default")]
    workspace: String,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let args = Args::parse();
    // One thread waits for the engine's; those do the work.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let config = ParquetConfig { threads: args.threads, ..ParquetConfig::default() };
    let peer = runtime.block_on(Peer::open(&args, config))?;
    for line in std::io::stdin().lock().lines() {
        let answer = match runtime.block_on(peer.answer(&serde_json::from_str(&line?)?)) {
            Ok(answer) => answer,
            Err(e) => json!({ "error": muster_benches::chain(e.as_ref()) }),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

struct Peer {
    workspace: Workspace,
    backend: ParquetBackend,
}

impl Peer {
    async fn open(args: &Args, config: ParquetConfig) -> Result<Self> {
        let store = Store::open_existing(&args.data).await?;
        let workspace = store.workspace(&args.workspace).await?.ok_or("there is no such workspace")?;
        Ok(Self { workspace, backend: ParquetBackend::new(&config)? })
    }

    async fn answer(&self, request: &Value) -> Result<Value> {
        if request.get("describe").is_some() {
            return describe(&self.workspace.pin().await?).await;
        }
        let text = |key: &str| request.get(key).and_then(Value::as_str);
        let strategy = match text("strategy") {
            Some(name) => Some(Strategy::ALL.into_iter().find(|s| s.name() == name).ok_or("there is no such strategy")?),
            None => None,
        };
        let condition = request.get("condition").ok_or("a condition is missing")?.to_string();
        let hashed = request.get("hash").and_then(Value::as_bool).unwrap_or(false);
        self.run(&condition, text("as_of").ok_or("as_of is missing")?, strategy, hashed).await
    }

    async fn run(&self, condition: &str, as_of: &str, strategy: Option<Strategy>, hashed: bool) -> Result<Value> {
        let as_of = parse_instant(as_of, &Zone::utc()).ok_or("as_of is no instant")?;
        let started = Instant::now();
        let pinned = self.workspace.pin().await?;
        let pinned_after = started.elapsed();
        let library = Library { segments: pinned.segments.clone(), lists: pinned.lists.keys().cloned().collect() };
        let checked = compile::check(condition, &pinned.catalog, &library, as_of);
        let plan = checked.plan.ok_or_else(|| format!("the condition has faults: {:?}", checked.diagnostics))?;
        let mut query = Query::new(Arc::new(plan), Arc::new(pinned));
        query.strategy = strategy;
        let checked_after = started.elapsed();
        let mut run = self.backend.run(&query, RunOptions::default()).await?;
        let mut batches: Vec<StringArray> = Vec::new();
        while let Some(batch) = run.users.next().await {
            batches.extend(batch?.ids);
        }
        let elapsed = started.elapsed();
        let members: usize = batches.iter().map(Array::len).sum();
        let md5 = hashed.then(|| ids::hash(batches.iter().flat_map(|b| b.iter().flatten()).collect()));
        let metrics = run.metrics().cloned().unwrap_or_default();
        Ok(json!({
            "seconds": elapsed.as_secs_f64(), "members": members, "md5": md5,
            "pin_ms": ms(pinned_after), "check_ms": ms(checked_after - pinned_after), "metrics": shown(&metrics),
        }))
    }
}

fn shown(metrics: &RunMetrics) -> Value {
    let stages: Vec<Value> = metrics.stages.iter().map(|s| json!({ "stage": s.name, "ms": ms(s.time) })).collect();
    json!({
        "rows_read": metrics.rows_read, "bytes_read": metrics.bytes_read, "row_groups_read": metrics.row_groups_read,
        "row_groups_skipped": metrics.row_groups_skipped, "elapsed_ms": ms(metrics.elapsed), "stages": stages,
    })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The lake's files, and the stored column of each property and attribute.
async fn describe(pinned: &Pinned) -> Result<Value> {
    let everything = EventRead { names: None, prefix: None, start: None, end: i64::MAX };
    let plan = pinned.events.plan(&[everything]).await?;
    let events: Vec<_> = plan.files.iter().map(|f| f.place.to_string()).collect();
    let profiles: Vec<_> = pinned.profiles.files.iter().map(|f| f.path.display().to_string()).collect();
    Ok(json!({
        "events": events, "event_rows": plan.rows_total, "event_bytes": plan.bytes_total,
        "profiles": profiles, "profile_rows": pinned.profiles.rows,
        "profile_bytes": pinned.profiles.files.iter().map(|f| f.size_bytes).sum::<u64>(),
        "properties": columns(&pinned.catalog, Scope::Property), "attributes": columns(&pinned.catalog, Scope::Attribute),
    }))
}

fn columns(catalog: &Catalog, scope: Scope) -> Value {
    let fields = catalog.fields(scope).iter();
    let named = fields.filter_map(|(name, field)| field.columns.first().map(|c| (name.clone(), Value::from(c.name.clone()))));
    named.collect::<serde_json::Map<_, _>>().into()
}
