//! One file of a binding, read: its rows that are events, in the lake's columns.
//!
//! A row is an event if it has a user id, a name and a time that can be, and its time lies in its partition's span, slack included.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::{filter, prep_null_mask_filter};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;
use segment_core::binding::{ColumnPath, EventName, NULL_PARTITION};
use segment_core::catalog::Column;

use super::columns::{self, Misfit, Needed};
use super::{BoundEvents, BoundFile, Inner};
use crate::error::{Result, StoreError};
use crate::lake::blocking::{Failure, LakeReader};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Which rows are wanted, by the columns `event` and `ts` of the lake; NULL is not.
pub type Keep = Arc<dyn Fn(&RecordBatch) -> arrow::error::Result<BooleanArray> + Send + Sync>;

/// A file whose footer was read. Cheap to clone.
#[derive(Clone)]
pub struct OpenBound {
    inner: Arc<Inner>,
    file: BoundFile,
    footer: ArrowReaderMetadata,
}

impl std::fmt::Debug for OpenBound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenBound").field("file", &self.file).finish_non_exhaustive()
    }
}

impl OpenBound {
    pub(super) fn new(inner: &Arc<Inner>, file: &BoundFile) -> Result<Self> {
        let footer = match inner.footers.get(file) {
            Some(footer) => footer,
            None => {
                let reader = open(inner, file)?;
                let failure = reader.failure();
                // What Arrow wrote besides says how it held the columns, not what is in them.
                let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
                let footer = ArrowReaderMetadata::load(&reader, options).map_err(|e| unreadable(file, &failure, e))?;
                inner.footers.insert(file, footer.clone());
                footer
            }
        };
        let open = Self { inner: inner.clone(), file: file.clone(), footer };
        open.check()?;
        Ok(open)
    }

    /// The file.
    pub(super) fn file(&self) -> &BoundFile {
        &self.file
    }

    /// The columns of the file, as Arrow has them.
    pub(super) fn schema(&self) -> &Schema {
        self.footer.schema()
    }

