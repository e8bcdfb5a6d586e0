//! `muster list`: lists of user ids.

use std::path::Path;

use ingest::ListFile;
use segment_core::time::format_instant;
use serde_json::{Value, json};
use store::{ListInfo, Workspace};

use super::import::failure;
use crate::args::{Format, List, Place};
use crate::context;
use crate::failure::Failure;
use crate::output::{self, Table};

pub(super) async fn run(command: List) -> Result<(), Failure> {
    match command {
        List::Import { key, file, place, printed } => {
            let workspace = context::workspace(&place).await?;
            // Reading blocks; nothing else waits for this thread.
            let read = tokio::task::spawn_blocking(move || read(&file)).await.map_err(|e| Failure::Broken(e.to_string()))??;
            import(&key, read, &workspace, printed.output).await
        }
        List::All { place, printed } => list(&place, printed.output).await,
        List::Show { key, place, printed } => {
            let info = context::workspace(&place).await?.list(&key).await?.ok_or_else(|| unknown(&key))?;
            show(&info, printed.output)
        }
        List::Delete { key, place, printed } => delete(&key, &place, printed.output).await,
    }
}

fn read(file: &Path) -> Result<ListFile, Failure> {
    if file == Path::new("-") {
        return ListFile::read(std::io::stdin().lock()).map_err(failure);
    }
    let open = std::fs::File::open(file).map_err(|e| Failure::NotFound(format!("cannot read {}: {e}", file.display())))?;
    ListFile::read(open).map_err(failure)
}

async fn import(key: &str, list: ListFile, workspace: &Workspace, format: Format) -> Result<(), Failure> {
    let pinned = workspace.pin().await?;
    let counted = tokio::task::spawn_blocking(move || list.matched(&pinned.profiles).map(|matched| (list.report(matched), list)));
    let (report, list) = counted.await.map_err(|e| Failure::Broken(e.to_string()))?.map_err(failure)?;
    let report = serde_json::to_value(report).map_err(|e| Failure::Broken(e.to_string()))?;
    let info = workspace.replace_list(key, list.ids.into_iter().collect(), report).await?;
    show(&info, format)
}

fn shown(info: &ListInfo) -> Value {
    let mut shown = json!({ "key": info.key, "users": info.rows, "updated_at": format_instant(info.updated_at) });
    if let (Value::Object(shown), Value::Object(report)) = (&mut shown, &info.report) {
        for (name, count) in report {
            shown.insert(name.clone(), count.clone());
        }
    }
    shown
}

fn show(info: &ListInfo, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&shown(info)),
        Format::Text => {
            let count = |name: &str| info.report.get(name).and_then(Value::as_u64).map_or_else(|| "?".to_owned(), output::thousands);
            output::text(&format!(
                "{}: {} rows = {} matched + {} duplicate + {} blank + {} unknown, updated {}",
                info.key,
                count("rows"),
                count("matched"),
                count("duplicate"),
                count("blank"),
                count("unknown"),
                format_instant(info.updated_at)
            ))
        }
    }
}

async fn list(place: &Place, format: Format) -> Result<(), Failure> {
    let lists = context::workspace(place).await?.lists().await?;
    match format {
        Format::Json => output::json(&Value::Array(lists.iter().map(shown).collect())),
        Format::Text => {
            let mut table = Table::new(&["list", ">ids", "updated"]);
            for info in &lists {
                table.row(vec![info.key.clone(), output::thousands(info.rows), format_instant(info.updated_at)]);
            }
            output::text(&table.render())
        }
    }
}

async fn delete(key: &str, place: &Place, format: Format) -> Result<(), Failure> {
    let workspace = context::workspace(place).await?;
    let _held = workspace.hold_references().await?;
    let pinned = workspace.pin().await?;
    let dependents = context::dependents(&pinned.segments, |c| c.lists().contains(&key));
    if !dependents.is_empty() {
        return Err(Failure::Refused(format!("list \"{key}\" is used by segment {}", dependents.join(", "))));
    }
    if !workspace.delete_list(key).await? {
        return Err(unknown(key));
    }
    match format {
        Format::Json => output::json(&json!({ "deleted": key })),
        Format::Text => output::text(&format!("deleted {key}")),
    }
}

fn unknown(key: &str) -> Failure {
    Failure::NotFound(format!("there is no list \"{key}\""))
}
