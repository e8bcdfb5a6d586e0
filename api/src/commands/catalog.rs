//! `muster catalog`: what the workspace knows to exist; `--set` declares more.

use std::time::{Duration, Instant};

use ingest::collect::check::check_schemas;
use segment_core::catalog::{Catalog as Known, Scope};
use segment_core::declare;
use segment_core::json::Json;
use segment_core::rules::Take;
use segment_core::types::Type;
use store::StoreError;

use crate::args::{Catalog, Format, Place};
use crate::context;
use crate::failure::Failure;
use crate::output::{self, Table};

/// How long a declaration waits for whoever has the workspace, and how often it looks.
const WAIT_MAX: Duration = Duration::from_secs(10);
const WAIT_STEP: Duration = Duration::from_millis(10);
/// The zone of a workspace that nobody stated one for.
pub(crate) const TIMEZONE_DEFAULT: &str = "UTC";

pub(super) async fn run(args: Catalog) -> Result<(), Failure> {
    let known = match &args.set {
        None => context::workspace(&args.place).await?.pin().await?.catalog.as_ref().clone(),
        Some(file) => {
            let text = context::read_text(file)?;
            let json = Json::parse(&text).map_err(|e| Failure::Refused(format!("{} is not JSON: {e}", file.display())))?;
            let refused = |e: segment_core::catalog::CatalogError| Failure::Refused(format!("{}: {e}", file.display()));
            let zone = declare::declared_timezone(&json).map_err(refused)?;
            // Nothing is made for a declaration that is refused.
            let alone =
                declare::declare(&Known::new(zone.clone().unwrap_or_else(|| TIMEZONE_DEFAULT.to_owned())), &json).map_err(refused)?;
            check_schemas(&alone).map_err(refused)?;
            let store = context::store(&args.place, true).await?;
            let workspace = match store.workspace(&args.place.workspace).await? {
                Some(workspace) => workspace,
                None => store.create_workspace(&args.place.workspace, zone.as_deref().unwrap_or(TIMEZONE_DEFAULT)).await?,
            };
            let began = Instant::now();
            loop {
                let (version, known) = workspace.catalog().await?;
                let catalog = declare::declare(&known, &json).map_err(refused)?;
                if catalog == known {
                    break catalog;
                }
                match workspace.set_catalog(version, &catalog).await {
                    // A server that publishes has the workspace for moments, and changes its state.
                    Err(StoreError::Busy(_) | StoreError::Conflict(_)) if began.elapsed() < WAIT_MAX => tokio::time::sleep(WAIT_STEP).await,
                    done => {
                        done?;
                        if known.events_table.is_some() && known.events_table != catalog.events_table {
                            forget_tables(&args.place).await;
                        }
                        break catalog;
                    }
                }
            }
        }
    };
    let shown = declare::shown(&known);
    match args.printed.output {
        Format::Json => output::text(&shown.to_text()),
        Format::Text => output::text(&table(&known)),
    }
}

/// Has Trino remove the tables that it had over the events of a binding that is given up. They hold no data: what cannot be removed now is said, and
/// stays.
#[cfg(feature = "trino")]
async fn forget_tables(place: &Place) {
    let Ok(settings) = context::settings(Some(&place.data), &place.configured, None) else { return };
    let Some(trino) = settings.trino.filter(|trino| trino.hive_catalog.is_some()) else { return };
    let removed = async { query_backends::TrinoBackend::new(&trino)?.forget_bound(&place.workspace).await };
    if let Err(error) = removed.await {
        let why = store::chain(&error);
        output::note(&format!("the tables that Trino had over the files of before are still there, without data: {why}"));
    }
}

#[cfg(not(feature = "trino"))]
async fn forget_tables(_: &Place) {}

fn table(catalog: &Known) -> String {
    let mut table = Table::new(&["kind", "name", "type", "known from"]);
    for (kind, scope) in [("attribute", Scope::Attribute), ("property", Scope::Property)] {
        for (name, field) in catalog.fields(scope) {
            rows(&mut table, kind, name, &field.ty, &origin(field.origin, field.seen));
        }
    }
    for (name, event) in &catalog.events {
        let mut carried = event.properties.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        if event.schema.is_some() {
            carried.push_str(if carried.is_empty() { "with a schema" } else { "; with a schema" });
        }
        table.row(vec!["event".to_owned(), name.clone(), carried, origin(event.origin, event.seen)]);
    }
    for (attribute, rule) in &catalog.rules {
        let taken = match &rule.take {
            Take::Last(property) => format!("last {property} of {}", rule.event),
            Take::First(property) => format!("first {property} of {}", rule.event),
            Take::LastTime => format!("time of the last {}", rule.event),
        };
        table.row(vec!["rule".to_owned(), attribute.clone(), taken, "a declaration".to_owned()]);
    }
    let bound = catalog.events_table.as_ref().map(|t| format!("events are read in place from {}\n", t.location)).unwrap_or_default();
    format!("time zone {}\n{bound}\n{}", catalog.timezone, table.render())
}

/// A name's row, and those of the fields in its object, under the names that conditions have for them.
fn rows(table: &mut Table, kind: &str, name: &str, ty: &Type, origin: &str) {
    table.row(vec![kind.to_owned(), name.to_owned(), described(ty), origin.to_owned()]);
    if let Type::Object(fields) = ty {
        fields.iter().for_each(|(field, ty)| rows(table, kind, &format!("{name}.{field}"), ty, origin));
    }
}

/// A type, with what is in it.
fn described(ty: &Type) -> String {
    match ty {
        Type::Objects(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, ty)| format!("{name} {}", described(ty))).collect();
            format!("{} ({})", ty.name(), fields.join(", "))
        }
        Type::Map(values) => format!("{} of {}", ty.name(), values.name()),
        Type::String | Type::Integer | Type::Number | Type::Boolean | Type::Timestamp | Type::Date | Type::Strings | Type::Object(_) => {
            ty.name().to_owned()
        }
    }
}

fn origin(origin: segment_core::catalog::Origin, seen: bool) -> String {
    match (origin, seen) {
        (segment_core::catalog::Origin::Learned, _) => "the data".to_owned(),
        (segment_core::catalog::Origin::Declared, true) => "a declaration".to_owned(),
        (segment_core::catalog::Origin::Declared, false) => "a declaration, never seen".to_owned(),
    }
}
