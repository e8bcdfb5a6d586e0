//! Faulty conditions with every diagnostic they get: code and pointer, all at once, and nothing besides.

mod form;
mod meaning;
mod references;
mod saving;
mod warned;

use std::collections::BTreeSet;

use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::compile;
use segment_core::diagnostics::{Code, Diagnostic};
use segment_core::resolve::Library;
use segment_core::time::{Zone, parse_instant};
use segment_core::types::Type;

/// What the conditions here are about.
fn catalog() -> Catalog {
    let mut catalog = Catalog::new("Europe/London");
    let item = Type::Objects([("sku".to_owned(), Type::String), ("n".to_owned(), Type::Integer)].into());
    let address = Type::Object([("city".to_owned(), Type::String)].into());
    let fields = [
        ("country", Type::String),
        ("age", Type::Integer),
        ("score", Type::Number),
        ("vip", Type::Boolean),
        ("born", Type::Date),
        ("joined", Type::Timestamp),
        ("tags", Type::Strings),
        ("cart", item),
        ("address", address),
        ("levels", Type::Map(Box::new(Type::Number))),
    ];
    for scope in [Scope::Attribute, Scope::Property] {
        for (name, ty) in &fields {
            catalog.set_field(scope, name, ty, Origin::Learned).unwrap_or_else(|e| panic!("{e}"));
        }
    }
    catalog.set_field(Scope::Attribute, "planned", &Type::String, Origin::Declared).unwrap_or_else(|e| panic!("{e}"));
    for event in ["purchase", "view"] {
        catalog.set_event(event, ["score"], Origin::Learned);
    }
    catalog.set_event("launch", [], Origin::Declared);
    catalog
}

fn library() -> Library {
    let segments = [
        ("vips", r#"{"attribute":"vip","op":"is","value":true}"#),
        ("a", r#"{"segment":"b"}"#),
        ("b", r#"{"all":[{"segment":"c"}]}"#),
        ("c", r#"{"not":{"segment":"a"}}"#),
        ("self", r#"{"any":[{"segment":"self"},{"everyone":true}]}"#),
        ("stale", r#"{"attribute":"gone","op":"exists"}"#),
        ("left", r#"{"all":[{"segment":"vips"}]}"#),
        ("right", r#"{"not":{"segment":"vips"}}"#),
    ];
    Library { segments: segments.map(|(k, v)| (k.to_owned(), v.to_owned())).into(), lists: ["chosen".to_owned()].into() }
}

fn checked(text: &str) -> compile::Checked {
    let as_of = parse_instant("2024-06-01T12:00:00Z", &Zone::utc()).unwrap_or_default();
    compile::check(text, &catalog(), &library(), as_of)
}

fn found(diagnostics: &[Diagnostic]) -> BTreeSet<(Code, String)> {
    diagnostics.iter().map(|d| (d.code, d.pointer.clone())).collect()
}

/// Exactly these faults, each once, and no plan.
fn faults(text: &str, expected: &[(Code, &str)]) {
    let checked = checked(text);
    let expected: BTreeSet<(Code, String)> = expected.iter().map(|(c, p)| (*c, (*p).to_owned())).collect();
    assert_eq!(found(&checked.diagnostics), expected, "{text}\n{:#?}", checked.diagnostics);
    assert_eq!(checked.diagnostics.len(), expected.len(), "reported more than once: {text}\n{:#?}", checked.diagnostics);
    assert_eq!(checked.plan.is_none(), !expected.is_empty(), "{text}");
    for diagnostic in &checked.diagnostics {
        assert!(!diagnostic.message.is_empty(), "{text}");
    }
}

/// No faults, and exactly these warnings.
fn warnings(text: &str, expected: &[(Code, &str)]) {
    let checked = checked(text);
    assert!(checked.diagnostics.is_empty(), "{text}\n{:#?}", checked.diagnostics);
    let expected: BTreeSet<(Code, String)> = expected.iter().map(|(c, p)| (*c, (*p).to_owned())).collect();
    assert_eq!(found(&checked.warnings), expected, "{text}\n{:#?}", checked.warnings);
}

/// The hint of the only fault.
fn hint(text: &str, expected: &str) {
    let checked = checked(text);
    let hints: Vec<&str> = checked.diagnostics.iter().filter_map(|d| d.hint.as_deref()).collect();
    assert!(hints.iter().any(|h| h.contains(expected)), "{text}\n{:#?}", checked.diagnostics);
}
