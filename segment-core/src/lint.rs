//! "Always true" and "never true": nodes that hold for everyone or for nobody whatever the data. Never warned wrongly.
//!
//! In: a resolved plan and the condition it came from, walked side by side so that a warning has its pointer. A group is
//! looked at for a node beside its complement, and for contradictions and tautologies over one attribute or one
//! measure: the tests of one operand are evaluated at every *place* its value can be (missing, at a literal, between two
//! literals). A test that cannot be decided at a place counts as open, which never gives a warning.

use std::cmp::Ordering;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use crate::catalog::Builtin;
use crate::condition::Condition;
use crate::diagnostics::{Code, Diagnostic, Pointer};
use crate::plan::{EventMatch, Filter, Interval, Leaf, Measure, Node, Plan, Source, Test};
use crate::types::Type;
use crate::value::Value;

/// Groups with more children than this are not compared with each other; it bounds the work on machine-made trees.
const GROUP_COMPARED_MAX: usize = 256;

/// The warnings of a tree.
pub(crate) fn warnings(plan: &Plan, condition: &Condition) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    walk(condition, &plan.root, &Pointer::ROOT, &mut out);
    out
}

fn constant_warning(pointer: &Pointer<'_>, holds: bool, why: &str) -> Diagnostic {
    if holds {
        Diagnostic::new(Code::AlwaysTrue, pointer, format!("this holds for everyone: {why}"))
    } else {
        Diagnostic::new(Code::NeverTrue, pointer, format!("this holds for nobody: {why}"))
    }
}

fn walk(condition: &Condition, node: &Arc<Node>, pointer: &Pointer<'_>, out: &mut Vec<Diagnostic>) {
    match (condition, node.as_ref()) {
        (Condition::All(conditions), Node::All(nodes)) => {
            group(nodes, true, &pointer.key("all"), out);
            children(conditions, nodes, pointer, "all", out);
        }
        (Condition::Any(conditions), Node::Any(nodes)) => {
            group(nodes, false, &pointer.key("any"), out);
            children(conditions, nodes, pointer, "any", out);
        }
        (Condition::Not(condition), Node::Not(node)) => walk(condition, node, &pointer.key("not"), out),
        (Condition::Attribute(..) | Condition::Event(_), _) => alone(node, pointer, out),
        _ => {}
    }
}

fn children(conditions: &[Condition], nodes: &[Arc<Node>], pointer: &Pointer<'_>, key: &str, out: &mut Vec<Diagnostic>) {
    let at = pointer.key(key);
    for (i, (condition, node)) in conditions.iter().zip(nodes).enumerate() {
        walk(condition, node, &at.index(i), out);
    }
}

/// One predicate that is constant by itself, such as `count gte 0`.
fn alone(node: &Arc<Node>, pointer: &Pointer<'_>, out: &mut Vec<Diagnostic>) {
    let Some((operand, test, positive)) = tested(node) else {
        return;
    };
    if matches!(test, Test::Never) {
        // Its operator has said so already, and why.
        return;
    }
    let places = operand.places(&[test]);
    let verdicts: Vec<Option<bool>> = places.iter().map(|p| operand.holds(test, p)).collect();
    for constant in [true, false] {
        if verdicts.iter().all(|v| *v == Some(constant)) {
            out.push(constant_warning(pointer, constant == positive, "every value there can be gives the same answer"));
        }
    }
}

