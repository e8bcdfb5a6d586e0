//! Why a query went to a backend: for programs and for people.

use query_backends::Routing;
use segment_core::time::format_instant;
use serde_json::{Value, json};

use crate::output::Table;

/// One object a backend, in the order in which they were or would be asked.
pub(crate) fn json(routing: &Routing) -> Value {
    let choice = |c: &query_backends::Choice| {
        json!({
            "backend": c.backend,
            "verdict": c.verdict.name(),
            "why": c.why,
            "profiles_as_of": c.profiles_as_of.map(format_instant),
            "cost_ms": c.cost.map(|t| (t.as_secs_f64() * 1e3).round()),
        })
    };
    routing.choices.iter().map(choice).collect()
}

/// A line a backend.
pub(crate) fn table(routing: &Routing) -> String {
    let mut table = Table::new(&["backend", "is", "because"]);
    for c in &routing.choices {
        table.row(vec![c.backend.to_owned(), c.verdict.name().to_owned(), c.why.clone()]);
    }
    table.render()
}
