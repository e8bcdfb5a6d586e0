//! The catalog's wire JSON: declarations in, the catalog as shown out.
//!
//! `{"timezone", "attributes": {name: T}, "properties": {name: T}, "events": {name: {"properties": […], "schema": …}}, "rules": {…}, "events_table": E}`, where T is
//! `{"type": …, "fields": {…}, "values": …}` and E is that of [`crate::binding`], or null for none. What is shown has `learned` and `seen` besides; both are accepted and
//! passed over when read, so that what was shown can be edited and set again.

use crate::binding;
use crate::catalog::{Catalog, CatalogError, Origin, Scope};
use crate::diagnostics::Pointer;
use crate::json::Json;
use crate::rules;
use crate::schema;
use crate::time::Zone;
use crate::types::{Fields, Type};

/// Objects inside objects in a declaration.
const FIELDS_DEPTH_MAX: usize = 16;

pub(crate) fn malformed(pointer: &Pointer<'_>, message: impl Into<String>) -> CatalogError {
    CatalogError::Malformed { pointer: pointer.into(), message: message.into() }
}

/// A fault in a field inside an attribute or a property.
fn inside(at: &Pointer<'_>, within: &[String], message: &str) -> CatalogError {
    match within.split_first() {
        None => malformed(at, message),
        Some((field, rest)) => inside(&at.key("fields").key(field), rest, message),
    }
}

pub(crate) fn members<'j>(json: &'j Json, pointer: &Pointer<'_>, known: Option<&[&str]>) -> Result<&'j [(String, Json)], CatalogError> {
    let members = json.as_object().ok_or_else(|| malformed(pointer, format!("an object is needed; this is {}", json.kind())))?;
    for (i, (key, _)) in members.iter().enumerate() {
        let at = pointer.key(key);
        if members.iter().take(i).any(|(k, _)| k == key) {
            return Err(malformed(&at, format!("\"{key}\" is given twice")));
        }
        if known.is_some_and(|known| !known.contains(&key.as_str())) {
            return Err(malformed(&at, format!("unknown member \"{key}\"")));
        }
    }
    Ok(members)
}

/// The zone that a declaration states.
///
/// # Errors
///
/// `Malformed` if it is no zone's name.
pub fn declared_timezone(json: &Json) -> Result<Option<String>, CatalogError> {
    match json.get("timezone") {
        None => Ok(None),
        Some(zone) => {
            let name = zone
                .as_str()
                .ok_or_else(|| malformed(&Pointer::ROOT.key("timezone"), "an IANA zone name such as \"Europe/London\" is needed"))?;
            Zone::parse(name).map_err(|e| malformed(&Pointer::ROOT.key("timezone"), e))?;
            Ok(Some(name.to_owned()))
        }
    }
}

/// The catalog with a declaration added.
///
/// # Errors
///
/// The first thing wrong in the declaration; the catalog given is not changed.
pub fn declare(catalog: &Catalog, json: &Json) -> Result<Catalog, CatalogError> {
    let mut out = catalog.clone();
    let top = members(json, &Pointer::ROOT, Some(&["timezone", "attributes", "properties", "events", "rules", "events_table"]))?;
    if let Some(zone) = declared_timezone(json)? {
        out.timezone = zone;
    }
    for (key, value) in top {
        let at = Pointer::ROOT.key(key);
        let scope = match key.as_str() {
            "attributes" => Scope::Attribute,
            "properties" => Scope::Property,
            "events" => {
                declare_events(&mut out, value, &at)?;
                continue;
            }
            _ => continue,
        };
        for (name, spec) in members(value, &at, None)? {
            let at = at.key(name);
            let ty = read_type(spec, &at, 0)?;
            out.set_field(scope, name, &ty, Origin::Declared).map_err(|e| match &e {
                CatalogError::TypeChange { within, .. } => inside(&at, within, &e.to_string()),
                CatalogError::Builtin(_) | CatalogError::BadName(_) | CatalogError::Malformed { .. } => malformed(&at, e.to_string()),
            })?;
        }
    }
    // Last: what speaks of attributes and properties.
    if let Some(rules) = json.get("rules") {
        rules::declare(&mut out, rules, &Pointer::ROOT.key("rules"))?;
    }
    if let Some(table) = json.get("events_table") {
        let at = Pointer::ROOT.key("events_table");
        out.events_table = if table.is_null() { None } else { Some(binding::read(table, &at, &out)?) };
    }
    Ok(out)
}

