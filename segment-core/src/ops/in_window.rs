//! `in_window`: inside a window, which may here also be the time to come (`next`).
//!
//! Types: date, timestamp. Missing: false. A date is its midnight in the zone, so its window becomes a span of dates.

use sqlparser::ast::{BinaryOperator, Expr};

use super::literal::{self, Asked, Subject};
use crate::condition::Operand;
use crate::dialect::Dialect;
use crate::plan::{Interval, Test};
use crate::resolve::Cx;
use crate::sql;
use crate::types::Type;
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_time()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    let Operand::Window(window) = &asked.comparison.operand else {
        return None;
    };
    let interval = cx.window(window, &asked.value_at())?;
    if interval.is_empty() {
        return Some(Test::Never);
    }
    if asked.subject.ty() != Some(&Type::Date) {
        return Some(Test::InWindow(interval));
    }
    let last = literal::first_midnight_from(cx, interval.end).checked_sub(1)?.min(literal::DATE_MAX);
    Some(match interval.start.map(|s| literal::first_midnight_from(cx, s)) {
        None => Test::Lte(Value::Date(last)),
        Some(first) if first <= last => Test::Between(Value::Date(first), Value::Date(last)),
        Some(_) => Test::Never,
    })
}

pub(super) fn holds(interval: Interval, value: &Value) -> bool {
    match value {
        Value::Timestamp(at) => interval.contains(*at),
        _ => false,
    }
}

pub(super) fn lower(interval: Interval, value: Expr, dialect: &dyn Dialect) -> Expr {
    let before = sql::binary(value.clone(), BinaryOperator::Lt, dialect.value(&Value::Timestamp(interval.end)));
    match interval.start {
        None => before,
        Some(start) => sql::and(vec![sql::binary(value, BinaryOperator::GtEq, dialect.value(&Value::Timestamp(start))), before]),
    }
}
