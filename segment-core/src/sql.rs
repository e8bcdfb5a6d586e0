//! Small constructors for the sqlparser AST, shared by lowering and the dialects.
//!
//! Invariant: compound expressions are wrapped so that printing keeps their meaning, and literals are escaped here
//! and nowhere else. No SQL is built by formatting text.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Array, BinaryOperator, CaseWhen, CastKind, DataType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    ObjectNamePart, OrderByExpr, OrderByOptions, Query, Select, SelectFlavor, SelectItem, SetExpr, SetOperator, SetQuantifier, TableAlias,
    TableFactor, TableWithJoins, UnaryOperator, Value as Literal,
};

/// The text with every quote twice.
fn doubled(text: &str, quote: char) -> String {
    if !text.contains(quote) {
        return text.to_owned();
    }
    text.split(quote).collect::<Vec<_>>().join(&format!("{quote}{quote}"))
}

/// A quoted identifier. Only names made by the catalog and by the lowering come here.
pub(crate) fn ident(name: &str) -> Ident {
    Ident::with_quote('"', doubled(name, '"'))
}

/// A column of no table in particular.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Identifier(ident(name))
}

/// A column of an aliased table.
pub(crate) fn column_of(table: &str, name: &str) -> Expr {
    Expr::CompoundIdentifier(vec![ident(table), ident(name)])
}

fn literal(value: Literal) -> Expr {
    Expr::Value(value.with_empty_span())
}

/// A text literal.
///
/// The printer leaves a quote alone that follows a backslash or another quote, as if it were escaped already. With
/// every quote doubled beforehand it prints the text as it is.
pub(crate) fn string(text: &str) -> Expr {
    literal(Literal::SingleQuotedString(doubled(text, '\'')))
}

/// A whole number.
pub(crate) fn integer(n: i64) -> Expr {
    literal(Literal::Number(n.to_string(), false))
}

/// A double, in the notation that every dialect reads as one.
pub(crate) fn double(x: f64) -> Expr {
    literal(Literal::Number(format!("{x:E}"), false))
}

pub(crate) fn boolean(b: bool) -> Expr {
    literal(Literal::Boolean(b))
}

pub(crate) fn null() -> Expr {
    literal(Literal::Null)
}

/// Boxed, and wrapped if it binds less tightly than a comparison. Expressions are large, so they move once.
fn nested(expr: Expr) -> Box<Expr> {
    let loose = matches!(
        expr,
        Expr::BinaryOp { .. }
            | Expr::UnaryOp { .. }
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
    );
    let expr = Box::new(expr);
    if loose { Box::new(Expr::Nested(expr)) } else { expr }
}

pub(crate) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: nested(left), op, right: nested(right) }
}

pub(crate) fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: nested(expr) }
}

pub(crate) fn is_null(expr: Expr) -> Expr {
    Expr::IsNull(nested(expr))
}

pub(crate) fn is_not_null(expr: Expr) -> Expr {
    Expr::IsNotNull(nested(expr))
}

/// True where the expression is; never NULL.
pub(crate) fn coalesce_false(expr: Expr) -> Expr {
    call("coalesce", [expr, boolean(false)])
}

fn chain(mut parts: Vec<Expr>, op: BinaryOperator, empty: Expr) -> Expr {
    // Balanced, so that a thousand parts nest ten deep instead of a thousand.
    if parts.len() <= 1 {
        return parts.pop().unwrap_or(empty);
    }
    if parts.len() <= 16 {
        let mut parts = parts.into_iter();
        let first = parts.next().unwrap_or(empty);
        let first = *in_chain(first, &op);
        return parts.fold(first, |left, right| {
            let right = in_chain(right, &op);
            Expr::BinaryOp { left: Box::new(left), op: op.clone(), right }
        });
    }
    let right = parts.split_off(parts.len() / 2);
    let (left, right) = (chain(parts, op.clone(), empty.clone()), chain(right, op.clone(), empty));
    Expr::BinaryOp { left: nested(left), op, right: nested(right) }
}

/// A part of a chain, boxed, and wrapped if it is a chain itself.
fn in_chain(part: Expr, op: &BinaryOperator) -> Box<Expr> {
    let wrapped = match &part {
        Expr::BinaryOp { op: inner, .. } => matches!(inner, BinaryOperator::And | BinaryOperator::Or) || inner == op,
        _ => false,
    };
    let part = Box::new(part);
    if wrapped { Box::new(Expr::Nested(part)) } else { part }
}

pub(crate) fn and(parts: Vec<Expr>) -> Expr {
    chain(parts, BinaryOperator::And, boolean(true))
}

pub(crate) fn or(parts: Vec<Expr>) -> Expr {
    chain(parts, BinaryOperator::Or, boolean(false))
}

/// The sum of columns, literals and calls; 0 of nothing.
pub(crate) fn plus(parts: Vec<Expr>) -> Expr {
    chain(parts, BinaryOperator::Plus, integer(0))
}

pub(crate) fn in_list(expr: Expr, list: Vec<Expr>) -> Expr {
    Expr::InList { expr: nested(expr), list, negated: false }
}

