//! SQL to be written: expressions, made by functions and never by formatting text.
//!
//! This is all that a dialect needs, in this crate or in another: an [`Expr`] cannot be taken apart, and no type of the SQL
//! library shows. Statements are made by the lowering alone.
//!
//! The tree is our own, a tenth of the size of the SQL library's, because a condition becomes thousands of its nodes. `text` prints it,
//! and `ast` makes the library's tree of it, for what only that can; a test holds both to one text.
//!
//! Invariant: compound expressions are printed with the brackets that keep their meaning (`is_loose`, `is_loose_in`), and
//! names and texts are escaped where they are printed. Names of functions and types are `&'static str`, so no value of a user
//! can stand there.

mod ast;
mod select;
mod text;
mod types;

use std::borrow::Cow;
use std::fmt;

pub(crate) use ast::{ident, object_name};
pub(crate) use select::{Item, Join, JoinKind, Query, Select, Table};
pub use types::{BinaryOperator, DataType};

/// Parts of a chain that are joined one after the other. More are halved first, so that a thousand parts nest ten deep instead of a
/// thousand.
const CHAIN_MAX: usize = 16;

/// An expression. It is printed as SQL by `Display`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Column(Cow<'static, str>),
    /// Of an aliased table, which comes first.
    ColumnOf(Box<(Cow<'static, str>, Box<str>)>),
    /// Of a struct.
    Field(Box<(Expr, Box<str>)>),
    Text(Box<str>),
    Integer(i64),
    Double(f64),
    Boolean(bool),
    Null,
    Typed(Box<(DataType, Box<str>)>),
    Binary(BinaryOperator, Box<(Expr, Expr)>),
    /// Two at least.
    Chain(Chained, Vec<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>),
    IsNotNull(Box<Expr>),
    In(Box<(Expr, Vec<Expr>)>),
    /// In a query's rows, or not.
    InQuery(Box<(Expr, Query)>, bool),
    Between(Box<[Expr; 3]>),
    Cast(Box<(Expr, DataType)>),
    Case(Box<Case>),
    Array(Vec<Expr>),
    AtTimeZone(Box<(Expr, Expr)>),
    Lambda(Box<(Lambda, Box<str>, Expr)>),
    Call(Box<Aggregate>),
}

/// What stands between the parts of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chained {
    And,
    Or,
    Plus,
}

#[derive(Debug, Clone, PartialEq)]
struct Case {
    /// A condition and its result.
    first: (Expr, Expr),
    more: Vec<(Expr, Expr)>,
    otherwise: Option<Expr>,
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::of_expr(self))
    }
}

impl Expr {
    /// Whether it binds less tightly than a comparison, so that as an operand it stands in brackets.
    fn is_loose(&self) -> bool {
        match self.0 {
            Node::Binary(..)
            | Node::Chain(..)
            | Node::Not(_)
            | Node::IsNull(_)
            | Node::IsNotNull(_)
            | Node::In(_)
            | Node::InQuery(..)
            | Node::Between(_) => true,
            Node::Column(_)
            | Node::ColumnOf(_)
            | Node::Field(_)
            | Node::Text(_)
            | Node::Integer(_)
            | Node::Double(_)
            | Node::Boolean(_)
            | Node::Null
            | Node::Typed(_)
            | Node::Cast(_)
            | Node::Case(_)
            | Node::Array(_)
            | Node::AtTimeZone(_)
            | Node::Lambda(_)
            | Node::Call(_) => false,
        }
    }

    /// Whether it is a column of no table in particular, and of that name.
    fn is_column(&self, name: &str) -> bool {
        matches!(&self.0, Node::Column(own) if own == name)
    }

    /// Whether as a part of such a chain it stands in brackets: if it is a chain itself.
    fn is_loose_in(&self, chained: Chained) -> bool {
        match self.0 {
            Node::Chain(Chained::And | Chained::Or, _) => true,
            Node::Chain(Chained::Plus, _) | Node::Binary(BinaryOperator::Plus, _) => chained == Chained::Plus,
            _ => false,
        }
    }
}

/// A column of no table in particular, or a lambda's parameter; its name is quoted.
pub fn column(name: impl Into<Cow<'static, str>>) -> Expr {
    Expr(Node::Column(name.into()))
}

/// A column of an aliased table.
pub(crate) fn column_of(table: impl Into<Cow<'static, str>>, name: &str) -> Expr {
    Expr(Node::ColumnOf(Box::new((table.into(), name.into()))))
}

