//! The typed, dialect-free plan: every name resolved to a column, every window to instants, every literal to a value.
//!
//! Only positive tests stand in a plan: `is_not`, `not_in`, `not_contains`, `not_exists`, `is_not_empty` are `Node::Not`
//! (`Filter::Not`) around their positive twin, so that they are its exact complement by construction. Every test is
//! two-valued: over a missing value it is false.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalog::{Builtin, Column, Scope};
use crate::re2::Pattern;
use crate::time::{DATE_MIN, Zone};
use crate::types::Type;
use crate::value::Value;

/// A resolved tree.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The instant of evaluation, microseconds UTC.
    pub as_of: i64,
    /// The workspace's zone.
    pub zone: Zone,
    /// The condition over users.
    pub root: Arc<Node>,
    /// Each window of the tree, in the order written, to be shown.
    pub windows: Vec<ShownWindow>,
}

impl Plan {
    /// Whether any leaf looks at events.
    pub fn reads_events(&self) -> bool {
        self.root.reads_events()
    }

    /// Shows every attribute and property that it looks at, as often as it does.
    pub fn fields(&self, show: &mut dyn FnMut(&FieldRef)) {
        self.root.fields(show);
    }
}

impl Filter {
    fn fields(&self, show: &mut dyn FnMut(&FieldRef)) {
        match self {
            Filter::Const(_) => {}
            Filter::All(children) | Filter::Any(children) => children.iter().for_each(|c| c.fields(show)),
            Filter::Not(child) => child.fields(show),
            Filter::Test(field, _) => show(field),
        }
    }
}

impl Node {
    fn fields(&self, show: &mut dyn FnMut(&FieldRef)) {
        match self {
            Node::Const(_) | Node::Leaf(Leaf::List(_)) => {}
            Node::All(children) | Node::Any(children) => children.iter().for_each(|c| c.fields(show)),
            Node::Not(child) => child.fields(show),
            Node::Leaf(Leaf::Attribute(field, _)) => show(field),
            Node::Leaf(Leaf::Sample(sample)) => sample.by.iter().for_each(|f| show(f)),
            Node::Leaf(Leaf::Event(leaf)) => {
                leaf.filter.fields(show);
                leaf.measure.field().into_iter().for_each(show);
            }
        }
    }

    fn reads_events(&self) -> bool {
        match self {
            Node::Const(_) => false,
            Node::All(children) | Node::Any(children) => children.iter().any(|c| c.reads_events()),
            Node::Not(child) => child.reads_events(),
            Node::Leaf(leaf) => matches!(leaf, Leaf::Event(_)),
        }
    }
}

/// A window as it was resolved, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownWindow {
    /// JSON pointer to the window, or to its leaf where it was left out. Windows inside saved segments are prefixed
    /// with the pointer of the reference.
    pub pointer: String,
    /// The saved segments passed through to it, outermost first.
    pub segments: Vec<String>,
    /// Its instants.
    pub interval: Interval,
}

/// Half-open `[start, end)`, microseconds UTC. No start: from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// First instant inside.
    pub start: Option<i64>,
    /// First instant after.
    pub end: i64,
}

impl Interval {
    /// Whether no instant is inside.
    pub fn is_empty(&self) -> bool {
        self.start.is_some_and(|s| s >= self.end)
    }

    /// Whether the instant is inside.
    pub fn contains(&self, at: i64) -> bool {
        self.start.is_none_or(|s| s <= at) && at < self.end
    }

    /// The shortest that holds both.
    pub(crate) fn hull(self, other: Interval) -> Interval {
        Interval { start: self.start.zip(other.start).map(|(a, b)| a.min(b)), end: self.end.max(other.end) }
    }
}

/// A set of users, within the universe.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// Everyone, or nobody.
    Const(bool),
    /// Intersection; of nothing: everyone.
    All(Vec<Arc<Node>>),
    /// Union; of nothing: nobody.
    Any(Vec<Arc<Node>>),
    /// Complement within the universe.
    Not(Arc<Node>),
    /// A predicate.
    Leaf(Leaf),
}

/// A predicate over one user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// A test of a current attribute.
    Attribute(Arc<FieldRef>, Test),
    /// A test of a measure over the user's events.
    Event(EventLeaf),
    /// Membership of a list, by its key.
    List(String),
    /// A stable random share.
    Sample(Sample),
}

/// Where a value is found. Leaves on one field share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRef {
    /// Attribute, event property; item fields have no storage of their own and are `Source::Item`.
    pub source: Source,
    /// The path, first the field's name, then names of object fields or, last, a map's key.
    pub path: Vec<String>,
    /// The type of the value found.
    pub ty: Type,
}

// Fields of one plan that differ nearly always differ in their paths.
impl std::hash::Hash for FieldRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

/// What stores a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A built-in attribute.
    Builtin(Builtin),
    /// A stored column.
    Column(Scope, Column),
    /// A key of a map that is stored in a JSON column.
    MapKey(Scope, Column, String),
    /// A field of the item that `any_item` looks at.
    Item,
}

/// A test of a measure over a user's selected events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventLeaf {
    /// Which events.
    pub events: EventMatch,
    /// Which of them, by their properties.
    pub filter: Filter,
    /// When; its end is `as_of` at the latest.
    pub window: Interval,
    /// What is measured over them.
    pub measure: Measure,
    /// How the measure is tested.
    pub test: Test,
}

