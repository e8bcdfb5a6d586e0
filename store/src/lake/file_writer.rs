//! Writing files of events.
//!
//! In: the events of one UTC day in the files' order. Out: Parquet files whose row groups end where an event name ends, so that a
//! query on one event reads its rows and (nearly) no others. Names with few rows share a row group, whole; a name with
//! very many has several. Invariants: at most one file open, and no more than one row group in memory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use iceberg::spec::{DataFile, SchemaRef as IcebergSchemaRef};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use crate::error::{Attempt, Result, StoreError};
use crate::lake::metrics::{Place, data_file};
use crate::lake::order::{Keys, Last, continues};
use crate::lake::schema::with_field_ids;
use crate::recent::RecentFile;

/// The most rows of a row group.
pub const ROW_GROUP_ROWS_MAX: usize = 1 << 20;
/// Encoded bytes at which a row group ends, whatever its rows.
pub const ROW_GROUP_BYTES_MAX: usize = 128 << 20;
/// A name with fewer rows shares its row group with its neighbours.
pub const ROW_GROUP_ROWS_MIN: usize = 2048;
/// A file ends with the row group that takes it past this.
pub const FILE_BYTES_MAX: usize = 512 << 20;
/// The most rows of a page.
pub const PAGE_ROWS_MAX: usize = 20_000;

/// Numbers that hardly repeat: packed by difference. Measured, nanoseconds a row to decode and bytes a row: 2 and 1 for `user_no`, 2 to
/// 4 and 5 for `ts`; plain and uncompressed takes the same time and 8 bytes, plain under Snappy several times the time.
const UNREPEATED_NUMBERS: [&str; 5] = ["user_no", "ts", "log_offset", "first_seen_at", "last_seen_at"];
/// Texts that hardly repeat: no dictionary.
const UNREPEATED_TEXTS: [&str; 2] = ["user_id", "message_id"];

/// The footer's key for the columns that the whole file is sorted by; Parquet's own field says so of each row group alone.
const SORTED_BY: &str = "muster.sorted_by";

/// Whether a file says that all of it is sorted by these columns: this crate wrote it. Other engines' files may be in any order.
pub fn declares_order(footer: &ParquetMetaData, columns: &[&str]) -> bool {
    let entries = footer.file_metadata().key_value_metadata().into_iter().flatten();
    let mut declared = entries.filter(|entry| entry.key == SORTED_BY).filter_map(|entry| entry.value.as_deref());
    declared.any(|by| by == columns.join(","))
}

/// The settings of every Parquet file of this crate, chosen for the speed of decoding: dictionaries for what repeats, and Snappy for
/// text alone (Trino reads no LZ4_RAW; ZSTD takes twice the time).
pub(crate) fn properties(schema: &Schema, sorted_by: &[&str]) -> Result<WriterPropertiesBuilder> {
    let mut sorting = Vec::new();
    for name in sorted_by {
        let index = schema.index_of(name).map_err(|e| StoreError::Invalid(e.to_string()))?;
        let column_idx = i32::try_from(index).map_err(|e| StoreError::Invalid(e.to_string()))?;
        sorting.push(SortingColumn { column_idx, descending: false, nulls_first: false });
    }
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .set_sorting_columns(Some(sorting))
        .set_key_value_metadata(Some(vec![KeyValue::new(SORTED_BY.to_owned(), sorted_by.join(","))]));
    for field in schema.fields() {
        let (name, path) = (field.name().as_str(), ColumnPath::from(field.name().as_str()));
        if field.data_type().is_primitive() {
            builder = builder.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
        }
        if UNREPEATED_NUMBERS.contains(&name) {
            builder = builder.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        } else if UNREPEATED_TEXTS.contains(&name) {
            builder = builder.set_column_dictionary_enabled(path, false);
        }
    }
    Ok(builder)
}

