//! `gte`: at or above the value.
//!
//! Types: integer, number, date, timestamp, and the measures of those. Missing: false. A bound that the type never has
//! (an integer against 2.5) is moved to its neighbour, never rounded.

use super::literal::{self, Asked, Side, Subject};
use crate::dialect::Dialect;
use crate::plan::Test;
use crate::resolve::Cx;
use crate::sql::{self, BinaryOperator, Expr};
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_ordered()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    literal::order(cx, asked, Side::Gte)
}

pub(super) fn holds(bound: &Value, value: &Value) -> bool {
    value.compare(bound).is_some_and(|o| o.is_ge())
}

pub(super) fn lower(bound: &Value, value: Expr, dialect: &dyn Dialect) -> Expr {
    sql::binary(value, BinaryOperator::GtEq, dialect.value(bound))
}
