//! `muster key`: keys for senders and readers.

use ingest::collect::KeyHash;
use segment_core::time::format_instant;
use serde_json::json;
use store::{KeyInfo, KeyKind, StoreError};
use uuid::Uuid;

use super::catalog::TIMEZONE_DEFAULT;
use crate::args::{self, Format, Key, Place};
use crate::context;
use crate::failure::Failure;
use crate::output::{self, Table};

/// Characters of a key's name.
const NAME_CHARS_MAX: usize = 100;

pub(super) async fn run(command: Key) -> Result<(), Failure> {
    match command {
        Key::Create { place, kind, name, printed } => create(&place, kind, &name, printed.output).await,
        Key::List { place, printed } => list(&place, printed.output).await,
        Key::Revoke { id, place, printed } => revoke(&place, &id, printed.output).await,
    }
}

async fn create(place: &Place, kind: args::KeyKind, name: &str, format: Format) -> Result<(), Failure> {
    if name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Failure::Usage(format!("a key's name has at most {NAME_CHARS_MAX} characters, none of control")));
    }
    let store = context::store(place, true).await?;
    if store.workspace(&place.workspace).await?.is_none() {
        match store.create_workspace(&place.workspace, TIMEZONE_DEFAULT).await {
            // Somebody else has made it meanwhile.
            Ok(_) | Err(StoreError::Conflict(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let (kind, prefix) = match kind {
        args::KeyKind::Write => (KeyKind::Write, "mw"),
        args::KeyKind::Read => (KeyKind::Read, "mr"),
    };
    let key = format!("{prefix}_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let info = store.add_key(&place.workspace, kind, name, *KeyHash::of(&key).as_bytes()).await?;
    match format {
        Format::Json => output::json(&json!({ "id": info.id, "workspace": info.workspace, "kind": kind.name(), "key": key })),
        Format::Text => {
            output::note(&format!("note: {} key {} of workspace \"{}\"; it is not shown again", kind.name(), info.id, info.workspace));
            output::text(&key)
        }
    }
}

async fn list(place: &Place, format: Format) -> Result<(), Failure> {
    let workspace = context::workspace(place).await?;
    let keys = keys(place).await?;
    let of: Vec<&KeyInfo> = keys.iter().filter(|key| key.workspace == workspace.name()).collect();
    match format {
        Format::Json => {
            let key =
                |k: &&KeyInfo| json!({ "id": k.id, "kind": k.kind.name(), "name": k.name, "created_at": format_instant(k.created_at) });
            output::json(&json!({ "keys": of.iter().map(key).collect::<Vec<_>>() }))
        }
        Format::Text => {
            let mut table = Table::new(&["id", "for", "name", "made"]);
            for key in of {
                table.row(vec![key.id.clone(), key.kind.name().to_owned(), key.name.clone(), format_instant(key.created_at)]);
            }
            output::text(&table.render())
        }
    }
}

async fn revoke(place: &Place, id: &str, format: Format) -> Result<(), Failure> {
    let workspace = context::workspace(place).await?;
    let known = keys(place).await?.iter().any(|key| key.id == id && key.workspace == workspace.name());
    if !known || !context::store(place, true).await?.revoke_key(id).await? {
        return Err(Failure::NotFound(format!("workspace \"{}\" has no key {id}", workspace.name())));
    }
    match format {
        Format::Json => output::json(&json!({ "revoked": id })),
        Format::Text => output::text(&format!("{id} is revoked; a running server takes it for a moment more")),
    }
}

/// All keys of the directory, which has the table for them from here on.
async fn keys(place: &Place) -> Result<Vec<KeyInfo>, Failure> {
    Ok(context::store(place, true).await?.keys().await?)
}
