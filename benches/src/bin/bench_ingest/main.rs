//! How fast a server collects: events one a request, in batches and in lines, each answered when durable; its memory under a steady rate; users read back
//! meanwhile; and how soon what it acknowledged is counted.
//!
//! In: the address of a server, its keys and data directory, and its process id, for its processor time and memory. Out: a section of docs/benchmarks.md.
//! `scripts/bench-ingest` (`make bench-ingest`) starts the server. The load comes from the same machine, so it takes part of the processors;
//! what the server took is measured by itself. Deliberately absent: whether all events can be found afterwards, which tests see to.
#![allow(clippy::print_stdout, reason = "what a tool for the command line is for")]

mod bodies;
mod connection;
mod counts;
mod fresh;
mod load;
mod process;
mod reads;
mod report;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use muster_benches::report::{machine, replaced};
use muster_benches::{Result, chain};

use self::bodies::Shape;
use self::load::Load;

/// Events of a batch of Segment's API: that many of these fit into its 500 KB.
const BATCH: usize = 500;
/// Events of a request of lines.
const LINES: usize = 5_000;
/// Events a second of the steady load.
const STEADY_RATE: u64 = 2_000;

/// Measures how fast a server collects.
#[derive(Debug, Parser)]
struct Args {
    /// Where it listens.
    #[arg(long)]
    to: SocketAddr,
    /// A write key.
    #[arg(long)]
    key: String,
    /// A read key of the same workspace.
    #[arg(long)]
    read_key: String,
    /// Its data directory, of which the workspace is `default`.
    #[arg(long)]
    data: PathBuf,
    /// Its process id.
    #[arg(long)]
    pid: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Seconds of the steady load.
    #[arg(long, default_value_t = 600)]
    steady_seconds: u64,
    /// Connections of single events.
    #[arg(long, default_value_t = 128)]
    connections: usize,
    /// Users made up.
    #[arg(long, default_value_t = 200_000)]
    users: u64,
    /// Writes the report into this file, in place of its section "Collecting".
    #[arg(long)]
    out: Option<PathBuf>,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(Args::parse())));
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            println!("bench-ingest: {}", chain(e.as_ref()));
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<()> {
    let machine = machine();
    let time = Duration::from_secs(args.seconds);
    let load = |name, shape, connections, rate, time| Load { name, shape, connections, rate, time };
    let loads = [
        load("events, one a request", Shape::Single, args.connections, None, time),
        load("batches of 500", Shape::Batch(BATCH), 8, None, time),
        load("5,000 lines a request", Shape::Lines(LINES), 4, None, time),
        load("events, one a request, 2,000 a second", Shape::Single, 16, Some(STEADY_RATE), Duration::from_secs(args.steady_seconds)),
    ];
    let (mut rows, mut read) = (Vec::new(), Vec::new());
    for load in loads {
        // Reads go beside what comes one by one: at full speed, and steadily.
        let row = if let Shape::Single = load.shape {
            let (row, reads) = tokio::try_join!(load::run(load, &args), reads::beside(load.name, &args, load.time))?;
            read.push(reads);
            row
        } else {
            load::run(load, &args).await?
        };
        println!("{}", report::line(&row));
        rows.push(row);
    }
    let fresh = fresh::run(&args, STEADY_RATE, time).await?;
    let counted = counts::run(&args, &args.data, STEADY_RATE, time).await?;
    let text = report::section(&rows, &read, [&fresh, &counted], &machine);
    match &args.out {
        Some(path) => std::fs::write(path, replaced(&std::fs::read_to_string(path)?, report::HEADING, &text))?,
        None => println!("\n{text}"),
    }
    Ok(())
}
