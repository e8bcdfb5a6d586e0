//! `exists`: there is a value. `not_exists` is its complement.
//!
//! Types: everything. Missing: false. An empty string and an empty list are values.

use super::literal::Subject;
use crate::plan::Test;
use crate::sql::{self, Expr};

pub(super) fn fits(_: Subject<'_>) -> bool {
    true
}

pub(super) fn resolve() -> Option<Test> {
    Some(Test::Exists)
}

pub(super) fn lower(value: Expr) -> Expr {
    sql::is_not_null(value)
}
