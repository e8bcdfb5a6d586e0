//! The types a catalog can give an attribute or a property.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The type of an attribute, a property, or a field of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Unicode text, compared by code point.
    String,
    /// Signed 64 bits.
    Integer,
    /// A finite IEEE double.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An instant, microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// A calendar day, days since 1970-01-01.
    Date,
    /// A list of strings.
    Strings,
    /// An object with named, typed fields.
    Object(Fields),
    /// A list of objects with named, typed fields.
    Objects(Fields),
    /// Text keys to one scalar type.
    Map(Box<Type>),
}

/// The fields of an object, by name.
pub type Fields = BTreeMap<String, Type>;

impl Type {
    /// The type's name in the catalog's JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Type::String => "string",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Boolean => "boolean",
            Type::Timestamp => "timestamp",
            Type::Date => "date",
            Type::Strings => "strings",
            Type::Object(_) => "object",
            Type::Objects(_) => "objects",
            Type::Map(_) => "map",
        }
    }

    /// Whether values of the type are single values: string, integer, number, boolean, timestamp, date.
    pub fn is_scalar(&self) -> bool {
        match self {
            Type::String | Type::Integer | Type::Number | Type::Boolean | Type::Timestamp | Type::Date => true,
            Type::Strings | Type::Object(_) | Type::Objects(_) | Type::Map(_) => false,
        }
    }

    /// Whether `lt`, `between` and the like apply: integer, number, timestamp, date.
    pub fn is_ordered(&self) -> bool {
        matches!(self, Type::Integer | Type::Number | Type::Timestamp | Type::Date)
    }
}
