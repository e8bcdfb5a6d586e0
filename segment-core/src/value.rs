//! Typed values, as stored for a user or an event, and as written in a resolved condition.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::decimal::Decimal;

/// A value of one of the catalog's types. Missing (absent, null, not convertible) is `Option::None` around it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    String(String),
    /// Signed 64 bits.
    Integer(i64),
    /// A finite double; `-0.0` equals `0.0`.
    Number(f64),
    /// An exact decimal: sums, averages, and the literals they are compared with. Never stored.
    Decimal(Decimal),
    /// A boolean.
    Boolean(bool),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// A list of strings.
    Strings(Vec<String>),
    /// An object: fields that are present, each of its declared type.
    Object(BTreeMap<String, Value>),
    /// A list of objects.
    Objects(Vec<BTreeMap<String, Value>>),
    /// Text keys to scalars of one type.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// Compares two scalars of the same type; `None` for different types, lists and objects.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
            (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
            (Value::Decimal(a), Value::Decimal(b)) => Some(a.cmp(b)),
            (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
            (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
            (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

// A number is finite, and so equal to itself.
impl Eq for Value {}

impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Value::String(s) => s.hash(state),
            Value::Integer(n) => n.hash(state),
            // Zero has two patterns of bits that are equal.
            Value::Number(x) => (if *x == 0.0 { 0 } else { x.to_bits() }).hash(state),
            Value::Decimal(d) => d.hash(state),
            Value::Boolean(b) => b.hash(state),
            Value::Timestamp(t) => t.hash(state),
            Value::Date(d) => d.hash(state),
            Value::Strings(list) => list.hash(state),
            Value::Object(fields) | Value::Map(fields) => fields.hash(state),
            Value::Objects(list) => list.hash(state),
        }
    }
}
