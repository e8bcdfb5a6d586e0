//! Properties against the JSON Schema of their event.
//!
//! In: the schemas of a catalog, compiled once for each catalog that brings another. Out: of properties that do not fit the first fault, with its place. What Muster
//! makes of other parts of an event (`context` and the like) is not looked at: senders cannot leave it out. A schema that is in the catalog and does not
//! compile keeps its events in quarantine until it is mended.
//!
//! Invariants: nothing is fetched; patterns are matched in linear time. Deliberately absent: the form and the bounds of schemas, which the catalog sees to.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use segment_core::catalog::{Catalog, CatalogError};
use segment_core::names;
use serde_json::{Map, Value};

use crate::collect::draft::Draft;
use crate::collect::limits::{SCHEMA_MESSAGE_CHARS_MAX, SCHEMA_PATTERN_BYTES_MAX};
use crate::collect::quarantine::{Reason, Unfit};
use crate::collect::segment::shown;

/// What `type` may be.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Whether the schemas of a catalog are such that events can be checked by them. To be asked before a catalog is stored.
///
/// # Errors
///
/// `Malformed`, with the place of the first that is not, as in a declaration.
pub fn check_schemas(catalog: &Catalog) -> Result<(), CatalogError> {
    for (name, event) in &catalog.events {
        if let Some(text) = &event.schema {
            compile(text).map_err(|fault| CatalogError::Malformed {
                pointer: format!("/events/{}/schema{}", name.replace('~', "~0").replace('/', "~1"), fault.pointer),
                message: fault.message,
            })?;
        }
    }
    Ok(())
}

/// What is wrong with a schema, and where in it.
#[derive(Debug)]
struct Fault {
    pointer: String,
    message: String,
}

impl Fault {
    fn new(error: &ValidationError<'_>) -> Self {
        let pointer = match error.kind() {
            // References out of the schema were refused before, so what is not found is the schema of its draft.
            ValidationErrorKind::Referencing(_) => "/$schema".to_owned(),
            _ => error.instance_path().to_string(),
        };
        let hint = match pointer.rsplit('/').next() {
            Some("type") => {
                let near = error.instance().as_str().and_then(|name| names::nearest(name, TYPES));
                near.or_else(|| Some(format!("types are {}", TYPES.join(", "))))
            }
            Some("pattern" | "patternProperties") => Some(format!(
                "patterns have neither look-around nor references, and take at most {SCHEMA_PATTERN_BYTES_MAX} bytes compiled"
            )),
            Some("$schema") => Some("drafts are 4, 6, 7, 2019-09 and 2020-12, which counts without it".to_owned()),
            _ => None,
        };
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        Self { pointer, message: format!("{}{hint}", told(error)) }
    }
}

