//! Values between reading and storing: compact bytes that keep what a value was, before its name has a type.
//!
//! A row's cells are `name number, tag, payload` one after the other. Numbers keep the text they were written in unless it is
//! a plain integer of 64 bits; text keeps whether it stood in a CSV cell; lists and objects are JSON text.

use segment_core::convert::TextSource;
use segment_core::json::Json;
use segment_core::time::{format_date, format_instant};

use crate::error::{ImportError, Result};

/// A value as it came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// JSON null: clears an attribute.
    Null,
    /// An integer of 64 bits.
    Int(i64),
    /// A finite double of a binary format.
    Float(f64),
    /// Any other JSON number.
    Number(&'a str),
    Bool(bool),
    Text(&'a str),
    /// The text of a CSV cell or of a constant.
    CsvText(&'a str),
    /// Microseconds, within the years that there are.
    Timestamp(i64),
    /// Days.
    Date(i32),
    /// A timestamp beyond those years, in words.
    TimestampBeyond(&'a str),
    /// A date beyond them.
    DateBeyond(&'a str),
    /// Compact JSON of a list or an object.
    Json(&'a str),
    /// The same, put together from CSV cells.
    CsvJson(&'a str),
    /// The same, with timestamps or dates beyond the years in it, in words.
    JsonBeyond(&'a str),
}

impl<'a> Cell<'a> {
    /// The text of a cell that is text.
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Cell::Text(text) | Cell::CsvText(text) => Some(text),
            _ => None,
        }
    }

    /// Which rules of conversion hold for it.
    pub(crate) fn source(self) -> TextSource {
        match self {
            Cell::CsvText(_) | Cell::CsvJson(_) => TextSource::Csv,
            _ => TextSource::Json,
        }
    }

    /// As JSON.
    pub(crate) fn to_json(self) -> Json {
        match self {
            Cell::Null => Json::Null,
            Cell::Int(n) => Json::Number(n.to_string()),
            Cell::Float(x) => Json::Number(float_text(x)),
            Cell::Number(text) => Json::Number(text.to_owned()),
            Cell::Bool(b) => Json::Bool(b),
            Cell::Text(text) | Cell::CsvText(text) | Cell::TimestampBeyond(text) | Cell::DateBeyond(text) => Json::String(text.to_owned()),
            Cell::Timestamp(micros) => Json::String(format_instant(micros)),
            Cell::Date(days) => Json::String(format_date(days)),
            Cell::Json(text) | Cell::CsvJson(text) | Cell::JsonBeyond(text) => Json::parse(text).unwrap_or(Json::BadString),
        }
    }
}

/// A finite double as JSON text that reads as a decimal, whatever its value: the shortest that is that double.
fn float_text(x: f64) -> String {
    ryu::Buffer::new().format_finite(x).to_owned()
}

const NULL: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const NUMBER: u8 = 3;
const FALSE: u8 = 4;
const TRUE: u8 = 5;
const TEXT: u8 = 6;
const CSV_TEXT: u8 = 7;
const TIMESTAMP: u8 = 8;
const DATE: u8 = 9;
const JSON: u8 = 10;
const CSV_JSON: u8 = 11;
const TIMESTAMP_BEYOND: u8 = 12;
const DATE_BEYOND: u8 = 13;
const JSON_BEYOND: u8 = 14;

fn put_len(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a named cell.
pub(crate) fn put(out: &mut Vec<u8>, name: u32, cell: Cell<'_>) {
    put_len(out, name as usize);
    let mut text = |tag: u8, text: &str| {
        out.push(tag);
        put_len(out, text.len());
        out.extend_from_slice(text.as_bytes());
    };
    match cell {
        Cell::Number(s) => text(NUMBER, s),
        Cell::Text(s) => text(TEXT, s),
        Cell::CsvText(s) => text(CSV_TEXT, s),
        Cell::Json(s) => text(JSON, s),
        Cell::CsvJson(s) => text(CSV_JSON, s),
        Cell::TimestampBeyond(s) => text(TIMESTAMP_BEYOND, s),
        Cell::DateBeyond(s) => text(DATE_BEYOND, s),
        Cell::JsonBeyond(s) => text(JSON_BEYOND, s),
        Cell::Null => out.push(NULL),
        Cell::Bool(b) => out.push(if b { TRUE } else { FALSE }),
        Cell::Int(n) => put_word(out, INT, &n.to_le_bytes()),
        Cell::Float(x) => put_word(out, FLOAT, &x.to_le_bytes()),
        Cell::Timestamp(t) => put_word(out, TIMESTAMP, &t.to_le_bytes()),
        Cell::Date(d) => put_word(out, DATE, &d.to_le_bytes()),
    }
}

fn put_word(out: &mut Vec<u8>, tag: u8, word: &[u8]) {
    out.push(tag);
    out.extend_from_slice(word);
}

/// A row's cells, one after the other.
pub(crate) struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Cells<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next cell with its name's number.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Cell<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match self.read() {
            Some(cell) => Ok(Some(cell)),
            None => Err(ImportError::scratch("read back temporary files", "a row is cut off")),
        }
    }

    fn read(&mut self) -> Option<(u32, Cell<'a>)> {
        let name = u32::try_from(self.len()?).ok()?;
        let (&tag, rest) = self.rest.split_first()?;
        self.rest = rest;
        let cell = match tag {
            NULL => Cell::Null,
            FALSE => Cell::Bool(false),
            TRUE => Cell::Bool(true),
            INT => Cell::Int(i64::from_le_bytes(*self.word()?)),
            FLOAT => Cell::Float(f64::from_le_bytes(*self.word()?)),
            TIMESTAMP => Cell::Timestamp(i64::from_le_bytes(*self.word()?)),
            DATE => Cell::Date(i32::from_le_bytes(*self.word()?)),
            NUMBER => Cell::Number(self.text()?),
            TEXT => Cell::Text(self.text()?),
            CSV_TEXT => Cell::CsvText(self.text()?),
            JSON => Cell::Json(self.text()?),
            CSV_JSON => Cell::CsvJson(self.text()?),
            TIMESTAMP_BEYOND => Cell::TimestampBeyond(self.text()?),
            DATE_BEYOND => Cell::DateBeyond(self.text()?),
            JSON_BEYOND => Cell::JsonBeyond(self.text()?),
            _ => return None,
        };
        Some((name, cell))
    }

    fn len(&mut self) -> Option<usize> {
        let mut n = 0;
        for shift in (0..63).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            n |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    fn word<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (word, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(word)
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.len()?;
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_round_trip() {
        let long = "é".repeat(300);
        let cells = [
            (0, Cell::Null),
            (1, Cell::Int(i64::MIN)),
            (200, Cell::Float(-1.5)),
            (3, Cell::Number("1.10")),
            (4, Cell::Bool(true)),
            (5, Cell::Bool(false)),
            (70_000, Cell::Text(&long)),
            (7, Cell::CsvText("")),
            (8, Cell::Timestamp(-1)),
            (9, Cell::Date(-1)),
            (10, Cell::Json("[1]")),
            (11, Cell::CsvJson("{}")),
            (12, Cell::TimestampBeyond("9 s")),
            (13, Cell::DateBeyond("9 days")),
            (14, Cell::JsonBeyond("[\"9 days\"]")),
        ];
        let mut bytes = Vec::new();
        for (name, cell) in cells {
            put(&mut bytes, name, cell);
        }
        let mut read = Cells::new(&bytes);
        for cell in cells {
            assert_eq!(read.next().unwrap(), Some(cell));
        }
        assert_eq!(read.next().unwrap(), None);
        bytes.pop();
        let mut read = Cells::new(&bytes);
        while let Ok(Some(_)) = read.next() {}
        assert!(read.next().is_err());
    }

    #[test]
    fn floats_read_as_decimals() {
        assert_eq!(float_text(5.0), "5.0");
        assert_eq!(float_text(1e300), "1e300");
        assert_eq!(float_text(0.1), "0.1");
    }
}
