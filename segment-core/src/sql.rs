//! SQL to be written: expressions, made by functions and never by formatting text.
//!
//! This is all that a dialect needs, in this crate or in another: an [`Expr`] cannot be taken apart, and no type of the SQL
//! library shows. Statements are made by the lowering alone.
//!
//! Invariant: compound expressions are wrapped so that printing keeps their meaning, and literals are escaped here
//! and nowhere else. Names of functions and types are `&'static str`, so no value of a user can stand there.

mod types;

use std::fmt;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    self, Array, CaseWhen, CastKind, DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LambdaFunction, LambdaSyntax,
    ObjectName, ObjectNamePart, OneOrManyWithParens, OrderByExpr, OrderByOptions, Query, Select, SelectFlavor, SelectItem, SetExpr,
    SetOperator, SetQuantifier, TableAlias, TableFactor, TableWithJoins, TypedString, UnaryOperator, Value as Literal,
};

pub use types::{BinaryOperator, DataType};

/// An expression. It is printed as SQL by `Display`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr(pub(crate) ast::Expr);

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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

/// A column of no table in particular, or a lambda's parameter; its name is quoted.
pub fn column(name: &str) -> Expr {
    Expr(ast::Expr::Identifier(ident(name)))
}

/// A column of an aliased table.
pub(crate) fn column_of(table: &str, name: &str) -> Expr {
    Expr(ast::Expr::CompoundIdentifier(vec![ident(table), ident(name)]))
}

fn literal(value: Literal) -> Expr {
    Expr(ast::Expr::Value(value.with_empty_span()))
}

/// A text literal, in single quotes, with quotes doubled and nothing else escaped.
///
/// The printer leaves a quote alone that follows a backslash or another quote, as if it were escaped already. With
/// every quote doubled beforehand it prints the text as it is.
pub fn string(text: &str) -> Expr {
    literal(Literal::SingleQuotedString(doubled(text, '\'')))
}

/// A whole number.
pub fn integer(n: i64) -> Expr {
    literal(Literal::Number(n.to_string(), false))
}

/// A double, in a notation that every engine so far reads as one: `2.5E0`.
pub fn double(x: f64) -> Expr {
    literal(Literal::Number(format!("{x:E}"), false))
}

/// `true` or `false`.
pub fn boolean(b: bool) -> Expr {
    literal(Literal::Boolean(b))
}

/// `NULL`, of no type.
pub fn null() -> Expr {
    literal(Literal::Null)
}

/// `DATE '2024-02-29'`: a type's name before a text.
pub fn typed(data_type: DataType, text: &str) -> Expr {
    Expr(ast::Expr::TypedString(TypedString {
        data_type: data_type.ast(),
        value: Literal::SingleQuotedString(doubled(text, '\'')).with_empty_span(),
        uses_odbc_syntax: false,
    }))
}

/// Boxed, and wrapped if it binds less tightly than a comparison. Expressions are large, so they move once.
fn nested(expr: Expr) -> Box<ast::Expr> {
    let loose = matches!(
        expr.0,
        ast::Expr::BinaryOp { .. }
            | ast::Expr::UnaryOp { .. }
            | ast::Expr::Between { .. }
            | ast::Expr::InList { .. }
            | ast::Expr::InSubquery { .. }
            | ast::Expr::IsNull(_)
            | ast::Expr::IsNotNull(_)
    );
    let expr = Box::new(expr.0);
    if loose { Box::new(ast::Expr::Nested(expr)) } else { expr }
}

/// `left op right`.
pub fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr(ast::Expr::BinaryOp { left: nested(left), op: op.ast(), right: nested(right) })
}

/// `NOT expr`.
pub fn not(expr: Expr) -> Expr {
    Expr(ast::Expr::UnaryOp { op: UnaryOperator::Not, expr: nested(expr) })
}

/// `expr IS NULL`.
pub fn is_null(expr: Expr) -> Expr {
    Expr(ast::Expr::IsNull(nested(expr)))
}

/// `expr IS NOT NULL`.
pub fn is_not_null(expr: Expr) -> Expr {
    Expr(ast::Expr::IsNotNull(nested(expr)))
}