fn declare_events(catalog: &mut Catalog, json: &Json, at: &Pointer<'_>) -> Result<(), CatalogError> {
    for (name, spec) in members(json, at, None)? {
        let at = at.key(name);
        // Whatever data can bring, so that what was learned can be declared.
        if name.is_empty() {
            return Err(malformed(&at, "an event's name is not empty"));
        }
        members(spec, &at, Some(&["properties", "schema", "learned", "seen"]))?;
        let mut properties = Vec::new();
        if let Some(value) = spec.get("properties") {
            let at = at.key("properties");
            let list = value.as_array().ok_or_else(|| malformed(&at, "a list of property names is needed"))?;
            for (i, property) in list.iter().enumerate() {
                properties.push(property.as_str().ok_or_else(|| malformed(&at.index(i), "a property's name is text"))?);
            }
        }
        catalog.set_event(name, properties, Origin::Declared);
        if let (Some(json), Some(event)) = (spec.get("schema"), catalog.events.get_mut(name)) {
            event.schema = if json.is_null() { None } else { Some(schema::read(json, &at.key("schema"))?) };
        }
    }
    schema::check_all(catalog, at)
}

fn read_type(json: &Json, at: &Pointer<'_>, depth: usize) -> Result<Type, CatalogError> {
    if depth > FIELDS_DEPTH_MAX {
        return Err(malformed(at, format!("objects are nested more than {FIELDS_DEPTH_MAX} deep")));
    }
    members(json, at, Some(&["type", "fields", "values", "learned", "seen"]))?;
    let name = json.get("type").and_then(Json::as_str).ok_or_else(|| malformed(at, "\"type\" is missing"))?;
    let ty = match name {
        "object" | "objects" => {
            let fields = match json.get("fields") {
                None => Fields::new(),
                Some(fields) => read_fields(fields, &at.key("fields"), depth)?,
            };
            if name == "object" { Type::Object(fields) } else { Type::Objects(fields) }
        }
        "map" => {
            let at = at.key("values");
            let values =
                json.get("values").and_then(Json::as_str).ok_or_else(|| malformed(&at, "a map needs \"values\", a scalar type"))?;
            Type::Map(Box::new(scalar(values).ok_or_else(|| malformed(&at, format!("\"{values}\" is no scalar type")))?))
        }
        "strings" => Type::Strings,
        other => scalar(other).ok_or_else(|| {
            let all = "string, integer, number, boolean, timestamp, date, strings, object, objects or map";
            malformed(&at.key("type"), format!("\"{other}\" is no type: {all}"))
        })?,
    };
    for (member, fits) in [("fields", matches!(ty, Type::Object(_) | Type::Objects(_))), ("values", matches!(ty, Type::Map(_)))] {
        if !fits && json.get(member).is_some() {
            return Err(malformed(&at.key(member), format!("a {name} has no \"{member}\"")));
        }
    }
    Ok(ty)
}

fn read_fields(json: &Json, at: &Pointer<'_>, depth: usize) -> Result<Fields, CatalogError> {
    let mut fields = Fields::new();
    for (name, spec) in members(json, at, None)? {
        let at = at.key(name);
        if name.is_empty() || name.contains('.') {
            return Err(malformed(&at, "a field's name is not empty and has no dot"));
        }
        fields.insert(name.clone(), read_type(spec, &at, depth + 1)?);
    }
    Ok(fields)
}

fn scalar(name: &str) -> Option<Type> {
    match name {
        "string" => Some(Type::String),
        "integer" => Some(Type::Integer),
        "number" => Some(Type::Number),
        "boolean" => Some(Type::Boolean),
        "timestamp" => Some(Type::Timestamp),
        "date" => Some(Type::Date),
        _ => None,
    }
}

