//! Rows as JSON text, `[[7,"ann"],…]`, straight into columns: no value is built for a cell.
//!
//! Every row has a cell for each column, and nothing but white space follows the last; anything else is an error.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, StringBuilder};

use super::wire::Column;
use crate::error::{BackendError, ErrorKind, Result};

/// Bytes of text a row is expected to have, to make room.
const ROW_BYTES: usize = 24;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole numbers of 64 bits.
    Integer,
    /// Text.
    Text,
}

/// Refuses a result whose columns are not of the kinds that were asked for.
pub(super) fn check(columns: &[Column], kinds: &[Kind]) -> Result<()> {
    let fits = |(column, kind): (&Column, &Kind)| match kind {
        Kind::Integer => matches!(column.ty.as_str(), "bigint" | "integer" | "smallint" | "tinyint"),
        Kind::Text => column.ty == "varchar" || column.ty.starts_with("varchar("),
    };
    if columns.len() == kinds.len() && columns.iter().zip(kinds).all(fits) {
        return Ok(());
    }
    let found: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect();
    Err(BackendError::new(ErrorKind::SchemaDrift, format!("Trino's result has the columns {} instead of {kinds:?}", found.join(", "))))
}

/// The columns of all rows, and how many rows there are.
///
/// # Errors
///
/// `Internal` if the text is anything but rows of these kinds.
pub(super) fn decode(text: &[u8], kinds: &[Kind]) -> Result<(Vec<ArrayRef>, u64)> {
    let malformed = |what: String| BackendError::internal("Trino's rows cannot be read").caused_by(what);
    let text = std::str::from_utf8(text).map_err(|e| malformed(e.to_string()))?;
    let mut builders: Vec<Builder> = kinds.iter().map(|kind| Builder::new(*kind, text.len())).collect();
    let mut cursor = Cursor { text, at: 0, scratch: String::new() };
    let rows = cursor.rows(&mut builders).map_err(|expected| malformed(format!("at byte {}: expected {expected}", cursor.at)))?;
    Ok((builders.into_iter().map(Builder::finish).collect(), rows))
}

enum Builder {
    Integer(Int64Builder),
    Text(StringBuilder),
}

