//! Why a query went to a backend: for programs and for people.

use query_backends::Routing;
use segment_core::time::format_instant;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::output::Table;

/// What became of a backend.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Choice {
    /// Its name.
    backend: &'static str,
    /// `chosen` (it answers), `spare`, `down`, `unable` or `absent`.
    verdict: &'static str,
    /// Why, for people.
    why: String,
    /// The instant up to which it sees all changes of profiles; null: all there are.
    profiles_as_of: Option<String>,
    /// What it was estimated to take; null where nothing was compared.
    cost_ms: Option<f64>,
}

/// One entry a backend, in the order in which they were or would be asked.
pub(crate) fn choices(routing: &Routing) -> Vec<Choice> {
    let choice = |c: &query_backends::Choice| Choice {
        backend: c.backend,
        verdict: c.verdict.name(),
        why: c.why.clone(),
        profiles_as_of: c.profiles_as_of.map(format_instant),
        cost_ms: c.cost.map(|t| (t.as_secs_f64() * 1e3).round()),
    };
    routing.choices.iter().map(choice).collect()
}

/// The same as JSON.
pub(crate) fn json(routing: &Routing) -> Value {
    json!(choices(routing))
}

/// A line a backend.
pub(crate) fn table(routing: &Routing) -> String {
    let mut table = Table::new(&["backend", "is", "because"]);
    for c in &routing.choices {
        table.row(vec![c.backend.to_owned(), c.verdict.name().to_owned(), c.why.clone()]);
    }
    table.render()
}