    /// The footer.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.footer.metadata()
    }

    /// Compressed bytes of what is read for some columns of [`BoundEvents::schema`].
    pub fn bytes(&self, wanted: &[&str]) -> u64 {
        let leaves = self.leaves(wanted);
        let groups = self.metadata().row_groups();
        groups.iter().flat_map(|g| leaves.iter().filter_map(|i| g.columns().get(*i))).map(|c| c.compressed_size().unsigned_abs()).sum()
    }

    /// Its events, with some columns of [`BoundEvents::schema`], in its order; of those that are kept.
    ///
    /// # Errors
    ///
    /// As [`BoundEvents::open`], here or from the iterator, which ends then.
    pub fn rows(&self, wanted: &[&str], keep: Option<Keep>) -> Result<BoundRows> {
        self.inner.noted(self.reading(wanted, keep))
    }

    fn reading(&self, wanted: &[&str], keep: Option<Keep>) -> Result<BoundRows> {
        let reader = open(&self.inner, &self.file)?;
        let failure = reader.failure();
        let mask = ProjectionMask::leaves(self.metadata().file_metadata().schema_descr(), self.leaves(wanted));
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(reader, self.footer.clone());
        let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        let batches = batches.map_err(|e| unreadable(&self.file, &failure, e))?;
        let fields: Vec<_> = wanted.iter().filter_map(|name| self.inner.schema.field_with_name(name).ok().cloned()).collect();
        Ok(BoundRows { schema: Arc::new(Schema::new(fields)), batches, failure, keep, file: Some(self.clone()) })
    }

    /// The paths in the file that some of the lake's columns come from; those of users, names and times always.
    fn paths(&self, wanted: &[&str]) -> Vec<&ColumnPath> {
        let table = &self.inner.table;
        let mut out = vec![&table.user_id, &table.ts.column];
        if let EventName::Column(path) = &table.event {
            out.push(path);
        }
        out.extend(table.message_id.iter().filter(|_| wanted.contains(&"message_id")));
        for (name, path) in &table.properties {
            let field = self.inner.catalog.properties.get(name);
            if field.is_some_and(|f| f.columns.iter().any(|c| wanted.contains(&c.name.as_str()))) {
                out.push(path);
            }
        }
        out
    }

    fn leaves(&self, wanted: &[&str]) -> BTreeSet<usize> {
        let schema = self.metadata().file_metadata().schema_descr();
        let paths = self.paths(wanted);
        let read = |leaf: &usize| paths.iter().any(|path| schema.column(*leaf).path().parts().starts_with(path));
        (0..schema.num_columns()).filter(read).collect()
    }

    /// Tries every column of the binding on no rows, so that one of another type is found before any row is read.
    fn check(&self) -> Result<()> {
        let nothing = RecordBatch::new_empty(self.footer.schema().clone());
        let wanted: Vec<&str> = self.inner.schema.fields().iter().map(|f| f.name().as_str()).collect();
        self.event_columns(&nothing)?;
        self.others(&nothing, &wanted, None).map(|_| ())
    }

    /// The column at a path; `None` where the file has none.
    fn column(&self, batch: &RecordBatch, path: &ColumnPath) -> std::result::Result<Option<ArrayRef>, Misfit> {
        let Some((first, rest)) = path.split_first() else { return Ok(None) };
        let partition = self.inner.table.partitions.iter().position(|p| p.column == *first).filter(|_| rest.is_empty());
        if let Some(value) = partition.and_then(|i| self.file.partition.get(i)) {
            let value = Some(value.as_str()).filter(|v| *v != NULL_PARTITION);
            return Ok(Some(Arc::new(StringArray::from(vec![value; batch.num_rows()]))));
        }
        match batch.column_by_name(first) {
            None => Ok(None),
            Some(array) => columns::at(array, rest),
        }
    }

    /// The column at a path by its conversion; NULLs where the file has none.
    fn converted<A: Array + Clone + 'static>(
        &self,
        batch: &RecordBatch,
        path: &ColumnPath,
        none: &DataType,
        convert: impl Fn(&ArrayRef) -> std::result::Result<A, Needed>,
    ) -> Result<A> {
        let misfit = |m: Misfit| self.misfit(path, m);
        match self.column(batch, path).map_err(misfit)? {
            Some(array) => {
                convert(&array).map_err(|needed| misfit(Misfit { path: Vec::new(), found: array.data_type().to_string(), needed }))
            }
            None => {
                let nulls = new_null_array(none, batch.num_rows());
                nulls.as_any().downcast_ref::<A>().cloned().ok_or_else(|| StoreError::corrupt_plain("a column of NULLs has another type"))
            }
        }
    }

    /// `event`, `user_id` and `ts`, with NULL where a row has none.
    fn event_columns(&self, batch: &RecordBatch) -> Result<[ArrayRef; 3]> {
        let table = &self.inner.table;
        let event: ArrayRef = match &table.event {
            EventName::Constant(name) => Arc::new(StringArray::from(vec![name.as_str(); batch.num_rows()])),
            EventName::Column(path) => Arc::new(self.converted(batch, path, &DataType::Utf8, columns::names)?),
        };
        let user_id = self.converted(batch, &table.user_id, &DataType::Utf8, columns::user_ids)?;
        let timestamp = crate::lake::schema::timestamp();
        let ts = self.converted(batch, &table.ts.column, &timestamp, |a| columns::times(a, table.ts.form, &self.inner.time_zone))?;
        Ok([event, Arc::new(user_id), Arc::new(ts)])
    }

    /// The other columns that are wanted, by name; of the rows that are kept.
    fn others(&self, batch: &RecordBatch, wanted: &[&str], kept: Option<&BooleanArray>) -> Result<Vec<(&str, ArrayRef)>> {
        let kept_of = |array: ArrayRef| match kept {
            None => Ok(array),
            Some(kept) => filter(&array, kept).map_err(|e| StoreError::corrupt("rows cannot be left out", e)),
        };
        let rows = kept.map_or(batch.num_rows(), BooleanArray::true_count);
        let mut out: Vec<(&str, ArrayRef)> = Vec::new();
        if wanted.contains(&"message_id") {
            let none = || StringArray::from(vec![""; rows]);
            let ids = match &self.inner.table.message_id {
                None => none(),
                Some(path) => {
                    let ids = self.converted(batch, path, &DataType::Utf8, columns::id)?;
                    let ids = kept_of(Arc::new(ids))?;
                    arrow::array::AsArray::as_string::<i32>(&ids).iter().map(|id| Some(id.unwrap_or_default())).collect()
                }
            };
            out.push(("message_id", Arc::new(ids)));
        }
        for (name, field) in &self.inner.catalog.properties {
            if !field.columns.iter().any(|c| wanted.contains(&c.name.as_str())) {
                continue;
            }
            let path = self.inner.table.properties.get(name);
            let misfit = |m: Misfit| self.misfit(path.unwrap_or(&Vec::new()), m);
            let array = path.map(|path| self.column(batch, path)).transpose().map_err(misfit)?.flatten();
            let array = array.map(kept_of).transpose()?;
            let arrays = columns::property(&field.ty, &field.columns, array.as_ref(), rows, &self.inner.zone).map_err(misfit)?;
            let names = field.columns.iter().flat_map(Column::with_before).map(|c| c.name.as_str());
            out.extend(names.zip(arrays).filter(|(name, _)| wanted.contains(name)));
        }
        Ok(out)
    }

    fn misfit(&self, path: &ColumnPath, misfit: Misfit) -> StoreError {
        let column = path.iter().chain(&misfit.path).cloned().collect::<Vec<_>>().join(".");
        StoreError::corrupt_plain(format!(
            "column \"{column}\" of {} is {}, and the catalog's binding needs {} there",
            self.file.place, misfit.found, misfit.needed
        ))
    }

    /// Which rows are events that are wanted; and the columns that say so.
    fn events(&self, batch: &RecordBatch, keep: Option<&Keep>) -> Result<([ArrayRef; 3], BooleanArray)> {
        let known = self.event_columns(batch)?;
        let ts = arrow::array::AsArray::as_primitive::<arrow::datatypes::TimestampMicrosecondType>(&known[2]);
        let inside = |row: usize| self.file.times.is_none_or(|times| times.contains(ts.value(row)));
        let event = |row: usize| known.iter().all(|column| column.is_valid(row)) && inside(row);
        let mut kept: BooleanArray = (0..batch.num_rows()).map(|row| Some(event(row))).collect();
        if let Some(keep) = keep {
            let schema = &self.inner.schema;
            let seen = ["event", "ts"].iter().filter_map(|n| schema.field_with_name(n).ok().cloned().map(|f| f.with_nullable(true)));
            let seen = Arc::new(Schema::new(seen.collect::<Vec<_>>()));
            let failed = |e| StoreError::corrupt("a condition on events cannot be evaluated", e);
            let batch = RecordBatch::try_new(seen, vec![known[0].clone(), known[2].clone()]).map_err(failed)?;
            let wanted = keep(&batch).map_err(failed)?;
            kept = arrow::compute::and(&kept, &wanted).map_err(failed)?;
        }
        // What is not known to be wanted is not.
        Ok((known, if kept.null_count() > 0 { prep_null_mask_filter(&kept) } else { kept }))
    }
}

