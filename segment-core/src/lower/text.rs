//! A lowered query as SQL text on one line.
//!
//! The text is what sqlparser's own printer gives (a test holds it to that), made several times as fast: no formatter
//! is called for each node. What lowering rarely makes is left to that printer.

use std::fmt::Write;

use sqlparser::ast::{
    BinaryOperator, CastKind, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    Join, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, TableFactor,
    UnaryOperator, Value,
};

/// Writes what has `Display`. A `String` takes everything.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        let _ = write!($out, $($arg)*);
    }};
}

/// The query's text.
pub(super) fn text(query: &Query) -> String {
    let mut out = String::with_capacity(1 << 12);
    put_query(&mut out, query);
    out
}

fn put_query(out: &mut String, query: &Query) {
    // Lowering makes no other clauses.
    if let Some(with) = &query.with {
        put!(out, "{with} ");
    }
    put_set(out, &query.body);
}

fn put_set(out: &mut String, set: &SetExpr) {
    match set {
        SetExpr::Select(select) => put_select(out, select),
        SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, right } => {
            put_set(out, left);
            out.push_str(" UNION ALL ");
            put_set(out, right);
        }
        other => put!(out, "{other}"),
    }
}

fn put_select(out: &mut String, select: &Select) {
    out.push_str("SELECT ");
    put_list(out, &select.projection, |out, item| match item {
        SelectItem::UnnamedExpr(expr) => put_expr(out, expr),
        SelectItem::ExprWithAlias { expr, alias } => {
            put_expr(out, expr);
            out.push_str(" AS ");
            put_ident(out, alias);
        }
        other => put!(out, "{other}"),
    });
    out.push_str(" FROM ");
    put_list(out, &select.from, |out, from| {
        put_table(out, &from.relation);
        from.joins.iter().for_each(|join| put_join(out, join));
    });
    if let Some(selection) = &select.selection {
        out.push_str(" WHERE ");
        put_expr(out, selection);
    }
    match &select.group_by {
        GroupByExpr::Expressions(by, modifiers) if modifiers.is_empty() => {
            if !by.is_empty() {
                out.push_str(" GROUP BY ");
                put_list(out, by, put_expr);
            }
        }
        other => put!(out, " {other}"),
    }
    if let Some(having) = &select.having {
        out.push_str(" HAVING ");
        put_expr(out, having);
    }
}

fn put_table(out: &mut String, table: &TableFactor) {
    match table {
        TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None } => {
            out.push('(');
            put_query(out, subquery);
            put!(out, ") {alias}");
        }
        other => put!(out, "{other}"),
    }
}

fn put_join(out: &mut String, join: &Join) {
    let (kind, on) = match &join.join_operator {
        JoinOperator::Inner(JoinConstraint::On(on)) => (" INNER JOIN ", on),
        JoinOperator::Left(JoinConstraint::On(on)) => (" LEFT JOIN ", on),
        JoinOperator::FullOuter(JoinConstraint::On(on)) => (" FULL JOIN ", on),
        _ => return put!(out, " {join}"),
    };
    out.push_str(kind);
    put_table(out, &join.relation);
    out.push_str(" ON ");
    put_expr(out, on);
}

fn put_list<T>(out: &mut String, items: &[T], put: impl Fn(&mut String, &T)) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        put(out, item);
    }
}

fn put_ident(out: &mut String, ident: &Ident) {
    match ident.quote_style {
        None => out.push_str(&ident.value),
        // Quotes in it are doubled already.
        Some('"') => put_quoted(out, '"', &ident.value),
        Some(_) => put!(out, "{ident}"),
    }
}

fn put_quoted(out: &mut String, quote: char, text: &str) {
    out.push(quote);
    out.push_str(text);
    out.push(quote);
}

fn put_expr(out: &mut String, expr: &Expr) {
    match expr {
        Expr::Identifier(ident) => put_ident(out, ident),
        Expr::CompoundIdentifier(parts) => {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    out.push('.');
                }
                put_ident(out, part);
            }
        }
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => out.push_str(digits),
            // Quotes in it are doubled already.
            Value::SingleQuotedString(text) => put_quoted(out, '\'', text),
            other => put!(out, "{other}"),
        },
        Expr::Nested(inner) => {
            out.push('(');
            put_expr(out, inner);
            out.push(')');
        }
        Expr::BinaryOp { left, op, right } => {
            put_expr(out, left);
            put_operator(out, op);
            put_expr(out, right);
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            out.push_str("NOT ");
            put_expr(out, expr);
        }
        Expr::Function(function) => put_function(out, function),
        other => put_predicate(out, other),
    }
}

fn put_predicate(out: &mut String, expr: &Expr) {
    match expr {
        Expr::IsNull(inner) => {
            put_expr(out, inner);
            out.push_str(" IS NULL");
        }
        Expr::IsNotNull(inner) => {
            put_expr(out, inner);
            out.push_str(" IS NOT NULL");
        }
        Expr::InList { expr, list, negated: false } => {
            put_expr(out, expr);
            out.push_str(" IN (");
            put_list(out, list, put_expr);
            out.push(')');
        }
        Expr::Between { expr, negated: false, low, high } => {
            put_expr(out, expr);
            out.push_str(" BETWEEN ");
            put_expr(out, low);
            out.push_str(" AND ");
            put_expr(out, high);
        }
        Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None } => {
            out.push_str("CAST(");
            put_expr(out, expr);
            put!(out, " AS {data_type})");
        }
        Expr::Case { operand: None, conditions, else_result, .. } => {
            out.push_str("CASE");
            for when in conditions {
                out.push_str(" WHEN ");
                put_expr(out, &when.condition);
                out.push_str(" THEN ");
                put_expr(out, &when.result);
            }
            if let Some(otherwise) = else_result {
                out.push_str(" ELSE ");
                put_expr(out, otherwise);
            }
            out.push_str(" END");
        }
        other => put!(out, "{other}"),
    }
}

fn put_operator(out: &mut String, op: &BinaryOperator) {
    match op {
        BinaryOperator::And => out.push_str(" AND "),
        BinaryOperator::Or => out.push_str(" OR "),
        BinaryOperator::Eq => out.push_str(" = "),
        BinaryOperator::NotEq => out.push_str(" <> "),
        BinaryOperator::Lt => out.push_str(" < "),
        BinaryOperator::GtEq => out.push_str(" >= "),
        BinaryOperator::Plus => out.push_str(" + "),
        other => put!(out, " {other} "),
    }
}

fn put_function(out: &mut String, function: &Function) {
    let (FunctionArguments::List(list), [ObjectNamePart::Identifier(name)]) = (&function.args, function.name.0.as_slice()) else {
        return put!(out, "{function}");
    };
    if !list.clauses.is_empty() {
        return put!(out, "{function}");
    }
    put_ident(out, name);
    out.push('(');
    if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        out.push_str("DISTINCT ");
    }
    put_list(out, &list.args, |out, arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => put_expr(out, expr),
        other => put!(out, "{other}"),
    });
    out.push(')');
    if let Some(filter) = &function.filter {
        out.push_str(" FILTER (WHERE ");
        put_expr(out, filter);
        out.push(')');
    }
}
