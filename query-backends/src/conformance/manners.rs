//! How runs behave, whatever they find: counting, order, progress, cancelling, refusing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{Loaded, Report, chain, expected, plan};
use crate::backend::{Query, RunOptions};
use crate::error::ErrorKind;
use crate::progress::Progress;

/// Work ends this soon after it is cancelled, on a machine that is busy with other tests.
const CANCEL_MAX: Duration = Duration::from_millis(500);
/// A condition that reads everything.
const EVERYTHING: &str = r#"{"any":[{"everyone":true},{"event":"*"}]}"#;
/// One that nobody meets.
const NOBODY: &str = r#"{"not":{"everyone":true}}"#;
/// A condition that reads events.
const EVENTS: &str = r#"{"event":"*"}"#;
/// Those for a backend that takes no events.
const EVERYONE: &str = r#"{"everyone":true}"#;
const PROFILES: &str = r#"{"any":[{"attribute":"text","op":"exists"},{"attribute":"tags","op":"is_empty"}]}"#;

pub(super) async fn check(loaded: &Loaded, report: &mut Report) {
    let world = &loaded.world;
    let query =
        |condition: &str| plan(world, condition).map(|plan| Query { plan: Arc::new(plan), pinned: loaded.pinned.clone(), strategy: None });
    let (everything, some) = if loaded.backend.capabilities().events { (EVERYTHING, EVENTS) } else { (EVERYONE, PROFILES) };
    let (everything, some) = match (query(everything), query(some)) {
        (Ok(everything), Ok(some)) => (everything, some),
        (Err(e), _) | (_, Err(e)) => return report.fail(everything, e),
    };
    let nobody = match query(NOBODY) {
        Ok(nobody) => nobody,
        Err(e) => return report.fail(NOBODY, e),
    };
    report.runs += 1;
    if let Err(e) = counting(loaded, &nobody, 0).await {
        report.fail("counting nobody", e);
    }
    for query in [&everything, &some] {
        let members = expected(world, &query.plan).len() as u64;
        for (what, done) in [
            ("counting", counting(loaded, query, members).await),
            ("progress", progress(loaded, query).await),
            ("order", order(loaded, query).await),
            ("cancelling", cancelling(loaded, query).await),
            ("dropping", dropping(loaded, query).await),
            ("explaining", explaining(loaded, query).await),
            ("refusing", refusing(loaded, query).await),
        ] {
            report.runs += 1;
            if let Err(e) = done {
                report.fail(what, e);
            }
        }
    }
}

async fn counting(loaded: &Loaded, query: &Query, members: u64) -> Result<(), String> {
    let options = RunOptions { ids: false, ..RunOptions::default() };
    let mut run = loaded.backend.run(query, options).await.map_err(|e| chain(&e))?;
    let mut count = 0;
    while let Some(batch) = run.users.next().await {
        let batch = batch.map_err(|e| chain(&e))?;
        if batch.ids.is_some() {
            return Err("ids came that nobody asked for".to_owned());
        }
        count += batch.len() as u64;
    }
    if run.users.next().await.is_some() {
        return Err("a run that has ended goes on".to_owned());
    }
    let metrics = run.metrics().ok_or("a run that ended has no metrics")?;
    if count != members || metrics.users != members {
        return Err(format!("{count} members, {} in the metrics, instead of {members}", metrics.users));
    }
    Ok(())
}

async fn progress(loaded: &Loaded, query: &Query) -> Result<(), String> {
    let progress = Arc::new(Progress::default());
    let options = RunOptions { progress: progress.clone(), ..RunOptions::default() };
    let mut run = loaded.backend.run(query, options).await.map_err(|e| chain(&e))?;
    run.count().await.map_err(|e| chain(&e))?;
    let now = progress.now();
    if now != run.progress.now() {
        return Err("the run does not report to the progress it was given".to_owned());
    }
    if now.rows_read > now.rows_total || (!loaded.world.users.is_empty() && now.rows_read == 0) {
        return Err(format!("{} of {} rows are read", now.rows_read, now.rows_total));
    }
    Ok(())
}

