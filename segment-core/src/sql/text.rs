//! The tree as SQL text on one line.
//!
//! The text is what the SQL library's printer gives (a test holds it to that), made many times as fast: into one string, and no
//! formatter is called for each node.

use std::fmt::Write;

use super::{Aggregate, BinaryOperator, Case, Chained, DataType, Expr, Item, Join, JoinKind, Lambda, Node, Query, Select, Table};

/// Room for a small query's text.
const TEXT_BYTES: usize = 1 << 12;

/// Writes what has `Display`. A `String` takes everything.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        let _ = write!($out, $($arg)*);
    }};
}

/// An expression's text.
pub(super) fn of_expr(expr: &Expr) -> String {
    let mut out = String::new();
    put_expr(&mut out, expr);
    out
}

impl Query {
    /// The query's text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::with_capacity(TEXT_BYTES);
        put_query(&mut out, self);
        out
    }
}

fn put_query(out: &mut String, query: &Query) {
    put_select(out, &query.first);
    for select in &query.more {
        out.push_str(" UNION ALL ");
        put_select(out, select);
    }
}

fn put_select(out: &mut String, select: &Select) {
    out.push_str("SELECT ");
    put_list(out, &select.projection, put_item);
    out.push_str(" FROM ");
    put_table(out, &select.from);
    select.joins.iter().for_each(|join| put_join(out, join));
    if let Some(selection) = &select.selection {
        out.push_str(" WHERE ");
        put_expr(out, selection);
    }
    if !select.group_by.is_empty() {
        out.push_str(" GROUP BY ");
        put_list(out, &select.group_by, put_expr);
    }
    if let Some(having) = &select.having {
        out.push_str(" HAVING ");
        put_expr(out, having);
    }
}

fn put_item(out: &mut String, item: &Item) {
    put_expr(out, &item.expr);
    put_alias(out, item.alias.as_deref());
}

fn put_alias(out: &mut String, alias: Option<&str>) {
    if let Some(alias) = alias {
        out.push_str(" AS ");
        put_name(out, alias);
    }
}

fn put_table(out: &mut String, table: &Table) {
    match table {
        Table::Named(parts, alias) => {
            put_joined(out, parts, ".", |out, part| put_name(out, part));
            put_alias(out, alias.as_deref());
        }
        Table::Derived(query, alias) => {
            out.push('(');
            put_query(out, query);
            out.push(')');
            put_alias(out, Some(alias));
        }
    }
}

fn put_join(out: &mut String, join: &Join) {
    out.push_str(match join.kind {
        JoinKind::Inner => " INNER JOIN ",
        JoinKind::Left => " LEFT JOIN ",
        JoinKind::Full => " FULL JOIN ",
    });
    put_table(out, &join.table);
    out.push_str(" ON ");
    put_expr(out, &join.on);
}

fn put_joined<T>(out: &mut String, items: &[T], between: &str, put: impl Fn(&mut String, &T)) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(between);
        }
        put(out, item);
    }
}

fn put_list<T>(out: &mut String, items: &[T], put: impl Fn(&mut String, &T)) {
    put_joined(out, items, ", ", put);
}

/// In quotes, which are of ASCII; each quote inside is written twice.
fn put_quoted(out: &mut String, quote: u8, text: &str) {
    out.push(char::from(quote));
    let mut rest = text;
    // Texts are short: a search for bytes is done before one for characters is set up.
    while let Some(at) = rest.bytes().position(|b| b == quote) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        out.push(char::from(quote));
        rest = after;
    }
    out.push_str(rest);
    out.push(char::from(quote));
}

fn put_name(out: &mut String, name: &str) {
    put_quoted(out, b'"', name);
}

fn put_wrapped(out: &mut String, expr: &Expr, loose: bool) {
    if loose {
        out.push('(');
    }
    put_expr(out, expr);
    if loose {
        out.push(')');
    }
}

fn put_operand(out: &mut String, expr: &Expr) {
    put_wrapped(out, expr, expr.is_loose());
}

fn put_expr(out: &mut String, expr: &Expr) {
    match &expr.0 {
        Node::Column(name) => put_name(out, name),
        Node::ColumnOf(names) => {
            put_name(out, &names.0);
            out.push('.');
            put_name(out, &names.1);
        }
        Node::Field(of) => {
            put_expr(out, &of.0);
            out.push('.');
            put_name(out, &of.1);
        }
        Node::Text(text) => put_quoted(out, b'\'', text),
        Node::Integer(n) => out.push_str(itoa::Buffer::new().format(*n)),
        Node::Double(x) => put!(out, "{x:E}"),
        Node::Boolean(b) => out.push_str(if *b { "true" } else { "false" }),
        Node::Null => out.push_str("NULL"),
        Node::Binary(op, sides) => {
            put_operand(out, &sides.0);
            out.push_str(between(*op));
            put_operand(out, &sides.1);
        }
        Node::Chain(chained, parts) => {
            let between = match chained {
                Chained::And => " AND ",
                Chained::Or => " OR ",
                Chained::Plus => " + ",
            };
            put_joined(out, parts, between, |out, part| put_wrapped(out, part, part.is_loose_in(*chained)));
        }
        Node::Not(expr) => {
            out.push_str("NOT ");
            put_operand(out, expr);
        }
        Node::IsNull(expr) => {
            put_operand(out, expr);
            out.push_str(" IS NULL");
        }
        Node::IsNotNull(expr) => {
            put_operand(out, expr);
            out.push_str(" IS NOT NULL");
        }
        Node::Call(call) => put_call(out, call),
        Node::Case(case) => put_case(out, case),
        Node::Typed(typed) => {
            put_type(out, &typed.0);
            out.push(' ');
            put_quoted(out, b'\'', &typed.1);
        }
        Node::In(of) => put_in(out, &of.0, " IN (", |out| put_list(out, &of.1, put_expr)),
        Node::InQuery(of, holds) => put_in(out, &of.0, if *holds { " IN (" } else { " NOT IN (" }, |out| put_query(out, &of.1)),
        Node::Between(of) => put_between(out, of),
        Node::Cast(of) => put_cast(out, &of.0, &of.1),
        Node::Array(elem) => {
            out.push_str("ARRAY[");
            put_list(out, elem, put_expr);
            out.push(']');
        }
        Node::AtTimeZone(of) => {
            put_operand(out, &of.0);
            out.push_str(" AT TIME ZONE ");
            put_expr(out, &of.1);
        }
        Node::Lambda(lambda) => put_lambda(out, lambda),
    }
}

