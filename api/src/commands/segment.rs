//! `muster segment`: saved conditions.

use segment_core::json::Json;
use segment_core::time::format_instant;
use serde_json::json;

use crate::args::{Format, Place, Segment};
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{context, segments};

pub(super) async fn run(command: Segment) -> Result<(), Failure> {
    match command {
        Segment::Save { key, place, condition, printed } => save(&key, &place, &context::read_text(&condition)?, printed.output).await,
        Segment::List { place, printed } => list(&place, printed.output).await,
        Segment::Show { key, place, printed } => show(&key, &place, printed.output).await,
        Segment::Delete { key, place, printed } => delete(&key, &place, printed.output).await,
        Segment::Run { keys, place, as_of, engine, printed } => {
            super::query::run_saved(keys, &place, as_of.as_deref(), &engine, printed.output).await
        }
    }
}

async fn save(key: &str, place: &Place, text: &str, format: Format) -> Result<(), Failure> {
    let workspace = context::workspace(place).await?;
    let (saved, warnings) = segments::hold(&workspace).await?.save(key, text).await?;
    match format {
        Format::Json => output::json(&json!({ "key": saved.key, "version": saved.version, "warnings": warnings })),
        Format::Text => {
            let mut out = format!("saved {} (version {})\n", saved.key, saved.version);
            for warning in &warnings {
                out.push_str(&format!("  note: {}: {}\n", warning.pointer, warning.message));
            }
            output::text(&out)
        }
    }
}

async fn list(place: &Place, format: Format) -> Result<(), Failure> {
    let segments = context::workspace(place).await?.segments().await?;
    match format {
        Format::Json => output::json(&serde_json::Value::Array(
            segments
                .iter()
                .map(|s| {
                    json!({ "key": s.key, "version": s.version, "created_at": format_instant(s.created_at), "updated_at": format_instant(s.updated_at) })
                })
                .collect(),
        )),
        Format::Text => {
            let mut table = Table::new(&["segment", ">version", "updated"]);
            for s in &segments {
                table.row(vec![s.key.clone(), s.version.to_string(), format_instant(s.updated_at)]);
            }
            output::text(&table.render())
        }
    }
}

async fn show(key: &str, place: &Place, format: Format) -> Result<(), Failure> {
    let segment = segments::read(&context::workspace(place).await?, key).await?;
    match format {
        Format::Text => output::text(&segment.saved.condition),
        Format::Json => {
            let condition =
                Json::parse(&segment.saved.condition).map_err(|e| Failure::Broken(format!("segment \"{key}\" is damaged: {e}")))?;
            let members = vec![
                ("key".to_owned(), Json::String(segment.key)),
                ("version".to_owned(), Json::Number(segment.version.to_string())),
                ("created_at".to_owned(), Json::String(format_instant(segment.created_at))),
                ("updated_at".to_owned(), Json::String(format_instant(segment.updated_at))),
                ("condition".to_owned(), condition),
            ];
            output::text(&Json::Object(members).to_text())
        }
    }
}

async fn delete(key: &str, place: &Place, format: Format) -> Result<(), Failure> {
    let workspace = context::workspace(place).await?;
    segments::hold(&workspace).await?.delete(key).await?;
    match format {
        Format::Json => output::json(&json!({ "deleted": key })),
        Format::Text => output::text(&format!("deleted {key}")),
    }
}
