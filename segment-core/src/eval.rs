//! Evaluation over rows in memory: the meaning of a plan, written plainly. What SQL gives is tested against this.
//!
//! In: a plan as resolved (not simplified) and one user's rows. Out: whether the user is a member. Deliberately absent:
//! indexes, sharing, anything clever.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;

use crate::catalog::Builtin;
use crate::decimal::{self, Decimal};
use crate::ops::filter_holds;
use crate::plan::{EventLeaf, EventMatch, FieldRef, Filter, Leaf, Measure, Node, Plan, Sample, Source, Test};
use crate::time::Zone;
use crate::value::Value;

/// A user: the profile as it is now and every event ever.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct User {
    /// The canonical id.
    pub user_id: String,
    /// Earliest of events and stated time, microseconds; `None`: always there.
    pub first_seen_at: Option<i64>,
    /// The latest event's time.
    pub last_seen_at: Option<i64>,
    /// Attributes that have a value.
    pub attributes: BTreeMap<String, Value>,
    /// Events, in any order.
    pub events: Vec<Event>,
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// When, microseconds.
    pub ts: i64,
    /// Its id, which orders events of one instant.
    pub message_id: String,
    /// Properties that have a value.
    pub properties: BTreeMap<String, Value>,
}

/// Members of the lists, by key.
pub type Lists = BTreeMap<String, BTreeSet<String>>;

/// Whether the user is a member of the segment: in the universe, and meeting the tree.
pub fn is_member(plan: &Plan, user: &User, lists: &Lists) -> bool {
    user.first_seen_at.is_none_or(|t| t < plan.as_of) && holds(&plan.root, plan, user, lists)
}

fn holds(node: &Node, plan: &Plan, user: &User, lists: &Lists) -> bool {
    match node {
        Node::Const(b) => *b,
        Node::All(children) => children.iter().all(|c| holds(c, plan, user, lists)),
        Node::Any(children) => children.iter().any(|c| holds(c, plan, user, lists)),
        Node::Not(child) => !holds(child, plan, user, lists),
        Node::Leaf(Leaf::Attribute(field, test)) => test.holds(attribute(user, field).as_ref()),
        Node::Leaf(Leaf::Event(leaf)) => event_holds(leaf, user, &plan.zone),
        Node::Leaf(Leaf::List(key)) => lists.get(key).is_some_and(|l| l.contains(&user.user_id)),
        Node::Leaf(Leaf::Sample(sample)) => in_sample(sample, user),
    }
}

fn attribute(user: &User, field: &FieldRef) -> Option<Value> {
    match &field.source {
        Source::Builtin(Builtin::UserId) => Some(Value::String(user.user_id.clone())),
        Source::Builtin(Builtin::FirstSeenAt) => user.first_seen_at.map(Value::Timestamp),
        Source::Builtin(Builtin::LastSeenAt) => user.last_seen_at.map(Value::Timestamp),
        Source::Column(..) | Source::MapKey(..) | Source::Item => at_path(&user.attributes, &field.path).cloned(),
    }
}

/// The value at a path through objects and, last, a map.
pub fn at_path<'v>(values: &'v BTreeMap<String, Value>, path: &[String]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    let value = values.get(first)?;
    match (value, rest) {
        (value, []) => Some(value),
        (Value::Object(inner) | Value::Map(inner), rest) => at_path(inner, rest),
        _ => None,
    }
}

fn selected<'u>(leaf: &EventLeaf, user: &'u User) -> Vec<&'u Event> {
    let named = |event: &Event| match &leaf.events {
        EventMatch::Any => true,
        EventMatch::Prefix(prefix) => event.name.starts_with(prefix),
        EventMatch::Names(names) => names.contains(&event.name),
    };
    let met = |event: &Event, filter: &Filter| filter_holds(filter, &|path| at_path(&event.properties, path));
    let mut events: Vec<&Event> = user.events.iter().filter(|e| named(e) && leaf.window.contains(e.ts) && met(e, &leaf.filter)).collect();
    events.sort_by(|a, b| a.ts.cmp(&b.ts).then_with(|| a.message_id.as_bytes().cmp(b.message_id.as_bytes())));
    events
}

