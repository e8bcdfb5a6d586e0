//! `muster import`: loads files into a workspace, making it if need be.

use std::sync::{Arc, Mutex};

use indicatif::ProgressBar;
use ingest::{Change, ImportError, ImportReport, ImportRequest, Progress, Stage};
use store::{Store, StoreError, Workspace};

use super::catalog::TIMEZONE_DEFAULT;
use crate::args::{Format, Import};
use crate::failure::{Failure, chain};
use crate::output::{self, Table};
use crate::{context, progress};

pub(super) async fn run(args: Import) -> Result<(), Failure> {
    if args.events.is_empty() && args.users.is_empty() && args.recipe.is_none() {
        return Err(Failure::Usage("nothing to import: give --events, --users or --recipe".to_owned()));
    }
    let stated = match (&args.timezone, &args.recipe) {
        (Some(zone), _) => Some(zone.clone()),
        (None, Some(recipe)) => recipe_timezone(recipe)?,
        (None, None) => None,
    };
    if let Some(zone) = &stated {
        segment_core::time::Zone::parse(zone).map_err(Failure::Usage)?;
    }
    let store = context::store(&args.place, true).await?;
    let name = &args.place.workspace;
    let found = store.workspace(name).await?;
    let made = found.is_none();
    let workspace = match found {
        Some(workspace) => workspace,
        None => make(&store, name, stated.as_deref()).await?,
    };
    let outcome = import(&args, &workspace, stated).await;
    if outcome.is_err() && made {
        // Nothing half-done: the workspace was made for this import alone.
        store.remove_unused_workspace(name).await?;
    }
    let report = outcome?;
    match args.printed.output {
        Format::Json => output::json(&serde_json::to_value(&report).map_err(|e| Failure::Broken(e.to_string()))?),
        Format::Text => output::text(&text(&report)),
    }
}

/// Makes the workspace, or takes the one that somebody else has made meanwhile.
async fn make(store: &Store, name: &str, timezone: Option<&str>) -> Result<Workspace, Failure> {
    match store.create_workspace(name, timezone.unwrap_or(TIMEZONE_DEFAULT)).await {
        Err(e @ StoreError::Conflict(_)) => store.workspace(name).await?.ok_or_else(|| e.into()),
        made => Ok(made?),
    }
}

/// The zone that a recipe states.
#[cfg(feature = "parquet")]
fn recipe_timezone(recipe: &std::path::Path) -> Result<Option<String>, Failure> {
    Ok(ingest::Recipe::load(recipe).map_err(failure)?.timezone().map(str::to_owned))
}

/// Without the embedded engine no recipe runs; the import says so.
#[cfg(not(feature = "parquet"))]
fn recipe_timezone(_: &std::path::Path) -> Result<Option<String>, Failure> {
    Ok(None)
}

async fn import(args: &Import, workspace: &Workspace, timezone: Option<String>) -> Result<ImportReport, Failure> {
    let rejects = args.rejects.clone().unwrap_or_else(|| args.place.data.join("rejects"));
    let now = context::now_us();
    // A file of its own for each import: the time in microseconds, and the process, as two may start at once.
    let mut request = ImportRequest::new(now, rejects.join(format!("{now}-{}.ndjson", std::process::id())));
    request.events.clone_from(&args.events);
    request.users.clone_from(&args.users);
    request.recipe.clone_from(&args.recipe);
    request.map.clone_from(&args.map);
    request.set.clone_from(&args.set);
    request.max_rejects = args.max_rejects;
    request.memory_bytes = args.memory.saturating_mul(1 << 20);
    request.timezone = timezone;
    let bars = Arc::new(Bars(Mutex::new(None)));
    let outcome = tokio::select! {
        outcome = ingest::import(workspace, request, bars.clone()) => outcome.map_err(failure),
        _ = tokio::signal::ctrl_c() => Err(Failure::Cancelled),
    };
    bars.clear();
    outcome
}

/// The report for people.
fn text(report: &ImportReport) -> String {
    let count = output::thousands;
    let mut out = format!(
        "workspace {}: {} rows read in {:.1} s\n  events: {} written, {} there already\n  users:  {} rows merged, {} in all\n",
        report.workspace,
        count(report.rows_read),
        report.elapsed_ms as f64 / 1e3,
        count(report.events.written),
        count(report.events.duplicates),
        count(report.users.merged),
        count(report.users.total),
    );
    if !report.changed {
        out.push_str("  nothing new: all of it was there already\n");
    }
    if report.rejected.count > 0 {
        out.push_str(&format!("  unusable rows: {}", count(report.rejected.count)));
        if let Some(file) = &report.rejected.file {
            out.push_str(&format!(", in {}", file.display()));
        }
        out.push('\n');
    }
    let mut table = Table::new(&["kind", "name", "type", "known from", ">values", ">not converted"]);
    for (kind, names) in [("property", &report.properties), ("attribute", &report.attributes)] {
        for (name, n) in names {
            let from = match (n.declared, n.change) {
                (true, _) => "a declaration",
                (false, Change::Learned) => "this import",
                (false, Change::Widened) => "an import, wider now",
                (false, Change::Same) => "an import",
            };
            let ty = n.ty.unwrap_or("(none)");
            table.row(vec![kind.to_owned(), name.clone(), ty.to_owned(), from.to_owned(), count(n.values), count(n.unconverted)]);
        }
    }
    out.push_str(&format!("\n{}", table.render()));
    out
}

/// What a failed import or list says, and its exit code.
pub(super) fn failure(error: ImportError) -> Failure {
    match error {
        ImportError::Store(error) => error.into(),
        ImportError::Cancelled => Failure::Cancelled,
        ImportError::Unreadable { .. } => Failure::NotFound(chain(&error)),
        ImportError::TooManyRejects { .. } => Failure::Import(error.to_string()),
        ImportError::UnknownFormat { .. }
        | ImportError::Input { .. }
        | ImportError::Recipe { .. }
        | ImportError::Invalid(_)
        | ImportError::Catalog(_)
        | ImportError::TooManyNames { .. } => Failure::Refused(chain(&error)),
        ImportError::Scratch { .. } => Failure::Broken(chain(&error)),
    }
}

/// One bar for each stage.
struct Bars(Mutex<Option<ProgressBar>>);

impl Bars {
    fn swap(&self, next: Option<ProgressBar>) {
        if let Ok(mut current) = self.0.lock()
            && let Some(before) = std::mem::replace(&mut *current, next)
        {
            before.finish_and_clear();
        }
    }

    fn clear(&self) {
        self.swap(None);
    }
}

impl Progress for Bars {
    fn stage(&self, stage: Stage, total: u64) {
        let bar = progress::bar(match stage {
            Stage::Read => "reading",
            Stage::Deduplicate => "finding duplicates",
            Stage::Write => "writing events",
            Stage::Profiles => "merging users",
            Stage::Commit => "committing",
        });
        bar.set_length(total);
        self.swap(Some(bar));
    }

    fn advance(&self, done: u64) {
        if let Ok(current) = self.0.lock()
            && let Some(bar) = current.as_ref()
        {
            bar.inc(done);
        }
    }
}
