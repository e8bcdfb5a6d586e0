//! The operators: one file each, with its type rule, its null rule, how it is resolved, how it holds in memory and how
//! it lowers.
//!
//! A negative operator (`is_not`, …) has no meaning of its own: it is the complement of its positive twin, in whose
//! file it is described. Registration is the arm in each match below; the matches are exhaustive, so an operator
//! that is not registered everywhere does not compile.

mod after;
mod any_item;
mod before;
mod between;
mod contains;
mod ends_with;
mod exists;
mod gt;
mod gte;
mod has;
mod has_all;
mod has_any;
mod r#in;
mod in_window;
mod is;
mod is_empty;
mod literal;
mod lt;
mod lte;
mod matches;
mod starts_with;

pub use any_item::filter_holds;
pub(crate) use literal::{Asked, Subject, untyped_literal};

use crate::dialect::Dialect;
use crate::plan::Test;
use crate::resolve::Cx;
use crate::sql::Expr;
use crate::types::Type;
use crate::value::Value;

/// The operators of the wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Equality.
    Is,
    /// Complement of `is`.
    IsNot,
    /// Equality with one of several.
    In,
    /// Complement of `in`.
    NotIn,
    /// There is a value.
    Exists,
    /// Complement of `exists`.
    NotExists,
    /// Below.
    Lt,
    /// Below or equal.
    Lte,
    /// Above.
    Gt,
    /// Above or equal.
    Gte,
    /// From low to high, both included.
    Between,
    /// Substring.
    Contains,
    /// Complement of `contains`.
    NotContains,
    /// Prefix.
    StartsWith,
    /// Suffix.
    EndsWith,
    /// RE2 search.
    Matches,
    /// The list has a value.
    Has,
    /// The list has one of several.
    HasAny,
    /// The list has all of several.
    HasAll,
    /// The list is empty or missing.
    IsEmpty,
    /// Complement of `is_empty`.
    IsNotEmpty,
    /// One item of the list meets a condition.
    AnyItem,
    /// Earlier than.
    Before,
    /// Later than.
    After,
    /// Inside a window.
    InWindow,
}