/// A finished file, to be handed to [`crate::Writer::add_event_files`].
#[derive(Debug, Clone)]
pub struct EventFile {
    pub(crate) path: PathBuf,
    pub(crate) day: i32,
    pub(crate) data_file: DataFile,
}

impl EventFile {
    /// Rows in it.
    pub fn rows(&self) -> u64 {
        self.data_file.record_count()
    }

    /// Bytes of it.
    pub fn size_bytes(&self) -> u64 {
        self.data_file.file_size_in_bytes()
    }

    /// The UTC day of its events.
    pub fn day(&self) -> i32 {
        self.day
    }

    /// As a state names it while it is not in the table.
    pub(crate) fn recent(&self) -> RecentFile {
        RecentFile { path: self.path.clone(), day: self.day, rows: self.rows(), size_bytes: self.size_bytes() }
    }
}

/// Where a writer puts its files.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The folder that files are written in.
    pub(crate) folder: PathBuf,
    /// The URI of the folder that readers find them in, which they are uploaded to if it is another.
    pub(crate) data: String,
    /// The import's id, the first part of file names.
    pub(crate) import: String,
    /// Numbers the import's files.
    pub(crate) counter: Arc<AtomicU32>,
    /// The table's schema.
    pub(crate) schema: IcebergSchemaRef,
    /// Its partition spec.
    pub(crate) spec_id: i32,
}

/// Writes the events of one UTC day as Parquet files. Blocking; owned and `Send`, so that threads may write several days.
/// Dropping it before [`finish`](Self::finish) removes what it wrote.
pub struct EventFileWriter {
    target: Target,
    schema: SchemaRef,
    parquet: SchemaDescriptor,
    properties: WriterProperties,
    day: i32,
    last: Option<Last>,
    open: Option<Open>,
    /// Rows of the present name that may still share a row group.
    held: Vec<RecordBatch>,
    held_rows: usize,
    /// Whether the present name has outgrown sharing.
    large: bool,
    files: Vec<EventFile>,
}

struct Open {
    path: PathBuf,
    writer: ArrowWriter<File>,
    group_rows: usize,
}

impl EventFileWriter {
    /// A writer of batches with a schema whose columns the table has.
    pub(crate) fn new(target: Target, schema: SchemaRef, day: i32) -> Result<Self> {
        let tagged = with_field_ids(&schema, &target.schema)?;
        let parquet = ArrowSchemaConverter::new().convert(&tagged).attempt("make a Parquet schema")?;
        Ok(Self {
            target,
            properties: properties(&schema, &["event", "user_no", "ts"])?.build(),
            schema,
            parquet,
            day,
            last: None,
            open: None,
            held: Vec::new(),
            held_rows: 0,
            large: false,
            files: Vec::new(),
        })
    }

