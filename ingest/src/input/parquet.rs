//! Parquet in record batches, and batches as tables.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use segment_core::json::Json;
use segment_core::time::Zone;

use super::{Chunk, Input, Reader};
use crate::cell::{self, Cell};
use crate::error::{ImportError, Result};
use crate::hash;
use crate::limits::CHUNK_ROWS;
use crate::rejects::{Fault, Reason};
use crate::request::Progress;
use crate::rows::columns::Column;
use crate::rows::paths::{self, FieldPath};
use crate::rows::plan::Made;
use crate::rows::table::Table;

/// Reads batches.
pub(crate) struct ParquetReader {
    input: Input,
    reader: ParquetRecordBatchReader,
    next_row: u64,
    rows: u64,
    progress: Option<Arc<dyn Progress>>,
}

impl ParquetReader {
    pub(crate) fn new(input: &Input, progress: Option<Arc<dyn Progress>>) -> Result<Self> {
        let file = File::open(&input.path).map_err(|source| ImportError::Unreadable { path: input.path.clone(), source })?;
        let failed = |e| ImportError::input_from(&input.path, "this is no Parquet file that can be read", e);
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let reader = builder.with_batch_size(CHUNK_ROWS).build().map_err(failed)?;
        Ok(Self { input: input.clone(), reader, next_row: 1, rows, progress })
    }

    /// The Arrow schema of its batches.
    pub(crate) fn schema(&self) -> arrow::datatypes::SchemaRef {
        use arrow::record_batch::RecordBatchReader;
        self.reader.schema()
    }
}

impl Reader for ParquetReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let message = || format!("cannot read on after row {}", self.next_row - 1);
        let batch = batch.map_err(|e| ImportError::input_from(&self.input.path, message(), e))?;
        let first_row = self.next_row;
        self.next_row += batch.num_rows() as u64;
        if let Some(progress) = &self.progress {
            let done = |row: u64| (u128::from(self.input.bytes) * u128::from(row) / u128::from(self.rows.max(1))) as u64;
            progress.advance(done(self.next_row - 1) - done(first_row - 1));
        }
        Ok(Some(Chunk::Batch { batch, first_row }))
    }
}

/// A batch, ready to be read by row.
pub(crate) struct BatchTable {
    names: Vec<String>,
    columns: Vec<Column>,
    /// Columns without what was taken out of them, by their place.
    cut: BTreeMap<usize, Column>,
    /// What was taken out.
    taken: Vec<Column>,
    faults: Vec<(usize, usize, Reason)>,
    rows: usize,
    first_row: u64,
    made: Made,
}

impl BatchTable {
    /// Reads a batch. Fields at `paths` are columns behind the others, and no longer in theirs.
    pub(crate) fn new(
        batch: &RecordBatch,
        first_row: u64,
        zone: &Zone,
        made: Made,
        paths: &[FieldPath],
    ) -> std::result::Result<Self, ArrowError> {
        let schema = batch.schema();
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (array, field) in batch.columns().iter().zip(schema.fields()) {
            let column = Column::new(array, zone);
            columns.push(column.map_err(|e| ArrowError::CastError(format!("column \"{}\" ({}): {e}", field.name(), field.data_type())))?);
        }
        let faults = columns.iter().enumerate().flat_map(|(i, c)| c.faults().iter().map(move |(row, reason)| (*row, i, *reason)));
        let mut faults: Vec<_> = faults.collect();
        faults.sort_unstable();
        let names = schema.fields().iter().map(|f| f.name().clone()).collect();
        let mut inside: BTreeMap<usize, Vec<&[usize]>> = BTreeMap::new();
        for (first, rest) in paths.iter().filter_map(|path| path.split_first()) {
            inside.entry(*first).or_default().push(rest);
        }
        let mut cut = BTreeMap::new();
        for (at, fields) in inside {
            cut.insert(at, Column::new(&paths::without(batch, at, &fields)?, zone)?);
        }
        let taken = paths.iter().map(|path| Column::new(&paths::taken(batch, path)?, zone)).collect::<std::result::Result<_, _>>()?;
        Ok(Self { names, columns, cut, taken, faults, rows: batch.num_rows(), first_row, made })
    }

    /// The columns that make up a row's content.
    fn own(&self) -> impl Iterator<Item = (usize, &Column)> {
        let own = |(i, _): &(usize, &Column)| self.names.get(*i).is_some_and(|name| !self.made.is_about_row(name));
        self.columns.iter().enumerate().filter(own)
    }
}

impl Table for BatchTable {
    fn rows(&self) -> usize {
        self.rows
    }

    fn cell(&self, column: usize, row: usize) -> Option<Cell<'_>> {
        let column = match column.checked_sub(self.columns.len()) {
            Some(behind) => self.taken.get(behind),
            None => self.cut.get(&column).or_else(|| self.columns.get(column)),
        };
        column.map(|c| c.cell(row, self.made.is_csv()))
    }

    fn fault(&self, row: usize) -> Option<Fault> {
        let at = self.faults.partition_point(|(r, _, _)| *r < row);
        let (_, column, reason) = self.faults.get(at).filter(|(r, _, _)| *r == row)?;
        let message = match reason {
            Reason::NotUtf8 => "the text is not UTF-8",
            Reason::IntegerOverflow => "an integer of more than 64 bits",
            _ => "the time is not within the years 1 to 9999",
        };
        Some(Fault::field(*reason, self.names.get(*column)?, message))
    }

    fn line(&self, row: usize) -> u64 {
        self.position(row)
    }

    fn position(&self, row: usize) -> u64 {
        self.first_row + row as u64
    }

    fn raw(&self, row: usize) -> String {
        let members =
            self.own().filter_map(|(i, column)| Some((self.names.get(i)?.clone(), column.cell(row, self.made.is_csv()).to_json())));
        Json::Object(members.collect()).to_text()
    }

    fn content(&self, row: usize, seed: u64) -> u128 {
        let mut bytes = Vec::new();
        for (i, column) in self.own() {
            cell::put(&mut bytes, i as u32, column.cell(row, self.made.is_csv()));
        }
        hash::content(&bytes, seed)
    }
}
