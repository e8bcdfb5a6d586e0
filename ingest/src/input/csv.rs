//! CSV with a header row, RFC 4180, in chunks of rows.
//!
//! A column without a name is called by its place, `column_3`. Rows of another width than the header are kept, to be rejected.

use std::collections::VecDeque;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use csv::{ByteRecord, ReaderBuilder};

use super::{Chunk, READ_BYTES, Reader};
use crate::cell::Cell;
use crate::error::{ImportError, Result};
use crate::hash;
use crate::limits::{CHUNK_BYTES, ROW_BYTES_MAX};
use crate::rejects::{Fault, Place, Reason};
use crate::rows::table::Table;

/// Reads rows.
pub(crate) struct CsvReader {
    path: PathBuf,
    reader: csv::Reader<Watched>,
    record: ByteRecord,
    columns: Arc<[String]>,
    layout: Arc<Mutex<Layout>>,
    next_row: u64,
}

/// Some rows, flat.
pub(crate) struct CsvRows {
    columns: Arc<[String]>,
    text: Vec<u8>,
    /// Where fields end in the text.
    ends: Vec<usize>,
    /// Where rows end in `ends`.
    rows: Vec<usize>,
    lines: Vec<u64>,
    first_row: u64,
}

/// Watches the text on its way to the parser, which tells neither the line of a row behind CRLF or blank lines, nor that the file
/// ended inside quotes.
struct Watched {
    text: Box<dyn Read + Send>,
    layout: Arc<Mutex<Layout>>,
}

/// Where rows begin.
struct Layout {
    delimiter: u8,
    state: State,
    line: u64,
    quote_line: u64,
    /// The first lines of rows that were read and not asked for yet.
    rows: VecDeque<u64>,
    /// Bytes read since a row was asked for.
    since_row: u64,
}

/// What the next byte continues: the states of the parser.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Row,
    Field,
    Text,
    Quoted,
    /// Behind a quote inside quotes: the first of two, or the last of the field.
    Quote,
}

impl Layout {
    fn watch(&mut self, text: &[u8]) {
        for &byte in text {
            let ends_row = matches!(byte, b'\r' | b'\n');
            if self.state == State::Row && !ends_row {
                self.rows.push_back(self.line);
            }
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::Quote,
                (State::Quoted, _) => State::Quoted,
                (State::Quote, b'"') => State::Quoted,
                (State::Row | State::Field, b'"') => {
                    self.quote_line = self.line;
                    State::Quoted
                }
                _ if ends_row => State::Row,
                _ if byte == self.delimiter => State::Field,
                _ => State::Text,
            };
            self.line += u64::from(byte == b'\n');
        }
        self.since_row += text.len() as u64;
    }
}

fn lock(layout: &Mutex<Layout>) -> std::sync::MutexGuard<'_, Layout> {
    layout.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.text.read(buffer)?;
        let mut layout = lock(&self.layout);
        if n == 0 && layout.state == State::Quoted {
            return Err(std::io::Error::other(format!("the quote opened in line {} is never closed", layout.quote_line)));
        }
        layout.watch(buffer.get(..n).unwrap_or_default());
        if layout.since_row > ROW_BYTES_MAX as u64 {
            let line = layout.quote_line;
            let message = format!("a row is longer than {} MiB: is the quote opened in line {line} never closed?", ROW_BYTES_MAX >> 20);
            return Err(std::io::Error::other(message));
        }
        Ok(n)
    }
}

/// Takes the mark off that some programs put in front of UTF-8, as the parser does.
fn without_bom(mut text: Box<dyn Read + Send>) -> std::io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::new();
    text.by_ref().take(BOM.len() as u64).read_to_end(&mut head)?;
    if head == BOM { Ok(text) } else { Ok(Box::new(std::io::Cursor::new(head).chain(text))) }
}

/// The byte order mark of UTF-8.
const BOM: &[u8] = "\u{feff}".as_bytes();