pub(crate) fn in_subquery(expr: Expr, query: Query, negated: bool) -> Expr {
    Expr::InSubquery { expr: nested(expr), subquery: Box::new(query), negated }
}

pub(crate) fn between(expr: Expr, low: Expr, high: Expr) -> Expr {
    Expr::Between { expr: nested(expr), negated: false, low: Box::new(low), high: Box::new(high) }
}

pub(crate) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// `CASE WHEN condition THEN result ELSE otherwise END`.
pub(crate) fn case_when(condition: Expr, result: Expr, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: otherwise.map(Box::new),
    }
}

/// `CASE WHEN condition THEN result … ELSE otherwise END`.
pub(crate) fn case_else(whens: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: whens.into_iter().map(|(condition, result)| CaseWhen { condition, result }).collect(),
        else_result: Some(Box::new(otherwise)),
    }
}

pub(crate) fn array(elem: Vec<Expr>) -> Expr {
    Expr::Array(Array { elem, named: true })
}

pub(crate) fn call(name: &'static str, args: impl IntoIterator<Item = Expr>) -> Expr {
    Aggregate::new(name, args).expr()
}

/// A function call with the clauses of an aggregate.
pub(crate) struct Aggregate {
    name: &'static str,
    args: Vec<FunctionArg>,
    distinct: bool,
    order_by: Vec<OrderByExpr>,
    filter: Option<Expr>,
}

impl Aggregate {
    pub(crate) fn new(name: &'static str, args: impl IntoIterator<Item = Expr>) -> Self {
        let args = args.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect();
        Self { name, args, distinct: false, order_by: Vec::new(), filter: None }
    }

    /// `count(*)`.
    pub(crate) fn count_rows() -> Self {
        let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
        Self { name: "count", args, distinct: false, order_by: Vec::new(), filter: None }
    }

    pub(crate) fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// Orders the aggregate's input by these, ascending or descending.
    pub(crate) fn ordered(mut self, by: Vec<Expr>, ascending: bool) -> Self {
        self.order_by = by
            .into_iter()
            .map(|expr| OrderByExpr { expr, options: OrderByOptions { asc: Some(ascending), nulls_first: None }, with_fill: None })
            .collect();
        self
    }

    pub(crate) fn filtered(mut self, filter: Option<Expr>) -> Self {
        self.filter = filter;
        self
    }

    pub(crate) fn expr(self) -> Expr {
        let clauses = if self.order_by.is_empty() { Vec::new() } else { vec![FunctionArgumentClause::OrderBy(self.order_by)] };
        Expr::Function(Function {
            name: object_name(&[self.name], false),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: self.distinct.then_some(DuplicateTreatment::Distinct),
                args: self.args,
                clauses,
            }),
            filter: self.filter.map(Box::new),
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        })
    }
}

pub(crate) fn object_name<S: AsRef<str>>(parts: &[S], quoted: bool) -> ObjectName {
    ObjectName(parts.iter().map(|p| ObjectNamePart::Identifier(if quoted { ident(p.as_ref()) } else { Ident::new(p.as_ref()) })).collect())
}

pub(crate) fn item(expr: Expr, alias: &str) -> SelectItem {
    match &expr {
        Expr::Identifier(i) if i.value == alias => SelectItem::UnnamedExpr(expr),
        _ => SelectItem::ExprWithAlias { expr, alias: ident(alias) },
    }
}

pub(crate) fn alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: ident(name), columns: Vec::new() }
}

pub(crate) fn table(parts: &[String], name: Option<&str>) -> TableFactor {
    TableFactor::Table {
        name: object_name(parts, true),
        alias: name.map(alias),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

pub(crate) fn derived(query: Query, name: &str) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(alias(name)), sample: None }
}

pub(crate) fn join(relation: TableFactor, on: Expr, left: bool) -> Join {
    let on = JoinConstraint::On(on);
    Join { relation, global: false, join_operator: if left { JoinOperator::Left(on) } else { JoinOperator::Inner(on) } }
}

/// A SELECT in the making.
pub(crate) struct SelectSpec {
    pub(crate) projection: Vec<SelectItem>,
    pub(crate) from: TableFactor,
    pub(crate) joins: Vec<Join>,
    pub(crate) selection: Option<Expr>,
    pub(crate) group_by: Vec<Expr>,
    pub(crate) having: Option<Expr>,
}

pub(crate) fn select(spec: SelectSpec) -> SetExpr {
    SetExpr::Select(Box::new(Select {
        select_token: AttachedToken::empty(),
        optimizer_hint: None,
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: spec.projection,
        exclude: None,
        into: None,
        from: vec![TableWithJoins { relation: spec.from, joins: spec.joins }],
        lateral_views: Vec::new(),
        prewhere: None,
        selection: spec.selection,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(spec.group_by, Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: spec.having,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }))
}

pub(crate) fn query(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// `UNION ALL` of one part at least.
pub(crate) fn union_all(parts: Vec<SetExpr>) -> Option<SetExpr> {
    parts.into_iter().reduce(|left, right| SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        left: Box::new(left),
        right: Box::new(right),
    })
}