/// True where the expression is; never NULL.
pub fn coalesce_false(expr: Expr) -> Expr {
    call("coalesce", [expr, boolean(false)])
}

fn chain(mut parts: Vec<Expr>, op: ast::BinaryOperator, empty: Expr) -> Expr {
    // Balanced, so that a thousand parts nest ten deep instead of a thousand.
    if parts.len() <= 1 {
        return parts.pop().unwrap_or(empty);
    }
    if parts.len() <= 16 {
        let mut parts = parts.into_iter();
        let first = parts.next().unwrap_or(empty);
        let first = *in_chain(first, &op);
        return Expr(parts.fold(first, |left, right| {
            let right = in_chain(right, &op);
            ast::Expr::BinaryOp { left: Box::new(left), op: op.clone(), right }
        }));
    }
    let right = parts.split_off(parts.len() / 2);
    let (left, right) = (chain(parts, op.clone(), empty.clone()), chain(right, op.clone(), empty));
    Expr(ast::Expr::BinaryOp { left: nested(left), op, right: nested(right) })
}

/// A part of a chain, boxed, and wrapped if it is a chain itself.
fn in_chain(part: Expr, op: &ast::BinaryOperator) -> Box<ast::Expr> {
    let wrapped = match &part.0 {
        ast::Expr::BinaryOp { op: inner, .. } => matches!(inner, ast::BinaryOperator::And | ast::BinaryOperator::Or) || inner == op,
        _ => false,
    };
    let part = Box::new(part.0);
    if wrapped { Box::new(ast::Expr::Nested(part)) } else { part }
}

/// All of them; true for none.
pub fn and(parts: Vec<Expr>) -> Expr {
    chain(parts, ast::BinaryOperator::And, boolean(true))
}

/// One of them at least; false for none.
pub fn or(parts: Vec<Expr>) -> Expr {
    chain(parts, ast::BinaryOperator::Or, boolean(false))
}

/// The sum of columns, literals and calls; 0 of nothing.
pub(crate) fn plus(parts: Vec<Expr>) -> Expr {
    chain(parts, ast::BinaryOperator::Plus, integer(0))
}

/// `expr IN (…)`; the list is not empty.
pub fn in_list(expr: Expr, list: Vec<Expr>) -> Expr {
    Expr(ast::Expr::InList { expr: nested(expr), list: list.into_iter().map(|e| e.0).collect(), negated: false })
}

pub(crate) fn in_subquery(expr: Expr, query: Query, negated: bool) -> Expr {
    Expr(ast::Expr::InSubquery { expr: nested(expr), subquery: Box::new(query), negated })
}

/// `expr BETWEEN low AND high`.
pub fn between(expr: Expr, low: Expr, high: Expr) -> Expr {
    Expr(ast::Expr::Between { expr: nested(expr), negated: false, low: Box::new(low.0), high: Box::new(high.0) })
}

/// `CAST(expr AS type)`.
pub fn cast(expr: Expr, data_type: DataType) -> Expr {
    let (expr, data_type) = (Box::new(expr.0), data_type.ast());
    Expr(ast::Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None })
}

/// `CASE WHEN condition THEN result ELSE otherwise END`; without, NULL.
pub fn case_when(condition: Expr, result: Expr, otherwise: Option<Expr>) -> Expr {
    case(vec![(condition, result)], otherwise)
}

/// `CASE WHEN condition THEN result … ELSE otherwise END`.
pub fn case_else(whens: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    case(whens, Some(otherwise))
}

fn case(whens: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    Expr(ast::Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: whens.into_iter().map(|(condition, result)| CaseWhen { condition: condition.0, result: result.0 }).collect(),
        else_result: otherwise.map(|e| Box::new(e.0)),
    })
}

/// `ARRAY[…]`.
pub fn array(elem: Vec<Expr>) -> Expr {
    Expr(ast::Expr::Array(Array { elem: elem.into_iter().map(|e| e.0).collect(), named: true }))
}

