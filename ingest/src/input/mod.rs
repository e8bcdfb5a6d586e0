//! Input files: their format, and their rows in chunks.
//!
//! In: a path. Out: chunks of rows in the file's order, which other threads parse. Compression and Parquet are told by the first bytes,
//! whatever the name; which text it is by the name's extension, and by the first bytes where that says nothing.

pub(crate) mod csv;
pub(crate) mod lines;
pub(crate) mod parquet;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::error::{ImportError, Result};
use crate::request::Progress;

/// How many bytes the format is told by.
const SNIFF_BYTES: u64 = 4_096;
/// What Parquet files begin with.
const PARQUET_HEAD: &[u8] = b"PAR1";
/// Bytes read from a file at a time.
const READ_BYTES: usize = 256 << 10;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Ndjson,
    Csv { delimiter: u8 },
    Parquet,
}

/// How a file is compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

/// Some rows of a file.
pub(crate) enum Chunk {
    /// Whole lines.
    Lines {
        text: Vec<u8>,
        first_line: u64,
    },
    Csv(csv::CsvRows),
    /// The number of the first row, from 1.
    Batch {
        batch: RecordBatch,
        first_row: u64,
    },
}

/// Reads a file in chunks.
pub(crate) trait Reader: Send {
    /// The next rows; none at the end.
    fn next(&mut self) -> Result<Option<Chunk>>;
}

/// A file that can be read.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    compression: Compression,
    pub(crate) bytes: u64,
}

/// An opened file. Its columns are empty for NDJSON, whose members differ by line.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) columns: Vec<String>,
    /// Their types, in a format that has such.
    pub(crate) schema: Option<SchemaRef>,
}

impl Input {
    /// Looks at a file.
    ///
    /// # Errors
    ///
    /// `Unreadable`, and `UnknownFormat` if neither name nor content tells.
    pub(crate) fn detect(path: &Path) -> Result<Self> {
        let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
        // Before opening, which waits where there is a pipe.
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            let what =
                if metadata.is_dir() { "this is a folder; name its files" } else { "this is no regular file, and has to be read twice" };
            return Err(ImportError::UnknownFormat { path: path.to_owned(), message: what.to_owned() });
        }
        let file = File::open(path).map_err(unreadable)?;
        let mut head = Vec::new();
        file.take(SNIFF_BYTES).read_to_end(&mut head).map_err(unreadable)?;
        let compression = match head.as_slice() {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        };
        let mut input = Self { path: path.to_owned(), format: Format::Ndjson, compression, bytes: metadata.len() };
        let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let bare = match name.rsplit_once('.') {
            Some((bare, "gz" | "zst" | "zstd")) => bare,
            _ => name.as_str(),
        };
        let extension = bare.rsplit_once('.').map(|(_, extension)| extension);
        input.format = match extension {
            _ if head.starts_with(PARQUET_HEAD) => Format::Parquet,
            Some("ndjson" | "jsonl" | "json") => Format::Ndjson,
            Some("csv") => Format::Csv { delimiter: b',' },
            Some("tsv") => Format::Csv { delimiter: b'\t' },
            Some("parquet" | "pq") => Format::Parquet,
            _ => {
                let mut start = Vec::new();
                input.text(None)?.take(SNIFF_BYTES).read_to_end(&mut start).map_err(unreadable)?;
                sniff(&start).ok_or_else(|| ImportError::UnknownFormat {
                    path: path.to_owned(),
                    message: "neither the name nor the content tells a format: NDJSON, CSV (plain, .gz or .zst) and Parquet can be read"
                        .to_owned(),
                })?
            }
        };
        input.refuse_impostors(&head)?;
        Ok(input)
    }

    /// Files whose content cannot be what the name says, and that would be read as rows of nonsense.
    fn refuse_impostors(&self, head: &[u8]) -> Result<()> {
        let refuse = |message: &str| Err(ImportError::UnknownFormat { path: self.path.clone(), message: message.to_owned() });
        match self.format {
            Format::Parquet if !head.starts_with(PARQUET_HEAD) => refuse("the name says that it is Parquet, the content is not"),
            Format::Ndjson if self.compression == Compression::None && head.trim_ascii_start().starts_with(b"[") => {
                refuse("this is one JSON list; NDJSON has one object a line")
            }
            Format::Ndjson | Format::Csv { .. } | Format::Parquet => Ok(()),
        }
    }

    /// Opens it, telling `progress` of bytes read.
    pub(crate) fn open(&self, progress: Option<Arc<dyn Progress>>) -> Result<Opened> {
        match self.format {
            Format::Ndjson => Ok(Opened {
                reader: Box::new(lines::LineReader::new(self.path.clone(), self.text(progress)?)),
                columns: Vec::new(),
                schema: None,
            }),
            Format::Csv { delimiter } => {
                let reader = csv::CsvReader::new(self.path.clone(), self.text(progress)?, delimiter)?;
                let columns = reader.columns().to_vec();
                Ok(Opened { reader: Box::new(reader), columns, schema: None })
            }
            Format::Parquet => {
                let reader = parquet::ParquetReader::new(self, progress)?;
                let schema = reader.schema();
                let columns = schema.fields().iter().map(|f| f.name().clone()).collect();
                Ok(Opened { reader: Box::new(reader), columns, schema: Some(schema) })
            }
        }
    }

    /// Its text, decompressed.
    fn text(&self, progress: Option<Arc<dyn Progress>>) -> Result<Box<dyn Read + Send>> {
        let unreadable = |source| ImportError::Unreadable { path: self.path.clone(), source };
        let file = Counted { file: File::open(&self.path).map_err(unreadable)?, progress };
        Ok(match self.compression {
            Compression::None => Box::new(file),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(READ_BYTES, file))),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(file).map_err(unreadable)?),
        })
    }
}

/// What text looks like.
fn sniff(start: &[u8]) -> Option<Format> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if text.starts_with(b"{") {
        return Some(Format::Ndjson);
    }
    let line = text.split(|&b| b == b'\n').next().unwrap_or_default();
    let printable = std::str::from_utf8(line).is_ok_and(|line| !line.trim_end().chars().any(|c| c.is_control() && c != '\t'));
    let has = |b: u8| line.contains(&b);
    match (printable, has(b','), has(b'\t')) {
        (true, true, _) => Some(Format::Csv { delimiter: b',' }),
        (true, false, true) => Some(Format::Csv { delimiter: b'\t' }),
        _ => None,
    }
}

/// Tells how much of a file was read.
struct Counted {
    file: File,
    progress: Option<Arc<dyn Progress>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        if let Some(progress) = &self.progress {
            progress.advance(n as u64);
        }
        Ok(n)
    }
}
