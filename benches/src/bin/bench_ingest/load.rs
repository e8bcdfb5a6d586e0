//! A load: connections that ask as fast as they are answered, or at a rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use muster_benches::Result;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use super::Args;
use super::bodies::{Maker, Shape};
use super::connection::Connection;
use super::process::used;

/// Longest latency that is told apart, in microseconds.
pub const LATENCY_US_MAX: u64 = 120_000_000;
/// How often memory is looked at.
const MEMORY_EVERY: Duration = Duration::from_secs(1);
/// How long a connection waits after another status than 200.
const PAUSE: Duration = Duration::from_millis(100);

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// What it is called in the report.
    pub name: &'static str,
    /// What a request holds.
    pub shape: Shape,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Events a second of all of them; `None`: as many as are answered. Latencies then count from when a request was due.
    pub rate: Option<u64>,
    /// For how long.
    pub time: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Measured {
    /// The load.
    pub load: Load,
    /// Events that were answered with 200, a second.
    pub events_per_s: f64,
    /// Latencies of requests, in microseconds.
    pub latency: Histogram<u64>,
    /// Requests that were answered otherwise.
    pub refused: u64,
    /// Processor time of the server, in microseconds an event.
    pub cpu_us_per_event: f64,
    /// Resident memory of the server at the start, the greatest, and at the end, in bytes.
    pub resident: [u64; 3],
}

/// Runs a load.
pub async fn run(load: Load, args: &Args) -> Result<Measured> {
    let seed = seed()?;
    let authorization = STANDARD.encode(format!("{}:", args.key));
    let (stored, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let before = used(args.pid)?;
    let (started, end) = (Instant::now(), Instant::now() + load.time);
    let mut tasks = JoinSet::new();
    for n in 0..load.connections {
        let mut maker = Maker::new(load.shape, &args.to.to_string(), &authorization, args.users, seed, n as u64);
        let (to, stored, refused) = (args.to, stored.clone(), refused.clone());
        tasks.spawn(async move {
            let mut latency = Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3)?;
            let mut connection = Connection::to(to).await?;
            let mut due = load.rate.map(|rate| {
                let every = Duration::from_secs_f64(load.connections as f64 * load.shape.events() as f64 / rate as f64);
                let first = tokio::time::Instant::from_std(started) + every.mul_f64(n as f64 / load.connections as f64);
                let mut due = interval_at(first, every);
                due.set_missed_tick_behavior(MissedTickBehavior::Burst);
                due
            });
            let mut request = Vec::new();
            while Instant::now() < end {
                maker.next(&now()?, &mut request);
                let from = match &mut due {
                    Some(due) => due.tick().await.into_std(),
                    None => Instant::now(),
                };
                let status = connection.ask(&request).await?;
                latency.saturating_record(u64::try_from(from.elapsed().as_micros())?.max(1));
                if status == 200 {
                    stored.fetch_add(load.shape.events(), Ordering::Relaxed);
                } else {
                    refused.fetch_add(1, Ordering::Relaxed);
                    sleep(PAUSE).await;
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(latency)
        });
    }
    let mut most = before.resident;
    let mut latency = Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3)?;
    let mut memory = tokio::time::interval(MEMORY_EVERY);
    loop {
        tokio::select! {
            joined = tasks.join_next() => match joined {
                Some(done) => latency.add(done??)?,
                None => break,
            },
            _ = memory.tick() => most = most.max(used(args.pid)?.resident),
        }
    }
    let elapsed = started.elapsed().as_secs_f64();
    let after = used(args.pid)?;
    let events = stored.load(Ordering::Relaxed);
    Ok(Measured {
        load,
        events_per_s: events as f64 / elapsed,
        latency,
        refused: refused.load(Ordering::Relaxed),
        cpu_us_per_event: (after.cpu - before.cpu).as_micros() as f64 / events.max(1) as f64,
        resident: [before.resident, most.max(after.resident), after.resident],
    })
}

/// A number that no other run has.
pub fn seed() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() % u128::from(u64::MAX))?)
}

/// The present instant as RFC 3339 text.
pub fn now() -> Result<String> {
    let micros = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
    Ok(segment_core::time::format_instant(micros))
}