/// `expr AT TIME ZONE 'zone'`.
pub fn at_time_zone(expr: Expr, zone: &str) -> Expr {
    Expr(ast::Expr::AtTimeZone { timestamp: nested(expr), time_zone: Box::new(string(zone).0) })
}

/// How an engine writes a function of one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lambda {
    /// `"item" -> body`.
    Arrow,
    /// `lambda "item" : body`.
    Keyword,
}

/// A function of one parameter, which the body finds as [`column`] of its name.
pub fn lambda(syntax: Lambda, parameter: &str, body: Expr) -> Expr {
    let syntax = match syntax {
        Lambda::Arrow => LambdaSyntax::Arrow,
        Lambda::Keyword => LambdaSyntax::LambdaKeyword,
    };
    Expr(ast::Expr::Lambda(LambdaFunction { params: OneOrManyWithParens::One(ident(parameter)), body: Box::new(body.0), syntax }))
}

/// `name(args)`; the name is not quoted.
pub fn call(name: &'static str, args: impl IntoIterator<Item = Expr>) -> Expr {
    Aggregate::new(name, args).expr()
}

/// A call of an aggregate function, with its clauses.
#[derive(Debug, Clone)]
pub struct Aggregate {
    name: &'static str,
    args: Vec<FunctionArg>,
    distinct: bool,
    order_by: Vec<OrderByExpr>,
    filter: Option<Expr>,
}

impl Aggregate {
    /// `name(args)`; the name is not quoted.
    pub fn new(name: &'static str, args: impl IntoIterator<Item = Expr>) -> Self {
        let args = args.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a.0))).collect();
        Self { name, args, distinct: false, order_by: Vec::new(), filter: None }
    }

    /// `count(*)`.
    pub fn count_rows() -> Self {
        let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
        Self { name: "count", args, distinct: false, order_by: Vec::new(), filter: None }
    }

    /// `name(DISTINCT …)`.
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// `name(… ORDER BY …)`, all ascending or all descending.
    pub fn ordered(mut self, by: Vec<Expr>, ascending: bool) -> Self {
        let options = OrderByOptions { asc: Some(ascending), nulls_first: None };
        self.order_by = by.into_iter().map(|e| OrderByExpr { expr: e.0, options, with_fill: None }).collect();
        self
    }

    /// `name(…) FILTER (WHERE …)`, where there is a filter.
    pub fn filtered(mut self, filter: Option<Expr>) -> Self {
        self.filter = filter;
        self
    }

    /// The call.
    pub fn expr(self) -> Expr {
        let clauses = if self.order_by.is_empty() { Vec::new() } else { vec![FunctionArgumentClause::OrderBy(self.order_by)] };
        Expr(ast::Expr::Function(Function {
            name: object_name(&[self.name], false),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: self.distinct.then_some(DuplicateTreatment::Distinct),
                args: self.args,
                clauses,
            }),
            filter: self.filter.map(|f| Box::new(f.0)),
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        }))
    }
}

pub(crate) fn object_name<S: AsRef<str>>(parts: &[S], quoted: bool) -> ObjectName {
    ObjectName(parts.iter().map(|p| ObjectNamePart::Identifier(if quoted { ident(p.as_ref()) } else { Ident::new(p.as_ref()) })).collect())
}

pub(crate) fn item(expr: Expr, alias: &str) -> SelectItem {
    match &expr.0 {
        ast::Expr::Identifier(i) if i.value == alias => SelectItem::UnnamedExpr(expr.0),
        _ => SelectItem::ExprWithAlias { expr: expr.0, alias: ident(alias) },
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
    let on = JoinConstraint::On(on.0);
    Join { relation, global: false, join_operator: if left { JoinOperator::Left(on) } else { JoinOperator::Inner(on) } }
}

pub(crate) fn full_join(relation: TableFactor, on: Expr) -> Join {
    Join { relation, global: false, join_operator: JoinOperator::FullOuter(JoinConstraint::On(on.0)) }
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
        selection: spec.selection.map(|e| e.0),
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(spec.group_by.into_iter().map(|e| e.0).collect(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: spec.having.map(|e| e.0),
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