/// The catalog as shown.
pub fn shown(catalog: &Catalog) -> Json {
    let field_map = |scope: Scope| {
        let fields = catalog.fields(scope).iter().map(|(name, field)| {
            let mut members = type_members(&field.ty);
            members.push(("learned".to_owned(), Json::Bool(field.origin == Origin::Learned)));
            members.push(("seen".to_owned(), Json::Bool(field.seen)));
            (name.clone(), Json::Object(members))
        });
        Json::Object(fields.collect())
    };
    let events = catalog.events.iter().map(|(name, event)| {
        let properties = event.properties.iter().map(|p| Json::String(p.clone())).collect();
        let mut members = vec![
            ("properties".to_owned(), Json::Array(properties)),
            ("learned".to_owned(), Json::Bool(event.origin == Origin::Learned)),
            ("seen".to_owned(), Json::Bool(event.seen)),
        ];
        members.extend(event.schema.as_deref().and_then(|text| Some(("schema".to_owned(), Json::parse(text).ok()?))));
        (name.clone(), Json::Object(members))
    });
    let rules = catalog.rules.iter().map(|(attribute, rule)| (attribute.clone(), rules::shown(rule))).collect();
    let mut out = vec![
        ("timezone".to_owned(), Json::String(catalog.timezone.clone())),
        ("attributes".to_owned(), field_map(Scope::Attribute)),
        ("properties".to_owned(), field_map(Scope::Property)),
        ("events".to_owned(), Json::Object(events.collect())),
    ];
    if !catalog.rules.is_empty() {
        out.push(("rules".to_owned(), Json::Object(rules)));
    }
    out.extend(catalog.events_table.iter().map(|table| ("events_table".to_owned(), binding::shown(table))));
    Json::Object(out)
}

/// A type as a declaration has it: `type`, and the `fields` or `values` that belong to it.
pub fn type_members(ty: &Type) -> Vec<(String, Json)> {
    let mut members = vec![("type".to_owned(), Json::String(ty.name().to_owned()))];
    match ty {
        Type::Object(fields) | Type::Objects(fields) => {
            let fields = fields.iter().map(|(name, ty)| (name.clone(), Json::Object(type_members(ty)))).collect();
            members.push(("fields".to_owned(), Json::Object(fields)));
        }
        Type::Map(values) => members.push(("values".to_owned(), Json::String(values.name().to_owned()))),
        Type::String | Type::Integer | Type::Number | Type::Boolean | Type::Timestamp | Type::Date | Type::Strings => {}
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(catalog: &Catalog, json: &str) -> Result<Catalog, String> {
        declare(catalog, &Json::parse(json).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn what_was_shown_can_be_set_again() {
        let mut catalog = Catalog::new("UTC");
        catalog.set_event("e\u{1}", ["p"], Origin::Learned);
        let again = declare(&catalog, &shown(&catalog)).unwrap();
        assert_eq!(again.events.keys().collect::<Vec<_>>(), ["e\u{1}"]);
    }

    #[test]
    fn a_clash_is_told_where_it_is() {
        let catalog = declared(
            &Catalog::new("UTC"),
            r#"{"attributes": {"o": {"type": "object", "fields": {"i": {"type": "object", "fields": {"x": {"type": "number"}}}}}}}"#,
        );
        let catalog = catalog.unwrap();
        let error = |json: &str| declared(&catalog, json).unwrap_err();
        let inner =
            error(r#"{"attributes": {"o": {"type": "object", "fields": {"i": {"type": "object", "fields": {"x": {"type": "string"}}}}}}}"#);
        let start = "/attributes/o/fields/i/fields/x: attribute \"o.i.x\" is number and cannot become string";
        assert!(inner.starts_with(start), "{inner}");
        let outer = error(r#"{"attributes": {"o": {"type": "string"}}}"#);
        assert!(outer.starts_with("/attributes/o: attribute \"o\" is object and cannot become string"), "{outer}");
    }
}