/// A choice of event names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventMatch {
    /// These names; not empty.
    Names(BTreeSet<String>),
    /// Names that start so.
    Prefix(String),
    /// Any event.
    Any,
}

/// A condition over one event's properties or over one item's fields.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Every one, or none.
    Const(bool),
    /// All hold.
    All(Vec<Filter>),
    /// One at least holds.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A test of one value.
    Test(Arc<FieldRef>, Test),
}

/// What is measured over the selected events, which are ordered by `(ts, message_id)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Measure {
    /// How many: integer, 0 over nothing.
    Count,
    /// Distinct calendar days in the workspace's zone: integer, 0 over nothing.
    Days,
    /// Exact decimal sum (`Value::Decimal`), 0 over nothing.
    Sum(Arc<FieldRef>),
    /// Exact decimal sum over count of values, missing over nothing.
    Avg(Arc<FieldRef>),
    /// Least value, missing over nothing.
    Min(Arc<FieldRef>),
    /// Greatest value, missing over nothing.
    Max(Arc<FieldRef>),
    /// Distinct values: integer, 0 over nothing.
    Distinct(Arc<FieldRef>),
    /// The first event's value; missing if that event lacks it.
    First(Arc<FieldRef>),
    /// The last event's value; missing if that event lacks it.
    Last(Arc<FieldRef>),
    /// The first event's time.
    FirstTime,
    /// The last event's time.
    LastTime,
}

impl Measure {
    /// The property measured, where one is.
    pub fn field(&self) -> Option<&FieldRef> {
        match self {
            Measure::Sum(f)
            | Measure::Avg(f)
            | Measure::Min(f)
            | Measure::Max(f)
            | Measure::Distinct(f)
            | Measure::First(f)
            | Measure::Last(f) => Some(f),
            Measure::Count | Measure::Days | Measure::FirstTime | Measure::LastTime => None,
        }
    }
}

/// A positive, typed test of one value; false over a missing one (`IsEmpty` alone holds there).
///
/// Literals are of the operand's own type: what cannot be (an integer that is 2.5) was folded by resolve into `Never`,
/// `Exists`, or a neighbouring bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// Holds for no value.
    Never,
    /// Holds for every value there is.
    Exists,
    /// Equality.
    Is(Value, Case),
    /// Equality with one of these; sorted, without repeats, at least one.
    In(Vec<Value>, Case),
    /// Order.
    Lt(Value),
    /// Order.
    Lte(Value),
    /// Order.
    Gt(Value),
    /// Order.
    Gte(Value),
    /// Both ends included; the first is not above the second.
    Between(Value, Value),
    /// An instant inside a window, which may be empty at this `as_of`.
    InWindow(Interval),
    /// A date whose midnight in the zone is inside a window: from the first day, where there is one, to the last, both
    /// included. None where the first comes after the last.
    InDates(Option<i32>, i32),
    /// Substring.
    Contains(String, Case),
    /// Prefix.
    StartsWith(String, Case),
    /// Suffix.
    EndsWith(String, Case),
    /// RE2 search.
    Matches(Pattern),
    /// The list has it.
    Has(String),
    /// The list has one of these; not empty.
    HasAny(Vec<String>),
    /// The list has all of these; not empty (of nothing: `Exists`).
    HasAll(Vec<String>),
    /// The list is empty or missing.
    IsEmpty,
    /// One item meets the filter, whose fields are `Source::Item`.
    AnyItem(Box<Filter>),
}

impl Test {
    /// The values that it compares with by equality or order.
    pub fn literals(&self) -> impl Iterator<Item = &Value> {
        use std::slice::from_ref;
        let (first, second): (&[Value], &[Value]) = match self {
            Test::Is(v, _) | Test::Lt(v) | Test::Lte(v) | Test::Gt(v) | Test::Gte(v) => (from_ref(v), &[]),
            Test::In(values, _) => (values, &[]),
            Test::Between(low, high) => (from_ref(low), from_ref(high)),
            Test::Never
            | Test::Exists
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
            | Test::AnyItem(_) => (&[], &[]),
        };
        first.iter().chain(second)
    }

    /// Whether no value can meet the test at this `as_of`.
    pub fn is_impossible(&self) -> bool {
        match self {
            Test::Never => true,
            Test::InWindow(interval) => interval.is_empty(),
            Test::InDates(first, last) => first.unwrap_or(DATE_MIN) > *last,
            Test::Exists
            | Test::Is(..)
            | Test::In(..)
            | Test::Lt(_)
            | Test::Lte(_)
            | Test::Gt(_)
            | Test::Gte(_)
            | Test::Between(..)
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
}

/// Whether letters are compared by their simple lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// As they are.
    Exact,
    /// Each code point by Unicode's simple lower case. The literal in the test is already folded.
    Ignore,
}

/// A stable random share of users.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sample {
    /// `h < threshold / 2^64`; 2^64 is everyone, 0 nobody.
    pub threshold: u128,
    /// Put before the id, with a colon.
    pub salt: String,
    /// The attribute hashed; the user id where left out. String, integer or boolean.
    pub by: Option<Arc<FieldRef>>,
}
