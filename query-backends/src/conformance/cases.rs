//! The conditions that are tried: each operator on each type, each measure, each window, and trees of them.

use segment_core::catalog::Scope;
use segment_core::time::{Zone, format_date, format_instant};
use segment_core::types::Type;
use segment_core::value::Value;
use serde_json::{Value as Json, json};

use super::World;
use super::world::{HOSTILE, values};

/// A condition to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its JSON text.
    pub condition: String,
    /// Whether it looks at events, so that strategies differ.
    pub has_events: bool,
}

/// Every case for a world.
pub fn all(world: &World) -> Vec<Case> {
    let mut out = Vec::new();
    attributes(world, &mut out);
    properties(world, &mut out);
    out.extend(measures());
    out.extend(windows());
    out.extend(trees());
    out.into_iter()
        .map(|condition| {
            let condition = condition.to_string();
            // References may reach events.
            Case { has_events: condition.contains("\"event\":") || condition.contains("\"segment\":"), condition }
        })
        .collect()
}

/// A value as written in a condition; `None` for types without literals.
fn literal(value: &Value) -> Option<Json> {
    Some(match value {
        Value::String(s) => json!(s),
        Value::Integer(n) => json!(n),
        Value::Number(x) => json!(x),
        Value::Boolean(b) => json!(b),
        Value::Timestamp(t) => json!(format_instant(*t)),
        Value::Date(d) => json!(format_date(*d)),
        Value::Strings(items) => json!(items),
        Value::Decimal(_) | Value::Object(_) | Value::Objects(_) | Value::Map(_) => return None,
    })
}

/// Operators and values for a type.
fn tests(ty: &Type, zone: &Zone, as_of: i64) -> Vec<Json> {
    let mut out = vec![json!({"op": "exists"}), json!({"op": "not_exists"})];
    let literals: Vec<Json> = values(ty, zone, as_of).iter().filter_map(literal).collect();
    if ty.is_scalar() {
        for (i, value) in literals.iter().enumerate() {
            let op = if i % 3 == 2 { "is_not" } else { "is" };
            out.push(json!({"op": op, "value": value}));
        }
        out.push(json!({"op": "in", "value": literals.iter().step_by(2).collect::<Vec<_>>()}));
        out.push(json!({"op": "not_in", "value": literals.iter().take(5).collect::<Vec<_>>()}));
        out.push(json!({"op": "in", "value": []}));
    }
    if ty.is_ordered() {
        for (i, value) in literals.iter().enumerate() {
            let op = ["lt", "lte", "gt", "gte"].get(i % 4).copied().unwrap_or("lt");
            out.push(json!({"op": op, "value": value}));
        }
        for pair in literals.windows(2) {
            out.push(json!({"op": "between", "value": pair}));
        }
    }
    match ty {
        Type::String => out.extend(text_tests()),
        Type::Integer => {
            out.extend([json!({"op": "is", "value": 2.5}), json!({"op": "gt", "value": 1.5}), json!({"op": "lte", "value": 2.5})])
        }
        Type::Number => out.extend([json!({"op": "is", "value": 3}), json!({"op": "is", "value": 9_007_199_254_740_993_i64})]),
        Type::Timestamp | Type::Date => out.extend(time_tests()),
        Type::Strings => out.extend([
            json!({"op": "has", "value": "a"}),
            json!({"op": "has", "value": "'"}),
            json!({"op": "has_any", "value": ["A", ""]}),
            json!({"op": "has_any", "value": []}),
            json!({"op": "has_all", "value": ["a", "b"]}),
            json!({"op": "has_all", "value": []}),
            json!({"op": "is_empty"}),
            json!({"op": "is_not_empty"}),
        ]),
        Type::Objects(_) => out.extend(item_tests()),
        Type::Boolean | Type::Object(_) | Type::Map(_) => {}
    }
    out
}

