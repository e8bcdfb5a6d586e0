//! Text in chunks of whole lines.

use std::io::Read;
use std::path::PathBuf;

use super::{Chunk, Reader};
use crate::error::{ImportError, Result};
use crate::limits::{CHUNK_BYTES, ROW_BYTES_MAX};

/// Cuts text where lines end.
pub(crate) struct LineReader {
    path: PathBuf,
    text: Box<dyn Read + Send>,
    /// The beginning of a line whose end was not read yet.
    rest: Vec<u8>,
    next_line: u64,
    ended: bool,
}

impl LineReader {
    pub(crate) fn new(path: PathBuf, text: Box<dyn Read + Send>) -> Self {
        Self { path, text, rest: Vec::new(), next_line: 1, ended: false }
    }

    /// Fills a buffer to the size of a chunk, or to the end of the text.
    fn fill(&mut self, buffer: &mut Vec<u8>) -> Result<()> {
        let wanted = CHUNK_BYTES as u64;
        let read = self.text.by_ref().take(wanted).read_to_end(buffer);
        let read = read.map_err(|e| ImportError::input_from(&self.path, format!("cannot read on after line {}", self.next_line), e))?;
        self.ended = (read as u64) < wanted;
        Ok(())
    }
}

impl Reader for LineReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        let mut buffer = std::mem::take(&mut self.rest);
        buffer.reserve(CHUNK_BYTES + 1);
        while !self.ended {
            let searched = buffer.len();
            self.fill(&mut buffer)?;
            let fresh = buffer.get(searched..).unwrap_or_default();
            let end = fresh.iter().rposition(|&b| b == b'\n').map(|i| searched + i + 1);
            if let Some(end) = end {
                self.rest = buffer.split_off(end);
                break;
            }
            if buffer.len() > ROW_BYTES_MAX {
                return Err(ImportError::input(&self.path, format!("line {} is longer than {} MiB", self.next_line, ROW_BYTES_MAX >> 20)));
            }
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        let first_line = self.next_line;
        self.next_line += buffer.iter().filter(|&&b| b == b'\n').count() as u64;
        Ok(Some(Chunk::Lines { text: buffer, first_line }))
    }
}
