//! The SQL's shapes on Trino: what each costs, and what it reads.
//!
//! In: engines that run, as `scripts/engines env` names them. Segments of the demo and of the generator run in every shape over the shared lake, and
//! those of the generator over its files where they were written as well, in turns; every answer must have the same ids. Out: a section of docs/benchmarks.md. `scripts/bench-engines` (`make bench-engines`) starts it.
//! Deliberately absent: Cassandra, which `cassandra-speed` of the tests measures.
#![allow(clippy::print_stdout, reason = "what a tool for the command line is for")]

mod client;
mod data;
mod in_place;
mod measure;
mod report;
mod shapes;

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use muster_benches::report::{machine, replaced};
use muster_benches::{Result, Size, chain};
use query_backends::{TrinoBackend, TrinoConfig};
use store::StoreConfig;

use self::client::Client;
use self::data::DataSet;
use self::measure::Bench;

/// Users and events that are made up, and timed runs, unless told otherwise.
const USERS: u64 = 200_000;
const EVENTS: u64 = 5_000_000;
const RUNS: usize = 5;
/// The same with `--quick`.
const QUICK_USERS: u64 = 5_000;
const QUICK_EVENTS: u64 = 100_000;
const QUICK_RUNS: usize = 1;

/// Measures the SQL's shapes on Trino.
#[derive(Debug, Parser)]
struct Args {
    /// Users made up.
    #[arg(long, default_value_t = USERS)]
    users: u64,
    /// Events made up.
    #[arg(long, default_value_t = EVENTS)]
    events: u64,
    /// Another seed, other data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Timed runs of each query, after one to warm up.
    #[arg(long, default_value_t = RUNS)]
    runs: usize,
    /// Little data and one run: whether it works at all.
    #[arg(long)]
    quick: bool,
    /// Only segments whose name contains this.
    #[arg(long, default_value = "")]
    segments: String,
    /// Writes the report into this file, in place of its section "Engines".
    #[arg(long)]
    out: Option<PathBuf>,
    /// The repository, for its data and segments.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// Begins the names of the workspaces; nobody else who shares the lake may have it. By default one that holds the process's id.
    #[arg(long)]
    workspace: Option<String>,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(Args::parse())));
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            say(&format!("bench-engines: {}", chain(e.as_ref())));
            std::process::ExitCode::FAILURE
        }
    }
}

/// Tells how far it is. Nobody is told where nobody listens.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

async fn run(mut args: Args) -> Result<()> {
    if args.quick {
        (args.users, args.events, args.runs) = (QUICK_USERS, QUICK_EVENTS, QUICK_RUNS);
    }
    let machine = machine();
    let (trino, store) = (TrinoConfig::of_engines()?, StoreConfig { lake: Some(store::engines::lake()?), ..StoreConfig::default() });
    let bench = Bench { client: Client::new(&trino)?, backend: TrinoBackend::new(&trino)?, catalog: trino.catalog, runs: args.runs.max(1) };
    let trino = bench.backend.check().await?;
    let folder = tempfile::tempdir()?;
    let prefix = args.workspace.clone().unwrap_or_else(|| format!("bench_{}", std::process::id()));
    let place = data::Place { store, folder: folder.path().to_owned(), root: args.root.clone(), prefix, wanted: args.segments };
    let size = Size { users: args.users.max(1), events: args.events, seed: args.seed };
    let (retail, made) = (data::retail(&place).await?, data::made(&place, size).await?);
    let in_place = match &made {
        Some(made) => Some(in_place::bound(&place, made).await?),
        None => None,
    };
    let sets: [Option<DataSet>; 3] = [retail, made, in_place];
    let mut measured = Vec::new();
    for set in sets.into_iter().flatten() {
        let mut rows = Vec::new();
        for (name, condition) in &set.segments {
            let row = bench.segment(&set, name, condition).await?;
            say(&report::line(&row));
            rows.push(row);
        }
        measured.push((set, rows));
    }
    let text = report::markdown(&report::Report { sets: &measured, trino: &trino, machine: &machine, runs: bench.runs, size });
    match &args.out {
        Some(path) => {
            let before = std::fs::read_to_string(path)?;
            std::fs::write(path, replaced(&before, report::HEADING, &text))?;
            say(&format!("written to {}", path.display()));
        }
        None => write!(std::io::stdout(), "{text}")?,
    }
    Ok(())
}