/// The beginning of a message, which has what was found in it.
fn told(error: &ValidationError<'_>) -> String {
    let text = error.to_string();
    match text.char_indices().nth(SCHEMA_MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn compile(text: &str) -> Result<Validator, Fault> {
    let schema: Value = serde_json::from_str(text).map_err(|e| Fault { pointer: String::new(), message: e.to_string() })?;
    let patterns = PatternOptions::regex().size_limit(SCHEMA_PATTERN_BYTES_MAX).dfa_size_limit(SCHEMA_PATTERN_BYTES_MAX);
    jsonschema::options()
        .offline()
        .with_pattern_options(patterns)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .build(&schema)
        .map_err(|error| Fault::new(&error))
}

/// A schema of the catalog.
struct Compiled {
    text: String,
    validator: Result<Validator, Fault>,
}

/// The schemas of a catalog, by event.
pub(crate) struct Schemas {
    events: BTreeMap<String, Arc<Compiled>>,
}

impl Schemas {
    pub(crate) fn new(catalog: &Catalog, before: Option<&Schemas>) -> Self {
        let compiled = |name: &String, text: &String| {
            let same = before.and_then(|schemas| schemas.events.get(name)).filter(|compiled| compiled.text == *text);
            same.cloned().unwrap_or_else(|| Arc::new(Compiled { text: text.clone(), validator: compile(text) }))
        };
        let events = catalog.events.iter().filter_map(|(name, event)| Some((name.clone(), compiled(name, event.schema.as_ref()?))));
        Self { events: events.collect() }
    }

    /// Whether an event's properties fit its schema, if it has one.
    pub(crate) fn check(&self, draft: &Draft) -> Result<(), Unfit> {
        let Some((event, compiled)) = draft.event.as_ref().and_then(|event| Some((event, self.events.get(event)?))) else { return Ok(()) };
        let unfit = |pointer: &str, message: String| {
            let pointer = pointer.split('/').map(shown).collect::<Vec<_>>().join("/");
            let message = format!("the schema of \"{}\" {message}", shown(event));
            Err(Unfit::new(Reason::SchemaMismatch, format!("{}{pointer}", draft.place), message))
        };
        let validator = match &compiled.validator {
            Ok(validator) => validator,
            Err(fault) => return unfit("", format!("cannot be used: {}: {}", fault.pointer, fault.message)),
        };
        let sent = draft.members.iter().filter(|(name, _)| !draft.made.contains(&name.as_str()));
        // Of a name given twice the later counts. A number that no double holds is text.
        let properties: Result<Map<String, Value>, serde_json::Error> =
            sent.map(|(name, value)| Ok((name.clone(), serde_json::to_value(value)?))).collect();
        match properties.map(Value::Object) {
            Err(error) => unfit("", format!("cannot be asked: {error}")),
            Ok(properties) => match validator.validate(&properties) {
                Ok(()) => Ok(()),
                Err(error) => unfit(&error.instance_path().to_string(), format!("does not allow it: {}", told(&error))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segment_core::declare::declare;
    use segment_core::json::Json;
    use std::time::{Duration, Instant};

    fn catalog(schema: &str) -> Catalog {
        let text = format!(r#"{{"events": {{"a/b": {{"schema": {schema}}}}}}}"#);
        declare(&Catalog::new("UTC"), &Json::parse(&text).unwrap()).unwrap()
    }

    fn draft(properties: &str) -> Draft {
        let Json::Object(members) = Json::parse(properties).unwrap() else { panic!("an object is needed") };
        let event = Some("a/b".to_owned());
        let made = vec!["context"];
        Draft { user_id: "u".into(), ts: 0, message_id: "m".into(), event, members, place: "/properties", made }
    }

    /// The place of the first fault, if there is one.
    fn fault(schema: &str, properties: &str) -> Option<String> {
        let catalog = catalog(schema);
        check_schemas(&catalog).unwrap();
        let unfit = Schemas::new(&catalog, None).check(&draft(properties)).err()?;
        assert_eq!(unfit.reason, Reason::SchemaMismatch);
        assert!(unfit.message.starts_with("the schema of \"a/b\" does not allow it: "), "{}", unfit.message);
        assert!(unfit.message.chars().count() < SCHEMA_MESSAGE_CHARS_MAX + 100);
        Some(unfit.pointer)
    }

    fn check(schema: &str, properties: &str, expected: Option<&str>) {
        assert_eq!(fault(schema, properties).as_deref(), expected, "{schema} {properties}");
    }

    fn refused(schema: &str, pointer: &str, message: &str) {
        match check_schemas(&catalog(schema)) {
            Err(CatalogError::Malformed { pointer: found, message: text }) => {
                assert_eq!(found, format!("/events/a~1b/schema{pointer}"), "{text}");
                assert!(text.contains(message), "{text}");
            }
            other => panic!("{schema}: {other:?}"),
        }
    }

    #[test]
    fn properties() {
        let schema = r#"{"type":"object","required":["price"],"additionalProperties":false,
            "properties":{"price":{"type":"number","exclusiveMinimum":0},"items":{"items":{"properties":{"sku":{"pattern":"^[A-Z]{3}\\d$"}}}}}}"#;
        check(schema, r#"{"price":9.50,"context":{"library":{"name":"x"}}}"#, None);
        check(schema, r#"{"price":0}"#, Some("/properties/price"));
        check(schema, r#"{"price":"9.50"}"#, Some("/properties/price"));
        check(schema, r#"{"price":null}"#, Some("/properties/price"));
        check(schema, r#"{"price":0,"price":1}"#, None);
        check(schema, "{}", Some("/properties"));
        check(schema, r#"{"price":1,"tax":2}"#, Some("/properties"));
        check(schema, r#"{"price":1,"items":[{"sku":"ABC1"},{"sku":"ABC"}]}"#, Some("/properties/items/1/sku"));
        check(schema, r#"{"price":1,"items":[{"sku":"ABC٣"}]}"#, Some("/properties/items/0/sku"));
        check("true", r#"{"price":1}"#, None);
        check("false", "{}", Some("/properties"));
        check(r#"{"properties":{"a/b~":{"type":"null"}}}"#, r#"{"a/b~":1}"#, Some("/properties/a~1b~0"));
        check(r#"{"properties":{"at":{"format":"date-time"}}}"#, r#"{"at":"soon"}"#, Some("/properties/at"));
        check(r##"{"$defs":{"p":{"minimum":1}},"properties":{"a":{"$ref":"#/$defs/p"}}}"##, r#"{"a":0}"#, Some("/properties/a"));
        check(r#"{"properties":{"n":{"maximum":9007199254740993}}}"#, r#"{"n":9007199254740993}"#, None);
        check(r#"{"properties":{"n":{"maximum":9007199254740993}}}"#, r#"{"n":9007199254740994}"#, Some("/properties/n"));
        let long = format!(r#"{{"price":"{}"}}"#, "é".repeat(10_000));
        check(schema, &long, Some("/properties/price"));
    }

    #[test]
    fn drafts() {
        for (uri, schema, properties) in [
            ("http://json-schema.org/draft-04/schema#", r#""exclusiveMinimum":true,"minimum":5"#, "5"),
            ("http://json-schema.org/draft-06/schema#", r#""exclusiveMinimum":5"#, "5"),
            ("http://json-schema.org/draft-07/schema#", r#""if":{"const":5},"then":false"#, "5"),
            ("https://json-schema.org/draft/2019-09/schema", r#""contains":{"const":1},"maxContains":1"#, "[1,1]"),
            ("https://json-schema.org/draft/2020-12/schema", r#""prefixItems":[{"const":1}]"#, "[5]"),
        ] {
            let schema = format!(r#"{{"$schema":"{uri}","properties":{{"a":{{{schema}}}}}}}"#);
            assert!(fault(&schema, &format!(r#"{{"a":{properties}}}"#)).is_some_and(|p| p.starts_with("/properties/a")), "{uri}");
        }
    }

    #[test]
    fn schemas_that_cannot_be_used() {
        refused(r#"{"type":"sting"}"#, "/type", "did you mean \"string\"");
        refused(r#"{"properties":{"a":{"type":5}}}"#, "/properties/a/type", "types are");
        refused(r#"{"minimum":"1"}"#, "/minimum", "");
        refused(r#"{"required":"a"}"#, "/required", "");
        refused(r#"{"properties":{"a":{"pattern":"("}}}"#, "/properties/a/pattern", "look-around");
        refused(r#"{"pattern":"(?=a)b"}"#, "/pattern", "look-around");
        refused(r#"{"pattern":"(a)\\1"}"#, "/pattern", "look-around");
        refused(r#"{"pattern":"(a{900}){900}"}"#, "/pattern", "bytes compiled");
        refused(r#"{"format":"datetime"}"#, "/format", "");
        refused(r#"{"$schema":"https://shop.example/mine"}"#, "/$schema", "2020-12");
    }

    #[test]
    fn one_that_came_into_the_catalog_all_the_same_keeps_its_events() {
        let catalog = catalog(r#"{"type":"sting"}"#);
        let unfit = Schemas::new(&catalog, None).check(&draft("{}")).unwrap_err();
        assert_eq!((unfit.reason, unfit.pointer.as_str()), (Reason::SchemaMismatch, "/properties"));
        assert!(unfit.message.contains("cannot be used: /type: "), "{}", unfit.message);
    }

    #[test]
    fn the_same_schema_is_compiled_once() {
        let (first, second) = (catalog(r#"{"required":["a"]}"#), catalog(r#"{"required":["b"]}"#));
        let before = Schemas::new(&first, None);
        assert!(Arc::ptr_eq(&Schemas::new(&first, Some(&before)).events["a/b"], &before.events["a/b"]));
        assert!(Schemas::new(&second, Some(&before)).check(&draft(r#"{"a":1}"#)).is_err());
        assert!(Schemas::new(&Catalog::new("UTC"), Some(&before)).check(&draft("{}")).is_ok());
    }

    /// The dearest schemas that may be declared, on the largest events.
    #[test]
    fn the_work_is_bounded() {
        let deep = |n: usize| format!("{}{}", r#"{"not":"#.repeat(n), "{}".to_owned() + &"}".repeat(n));
        check(&deep(60), "{}", None);
        let nested = format!("{}{}", "[".repeat(500), "]".repeat(500));
        check(r#"{"properties":{"a":{"uniqueItems":true}}}"#, &format!(r#"{{"a":[{nested},{nested}]}}"#), Some("/properties/a"));
        check(r#"{"properties":{"a":{"const":1}}}"#, &format!(r#"{{"a":{nested}}}"#), Some("/properties/a"));
        let all = |schema: &str, n: usize| vec![schema; n].join(",");
        let wide = format!(r#"{{"additionalProperties":{{"items":{{"anyOf":[{}]}}}}}}"#, all(r#"{"type":"string","minLength":3}"#, 1_000));
        let patterns: Vec<String> = (0..500).map(|i| format!(r#"{{"pattern":"(a|b|ab)*c{i}$"}}"#)).collect();
        let patterns = format!(r#"{{"additionalProperties":{{"anyOf":[{}]}}}}"#, patterns.join(","));
        let unique = r#"{"additionalProperties":{"uniqueItems":true}}"#;
        let numbers = |n: usize| format!(r#"{{"a":[{}]}}"#, (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
        for (schema, properties) in [
            (wide.as_str(), format!(r#"{{"a":[{}]}}"#, all("1", 16_000))),
            (patterns.as_str(), format!(r#"{{"a":"{}"}}"#, "ab".repeat(16_000))),
            (unique, numbers(6_000)),
            (unique, format!(r#"{{"a":[{}]}}"#, (0..2_500).map(|i| format!("[{i},{{}}]")).collect::<Vec<_>>().join(","))),
        ] {
            let began = Instant::now();
            fault(schema, &properties);
            assert!(began.elapsed() < Duration::from_secs(20), "{schema:.60}: {:?}", began.elapsed());
        }
    }
}
