//! `ends_with`: the text ends with the value.
//!
//! Types: string. Missing: false. By code point, without normalisation; with `ignore_case` both sides by simple lower
//! case. The empty text is at the end of every text.

use super::literal::{self, Asked, Subject};
use crate::convert::simple_lower;
use crate::dialect::Dialect;
use crate::plan::{Case, Test};
use crate::resolve::Cx;
use crate::sql::Expr;
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_string()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    let case = asked.case(cx);
    let text = literal::text(cx, asked.literal()?, &asked.value_at())?;
    Some(if text.is_empty() { Test::Exists } else { Test::EndsWith(literal::folded(text, case), case) })
}

pub(super) fn holds(suffix: &str, case: Case, value: &Value) -> bool {
    match (value, case) {
        (Value::String(text), Case::Exact) => text.ends_with(suffix),
        (Value::String(text), Case::Ignore) => simple_lower(text).ends_with(suffix),
        _ => false,
    }
}

pub(super) fn lower(suffix: &str, case: Case, value: Expr, dialect: &dyn Dialect) -> Expr {
    dialect.ends_with(dialect.cased(value, case), suffix)
}
