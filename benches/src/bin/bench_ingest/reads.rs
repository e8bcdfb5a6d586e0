//! Reading users back while others write: `GET /api/v1/users/{id}`, at a rate.

use std::time::Duration;

use hdrhistogram::Histogram;
use muster_benches::Result;
use muster_benches::random::Random;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};

use super::Args;
use super::connection::Connection;
use super::load::LATENCY_US_MAX;

/// Reads a second.
pub const RATE: u64 = 250;
/// Connections that they come by.
const CONNECTIONS: u64 = 8;

/// What came of it.
#[derive(Debug)]
pub struct Reads {
    /// What was written meanwhile.
    pub beside: &'static str,
    /// Latencies from when a read was due, in microseconds.
    pub latency: Histogram<u64>,
    /// Reads of users who were there.
    pub found: u64,
    /// Reads that were neither answered with a user nor with that there is none.
    pub refused: u64,
}

/// Reads for a while, on a thread of its own: the one that makes the load is busy.
pub async fn beside(name: &'static str, args: &Args, time: Duration) -> Result<Reads> {
    let (to, users, key) = (args.to, args.users, args.read_key.clone());
    let reading = tokio::task::spawn_blocking(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(name, to, users, &key, time))
    });
    reading.await?
}

async fn run(beside: &'static str, to: std::net::SocketAddr, users: u64, key: &str, time: Duration) -> Result<Reads> {
    let mut tasks = JoinSet::new();
    let (started, every) = (tokio::time::Instant::now(), Duration::from_secs_f64(CONNECTIONS as f64 / RATE as f64));
    for n in 0..CONNECTIONS {
        let key = key.to_owned();
        tasks.spawn(async move {
            let (mut random, mut connection) = (Random::new(users, n), Connection::to(to).await?);
            let mut reads = Reads { beside, latency: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?, found: 0, refused: 0 };
            let mut due = interval_at(started + every.mul_f64(n as f64 / CONNECTIONS as f64), every);
            due.set_missed_tick_behavior(MissedTickBehavior::Burst);
            while started.elapsed() < time {
                let who = random.below(users);
                let request = format!("GET /api/v1/users/user-{who} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\r\n");
                let from = due.tick().await;
                match connection.ask(request.as_bytes()).await? {
                    200 => reads.found += 1,
                    404 => {}
                    _ => reads.refused += 1,
                }
                reads.latency.saturating_record(u64::try_from(from.elapsed().as_micros())?.max(1));
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(reads)
        });
    }
    let mut all = Reads { beside, latency: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?, found: 0, refused: 0 };
    while let Some(reads) = tasks.join_next().await {
        let reads = reads??;
        all.latency.add(reads.latency)?;
        (all.found, all.refused) = (all.found + reads.found, all.refused + reads.refused);
    }
    Ok(all)
}
