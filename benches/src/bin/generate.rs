//! Makes up users and events, as Parquet files ready for `muster import`.
//!
//! A file of users and a file of events for each day. Deterministic by size and seed, whatever the number of threads. Memory is
//! bounded by a row group a thread.
#![allow(clippy::print_stdout, reason = "what a tool for the command line is for")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use clap::Parser;
use muster_benches::events::{self, DAYS, Events};
use muster_benches::files::{BATCH_ROWS, write};
use muster_benches::{Result, Size, users};

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
    std::fs::create_dir_all(&args.out)?;
    let started = Instant::now();
    write(&args.out.join("users.parquet"), users::schema(), &["user_id"], users::batches(size, BATCH_ROWS))?;
    let written = write_days(&args.out, &Events::new(size), args.threads.max(1))?;
    let seconds = started.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{} users and {written} events in {seconds:.1} s", size.users)?;
    Ok(())
}

/// Writes all days, each thread taking the next one; the events written.
fn write_days(out: &Path, events: &Events, threads: usize) -> Result<u64> {
    let next = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let work = || -> Result<u64> {
            let mut written = 0;
            loop {
                let day = next.fetch_add(1, Ordering::Relaxed);
                if day >= DAYS {
                    return Ok(written);
                }
                let path = out.join(format!("events-{day:02}.parquet"));
                written += write(&path, events::schema(), &["user_id", "message_id"], events.batches(day, BATCH_ROWS))?;
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|w| w.join().map_err(|_| "a thread of the generator panicked")?).sum()
    })
}
