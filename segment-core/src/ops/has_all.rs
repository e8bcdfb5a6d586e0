//! `has_all`: the list has every one of the values. `has_all []` holds for every list there is, an empty one too.
//!
//! Types: list of strings. Missing: false. By code point.

use super::has;
use super::literal::{Asked, Subject};
use crate::diagnostics::Code;
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
        cx.warn(Code::EmptyList, &asked.value_at(), "the list of values is empty, so every list there is has all of them");
        return Some(Test::Exists);
    }
    Some(Test::HasAll(texts))
}

pub(super) fn holds(items: &[String], value: &Value) -> bool {
    items.iter().all(|item| has::holds(item, value))
}

pub(super) fn lower(items: &[String], value: Expr, dialect: &dyn Dialect) -> Expr {
    dialect.has_all(value, items)
}