fn text_tests() -> Vec<Json> {
    let mut out = Vec::new();
    for (i, text) in HOSTILE.iter().chain(&["pp", "ÀP", "k", "S", "I", "i\u{307}"]).enumerate() {
        let op = ["contains", "starts_with", "ends_with", "not_contains"].get(i % 4).copied().unwrap_or("contains");
        out.push(json!({"op": op, "value": text}));
        out.push(json!({"op": op, "value": text, "ignore_case": true}));
    }
    for pattern in ["", "^$", "^a.*e$", r"\bpine", r"[^\x00-\x7f]", r"\\", "'", r"\pL{3}", "(?s)a.b", "^a$|b$", r"\d"] {
        out.push(json!({"op": "matches", "value": pattern}));
    }
    out.push(json!({"op": "matches", "value": "APP|k|ſ", "ignore_case": true}));
    out.push(json!({"op": "is", "value": "APPLE", "ignore_case": true}));
    out.push(json!({"op": "is_not", "value": "Àpfel", "ignore_case": true}));
    out.push(json!({"op": "in", "value": ["APPLE", "K", "İSTANBUL"], "ignore_case": true}));
    out
}

fn time_tests() -> Vec<Json> {
    vec![
        json!({"op": "before", "value": "2024-04-01"}),
        json!({"op": "after", "value": "2024-04-01"}),
        json!({"op": "in_window", "value": {"last": {"n": 2, "unit": "day"}}}),
        json!({"op": "in_window", "value": {"last": {"n": 1, "unit": "day"}, "aligned": true}}),
        json!({"op": "in_window", "value": {"next": {"n": 2, "unit": "day"}}}),
        json!({"op": "in_window", "value": {"from": "2024-03-31"}}),
        json!({"op": "in_window", "value": {"to": "2024-03-31"}}),
    ]
}

fn item_tests() -> Vec<Json> {
    let item = |value: Json| json!({"op": "any_item", "value": value});
    vec![
        json!({"op": "is_empty"}),
        json!({"op": "is_not_empty"}),
        item(json!({"property": "sku", "op": "is", "value": "apple"})),
        item(json!({"property": "sku", "op": "not_exists"})),
        item(json!({"property": "n", "op": "gte", "value": 2})),
        item(json!({"property": "on", "op": "lt", "value": "2024-04-02"})),
        item(json!({"all": [{"property": "n", "op": "gt", "value": 0}, {"property": "sku", "op": "exists"}]})),
        item(json!({"any": [{"property": "n", "op": "is", "value": 100}, {"not": {"property": "sku", "op": "contains", "value": "a"}}]})),
        item(json!({"property": "sku", "op": "is", "value": "'"})),
    ]
}

/// Paths to every value of the world's fields, with their types.
fn paths(world: &World, scope: Scope) -> Vec<(String, Type)> {
    fn walk(path: &str, ty: &Type, out: &mut Vec<(String, Type)>) {
        out.push((path.to_owned(), ty.clone()));
        match ty {
            Type::Object(fields) => fields.iter().for_each(|(name, ty)| walk(&format!("{path}.{name}"), ty, out)),
            Type::Map(ty) => out.push((format!("{path}.v1"), ty.as_ref().clone())),
            _ => {}
        }
    }
    let mut out = Vec::new();
    for (name, field) in world.catalog.fields(scope) {
        walk(name, &field.ty, &mut out);
    }
    out
}

