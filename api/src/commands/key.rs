//! `muster key`: keys for senders and programs.

use ingest::collect::KeyHash;
use segment_core::time::format_instant;
use serde_json::{Value, json};
use store::{KeyInfo, Scope, Scopes, StoreError};
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
        Key::Create { place, scopes, kind, expires, name, printed } => {
            create(&place, chosen(&scopes, kind), expires.as_deref(), &name, printed.output).await
        }
        Key::List { place, printed } => list(&place, printed.output).await,
        Key::Revoke { id, place, printed } => revoke(&place, &id, printed.output).await,
    }
}

/// The scopes of a new key.
fn chosen(scopes: &[args::Scope], kind: Option<args::KeyKind>) -> Scopes {
    let scope = |scope: &args::Scope| match scope {
        args::Scope::Ingest => Scope::Ingest,
        args::Scope::Read => Scope::Read,
        args::Scope::Run => Scope::Run,
        args::Scope::Export => Scope::Export,
        args::Scope::Manage => Scope::Manage,
    };
    match kind {
        Some(args::KeyKind::Read) => [Scope::Read].into(),
        Some(args::KeyKind::Write) => [Scope::Ingest].into(),
        None if scopes.is_empty() => [Scope::Ingest].into(),
        None => scopes.iter().map(scope).collect(),
    }
}

/// How a key begins, so that people see what it is for.
fn prefix(scopes: &Scopes) -> &'static str {
    match scopes.iter().collect::<Vec<_>>().as_slice() {
        [Scope::Ingest] => "mw",
        [Scope::Read] => "mr",
        _ => "mk",
    }
}

fn named(scopes: &Scopes) -> Vec<&'static str> {
    scopes.iter().map(|s| s.name()).collect()
}

async fn create(place: &Place, scopes: Scopes, expires: Option<&str>, name: &str, format: Format) -> Result<(), Failure> {
    if name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Failure::Usage(format!("a key's name has at most {NAME_CHARS_MAX} characters, none of control")));
    }
    let store = context::store(place, true).await?;
    let workspace = match store.workspace(&place.workspace).await? {
        Some(workspace) => workspace,
        None => match store.create_workspace(&place.workspace, TIMEZONE_DEFAULT).await {
            // Somebody else has made it meanwhile.
            Err(StoreError::Conflict(_)) => context::workspace(place).await?,
            made => made?,
        },
    };
    let expires_at = match expires {
        None => None,
        Some(text) => Some(context::instant("--expires", text, &workspace.catalog().await?.1.timezone)?),
    };
    if expires_at.is_some_and(|at| at <= context::now_us()) {
        return Err(Failure::Usage("--expires is over already".to_owned()));
    }
    let key = format!("{}_{}{}", prefix(&scopes), Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let info = store.add_key(&place.workspace, scopes, name, *KeyHash::of(&key).as_bytes(), expires_at).await?;
    match format {
        Format::Json => {
            let mut made = shown(&info);
            made["workspace"] = info.workspace.into();
            made["key"] = key.into();
            output::json(&made)
        }
        Format::Text => {
            let scopes = named(&info.scopes).join(", ");
            output::note(&format!("note: key {} of workspace \"{}\", for {scopes}; it is not shown again", info.id, info.workspace));
            output::text(&key)
        }
    }
}

fn shown(key: &KeyInfo) -> Value {
    json!({
        "id": key.id,
        "scopes": named(&key.scopes),
        "name": key.name,
        "created_at": format_instant(key.created_at),
        "expires_at": key.expires_at.map(format_instant),
    })
}

async fn list(place: &Place, format: Format) -> Result<(), Failure> {
    let workspace = context::workspace(place).await?;
    let keys = keys(place).await?;
    let of: Vec<&KeyInfo> = keys.iter().filter(|key| key.workspace == workspace.name()).collect();
    match format {
        Format::Json => output::json(&json!({ "keys": of.into_iter().map(shown).collect::<Vec<_>>() })),
        Format::Text => {
            let mut table = Table::new(&["id", "for", "name", "made", "until"]);
            for key in of {
                let until = key.expires_at.map(format_instant).unwrap_or_default();
                table.row(vec![key.id.clone(), named(&key.scopes).join(" "), key.name.clone(), format_instant(key.created_at), until]);
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