fn open(inner: &Inner, file: &BoundFile) -> Result<LakeReader> {
    LakeReader::open(&file.place, file.size_bytes, inner.objects.as_ref())
}

fn unreadable(file: &BoundFile, failure: &Failure, error: impl Into<crate::error::Source>) -> StoreError {
    failure.take().unwrap_or_else(|| StoreError::corrupt(format!("cannot read {}: it is no whole Parquet file", file.place), error))
}

/// The rows of a file. Blocks.
pub struct BoundRows {
    schema: SchemaRef,
    batches: ParquetRecordBatchReader,
    failure: Failure,
    keep: Option<Keep>,
    /// `None` after an error.
    file: Option<OpenBound>,
}

impl std::fmt::Debug for BoundRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundRows").field("file", &self.file).finish_non_exhaustive()
    }
}

impl BoundRows {
    fn batch(&self, file: &OpenBound, batch: &RecordBatch) -> Result<RecordBatch> {
        let (known, kept) = file.events(batch, self.keep.as_ref())?;
        let failed = |e| StoreError::corrupt(format!("the rows of {} make no batch", file.file.place), e);
        let known: Vec<ArrayRef> = known.iter().map(|a| filter(a, &kept)).collect::<arrow::error::Result<_>>().map_err(failed)?;
        let wanted: Vec<&str> = self.schema.fields().iter().map(|f| f.name().as_str()).collect();
        let others = file.others(batch, &wanted, Some(&kept))?;
        let mut named: Vec<(&str, ArrayRef)> = ["event", "user_id", "ts"].into_iter().zip(known).collect();
        named.extend(others);
        let find = |name: &&str| named.iter().find(|(n, _)| n == name).map(|(_, array)| array.clone());
        let arrays: Vec<ArrayRef> = wanted.iter().filter_map(find).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(kept.true_count()));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(failed)
    }
}

impl Iterator for BoundRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let file = self.file.take()?;
        let out = match self.batches.next()? {
            Ok(batch) => self.batch(&file, &batch),
            Err(e) => Err(unreadable(&file.file, &self.failure, e)),
        };
        let out = file.inner.noted(out);
        self.file = out.is_ok().then_some(file);
        Some(out)
    }
}

impl BoundEvents {
    /// The rows of a file, opened on the spot.
    ///
    /// # Errors
    ///
    /// As [`BoundEvents::open`].
    pub fn rows(&self, file: &BoundFile, wanted: &[&str]) -> Result<BoundRows> {
        self.open(file)?.rows(wanted, None)
    }
}
