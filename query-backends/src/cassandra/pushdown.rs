//! Which comparisons an index answers.
//!
//! Only those that every member meets: the root, or below it through `all` alone. An index answers equality with a scalar, and order on integers,
//! numbers, instants and dates, in a column that has no narrower one from before a widening. What it finds is a superset of the members, so leaving one
//! out costs time and nothing else.

use segment_core::plan::{Case, FieldRef, Leaf, Node, Plan, Source, Test};
use segment_core::value::Value;
use store::cassandra::{Bound, Comparison, Index};

/// Text longer than this is not looked up: Cassandra indexes no terms of any length.
const TEXT_BYTES_MAX: usize = 1024;

/// What indexes answer of a plan.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Pushdown {
    pub(super) pushed: Vec<Pushed>,
    /// Indexes that would be used if they were built.
    pub(super) unready: Vec<String>,
}

/// A leaf that an index answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pushed {
    pub(super) index: String,
    pub(super) bounds: Vec<Bound>,
    /// For people.
    pub(super) what: String,
}

/// What the indexes answer of a plan.
pub(super) fn of(plan: &Plan, indexes: &[Index]) -> Pushdown {
    let mut out = Pushdown::default();
    if !indexes.is_empty() {
        node(&plan.root, indexes, &mut out);
    }
    out
}

fn node(at: &Node, indexes: &[Index], out: &mut Pushdown) {
    match at {
        Node::All(children) => children.iter().for_each(|c| node(c, indexes, out)),
        Node::Leaf(Leaf::Attribute(field, test)) => leaf(field, test, indexes, out),
        Node::Const(_) | Node::Any(_) | Node::Not(_) | Node::Leaf(Leaf::Event(_) | Leaf::List(_) | Leaf::Sample(_)) => {}
    }
}

fn leaf(field: &FieldRef, test: &Test, indexes: &[Index], out: &mut Pushdown) {
    let Source::Column(_, column) = &field.source else { return };
    let Some(index) = indexes.iter().find(|i| i.column == column.name).filter(|_| column.before.is_none()) else { return };
    let bounds = bounds(&column.name, test);
    if bounds.is_empty() || !bounds.iter().all(|b| can_be_looked_up(&b.value)) {
        return;
    }
    if !index.is_queryable {
        out.unready.push(index.name.clone());
        return;
    }
    let what =
        bounds.iter().map(|b| format!("{} {} {}", field.path.join("."), sign(b.comparison), segment_core::convert::to_json(&b.value)));
    let what = what.collect::<Vec<_>>().join(" and ");
    out.pushed.push(Pushed { index: index.name.clone(), bounds, what });
}

fn bounds(column: &str, test: &Test) -> Vec<Bound> {
    let bound = |comparison, value: &Value| Bound { column: column.to_owned(), comparison, value: value.clone() };
    match test {
        Test::Is(value, Case::Exact) => vec![bound(Comparison::Is, value)],
        Test::Lt(value) => vec![bound(Comparison::Lt, value)],
        Test::Lte(value) => vec![bound(Comparison::Lte, value)],
        Test::Gt(value) => vec![bound(Comparison::Gt, value)],
        Test::Gte(value) => vec![bound(Comparison::Gte, value)],
        Test::Between(low, high) => vec![bound(Comparison::Gte, low), bound(Comparison::Lte, high)],
        Test::InWindow(interval) => {
            let start = interval.start.map(|start| bound(Comparison::Gte, &Value::Timestamp(start)));
            start.into_iter().chain([bound(Comparison::Lt, &Value::Timestamp(interval.end))]).collect()
        }
        Test::InDates(first, last) => {
            let first = first.map(|first| bound(Comparison::Gte, &Value::Date(first)));
            first.into_iter().chain([bound(Comparison::Lte, &Value::Date(*last))]).collect()
        }
        Test::Is(_, Case::Ignore)
        | Test::In(..)
        | Test::Never
        | Test::Exists
        | Test::Contains(..)
        | Test::StartsWith(..)
        | Test::EndsWith(..)
        | Test::Matches(_)
        | Test::Has(_)
        | Test::HasAny(_)
        | Test::HasAll(_)
        | Test::IsEmpty
        | Test::AnyItem(_) => Vec::new(),
    }
}

/// Whether an index finds at least what the test holds for. Zero has two patterns of bits that Cassandra tells apart.
fn can_be_looked_up(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= TEXT_BYTES_MAX,
        Value::Number(x) => *x != 0.0,
        Value::Integer(_) | Value::Boolean(_) | Value::Timestamp(_) | Value::Date(_) => true,
        Value::Decimal(_) | Value::Strings(_) | Value::Object(_) | Value::Objects(_) | Value::Map(_) => false,
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Is => "=",
        Comparison::Lt => "<",
        Comparison::Lte => "<=",
        Comparison::Gt => ">",
        Comparison::Gte => ">=",
    }
}
