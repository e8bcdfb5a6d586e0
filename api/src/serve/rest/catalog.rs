//! `/catalog`: what a workspace knows to exist, whole or looked up by how names begin.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use segment_core::catalog::{Builtin, Catalog, EventInfo, Field, Origin, Scope};
use segment_core::declare;
use segment_core::json::Json;
use segment_core::types::Type;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{Caller, Read};
use super::page::{Asked, At, Page, Params};
use super::problem::{Answer, Code, Problem};
use super::{json, text_of_json};
use crate::serve::Serving;

/// All paths.
pub(super) fn router() -> OpenApiRouter<std::sync::Arc<Serving>> {
    OpenApiRouter::new().routes(routes!(whole)).routes(routes!(events)).routes(routes!(attributes)).routes(routes!(properties))
}

/// Which names are looked up.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// How they begin.
    prefix: Option<String>,
    /// Names of a page: 1 to 200, 50 if left out.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
struct Event {
    name: String,
    /// How many properties it is known to carry.
    properties: usize,
    /// Learned from data; otherwise declared.
    learned: bool,
    /// Whether any data ever had it.
    seen: bool,
}

/// An attribute or a property, or a field of one that is an object, under the name that conditions have for it.
#[derive(Debug, Serialize, ToSchema)]
struct Named {
    name: String,
    /// string, integer, number, boolean, timestamp, date, strings, object, objects or map.
    #[serde(rename = "type")]
    ty: &'static str,
    /// Of objects and lists of them: their fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    fields: Option<Box<RawValue>>,
    /// Of maps: the type of their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<&'static str>,
    /// Learned from data; otherwise declared.
    learned: bool,
    /// Whether any data ever had a value for it.
    seen: bool,
    /// Whether every workspace has it.
    builtin: bool,
}

/// What is known of a name.
struct Known {
    ty: Type,
    learned: bool,
    seen: bool,
    builtin: bool,
}

impl Known {
    fn of(field: &Field) -> Self {
        Self { ty: field.ty.clone(), learned: field.origin == Origin::Learned, seen: field.seen, builtin: false }
    }

    fn shown(self, name: String) -> Named {
        let shown = Json::Object(declare::type_members(&self.ty));
        Named {
            name,
            ty: self.ty.name(),
            fields: shown.get("fields").and_then(|fields| RawValue::from_string(fields.to_text()).ok()),
            values: if let Type::Map(values) = &self.ty { Some(values.name()) } else { None },
            learned: self.learned,
            seen: self.seen,
            builtin: self.builtin,
        }
    }
}

/// Adds a name, and those of the fields of an object below it.
fn add(names: &mut BTreeMap<String, Known>, name: String, known: Known) {
    if let Type::Object(fields) = &known.ty {
        for (field, ty) in fields.iter() {
            add(names, format!("{name}.{field}"), Known { ty: ty.clone(), ..known });
        }
    }
    names.insert(name, known);
}

fn page(which: &Which, names: BTreeMap<String, Known>) -> Answer {
    let asked = Asked::new(which.limit, which.cursor.as_deref())?;
    let prefix = which.prefix.as_deref().unwrap_or_default();
    let found = names.into_iter().filter(|(name, _)| name.starts_with(prefix));
    json(StatusCode::OK, &asked.page_of(found, |name, known| known.shown(name)))
}

async fn catalog(caller: &Caller<Read>) -> Answer<Catalog> {
    Ok(caller.workspace.catalog().await?.1)
}

/// The whole catalog
///
/// In the form that `muster catalog --set` takes.
#[utoipa::path(get, path = "/catalog", tag = "catalog", security(("key" = ["read"])), responses((status = 200, body = Object)))]
async fn whole(caller: Caller<Read>) -> Answer<Response> {
    Ok(text_of_json(StatusCode::OK, declare::shown(&catalog(&caller).await?).to_text()))
}

/// Events, by name
#[utoipa::path(get, path = "/catalog/events", tag = "catalog", params(Which), security(("key" = ["read"])),
    responses((status = 200, body = Page<Event>), (status = 400, description = "invalid_parameter")))]
async fn events(caller: Caller<Read>, Params(which): Params<Which>) -> Answer<Response> {
    let asked = Asked::new(which.limit, which.cursor.as_deref())?;
    let prefix = which.prefix.unwrap_or_default();
    let events = catalog(&caller).await?.events.into_iter().filter(|(name, _)| name.starts_with(&prefix));
    let shown = |name, event: EventInfo| {
        let (properties, learned) = (event.properties.len(), event.origin == Origin::Learned);
        Event { name, properties, learned, seen: event.seen }
    };
    json(StatusCode::OK, &asked.page_of(events, shown))
}

/// Attributes, by name
///
/// The fields of objects are there under their dotted names.
#[utoipa::path(get, path = "/catalog/attributes", tag = "catalog", params(Which), security(("key" = ["read"])),
    responses((status = 200, body = Page<Named>), (status = 400, description = "invalid_parameter")))]
async fn attributes(caller: Caller<Read>, Params(which): Params<Which>) -> Answer<Response> {
    let mut names = BTreeMap::new();
    for (name, field) in catalog(&caller).await?.fields(Scope::Attribute) {
        add(&mut names, name.clone(), Known::of(field));
    }
    for builtin in [Builtin::UserId, Builtin::FirstSeenAt, Builtin::LastSeenAt] {
        add(&mut names, builtin.name().to_owned(), Known { ty: builtin.ty(), learned: false, seen: true, builtin: true });
    }
    page(&which, names)
}

/// The properties that an event carries, by name
///
/// The fields of objects are there under their dotted names.
#[utoipa::path(get, path = "/catalog/events/{name}/properties", tag = "catalog", params(("name" = String, Path), Which),
    security(("key" = ["read"])),
    responses((status = 200, body = Page<Named>), (status = 400, description = "invalid_parameter"), (status = 404, description = "not_found")))]
async fn properties(caller: Caller<Read>, At(name): At<String>, Params(which): Params<Which>) -> Answer<Response> {
    let catalog = catalog(&caller).await?;
    let event = catalog.events.get(&name);
    let event = event.ok_or_else(|| Problem::new(Code::NotFound, format!("no event \"{name}\" is declared, and none was ever seen")))?;
    let mut names = BTreeMap::new();
    for property in &event.properties {
        if let Some(field) = catalog.fields(Scope::Property).get(property) {
            add(&mut names, property.clone(), Known::of(field));
        }
    }
    page(&which, names)
}
