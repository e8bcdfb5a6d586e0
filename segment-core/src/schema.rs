//! JSON Schemas of events, as far as they can be judged without a validator.
//!
//! In: the member `schema` of an event's declaration. Out: its compact text, which the catalog keeps.
//!
//! Invariants: references lead to places inside the schema and never back, so that with each of them replaced by what it leads to it is a finite tree, of
//! bounded values and levels. What validating an event costs is bounded by these and by the event's size. Deliberately absent: whether it is a
//! schema of its draft, and whether its patterns compile. Who validates says that.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Catalog, CatalogError};
use crate::declare::malformed;
use crate::diagnostics::Pointer;
use crate::json::Json;
use crate::limits::{SCHEMA_BYTES_MAX, SCHEMA_LEVELS_MAX, SCHEMA_PATTERNS_MAX, SCHEMA_VALUES_MAX, SCHEMAS_BYTES_MAX};

/// Checks a schema.
///
/// # Errors
///
/// The first thing wrong.
pub(crate) fn read(json: &Json, at: &Pointer<'_>) -> Result<String, CatalogError> {
    if !matches!(json, Json::Object(_) | Json::Bool(_)) {
        return Err(malformed(at, format!("a JSON Schema is an object, true or false; this is {}", json.kind())));
    }
    let text = json.to_text();
    if text.len() > SCHEMA_BYTES_MAX {
        return Err(malformed(at, format!("a schema has at most {SCHEMA_BYTES_MAX} bytes; this one has {}", text.len())));
    }
    Form { old_ids: has_old_ids(json), patterns: 0 }.check(json, at, 1)?;
    Expanded { root: json, targets: BTreeMap::new() }.size(json, at, 1)?;
    Ok(text)
}

/// Whether all schemas of a catalog together are within their bounds.
///
/// # Errors
///
/// They are not.
pub(crate) fn check_all(catalog: &Catalog, at: &Pointer<'_>) -> Result<(), CatalogError> {
    let schemas = || catalog.events.values().filter_map(|event| event.schema.as_deref());
    let bytes: usize = schemas().map(str::len).sum();
    if bytes > SCHEMAS_BYTES_MAX {
        return Err(malformed(at, format!("all schemas together have at most {SCHEMAS_BYTES_MAX} bytes; these have {bytes}")));
    }
    let mut form = Form { old_ids: false, patterns: 0 };
    for json in schemas().filter_map(|text| Json::parse(text).ok()) {
        form.old_ids = has_old_ids(&json);
        form.check(&json, at, 1)?;
    }
    if form.patterns > SCHEMA_PATTERNS_MAX {
        let message = format!("all schemas together have at most {SCHEMA_PATTERNS_MAX} patterns; these have {}", form.patterns);
        return Err(malformed(at, message));
    }
    Ok(())
}

/// In draft 4 `id` is what `$id` is later.
fn has_old_ids(json: &Json) -> bool {
    json.get("$schema").and_then(Json::as_str).is_some_and(|uri| uri.contains("draft-04"))
}

/// What can be said of each value by itself.
struct Form {
    old_ids: bool,
    patterns: usize,
}

impl Form {
    fn check(&mut self, json: &Json, at: &Pointer<'_>, level: usize) -> Result<(), CatalogError> {
        if level > SCHEMA_LEVELS_MAX {
            return Err(too_deep(at));
        }
        match json {
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Ok(()),
            Json::BadString => Err(malformed(at, "the text has an unpaired surrogate")),
            Json::Array(items) => items.iter().enumerate().try_for_each(|(i, item)| self.check(item, &at.index(i), level + 1)),
            Json::Object(members) => {
                let mut names = BTreeSet::new();
                for (name, value) in members {
                    let at = at.key(name);
                    if !names.insert(name) {
                        return Err(malformed(&at, format!("\"{name}\" is given twice")));
                    }
                    self.member(name, value, &at, level)?;
                    self.check(value, &at, level + 1)?;
                }
                Ok(())
            }
        }
    }

