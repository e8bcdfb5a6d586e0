//! Rows that other engines deleted: Iceberg's position delete files, read and applied.
//!
//! In: data files, each with the delete files that may hold rows of it. Out: for each, the runs of positions that are gone. Deliberately
//! absent: equality deletes and the deletion vectors of Iceberg's third version, which planning reports as unsupported.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use roaring::RoaringTreemap;

use super::objects::Objects;
use super::snapshot::FilePlace;
use crate::error::{Attempt, Result, StoreError};

/// Bytes of a delete file; it is read whole.
pub const DELETE_FILE_BYTES_MAX: u64 = 256 << 20;
/// Runs of deleted rows that a plan may have, 16 bytes each.
pub const RUNS_MAX: usize = 4 << 20;
/// Runs that are remembered from one plan to the next.
pub const RUNS_KEPT: usize = 4 << 20;

/// The deleted rows of a data file. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Positions from the file's beginning: runs that are apart and ascend.
    runs: Arc<[Range<u64>]>,
}

impl Deleted {
    fn of(positions: &RoaringTreemap) -> Self {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for position in positions {
            match runs.last_mut().filter(|run| run.end == position) {
                Some(run) => run.end += 1,
                None => runs.push(position..position + 1),
            }
        }
        Self { runs: runs.into() }
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many.
    pub fn rows(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    /// Which of the `rows` rows from position `start` are left; `None` if all are.
    pub fn selection(&self, start: u64, rows: u64) -> Option<RowSelection> {
        let end = start + rows;
        let first = self.runs.partition_point(|run| run.end <= start);
        let mut selectors = Vec::new();
        let (mut at, mut add) = (start, |select: bool, count: u64| {
            if let Some(row_count) = usize::try_from(count).ok().filter(|n| *n > 0) {
                selectors.push(if select { RowSelector::select(row_count) } else { RowSelector::skip(row_count) });
            }
        });
        let mut any = false;
        for run in self.runs.iter().skip(first).take_while(|run| run.start < end) {
            let run = run.start.max(start)..run.end.min(end);
            add(true, run.start - at);
            add(false, run.end - run.start);
            (at, any) = (run.end, true);
        }
        add(true, end - at);
        any.then(|| RowSelection::from(selectors))
    }
}

/// A data file's URI, and its delete files' URIs with their sizes.
pub(crate) type Wanted = BTreeMap<String, BTreeMap<String, u64>>;

/// What is remembered of one data file.
fn key(data: &str, deletes: &BTreeMap<String, u64>) -> String {
    let mut key = data.to_owned();
    for delete in deletes.keys() {
        key.push('\n');
        key.push_str(delete);
    }
    key
}

/// The deleted rows of each data file.
///
/// # Errors
///
/// `Invalid` if there are too many to hold, saying how a table is compacted.
pub(crate) async fn deleted(wanted: Wanted, objects: Option<&Arc<Objects>>) -> Result<HashMap<String, Deleted>> {
    let mut out = HashMap::new();
    let mut files: BTreeMap<String, (u64, BTreeSet<String>)> = BTreeMap::new();
    for (data, deletes) in &wanted {
        let known = objects.and_then(|o| o.deleted.lock().unwrap_or_else(PoisonError::into_inner).get(&key(data, deletes)).cloned());
        if let Some(known) = known {
            out.insert(data.clone(), known);
            continue;
        }
        for (delete, size_bytes) in deletes {
            files.entry(delete.clone()).or_insert_with(|| (*size_bytes, BTreeSet::new())).1.insert(data.clone());
        }
    }
    let mut positions: HashMap<String, RoaringTreemap> = HashMap::new();
    for (delete, (size_bytes, data)) in files {
        if size_bytes > DELETE_FILE_BYTES_MAX {
            return Err(too_many(&format!("{delete} has {size_bytes} bytes")));
        }
        let bytes = fetch(&delete, objects).await?;
        let read = tokio::task::spawn_blocking(move || read(&delete, bytes, &data)).await.attempt("read delete files")??;
        for (data, rows) in read {
            *positions.entry(data).or_default() |= rows;
        }
    }
    for (data, deletes) in wanted {
        if out.contains_key(&data) {
            continue;
        }
        let found = positions.remove(&data).map(|rows| Deleted::of(&rows)).unwrap_or_default();
        if let Some(objects) = objects {
            remember(objects, key(&data, &deletes), &found);
        }
        out.insert(data, found);
    }
    let runs: usize = out.values().map(|d| d.runs.len()).sum();
    if runs > RUNS_MAX {
        return Err(too_many(&format!("the events have {runs} runs of deleted rows")));
    }
    Ok(out)
}

fn too_many(what: &str) -> StoreError {
    StoreError::Invalid(format!("{what}, more than can be applied: compact the table, in Trino by ALTER TABLE … EXECUTE optimize"))
}

fn remember(objects: &Objects, key: String, found: &Deleted) {
    let mut known = objects.deleted.lock().unwrap_or_else(PoisonError::into_inner);
    if known.values().map(|d| d.runs.len() + 1).sum::<usize>() + found.runs.len() >= RUNS_KEPT {
        known.clear();
    }
    known.insert(key, found.clone());
}

async fn fetch(delete: &str, objects: Option<&Arc<Objects>>) -> Result<Bytes> {
    let what = || format!("read the delete file {delete}");
    match (FilePlace::of(delete), objects) {
        (FilePlace::Local(path), _) => tokio::fs::read(&path).await.map(Bytes::from).map_err(|e| StoreError::io("read", &path, e)),
        (FilePlace::Object(uri), Some(objects)) => {
            let (store, path) = objects.at(&uri)?;
            store.get(&path).await.attempt(&what())?.bytes().await.attempt(&what())
        }
        (FilePlace::Object(uri), None) => Err(StoreError::Invalid(format!("{uri} is on S3, and this lake is local"))),
    }
}

/// The positions that a delete file has of some data files.
fn read(delete: &str, bytes: Bytes, data: &BTreeSet<String>) -> Result<HashMap<String, RoaringTreemap>> {
    let what = format!("read the delete file {delete}");
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).attempt(&what)?.build().attempt(&what)?;
    let mut out: HashMap<String, RoaringTreemap> = HashMap::new();
    for batch in reader {
        let batch = batch.attempt(&what)?;
        let paths = batch.column_by_name("file_path").and_then(|c| c.as_string_opt::<i32>());
        let rows = batch.column_by_name("pos").and_then(|c| c.as_primitive_opt::<Int64Type>());
        let (Some(paths), Some(rows)) = (paths, rows) else {
            return Err(StoreError::corrupt_plain(format!("{delete} has no columns file_path and pos")));
        };
        if paths.null_count() + rows.null_count() > 0 {
            return Err(StoreError::corrupt_plain(format!("{delete} has rows without a file or a position")));
        }
        // Rows of one file follow each other, so it is looked up once a run.
        let mut at = 0;
        while at < batch.num_rows() {
            let path = paths.value(at);
            let end = (at + 1..batch.num_rows()).find(|i| paths.value(*i) != path).unwrap_or(batch.num_rows());
            if data.contains(path) {
                let found = out.entry(path.to_owned()).or_default();
                for row in &rows.values()[at..end] {
                    found.insert(u64::try_from(*row).map_err(|e| StoreError::corrupt(format!("{delete} has a negative position"), e))?);
                }
            }
            at = end;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(deleted: &[u64], start: u64, rows: u64) -> Option<Vec<u64>> {
        let selection = Deleted::of(&deleted.iter().copied().collect()).selection(start, rows)?;
        let (mut at, mut out) = (start, Vec::new());
        for selector in selection.iter() {
            let end = at + selector.row_count as u64;
            if !selector.skip {
                out.extend(at..end);
            }
            at = end;
        }
        assert_eq!(at, start + rows, "every row is kept or skipped");
        Some(out)
    }

    #[test]
    fn what_is_left() {
        assert_eq!(kept(&[], 0, 5), None);
        assert_eq!(kept(&[7, 4], 0, 4), None);
        assert_eq!(kept(&[0, 1, 4, 5, 9], 0, 10), Some(vec![2, 3, 6, 7, 8]));
        assert_eq!(kept(&[0, 1, 4, 5, 9], 1, 4), Some(vec![2, 3]));
        assert_eq!(kept(&[0, 1, 4, 5, 9], 5, 3), Some(vec![6, 7]));
        assert_eq!(kept(&[0, 1, 2], 0, 3), Some(Vec::new()));
        assert_eq!(Deleted::of(&[3, 4, 5, 9].into_iter().collect()).rows(), 4);
    }
}
