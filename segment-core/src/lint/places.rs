//! Where the value of an attribute, a property or a measure can be, as far as some tests tell it apart: missing, at a literal,
//! between two, below or above all of them.
//!
//! Texts that are compared without regard to case alone are looked at by their folded form: then a place is that of all texts
//! with one folded form.

use std::cmp::Ordering;

use super::Tree;
use crate::catalog::Builtin;
use crate::plan::{Case, EventLeaf, EventMatch, FieldRef, Filter, Interval, Measure, Source, Test};
use crate::resolve::{Meanings, Seen};
use crate::types::Type;
use crate::value::Value;

/// Values that a type has whatever it is compared with.
static FALSE: Value = Value::Boolean(false);
static TRUE: Value = Value::Boolean(true);
static ZERO: Value = Value::Integer(0);
static NO_STRINGS: Value = Value::Strings(Vec::new());
static NO_OBJECTS: Value = Value::Objects(Vec::new());

/// What tests are about.
pub(super) struct Operand<'n> {
    pub(super) what: What<'n>,
    ty: &'n Type,
    /// Whether its value can be missing.
    missing: bool,
    /// Whether it is a count.
    from_zero: bool,
}

/// What is tested.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What<'n> {
    Field(&'n [String]),
    Measure(&'n EventMatch, &'n Filter, Interval, &'n Measure),
}

impl<'n> Operand<'n> {
    pub(super) fn attribute(field: &'n FieldRef) -> Self {
        let missing = field.source != Source::Builtin(Builtin::UserId);
        Operand { what: What::Field(&field.path), ty: &field.ty, missing, from_zero: false }
    }

    /// Of an event or of an item.
    pub(super) fn property(field: &'n FieldRef) -> Self {
        Operand { what: What::Field(&field.path), ty: &field.ty, missing: true, from_zero: false }
    }

    pub(super) fn measure(leaf: &'n EventLeaf) -> Self {
        let (ty, missing, from_zero) = match &leaf.measure {
            Measure::Count | Measure::Days | Measure::Distinct(_) => (&Type::Integer, false, true),
            Measure::Sum(_) => (&Type::Number, false, false),
            Measure::Avg(_) => (&Type::Number, true, false),
            Measure::Min(f) | Measure::Max(f) | Measure::First(f) | Measure::Last(f) => (&f.ty, true, false),
            Measure::FirstTime | Measure::LastTime => (&Type::Timestamp, true, false),
        };
        Operand { what: What::Measure(&leaf.events, &leaf.filter, leaf.window, &leaf.measure), ty, missing, from_zero }
    }

    /// Whether it is that at every `as_of`.
    pub(super) fn is_fixed(&self, meanings: &Meanings) -> bool {
        match self.what {
            What::Field(_) => true,
            What::Measure(_, filter, window, _) => meanings.is_one(Seen::Instants(window)) && filter.is_fixed(meanings),
        }
    }

    pub(super) fn name(&self) -> String {
        match self.what {
            What::Field(path) => format!("\"{}\"", path.join(".")),
            What::Measure(..) => "one measure".to_owned(),
        }
    }

    /// Whether the test holds for some and fails for others of the values at hand: missing, zero, its own literals. Most do, and need no places.
    pub(super) fn is_told_apart(&self, test: &Test) -> bool {
        let missing = self.missing.then_some(None);
        let zero = self.from_zero.then_some(Some(&ZERO));
        let literals = test.literals().filter(|literal| self.can_be(literal)).map(Some);
        let mut answers = missing.into_iter().chain(zero).chain(literals).map(|value| test.holds(value));
        answers.next().is_some_and(|first| answers.any(|answer| answer != first))
    }

    /// Whether the literal is a value there can be: no count is below zero.
    fn can_be(&self, literal: &Value) -> bool {
        !(self.from_zero && matches!(literal, Value::Integer(n) if *n < 0))
    }

    pub(super) fn places(&self, tests: &[&'n Test]) -> Places<'n> {
        let mut literals: Vec<&Value> = match self.ty {
            Type::Boolean => vec![&FALSE, &TRUE],
            Type::Strings => vec![&NO_STRINGS],
            Type::Objects(_) => vec![&NO_OBJECTS],
            Type::Integer if self.from_zero => vec![&ZERO],
            Type::String | Type::Integer | Type::Number | Type::Timestamp | Type::Date | Type::Object(_) | Type::Map(_) => Vec::new(),
        };
        literals.extend(tests.iter().flat_map(|test| test.literals()));
        literals.retain(|literal| self.can_be(literal));
        literals.sort_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal));
        literals.dedup();
        let mut list = Vec::with_capacity(2 * literals.len() + 2);
        if self.missing {
            list.push(Place::Missing);
        }
        let mut before: Option<&Value> = None;
        for literal in literals {
            if self.room_below(before, literal) {
                list.push(Place::Between(before, Some(literal)));
            }
            list.push(Place::At(literal));
            before = Some(literal);
        }
        if *self.ty != Type::Boolean && before != Some(&Value::Integer(i64::MAX)) {
            list.push(Place::Between(before, None));
        }
        let cases = || tests.iter().filter_map(|test| case_of_equality(test));
        let folded = cases().any(|case| case == Case::Ignore) && cases().all(|case| case == Case::Ignore);
        Places { list, folded }
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
}

/// The case by which a test compares texts for equality.
fn case_of_equality(test: &Test) -> Option<Case> {
    match test {
        Test::Is(Value::String(_), case) => Some(*case),
        Test::In(values, case) if matches!(values.first(), Some(Value::String(_))) => Some(*case),
        _ => None,
    }
}

/// Where a value can be.
pub(super) enum Place<'n> {
    Missing,
    /// At a literal.
    At(&'n Value),
    /// Above the one literal and below the next, if there are such.
    Between(Option<&'n Value>, Option<&'n Value>),
}

/// The places that some tests tell apart.
pub(super) struct Places<'n> {
    list: Vec<Place<'n>>,
    /// Whether texts are looked at by their folded form.
    folded: bool,
}

impl Places<'_> {
    /// Whether something is so at every place.
    pub(super) fn all(&self, so: impl FnMut(&Place<'_>) -> bool) -> bool {
        self.list.iter().all(so)
    }

    /// What the test, one of those, gives at every place, if that is certain and the same.
    pub(super) fn answer(&self, test: &Test) -> Option<bool> {
        let first = self.holds(test, self.list.first()?)?;
        self.all(|place| self.holds(test, place) == Some(first)).then_some(first)
    }

    /// Whether the test, one of those, holds at a place; `None` where that is open.
    pub(super) fn holds(&self, test: &Test, place: &Place<'_>) -> Option<bool> {
        match place {
            Place::Missing => Some(test.holds(None)),
            // What they hold moves with `as_of`.
            Place::At(_) | Place::Between(..) if matches!(test, Test::InWindow(_) | Test::InDates(..)) => None,
            Place::At(Value::String(text)) if self.folded => at_folded(test, text),
            Place::At(value) => Some(test.holds(Some(value))),
            Place::Between(low, high) => self.between(test, *low, *high),
        }
    }

    /// Strictly between two neighbouring literals: order tests are the same all through, equality never holds.
    fn between(&self, test: &Test, low: Option<&Value>, high: Option<&Value>) -> Option<bool> {
        // The value is above a bound if the literal below it is at the bound or above. Every bound is a literal, but for those
        // below all counts, which are below this too.
        let above = |bound: &Value| low.is_some_and(|l| l.compare(bound).is_some_and(Ordering::is_ge));
        let below = |bound: &Value| high.is_some_and(|h| h.compare(bound).is_some_and(Ordering::is_le));
        match test {
            Test::Never => Some(false),
            Test::Exists => Some(true),
            // A text that is equal but for case may be here, unless literals are looked at in that way.
            Test::Is(..) | Test::In(..) => (self.folded || case_of_equality(test) != Some(Case::Ignore)).then_some(false),
            Test::Lt(b) | Test::Lte(b) => Some(below(b)),
            Test::Gt(b) | Test::Gte(b) => Some(above(b)),
            Test::Between(a, b) => Some(above(a) && below(b)),
            Test::IsEmpty => Some(false),
            Test::InWindow(_)
            | Test::InDates(..)
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

/// Whether the test holds for every text with that folded form, or for none.
fn at_folded(test: &Test, folded: &str) -> Option<bool> {
    let is = |literal: &Value| matches!(literal, Value::String(text) if text == folded);
    match test {
        Test::Never => Some(false),
        Test::Exists => Some(true),
        Test::Is(literal, _) => Some(is(literal)),
        Test::In(literals, _) => {
            Some(literals.binary_search_by(|l| l.compare(&Value::String(folded.to_owned())).unwrap_or(Ordering::Less)).is_ok())
        }
        Test::Contains(part, Case::Ignore) => Some(folded.contains(part)),
        Test::StartsWith(part, Case::Ignore) => Some(folded.starts_with(part)),
        Test::EndsWith(part, Case::Ignore) => Some(folded.ends_with(part)),
        _ => None,
    }
}
