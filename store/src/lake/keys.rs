//! Reading back what identifies events, for de-duplication.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::error::{Attempt, Result, StoreError};
use crate::lake::blocking::LakeReader;
use crate::lake::objects::Objects;
use crate::lake::snapshot::DataFileInfo;

/// Rows of a batch.
const BATCH_ROWS: usize = 65_536;

/// Batches of some columns of the events table, in files' order. Blocking: it reads files as it goes.
pub struct KeyBatches {
    files: VecDeque<DataFileInfo>,
    objects: Option<Arc<Objects>>,
    columns: &'static [&'static str],
    reader: Option<ParquetRecordBatchReader>,
}

impl KeyBatches {
    /// Reads these columns, in this order, of files that have them.
    pub(crate) fn new(files: Vec<DataFileInfo>, objects: Option<Arc<Objects>>, columns: &'static [&'static str]) -> Self {
        Self { files: files.into(), objects, columns, reader: None }
    }

    fn open(&self, file: &DataFileInfo) -> Result<ParquetRecordBatchReader> {
        let reader = LakeReader::open(&file.place, file.size_bytes, self.objects.as_ref())?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(reader).attempt(&format!("read {}", file.place))?;
        let builder = match file.deleted.selection(0, file.rows) {
            Some(selection) => builder.with_row_selection(selection),
            None => builder,
        };
        let mask = ProjectionMask::columns(builder.parquet_schema(), self.columns.iter().copied());
        builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().attempt(&format!("read {}", file.place))
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
            let file = self.files.pop_front()?;
            match self.open(&file) {
                Ok(reader) => self.reader = Some(reader),
                Err(e) => return Some(Err(e)),
            }
        }
    }
}
