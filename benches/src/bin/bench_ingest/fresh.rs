//! How soon what was acknowledged is in the workspace's state, which every query sees.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use muster_benches::Result;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Args;
use super::bodies::{Maker, Shape};
use super::connection::Connection;
use super::load::{LATENCY_US_MAX, now, seed};

/// Events of a batch.
const BATCH: usize = 100;
/// How often the server is asked how much is published.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long it may take to publish what is left.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends so many events a second for a while; the time from each answer until its events were published, in microseconds.
pub async fn run(args: &Args, rate: u64, time: Duration) -> Result<Histogram<u64>> {
    let mut watch = Connection::to(args.to).await?;
    let before = settled(&mut watch).await?;
    let (acks, done) = (RefCell::new(Vec::new()), Cell::new(false));
    let sending = async {
        let mut maker =
            Maker::new(Shape::Batch(BATCH), &args.to.to_string(), &STANDARD.encode(format!("{}:", args.key)), args.users, seed()?, 0);
        let mut connection = Connection::to(args.to).await?;
        let mut due = interval(Duration::from_secs_f64(BATCH as f64 / rate as f64));
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (started, mut request, mut sent) = (Instant::now(), Vec::new(), 0);
        while started.elapsed() < time {
            due.tick().await;
            maker.next(&now()?, &mut request);
            let status = connection.ask(&request).await?;
            if status != 200 {
                return Err(format!("the server answered {status}").into());
            }
            sent += BATCH as u64;
            acks.borrow_mut().push((Instant::now(), sent));
        }
        done.set(true);
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    };
    let watching = async {
        let mut fresh = Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3)?;
        let (mut next, mut last) = (0, Instant::now());
        loop {
            let published = measured(&mut watch, "muster_published_events_total").await? - before;
            let at = Instant::now();
            while let Some((acked, _)) = acks.borrow().get(next).copied().filter(|(_, total)| *total <= published) {
                fresh.saturating_record(u64::try_from(at.duration_since(acked).as_micros())?.max(1));
                (next, last) = (next + 1, at);
            }
            if done.get() && next == acks.borrow().len() {
                return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(fresh);
            }
            if last.elapsed() > PATIENCE {
                return Err("what was sent is not published".into());
            }
            sleep(LOOK_EVERY).await;
        }
    };
    let ((), fresh) = tokio::try_join!(sending, watching)?;
    Ok(fresh)
}

/// Waits until nothing is left to be published: how many events are.
async fn settled(connection: &mut Connection) -> Result<u64> {
    let started = Instant::now();
    while measured(connection, "muster_lag_records").await? > 0 {
        if started.elapsed() > PATIENCE {
            return Err("what was sent before is not published".into());
        }
        sleep(LOOK_EVERY).await;
    }
    measured(connection, "muster_published_events_total").await
}

/// A measurement of the server's, of all workspaces together; 0 where there is none.
async fn measured(connection: &mut Connection, name: &str) -> Result<u64> {
    let status = connection.ask(b"GET /metrics HTTP/1.1\r\nhost: bench\r\n\r\n").await?;
    let text = std::str::from_utf8(connection.body())?;
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once(' '));
    if status != 200 {
        Err("the server has no measurements".into())
    } else {
        Ok(lines.map(|(_, n)| n.parse::<u64>()).sum::<std::result::Result<u64, _>>()?)
    }
}
