//! Trees that try to break out of the SQL, or to break the engine: literals with quotes, escapes and comments in every place that takes
//! text, lists of 10,000 values, trees of a thousand nodes and of 250 levels.
//!
//! What is large may be refused, as `Rejected`, `Unsupported` or `Overloaded`; what is small may not.

use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value as Json, json};

use super::world::HOSTILE;
use super::{Extent, Fixture, Loaded, Report, World, chain, expected, found, plan, same, ways};
use crate::backend::Query;
use crate::error::ErrorKind;
use segment_core::lower::Strategy;

/// More text that has gone wrong somewhere: other quotes, placeholders, escapes, line ends, what looks like the end of a statement.
const MORE: [&str; 20] = [
    "' OR '1'='1",
    "'; DROP TABLE events; --",
    "\\' OR 1=1 --",
    "*/ OR true /*",
    "# x",
    "?",
    ":name",
    "@x",
    "${x}",
    "{{x}}",
    "$$",
    "E'\\x41'",
    "U&'\\0041'",
    "\u{2019}\u{ff07}",
    "\r\n\t\u{1}\u{1b}\u{7f}",
    "\u{feff}a\u{200b}\u{202e}b",
    "NULL",
    "`backtick`",
    "[bracket]",
    "a\\",
];
/// Values of a long list.
const LIST_VALUES: usize = 10_000;
/// Leaves of a wide tree, with its groups just below the most nodes there may be.
const LEAVES: usize = 990;
/// Saved segments one inside another, and levels of each: 251 in all.
const SEGMENTS: usize = 8;
const LEVELS: usize = 30;

/// Runs them all over the standard world, the large ones by every strategy.
pub async fn hostile(fixture: &mut dyn Fixture) -> Report {
    hostile_of(fixture, Extent::default()).await
}

/// Runs them as [`super::conformance_of`] runs its cases.
pub async fn hostile_of(fixture: &mut dyn Fixture, extent: Extent) -> Report {
    let mut report = Report::default();
    let mut world = World::standard();
    world.segments.extend(deep_segments());
    let loaded = match fixture.load(&world).await {
        Ok(loaded) => loaded,
        Err(e) => {
            report.fail("loading", e);
            return report;
        }
    };
    let ways = ways(&*loaded.backend);
    let mut runs: Vec<(Json, Option<Strategy>, bool)> = small().into_iter().map(|condition| (condition, None, false)).collect();
    for (i, condition) in large().into_iter().enumerate() {
        runs.extend(extent.ways(i, &ways).iter().map(|strategy| (condition.clone(), *strategy, true)));
    }
    let loaded = &loaded;
    let asked = futures::stream::iter(runs).map(|(condition, strategy, large)| async move {
        let mut report = Report::default();
        ask(loaded, &condition, strategy, large, &mut report).await;
        report
    });
    let mut asked = std::pin::pin!(asked.buffered(extent.at_once.max(1)));
    while let Some(part) = asked.next().await {
        report.add(part);
    }
    report
}

async fn ask(loaded: &Loaded, condition: &Json, strategy: Option<Strategy>, large: bool, report: &mut Report) {
    let text = condition.to_string();
    let shown: String = text.chars().take(200).collect();
    let plan = match plan(&loaded.world, &text) {
        Ok(plan) => Arc::new(plan),
        Err(e) => return report.fail(&shown, e),
    };
    if !loaded.backend.capabilities().events && plan.reads_events() {
        return;
    }
    let expected = expected(&loaded.world, &plan);
    report.told_apart += usize::from(!expected.is_empty() && expected.len() < loaded.world.users.len());
    report.runs += 1;
    let query = Query { plan, pinned: loaded.pinned.clone(), strategy };
    let failure = match found(loaded, &query).await {
        // It says that it does not take the query, or has no room for it.
        Err(e) if large && matches!(e.kind, ErrorKind::Rejected | ErrorKind::Unsupported | ErrorKind::Overloaded) => {
            report.refused += 1;
            return;
        }
        Err(e) => Err(chain(&e)),
        Ok(ids) => same(&ids, &expected),
    };
    if let Err(e) = failure {
        report.fail(&shown, format!("by {}: {e}", strategy.map_or("its own rule", Strategy::name)));
    }
}

