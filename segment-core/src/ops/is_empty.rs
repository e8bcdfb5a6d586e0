//! `is_empty`: the list has no items, or is missing. `is_not_empty` is its complement.
//!
//! Types: list of strings, list of objects. Missing: true, the one positive test that holds there.

use super::literal::Subject;
use crate::dialect::Dialect;
use crate::plan::Test;
use crate::sql::{self, Expr};
use crate::types::Type;
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    matches!(subject.ty(), Some(Type::Strings | Type::Objects(_)))
}

pub(super) fn resolve() -> Option<Test> {
    Some(Test::IsEmpty)
}

pub(super) fn holds(value: &Value) -> bool {
    match value {
        Value::Strings(list) => list.is_empty(),
        Value::Objects(list) => list.is_empty(),
        _ => false,
    }
}

pub(super) fn lower(value: Expr, ty: &Type, dialect: &dyn Dialect) -> Expr {
    sql::or(vec![sql::is_null(value.clone()), dialect.no_items(value, ty)])
}
