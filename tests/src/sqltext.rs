//! Whether SQL text says what its tree says: printed, read again, and compared in shape.
//!
//! A shape is the tree written with brackets round everything. Brackets of the SQL itself are left out, so that a missing pair
//! shows as a difference; literals stand in it as the texts that they are.

use std::any::TypeId;
use std::fmt::Write as _;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, GroupByExpr, JoinConstraint, JoinOperator,
    LambdaFunction, Query, Select, SelectItem, SetExpr, Statement, TableFactor, UnaryOperator, Value, ValueWithSpan,
};
use sqlparser::dialect::{ClickHouseDialect, Dialect, GenericDialect};
use sqlparser::parser::Parser;

/// What reads Trino's SQL here: the generic dialect knows neither its lambdas nor its types. Texts have no escapes but `''`.
///
/// It passes for ClickHouse, whose types in round brackets are the only ones that the parser has.
#[derive(Debug)]
struct TrinoText;

impl Dialect for TrinoText {
    fn dialect(&self) -> TypeId {
        TypeId::of::<ClickHouseDialect>()
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }
}

/// Prints the query of a dialect, reads the text, and compares. DataFusion reads with this very parser.
///
/// # Errors
///
/// What differs.
pub fn check_reparses(dialect: &str, query: &Query) -> Result<(), String> {
    let text = query.to_string();
    let reader: &dyn Dialect = if dialect == "trino" { &TrinoText } else { &GenericDialect {} };
    let statements = Parser::parse_sql(reader, &text).map_err(|e| format!("{e}\n{text}"))?;
    let [Statement::Query(read)] = statements.as_slice() else {
        return Err(format!("{} statements\n{text}", statements.len()));
    };
    let (made, read) = (shape(query, true), shape(read, false));
    if made == read { Ok(()) } else { Err(format!("{text}\nmade: {made}\nread: {read}")) }
}

/// A query's shape. In a tree that was made quotes in texts are doubled already; in one that was read they are not.
fn shape(query: &Query, made: bool) -> String {
    let mut out = Shape { text: String::new(), made };
    out.query(query);
    out.text
}

struct Shape {
    text: String,
    made: bool,
}

impl Shape {
    fn put(&mut self, text: impl std::fmt::Display) {
        let _ = write!(self.text, "{text}");
    }

    fn query(&mut self, query: &Query) {
        assert!(query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none(), "not written by lowering: {query}");
        self.set(&query.body);
    }

