//! `muster quarantine`: messages that could not be accepted.

use ingest::collect::{Entry, codec};
use segment_core::time::format_instant;
use serde_json::{Value, json};
use store::QuarantinedRow;

use crate::args::{Format, Place, Quarantine};
use crate::context;
use crate::failure::Failure;
use crate::output::{self, Table};

/// Characters of a message that people are shown.
const SHOWN_CHARS_MAX: usize = 60;

pub(super) async fn run(command: Quarantine) -> Result<(), Failure> {
    match command {
        Quarantine::List { place, limit, printed } => list(&place, limit, printed.output).await,
        Quarantine::Replay { place, reason, printed } => {
            let workspace = workspace(&place).await?;
            let asked = workspace.ask_replay(reason.as_deref()).await?;
            match printed.output {
                Format::Json => output::json(&json!({ "asked": asked })),
                Format::Text => output::text(&format!("{} to be read again by the server", output::counted(asked, "message"))),
            }
        }
    }
}

/// The workspace, in a directory that has a table for the quarantine.
async fn workspace(place: &Place) -> Result<store::Workspace, Failure> {
    context::workspace(place).await?;
    let store = context::store(place, true).await?;
    let found = store.workspace(&place.workspace).await?;
    found.ok_or_else(|| Failure::NotFound(format!("there is no workspace \"{}\"", place.workspace)))
}

async fn list(place: &Place, limit: u32, format: Format) -> Result<(), Failure> {
    let (rows, count, dropped) = workspace(place).await?.quarantine(limit).await?;
    match format {
        Format::Json => {
            output::json(&json!({ "count": count, "dropped": dropped, "messages": rows.iter().map(message).collect::<Vec<_>>() }))
        }
        Format::Text => {
            let mut table = Table::new(&[">number", "received", "reason", "at", "what is wrong", "message"]);
            for row in &rows {
                let (unusable, raw) = (&row.unusable, raw(row));
                let shown = raw.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
                let cells = [row.id.to_string(), format_instant(unusable.received_at), unusable.reason.clone(), unusable.pointer.clone()];
                table.row(cells.into_iter().chain([unusable.message.clone(), shown]).collect());
            }
            let mut text = format!("{} in quarantine\n", output::counted(count, "message"));
            if dropped > 0 {
                text.push_str(&format!("{} made room for later ones\n", output::thousands(dropped)));
            }
            output::text(&format!("{text}\n{}", table.render()))
        }
    }
}

fn message(row: &QuarantinedRow) -> Value {
    let unusable = &row.unusable;
    json!({
        "id": row.id, "received_at": format_instant(unusable.received_at), "code": unusable.reason, "pointer": unusable.pointer,
        "message": unusable.message, "replay": row.replay, "raw": raw(row),
    })
}

/// What came, as text.
fn raw(row: &QuarantinedRow) -> String {
    let bytes = match codec::decode(&row.unusable.entry) {
        Ok(Entry::Quarantined(quarantined)) => quarantined.raw.bytes.into_owned(),
        // What somebody collected and could not publish.
        Ok(Entry::Message(message)) => match message.fact {
            ingest::collect::Fact::Event { properties, .. } => properties.into_bytes(),
            ingest::collect::Fact::Attributes { attributes } => attributes.into_bytes(),
        },
        Err(_) => row.unusable.entry.clone(),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}
