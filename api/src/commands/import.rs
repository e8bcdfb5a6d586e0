//! `muster import`: loads files into a workspace, making it if need be.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ingest::{Change, ImportError, ImportReport, ImportRequest, Progress, Stage};
use segment_core::learn::{FIELDS_MAX, LEVELS_MAX};
use store::{Store, StoreError, Workspace, chain};
use tokio::sync::Notify;

use super::catalog::TIMEZONE_DEFAULT;
use crate::args::{Format, Import};
use crate::failure::{Failure, Stopped};
use crate::output::{self, Table};
use crate::progress::Bar;
use crate::{context, interrupt};

/// How long an import waits for another one into the same workspace, and how often it looks whether that is over.
const WAIT_MAX: Duration = Duration::from_secs(600);
const WAIT_STEP: Duration = Duration::from_millis(10);

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
    let mut made = false;
    let outcome = imported(&args, &store, stated, &mut made).await;
    if outcome.is_err() && made {
        // Nothing half-done: the workspace was made for this import alone. Where another import has it by now, it is for that one.
        match store.remove_unused_workspace(name).await {
            Ok(_) | Err(StoreError::Busy(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let report = outcome?;
    match args.printed.output {
        Format::Json => output::json(&serde_json::to_value(&report).map_err(|e| Failure::Broken(e.to_string()))?),
        Format::Text => output::text(&text(&report)),
    }
}

/// Imports, after whoever else does so into the workspace, which is made if it is not there; `made` says whether it was.
async fn imported(args: &Import, store: &Store, timezone: Option<String>, made: &mut bool) -> Result<ImportReport, Failure> {
    let name = &args.place.workspace;
    let (began, mut told) = (Instant::now(), false);
    loop {
        let workspace = match store.workspace(name).await? {
            Some(workspace) => workspace,
            None => {
                *made = true;
                make(store, name, timezone.as_deref()).await?
            }
        };
        match import(args, &workspace, timezone.clone()).await {
            // Another import runs; or it made the workspace, was stopped, and took it away again.
            Err(ImportError::Store(StoreError::Busy(_) | StoreError::NotFound(_))) if began.elapsed() < WAIT_MAX => {
                if !std::mem::replace(&mut told, true) {
                    output::note(&format!("note: waiting for another import into workspace \"{name}\""));
                }
                tokio::time::sleep(WAIT_STEP).await;
            }
            outcome => return outcome.map_err(failure),
        }
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

async fn import(args: &Import, workspace: &Workspace, timezone: Option<String>) -> Result<ImportReport, ImportError> {
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
    let bars = Arc::new(Bars::new());
    let stop = Arc::new(Notify::new());
    let asked = stop.clone();
    let _interrupted = interrupt::guard(move || asked.notify_one());
    let outcome = tokio::select! {
        outcome = ingest::import(workspace, request, bars.clone()) => outcome,
        () = stop.notified() => Err(ImportError::Cancelled),
    };
    bars.swap(None);
    outcome
}

/// The report for people.
fn text(report: &ImportReport) -> String {
    let count = output::thousands;
    let mut out = format!(
        "workspace {}: {} read in {:.1} s\n  events: {} written, {} there already\n  users:  {} merged, {} in all\n",
        report.workspace,
        output::counted(report.rows_read, "row"),
        report.elapsed_ms as f64 / 1e3,
        count(report.events.written),
        count(report.events.duplicates),
        output::counted(report.users.merged, "row"),
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
    let mut table = Table::new(&["kind", "name", "type", "known from", ">values", ">not converted", ">in part"]);
    let mut notes = String::new();
    for (kind, names) in [("property", &report.properties), ("attribute", &report.attributes)] {
        for (name, n) in names {
            let from = match (n.declared, n.change) {
                (true, _) => "a declaration",
                (false, Change::Learned) => "this import",
                (false, Change::Widened) => "an import, wider now",
                (false, Change::Same) => "an import",
            };
            let ty = n.ty.unwrap_or("(none)");
            let counts = [n.values, n.unconverted, n.partial].map(count);
            table.row([kind.to_owned(), name.clone(), ty.to_owned(), from.to_owned()].into_iter().chain(counts).collect());
            if n.truncated {
                notes.push_str(&format!(
                    "note: {kind} \"{name}\" has more fields than are learned ({FIELDS_MAX}, {LEVELS_MAX} levels deep); those beyond are missing for \
                     comparisons. If they are keys of data rather than names, declare it as a map before the first import\n"
                ));
            }
        }
    }
    out.push_str(&format!("\n{}", table.render()));
    if !notes.is_empty() {
        out.push_str(&format!("\n{notes}"));
    }
    out
}

/// What a failed import or list says, and its exit code.
pub(crate) fn failure(error: ImportError) -> Failure {
    match error {
        ImportError::Store(error) => error.into(),
        ImportError::Cancelled => Failure::Cancelled,
        ImportError::Unreadable { .. } => Failure::NotFound(chain(&error)),
        ImportError::TooManyRejects { .. } => stopped(error),
        ImportError::UnknownFormat { .. }
        | ImportError::Input { .. }
        | ImportError::Recipe { .. }
        | ImportError::Invalid(_)
        | ImportError::Catalog(_)
        | ImportError::TooManyNames { .. } => Failure::Refused(chain(&error)),
        ImportError::Scratch { .. } => Failure::Broken(chain(&error)),
    }
}

/// What the rows that stopped an import were.
fn stopped(error: ImportError) -> Failure {
    let message = error.to_string();
    match error {
        ImportError::TooManyRejects { count, max, first, file, stopped } => {
            Failure::Import(Box::new(Stopped { message, count, allowed: max, more: stopped, file, first }))
        }
        other => Failure::Broken(chain(&other)),
    }
}

/// One bar for each stage.
struct Bars {
    began: Instant,
    runtime: tokio::runtime::Handle,
    current: Mutex<Option<Bar>>,
}

impl Bars {
    fn new() -> Self {
        Self { began: Instant::now(), runtime: tokio::runtime::Handle::current(), current: Mutex::new(None) }
    }

    fn swap(&self, next: Option<Bar>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl Progress for Bars {
    fn stage(&self, stage: Stage, total: u64) {
        let message = match stage {
            Stage::Read => "reading",
            Stage::Deduplicate => "finding duplicates",
            Stage::Write => "writing events",
            Stage::Profiles => "merging users",
            Stage::Commit => "committing",
        };
        self.swap(Some(Bar::start(message, total, self.began, &self.runtime)));
    }

    fn advance(&self, done: u64) {
        if let Some(bar) = self.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            bar.advance(done);
        }
    }
}
