//! The tree as that of the SQL library, for what only that can: print over several lines, and be part of other statements.
//!
//! The library's printer leaves a quote alone that follows a backslash or another quote, as if it were escaped already. With
//! every quote doubled beforehand it prints the text as it is.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    self, Array, BinaryOperator, CaseWhen, CastKind, DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, JoinConstraint, JoinOperator, LambdaFunction, LambdaSyntax, ObjectName,
    ObjectNamePart, OneOrManyWithParens, OrderByExpr, OrderByOptions, SelectFlavor, SelectItem, SetExpr, SetOperator, SetQuantifier,
    TableAlias, TableFactor, TableWithJoins, TypedString, UnaryOperator, Value,
};

use super::{Aggregate, Chained, Expr, Item, Join, JoinKind, Lambda, Node, Query, Select, Table};

/// The text with every quote twice.
fn doubled(text: &str, quote: char) -> String {
    text.split(quote).collect::<Vec<_>>().join(&format!("{quote}{quote}"))
}

/// A quoted identifier. Only names made by the catalog and by the lowering come here.
pub(crate) fn ident(name: &str) -> Ident {
    Ident::with_quote('"', doubled(name, '"'))
}

/// A name of several parts, quoted.
pub(crate) fn object_name(parts: &[String]) -> ObjectName {
    ObjectName(parts.iter().map(|part| ObjectNamePart::Identifier(ident(part))).collect())
}

fn value(value: Value) -> ast::Expr {
    ast::Expr::Value(value.with_empty_span())
}

fn text(text: &str) -> Value {
    Value::SingleQuotedString(doubled(text, '\''))
}

fn exprs(list: &[Expr]) -> Vec<ast::Expr> {
    list.iter().map(Expr::ast).collect()
}

/// In brackets if need be.
fn wrapped(expr: &Expr, loose: bool) -> Box<ast::Expr> {
    let expr = Box::new(expr.ast());
    if loose { Box::new(ast::Expr::Nested(expr)) } else { expr }
}

fn operand(expr: &Expr) -> Box<ast::Expr> {
    wrapped(expr, expr.is_loose())
}

fn chain(chained: Chained, parts: &[Expr]) -> ast::Expr {
    let op = match chained {
        Chained::And => BinaryOperator::And,
        Chained::Or => BinaryOperator::Or,
        Chained::Plus => BinaryOperator::Plus,
    };
    let parts = parts.iter().map(|part| wrapped(part, part.is_loose_in(chained)));
    let joined = parts.reduce(|left, right| Box::new(ast::Expr::BinaryOp { left, op: op.clone(), right }));
    joined.map_or_else(|| value(Value::Null), |chain| *chain)
}

impl Expr {
    pub(crate) fn ast(&self) -> ast::Expr {
        match &self.0 {
            Node::Column(name) => ast::Expr::Identifier(ident(name)),
            Node::ColumnOf(names) => ast::Expr::CompoundIdentifier(vec![ident(&names.0), ident(&names.1)]),
            Node::Field(of) => ast::Expr::CompoundFieldAccess {
                root: Box::new(of.0.ast()),
                access_chain: vec![ast::AccessExpr::Dot(ast::Expr::Identifier(ident(&of.1)))],
            },
            Node::Text(content) => value(text(content)),
            Node::Integer(n) => value(Value::Number(n.to_string(), false)),
            Node::Double(x) => value(Value::Number(format!("{x:E}"), false)),
            Node::Boolean(b) => value(Value::Boolean(*b)),
            Node::Null => value(Value::Null),
            Node::Typed(typed) => ast::Expr::TypedString(TypedString {
                data_type: typed.0.clone().ast(),
                value: text(&typed.1).with_empty_span(),
                uses_odbc_syntax: false,
            }),
            Node::Binary(op, sides) => ast::Expr::BinaryOp { left: operand(&sides.0), op: op.ast(), right: operand(&sides.1) },
            Node::Chain(chained, parts) => chain(*chained, parts),
            Node::Not(expr) => ast::Expr::UnaryOp { op: UnaryOperator::Not, expr: operand(expr) },
            Node::IsNull(expr) => ast::Expr::IsNull(operand(expr)),
            Node::IsNotNull(expr) => ast::Expr::IsNotNull(operand(expr)),
            Node::In(of) => ast::Expr::InList { expr: operand(&of.0), list: exprs(&of.1), negated: false },
            Node::InQuery(of, holds) => ast::Expr::InSubquery { expr: operand(&of.0), subquery: Box::new(of.1.ast()), negated: !holds },
            Node::Between(of) => {
                let [expr, low, high] = of.as_ref();
                ast::Expr::Between { expr: operand(expr), negated: false, low: Box::new(low.ast()), high: Box::new(high.ast()) }
            }
            Node::Cast(of) => {
                let (expr, data_type) = (Box::new(of.0.ast()), of.1.clone().ast());
                ast::Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None }
            }
            Node::Case(case) => ast::Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: std::iter::once(&case.first)
                    .chain(&case.more)
                    .map(|when| CaseWhen { condition: when.0.ast(), result: when.1.ast() })
                    .collect(),
                else_result: case.otherwise.as_ref().map(|e| Box::new(e.ast())),
            },
            Node::Array(elem) => ast::Expr::Array(Array { elem: exprs(elem), named: true }),
            Node::AtTimeZone(of) => ast::Expr::AtTimeZone { timestamp: operand(&of.0), time_zone: Box::new(of.1.ast()) },
            Node::Lambda(lambda) => {
                let (syntax, parameter, body) = lambda.as_ref();
                let syntax = match syntax {
                    Lambda::Arrow => LambdaSyntax::Arrow,
                    Lambda::Keyword => LambdaSyntax::LambdaKeyword,
                };
                let params = OneOrManyWithParens::One(ident(parameter));
                ast::Expr::Lambda(LambdaFunction { params, body: Box::new(body.ast()), syntax })
            }
            Node::Call(call) => ast::Expr::Function(call.ast()),
        }
    }
}

