//! Reading back what identifies events, for de-duplication.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::error::{Attempt, Result, StoreError};

/// Rows of a batch.
const BATCH_ROWS: usize = 65_536;

/// Batches of some columns of the events table, in files' order. Blocking: it reads local files as it goes.
pub struct KeyBatches {
    files: VecDeque<PathBuf>,
    columns: &'static [&'static str],
    reader: Option<ParquetRecordBatchReader>,
}

impl KeyBatches {
    /// Reads these columns, in this order, of files that have them.
    pub(crate) fn new(files: impl IntoIterator<Item = PathBuf>, columns: &'static [&'static str]) -> Self {
        Self { files: files.into_iter().collect(), columns, reader: None }
    }

    fn open(&self, path: &Path) -> Result<ParquetRecordBatchReader> {
        let file = File::open(path).map_err(|e| StoreError::io("open", path, e))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).attempt(&format!("read {}", path.display()))?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), self.columns.iter().copied());
        builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().attempt(&format!("read {}", path.display()))
    }

    fn arrange(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let indices = self
            .columns
            .iter()
            .map(|name| batch.schema_ref().index_of(name))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|e| StoreError::corrupt("a file of the lake lacks a column", e))?;
        batch.project(&indices).attempt("read events")
    }
}

impl Iterator for KeyBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(reader) = &mut self.reader {
                match reader.next() {
                    Some(batch) => return Some(batch.attempt("read events").and_then(|b| self.arrange(&b))),
                    None => self.reader = None,
                }
            }
            let path = self.files.pop_front()?;
            match self.open(&path) {
                Ok(reader) => self.reader = Some(reader),
                Err(e) => return Some(Err(e)),
            }
        }
    }
}