/// A tree for each place that takes text, with each hostile text.
fn small() -> Vec<Json> {
    let mut out = Vec::new();
    for text in HOSTILE.into_iter().chain(MORE) {
        out.push(json!({"any": [
            {"attribute": "text", "op": "is", "value": text},
            {"attribute": "user_id", "op": "is", "value": text},
            {"attribute": "Text", "op": "contains", "value": text, "ignore_case": true},
            {"attribute": "text", "op": "ends_with", "value": text},
            {"attribute": "tags", "op": "has_any", "value": [text, "a"]},
            {"attribute": "items", "op": "any_item", "value": {"property": "sku", "op": "starts_with", "value": text}},
            {"attribute": "map_s.v1", "op": "in", "value": [text]},
        ]}));
        out.push(json!({"all": [
            {"not": {"event": {"prefix": text}, "where": {"property": "text", "op": "not_in", "value": [text, "x"]}}},
            {"not": {"event": "buy", "measure": {"first": "text"}, "op": "is", "value": text}},
            {"not": {"event": "buy", "where": {"property": "tags", "op": "has_all", "value": [text]}}},
            {"sample": {"percent": 60, "salt": text}},
        ]}));
        let pattern: String = text.chars().map(|c| if c.is_ascii_punctuation() { format!("\\{c}") } else { c.to_string() }).collect();
        out.push(json!({"attribute": "text", "op": "matches", "value": pattern}));
        // A key of a map is part of a name; dots would end it.
        if !text.contains('.') {
            out.push(json!({"not": {"attribute": format!("map_s.{text}"), "op": "exists"}}));
        }
    }
    out
}

fn large() -> Vec<Json> {
    let values = |text: &dyn Fn(usize) -> Json| (0..LIST_VALUES).map(text).collect::<Vec<_>>();
    let hostile = |i: usize| {
        let text = HOSTILE.iter().chain(&MORE).nth(i % (HOSTILE.len() + MORE.len())).copied().unwrap_or_default();
        json!(if i < HOSTILE.len() { text.to_owned() } else { format!("{text}{i}") })
    };
    let attribute = |i: usize| json!({"attribute": "select", "op": "is", "value": i * 7 % 11 + i});
    let event = |i: usize| {
        let window = json!({"last": {"n": i + 1, "unit": "hour"}});
        let event = ["buy", "view", "view_x"].get(i % 3).copied().unwrap_or("buy");
        json!({"event": event, "op": "gte", "value": i % 4 + 1, "window": window})
    };
    let leaves = |leaf: &dyn Fn(usize) -> Json| (0..LEAVES).map(leaf).collect::<Vec<_>>();
    let grouped = |leaves: Vec<Json>| leaves.chunks(33).map(|c| json!({"all": [{"any": c}]})).collect::<Vec<_>>();
    vec![
        json!({"attribute": "text", "op": "in", "value": values(&hostile)}),
        json!({"event": "buy", "where": {"property": "text", "op": "not_in", "value": values(&hostile)}}),
        json!({"attribute": "select", "op": "in", "value": values(&|i| json!(i as i64 * 3 - 9))}),
        json!({"attribute": "tags", "op": "has_any", "value": values(&hostile)}),
        json!({"any": leaves(&attribute)}),
        json!({"not": {"all": grouped(leaves(&attribute).into_iter().take(LEAVES - 70).collect())}}),
        json!({"any": (0..300).map(event).collect::<Vec<_>>()}),
        json!({"all": grouped((0..300).map(event).collect())}),
        json!({"segment": "deep0"}),
        json!({"not": {"all": [{"segment": "deep0"}, {"attribute": "text", "op": "exists"}]}}),
    ]
}

/// Each refers to the next; the last one to nothing.
fn deep_segments() -> Vec<(String, String)> {
    let inner = |i: usize| {
        if i + 1 == SEGMENTS { json!({"event": "buy", "op": "gte", "value": 2}) } else { json!({"segment": format!("deep{}", i + 1)}) }
    };
    let age = json!({"attribute": "select", "op": "is", "value": 2});
    let view = json!({"event": "view", "window": {"last": {"n": 9, "unit": "day"}}});
    let wrapped = |tree: Json, level: usize| match level % 3 {
        0 => json!({"not": tree}),
        1 => json!({"any": [age, tree]}),
        _ => json!({"not": {"all": [view, tree]}}),
    };
    let levels = |i: usize| (0..LEVELS).step_by(2).fold(inner(i), |tree, level| wrapped(tree, level / 2));
    (0..SEGMENTS).map(|i| (format!("deep{i}"), levels(i).to_string())).collect()
}