fn merged(mut object: Json, with: &Json) -> Json {
    if let (Some(object), Some(with)) = (object.as_object_mut(), with.as_object()) {
        object.extend(with.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    object
}

fn attributes(world: &World, out: &mut Vec<Json>) {
    let zone = world.zone();
    let builtin = [("user_id", Type::String), ("first_seen_at", Type::Timestamp), ("last_seen_at", Type::Timestamp)];
    let builtin = builtin.into_iter().map(|(name, ty)| (name.to_owned(), ty));
    for (path, ty) in paths(world, Scope::Attribute).into_iter().chain(builtin) {
        for (i, test) in tests(&ty, &zone, world.as_of).iter().enumerate() {
            let leaf = merged(json!({"attribute": path}), test);
            // Every third is negated besides.
            out.push(if i % 3 == 0 { json!({"not": leaf}) } else { leaf });
        }
    }
}

fn properties(world: &World, out: &mut Vec<Json>) {
    let zone = world.zone();
    for (path, ty) in paths(world, Scope::Property) {
        for (i, test) in tests(&ty, &zone, world.as_of).iter().enumerate().step_by(2) {
            let leaf = merged(json!({"property": path}), test);
            let filter = if i % 3 == 0 { json!({"not": leaf}) } else { leaf };
            let event = if i % 4 == 0 { json!("*") } else { json!("buy") };
            let leaf = json!({"event": event, "where": filter});
            out.push(if i % 5 == 0 { json!({"not": leaf}) } else { leaf });
        }
    }
    let price = |op: &str, value: Json| json!({"property": "ts", "op": op, "value": value});
    out.push(json!({"event": "buy", "where": {"all": []}}));
    out.push(json!({"event": "buy", "where": {"any": []}}));
    out.push(json!({"event": "buy", "where": {"all": [price("gt", json!(0)), {"not": price("gt", json!(2))}]}}));
    out.push(json!({"event": "buy", "where": {"any": [price("lt", json!(0)), {"property": "event", "op": "is", "value": true}]}}));
}

fn measures() -> Vec<Json> {
    let mut out = Vec::new();
    let comparisons = |numbers: &[f64]| {
        let mut out = vec![json!({"op": "exists"}), json!({"op": "not_exists"})];
        for (i, n) in numbers.iter().enumerate() {
            for op in [["is", "lt"], ["gte", "is_not"], ["lte", "gt"]].get(i % 3).into_iter().flatten() {
                out.push(json!({"op": op, "value": n}));
            }
        }
        out.push(json!({"op": "between", "value": [0, 3]}));
        out.push(json!({"op": "in", "value": [0, 1, 2.5]}));
        out
    };
    let whole = [0.0, 1.0, 2.0, 3.0, 1.5];
    let sums = [0.0, 0.3, 2.5, 0.000_000_1, -2.5, 1e30];
    let mut add = |measure: Json, tests: Vec<Json>| {
        for (i, test) in tests.iter().enumerate() {
            let event = if i % 4 == 3 { json!(["buy", "view"]) } else { json!("buy") };
            let leaf = merged(json!({"event": event, "measure": measure}), test);
            out.push(if i % 3 == 2 { json!({"not": leaf}) } else { leaf });
        }
    };
    for measure in [
        json!({"count": true}),
        json!({"days": true}),
        json!({"distinct": "text"}),
        json!({"distinct": "wide"}),
        json!({"distinct": "later"}),
    ] {
        add(measure, comparisons(&whole));
    }
    for field in ["ts", "select", "wide"] {
        add(json!({"sum": field}), comparisons(&sums));
        add(json!({"avg": field}), comparisons(&sums));
        add(json!({"min": field}), comparisons(if field == "select" { &whole } else { &sums }));
        add(json!({"max": field}), comparisons(if field == "select" { &whole } else { &sums }));
        add(json!({"first": field}), comparisons(if field == "select" { &whole } else { &sums }));
        add(json!({"last": field}), comparisons(if field == "select" { &whole } else { &sums }));
    }
    for measure in ["first_time", "last_time"] {
        add(json!({measure: true}), time_tests());
    }
    for (measure, field) in [("min", "at"), ("max", "later"), ("first", "on"), ("last", "later"), ("min", "on")] {
        add(json!({measure: field}), time_tests());
    }
    for measure in ["first", "last"] {
        add(
            json!({measure: "text"}),
            vec![json!({"op": "is", "value": "'"}), json!({"op": "contains", "value": "a"}), json!({"op": "is_not", "value": ""})],
        );
        add(json!({measure: "event"}), vec![json!({"op": "is", "value": true}), json!({"op": "not_exists"})]);
    }
    out
}

fn windows() -> Vec<Json> {
    let mut windows = vec![
        json!({"from": "2024-03-31", "to": "2024-04-01"}),
        json!({"from": "2024-04-01T23:30:00Z"}),
        json!({"to": "2024-03-01"}),
        json!({"from": "2030-01-01"}),
        json!({"ago": {"from": {"n": 1, "unit": "day"}, "to": {"n": 1, "unit": "day"}}, "aligned": true}),
        json!({"ago": {"from": {"n": 48, "unit": "hour"}, "to": {"n": 24, "unit": "hour"}}}),
        json!({"ago": {"from": {"n": 1, "unit": "month"}, "to": {"n": 0, "unit": "day"}}}),
    ];
    for (n, unit) in [
        (1, "second"),
        (60, "minute"),
        (1, "hour"),
        (2, "hour"),
        (1, "day"),
        (7, "day"),
        (1, "week"),
        (1, "month"),
        (1, "year"),
        (9999, "year"),
    ] {
        windows.push(json!({"last": {"n": n, "unit": unit}}));
        windows.push(json!({"last": {"n": n, "unit": unit}, "aligned": true}));
    }
    let mut out = Vec::new();
    for (i, window) in windows.iter().enumerate() {
        let event = [json!("*"), json!("buy"), json!({"prefix": "view"})].get(i % 3).cloned();
        out.push(json!({"event": event, "window": window}));
        out.push(json!({"event": "buy", "measure": {"count": true}, "op": "lte", "value": 1, "window": window}));
    }
    out
}

fn trees() -> Vec<Json> {
    let buy = json!({"event": "buy", "op": "gte", "value": 2});
    let recent = json!({"event": "buy", "window": {"last": {"n": 7, "unit": "day"}}});
    let view = json!({"event": "view", "where": {"property": "select", "op": "gte", "value": 1}});
    let spent = json!({"event": "buy", "measure": {"sum": "ts"}, "op": "gt", "value": 1});
    let age = json!({"attribute": "select", "op": "gte", "value": 1});
    let mut out = vec![
        json!({"everyone": true}),
        json!({"all": []}),
        json!({"any": []}),
        json!({"not": {"everyone": true}}),
        json!({"list": "half"}),
        json!({"not": {"list": "half"}}),
        json!({"list": "none"}),
        json!({"segment": "buyers"}),
        json!({"segment": "both"}),
        json!({"not": {"segment": "both"}}),
        json!({"event": "never"}),
        json!({"not": {"event": "never"}}),
        json!({"event": "rare"}),
        json!({"event": "O'Brien \"%\\"}),
        json!({"event": ["rare", "O'Brien \"%\\", "view"], "op": "is", "value": 2}),
        json!({"event": {"prefix": "view"}}),
        json!({"event": {"prefix": "O'Brien \"%"}}),
        json!({"event": {"prefix": ""}}),
        json!({"event": "*", "op": "is", "value": 0}),
        json!({"all": [buy, recent, view, spent, age]}),
        json!({"any": [buy, recent, view, spent, age]}),
        json!({"all": [buy, {"not": view}, {"any": [age, spent]}]}),
        json!({"any": [{"all": [age, {"not": recent}]}, {"all": [view, {"list": "half"}]}]}),
        json!({"not": {"any": [{"all": [buy, view]}, {"not": {"any": [age, {"segment": "quiet"}]}}]}}),
        json!({"all": [{"event": "buy", "op": "lte", "value": 2}, {"event": "buy", "op": "is_not", "value": 1}, {"not": {"event": "view"}}]}),
        json!({"all": [{"segment": "buyers"}, {"not": {"segment": "buyers"}}]}),
    ];
    for percent in [0.0, 12.5, 50.0, 99.9, 100.0] {
        for salt in ["", "exp-7", "'\\"] {
            out.push(json!({"sample": {"percent": percent, "salt": salt}}));
        }
    }
    for by in ["text", "select", "event"] {
        out.push(json!({"sample": {"percent": 50, "salt": "s", "by": by}}));
        out.push(json!({"not": {"sample": {"percent": 50, "salt": "s", "by": by}}}));
        out.push(json!({"sample": {"percent": 100, "salt": "s", "by": by}}));
    }
    out.push(
        (0..25)
            .fold(json!({"event": "view"}), |tree, i| if i % 2 == 0 { json!({"not": tree}) } else { json!({"any": [tree, age.clone()]}) }),
    );
    out
}
