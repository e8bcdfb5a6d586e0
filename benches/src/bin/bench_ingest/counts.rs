//! How soon what was acknowledged is counted: an event is sent, and the embedded engine asked, in this process, until it counts the event's user.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use hdrhistogram::Histogram;
use muster_benches::Result;
use query_backends::{Backend, ParquetBackend, ParquetConfig, Query, RunOptions};
use segment_core::compile;
use segment_core::resolve::Library;
use segment_core::time::parse_instant;
use store::{Store, Workspace};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Args;
use super::bodies::Shape;
use super::connection::Connection;
use super::load::{self, LATENCY_US_MAX, Load, now, seed};

/// Time between two events that are looked for, if the one before was found.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// Time between an answer without it and the next question.
const PAUSE: Duration = Duration::from_millis(5);
/// How long one may take to be found.
const PATIENCE: Duration = Duration::from_secs(120);
/// Who did what is looked for: each by somebody else.
const CONDITION: &str = r#"{"event":"looked for","op":"gte","value":1}"#;
/// Events of a batch of the load beside it.
const BATCH: usize = 100;

/// While so many events a second are sent: the time from the answer to one until a query counts it, the query's own time included, in microseconds.
pub async fn run(args: &Args, data: &Path, rate: u64, time: Duration) -> Result<Histogram<u64>> {
    let beside = Load { name: "beside counts", shape: Shape::Batch(BATCH), connections: 1, rate: Some(rate), time };
    let (counted, _) = tokio::try_join!(probes(args, data, time), load::run(beside, args))?;
    Ok(counted)
}

async fn probes(args: &Args, data: &Path, time: Duration) -> Result<Histogram<u64>> {
    let workspace = Store::open_existing(data).await?.workspace("default").await?.ok_or("the server has no workspace \"default\"")?;
    let backend = ParquetBackend::new(&ParquetConfig::default())?;
    let (mut connection, seed) = (Connection::to(args.to).await?, seed()?);
    let authorization = STANDARD.encode(format!("{}:", args.key));
    let mut counted = Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3)?;
    let mut due = interval(PROBE_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (started, mut sent) = (Instant::now(), 0);
    while started.elapsed() < time {
        due.tick().await;
        let body = format!(r#"{{"userId":"looked-for-{seed:x}-{sent}","event":"looked for","timestamp":"{}"}}"#, now()?);
        let head = format!("POST /v1/track HTTP/1.1\r\nhost: bench\r\nauthorization: Basic {authorization}\r\n");
        let request = format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let status = connection.ask(request.as_bytes()).await?;
        if status != 200 {
            return Err(format!("the server answered {status}").into());
        }
        let acknowledged = Instant::now();
        sent += 1;
        while count(&workspace, &backend).await? < sent {
            if acknowledged.elapsed() > PATIENCE {
                return Err("an event that was acknowledged is not counted".into());
            }
            sleep(PAUSE).await;
        }
        counted.saturating_record(u64::try_from(acknowledged.elapsed().as_micros())?.max(1));
    }
    Ok(counted)
}

async fn count(workspace: &Workspace, backend: &ParquetBackend) -> Result<usize> {
    let pinned = workspace.pin().await?;
    let as_of = parse_instant(&now()?, &segment_core::time::Zone::utc()).ok_or("now is no instant")?;
    let checked = compile::check(CONDITION, &pinned.catalog, &Library::default(), as_of);
    let plan = checked.plan.ok_or_else(|| format!("the condition has faults: {:?}", checked.diagnostics))?;
    let query = Query::new(Arc::new(plan), Arc::new(pinned));
    let mut run = backend.run(&query, RunOptions { ids: false, ..RunOptions::default() }).await?;
    let mut members = 0;
    while let Some(batch) = run.users.next().await {
        members += batch?.len();
    }
    Ok(members)
}