fn group(nodes: &[Arc<Node>], all: bool, pointer: &Pointer<'_>, out: &mut Vec<Diagnostic>) {
    if nodes.len() < 2 || nodes.len() > GROUP_COMPARED_MAX {
        return;
    }
    let mut parts = Vec::new();
    flatten(nodes, all, &mut parts);
    for (i, node) in parts.iter().enumerate() {
        let (bare, sign) = unsigned(node);
        if parts.iter().skip(i + 1).any(|other| {
            let (other, other_sign) = unsigned(other);
            other_sign != sign && other == bare
        }) {
            out.push(constant_warning(pointer, !all, "it has a condition beside that same condition's \"not\""));
            return;
        }
    }
    let mut places: HashMap<What<'_>, usize> = HashMap::new();
    let mut by_operand: Vec<(Operand<'_>, Vec<(&Test, bool)>)> = Vec::new();
    for (operand, test, sign) in parts.iter().filter_map(|n| tested(n)) {
        let place = *places.entry(operand.what).or_insert(by_operand.len());
        match by_operand.get_mut(place) {
            Some((_, tests)) => tests.push((test, sign)),
            None => by_operand.push((operand, vec![(test, sign)])),
        }
    }
    for (operand, tests) in by_operand.iter().filter(|(_, tests)| tests.len() > 1) {
        let bare: Vec<&Test> = tests.iter().map(|(t, _)| *t).collect();
        // In a conjunction some test has to fail everywhere, in a disjunction some test has to hold everywhere.
        let decided = operand
            .places(&bare)
            .iter()
            .all(|place| tests.iter().any(|(test, sign)| operand.holds(test, place).is_some_and(|holds| (holds == *sign) != all)));
        if decided {
            let why = if all { "no value meets all of its tests of" } else { "every value meets one of its tests of" };
            out.push(constant_warning(pointer, !all, &format!("{why} {}", operand.name())));
            return;
        }
    }
}

fn flatten<'n>(nodes: &'n [Arc<Node>], all: bool, out: &mut Vec<&'n Arc<Node>>) {
    for node in nodes {
        match node.as_ref() {
            Node::All(inner) if all => flatten(inner, all, out),
            Node::Any(inner) if !all => flatten(inner, all, out),
            _ => out.push(node),
        }
    }
}

fn unsigned(node: &Arc<Node>) -> (&Node, bool) {
    let mut sign = true;
    let mut node = node.as_ref();
    while let Node::Not(child) = node {
        sign = !sign;
        node = child;
    }
    (node, sign)
}

fn tested(node: &Arc<Node>) -> Option<(Operand<'_>, &Test, bool)> {
    let (bare, sign) = unsigned(node);
    match bare {
        Node::Leaf(Leaf::Attribute(field, test)) => {
            let missing = field.source != Source::Builtin(Builtin::UserId);
            Some((Operand { what: What::Attribute(&field.path), ty: &field.ty, missing, from_zero: false }, test, sign))
        }
        Node::Leaf(Leaf::Event(leaf)) => {
            let (ty, missing, from_zero) = match &leaf.measure {
                Measure::Count | Measure::Days | Measure::Distinct(_) => (&Type::Integer, false, true),
                Measure::Sum(_) => (&Type::Number, false, false),
                Measure::Avg(_) => (&Type::Number, true, false),
                Measure::Min(f) | Measure::Max(f) | Measure::First(f) | Measure::Last(f) => (&f.ty, true, false),
                Measure::FirstTime | Measure::LastTime => (&Type::Timestamp, true, false),
            };
            Some((
                Operand { what: What::Measure(&leaf.events, &leaf.filter, leaf.window, &leaf.measure), ty, missing, from_zero },
                &leaf.test,
                sign,
            ))
        }
        Node::Const(_) | Node::All(_) | Node::Any(_) | Node::Not(_) | Node::Leaf(Leaf::List(_) | Leaf::Sample(_)) => None,
    }
}