    fn member(&mut self, name: &str, value: &Json, at: &Pointer<'_>, level: usize) -> Result<(), CatalogError> {
        match (name, value) {
            ("$ref", Json::String(reference)) if steps(reference).is_none() => {
                let message = format!(
                    "\"{reference}\" leads out of the schema, or to an anchor: refer to a place inside it by its pointer, such as \
                     \"#/$defs/price\""
                );
                Err(malformed(at, message))
            }
            ("$dynamicRef" | "$recursiveRef", Json::String(_)) => Err(malformed(at, format!("\"{name}\" is not supported: use \"$ref\""))),
            ("$id" | "$schema", Json::String(_)) if level > 1 => {
                Err(malformed(at, format!("\"{name}\" stands at the top of a schema alone")))
            }
            ("id", Json::String(_)) if level > 1 && self.old_ids => Err(malformed(at, "\"id\" stands at the top of a schema alone")),
            ("pattern", Json::String(_)) => {
                self.patterns += 1;
                Ok(())
            }
            ("patternProperties", Json::Object(members)) => {
                self.patterns += members.len();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The steps of a reference inside the schema; `None` for any other.
fn steps(reference: &str) -> Option<impl Iterator<Item = String>> {
    let pointer = reference.strip_prefix('#').filter(|p| (p.is_empty() || p.starts_with('/')) && !p.contains('%'))?;
    Some(pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")))
}

fn too_deep(at: &Pointer<'_>) -> CatalogError {
    malformed(at, format!("the schema has more than {SCHEMA_LEVELS_MAX} levels, with what its references lead to"))
}

/// Values and levels of a part of a schema, with what its references lead to.
#[derive(Clone, Copy)]
struct Size {
    values: usize,
    levels: usize,
}

/// A schema with references replaced.
struct Expanded<'j> {
    root: &'j Json,
    /// By reference; `None` while it is being followed.
    targets: BTreeMap<&'j str, Option<Size>>,
}

impl<'j> Expanded<'j> {
    fn size(&mut self, json: &'j Json, at: &Pointer<'_>, level: usize) -> Result<Size, CatalogError> {
        if level > SCHEMA_LEVELS_MAX {
            return Err(too_deep(at));
        }
        let mut size = Size { values: 1, levels: 1 };
        match json {
            Json::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    size.add(self.size(item, &at.index(i), level + 1)?, at)?;
                }
            }
            Json::Object(members) => {
                for (name, value) in members {
                    let at = at.key(name);
                    let part = match value {
                        Json::String(reference) if name == "$ref" => self.target(reference, &at, level + 1)?,
                        _ => self.size(value, &at, level + 1)?,
                    };
                    size.add(part, &at)?;
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::BadString => {}
        }
        Ok(size)
    }

    fn target(&mut self, reference: &'j str, at: &Pointer<'_>, level: usize) -> Result<Size, CatalogError> {
        let size = match self.targets.get(reference) {
            Some(None) => return Err(malformed(at, format!("\"{reference}\" leads back to where it stands: a schema of unknown depth"))),
            Some(Some(size)) => *size,
            None => {
                let found = steps(reference).and_then(|mut steps| steps.try_fold(self.root, |json, step| inside(json, &step)));
                let target = found.ok_or_else(|| malformed(at, format!("there is nothing at \"{reference}\"")))?;
                self.targets.insert(reference, None);
                let size = self.size(target, at, level).map_err(|e| match e {
                    // It is told of the place that leads there.
                    CatalogError::Malformed { message, .. } => malformed(at, message),
                    other @ (CatalogError::TypeChange { .. } | CatalogError::Builtin(_) | CatalogError::BadName(_)) => other,
                })?;
                self.targets.insert(reference, Some(size));
                size
            }
        };
        if level + size.levels > SCHEMA_LEVELS_MAX + 1 { Err(too_deep(at)) } else { Ok(size) }
    }
}

fn inside<'j>(json: &'j Json, step: &str) -> Option<&'j Json> {
    match json {
        Json::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => json.get(step),
    }
}

impl Size {
    fn add(&mut self, part: Size, at: &Pointer<'_>) -> Result<(), CatalogError> {
        self.values += part.values;
        self.levels = self.levels.max(1 + part.levels);
        if self.values <= SCHEMA_VALUES_MAX {
            return Ok(());
        }
        Err(malformed(at, format!("the schema has more than {SCHEMA_VALUES_MAX} values, with what its references lead to")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare;

    fn declared(catalog: &Catalog, events: &str) -> Result<Catalog, CatalogError> {
        declare::declare(catalog, &Json::parse(&format!(r#"{{"events": {events}}}"#)).unwrap())
    }

    /// The pointer of what is refused.
    fn check(schema: &str, pointer: Option<&str>) {
        let found = declared(&Catalog::new("UTC"), &format!(r#"{{"buy": {{"schema": {schema}}}}}"#));
        match (found, pointer) {
            (Ok(catalog), None) => assert_eq!(catalog.events["buy"].schema, Some(Json::parse(schema).unwrap().to_text())),
            (Err(CatalogError::Malformed { pointer: found, message }), Some(pointer)) => {
                assert_eq!(found, format!("/events/buy/schema{pointer}"), "{message}");
            }
            (found, pointer) => panic!("{schema}: {found:?}, {pointer:?}"),
        }
    }

    #[test]
    fn schemas_read_back_and_go() {
        let schema = r#"{"type":"object","required":["price"],"properties":{"price":{"minimum":0.50}}}"#;
        let catalog = declared(&Catalog::new("UTC"), &format!(r#"{{"buy": {{"properties": ["price"], "schema": {schema}}}}}"#)).unwrap();
        let shown = declare::shown(&catalog);
        assert_eq!(shown.get("events").unwrap().get("buy").unwrap().get("schema").unwrap().to_text(), schema);
        assert_eq!(declare::declare(&Catalog::new("UTC"), &shown).unwrap().events["buy"].schema, catalog.events["buy"].schema);
        assert_eq!(serde_json::from_str::<Catalog>(&serde_json::to_string(&catalog).unwrap()).unwrap(), catalog);
        // What is not named stays; null takes it away.
        let same = declared(&catalog, r#"{"buy": {"properties": ["tax"]}}"#).unwrap();
        assert_eq!(same.events["buy"].schema.as_deref(), Some(schema));
        assert_eq!(declared(&same, r#"{"buy": {"schema": null}}"#).unwrap().events["buy"].schema, None);
    }

    #[test]
    fn forms() {
        check("true", None);
        check("false", None);
        check("5", Some(""));
        check("[]", Some(""));
        check(r#"{"$id": "https://shop.example/buy", "$schema": "http://json-schema.org/draft-07/schema#", "id": "x"}"#, None);
        check(r#"{"properties": {"id": {"type": "string"}, "$ref": {"type": "string"}}, "required": ["id"]}"#, None);
        check(r#"{"properties": {"a": {"type": "string", "type": "number"}}}"#, Some("/properties/a/type"));
        check(r#"{"const": "\ud800"}"#, Some("/const"));
        check(r#"{"properties": {"a": {"$id": "b"}}}"#, Some("/properties/a/$id"));
        check(r#"{"allOf": [{"$schema": "http://json-schema.org/draft-04/schema#"}]}"#, Some("/allOf/0/$schema"));
        check(r#"{"$schema": "http://json-schema.org/draft-04/schema#", "not": {"id": "x"}}"#, Some("/not/id"));
    }

    #[test]
    fn references_stay_inside_and_lead_forward() {
        check(
            r##"{"$defs": {"a/b": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a~1b"}, "y": {"$ref": "#/$defs/a~1b"}}}"##,
            None,
        );
        check(r##"{"allOf": [{"$ref": "#/allOf/1"}, {}]}"##, None);
        for reference in
            ["https://shop.example/x", "file:///etc/passwd", "other.json", "#anchor", "", "other.json#/a", "#/a%20b", "urn:x:y"]
        {
            check(&format!(r#"{{"items": {{"$ref": "{reference}"}}}}"#), Some("/items/$ref"));
        }
        check(r##"{"items": {"$ref": "#/$defs/none"}}"##, Some("/items/$ref"));
        check(r##"{"items": {"$ref": "#"}}"##, Some("/items/$ref"));
        check(r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}}"##, Some("/$defs/a/$ref"));
        check(r##"{"items": {"$dynamicRef": "#a"}}"##, Some("/items/$dynamicRef"));
        check(r##"{"items": {"$recursiveRef": "#"}}"##, Some("/items/$recursiveRef"));
    }

    #[test]
    fn bounds() {
        let nested = |n: usize| format!("{}true{}", r#"{"not":"#.repeat(n), "}".repeat(n));
        check(&nested(SCHEMA_LEVELS_MAX - 1), None);
        check(&nested(SCHEMA_LEVELS_MAX), Some(&"/not".repeat(SCHEMA_LEVELS_MAX)));
        let values = |n: usize| format!(r#"{{"enum":[{}]}}"#, vec!["1"; n].join(","));
        check(&values(SCHEMA_VALUES_MAX - 2), None);
        check(&values(SCHEMA_VALUES_MAX - 1), Some("/enum"));
        check(&format!(r#"{{"const":"{}"}}"#, "x".repeat(SCHEMA_BYTES_MAX)), Some(""));
        // Small as written: each name stands for twice the one before, or is one level below it.
        let chain = |n: usize, link: &dyn Fn(usize) -> String| {
            let links: Vec<String> = (0..n).map(|i| format!(r#""a{i}":{}"#, link(i + 1))).collect();
            format!(r##"{{"$ref":"#/$defs/a0","$defs":{{{},"a{n}":true}}}}"##, links.join(","))
        };
        let doubled = |to: usize| format!(r##"{{"anyOf":[{{"$ref":"#/$defs/a{to}"}},{{"$ref":"#/$defs/a{to}"}}]}}"##);
        check(&chain(5, &doubled), None);
        check(&chain(20, &doubled), Some("/$ref"));
        let longer = |to: usize| format!(r##"{{"$ref":"#/$defs/a{to}"}}"##);
        check(&chain(50, &longer), None);
        check(&chain(1_000, &longer), Some("/$ref"));
    }

    #[test]
    fn all_schemas_share_a_bound() {
        let half = format!(r#"{{"const":"{}"}}"#, "x".repeat(SCHEMA_BYTES_MAX - 20));
        let events = |n: usize, schema: &str| {
            let events: Vec<String> = (0..n).map(|i| format!(r#""e{i}":{{"schema":{schema}}}"#)).collect();
            declared(&Catalog::new("UTC"), &format!("{{{}}}", events.join(",")))
        };
        assert!(events(SCHEMAS_BYTES_MAX / SCHEMA_BYTES_MAX, &half).is_ok());
        assert!(events(SCHEMAS_BYTES_MAX / SCHEMA_BYTES_MAX + 1, &half).is_err());
        let patterns = r#"{"pattern":"a","patternProperties":{"b":true}}"#;
        assert!(events(SCHEMA_PATTERNS_MAX / 2, patterns).is_ok());
        assert!(events(SCHEMA_PATTERNS_MAX / 2 + 1, patterns).is_err());
    }
}