/// A field of a struct: `expr."name"`. The struct is a column or a field itself.
pub(crate) fn field(expr: Expr, name: &str) -> Expr {
    Expr(Node::Field(Box::new((expr, name.into()))))
}

/// A text literal, in single quotes, with quotes doubled and nothing else escaped.
pub fn string(text: &str) -> Expr {
    Expr(Node::Text(text.into()))
}

/// A whole number.
pub fn integer(n: i64) -> Expr {
    Expr(Node::Integer(n))
}

/// A double, in a notation that every engine so far reads as one: `2.5E0`.
pub fn double(x: f64) -> Expr {
    Expr(Node::Double(x))
}

/// `true` or `false`.
pub fn boolean(b: bool) -> Expr {
    Expr(Node::Boolean(b))
}

/// `NULL`, of no type.
pub fn null() -> Expr {
    Expr(Node::Null)
}

/// `DATE '2024-02-29'`: a type's name before a text.
pub fn typed(data_type: DataType, text: &str) -> Expr {
    Expr(Node::Typed(Box::new((data_type, text.into()))))
}

/// `left op right`.
pub fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr(Node::Binary(op, Box::new((left, right))))
}

/// `NOT expr`.
pub fn not(expr: Expr) -> Expr {
    Expr(Node::Not(Box::new(expr)))
}

/// `expr IS NULL`.
pub fn is_null(expr: Expr) -> Expr {
    Expr(Node::IsNull(Box::new(expr)))
}

/// `expr IS NOT NULL`.
pub fn is_not_null(expr: Expr) -> Expr {
    Expr(Node::IsNotNull(Box::new(expr)))
}

/// True where the expression is; never NULL.
pub fn coalesce_false(expr: Expr) -> Expr {
    call("coalesce", [expr, boolean(false)])
}

fn chain(mut parts: Vec<Expr>, chained: Chained, empty: Expr) -> Expr {
    if parts.len() <= 1 {
        return parts.pop().unwrap_or(empty);
    }
    if parts.len() > CHAIN_MAX {
        let right = parts.split_off(parts.len() / 2);
        parts = vec![chain(parts, chained, null()), chain(right, chained, null())];
    }
    Expr(Node::Chain(chained, parts))
}

/// All of them; true for none.
pub fn and(parts: Vec<Expr>) -> Expr {
    chain(parts, Chained::And, boolean(true))
}

/// One of them at least; false for none.
pub fn or(parts: Vec<Expr>) -> Expr {
    chain(parts, Chained::Or, boolean(false))
}

/// The sum of columns, literals and calls; 0 of nothing.
pub(crate) fn plus(parts: Vec<Expr>) -> Expr {
    chain(parts, Chained::Plus, integer(0))
}

/// `expr IN (…)`; the list is not empty.
pub fn in_list(expr: Expr, list: Vec<Expr>) -> Expr {
    Expr(Node::In(Box::new((expr, list))))
}

pub(crate) fn in_query(expr: Expr, query: Query, holds: bool) -> Expr {
    Expr(Node::InQuery(Box::new((expr, query)), holds))
}

/// `expr BETWEEN low AND high`.
pub fn between(expr: Expr, low: Expr, high: Expr) -> Expr {
    Expr(Node::Between(Box::new([expr, low, high])))
}

/// `CAST(expr AS type)`.
pub fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr(Node::Cast(Box::new((expr, data_type))))
}

/// `CASE WHEN condition THEN result ELSE otherwise END`; without, NULL.
pub fn case_when(condition: Expr, result: Expr, otherwise: Option<Expr>) -> Expr {
    Expr(Node::Case(Box::new(Case { first: (condition, result), more: Vec::new(), otherwise })))
}

/// `CASE WHEN condition THEN result … ELSE otherwise END`; without a condition, what is otherwise.
pub fn case_else(whens: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    let mut more = whens.into_iter();
    match more.next() {
        Some(first) => Expr(Node::Case(Box::new(Case { first, more: more.collect(), otherwise: Some(otherwise) }))),
        None => otherwise,
    }
}

/// `ARRAY[…]`.
pub fn array(elem: Vec<Expr>) -> Expr {
    Expr(Node::Array(elem))
}

/// `expr AT TIME ZONE 'zone'`.
pub fn at_time_zone(expr: Expr, zone: &str) -> Expr {
    Expr(Node::AtTimeZone(Box::new((expr, string(zone)))))
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
    Expr(Node::Lambda(Box::new((syntax, parameter.into(), body))))
}

