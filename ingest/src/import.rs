//! The steps of an import.
//!
//! Read and check everything, spilling it by day → find what is there already → give names their types → write the days,
//! merge the users → commit. Until the commit nothing is visible; dropping the future stops the threads at their next chunk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use segment_core::catalog::Catalog;
use segment_core::json::Json;
use segment_core::time::Zone;
use store::Workspace;

use crate::error::{ImportError, Result};
use crate::input::Input;
use crate::limits::{LEDGER_ROWS, MEMORY_BYTES_MIN};
use crate::mapping::{self, Half};
use crate::report::ImportReport;
use crate::request::{ImportRequest, Progress, Stage};
use crate::sources::{Kind, Source};
use crate::steps::{Steps, Written};
use crate::users::Ledger;

/// Imports files into a workspace.
///
/// # Errors
///
/// Whatever [`ImportError`] lists; nothing of the import is visible then. `Store(Busy)` is worth retrying.
///
/// # Cancel safety
///
/// Safe: dropped before the commit, it leaves nothing visible.
pub async fn import(workspace: &Workspace, request: ImportRequest, progress: Arc<dyn Progress>) -> Result<ImportReport> {
    let started = Instant::now();
    let mut request = request;
    request.memory_bytes = request.memory_bytes.max(MEMORY_BYTES_MIN);
    mapping::check(&request)?;
    let (sources, declarations) = sources(&request)?;
    let cancelled = Arc::new(AtomicBool::new(false));
    let _guard = CancelOnDrop(cancelled.clone());

    let writer = workspace.begin_write().await?;
    let base = writer.base().catalog.clone();
    let catalog = declared(&base, &request, declarations)?;
    if let Some(table) = catalog.events_table.as_ref().filter(|_| sources.iter().any(|s| s.half == Half::Events)) {
        let what = format!("the workspace's events are those in {}, which are read in place: import users only", table.location);
        return Err(ImportError::Invalid(what));
    }
    let zone = Zone::parse(&catalog.timezone).map_err(ImportError::Invalid)?;
    let ledger = ledger(workspace, &sources).await?;
    let scratch = writer.scratch_dir()?;
    let steps = Arc::new(Steps { request, sources, zone, ledger, scratch, progress, cancelled, logged: None });

    let (writer, gathered) = steps.blocking(writer, |steps, writer| steps.gather(writer)).await?;
    let (writer, read) = steps.deduplicate(writer, gathered).await?;
    let (mut writer, (read, catalog)) = steps.blocking(writer, |steps, _| steps.learn(read, catalog)).await?;
    writer.set_catalog(&catalog).await?;
    let (writer, written) = steps.blocking(writer, |steps, writer| steps.write(writer, read, catalog)).await?;

    steps.progress.stage(Stage::Commit, 0);
    let Written { catalog, mut report, user_files } = written;
    report.workspace = workspace.name().to_owned();
    report.import = writer.import_id().to_owned();
    report.elapsed_ms = elapsed_ms(started);
    let record = serde_json::json!({ "user_files": user_files, "report": report });
    let commit = writer.commit(catalog, record).await?;
    (report.version, report.changed, report.users.total) = (commit.version, commit.changed, commit.users);
    report.elapsed_ms = elapsed_ms(started);
    Ok(report)
}

fn elapsed_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Tells the threads to stop.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Declarations that come with a recipe, and the zone that it states.
#[derive(Default)]
pub(crate) struct Declarations {
    pub(crate) timezone: Option<String>,
    pub(crate) catalog: Option<Json>,
}

/// What is to be read, in order.
fn sources(request: &ImportRequest) -> Result<(Vec<Source>, Declarations)> {
    let (sources, declarations) = match &request.recipe {
        #[cfg(feature = "recipes")]
        Some(path) => crate::recipe::Recipe::load(path)?.sources(request)?,
        #[cfg(not(feature = "recipes"))]
        Some(_) => return Err(crate::sources::no_recipes()),
        None => {
            let half = |half: Half, files: &[PathBuf]| -> Result<Vec<Source>> {
                files.iter().map(|path| Ok(Source { half, kind: Kind::File(Input::detect(path)?) })).collect()
            };
            let mut sources = half(Half::Events, &request.events)?;
            sources.extend(half(Half::Users, &request.users)?);
            (sources, Declarations::default())
        }
    };
    if sources.is_empty() {
        return Err(ImportError::Invalid("there is nothing to import: name files of events or users, or a recipe".to_owned()));
    }
    Ok((sources, declarations))
}

/// The catalog with what a recipe declares.
fn declared(base: &Catalog, request: &ImportRequest, declarations: Declarations) -> Result<Catalog> {
    for zone in [&request.timezone, &declarations.timezone].into_iter().flatten() {
        let same = Zone::parse(zone).map_err(ImportError::Invalid)? == Zone::parse(&base.timezone).map_err(ImportError::Invalid)?;
        if !same {
            return Err(ImportError::Invalid(format!("the workspace's zone is {}, and {zone} was asked for", base.timezone)));
        }
    }
    match declarations.catalog {
        Some(json) => Ok(segment_core::declare::declare(base, &json)?),
        None => Ok(base.clone()),
    }
}

/// What the ledger knows of user files; only looked at when there are any.
async fn ledger(workspace: &Workspace, sources: &[Source]) -> Result<Ledger> {
    if sources.iter().all(|s| s.half == Half::Events) {
        return Ok(Ledger::default());
    }
    Ok(Ledger::new(workspace.imports(LEDGER_ROWS).await?.into_iter().map(|import| import.record)))
}
