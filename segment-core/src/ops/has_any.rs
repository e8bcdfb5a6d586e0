//! `has_any`: the list has one of the values at least. `has_any []` never holds.
//!
//! Types: list of strings. Missing: false. By code point.

use super::has;
use super::literal::{Asked, Subject};
use crate::dialect::Dialect;
use crate::plan::Test;
use crate::resolve::Cx;
use crate::sql::Expr;
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_strings()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    let texts = has::texts(cx, asked)?;
    if texts.is_empty() {
        cx.never(asked, "the list of values is empty");
        return Some(Test::Never);
    }
    Some(Test::HasAny(texts))
}

pub(super) fn holds(items: &[String], value: &Value) -> bool {
    items.iter().any(|item| has::holds(item, value))
}

pub(super) fn lower(items: &[String], value: Expr, dialect: &dyn Dialect) -> Expr {
    dialect.has_any(value, items)
}
