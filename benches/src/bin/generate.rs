//! Makes up users and events, as Parquet files ready for `muster import`.
//!
//! A file of users and a file of events for each day. Deterministic by size and seed, whatever the number of threads. Memory is
//! bounded by a row group a thread.
#![allow(clippy::print_stdout, reason = "what a tool for the command line is for")]

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use muster_benches::{Result, Size, files};

/// Makes up users and events, as Parquet files ready for `muster import`.
#[derive(Debug, Parser)]
struct Args {
    /// The folder to write into; made if it is not there.
    #[arg(long)]
    out: PathBuf,
    /// How many users.
    #[arg(long, default_value_t = 2_000_000)]
    users: u64,
    /// How many events.
    #[arg(long, default_value_t = 50_000_000)]
    events: u64,
    /// Another seed, other data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let args = Args::parse();
    let size = Size { users: args.users.max(1), events: args.events, seed: args.seed };
    let started = Instant::now();
    let written = files::write_all(&args.out, size, args.threads.max(1))?;
    let seconds = started.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{} users and {written} events in {seconds:.1} s", size.users)?;
    Ok(())
}
