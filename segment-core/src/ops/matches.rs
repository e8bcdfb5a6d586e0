//! `matches`: the pattern, in RE2's syntax and meaning, is found somewhere in the text.
//!
//! Types: string. Missing: false. With `ignore_case` a code point matches where its simple lower case is that of one
//! the pattern accepts.

use super::literal::{self, Asked, Subject};
use crate::diagnostics::Code;
use crate::dialect::Dialect;
use crate::plan::{Case, Test};
use crate::re2::Pattern;
use crate::resolve::Cx;
use crate::sql::Expr;
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_string()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    let case = asked.case(cx);
    let at = asked.value_at();
    let text = literal::text(cx, asked.literal()?, &at)?;
    let parsed = match case {
        Case::Exact => Pattern::parse(text),
        Case::Ignore => Pattern::parse_ignoring_case(text),
    };
    match parsed {
        Ok(pattern) => Some(Test::Matches(pattern)),
        Err(error) => {
            cx.fault(Code::InvalidPattern, &at, format!("the pattern does not compile: {error}"));
            None
        }
    }
}

pub(super) fn holds(pattern: &Pattern, value: &Value) -> bool {
    match value {
        Value::String(text) => pattern.is_match(text),
        _ => false,
    }
}

pub(super) fn lower(pattern: &Pattern, value: Expr, dialect: &dyn Dialect) -> Expr {
    dialect.matches(value, pattern)
}
