//! `muster query`, and `muster segment run`: runs conditions.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, StringArray};
use futures::StreamExt;
use query_backends::{Backend, Query as Asked, Router, Routing, RunMetrics, RunOptions};
use segment_core::compile;
use segment_core::time::format_instant;
use serde_json::json;

use crate::args::{Engine, Evaluated, Format, Place, Query, QueryOutput};
use crate::failure::Failure;
use crate::members::Members;
use crate::output::{self, Table};
use crate::progress::Watch;
use crate::{context, engines, interrupt, routing};

/// Ids shown to people under the count.
const SHOWN_IDS_MAX: usize = 10;

pub(super) async fn run(args: Query) -> Result<(), Failure> {
    let strategy = engines::strategy(args.engine.strategy.as_deref())?;
    let settings = context::settings(Some(&args.place.data), &args.place.configured, Some(&args.engine))?;
    let router = engines::router(&args.engine, &settings)?;
    let evaluated = Evaluated { place: args.place, condition: args.condition, as_of: args.as_of, output: Format::Text };
    let asked = context::asked(&evaluated, Some(&router)).await?;
    let as_of = asked.as_of;
    let warnings = asked.checked.warnings.clone();
    let plan = context::plan_of(asked.checked)?;
    let pinned = Arc::new(asked.pinned);
    let query = Asked { plan: Arc::new(plan), pinned: Some(pinned.clone()), strategy };
    let ran = evaluate(&router, &query, args.output != Some(QueryOutput::Count)).await?;
    let found = Found { as_of, snapshot: pinned.events.id(), ran };
    match args.output {
        Some(QueryOutput::Count) => output::text(&found.ran.count.to_string()),
        Some(QueryOutput::Ids) => lines(&found, "", |out, id| writeln!(out, "{id}")),
        Some(QueryOutput::Csv) => lines(&found, "user_id\n", csv_line),
        Some(QueryOutput::Ndjson) => lines(&found, "", |out, id| {
            serde_json::to_writer(&mut *out, &json!({ "user_id": id }))?;
            writeln!(out)
        }),
        Some(QueryOutput::Parquet) => found.ran.members.write_parquet(std::io::BufWriter::new(std::io::stdout())),
        Some(QueryOutput::Json) => found.json(),
        None => {
            for warning in &warnings {
                output::note(&format!("note: {}: {}", warning.pointer, warning.message));
            }
            output::text(&found.text())
        }
    }
}

/// Text as a CSV field, quoted where it has to be.
fn csv_line(out: &mut dyn Write, id: &str) -> std::io::Result<()> {
    if id.contains(['"', ',', '\n', '\r']) || id.starts_with(' ') || id.ends_with(' ') {
        writeln!(out, "\"{}\"", id.replace('"', "\"\""))
    } else {
        writeln!(out, "{id}")
    }
}

fn lines(found: &Found, head: &str, line: impl Fn(&mut dyn Write, &str) -> std::io::Result<()>) -> Result<(), Failure> {
    let mut out = output::stdout();
    out.write_all(head.as_bytes())?;
    for id in found.ran.members.iter() {
        line(&mut out, id)?;
    }
    Ok(out.flush()?)
}

/// A finished run.
struct Ran {
    count: u64,
    members: Members,
    elapsed: Duration,
    metrics: Option<RunMetrics>,
    routing: Routing,
}

impl Ran {
    fn backend(&self) -> &'static str {
        self.routing.chosen().map_or("", |c| c.backend)
    }

    /// The instant up to which whoever answered saw all changes of profiles.
    fn profiles_as_of(&self) -> Option<i64> {
        self.routing.chosen().and_then(|c| c.profiles_as_of)
    }
}

struct Found {
    as_of: i64,
    snapshot: Option<i64>,
    ran: Ran,
}

impl Found {
    fn elapsed_ms(&self) -> f64 {
        (self.ran.elapsed.as_secs_f64() * 10_000.0).round() / 10.0
    }

    /// `users` is streamed, so that a large audience is not copied once more as JSON values.
    fn json(&self) -> Result<(), Failure> {
        let mut out = output::stdout();
        write!(
            out,
            "{{\"count\":{},\"as_of\":\"{}\",\"backend\":\"{}\",\"snapshot\":{},\"profiles_as_of\":{},\"elapsed_ms\":{},\"routing\":{},\"users\":[",
            self.ran.count,
            format_instant(self.as_of),
            self.ran.backend(),
            self.snapshot.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\"")),
            self.ran.profiles_as_of().map_or_else(|| "null".to_owned(), |at| format!("\"{}\"", format_instant(at))),
            self.elapsed_ms(),
            routing::json(&self.ran.routing)
        )?;
        for (i, id) in self.ran.members.iter().enumerate() {
            if i > 0 {
                out.write_all(b",")?;
            }
            serde_json::to_writer(&mut out, id).map_err(std::io::Error::from)?;
        }
        writeln!(out, "]}}")?;
        Ok(out.flush()?)
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{} at {}, by {} in {} ms\n",
            output::counted(self.ran.count, "user"),
            format_instant(self.as_of),
            self.ran.backend(),
            self.elapsed_ms()
        );
        if let Some(at) = self.ran.profiles_as_of() {
            text.push_str(&format!("  profiles with all changes up to {}\n", format_instant(at)));
        }
        for id in self.ran.members.iter().take(SHOWN_IDS_MAX) {
            text.push_str(&format!("  {id}\n"));
        }
        if self.ran.members.len() > SHOWN_IDS_MAX {
            text.push_str("  … all of them with --output ids\n");
        }
        text
    }
}

