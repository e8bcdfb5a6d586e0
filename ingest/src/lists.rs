//! Files of user ids: text with one a line, CSV whose first column it is, or JSON with one a line.
//!
//! In: bytes. Out: the ids and a report in which `rows = matched + duplicate + blank + unknown`. A byte order mark and carriage
//! returns are passed over, a first line `user_id` is a header, quotes are CSV's. A row of nothing but white space is blank. An
//! id that none can have (with control characters, or not UTF-8) counts as unknown and is not kept.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, Read};
use std::rc::Rc;

use arrow::array::AsArray;
use csv::{ByteRecord, ReaderBuilder};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use segment_core::convert::canonical_user_id;
use segment_core::json::Json;
use serde::{Deserialize, Serialize};
use store::ProfilesSnapshot;

use crate::error::{ImportError, Result};
use crate::rows::check_user_id;

/// What became of a list's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReport {
    /// Rows without the header.
    pub rows: u64,
    /// Distinct ids of users that there are.
    pub matched: u64,
    /// Rows whose id came before.
    pub duplicate: u64,
    /// Rows without an id.
    pub blank: u64,
    /// Distinct ids that are no users, and rows that can be no id.
    pub unknown: u64,
}

/// A list, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFile {
    /// The distinct ids.
    pub ids: HashSet<String>,
    rows: u64,
    duplicate: u64,
    blank: u64,
    invalid: u64,
}

impl ListFile {
    /// Reads a list. Memory is what its distinct ids take.
    ///
    /// # Errors
    ///
    /// `Scratch` if the bytes cannot be read.
    pub fn read(bytes: impl Read) -> Result<Self> {
        let lines = Rc::new(Lines::default());
        let counted = Counted { bytes, lines: lines.clone() };
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(counted);
        let mut record = ByteRecord::new();
        let mut list = Self::default();
        let (mut records, mut inside) = (0, 0);
        while reader.read_byte_record(&mut record).map_err(|e| ImportError::scratch("read the list", e))? {
            records += 1;
            inside += record.as_slice().iter().filter(|&&b| b == b'\n').count() as u64;
            let field = record.get(0).unwrap_or_default();
            let field = if records == 1 { field.strip_prefix(BOM).unwrap_or(field) } else { field };
            let is_header = records == 1 && !lines.begin_empty() && field == b"user_id";
            if !is_header {
                list.row(field);
            }
        }
        // The reader passes over empty lines; they are the lines that no record takes.
        let empty = lines.count().saturating_sub(records + inside);
        list.rows += empty;
        list.blank += empty;
        Ok(list)
    }

    /// Reads a list of JSON: a string or an object with `user_id` a line. An id that is an integer is its decimal text; a line that is neither has
    /// no id that could be kept. Memory is what its distinct ids take, and a line.
    ///
    /// # Errors
    ///
    /// `Scratch` if the bytes cannot be read, or a line is too long.
    pub fn read_ndjson(mut bytes: impl BufRead) -> Result<Self> {
        let (mut list, mut line) = (Self::default(), Vec::new());
        loop {
            line.clear();
            let read = bytes.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
            if read.map_err(|e| ImportError::scratch("read the list", e))? == 0 {
                return Ok(list);
            }
            if line.len() as u64 > LINE_BYTES_MAX {
                let what = format!("line {} has more than {} KiB", list.rows + 1, LINE_BYTES_MAX >> 10);
                return Err(ImportError::scratch("read the list", what));
            }
            let text = line.trim_ascii();
            let text = if list.rows == 0 { text.strip_prefix(BOM).unwrap_or(text) } else { text };
            match Json::parse_bytes(text) {
                _ if text.is_empty() => list.row(b""),
                Ok(json) => match json.get("user_id").unwrap_or(&json) {
                    Json::String(id) => list.row(id.as_bytes()),
                    other => match canonical_user_id(other) {
                        Ok(id) => list.row(id.as_bytes()),
                        Err(_) => list.unusable(),
                    },
                },
                Err(_) => list.unusable(),
            }
        }
    }

    fn unusable(&mut self) {
        self.rows += 1;
        self.invalid += 1;
    }

    fn row(&mut self, field: &[u8]) {
        self.rows += 1;
        match std::str::from_utf8(field) {
            Ok(text) if text.trim().is_empty() => self.blank += 1,
            Ok(text) if check_user_id(text).is_ok() => {
                if self.ids.contains(text) {
                    self.duplicate += 1;
                } else {
                    self.ids.insert(text.to_owned());
                }
            }
            _ => self.invalid += 1,
        }
    }

    /// The report, given how many of the ids are users.
    pub fn report(&self, matched: u64) -> ListReport {
        let unknown = self.ids.len() as u64 - matched + self.invalid;
        ListReport { rows: self.rows, matched, duplicate: self.duplicate, blank: self.blank, unknown }
    }

