//! Values as bytes of CQL's wire format, and back.
//!
//! The table's columns are made by [`super::keyspace::cql_type`] and checked when it is opened, so a column's kind says how its bytes read.

use scylla::deserialize::row::ColumnIterator;
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use segment_core::catalog::ColumnKind;
use segment_core::convert;
use segment_core::types::Type;
use segment_core::value::Value;

use crate::error::{Result, StoreError};

/// Cassandra counts days from 2^31 before 1970-01-01.
const DATE_ZERO: i64 = 1 << 31;

/// A bound value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Leaves the column as it is.
    Unset,
    /// Clears it.
    Null,
    /// Sets it.
    Bytes(Vec<u8>),
}

impl Cell {
    pub(crate) fn bigint(value: i64) -> Self {
        Self::Bytes(value.to_be_bytes().to_vec())
    }

    pub(crate) fn int(value: i32) -> Self {
        Self::Bytes(value.to_be_bytes().to_vec())
    }

    pub(crate) fn text(value: &str) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }

    pub(crate) fn boolean(value: bool) -> Self {
        Self::Bytes(vec![u8::from(value)])
    }

    /// A list or set of texts.
    pub(crate) fn texts<'t>(items: impl ExactSizeIterator<Item = &'t str>) -> Self {
        let mut out = Vec::new();
        put_len(&mut out, items.len());
        items.for_each(|item| put_text(&mut out, item));
        Self::Bytes(out)
    }

    /// A map of texts.
    pub(crate) fn text_map<'t>(entries: impl ExactSizeIterator<Item = (&'t str, &'t str)>) -> Self {
        let mut out = Vec::new();
        put_len(&mut out, entries.len());
        for (key, value) in entries {
            put_text(&mut out, key);
            put_text(&mut out, value);
        }
        Self::Bytes(out)
    }

    /// A value of a column's kind; `None` if it is of another.
    pub(crate) fn of(kind: ColumnKind, value: &Value) -> Option<Self> {
        Some(match (kind, value) {
            (ColumnKind::String, Value::String(v)) => Self::text(v),
            (ColumnKind::Integer, Value::Integer(v)) | (ColumnKind::Timestamp, Value::Timestamp(v)) => Self::bigint(*v),
            (ColumnKind::Number, Value::Number(v)) => Self::Bytes(v.to_be_bytes().to_vec()),
            (ColumnKind::Boolean, Value::Boolean(v)) => Self::boolean(*v),
            (ColumnKind::Date, Value::Date(v)) => {
                let days = u32::try_from(i64::from(*v) + DATE_ZERO).ok()?;
                Self::Bytes(days.to_be_bytes().to_vec())
            }
            (ColumnKind::Strings, Value::Strings(items)) => Self::texts(items.iter().map(String::as_str)),
            (ColumnKind::Presence, Value::Object(_)) => Self::boolean(true),
            (ColumnKind::Json, Value::Objects(_) | Value::Map(_)) => Self::text(&convert::to_json(value)),
            _ => return None,
        })
    }
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    // A request is refused by its size long before a length could not be told.
    out.extend_from_slice(&i32::try_from(len).unwrap_or(i32::MAX).to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// The bound values of a statement, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cells(pub(crate) Vec<Cell>);

impl SerializeRow for Cells {
    fn serialize(&self, ctx: &RowSerializationContext<'_>, writer: &mut RowWriter<'_>) -> std::result::Result<(), SerializationError> {
        if ctx.columns().len() != self.0.len() {
            let text = format!("a statement of {} values is given {}", ctx.columns().len(), self.0.len());
            return Err(SerializationError::new(StoreError::Invalid(text)));
        }
        for cell in &self.0 {
            let to = writer.make_cell_writer();
            match cell {
                Cell::Unset => to.set_unset(),
                Cell::Null => to.set_null(),
                Cell::Bytes(bytes) => to.set_value(bytes).map_err(SerializationError::new)?,
            };
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The columns of a row as they came; null for what is not there.
pub(crate) fn raw_columns<'f>(row: ColumnIterator<'f, '_>, into: &mut Vec<Option<&'f [u8]>>) -> Result<()> {
    into.clear();
    for column in row {
        let column = column.map_err(|e| StoreError::corrupt("a row from Cassandra ends early", e))?;
        into.push(column.slice.map(|s| s.as_slice()));
    }
    Ok(())
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    <[u8; N]>::try_from(bytes).map_err(|e| StoreError::corrupt(format!("a value from Cassandra has {} bytes, not {N}", bytes.len()), e))
}

/// A bigint.
pub(crate) fn bigint(bytes: &[u8]) -> Result<i64> {
    Ok(i64::from_be_bytes(array(bytes)?))
}

/// A boolean.
pub(crate) fn boolean(bytes: &[u8]) -> Result<bool> {
    Ok(array::<1>(bytes)? != [0])
}

/// Text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| StoreError::corrupt("text from Cassandra is not UTF-8", e))
}

/// The texts of a list, a set, or a map with its keys and values in turn.
pub(crate) fn texts(bytes: &[u8], each: usize) -> Result<Vec<&str>> {
    let early = || StoreError::corrupt_plain("a list from Cassandra ends early");
    let take = |rest: &mut &[u8]| -> Result<usize> {
        let (head, tail) = rest.split_at_checked(4).ok_or_else(early)?;
        *rest = tail;
        usize::try_from(i32::from_be_bytes(array(head)?)).map_err(|e| StoreError::corrupt("a list from Cassandra has a null in it", e))
    };
    let mut rest = bytes;
    let items = take(&mut rest)?;
    let mut out = Vec::with_capacity(items.min(bytes.len() / 4) * each);
    for _ in 0..items * each {
        let len = take(&mut rest)?;
        let (head, tail) = rest.split_at_checked(len).ok_or_else(early)?;
        rest = tail;
        out.push(text(head)?);
    }
    Ok(out)
}

/// The bigints of a list.
pub(crate) fn bigints(bytes: &[u8]) -> Result<Vec<i64>> {
    let (len, rest) = bytes.split_at_checked(4).ok_or_else(|| StoreError::corrupt_plain("a list from Cassandra ends early"))?;
    let items = usize::try_from(i32::from_be_bytes(array(len)?)).unwrap_or_default();
    // Each with its length before it.
    let out = rest.chunks(12).map(|item| bigint(item.get(4..).unwrap_or_default())).collect::<Result<Vec<i64>>>()?;
    if out.len() != items { Err(StoreError::corrupt_plain("a list from Cassandra has another length than it says")) } else { Ok(out) }
}

/// A column's value. A list of objects or a map that does not read as its type has none.
pub(crate) fn value(kind: ColumnKind, ty: &Type, bytes: &[u8]) -> Result<Option<Value>> {
    Ok(Some(match kind {
        ColumnKind::String => Value::String(text(bytes)?.to_owned()),
        ColumnKind::Integer => Value::Integer(bigint(bytes)?),
        ColumnKind::Number => Value::Number(f64::from_be_bytes(array(bytes)?)),
        ColumnKind::Boolean | ColumnKind::Presence => Value::Boolean(boolean(bytes)?),
        ColumnKind::Timestamp => Value::Timestamp(bigint(bytes)?),
        ColumnKind::Date => {
            let days = i64::from(u32::from_be_bytes(array(bytes)?)) - DATE_ZERO;
            Value::Date(i32::try_from(days).map_err(|e| StoreError::corrupt("a date from Cassandra is beyond all days", e))?)
        }
        ColumnKind::Strings => Value::Strings(texts(bytes, 1)?.into_iter().map(str::to_owned).collect()),
        ColumnKind::Json => return Ok(convert::from_json_column(text(bytes)?, ty)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip() {
        for (kind, ty, v) in [
            (ColumnKind::String, Type::String, Value::String("\0é😀\u{10ffff}".to_owned())),
            (ColumnKind::String, Type::String, Value::String(String::new())),
            (ColumnKind::Integer, Type::Integer, Value::Integer(i64::MIN)),
            (ColumnKind::Number, Type::Number, Value::Number(5e-324)),
            (ColumnKind::Boolean, Type::Boolean, Value::Boolean(false)),
            (ColumnKind::Timestamp, Type::Timestamp, Value::Timestamp(-62_135_596_800_000_001)),
            (ColumnKind::Date, Type::Date, Value::Date(-719_162)),
            (ColumnKind::Strings, Type::Strings, Value::Strings(Vec::new())),
            (ColumnKind::Strings, Type::Strings, Value::Strings(vec![String::new(), "日\0".to_owned()])),
        ] {
            let Some(Cell::Bytes(bytes)) = Cell::of(kind, &v) else { panic!("{v:?}") };
            assert_eq!(value(kind, &ty, &bytes).unwrap(), Some(v));
        }
        assert_eq!(Cell::of(ColumnKind::Integer, &Value::Number(1.0)), None);
        let Cell::Bytes(map) = Cell::text_map([("a", "1"), ("", "")].into_iter()) else { panic!() };
        assert_eq!(texts(&map, 2).unwrap(), ["a", "1", "", ""]);
        let list = [2_i32.to_be_bytes().to_vec(), 8_i32.to_be_bytes().to_vec(), 5_i64.to_be_bytes().to_vec()].concat();
        let whole = [list.clone(), 8_i32.to_be_bytes().to_vec(), (-6_i64).to_be_bytes().to_vec()].concat();
        assert_eq!(bigints(&whole).unwrap(), [5, -6]);
        assert!(bigints(&list).is_err() && bigints(&whole[..20]).is_err() && bigints(&[]).is_err());
        for end in 0..map.len() {
            assert!(texts(&map[..end], 2).is_err());
        }
    }
}
