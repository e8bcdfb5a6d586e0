//! Two workspaces that look alike: the same ids, names, lists' and segments' keys, and other data. No query of one sees the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use segment_core::plan::Plan;

use super::{Fixture, Loaded, Report, World, compare, expected, plan};
use crate::backend::Query;

/// Conditions that the two worlds answer differently; what each looks at may be taken from the other.
const CONDITIONS: [&str; 14] = [
    r#"{"event": "buy"}"#,
    r#"{"not": {"event": "buy"}}"#,
    r#"{"event": "*", "op": "lte", "value": 3}"#,
    r#"{"event": "view", "window": {"last": {"n": 7, "unit": "day"}}}"#,
    r#"{"event": "buy", "measure": {"sum": "ts"}, "op": "gt", "value": 1}"#,
    r#"{"event": "buy", "measure": {"distinct": "text"}, "op": "gte", "value": 2}"#,
    r#"{"attribute": "text", "op": "exists"}"#,
    r#"{"not": {"attribute": "select", "op": "gte", "value": 1}}"#,
    r#"{"attribute": "tags", "op": "has", "value": "a"}"#,
    r#"{"attribute": "first_seen_at", "op": "exists"}"#,
    r#"{"list": "half"}"#,
    r#"{"not": {"list": "half"}}"#,
    r#"{"segment": "buyers"}"#,
    r#"{"any": [{"all": [{"list": "half"}, {"attribute": "on", "op": "exists"}]}, {"event": "view", "op": "is", "value": 2}]}"#,
];

/// Loads both worlds, and asks them in turn and at the same time.
///
/// A fixture has to load the second beside the first, as another workspace of the same engine.
pub async fn isolation(fixture: &mut dyn Fixture) -> Report {
    let mut report = Report::default();
    let (one, other) = match (fixture.load(&World::standard()).await, fixture.load(&World::look_alike()).await) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(e), _) | (_, Err(e)) => {
            report.fail("loading", e);
            return report;
        }
    };
    for condition in CONDITIONS {
        let asked = [asked(&one, condition), asked(&other, condition)];
        let [Ok((plan_one, expected_one)), Ok((plan_other, expected_other))] = asked else {
            report.fail(condition, "it does not resolve in both worlds");
            continue;
        };
        if [&one, &other].iter().any(|l| !l.backend.capabilities().events) && plan_one.reads_events() {
            continue;
        }
        if expected_one == expected_other {
            report.fail(condition, "both worlds answer it alike");
        }
        report.told_apart += 1;
        let query = |loaded: &Loaded, plan: &Arc<Plan>| Query { plan: plan.clone(), pinned: loaded.pinned.clone(), strategy: None };
        let (query_one, query_other) = (query(&one, &plan_one), query(&other, &plan_other));
        // Alone, so that nothing of the first is left for the second; then both at once, twice each.
        let results = [
            compare(&one, &query_one, &expected_one).await,
            compare(&other, &query_other, &expected_other).await,
            compare(&one, &query_one, &expected_one).await,
        ];
        let together = tokio::join!(
            compare(&one, &query_one, &expected_one),
            compare(&other, &query_other, &expected_other),
            compare(&other, &query_other, &expected_other),
            compare(&one, &query_one, &expected_one),
        );
        for result in results.into_iter().chain(<[_; 4]>::from(together)) {
            report.runs += 1;
            if let Err(e) = result {
                report.fail(condition, e);
            }
        }
    }
    report
}

fn asked(loaded: &Loaded, condition: &str) -> Result<(Arc<Plan>, BTreeSet<String>), String> {
    let plan = Arc::new(plan(&loaded.world, condition)?);
    let expected = expected(&loaded.world, &plan);
    Ok((plan, expected))
}
