//! Rows that are unusable: why, and the file that lists them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{ImportError, Result};
use crate::limits::{RAW_CHARS_MAX, REJECTS_BEYOND_MAX, REJECTS_SHOWN};

/// Why a row is unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The row's text is not UTF-8.
    NotUtf8,
    /// A line is not a JSON object.
    MalformedJson,
    /// A CSV row has more or fewer fields than the header.
    WrongWidth,
    /// No user id.
    NoUserId,
    /// A user id that none can have: with control characters, or neither text nor an integer.
    BadUserId,
    /// No event name.
    NoEvent,
    /// No time, or none that can be read.
    NoTime,
    /// An integer of more than 64 bits.
    IntegerOverflow,
}

impl Reason {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NotUtf8 => "not_utf8",
            Reason::MalformedJson => "malformed_json",
            Reason::WrongWidth => "wrong_width",
            Reason::NoUserId => "no_user_id",
            Reason::BadUserId => "bad_user_id",
            Reason::NoEvent => "no_event",
            Reason::NoTime => "no_time",
            Reason::IntegerOverflow => "integer_overflow",
        }
    }
}

/// Where in a row it is unusable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Place {
    /// The byte of the line, from 1.
    Byte(u64),
    /// The field.
    Field(String),
}

/// A rejected row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// The file, as it was named in the request.
    pub file: String,
    /// Line from 1; in Parquet, row from 1.
    pub line: u64,
    /// Where in the line, if anywhere in particular.
    pub column: Option<Place>,
    /// Why.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// The row's text, cut to [`RAW_CHARS_MAX`].
    pub raw: String,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        match &self.column {
            Some(Place::Byte(byte)) => write!(f, "column {byte}: ")?,
            Some(Place::Field(field)) => write!(f, "{field}: ")?,
            None => {}
        }
        f.write_str(&self.message)
    }
}

/// What makes a row unusable, before it is known which row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn field(reason: Reason, field: &str, message: impl Into<String>) -> Self {
        Self { reason, place: Some(Place::Field(field.to_owned())), message: message.into() }
    }

    pub(crate) fn at(self, file: &str, line: u64, raw: &str) -> Reject {
        let raw = match raw.char_indices().nth(RAW_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &raw[..end]),
            None => raw.to_owned(),
        };
        Reject { file: file.to_owned(), line, column: self.place, reason: self.reason, message: self.message, raw }
    }
}

/// Counts rejects and writes them to a file, which is made by the first.
pub(crate) struct RejectLog {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    max: u64,
    count: u64,
    reasons: BTreeMap<&'static str, u64>,
    first: Vec<Reject>,
    stopped: bool,
}

impl RejectLog {
    pub(crate) fn new(path: PathBuf, max: u64) -> Self {
        Self { path, file: None, max, count: 0, reasons: BTreeMap::new(), first: Vec::new(), stopped: false }
    }

    /// Takes a reject; whether it makes sense to go on reading.
    pub(crate) fn add(&mut self, reject: Reject) -> Result<bool> {
        self.count += 1;
        *self.reasons.entry(reject.reason.name()).or_default() += 1;
        let failed = |e: std::io::Error| ImportError::scratch(format!("write rejected rows to {}", self.path.display()), e);
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                if let Some(folder) = self.path.parent() {
                    std::fs::create_dir_all(folder).map_err(failed)?;
                }
                empty.insert(BufWriter::new(File::create(&self.path).map_err(failed)?))
            }
        };
        serde_json::to_writer(&mut *file, &reject).map_err(|e| failed(e.into()))?;
        file.write_all(b"\n").map_err(failed)?;
        if self.first.len() < REJECTS_SHOWN {
            self.first.push(reject);
        }
        self.stopped = self.count >= self.max.saturating_add(REJECTS_BEYOND_MAX);
        Ok(!self.stopped)
    }

    /// All rejects are in: an error if there are too many.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if let Some(mut file) = self.file.take() {
            file.flush().map_err(|e| ImportError::scratch(format!("write rejected rows to {}", self.path.display()), e))?;
        }
        if self.count <= self.max {
            return Ok(());
        }
        Err(ImportError::TooManyRejects {
            count: self.count,
            max: self.max,
            first: self.first.clone(),
            file: self.path().map(Path::to_owned),
            stopped: self.stopped,
        })
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn reasons(&self) -> &BTreeMap<&'static str, u64> {
        &self.reasons
    }

    /// The file, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        (self.count > 0).then_some(self.path.as_path())
    }
}