    /// How many of the ids are users: one scan of the profiles' ids. Blocking.
    ///
    /// # Errors
    ///
    /// `Scratch` if the profiles cannot be read.
    pub fn matched(&self, profiles: &ProfilesSnapshot) -> Result<u64> {
        let mut matched = 0;
        for file in &profiles.files {
            let failed = |e: crate::error::Source| ImportError::scratch(format!("read {}", file.path.display()), e);
            let open = File::open(&file.path).map_err(|e| failed(e.into()))?;
            let builder = ParquetRecordBatchReaderBuilder::try_new(open).map_err(|e| failed(e.into()))?;
            let mask = ProjectionMask::columns(builder.parquet_schema(), ["user_id"]);
            for batch in builder.with_projection(mask).build().map_err(|e| failed(e.into()))? {
                let batch = batch.map_err(|e| failed(e.into()))?;
                let ids = batch.columns().first().and_then(|c| c.as_string_opt::<i32>());
                let ids = ids.ok_or_else(|| failed("there is no column user_id".into()))?;
                matched += ids.iter().flatten().filter(|id| self.ids.contains(*id)).count() as u64;
            }
        }
        Ok(matched)
    }
}

/// Bytes of a line of JSON.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// What a file may begin with.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Lines that went by.
#[derive(Default)]
struct Lines {
    /// The first bytes, as many as a mark and one more.
    head: RefCell<Vec<u8>>,
    ended: Cell<u64>,
    open: Cell<bool>,
}

impl Lines {
    fn count(&self) -> u64 {
        self.ended.get() + u64::from(self.open.get())
    }

    /// Whether the first of them is empty.
    fn begin_empty(&self) -> bool {
        let head = self.head.borrow();
        matches!(head.strip_prefix(BOM).unwrap_or(&head).first(), Some(b'\n' | b'\r'))
    }
}

struct Counted<R> {
    bytes: R,
    lines: Rc<Lines>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.bytes.read(buffer)?;
        let read = buffer.get(..n).unwrap_or_default();
        let ended = read.iter().filter(|&&b| b == b'\n').count() as u64;
        let mut head = self.lines.head.borrow_mut();
        let missing = (BOM.len() + 1).saturating_sub(head.len());
        head.extend(read.iter().take(missing));
        self.lines.ended.set(self.lines.ended.get() + ended);
        if let Some(last) = read.last() {
            self.lines.open.set(*last != b'\n');
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], ids: &[&str], rows: u64, duplicate: u64, blank: u64, invalid: u64) {
        let list = ListFile::read(text).unwrap();
        assert_eq!(list.ids, ids.iter().map(|id| (*id).to_owned()).collect(), "{text:?}");
        assert_eq!((list.rows, list.duplicate, list.blank, list.invalid), (rows, duplicate, blank, invalid), "{text:?}");
        let report = list.report(0);
        assert_eq!(report.rows, report.matched + report.duplicate + report.blank + report.unknown);
    }

    #[test]
    fn texts() {
        check(b"", &[], 0, 0, 0, 0);
        check(b"a\nb\n", &["a", "b"], 2, 0, 0, 0);
        check(b"a\nb", &["a", "b"], 2, 0, 0, 0);
        check(b"\xef\xbb\xbfuser_id\r\na\r\n\r\nb\r\na\r\n", &["a", "b"], 4, 1, 1, 0);
        check(b"\n\na\n\n", &["a"], 4, 0, 3, 0);
        check(b"\n\nuser_id\na\n", &["a", "user_id"], 4, 0, 2, 0);
        check(b"\xef\xbb\xbf\r\nuser_id", &["user_id"], 2, 0, 1, 0);
        check(b"a\nuser_id\n", &["a", "user_id"], 2, 0, 0, 0);
        check(b"  \n a\n", &[" a"], 2, 0, 1, 0);
        check(b"a\tb\n\xff\n", &[], 2, 0, 0, 2);
    }

    #[test]
    fn ndjson() {
        let check = |text: &[u8], ids: &[&str], counts: (u64, u64, u64, u64)| {
            let list = ListFile::read_ndjson(text).unwrap();
            assert_eq!(list.ids, ids.iter().map(|id| (*id).to_owned()).collect(), "{text:?}");
            assert_eq!((list.rows, list.duplicate, list.blank, list.invalid), counts, "{text:?}");
        };
        check(b"", &[], (0, 0, 0, 0));
        check(b"\xef\xbb\xbf\"a\"\r\n{\"user_id\":\"b\",\"n\":1}\n\n\"a\"", &["a", "b"], (4, 1, 1, 0));
        check(b"7\n{\"user_id\":8}\n1.5\n{\"id\":1}\nnull\nx\n\"a\\tb\"\n\"\"\n", &["7", "8"], (8, 0, 1, 5));
        let long = format!("\"{}\"\n", "x".repeat(LINE_BYTES_MAX as usize));
        assert!(ListFile::read_ndjson(long.as_bytes()).is_err());
    }

    #[test]
    fn csv() {
        check(b"user_id,note\n\"a,b\",x\n\"c\"\"d\",\"two\nlines\"\n,nobody\n", &["a,b", "c\"d"], 3, 0, 1, 0);
        check(b"\"user_id\"\n\"u\"\n\nu\n", &["u"], 3, 1, 1, 0);
    }
}