/// Whether the measure over the user's selected events meets the test.
fn event_holds(leaf: &EventLeaf, user: &User, zone: &Zone) -> bool {
    let events = selected(leaf, user);
    let of = |event: &Event, field: &FieldRef| at_path(&event.properties, &field.path).cloned();
    let values = |field: &FieldRef| events.iter().filter_map(|e| of(e, field)).collect::<Vec<Value>>();
    let count = |n: usize| Some(Value::Integer(i64::try_from(n).unwrap_or(i64::MAX)));
    let measured = match &leaf.measure {
        Measure::Count => count(events.len()),
        Measure::Days => count(events.iter().map(|e| zone.local_day(e.ts)).collect::<BTreeSet<i32>>().len()),
        Measure::Distinct(field) => {
            let mut distinct: Vec<Value> = Vec::new();
            for value in values(field) {
                if !distinct.contains(&value) {
                    distinct.push(value);
                }
            }
            count(distinct.len())
        }
        Measure::Sum(field) => Some(Value::Decimal(Decimal::from_micros(&micros(&values(field)).iter().sum()))),
        Measure::Avg(field) => return average_holds(&leaf.test, &micros(&values(field))),
        Measure::Min(field) => values(field).into_iter().reduce(|a, b| if a.compare(&b).is_some_and(|o| o.is_le()) { a } else { b }),
        Measure::Max(field) => values(field).into_iter().reduce(|a, b| if a.compare(&b).is_some_and(|o| o.is_ge()) { a } else { b }),
        Measure::First(field) => events.first().and_then(|e| of(e, field)),
        Measure::Last(field) => events.last().and_then(|e| of(e, field)),
        Measure::FirstTime => events.first().map(|e| Value::Timestamp(e.ts)),
        Measure::LastTime => events.last().map(|e| Value::Timestamp(e.ts)),
    };
    leaf.test.holds(measured.as_ref())
}

/// Each value as a whole number of millionths; those beyond what sums take are left out.
fn micros(values: &[Value]) -> Vec<BigInt> {
    values
        .iter()
        .filter_map(|v| match v {
            Value::Number(x) => decimal::micros_of_f64(*x).map(BigInt::from),
            Value::Integer(n) => Some(BigInt::from(decimal::micros_of_i64(*n))),
            _ => None,
        })
        .collect()
}

/// Whether the average of the values meets the test. Nothing is divided: the sum is compared with literal × count.
fn average_holds(test: &Test, values: &[BigInt]) -> bool {
    let (Ok(count), sum) = (u64::try_from(values.len()), values.iter().sum::<BigInt>()) else {
        return false;
    };
    let against = |literal: &Value| match literal {
        Value::Decimal(d) if count > 0 => Some(decimal::compare_avg(&sum, count, d)),
        _ => None,
    };
    match test {
        Test::Exists => count > 0,
        Test::Is(v, _) => against(v).is_some_and(|o| o.is_eq()),
        Test::In(literals, _) => literals.iter().any(|v| against(v).is_some_and(|o| o.is_eq())),
        Test::Lt(v) => against(v).is_some_and(|o| o.is_lt()),
        Test::Lte(v) => against(v).is_some_and(|o| o.is_le()),
        Test::Gt(v) => against(v).is_some_and(|o| o.is_gt()),
        Test::Gte(v) => against(v).is_some_and(|o| o.is_ge()),
        Test::Between(low, high) => against(low).is_some_and(|o| o.is_ge()) && against(high).is_some_and(|o| o.is_le()),
        Test::Never
        | Test::InWindow(_)
        | Test::InDates(..)
        | Test::Contains(..)
        | Test::StartsWith(..)
        | Test::EndsWith(..)
        | Test::Matches(_)
        | Test::Has(_)
        | Test::HasAny(_)
        | Test::HasAll(_)
        | Test::IsEmpty
        | Test::AnyItem(_) => false,
    }
}

fn in_sample(sample: &Sample, user: &User) -> bool {
    let id = match &sample.by {
        None => Some(user.user_id.clone()),
        Some(field) => attribute(user, field).and_then(|v| match v {
            Value::String(s) => Some(s),
            Value::Integer(n) => Some(n.to_string()),
            Value::Boolean(b) => Some(b.to_string()),
            _ => None,
        }),
    };
    id.is_some_and(|id| u128::from(sample_hash(&sample.salt, &id)) < sample.threshold)
}

/// The first eight bytes, big-endian, of `md5(salt:id)`.
pub fn sample_hash(salt: &str, id: &str) -> u64 {
    use md5::{Digest, Md5};
    let digest = Md5::new().chain_update(salt).chain_update(":").chain_update(id).finalize();
    digest.iter().take(8).fold(0, |h, b| (h << 8) | u64::from(*b))
}

/// Lower-case hex of the md5 of a text.
pub fn md5_hex(text: &str) -> String {
    use md5::{Digest, Md5};
    let mut out = String::with_capacity(32);
    for byte in Md5::digest(text) {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    out
}
