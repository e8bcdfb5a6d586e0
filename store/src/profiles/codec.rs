//! Values and rows as bytes, for the key-value store.
//!
//! A row is a version byte, then fields; numbers are little-endian, lengths are variable-length (LEB128).

use std::collections::BTreeMap;

use segment_core::value::Value;

use crate::error::{Result, StoreError};

/// Objects nest no deeper than this; deeper bytes are corrupt.
const DEPTH_MAX: usize = 64;

const STRING: u8 = 1;
const INTEGER: u8 = 2;
const NUMBER: u8 = 3;
const FALSE: u8 = 4;
const TRUE: u8 = 5;
const TIMESTAMP: u8 = 6;
const DATE: u8 = 7;
const STRINGS: u8 = 8;
const OBJECT: u8 = 9;
const OBJECTS: u8 = 10;
const MAP: u8 = 11;

/// Appends an unsigned number.
pub(crate) fn put_len(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends text with its length.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn put_fields(out: &mut Vec<u8>, fields: &BTreeMap<String, Value>) -> Result<()> {
    put_len(out, fields.len());
    for (name, value) in fields {
        put_text(out, name);
        put_value(out, value)?;
    }
    Ok(())
}

/// Appends a value.
///
/// # Errors
///
/// `Invalid` for a decimal, which is never stored.
pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value) -> Result<()> {
    match value {
        Value::String(v) => {
            out.push(STRING);
            put_text(out, v);
        }
        Value::Integer(v) => {
            out.push(INTEGER);
            out.extend_from_slice(&v.to_le_bytes());
        }
        Value::Number(v) => {
            out.push(NUMBER);
            out.extend_from_slice(&v.to_bits().to_le_bytes());
        }
        Value::Boolean(v) => out.push(if *v { TRUE } else { FALSE }),
        Value::Timestamp(v) => {
            out.push(TIMESTAMP);
            out.extend_from_slice(&v.to_le_bytes());
        }
        Value::Date(v) => {
            out.push(DATE);
            out.extend_from_slice(&v.to_le_bytes());
        }
        Value::Strings(items) => {
            out.push(STRINGS);
            put_len(out, items.len());
            items.iter().for_each(|item| put_text(out, item));
        }
        Value::Object(fields) => {
            out.push(OBJECT);
            put_fields(out, fields)?;
        }
        Value::Objects(items) => {
            out.push(OBJECTS);
            put_len(out, items.len());
            for item in items {
                put_fields(out, item)?;
            }
        }
        Value::Map(fields) => {
            out.push(MAP);
            put_fields(out, fields)?;
        }
        Value::Decimal(_) => return Err(StoreError::Invalid("a decimal cannot be an attribute's value".to_owned())),
    }
    Ok(())
}

/// Reads what the functions above wrote.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all is read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or_else(|| StoreError::corrupt_plain("a profile's bytes end early"))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.take(N)?;
        <[u8; N]>::try_from(bytes).map_err(|e| StoreError::corrupt("a profile's bytes end early", e))
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// A signed number of 64 bits.
    pub(crate) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// An unsigned number.
    pub(crate) fn len(&mut self) -> Result<usize> {
        let mut n = 0usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            n |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(StoreError::corrupt_plain("a profile's bytes hold too long a number"))
    }

    /// Text with its length.
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let n = self.len()?;
        std::str::from_utf8(self.take(n)?).map_err(|e| StoreError::corrupt("a profile's text is not UTF-8", e))
    }

    fn fields(&mut self, depth: usize) -> Result<BTreeMap<String, Value>> {
        let mut fields = BTreeMap::new();
        for _ in 0..self.len()? {
            let name = self.text()?.to_owned();
            fields.insert(name, self.value_at(depth + 1)?);
        }
        Ok(fields)
    }

    /// A value.
    pub(crate) fn value(&mut self) -> Result<Value> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Result<Value> {
        if depth > DEPTH_MAX {
            return Err(StoreError::corrupt_plain("a profile's value nests too deeply"));
        }
        Ok(match self.byte()? {
            STRING => Value::String(self.text()?.to_owned()),
            INTEGER => Value::Integer(self.i64()?),
            NUMBER => Value::Number(f64::from_le_bytes(self.array()?)),
            FALSE => Value::Boolean(false),
            TRUE => Value::Boolean(true),
            TIMESTAMP => Value::Timestamp(self.i64()?),
            DATE => Value::Date(i32::from_le_bytes(self.array()?)),
            STRINGS => {
                let n = self.len()?;
                Value::Strings((0..n).map(|_| self.text().map(str::to_owned)).collect::<Result<_>>()?)
            }
            OBJECT => Value::Object(self.fields(depth)?),
            OBJECTS => {
                let n = self.len()?;
                Value::Objects((0..n).map(|_| self.fields(depth)).collect::<Result<_>>()?)
            }
            MAP => Value::Map(self.fields(depth)?),
            tag => return Err(StoreError::corrupt_plain(format!("a profile's value has the unknown tag {tag}"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip() {
        let object = BTreeMap::from([("a".to_owned(), Value::Integer(i64::MIN)), ("b".to_owned(), Value::Object(BTreeMap::new()))]);
        for value in [
            Value::String("x".repeat(300)),
            Value::String(String::new()),
            Value::Integer(-1),
            Value::Number(-0.0),
            Value::Boolean(true),
            Value::Boolean(false),
            Value::Timestamp(i64::MAX),
            Value::Date(-719_162),
            Value::Strings(vec!["".to_owned(), "日本".to_owned()]),
            Value::Object(object.clone()),
            Value::Objects(vec![object.clone(), BTreeMap::new()]),
            Value::Map(object),
        ] {
            let mut bytes = Vec::new();
            put_value(&mut bytes, &value).unwrap();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.value().unwrap(), value);
            assert!(reader.is_empty());
            for end in 0..bytes.len() {
                assert!(Reader::new(&bytes[..end]).value().is_err(), "{value:?} cut at {end}");
            }
        }
    }
}