impl Op {
    /// Every operator, in the contract's order.
    pub const ALL: [Op; 25] = [
        Op::Is,
        Op::IsNot,
        Op::In,
        Op::NotIn,
        Op::Exists,
        Op::NotExists,
        Op::Lt,
        Op::Lte,
        Op::Gt,
        Op::Gte,
        Op::Between,
        Op::Contains,
        Op::NotContains,
        Op::StartsWith,
        Op::EndsWith,
        Op::Matches,
        Op::Has,
        Op::HasAny,
        Op::HasAll,
        Op::IsEmpty,
        Op::IsNotEmpty,
        Op::AnyItem,
        Op::Before,
        Op::After,
        Op::InWindow,
    ];

    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Op::Is => "is",
            Op::IsNot => "is_not",
            Op::In => "in",
            Op::NotIn => "not_in",
            Op::Exists => "exists",
            Op::NotExists => "not_exists",
            Op::Lt => "lt",
            Op::Lte => "lte",
            Op::Gt => "gt",
            Op::Gte => "gte",
            Op::Between => "between",
            Op::Contains => "contains",
            Op::NotContains => "not_contains",
            Op::StartsWith => "starts_with",
            Op::EndsWith => "ends_with",
            Op::Matches => "matches",
            Op::Has => "has",
            Op::HasAny => "has_any",
            Op::HasAll => "has_all",
            Op::IsEmpty => "is_empty",
            Op::IsNotEmpty => "is_not_empty",
            Op::AnyItem => "any_item",
            Op::Before => "before",
            Op::After => "after",
            Op::InWindow => "in_window",
        }
    }

    /// The operator of that wire name.
    pub fn named(name: &str) -> Option<Op> {
        Op::ALL.into_iter().find(|op| op.name() == name)
    }

    /// Whether it has a `value`.
    pub fn takes_value(self) -> bool {
        !matches!(self, Op::Exists | Op::NotExists | Op::IsEmpty | Op::IsNotEmpty)
    }

    /// Whether it may have `ignore_case`.
    pub fn takes_case(self) -> bool {
        matches!(
            self,
            Op::Is | Op::IsNot | Op::In | Op::NotIn | Op::Contains | Op::NotContains | Op::StartsWith | Op::EndsWith | Op::Matches
        )
    }

    /// Whether it is the complement of its positive twin.
    pub fn is_negative(self) -> bool {
        matches!(self, Op::IsNot | Op::NotIn | Op::NotExists | Op::NotContains | Op::IsNotEmpty)
    }

    /// The operator whose complement it is, or itself.
    pub fn positive(self) -> Op {
        match self {
            Op::IsNot => Op::Is,
            Op::NotIn => Op::In,
            Op::NotExists => Op::Exists,
            Op::NotContains => Op::Contains,
            Op::IsNotEmpty => Op::IsEmpty,
            Op::Is
            | Op::In
            | Op::Exists
            | Op::Lt
            | Op::Lte
            | Op::Gt
            | Op::Gte
            | Op::Between
            | Op::Contains
            | Op::StartsWith
            | Op::EndsWith
            | Op::Matches
            | Op::Has
            | Op::HasAny
            | Op::HasAll
            | Op::IsEmpty
            | Op::AnyItem
            | Op::Before
            | Op::After
            | Op::InWindow => self,
        }
    }

    /// Whether the operator fits a type: the type rule of its file.
    pub(crate) fn fits(self, subject: Subject<'_>) -> bool {
        match self {
            Op::Is | Op::IsNot => is::fits(subject),
            Op::In | Op::NotIn => r#in::fits(subject),
            Op::Exists | Op::NotExists => exists::fits(subject),
            Op::Lt => lt::fits(subject),
            Op::Lte => lte::fits(subject),
            Op::Gt => gt::fits(subject),
            Op::Gte => gte::fits(subject),
            Op::Between => between::fits(subject),
            Op::Contains | Op::NotContains => contains::fits(subject),
            Op::StartsWith => starts_with::fits(subject),
            Op::EndsWith => ends_with::fits(subject),
            Op::Matches => matches::fits(subject),
            Op::Has => has::fits(subject),
            Op::HasAny => has_any::fits(subject),
            Op::HasAll => has_all::fits(subject),
            Op::IsEmpty | Op::IsNotEmpty => is_empty::fits(subject),
            Op::AnyItem => any_item::fits(subject),
            Op::Before => before::fits(subject),
            Op::After => after::fits(subject),
            Op::InWindow => in_window::fits(subject),
        }
    }

    /// The positive test that the operator and its value make; `None` where they are at fault, which is reported.
    pub(crate) fn resolve(self, cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
        match self {
            Op::Is | Op::IsNot => is::resolve(cx, asked),
            Op::In | Op::NotIn => r#in::resolve(cx, asked),
            Op::Exists | Op::NotExists => exists::resolve(),
            Op::Lt => lt::resolve(cx, asked),
            Op::Lte => lte::resolve(cx, asked),
            Op::Gt => gt::resolve(cx, asked),
            Op::Gte => gte::resolve(cx, asked),
            Op::Between => between::resolve(cx, asked),
            Op::Contains | Op::NotContains => contains::resolve(cx, asked),
            Op::StartsWith => starts_with::resolve(cx, asked),
            Op::EndsWith => ends_with::resolve(cx, asked),
            Op::Matches => matches::resolve(cx, asked),
            Op::Has => has::resolve(cx, asked),
            Op::HasAny => has_any::resolve(cx, asked),
            Op::HasAll => has_all::resolve(cx, asked),
            Op::IsEmpty | Op::IsNotEmpty => is_empty::resolve(),
            Op::AnyItem => any_item::resolve(cx, asked),
            Op::Before => before::resolve(cx, asked),
            Op::After => after::resolve(cx, asked),
            Op::InWindow => in_window::resolve(cx, asked),
        }
    }
}

