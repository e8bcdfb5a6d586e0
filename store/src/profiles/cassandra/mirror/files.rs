//! A mirror's files: the users of a range of numbers each, sorted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{concat_batches, filter_record_batch, sort_to_indices, take_record_batch};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use segment_core::catalog::Catalog;
use uuid::Uuid;

use super::super::table::Stored;
use crate::error::{Attempt, Result, StoreError};
use crate::lake::file_writer::{close_file, properties};
use crate::profiles::batch::{ProfileBatch, ProfileRow};
use crate::profiles::chunk::CHUNK_BITS;
use crate::profiles::{ProfileFile, profiles_schema};

/// Users of a row group.
const ROW_GROUP_ROWS: usize = 1 << 17;
/// Users written at a time, so that a row group never grows far beyond its size.
const WRITE_ROWS: usize = 1 << 14;
/// Users of a chunk that are held before they are written to its heap.
const HELD_ROWS: usize = 1024;

/// Appends what is stored of a user.
pub(super) fn append(batch: &mut ProfileBatch, stored: &Stored) -> Result<()> {
    batch.append(&ProfileRow {
        user_no: stored.user_no,
        user_id: &stored.user_id,
        first_seen_at: stored.first_seen_at,
        last_seen_at: stored.last_seen_at,
        values: stored.attributes.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        raw: stored.raw.iter().map(|(name, json)| (name.clone(), json.as_str())).collect(),
    })
}

/// Users in the order they come, by chunk, on disk.
pub(super) struct Heaps {
    folder: PathBuf,
    catalog: Arc<Catalog>,
    heaps: BTreeMap<u64, Heap>,
}

struct Heap {
    held: ProfileBatch,
    file: StreamWriter<BufWriter<File>>,
}

impl Heaps {
    /// Heaps in a folder of their own, which is emptied first.
    pub(super) fn new(folder: &Path, catalog: &Arc<Catalog>) -> Result<Self> {
        crate::meta::remove(folder)?;
        std::fs::create_dir_all(folder).map_err(|e| StoreError::io("make", folder, e))?;
        Ok(Self { folder: folder.to_owned(), catalog: catalog.clone(), heaps: BTreeMap::new() })
    }

    /// Adds a page.
    pub(super) fn add(&mut self, page: &[Stored]) -> Result<()> {
        for stored in page {
            let chunk = stored.user_no >> CHUNK_BITS;
            let heap = match self.heaps.entry(chunk) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Heap::new(&self.folder, chunk, &self.catalog)?),
            };
            append(&mut heap.held, stored)?;
            if heap.held.rows() == HELD_ROWS {
                heap.flush(&self.catalog)?;
            }
        }
        Ok(())
    }

    /// Sorts each chunk into a file.
    pub(super) fn finish(mut self, to: &Path) -> Result<Vec<ProfileFile>> {
        let schema = profiles_schema(&self.catalog);
        let mut out = Vec::with_capacity(self.heaps.len());
        while let Some((chunk, mut heap)) = self.heaps.pop_first() {
            heap.flush(&self.catalog)?;
            heap.file.finish().attempt("write a heap of profiles")?;
            drop(heap);
            let path = heap_path(&self.folder, chunk);
            let file = File::open(&path).map_err(|e| StoreError::io("open", &path, e))?;
            let batches = StreamReader::try_new(BufReader::new(file), None).attempt("read a heap of profiles")?;
            let batches = batches.collect::<std::result::Result<Vec<_>, _>>().attempt("read a heap of profiles")?;
            out.extend(write(to, chunk, &schema, &batches)?);
            drop(batches);
            crate::meta::remove(&path)?;
        }
        crate::meta::remove(&self.folder)?;
        Ok(out)
    }
}

impl Heap {
    fn new(folder: &Path, chunk: u64, catalog: &Catalog) -> Result<Self> {
        let path = heap_path(folder, chunk);
        let file = File::create_new(&path).map_err(|e| StoreError::io("make", &path, e))?;
        let file = StreamWriter::try_new(BufWriter::new(file), &profiles_schema(catalog)).attempt("write a heap of profiles")?;
        Ok(Self { held: ProfileBatch::new(catalog), file })
    }

    fn flush(&mut self, catalog: &Catalog) -> Result<()> {
        if self.held.rows() > 0 {
            self.file.write(&self.held.finish(catalog)?).attempt("write a heap of profiles")?;
        }
        Ok(())
    }
}

fn heap_path(folder: &Path, chunk: u64) -> PathBuf {
    folder.join(format!("{chunk:06}.arrows"))
}

/// The file of a chunk with some users left out and others put in; `None` if nobody is left.
pub(super) fn rewrite(
    old: Option<&ProfileFile>,
    left_out: &[u64],
    put_in: RecordBatch,
    schema: &SchemaRef,
    folder: &Path,
    chunk: u64,
) -> Result<Option<ProfileFile>> {
    let mut batches = Vec::new();
    if let Some(old) = old {
        let file = File::open(&old.path).map_err(|e| StoreError::io("open", &old.path, e))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).attempt("read a mirror's file")?;
        for batch in reader.build().attempt("read a mirror's file")? {
            let batch = conform(&batch.attempt("read a mirror's file")?, schema)?;
            let numbers = batch.column(0).as_primitive::<Int64Type>();
            let stays: BooleanArray = numbers.values().iter().map(|n| Some(left_out.binary_search(&n.cast_unsigned()).is_err())).collect();
            batches.push(filter_record_batch(&batch, &stays).attempt("rewrite a mirror's file")?);
        }
    }
    batches.push(put_in);
    write(folder, chunk, schema, &batches)
}

/// A batch in the columns of a later catalog.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let column = |name: &str, ty| batch.column_by_name(name).cloned().unwrap_or_else(|| new_null_array(ty, batch.num_rows()));
    let columns = schema.fields().iter().map(|f| column(f.name(), f.data_type())).collect();
    RecordBatch::try_new(schema.clone(), columns).attempt("read a mirror's file")
}

/// Sorts and writes a chunk.
fn write(folder: &Path, chunk: u64, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Option<ProfileFile>> {
    let all = concat_batches(schema, batches).attempt("sort profiles")?;
    let order = sort_to_indices(all.column(0), None, None).attempt("sort profiles")?;
    let numbers = all.column(0).as_primitive::<Int64Type>();
    let number = |at: usize| order.values().get(at).map(|&row| numbers.value(row as usize).cast_unsigned());
    let (Some(min), Some(max)) = (number(0), number(order.len().saturating_sub(1))) else { return Ok(None) };
    let path = folder.join(format!("{chunk:06}-{}.parquet", Uuid::new_v4().simple()));
    let file = File::create_new(&path).map_err(|e| StoreError::io("make", &path, e))?;
    let settings = properties(schema, &["user_no"])?.set_max_row_group_row_count(Some(ROW_GROUP_ROWS)).build();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(settings)).attempt("write profiles")?;
    for from in (0..order.len()).step_by(WRITE_ROWS) {
        let part = order.slice(from, WRITE_ROWS.min(order.len() - from));
        writer.write(&take_record_batch(&all, &part).attempt("sort profiles")?).attempt("write profiles")?;
    }
    let (_, size_bytes) = close_file(&mut writer, &path)?;
    Ok(Some(ProfileFile { path, rows: order.len() as u64, size_bytes, user_no_min: min, user_no_max: max }))
}