    fn set(&mut self, set: &SetExpr) {
        match set {
            SetExpr::Select(select) => self.select(select),
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                self.put(format_args!("({op} {set_quantifier} "));
                self.set(left);
                self.set(right);
                self.put(')');
            }
            SetExpr::Query(query) => self.query(query),
            other => panic!("not written by lowering: {other}"),
        }
    }

    fn select(&mut self, select: &Select) {
        self.put("(select");
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => self.expr(expr),
                SelectItem::ExprWithAlias { expr, alias } => {
                    self.expr(expr);
                    self.put(format_args!(" as {alias:?}", alias = alias.value));
                }
                other => panic!("not written by lowering: {other}"),
            }
        }
        for from in &select.from {
            self.put(" from");
            self.table(&from.relation);
            for join in &from.joins {
                let on = match &join.join_operator {
                    JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => {
                        self.put(" left");
                        on
                    }
                    JoinOperator::Inner(on) | JoinOperator::Join(on) => {
                        self.put(" inner");
                        on
                    }
                    JoinOperator::FullOuter(on) => {
                        self.put(" full");
                        on
                    }
                    other => panic!("not written by lowering: {other:?}"),
                };
                self.table(&join.relation);
                match on {
                    JoinConstraint::On(expr) => self.expr(expr),
                    other => panic!("not written by lowering: {other:?}"),
                }
            }
        }
        for (what, expr) in [("where", &select.selection), ("having", &select.having)] {
            if let Some(expr) = expr {
                self.put(format_args!(" {what}"));
                self.expr(expr);
            }
        }
        match &select.group_by {
            GroupByExpr::Expressions(exprs, modifiers) => {
                assert!(modifiers.is_empty(), "not written by lowering");
                self.put(" group");
                exprs.iter().for_each(|e| self.expr(e));
            }
            GroupByExpr::All(_) => panic!("not written by lowering"),
        }
        self.put(')');
    }

    fn table(&mut self, table: &TableFactor) {
        match table {
            TableFactor::Table { name, alias, args: None, .. } => {
                self.put(format_args!(" {name}"));
                if let Some(alias) = alias {
                    self.put(format_args!(" {:?}", alias.name.value));
                }
            }
            TableFactor::Derived { subquery, alias, .. } => {
                self.query(subquery);
                if let Some(alias) = alias {
                    self.put(format_args!(" {:?}", alias.name.value));
                }
            }
            other => panic!("not written by lowering: {other}"),
        }
    }

    fn value(&mut self, value: &ValueWithSpan) {
        match &value.value {
            Value::SingleQuotedString(s) if self.made => {
                let text = s.replace("''", "'");
                assert_eq!(s.matches('\'').count(), 2 * text.matches('\'').count(), "a quote that is not doubled: {s}");
                self.put(format_args!("{text:?}"));
            }
            Value::SingleQuotedString(s) => self.put(format_args!("{s:?}")),
            // A sign is an operator once it was read.
            Value::Number(n, _) => match n.strip_prefix('-') {
                Some(n) => self.put(format_args!("(- {n})")),
                None => self.put(n),
            },
            other => self.put(other),
        }
    }

    fn expr(&mut self, expr: &Expr) {
        self.put(' ');
        match expr {
            Expr::Nested(inner) => self.expr(inner),
            Expr::Identifier(ident) => self.put(format_args!("{:?}", ident.value)),
            Expr::CompoundIdentifier(idents) => idents.iter().for_each(|i| self.put(format_args!(".{:?}", i.value))),
            Expr::Value(value) => self.value(value),
            Expr::TypedString(typed) => {
                self.put(format_args!("({} ", typed.data_type));
                self.value(&typed.value);
                self.put(')');
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                self.put("(-");
                self.expr(expr);
                self.put(')');
            }
            Expr::UnaryOp { op, expr } => self.list(&op.to_string(), &[expr]),
            Expr::BinaryOp { left, op, right } => self.list(&op.to_string(), &[left, right]),
            Expr::IsNull(inner) => self.list("is null", &[inner]),
            Expr::IsNotNull(inner) => self.list("is not null", &[inner]),
            Expr::Between { expr, negated: false, low, high } => self.list("between", &[expr, low, high]),
            Expr::InList { expr, list, negated: false } => {
                self.list("in", &std::iter::once(expr.as_ref()).chain(list).collect::<Vec<_>>());
            }
            Expr::InSubquery { expr, subquery, negated } => {
                self.list(if *negated { "not in" } else { "in" }, &[expr]);
                self.query(subquery);
            }
            Expr::Cast { expr, data_type, .. } => self.list(&format!("cast {data_type}"), &[expr]),
            Expr::AtTimeZone { timestamp, time_zone } => self.list("at time zone", &[timestamp, time_zone]),
            Expr::Case { operand: None, conditions, else_result, .. } => {
                self.put("(case");
                for when in conditions {
                    self.expr(&when.condition);
                    self.expr(&when.result);
                }
                if let Some(otherwise) = else_result {
                    self.put(" else");
                    self.expr(otherwise);
                }
                self.put(')');
            }
            Expr::Array(array) => self.list("array", &array.elem.iter().collect::<Vec<_>>()),
            Expr::Function(function) => self.function(function),
            // The parser knows some functions by name.
            Expr::Substring { expr, substring_from: Some(from), substring_for: None, .. } => self.list("substr", &[expr, from]),
            Expr::Lambda(LambdaFunction { params, body, .. }) => self.list(&format!("lambda {params}"), &[body]),
            other => panic!("not written by lowering: {other}"),
        }
    }

    fn list(&mut self, name: &str, exprs: &[&Expr]) {
        self.put(format_args!("({name}"));
        exprs.iter().for_each(|e| self.expr(e));
        self.put(')');
    }

    fn function(&mut self, function: &Function) {
        self.put(format_args!("({}", function.name));
        match &function.args {
            FunctionArguments::List(list) => {
                if let Some(treatment) = list.duplicate_treatment {
                    self.put(format_args!(" {treatment}"));
                }
                for arg in &list.args {
                    match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => self.put(" *"),
                        other => panic!("not written by lowering: {other}"),
                    }
                }
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(by) => {
                            for order in by {
                                self.put(format_args!(" by {:?}", order.options));
                                self.expr(&order.expr);
                            }
                        }
                        other => panic!("not written by lowering: {other}"),
                    }
                }
            }
            other => panic!("not written by lowering: {other:?}"),
        }
        if let Some(filter) = &function.filter {
            self.put(" filter");
            self.expr(filter);
        }
        self.put(')');
    }
}