/// Runs a plan to its end; Ctrl-C stops it.
async fn evaluate(router: &Router, query: &Asked, ids: bool) -> Result<Ran, Failure> {
    let options = RunOptions { ids, ..RunOptions::default() };
    let cancel = options.cancel.clone();
    let _watch = Watch::start("running", options.progress.clone());
    let interrupted = interrupt::guard(move || cancel.cancel());
    let started = Instant::now();
    let (mut run, routing) = router.run_routed(query, options).await?;
    let mut count = 0;
    let mut batches: Vec<StringArray> = Vec::new();
    while let Some(batch) = run.users.next().await {
        let batch = batch?;
        count += batch.len() as u64;
        batches.extend(batch.ids.filter(|b| !b.is_empty()));
    }
    interrupted.finish()?;
    let members = Members::sorted(batches);
    Ok(Ran { count, members, elapsed: started.elapsed(), metrics: run.metrics().cloned(), routing })
}

/// Evaluates saved segments, one after the other, and prints what each came to.
pub(super) async fn run_saved(
    keys: Vec<String>,
    place: &Place,
    as_of: Option<&str>,
    engine: &Engine,
    format: Format,
) -> Result<(), Failure> {
    let strategy = engines::strategy(engine.strategy.as_deref())?;
    let settings = context::settings(Some(&place.data), &place.configured, Some(engine))?;
    let router = engines::router(engine, &settings)?;
    let workspace = context::workspace(place).await?;
    let pinned = Arc::new(context::pin(&workspace, &router).await?);
    let as_of = context::as_of(as_of, &pinned.catalog.timezone)?;
    let library = context::library(&pinned);
    let keys = if keys.is_empty() {
        let open = workspace.segments().await?.into_iter().filter(|s| s.archived_at.is_none());
        open.map(|s| s.key).filter(|key| pinned.segments.contains_key(key)).collect()
    } else {
        keys
    };
    let mut table = Table::new(&["segment", "by", ">users", ">of all", ">ms", ">files", ">row groups", ">rows read", ">read", "time in"]);
    let mut rows = Vec::new();
    for key in keys {
        let text = pinned.segments.get(&key).ok_or_else(|| Failure::NotFound(format!("there is no segment \"{key}\"")))?;
        let plan = context::plan_of(compile::check(text, &pinned.catalog, &library, as_of))?;
        let query = Asked { plan: Arc::new(plan), pinned: Some(pinned.clone()), strategy };
        let explanation = router.explain(&query).await?;
        let ran = evaluate(&router, &query, true).await?;
        let metrics = ran.metrics.clone().unwrap_or_default();
        let files: u64 = explanation.scans.iter().map(|s| s.read.files).sum();
        let files_of: u64 = files + explanation.scans.iter().map(|s| s.files_skipped).sum::<u64>();
        let groups: u64 = explanation.scans.iter().map(|s| s.read.row_groups).sum();
        let groups_of: u64 = groups + explanation.scans.iter().map(|s| s.row_groups_skipped).sum::<u64>();
        let share = if explanation.users == 0 { 0.0 } else { 100.0 * ran.count as f64 / explanation.users as f64 };
        let ms = ran.elapsed.as_secs_f64() * 1e3;
        table.row(vec![
            key.clone(),
            ran.backend().to_owned(),
            output::thousands(ran.count),
            format!("{share:.1}%"),
            format!("{ms:.1}"),
            format!("{files} of {files_of}"),
            format!("{groups} of {groups_of}"),
            output::thousands(metrics.rows_read),
            output::bytes(metrics.bytes_read),
            stages(&metrics),
        ]);
        rows.push(json!({
            "segment": key, "backend": ran.backend(), "count": ran.count, "elapsed_ms": ms, "files": files, "files_total": files_of,
            "row_groups": groups, "row_groups_total": groups_of, "rows_read": metrics.rows_read, "bytes_read": metrics.bytes_read,
            "stages": metrics.stages.iter().map(|s| json!({ "stage": s.name, "ms": s.time.as_secs_f64() * 1e3 })).collect::<Vec<_>>(),
        }));
    }
    match format {
        Format::Json => output::json(&json!({ "as_of": format_instant(as_of), "segments": rows })),
        Format::Text => output::text(&format!("{} at {}\n\n{}", place.workspace, format_instant(as_of), table.render())),
    }
}

/// The stages as shares of the processor time, the largest first.
fn stages(metrics: &RunMetrics) -> String {
    let total: f64 = metrics.stages.iter().map(|s| s.time.as_secs_f64()).sum();
    let mut stages: Vec<_> = metrics.stages.iter().collect();
    stages.sort_by_key(|s| std::cmp::Reverse(s.time));
    let shown = stages.iter().filter(|s| total > 0.0 && s.time.as_secs_f64() / total >= 0.01);
    shown.map(|s| format!("{} {:.0}%", s.name, 100.0 * s.time.as_secs_f64() / total)).collect::<Vec<_>>().join(", ")
}