impl Test {
    /// Whether the value meets the test. Missing is `None`; only `IsEmpty` holds there.
    pub fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else {
            return matches!(self, Test::IsEmpty);
        };
        match self {
            Test::Never => false,
            Test::Exists => true,
            Test::Is(literal, case) => is::holds(literal, *case, value),
            Test::In(literals, case) => r#in::holds(literals, *case, value),
            Test::Lt(bound) => lt::holds(bound, value),
            Test::Lte(bound) => lte::holds(bound, value),
            Test::Gt(bound) => gt::holds(bound, value),
            Test::Gte(bound) => gte::holds(bound, value),
            Test::Between(low, high) => between::holds(low, high, value),
            Test::InWindow(interval) => in_window::holds(*interval, value),
            Test::InDates(first, last) => in_window::dates_hold(*first, *last, value),
            Test::Contains(needle, case) => contains::holds(needle, *case, value),
            Test::StartsWith(prefix, case) => starts_with::holds(prefix, *case, value),
            Test::EndsWith(suffix, case) => ends_with::holds(suffix, *case, value),
            Test::Matches(pattern) => matches::holds(pattern, value),
            Test::Has(item) => has::holds(item, value),
            Test::HasAny(items) => has_any::holds(items, value),
            Test::HasAll(items) => has_all::holds(items, value),
            Test::IsEmpty => is_empty::holds(value),
            Test::AnyItem(filter) => any_item::holds(filter, value),
        }
    }

    /// The test as SQL over `value`, an expression of type `ty`. True where the test holds; false or NULL elsewhere
    /// (`IsEmpty` is never NULL).
    pub(crate) fn lower(&self, value: Expr, ty: &Type, dialect: &dyn Dialect) -> Expr {
        match self {
            Test::Never => crate::sql::boolean(false),
            Test::Exists => exists::lower(value),
            Test::Is(literal, case) => is::lower(literal, *case, value, dialect),
            Test::In(literals, case) => r#in::lower(literals, *case, value, dialect),
            Test::Lt(bound) => lt::lower(bound, value, dialect),
            Test::Lte(bound) => lte::lower(bound, value, dialect),
            Test::Gt(bound) => gt::lower(bound, value, dialect),
            Test::Gte(bound) => gte::lower(bound, value, dialect),
            Test::Between(low, high) => between::lower(low, high, value, dialect),
            Test::InWindow(interval) => in_window::lower(*interval, value, dialect),
            Test::InDates(first, last) => in_window::lower_dates(*first, *last, value, dialect),
            Test::Contains(needle, case) => contains::lower(needle, *case, value, dialect),
            Test::StartsWith(prefix, case) => starts_with::lower(prefix, *case, value, dialect),
            Test::EndsWith(suffix, case) => ends_with::lower(suffix, *case, value, dialect),
            Test::Matches(pattern) => matches::lower(pattern, value, dialect),
            Test::Has(item) => has::lower(item, value, dialect),
            Test::HasAny(items) => has_any::lower(items, value, dialect),
            Test::HasAll(items) => has_all::lower(items, value, dialect),
            Test::IsEmpty => is_empty::lower(value, ty, dialect),
            Test::AnyItem(filter) => any_item::lower(filter, value, ty, dialect),
        }
    }

    /// The operator that a dialect has to support for this test; `None` for what every dialect can.
    pub fn op(&self) -> Option<Op> {
        match self {
            Test::Never => None,
            Test::Exists => Some(Op::Exists),
            Test::Is(..) => Some(Op::Is),
            Test::In(..) => Some(Op::In),
            Test::Lt(_) => Some(Op::Lt),
            Test::Lte(_) => Some(Op::Lte),
            Test::Gt(_) => Some(Op::Gt),
            Test::Gte(_) => Some(Op::Gte),
            Test::Between(..) => Some(Op::Between),
            Test::InWindow(_) | Test::InDates(..) => Some(Op::InWindow),
            Test::Contains(..) => Some(Op::Contains),
            Test::StartsWith(..) => Some(Op::StartsWith),
            Test::EndsWith(..) => Some(Op::EndsWith),
            Test::Matches(_) => Some(Op::Matches),
            Test::Has(_) => Some(Op::Has),
            Test::HasAny(_) => Some(Op::HasAny),
            Test::HasAll(_) => Some(Op::HasAll),
            Test::IsEmpty => Some(Op::IsEmpty),
            Test::AnyItem(_) => Some(Op::AnyItem),
        }
    }
}
