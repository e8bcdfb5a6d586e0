//! `in_window`: inside a window, which may here also be the time to come (`next`).
//!
//! Types: date, timestamp. Missing: false. A date is its midnight in the zone, so its window becomes a span of dates.
//! A window that is empty at this `as_of` stays what it is: at another it may not be, so nothing warns of it.

use super::literal::{Asked, Subject};
use crate::condition::Operand;
use crate::dialect::Dialect;
use crate::plan::{Interval, Test};
use crate::resolve::{Cx, Seen};
use crate::sql::{self, BinaryOperator, Expr};
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
    if asked.subject.ty() != Some(&Type::Date) {
        return Some(Test::InWindow(interval));
    }
    let first = interval.start.map(|start| cx.zone.first_midnight_from(start));
    let last = cx.zone.first_midnight_from(interval.end) - 1;
    let meaning = window.meaning(&cx.zone);
    cx.meanings.note(Seen::Dates(first, last), meaning);
    Some(Test::InDates(first, last))
}

pub(super) fn holds(interval: Interval, value: &Value) -> bool {
    match value {
        Value::Timestamp(at) => interval.contains(*at),
        _ => false,
    }
}

pub(super) fn dates_hold(first: Option<i32>, last: i32, value: &Value) -> bool {
    match value {
        Value::Date(day) => first.is_none_or(|first| first <= *day) && *day <= last,
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

pub(super) fn lower_dates(first: Option<i32>, last: i32, value: Expr, dialect: &dyn Dialect) -> Expr {
    let last = dialect.value(&Value::Date(last));
    match first {
        None => sql::binary(value, BinaryOperator::LtEq, last),
        Some(first) => sql::between(value, dialect.value(&Value::Date(first)), last),
    }
}