/// What tests are about.
struct Operand<'n> {
    what: What<'n>,
    ty: &'n Type,
    /// Whether its value can be missing.
    missing: bool,
    /// Whether it is a count.
    from_zero: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum What<'n> {
    Attribute(&'n [String]),
    Measure(&'n EventMatch, &'n Filter, Interval, &'n Measure),
}

/// Where a value can be.
enum Place<'n> {
    Missing,
    /// At a literal.
    At(&'n Value),
    /// Below the literal, and above the one before it if there is one.
    Below(Option<&'n Value>, &'n Value),
    /// Above every literal, or anything but missing where there is none.
    Above(Option<&'n Value>),
}

impl<'n> Operand<'n> {
    fn name(&self) -> String {
        match self.what {
            What::Attribute(path) => format!("\"{}\"", path.join(".")),
            What::Measure(..) => "one measure".to_owned(),
        }
    }

    fn places(&self, tests: &[&'n Test]) -> Vec<Place<'n>> {
        let mut literals: Vec<&Value> = Vec::new();
        if self.from_zero {
            literals.push(&Value::Integer(0));
        }
        match self.ty {
            Type::Boolean => literals.extend([&Value::Boolean(false), &Value::Boolean(true)]),
            Type::Strings => literals.push(const { &Value::Strings(Vec::new()) }),
            Type::Objects(_) => literals.push(const { &Value::Objects(Vec::new()) }),
            Type::String | Type::Integer | Type::Number | Type::Timestamp | Type::Date | Type::Object(_) | Type::Map(_) => {}
        }
        for test in tests {
            collect(test, &mut literals);
        }
        literals.sort_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal));
        literals.dedup();
        let mut places = Vec::new();
        if self.missing {
            places.push(Place::Missing);
        }
        let mut before: Option<&Value> = None;
        for literal in literals {
            if self.room_below(before, literal) {
                places.push(Place::Below(before, literal));
            }
            places.push(Place::At(literal));
            before = Some(literal);
        }
        if *self.ty != Type::Boolean {
            places.push(Place::Above(before));
        }
        places
    }

    /// Whether a value can lie below the literal and above the one before. Yes where that is not certain.
    fn room_below(&self, before: Option<&Value>, literal: &Value) -> bool {
        match (before, literal) {
            (_, Value::Boolean(_) | Value::Strings(_) | Value::Objects(_)) => false,
            (None, Value::Integer(0)) => !self.from_zero,
            (None, Value::Integer(n)) => *n != i64::MIN,
            (Some(Value::Integer(a)), Value::Integer(b)) => a.checked_add(1).is_some_and(|next| next < *b),
            (Some(Value::Timestamp(a)), Value::Timestamp(b)) => a.checked_add(1).is_some_and(|next| next < *b),
            (Some(Value::Date(a)), Value::Date(b)) => a.checked_add(1).is_some_and(|next| next < *b),
            _ => true,
        }
    }

    /// Whether the test holds at a place; `None` where that is open.
    fn holds(&self, test: &Test, place: &Place<'_>) -> Option<bool> {
        match place {
            Place::Missing => Some(test.holds(None)),
            // Its instants move with `as_of`; what contradicts today may not tomorrow.
            Place::At(_) | Place::Below(..) | Place::Above(_) if matches!(test, Test::InWindow(_)) => None,
            Place::At(value) => Some(test.holds(Some(value))),
            Place::Below(before, literal) => self.between(test, *before, Some(literal)),
            Place::Above(before) => self.between(test, *before, None),
        }
    }

    /// Strictly between two neighbouring literals: order tests are the same all through, equality never holds.
    fn between(&self, test: &Test, low: Option<&Value>, high: Option<&Value>) -> Option<bool> {
        // The value is above a bound if the literal below it is at the bound or above; every bound is a literal.
        let above = |bound: &Value| low.is_some_and(|l| l.compare(bound).is_some_and(Ordering::is_ge));
        let below = |bound: &Value| high.is_some_and(|h| h.compare(bound).is_some_and(Ordering::is_le));
        let exact = !matches!(test, Test::Is(_, crate::plan::Case::Ignore) | Test::In(_, crate::plan::Case::Ignore));
        match test {
            Test::Never => Some(false),
            Test::Exists => Some(true),
            Test::Is(..) | Test::In(..) if exact => Some(false),
            Test::Lt(b) | Test::Lte(b) => Some(below(b)),
            Test::Gt(b) | Test::Gte(b) => Some(above(b)),
            Test::Between(a, b) => Some(above(a) && below(b)),
            Test::IsEmpty => Some(false),
            Test::Is(..)
            | Test::In(..)
            | Test::InWindow(_)
            | Test::Contains(..)
            | Test::StartsWith(..)
            | Test::EndsWith(..)
            | Test::Matches(_)
            | Test::Has(_)
            | Test::HasAny(_)
            | Test::HasAll(_)
            | Test::AnyItem(_) => None,
        }
    }
}

fn collect<'n>(test: &'n Test, out: &mut Vec<&'n Value>) {
    match test {
        Test::Is(v, _) | Test::Lt(v) | Test::Lte(v) | Test::Gt(v) | Test::Gte(v) => out.push(v),
        Test::In(values, _) => out.extend(values),
        Test::Between(a, b) => out.extend([a, b]),
        Test::Never
        | Test::InWindow(_)
        | Test::Exists
        | Test::Contains(..)
        | Test::StartsWith(..)
        | Test::EndsWith(..)
        | Test::Matches(_)
        | Test::Has(_)
        | Test::HasAny(_)
        | Test::HasAll(_)
        | Test::IsEmpty
        | Test::AnyItem(_) => {}
    }
}
