//! Queries: what lowering puts its expressions into.

use super::Expr;

/// The rows of all its SELECTs: `UNION ALL`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) first: Box<Select>,
    pub(crate) more: Vec<Select>,
}

impl Query {
    /// `None` of none.
    pub(crate) fn union_all(selects: impl IntoIterator<Item = Select>) -> Option<Self> {
        let mut selects = selects.into_iter();
        let first = Box::new(selects.next()?);
        Some(Query { first, more: selects.collect() })
    }
}

impl From<Select> for Query {
    fn from(select: Select) -> Self {
        Query { first: Box::new(select), more: Vec::new() }
    }
}

/// A SELECT.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) projection: Vec<Item>,
    pub(crate) from: Table,
    pub(crate) joins: Vec<Join>,
    pub(crate) selection: Option<Expr>,
    pub(crate) group_by: Vec<Expr>,
    pub(crate) having: Option<Expr>,
}

/// A column of the result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) expr: Expr,
    /// Its name, where it is not a column of that very name.
    pub(crate) alias: Option<Box<str>>,
}

impl Item {
    /// An expression under a name.
    pub(crate) fn new(expr: Expr, name: &str) -> Self {
        let alias = (!expr.is_column(name)).then(|| name.into());
        Self { expr, alias }
    }

    /// A column under its own name.
    pub(crate) fn column(name: &'static str) -> Self {
        Self { expr: super::column(name), alias: None }
    }
}

/// What rows come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Table {
    /// A table: the parts of its name, and its alias.
    Named(Vec<String>, Option<Box<str>>),
    /// A query, and its alias.
    Derived(Query, Box<str>),
}

/// Which rows without a partner a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    /// None.
    Inner,
    /// Those of the left side.
    Left,
    /// Those of both sides.
    Full,
}

/// A join.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Join {
    pub(crate) table: Table,
    pub(crate) on: Expr,
    pub(crate) kind: JoinKind,
}
