//! Types and operators of SQL, as a dialect names them.

use sqlparser::ast::{self, ArrayElemTypeDef, ExactNumberInfo, Ident, ObjectName, TimezoneInfo};

/// A type of SQL. What engines call the same has a variant; the rest is [`DataType::Named`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataType {
    /// `BOOLEAN`.
    Boolean,
    /// `BIGINT`.
    BigInt,
    /// `DOUBLE`.
    Double,
    /// `VARCHAR`.
    Varchar,
    /// `DATE`.
    Date,
    /// `JSON`.
    Json,
    /// `DECIMAL(precision,scale)`.
    Decimal(u64, i64),
    /// `TIMESTAMP(precision)`.
    Timestamp(u64),
    /// `TIMESTAMP(precision) WITH TIME ZONE`.
    TimestampWithTimeZone(u64),
    /// `ARRAY(element)`.
    Array(Box<DataType>),
    /// `element[]`.
    List(Box<DataType>),
    /// `MAP(key, value)`.
    Map(Box<DataType>, Box<DataType>),
    /// `ROW("name" type, …)`.
    Row(Vec<(String, DataType)>),
    /// Any other, by a name of one word that stands in the adapter's source.
    Named(&'static str),
}

impl DataType {
    pub(crate) fn ast(self) -> ast::DataType {
        match self {
            Self::Boolean => ast::DataType::Boolean,
            Self::BigInt => ast::DataType::BigInt(None),
            Self::Double => ast::DataType::Double(ExactNumberInfo::None),
            Self::Varchar => ast::DataType::Varchar(None),
            Self::Date => ast::DataType::Date,
            Self::Json => ast::DataType::JSON,
            Self::Decimal(precision, scale) => ast::DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)),
            Self::Timestamp(precision) => ast::DataType::Timestamp(Some(precision), TimezoneInfo::None),
            Self::TimestampWithTimeZone(precision) => ast::DataType::Timestamp(Some(precision), TimezoneInfo::WithTimeZone),
            Self::Array(element) => ast::DataType::Array(ArrayElemTypeDef::Parenthesis(Box::new(element.ast()))),
            Self::List(element) => ast::DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element.ast()), None)),
            Self::Map(key, value) => ast::DataType::Map(Box::new(key.ast()), Box::new(value.ast())),
            // The library has no rows with brackets; what stands in them is text to it.
            Self::Row(fields) => {
                let field = |(name, data_type): (String, DataType)| {
                    ast::ColumnDef { name: super::ident(&name), data_type: data_type.ast(), options: Vec::new() }.to_string()
                };
                ast::DataType::Custom(ObjectName::from(Ident::new("ROW")), fields.into_iter().map(field).collect())
            }
            Self::Named(name) => ast::DataType::Custom(ObjectName::from(Ident::new(name)), Vec::new()),
        }
    }
}

impl std::fmt::Display for DataType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = String::new();
        super::text::put_type(&mut out, self);
        f.write_str(&out)
    }
}

/// What stands between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `=`.
    Eq,
    /// `<>`.
    NotEq,
    /// `<`.
    Lt,
    /// `<=`.
    LtEq,
    /// `>`.
    Gt,
    /// `>=`.
    GtEq,
    /// `+`.
    Plus,
    /// `-`.
    Minus,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `||`.
    StringConcat,
    /// `&`.
    BitwiseAnd,
}

impl BinaryOperator {
    pub(super) fn ast(self) -> ast::BinaryOperator {
        match self {
            Self::Eq => ast::BinaryOperator::Eq,
            Self::NotEq => ast::BinaryOperator::NotEq,
            Self::Lt => ast::BinaryOperator::Lt,
            Self::LtEq => ast::BinaryOperator::LtEq,
            Self::Gt => ast::BinaryOperator::Gt,
            Self::GtEq => ast::BinaryOperator::GtEq,
            Self::Plus => ast::BinaryOperator::Plus,
            Self::Minus => ast::BinaryOperator::Minus,
            Self::Multiply => ast::BinaryOperator::Multiply,
            Self::Divide => ast::BinaryOperator::Divide,
            Self::StringConcat => ast::BinaryOperator::StringConcat,
            Self::BitwiseAnd => ast::BinaryOperator::BitwiseAnd,
        }
    }
}
