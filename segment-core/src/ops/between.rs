//! `between`: from low to high, both included.
//!
//! Types: integer, number, date, timestamp, and the measures of those. Missing: false. `[5, 1]` never holds.

use super::literal::{self, Asked, Side, Subject};
use crate::diagnostics::Code;
use crate::dialect::Dialect;
use crate::json::Json;
use crate::plan::Test;
use crate::resolve::Cx;
use crate::sql::{self, Expr};
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_ordered()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    let at = asked.value_at();
    let [low, high] = (match asked.literal()? {
        Json::Array(items) => items.as_slice(),
        _ => &[],
    }) else {
        cx.fault(Code::InvalidValue, &at, "\"between\" needs a list of two values, the low end and the high end");
        return None;
    };
    let low = literal::bound(cx, asked.subject, low, &at.index(0), Side::Gte);
    let high = literal::bound(cx, asked.subject, high, &at.index(1), Side::Lte);
    let test = match (low?, high?) {
        (Test::Never, _) | (_, Test::Never) => Test::Never,
        (Test::Exists, high) => high,
        (low, Test::Exists) => low,
        // A bound between two integers, or between two midnights, came back as its open neighbour.
        (low, high) => match (closed(low), closed(high)) {
            (Some(low), Some(high)) if low.compare(&high).is_some_and(|o| o.is_le()) => Test::Between(low, high),
            _ => Test::Never,
        },
    };
    if test == Test::Never {
        cx.never(asked, "nothing lies between these ends, of which the low one comes first");
    }
    Some(test)
}

fn closed(bound: Test) -> Option<Value> {
    match bound {
        Test::Gte(v) | Test::Lte(v) => Some(v),
        Test::Gt(Value::Integer(n)) => n.checked_add(1).map(Value::Integer),
        Test::Lt(Value::Integer(n)) => n.checked_sub(1).map(Value::Integer),
        Test::Gt(Value::Date(n)) => n.checked_add(1).map(Value::Date),
        Test::Lt(Value::Date(n)) => n.checked_sub(1).map(Value::Date),
        _ => None,
    }
}

pub(super) fn holds(low: &Value, high: &Value, value: &Value) -> bool {
    value.compare(low).is_some_and(|o| o.is_ge()) && value.compare(high).is_some_and(|o| o.is_le())
}

pub(super) fn lower(low: &Value, high: &Value, value: Expr, dialect: &dyn Dialect) -> Expr {
    sql::between(value, dialect.value(low), dialect.value(high))
}