fn put_in(out: &mut String, expr: &Expr, word: &str, put_rows: impl FnOnce(&mut String)) {
    put_operand(out, expr);
    out.push_str(word);
    put_rows(out);
    out.push(')');
}

fn put_between(out: &mut String, [expr, low, high]: &[Expr; 3]) {
    put_operand(out, expr);
    out.push_str(" BETWEEN ");
    put_expr(out, low);
    out.push_str(" AND ");
    put_expr(out, high);
}

fn put_cast(out: &mut String, expr: &Expr, data_type: &DataType) {
    out.push_str("CAST(");
    put_expr(out, expr);
    out.push_str(" AS ");
    put_type(out, data_type);
    out.push(')');
}

fn put_lambda(out: &mut String, (syntax, parameter, body): &(Lambda, Box<str>, Expr)) {
    let (before, after) = match syntax {
        Lambda::Arrow => ("", " -> "),
        Lambda::Keyword => ("lambda ", " : "),
    };
    out.push_str(before);
    put_name(out, parameter);
    out.push_str(after);
    put_expr(out, body);
}

fn put_case(out: &mut String, case: &Case) {
    out.push_str("CASE");
    for (condition, result) in std::iter::once(&case.first).chain(&case.more) {
        out.push_str(" WHEN ");
        put_expr(out, condition);
        out.push_str(" THEN ");
        put_expr(out, result);
    }
    if let Some(otherwise) = &case.otherwise {
        out.push_str(" ELSE ");
        put_expr(out, otherwise);
    }
    out.push_str(" END");
}

fn put_call(out: &mut String, call: &Aggregate) {
    out.push_str(call.name);
    out.push('(');
    if call.distinct {
        out.push_str("DISTINCT ");
    }
    match &call.args {
        None => out.push('*'),
        Some(args) => put_list(out, args, put_expr),
    }
    if !call.order_by.is_empty() {
        out.push_str(" ORDER BY ");
        put_list(out, &call.order_by, |out, expr| {
            put_expr(out, expr);
            out.push_str(if call.ascending { " ASC" } else { " DESC" });
        });
    }
    out.push(')');
    if let Some(filter) = &call.filter {
        out.push_str(" FILTER (WHERE ");
        put_expr(out, filter);
        out.push(')');
    }
}

fn between(op: BinaryOperator) -> &'static str {
    match op {
        BinaryOperator::Eq => " = ",
        BinaryOperator::NotEq => " <> ",
        BinaryOperator::Lt => " < ",
        BinaryOperator::LtEq => " <= ",
        BinaryOperator::Gt => " > ",
        BinaryOperator::GtEq => " >= ",
        BinaryOperator::Plus => " + ",
        BinaryOperator::Minus => " - ",
        BinaryOperator::Multiply => " * ",
        BinaryOperator::Divide => " / ",
        BinaryOperator::StringConcat => " || ",
        BinaryOperator::BitwiseAnd => " & ",
    }
}

pub(super) fn put_type(out: &mut String, data_type: &DataType) {
    match data_type {
        DataType::Boolean => out.push_str("BOOLEAN"),
        DataType::BigInt => out.push_str("BIGINT"),
        DataType::Double => out.push_str("DOUBLE"),
        DataType::Varchar => out.push_str("VARCHAR"),
        DataType::Date => out.push_str("DATE"),
        DataType::Json => out.push_str("JSON"),
        DataType::Decimal(precision, scale) => put!(out, "DECIMAL({precision},{scale})"),
        DataType::Timestamp(precision) => put!(out, "TIMESTAMP({precision})"),
        DataType::TimestampWithTimeZone(precision) => put!(out, "TIMESTAMP({precision}) WITH TIME ZONE"),
        DataType::Array(element) => {
            out.push_str("Array(");
            put_type(out, element);
            out.push(')');
        }
        DataType::List(element) => {
            put_type(out, element);
            out.push_str("[]");
        }
        DataType::Map(key, value) => {
            // So the library writes it.
            out.push_str("Map(");
            put_type(out, key);
            out.push_str(", ");
            put_type(out, value);
            out.push(')');
        }
        DataType::Row(fields) => {
            out.push_str("ROW(");
            put_list(out, fields, |out, (name, data_type)| {
                put_name(out, name);
                out.push(' ');
                put_type(out, data_type);
            });
            out.push(')');
        }
        DataType::Named(name) => out.push_str(name),
    }
}