impl Builder {
    fn new(kind: Kind, bytes: usize) -> Self {
        let rows = bytes / ROW_BYTES;
        match kind {
            Kind::Integer => Builder::Integer(Int64Builder::with_capacity(rows)),
            Kind::Text => Builder::Text(StringBuilder::with_capacity(rows, bytes / 2)),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Builder::Integer(mut builder) => Arc::new(builder.finish()),
            Builder::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// What was expected where reading stopped.
type Parsed<T> = std::result::Result<T, &'static str>;

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// A text with escapes, as it is meant.
    scratch: String,
}

impl<'a> Cursor<'a> {
    fn rows(&mut self, columns: &mut [Builder]) -> Parsed<u64> {
        let mut rows = 0;
        self.take(b'[', "an array of rows")?;
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                self.take(b'[', "a row")?;
                for (i, column) in columns.iter_mut().enumerate() {
                    if i > 0 {
                        self.take(b',', "another cell")?;
                    }
                    self.cell(column)?;
                }
                self.take(b']', "the end of a row")?;
                rows += 1;
                match self.peek() {
                    Some(b',') => self.at += 1,
                    _ => break self.take(b']', "another row, or the end of rows")?,
                }
            }
        }
        if self.peek().is_some() { Err("nothing more") } else { Ok(rows) }
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    #[inline]
    fn take(&mut self, byte: u8, expected: &'static str) -> Parsed<()> {
        if self.peek() != Some(byte) {
            return Err(expected);
        }
        self.at += 1;
        Ok(())
    }

    fn cell(&mut self, column: &mut Builder) -> Parsed<()> {
        match (self.peek(), column) {
            (Some(b'n'), column) => {
                if !self.rest().starts_with("null") {
                    return Err("a value");
                }
                self.at += "null".len();
                match column {
                    Builder::Integer(builder) => builder.append_null(),
                    Builder::Text(builder) => builder.append_null(),
                }
            }
            (_, Builder::Integer(builder)) => builder.append_value(self.integer()?),
            (_, Builder::Text(builder)) => {
                self.take(b'"', "a text")?;
                match self.plain() {
                    Some(text) => builder.append_value(text),
                    None => {
                        self.escaped()?;
                        builder.append_value(&self.scratch);
                    }
                }
            }
        }
        Ok(())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn integer(&mut self) -> Parsed<i64> {
        let bytes = self.text.as_bytes();
        let negative = bytes.get(self.at) == Some(&b'-');
        self.at += usize::from(negative);
        let start = self.at;
        // Below zero, where there is one more.
        let mut value: i64 = 0;
        while let Some(digit) = bytes.get(self.at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            value = value.checked_mul(10).and_then(|v| v.checked_sub(digit.into())).ok_or("64 bits")?;
            self.at += 1;
        }
        if self.at == start {
            return Err("a whole number");
        }
        if negative { Ok(value) } else { value.checked_neg().ok_or("64 bits") }
    }

    /// The text up to its quote, if nothing in it is escaped.
    #[inline]
    fn plain(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.bytes().position(|b| b == b'"' || b == b'\\')?;
        if rest.as_bytes().get(end) == Some(&b'\\') {
            return None;
        }
        self.at += end + 1;
        rest.get(..end)
    }

    /// Reads a text with escapes into the scratch.
    fn escaped(&mut self) -> Parsed<()> {
        self.scratch.clear();
        loop {
            let rest = self.rest();
            let end = rest.bytes().position(|b| b == b'"' || b == b'\\').ok_or("the end of a text")?;
            self.scratch.push_str(rest.get(..end).unwrap_or_default());
            self.at += end + 1;
            if rest.as_bytes().get(end) == Some(&b'"') {
                return Ok(());
            }
            let escape = self.text.as_bytes().get(self.at).copied().ok_or("an escape")?;
            self.at += 1;
            let meant = match escape {
                b'"' => '"',
                b'\\' => '\\',
                b'/' => '/',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.code_point()?,
                _ => return Err("an escape"),
            };
            self.scratch.push(meant);
        }
    }

    fn code_point(&mut self) -> Parsed<char> {
        let high = self.unit()?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high).ok_or("a pair of surrogates");
        }
        if !self.rest().starts_with("\\u") {
            return Err("a pair of surrogates");
        }
        self.at += 2;
        let low = self.unit()?;
        if !(0xDC00..0xE000).contains(&low) {
            return Err("a pair of surrogates");
        }
        char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)).ok_or("a pair of surrogates")
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Parsed<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|d| u32::from_str_radix(d, 16).ok()).ok_or("four hexadecimal digits")?;
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    use super::*;

    const BOTH: [Kind; 2] = [Kind::Integer, Kind::Text];

    fn check_rows(text: &str, expected: &[(Option<i64>, Option<&str>)]) {
        let (columns, rows) = decode(text.as_bytes(), &BOTH).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let numbers = columns[0].as_primitive::<Int64Type>();
        let texts = columns[1].as_string::<i32>();
        let found: Vec<_> = numbers.iter().zip(texts).collect();
        assert_eq!((rows as usize, found.as_slice()), (expected.len(), expected), "{text}");
    }

    #[test]
    fn reads_rows() {
        check_rows("[]", &[]);
        check_rows(" [ [ 1 , \"a\" ] ,\n[-2,null],[null,\"\"]] ", &[(Some(1), Some("a")), (Some(-2), None), (None, Some(""))]);
        check_rows(
            "[[9223372036854775807,\"\u{e9}\u{1f600}\"],[-9223372036854775808,\"x\"]]",
            &[(Some(i64::MAX), Some("\u{e9}\u{1f600}")), (Some(i64::MIN), Some("x"))],
        );
        check_rows(
            r#"[[0,"\"\\\/\b\f\n\r\t\u00e9 \ud83d\ude00 end"],[1,"a\\"]]"#,
            &[(Some(0), Some("\"\\/\u{8}\u{c}\n\r\t\u{e9} \u{1f600} end")), (Some(1), Some("a\\"))],
        );
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "[",
            "[[1,\"a\"]",
            "[[1,\"a\"],]",
            "[[1]]",
            "[[1,\"a\",2]]",
            "[[1,\"a\"]] x",
            "[[1.5,\"a\"]]",
            "[[9223372036854775808,\"a\"]]",
            "[[1,2]]",
            "[[\"a\",\"a\"]]",
            "[[1,\"a]]",
            "[[1,\"\\ud83d\"]]",
            "[[1,\"\\ud83d\\u0041\"]]",
            "[[1,\"\\x\"]]",
            "[[1,\"\\u00g0\"]]",
            "[[nul,\"a\"]]",
            "{}",
        ] {
            assert!(decode(text.as_bytes(), &BOTH).is_err(), "{text}");
        }
        assert!(decode(b"[[1,\"\xff\"]]", &BOTH).is_err());
    }

    #[test]
    fn columns_have_to_fit() {
        let column = |ty: &str| Column { name: "c".to_owned(), ty: ty.to_owned() };
        assert!(check(&[column("bigint"), column("varchar(15)")], &BOTH).is_ok());
        assert!(check(&[column("bigint")], &BOTH).is_err());
        assert!(check(&[column("varchar"), column("bigint")], &BOTH).is_err());
    }
}
