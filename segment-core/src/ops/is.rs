//! `is`: equal to the value. `is_not` is its complement, so it holds for missing values.
//!
//! Types: scalars. Missing: false. Text compares by code point, without normalisation; with `ignore_case` both sides by
//! simple lower case. A literal that the type never has (an integer that is 2.5) is never equal.

use super::literal::{self, Asked, Subject};
use crate::convert::simple_lower;
use crate::dialect::Dialect;
use crate::plan::{Case, Test};
use crate::resolve::Cx;
use crate::sql::{self, BinaryOperator, Expr};
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_scalar()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    let case = asked.case(cx);
    let value = literal::exact(cx, asked.subject, asked.literal()?, &asked.value_at())?;
    Some(match value {
        Err(why) => {
            cx.never(asked, &format!("{why}, so nothing is ever equal"));
            Test::Never
        }
        Ok(Value::String(text)) => Test::Is(Value::String(literal::folded(&text, case)), case),
        Ok(value) => Test::Is(value, case),
    })
}

pub(super) fn holds(literal: &Value, case: Case, value: &Value) -> bool {
    match (case, literal, value) {
        (Case::Ignore, Value::String(literal), Value::String(value)) => simple_lower(value) == *literal,
        _ => value.compare(literal).is_some_and(|o| o.is_eq()),
    }
}

pub(super) fn lower(literal: &Value, case: Case, value: Expr, dialect: &dyn Dialect) -> Expr {
    sql::binary(dialect.cased(value, case), BinaryOperator::Eq, dialect.value(literal))
}
