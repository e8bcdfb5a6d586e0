//! A tree of a thousand nodes, and a catalog that knows its names: what compiling is measured on.

use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::types::Type;
use serde_json::{Value, json};

use crate::Result;
use crate::events::NAMES;

/// Nodes of [`thousand_nodes`]: groups, leaves, and the nodes of their `where`. The most that a condition may have.
pub const NODES: usize = 1000;
/// Nodes of a part of the tree; the root is one more.
const PART_NODES: usize = 9;

/// A catalog with the names that the generator makes up.
pub fn catalog() -> Result<Catalog> {
    let mut catalog = Catalog::new("Europe/Berlin");
    let attributes = [
        ("country", Type::String),
        ("age", Type::Integer),
        ("plan", Type::String),
        ("signup", Type::Date),
        ("is_subscriber", Type::Boolean),
    ];
    for (name, ty) in attributes {
        catalog.set_field(Scope::Attribute, name, &ty, Origin::Declared)?;
    }
    let properties = [("amount", Type::Number), ("quantity", Type::Integer), ("category", Type::String), ("page", Type::String)];
    for (name, ty) in &properties {
        catalog.set_field(Scope::Property, name, ty, Origin::Declared)?;
    }
    for name in NAMES {
        catalog.set_event(name, properties.iter().map(|(name, _)| *name), Origin::Declared);
    }
    Ok(catalog)
}

/// A condition of [`NODES`] nodes, no two parts of it alike: groups, negations, attributes, and events with all kinds of
/// measures, windows and `where`.
pub fn thousand_nodes() -> Value {
    json!({ "all": (0..(NODES - 1) / PART_NODES).map(part).collect::<Vec<_>>() })
}

fn part(i: usize) -> Value {
    let name = |offset: usize| NAMES[(i + offset) % NAMES.len()];
    let measure =
        [json!({"sum": "amount"}), json!({"distinct": "category"}), json!({"days": true}), json!({"max": "quantity"})][i % 4].clone();
    json!({ "any": [
        {"attribute": "age", "op": "between", "value": [i, i + 20]},
        {"event": name(0), "op": "gte", "value": i + 1, "window": {"last": {"n": 30, "unit": "day"}}},
        {"event": name(1), "measure": measure, "op": "gt", "value": i, "window": {"last": {"n": i + 1, "unit": "day"}},
         "where": {"all": [
            {"property": "page", "op": "contains", "value": format!("/shop/{i}")},
            {"property": "quantity", "op": "in", "value": [1, 2, i]}]}},
        {"not": {"event": {"prefix": "cart_"}, "window": {"ago": {"from": {"n": i + 2, "unit": "month"}, "to": {"n": 1, "unit": "day"}}}}},
    ]})
}

#[cfg(test)]
mod tests {
    use segment_core::compile;
    use segment_core::resolve::Library;

    use super::*;

    /// Objects with one of the keys that make a node.
    fn nodes(value: &Value) -> usize {
        match value {
            Value::Object(fields) => {
                let own = ["all", "any", "not", "attribute", "event", "property"].iter().any(|k| fields.contains_key(*k));
                usize::from(own) + fields.values().map(nodes).sum::<usize>()
            }
            Value::Array(items) => items.iter().map(nodes).sum(),
            _ => 0,
        }
    }

    #[test]
    fn the_tree_is_as_large_as_it_says_and_resolves() {
        let tree = thousand_nodes();
        assert_eq!(nodes(&tree), NODES);
        let checked = compile::check(&tree.to_string(), &catalog().unwrap(), &Library::default(), 1_774_915_200_000_000);
        assert!(checked.plan.is_some(), "{:?}", checked.diagnostics);
    }
}
