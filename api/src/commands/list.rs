//! `muster list`: lists of user ids.

use std::path::Path;

use ingest::ListFile;
use segment_core::time::format_instant;
use serde_json::{Value, json};
use store::{ListInfo, Workspace};

use super::import::failure;
use crate::args::{Format, List, Place};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{context, lists};

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
            let info = lists::read(&context::workspace(&place).await?, &key).await?;
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
    show(&lists::replace(workspace, key, list).await?, format)
}

fn show(info: &ListInfo, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!(lists::List::of(info))),
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
    let all = context::workspace(place).await?.lists().await?;
    match format {
        Format::Json => output::json(&json!(all.iter().map(lists::List::of).collect::<Vec<_>>())),
        Format::Text => {
            let mut table = Table::new(&["list", ">ids", "updated"]);
            for info in &all {
                table.row(vec![info.key.clone(), output::thousands(info.rows), format_instant(info.updated_at)]);
            }
            output::text(&table.render())
        }
    }
}

async fn delete(key: &str, place: &Place, format: Format) -> Result<(), Failure> {
    let workspace = context::workspace(place).await?;
    lists::delete(&workspace, key).await?;
    match format {
        Format::Json => output::json(&json!({ "deleted": key })),
        Format::Text => output::text(&format!("deleted {key}")),
    }
}
