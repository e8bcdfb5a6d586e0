//! `any_item`: one item of the list meets all of a condition over its fields.
//!
//! Types: list of objects. Missing: false. Inside, the operators of the fields' types, two-valued as everywhere.

use super::literal::{Asked, Subject};
use crate::condition::Operand;
use crate::dialect::Dialect;
use crate::plan::{Filter, Test};
use crate::resolve::{self, Cx};
use crate::sql::Expr;
use crate::types::Type;
use crate::value::Value;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    matches!(subject.ty(), Some(Type::Objects(_)))
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    let Operand::Items(condition) = &asked.comparison.operand else {
        return None;
    };
    let names = match asked.subject.ty() {
        Some(Type::Objects(fields)) => resolve::Names::Item(fields),
        _ => resolve::Names::Unknown,
    };
    let filter = resolve::filter(cx, condition, names, &asked.pointer.key("value"))?;
    Some(Test::AnyItem(Box::new(filter)))
}

pub(super) fn holds(filter: &Filter, value: &Value) -> bool {
    match value {
        Value::Objects(items) => items.iter().any(|item| filter_holds(filter, &|path| crate::eval::at_path(item, path))),
        _ => false,
    }
}

/// Whether an event, or an item, meets a filter; `get` finds the value at a path, or `None` where it is missing.
pub fn filter_holds<'v>(filter: &Filter, get: &dyn Fn(&[String]) -> Option<&'v Value>) -> bool {
    match filter {
        Filter::Const(b) => *b,
        Filter::All(children) => children.iter().all(|c| filter_holds(c, get)),
        Filter::Any(children) => children.iter().any(|c| filter_holds(c, get)),
        Filter::Not(child) => !filter_holds(child, get),
        Filter::Test(field, test) => test.holds(get(&field.path)),
    }
}

pub(super) fn lower(filter: &Filter, value: Expr, ty: &Type, dialect: &dyn Dialect) -> Expr {
    dialect.any_item(value, ty, filter)
}