impl CsvReader {
    pub(crate) fn new(path: PathBuf, text: Box<dyn Read + Send>, delimiter: u8) -> Result<Self> {
        let text = without_bom(text).map_err(|e| ImportError::input_from(&path, "the header cannot be read", e))?;
        let layout = Layout { delimiter, state: State::Row, line: 1, quote_line: 0, rows: VecDeque::new(), since_row: 0 };
        let layout = Arc::new(Mutex::new(layout));
        let watched = Watched { text, layout: layout.clone() };
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).flexible(true).buffer_capacity(READ_BYTES).has_headers(true);
        let mut reader = builder.from_reader(watched);
        let header = reader.headers().map_err(|e| ImportError::input_from(&path, "the header cannot be read", e))?;
        let named = |(i, name): (usize, &str)| if name.is_empty() { format!("column_{}", i + 1) } else { name.to_owned() };
        let columns = header.iter().enumerate().map(named).collect();
        lock(&layout).rows.pop_front();
        Ok(Self { path, reader, record: ByteRecord::new(), columns, layout, next_row: 1 })
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }
}

impl Reader for CsvReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        let mut rows = CsvRows {
            columns: self.columns.clone(),
            text: Vec::with_capacity(CHUNK_BYTES + READ_BYTES),
            ends: Vec::new(),
            rows: Vec::new(),
            lines: Vec::new(),
            first_row: self.next_row,
        };
        while rows.text.len() + rows.ends.len() < CHUNK_BYTES {
            lock(&self.layout).since_row = 0;
            let more = self.reader.read_byte_record(&mut self.record);
            if !more.map_err(|e| ImportError::input_from(&self.path, format!("cannot read on after row {}", self.next_row), e))? {
                break;
            }
            let start = rows.text.len();
            rows.text.extend_from_slice(self.record.as_slice());
            let mut end = start;
            rows.ends.extend(self.record.iter().map(|field| {
                end += field.len();
                end
            }));
            rows.rows.push(rows.ends.len());
            rows.lines.push(lock(&self.layout).rows.pop_front().unwrap_or(0));
            self.next_row += 1;
        }
        Ok((!rows.rows.is_empty()).then_some(Chunk::Csv(rows)))
    }
}

impl CsvRows {
    fn row_start(&self, row: usize) -> usize {
        row.checked_sub(1).and_then(|before| self.rows.get(before)).copied().unwrap_or(0)
    }

    fn width(&self, row: usize) -> usize {
        self.rows.get(row).map_or(0, |end| end - self.row_start(row))
    }

    fn field(&self, column: usize, row: usize) -> &[u8] {
        let index = self.row_start(row) + column;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(index).and_then(|&end| self.text.get(start..end)).unwrap_or_default()
    }
}

impl Table for CsvRows {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn cell(&self, column: usize, row: usize) -> Option<Cell<'_>> {
        let text = std::str::from_utf8(self.field(column, row)).ok()?;
        (!text.is_empty()).then_some(Cell::CsvText(text))
    }

    fn fault(&self, row: usize) -> Option<Fault> {
        let width = self.width(row);
        if width != self.columns.len() {
            let message = format!("the row has {width} fields, the header {}", self.columns.len());
            return Some(Fault { reason: Reason::WrongWidth, place: None, message });
        }
        let bad = (0..width).find(|&column| std::str::from_utf8(self.field(column, row)).is_err())?;
        let place = self.columns.get(bad).cloned().map(Place::Field);
        Some(Fault { reason: Reason::NotUtf8, place, message: "the text is not UTF-8".to_owned() })
    }

    fn line(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or(0)
    }

    fn position(&self, row: usize) -> u64 {
        self.first_row + row as u64
    }

    fn raw(&self, row: usize) -> String {
        let fields: Vec<_> = (0..self.width(row)).map(|column| String::from_utf8_lossy(self.field(column, row))).collect();
        fields.join(",")
    }

    fn content(&self, row: usize, seed: u64) -> u128 {
        let mut bytes = Vec::new();
        for column in 0..self.width(row) {
            let field = self.field(column, row);
            bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
            bytes.extend_from_slice(field);
        }
        hash::content(&bytes, seed)
    }
}
