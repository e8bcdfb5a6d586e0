//! `has`: the list has the value in it.
//!
//! Types: list of strings. Missing: false. By code point.

use super::literal::{self, Asked, Subject};
use crate::dialect::Dialect;
use crate::plan::Test;
use crate::resolve::Cx;
use crate::sql::Expr;
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_strings()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    Some(Test::Has(literal::text(cx, asked.literal()?, &asked.value_at())?.to_owned()))
}

/// The texts of a list of literals, sorted, without repeats; `None` where one is at fault.
pub(super) fn texts(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Vec<String>> {
    let items = asked.list(cx)?;
    let at = asked.value_at();
    let read: Vec<Option<String>> =
        items.iter().enumerate().map(|(i, item)| literal::text(cx, item, &at.index(i)).map(str::to_owned)).collect();
    let mut texts = read.into_iter().collect::<Option<Vec<String>>>()?;
    texts.sort();
    texts.dedup();
    Some(texts)
}

pub(super) fn holds(item: &str, value: &Value) -> bool {
    match value {
        Value::Strings(list) => list.iter().any(|s| s == item),
        _ => false,
    }
}

pub(super) fn lower(item: &str, value: Expr, dialect: &dyn Dialect) -> Expr {
    dialect.has(value, item)
}
