//! Keeping recent files few: merging those of a day, and moving them into the lake's table.
//!
//! In: the recent files that a state names. Out: fewer in their place, by the commit of whoever asks. Invariant: a row is in one file of a state.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::{Attempt, Result, StoreError};
use crate::recent::RecentFile;
use crate::writer::Writer;

/// Rows of recent files, all together, at which they go into the table. They are sorted in memory, a day at a time.
const SETTLE_ROWS: u64 = 500_000;
/// Recent files at which they do whatever their rows.
const SETTLE_FILES: usize = 1_024;
/// Files of one day that are merged into one.
const MERGE_FILES: usize = 16;
/// Files with more rows are not merged again before they go into the table.
const MERGE_ROWS_MAX: u64 = 50_000;
/// Rows of a batch.
const BATCH_ROWS: usize = 16_384;

impl Writer {
    /// Merges recent files, or moves them into the table, if there are many. What was written since the base is left for the next time.
    ///
    /// # Errors
    ///
    /// `Io` or `Unavailable` if a file cannot be read or written.
    pub fn tend_recent(&mut self) -> Result<()> {
        let recent = self.state.events.recent.clone();
        let settle = recent.len() > SETTLE_FILES || recent.iter().map(|f| f.rows).sum::<u64>() >= SETTLE_ROWS;
        let mut days: BTreeMap<i32, Vec<RecentFile>> = BTreeMap::new();
        for file in recent.into_iter().filter(|f| settle || f.rows <= MERGE_ROWS_MAX) {
            days.entry(file.day).or_default().push(file);
        }
        for (day, files) in days.into_iter().filter(|(_, files)| settle || files.len() >= MERGE_FILES) {
            self.rewrite_recent(day, files, settle)?;
        }
        Ok(())
    }

    fn rewrite_recent(&mut self, day: i32, files: Vec<RecentFile>, settle: bool) -> Result<()> {
        if settle {
            self.keep_settled()
        } else {
            self.keep_recent()
        }
        let out = self.event_file(day);
        self.keep_recent();
        let mut out = out?;
        let merged = sorted(&files, out.schema())?;
        for start in (0..merged.num_rows()).step_by(BATCH_ROWS) {
            out.write(&merged.slice(start, BATCH_ROWS.min(merged.num_rows() - start)))?;
        }
        self.add_event_files(out.finish()?);
        self.merged.extend(files.into_iter().map(|f| f.path));
        Ok(())
    }
}

/// The rows of files in the order of files.
fn sorted(files: &[RecentFile], schema: &SchemaRef) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    for file in files {
        let opened = File::open(&file.path).map_err(|e| StoreError::io("open", &file.path, e))?;
        let what = format!("read {}", file.path.display());
        let reader = ParquetRecordBatchReaderBuilder::try_new(opened).attempt(&what)?.with_batch_size(BATCH_ROWS).build().attempt(&what)?;
        for batch in reader {
            batches.push(conform(&batch.attempt(&what)?, schema)?);
        }
    }
    let all = concat_batches(schema, &batches).attempt("merge recent events")?;
    let key = |name: &str| all.column_by_name(name).cloned().map(|values| SortColumn { values, options: None });
    let keys: Option<Vec<SortColumn>> = ["event", "user_no", "ts", "message_id"].into_iter().map(key).collect();
    let keys = keys.ok_or_else(|| StoreError::corrupt_plain("a file of recent events lacks a column"))?;
    let order = lexsort_to_indices(&keys, None).attempt("sort recent events")?;
    take_record_batch(&all, &order).attempt("sort recent events")
}

/// A batch in the present columns: those that the catalog gained since are null.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let column =
        |name: &str, ty| -> ArrayRef { batch.column_by_name(name).cloned().unwrap_or_else(|| new_null_array(ty, batch.num_rows())) };
    let columns = schema.fields().iter().map(|f| column(f.name(), f.data_type())).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).attempt("merge recent events")
}
