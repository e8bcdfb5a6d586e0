//! How fast the log is: `cargo run --release -p ingest --no-default-features --example log_speed -- FOLDER [SECONDS]`.
//!
//! Single appends by 64 clients, to the log and through the recognition of duplicates, then batches of 200 by 8 clients, each of 500 bytes. In FOLDER,
//! which is to be on the disk that is measured, it makes a folder and removes it.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ingest::log::disk::RealDisk;
use ingest::log::{LocalLog, Log, LogOptions, LogResult, Record};
use ingest::seen::{Intake, SeenOptions, key};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const EVENT: [u8; 500] = [b'e'; 500];

#[derive(Clone)]
enum Target {
    Log(Arc<LocalLog>),
    Intake(Intake),
}

impl Target {
    async fn append(&self, records: Vec<Record>) -> LogResult<()> {
        match self {
            Self::Log(log) => log.append(records).await.map(|_| ()),
            Self::Intake(intake) => intake.append(records).await.map(|_| ()),
        }
    }
}

async fn measure(folder: &Path, name: &str, deduplicated: bool, clients: usize, batch: usize, time: Duration) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    let (log, _) = LocalLog::open(&folder.path().join("log"), LogOptions::default()).await?;
    let log = Arc::new(log);
    let target = if deduplicated {
        let seen = folder.path().join("seen");
        Target::Intake(Intake::open(Arc::clone(&log) as Arc<dyn Log>, &seen, SeenOptions::default(), Arc::new(RealDisk)).await?.0)
    } else {
        Target::Log(Arc::clone(&log))
    };
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let workers: Vec<_> = (0..clients)
        .map(|client| {
            let target = target.clone();
            tokio::spawn(async move {
                let (mut took, mut sent) = (Vec::new(), 0);
                while start.elapsed() < time {
                    let record = |n| Record { received_at: n, key: key("w", &format!("{client}-{n}")), bytes: Bytes::from_static(&EVENT) };
                    let records = (sent..sent + batch as i64).map(record).collect();
                    let begun = Instant::now();
                    target.append(records).await?;
                    took.push(begun.elapsed());
                    sent += batch as i64;
                }
                Ok::<_, ingest::log::LogError>(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for worker in workers {
        took.extend(worker.await??);
    }
    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    took.sort_unstable();
    let events = (took.len() * batch) as f64;
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let state = log.state();
    writeln!(
        std::io::stdout().lock(),
        "{name}: {:.0} events/s, append p50 {:.1} ms, p99 {:.1} ms; {} syncs, {:.2} ms each; {:.1} µs of CPU an event; {} MiB of memory",
        events / elapsed,
        at(0.5),
        at(0.99),
        state.commits,
        state.sync_us as f64 / state.commits.max(1) as f64 / 1e3,
        cpu * 1e6 / events,
        resident_bytes()? >> 20,
    )?;
    log.close().await;
    Ok(())
}

/// Time of all threads so far, from Linux's `/proc`.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields.iter().skip(11).take(2).map(|field| field.parse::<f64>()).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}

fn resident_bytes() -> Result<u64, Failure> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm")?.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(pages * 4096)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder? It is to be on the disk that is measured")?;
    let time = Duration::from_secs(arguments.next().map_or(Ok(10), |seconds| seconds.parse())?);
    let folder = Path::new(&folder);
    measure(folder, "single appends, 64 clients", false, 64, 1, time).await?;
    measure(folder, "the same, duplicates recognised", true, 64, 1, time).await?;
    measure(folder, "batches of 200, 8 clients, duplicates recognised", true, 8, 200, time).await
}