    /// The schema of its batches: [`crate::events_schema`] of the catalog last given to [`crate::Writer::set_catalog`].
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Appends rows. All rows, over all calls, are of the file's day and ordered by `(event, user_no, ts, message_id)`.
    ///
    /// # Errors
    ///
    /// `Invalid` for another schema or day, nulls where there can be none, or events out of order.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())
            .map_err(|e| StoreError::Invalid(format!("a batch does not have the events' schema: {e}")))?;
        let mut same = continues(self.last.as_ref(), &batch)?;
        let runs = Keys::of(&batch)?.runs(self.day, &mut self.last)?;
        for (start, end) in runs {
            if !same {
                self.end_name()?;
            }
            same = false;
            self.add(batch.slice(start, end - start))?;
        }
        Ok(())
    }

    /// Ends the last file and syncs it. No files if no rows were written.
    pub fn finish(mut self) -> Result<Vec<EventFile>> {
        self.end_name()?;
        self.close()?;
        Ok(std::mem::take(&mut self.files))
    }

    /// Takes rows of the present name.
    fn add(&mut self, rows: RecordBatch) -> Result<()> {
        if self.large {
            return self.append(&rows);
        }
        self.held_rows += rows.num_rows();
        self.held.push(rows);
        if self.held_rows >= ROW_GROUP_ROWS_MIN {
            self.cut()?;
            self.large = true;
            self.append_held()?;
        }
        Ok(())
    }

    /// The present name has no more rows.
    fn end_name(&mut self) -> Result<()> {
        self.append_held()?;
        let rows = self.open.as_ref().map_or(0, |o| o.group_rows);
        if self.large || rows >= ROW_GROUP_ROWS_MIN {
            self.cut()?;
        }
        self.large = false;
        Ok(())
    }

    fn append_held(&mut self) -> Result<()> {
        self.held_rows = 0;
        for rows in std::mem::take(&mut self.held) {
            self.append(&rows)?;
        }
        Ok(())
    }

    /// Writes rows into the present row group, ending it when it is full.
    fn append(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut offset = 0;
        while offset < rows.num_rows() {
            let open = self.open()?;
            let take = (rows.num_rows() - offset).min(ROW_GROUP_ROWS_MAX - open.group_rows);
            open.writer.write(&rows.slice(offset, take)).attempt("write events")?;
            open.group_rows += take;
            offset += take;
            if open.group_rows == ROW_GROUP_ROWS_MAX || open.writer.in_progress_size() >= ROW_GROUP_BYTES_MAX {
                self.cut()?;
            }
        }
        Ok(())
    }

    /// Ends the row group, and the file if it is large.
    fn cut(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.group_rows > 0 {
            open.writer.flush().attempt("write events")?;
            open.group_rows = 0;
        }
        if open.writer.bytes_written() >= FILE_BYTES_MAX {
            self.close()?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<&mut Open> {
        if self.open.is_none() {
            let number = self.target.counter.fetch_add(1, Ordering::Relaxed);
            let path = self.target.folder.join(format!("{}-{}-{number:05}.parquet", self.target.import, day_name(self.day)));
            let file = File::create_new(&path).map_err(|e| StoreError::io("make", &path, e))?;
            let options = ArrowWriterOptions::new().with_properties(self.properties.clone()).with_parquet_schema(self.parquet.clone());
            let writer = ArrowWriter::try_new_with_options(file, self.schema.clone(), options).attempt("write events")?;
            self.open = Some(Open { path, writer, group_rows: 0 });
        }
        self.open.as_mut().ok_or_else(|| StoreError::corrupt_plain("no file is open"))
    }

    fn close(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let done = close_file(&mut open.writer, &open.path).and_then(|(footer, size_bytes)| {
            let place = Place { schema: &self.target.schema, spec_id: self.target.spec_id, day: Some(self.day) };
            let name = open.path.file_name().unwrap_or_default().to_string_lossy();
            data_file(format!("{}/{name}", self.target.data), size_bytes, &footer, &place)
        });
        match done {
            Ok(data_file) => {
                self.files.push(EventFile { path: open.path, day: self.day, data_file });
                Ok(())
            }
            Err(e) => {
                self.open = Some(open);
                Err(e)
            }
        }
    }
}

impl Drop for EventFileWriter {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next writer, which finds its import in no ledger.
        for path in self.files.drain(..).map(|f| f.path).chain(self.open.take().map(|o| o.path)) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Writes the footer and syncs; the footer and the file's size.
pub(crate) fn close_file(writer: &mut ArrowWriter<File>, path: &Path) -> Result<(parquet::file::metadata::ParquetMetaData, u64)> {
    let footer = writer.finish().attempt("end a Parquet file")?;
    let file = writer.inner();
    file.sync_all().map_err(|e| StoreError::io("sync", path, e))?;
    let size = file.metadata().map_err(|e| StoreError::io("read", path, e))?.len();
    Ok((footer, size))
}

/// A day as `2011-12-01`, for file names.
fn day_name(day: i32) -> String {
    arrow::temporal_conversions::date32_to_datetime(day).map_or_else(|| format!("day{day}"), |d| d.format("%Y-%m-%d").to_string())
}