/// `name(args)`; the name is not quoted.
pub fn call(name: &'static str, args: impl IntoIterator<Item = Expr>) -> Expr {
    Aggregate::new(name, args).expr()
}

/// A call of an aggregate function, with its clauses.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    name: &'static str,
    /// None: `*`.
    args: Option<Vec<Expr>>,
    distinct: bool,
    order_by: Vec<Expr>,
    ascending: bool,
    filter: Option<Expr>,
}

impl Aggregate {
    /// `name(args)`; the name is not quoted.
    pub fn new(name: &'static str, args: impl IntoIterator<Item = Expr>) -> Self {
        let args = Some(args.into_iter().collect());
        Self { name, args, distinct: false, order_by: Vec::new(), ascending: true, filter: None }
    }

    /// `count(*)`.
    pub fn count_rows() -> Self {
        Self { args: None, ..Self::new("count", []) }
    }

    /// `name(DISTINCT …)`.
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// `name(… ORDER BY …)`, all ascending or all descending.
    pub fn ordered(mut self, by: Vec<Expr>, ascending: bool) -> Self {
        self.order_by = by;
        self.ascending = ascending;
        self
    }

    /// `name(…) FILTER (WHERE …)`, where there is a filter.
    pub fn filtered(mut self, filter: Option<Expr>) -> Self {
        self.filter = filter;
        self
    }

    /// The call.
    pub fn expr(self) -> Expr {
        Expr(Node::Call(Box::new(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_small() {
        assert!(size_of::<Expr>() <= 32, "{} bytes", size_of::<Expr>());
    }

    /// Whatever can be part of whatever keeps its brackets: both printers give one text.
    #[test]
    fn both_printers_agree() {
        let a = || column("a\"b");
        let parts = || {
            vec![
                a(),
                column_of("p", "x"),
                field(field(column("s"), "a.b"), "c\"d"),
                string("it's '' \\'"),
                integer(-3),
                double(-2.5e300),
                boolean(true),
                null(),
                typed(DataType::Date, "2024-02-29"),
                binary(a(), BinaryOperator::Plus, integer(1)),
                and(vec![a(), a()]),
                or(vec![a(), a()]),
                plus(vec![a(), a()]),
                not(a()),
                is_null(a()),
                is_not_null(a()),
                in_list(a(), vec![integer(1), integer(2)]),
                between(a(), integer(1), integer(2)),
                cast(a(), DataType::Map(Box::new(DataType::Varchar), Box::new(DataType::List(Box::new(DataType::Decimal(38, 6)))))),
                cast(a(), DataType::Array(Box::new(DataType::TimestampWithTimeZone(6)))),
                case_when(a(), integer(1), None),
                case_else(vec![(a(), a()), (a(), null())], a()),
                array(vec![a(), null()]),
                at_time_zone(a(), "Europe/London"),
                lambda(Lambda::Arrow, "i", a()),
                lambda(Lambda::Keyword, "i", a()),
                Aggregate::count_rows().filtered(Some(a())).expr(),
                Aggregate::new("f", [a(), a()]).distinct().expr(),
                Aggregate::new("f", [a()]).ordered(vec![a(), a()], false).filtered(Some(a())).expr(),
            ]
        };
        for part in parts() {
            let around = [
                part.clone(),
                not(part.clone()),
                is_null(part.clone()),
                is_not_null(part.clone()),
                binary(part.clone(), BinaryOperator::Minus, part.clone()),
                in_list(part.clone(), vec![part.clone()]),
                between(part.clone(), part.clone(), part.clone()),
                cast(part.clone(), DataType::TimestampWithTimeZone(6)),
                case_else(vec![(part.clone(), part.clone())], part.clone()),
                at_time_zone(part.clone(), "UTC"),
                array(vec![part.clone()]),
                call("f", [part.clone()]),
                and(vec![part.clone(), part.clone(), part.clone()]),
                or(vec![part.clone(); 40]),
                plus(vec![part.clone(), part]),
            ];
            for expr in around {
                assert_eq!(expr.to_string(), expr.ast().to_string());
            }
        }
        let row = || {
            DataType::Row(vec![
                ("a\"b".to_owned(), DataType::BigInt),
                ("c".to_owned(), DataType::Row(vec![("d".to_owned(), DataType::Date)])),
            ])
        };
        for data_type in
            [DataType::Boolean, DataType::BigInt, DataType::Double, DataType::Json, DataType::Timestamp(3), DataType::Named("X"), row()]
        {
            assert_eq!(data_type.to_string(), data_type.ast().to_string());
        }
    }
}
