//! `in`: equal to one of the values. `not_in` is its complement, so it holds for missing values.
//!
//! Types: scalars. Missing: false. `in []` never holds. Case as for `is`.

use std::cmp::Ordering;

use super::literal::{self, Asked, Subject};
use crate::convert::simple_lower;
use crate::dialect::Dialect;
use crate::plan::{Case, Test};
use crate::resolve::Cx;
use crate::sql::{self, Expr};
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_scalar()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    let case = asked.case(cx);
    let items = asked.list(cx)?;
    if items.is_empty() {
        cx.never(asked, "the list of values is empty");
        return Some(Test::Never);
    }
    let mut values = Vec::with_capacity(items.len());
    let mut faulty = false;
    let mut why = "";
    let at = asked.value_at();
    for (i, item) in items.iter().enumerate() {
        match literal::exact(cx, asked.subject, item, &at.index(i)) {
            Some(Ok(Value::String(text))) => values.push(Value::String(literal::folded(&text, case))),
            Some(Ok(value)) => values.push(value),
            Some(Err(reason)) => why = reason,
            None => faulty = true,
        }
    }
    if faulty {
        return None;
    }
    values.sort_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal));
    values.dedup();
    if values.is_empty() {
        cx.never(asked, &format!("none of the values can be: {why}"));
        return Some(Test::Never);
    }
    Some(Test::In(values, case))
}

pub(super) fn holds(literals: &[Value], case: Case, value: &Value) -> bool {
    // They are sorted; a value of another type is at no place among them.
    let found = |value: &Value| literals.binary_search_by(|l| l.compare(value).unwrap_or(Ordering::Less)).is_ok();
    match (case, value) {
        (Case::Ignore, Value::String(text)) => found(&Value::String(simple_lower(text))),
        _ => found(value),
    }
}

pub(super) fn lower(literals: &[Value], case: Case, value: Expr, dialect: &dyn Dialect) -> Expr {
    sql::in_list(dialect.cased(value, case), literals.iter().map(|l| dialect.value(l)).collect())
}
