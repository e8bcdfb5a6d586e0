//! What commands share: opening the data, reading a condition, the instant of evaluation.

use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use query_backends::Router;
use segment_core::compile::{self, Checked};
use segment_core::plan::Plan;
use segment_core::resolve::Library;
use segment_core::time::{self, Zone};
use store::{Pinned, Store, Workspace};

use crate::args::{Configured, Engine, Evaluated, Place};
use crate::config::{Settings, Sources};
use crate::failure::Failure;

/// Bytes of a condition, far above what a thousand nodes with their values need.
const CONDITION_BYTES_MAX: u64 = 64 << 20;

/// The configuration that holds for a command, with the flags that stand for settings.
pub(crate) fn settings(data: Option<&Path>, configured: &Configured, engine: Option<&Engine>) -> Result<Settings, Failure> {
    let flags = engine.into_iter().flat_map(|e| {
        let memory = e.memory.map(|n| ("--memory", ("parquet", "memory_mib"), n.to_string()));
        let threads = e.threads.map(|n| ("--threads", ("parquet", "threads"), n.to_string()));
        memory.into_iter().chain(threads)
    });
    let sources = Sources {
        file: configured.config.clone(),
        data: data.map(Path::to_owned),
        variables: std::env::vars_os().collect(),
        settings: configured.settings.clone(),
        flags: flags.collect(),
    };
    sources.load().map_err(Failure::Config)
}

/// Opens the store of a command: the one place that does. It makes the data directory if `make` says so.
pub(crate) async fn store(place: &Place, make: bool) -> Result<Store, Failure> {
    let settings = settings(Some(&place.data), &place.configured, None)?;
    let store = if make {
        Store::open_with(&place.data, settings.store).await
    } else {
        Store::open_existing_with(&place.data, settings.store).await
    };
    Ok(store?)
}

/// Opens a workspace that is there.
pub(crate) async fn workspace(place: &Place) -> Result<Workspace, Failure> {
    let store = store(place, false).await?;
    match store.workspace(&place.workspace).await? {
        Some(workspace) => Ok(workspace),
        None => {
            let known = store.workspaces().await?;
            let hint = if known.is_empty() { String::new() } else { format!("; there are {}", known.join(", ")) };
            Err(Failure::NotFound(format!(
                "there is no workspace \"{}\" in {}{hint}. An import makes it",
                place.workspace,
                place.data.display()
            )))
        }
    }
}

/// The text of a file, or of standard input for `-`.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = read_bytes(path, CONDITION_BYTES_MAX)?;
    String::from_utf8(bytes)
        .map_err(|e| Failure::Refused(format!("{}: byte {} is not UTF-8", path.display(), e.utf8_error().valid_up_to())))
}

/// The bytes of a file, or of standard input for `-`, up to a limit.
pub(crate) fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(bytes_max + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|f| f.take(bytes_max + 1).read_to_end(&mut bytes))
    };
    read.map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Failure::NotFound(format!("there is no file {}", path.display())),
        _ => Failure::Broken(format!("cannot read {}: {e}", path.display())),
    })?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::Refused(format!("{} is larger than {} MiB", path.display(), bytes_max >> 20)));
    }
    Ok(bytes)
}

/// Now, microseconds; the one place where the commands read the clock for an evaluation.
pub(crate) fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_micros()).ok()).unwrap_or_default()
}

/// The instant of evaluation: as given, or now.
pub(crate) fn as_of(text: Option<&str>, timezone: &str) -> Result<i64, Failure> {
    let Some(text) = text else {
        return Ok(now_us());
    };
    instant("--as-of", text, timezone)
}

/// The instant that a text states, in a zone where it names none; `what` is what was to state it.
pub(crate) fn instant(what: &str, text: &str, timezone: &str) -> Result<i64, Failure> {
    let zone = Zone::parse(timezone).map_err(Failure::Broken)?;
    time::parse_instant(text, &zone)
        .ok_or_else(|| Failure::Usage(format!("{what} {text:?} is neither an instant such as 2026-01-31T09:00:00Z nor a date")))
}

/// The saved things of a pinned state.
pub(crate) fn library(pinned: &Pinned) -> Library {
    Library { segments: pinned.segments.clone(), lists: pinned.lists.keys().cloned().collect() }
}

/// A condition that was read and resolved against a pinned state.
pub(crate) struct Asked {
    pub(crate) pinned: Pinned,
    pub(crate) as_of: i64,
    pub(crate) checked: Checked,
}

/// Pins the present state, for whoever answers.
pub(crate) async fn pin(workspace: &Workspace, router: &Router) -> Result<Pinned, Failure> {
    Ok(if router.reads_shared() { workspace.pin_shared().await? } else { workspace.pin().await? })
}

/// Reads and resolves the condition of a command, whatever faults it has; over a state for `router` if something is to answer.
pub(crate) async fn asked(evaluated: &Evaluated, router: Option<&Router>) -> Result<Asked, Failure> {
    let workspace = workspace(&evaluated.place).await?;
    let pinned = match router {
        Some(router) => pin(&workspace, router).await?,
        None => workspace.pin().await?,
    };
    let as_of = as_of(evaluated.as_of.as_deref(), &pinned.catalog.timezone)?;
    let text = read_text(&evaluated.condition)?;
    let checked = compile::check(&text, &pinned.catalog, &library(&pinned), as_of);
    Ok(Asked { pinned, as_of, checked })
}

/// The plan of a faultless condition.
pub(crate) fn plan_of(checked: Checked) -> Result<Plan, Failure> {
    match checked.plan {
        Some(plan) => Ok(plan),
        None => Err(Failure::Condition { diagnostics: checked.diagnostics, warnings: checked.warnings }),
    }
}
