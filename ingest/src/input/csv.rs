//! CSV with a header row, RFC 4180, in chunks of rows.
//!
//! A column without a name is called by its place, `column_3`. Rows of another width than the header are kept, to be rejected.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    reader: csv::Reader<Guarded>,
    record: ByteRecord,
    columns: Arc<[String]>,
    since_row: Arc<AtomicU64>,
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

/// Ends reading when a row, by a quote left open, never does.
struct Guarded {
    text: Box<dyn Read + Send>,
    since_row: Arc<AtomicU64>,
}

impl Read for Guarded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.text.read(buffer)?;
        if self.since_row.fetch_add(n as u64, Ordering::Relaxed) > ROW_BYTES_MAX as u64 {
            return Err(std::io::Error::other(format!("a row is longer than {} MiB: is a quote left open?", ROW_BYTES_MAX >> 20)));
        }
        Ok(n)
    }
}

impl CsvReader {
    pub(crate) fn new(path: PathBuf, text: Box<dyn Read + Send>, delimiter: u8) -> Result<Self> {
        let since_row = Arc::new(AtomicU64::new(0));
        let guarded = Guarded { text, since_row: since_row.clone() };
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).flexible(true).buffer_capacity(READ_BYTES).has_headers(true);
        let mut reader = builder.from_reader(guarded);
        let header = reader.headers().map_err(|e| ImportError::input_from(&path, "the header cannot be read", e))?;
        let named = |(i, name): (usize, &str)| {
            let name = if i == 0 { name.trim_start_matches('\u{feff}') } else { name };
            if name.is_empty() { format!("column_{}", i + 1) } else { name.to_owned() }
        };
        let columns = header.iter().enumerate().map(named).collect();
        Ok(Self { path, reader, record: ByteRecord::new(), columns, since_row, next_row: 1 })
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
            self.since_row.store(0, Ordering::Relaxed);
            let more = self.reader.read_byte_record(&mut self.record);
            let line = self.record.position().map_or(0, csv::Position::line);
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
            rows.lines.push(line);
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