async fn order(loaded: &Loaded, query: &Query) -> Result<(), String> {
    if !loaded.backend.capabilities().sorted {
        return Ok(());
    }
    let mut run = loaded.backend.run(query, RunOptions::default()).await.map_err(|e| chain(&e))?;
    let mut ids: Vec<String> = Vec::new();
    while let Some(batch) = run.users.next().await {
        let batch = batch.map_err(|e| chain(&e))?;
        ids.extend(batch.ids.iter().flatten().flatten().map(str::to_owned));
    }
    if ids.is_sorted() { Ok(()) } else { Err("ids are not sorted".to_owned()) }
}

async fn cancelling(loaded: &Loaded, query: &Query) -> Result<(), String> {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let started = Instant::now();
    let options = RunOptions { cancel: cancel.clone(), ..RunOptions::default() };
    let ended = match loaded.backend.run(query, options).await {
        Ok(mut run) => run.count().await,
        Err(e) => Err(e),
    };
    match ended {
        Err(e) if e.kind == ErrorKind::Cancelled => {}
        Err(e) => return Err(format!("a cancelled run ends with {}: {}", e.kind.name(), chain(&e))),
        Ok(_) => return Err("a run that was cancelled before it began comes to a good end".to_owned()),
    }
    if started.elapsed() > CANCEL_MAX {
        return Err(format!("cancelling took {:?}", started.elapsed()));
    }
    let cancel = CancellationToken::new();
    let options = RunOptions { cancel: cancel.clone(), ..RunOptions::default() };
    let mut run = loaded.backend.run(query, options).await.map_err(|e| chain(&e))?;
    cancel.cancel();
    match run.count().await {
        Err(e) if e.kind != ErrorKind::Cancelled => Err(format!("a cancelled run ends with {}: {}", e.kind.name(), chain(&e))),
        Ok(_) if !loaded.world.users.is_empty() => Err("a run that was cancelled before its first batch comes to a good end".to_owned()),
        _ => Ok(()),
    }
}

async fn dropping(loaded: &Loaded, query: &Query) -> Result<(), String> {
    drop(loaded.backend.run(query, RunOptions::default()).await.map_err(|e| chain(&e))?);
    let mut run = loaded.backend.run(query, RunOptions::default()).await.map_err(|e| chain(&e))?;
    let _ = run.users.next().await;
    drop(run);
    // The backend is none the worse for it.
    let mut run = loaded.backend.run(query, RunOptions::default()).await.map_err(|e| chain(&e))?;
    run.count().await.map(|_| ()).map_err(|e| chain(&e))
}

async fn explaining(loaded: &Loaded, query: &Query) -> Result<(), String> {
    let explanation = loaded.backend.explain(query).await.map_err(|e| chain(&e))?;
    if explanation.windows != query.plan.windows {
        return Err("the windows are not the plan's".to_owned());
    }
    if explanation.users != loaded.world.users.len() as u64 {
        return Err(format!("{} users instead of {}", explanation.users, loaded.world.users.len()));
    }
    if explanation.sql.is_some() != loaded.backend.capabilities().dialect.is_some() {
        return Err("there is a dialect without SQL, or SQL without a dialect".to_owned());
    }
    Ok(())
}

async fn refusing(loaded: &Loaded, query: &Query) -> Result<(), String> {
    if loaded.pinned.is_none() {
        return Ok(());
    }
    let lost = Query { pinned: None, ..query.clone() };
    match loaded.backend.run(&lost, RunOptions::default()).await {
        Err(e) if e.kind == ErrorKind::Rejected => Ok(()),
        Err(e) => Err(format!("a query without a state is refused as {}", e.kind.name())),
        Ok(_) => Err("a query without a state is accepted".to_owned()),
    }
}