impl Aggregate {
    pub(crate) fn ast(&self) -> Function {
        let args = match &self.args {
            None => vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)],
            Some(args) => args.iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a.ast()))).collect(),
        };
        let options = OrderByOptions { asc: Some(self.ascending), nulls_first: None };
        let by: Vec<OrderByExpr> = self.order_by.iter().map(|e| OrderByExpr { expr: e.ast(), options, with_fill: None }).collect();
        Function {
            name: ObjectName::from(Ident::new(self.name)),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: self.distinct.then_some(DuplicateTreatment::Distinct),
                args,
                clauses: if by.is_empty() { Vec::new() } else { vec![FunctionArgumentClause::OrderBy(by)] },
            }),
            filter: self.filter.as_ref().map(|f| Box::new(f.ast())),
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        }
    }
}

impl Item {
    fn ast(&self) -> SelectItem {
        match &self.alias {
            None => SelectItem::UnnamedExpr(self.expr.ast()),
            Some(alias) => SelectItem::ExprWithAlias { expr: self.expr.ast(), alias: ident(alias) },
        }
    }
}

fn alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: ident(name), columns: Vec::new() }
}

impl Table {
    fn ast(&self) -> TableFactor {
        match self {
            Table::Named(name, named) => TableFactor::Table {
                name: object_name(name),
                alias: named.as_deref().map(alias),
                args: None,
                with_hints: Vec::new(),
                version: None,
                with_ordinality: false,
                partitions: Vec::new(),
                json_path: None,
                sample: None,
                index_hints: Vec::new(),
            },
            Table::Derived(query, name) => {
                TableFactor::Derived { lateral: false, subquery: Box::new(query.ast()), alias: Some(alias(name)), sample: None }
            }
        }
    }
}

impl Join {
    fn ast(&self) -> ast::Join {
        let on = JoinConstraint::On(self.on.ast());
        let join_operator = match self.kind {
            JoinKind::Inner => JoinOperator::Inner(on),
            JoinKind::Left => JoinOperator::Left(on),
            JoinKind::Full => JoinOperator::FullOuter(on),
        };
        ast::Join { relation: self.table.ast(), global: false, join_operator }
    }
}

impl Select {
    pub(crate) fn ast(&self) -> ast::Select {
        ast::Select {
            select_token: AttachedToken::empty(),
            optimizer_hint: None,
            distinct: None,
            select_modifiers: None,
            top: None,
            top_before_distinct: false,
            projection: self.projection.iter().map(Item::ast).collect(),
            exclude: None,
            into: None,
            from: vec![TableWithJoins { relation: self.from.ast(), joins: self.joins.iter().map(Join::ast).collect() }],
            lateral_views: Vec::new(),
            prewhere: None,
            selection: self.selection.as_ref().map(Expr::ast),
            connect_by: Vec::new(),
            group_by: GroupByExpr::Expressions(exprs(&self.group_by), Vec::new()),
            cluster_by: Vec::new(),
            distribute_by: Vec::new(),
            sort_by: Vec::new(),
            having: self.having.as_ref().map(Expr::ast),
            named_window: Vec::new(),
            qualify: None,
            window_before_qualify: false,
            value_table_mode: None,
            flavor: SelectFlavor::Standard,
        }
    }
}

impl Query {
    pub(crate) fn ast(&self) -> ast::Query {
        let select = |select: &Select| SetExpr::Select(Box::new(select.ast()));
        query(self.more.iter().map(select).fold(select(&self.first), |left, right| SetExpr::SetOperation {
            op: SetOperator::Union,
            set_quantifier: SetQuantifier::All,
            left: Box::new(left),
            right: Box::new(right),
        }))
    }
}

/// A query without other clauses.
fn query(body: SetExpr) -> ast::Query {
    ast::Query {
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
