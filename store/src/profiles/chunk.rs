//! Writing one file of the columnar form: the users of a range of numbers, a chunk or its end.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;
use redb::{ReadableTable, WriteTransaction};
use segment_core::catalog::Catalog;
use uuid::Uuid;

use super::batch::{ProfileBatch, ProfileRow};
use super::embedded::{NAMES, PROFILES, SEEN};
use super::row::{Row, first_seen_at};
use super::{AttributeWrite, ProfileFile, profiles_schema};
use crate::error::{Attempt, Result, StoreError};
use crate::lake::file_writer::{ROW_GROUP_BYTES_MAX, close_file, properties};

/// A chunk is the users whose numbers share all but this many low bits.
pub(crate) const CHUNK_BITS: u32 = 18;
/// Users of a row group.
const ROW_GROUP_ROWS: usize = 1 << 17;
/// Users of a batch, and bytes of stored rows after which it ends.
const BATCH_ROWS: usize = 1 << 15;
const BATCH_BYTES: usize = 32 << 20;

/// The numbers of a chunk.
pub(crate) fn range(chunk: u64) -> Range<u64> {
    (chunk << CHUNK_BITS)..((chunk + 1) << CHUNK_BITS)
}

/// Refuses a value that the catalog has no attribute for, which the columns would drop.
fn check_known(catalog: &Catalog, row: &Row) -> Result<()> {
    for (name, facts) in &row.attributes {
        if matches!(facts.said(), AttributeWrite::Value(_)) && !catalog.attributes.contains_key(name) {
            return Err(StoreError::Invalid(format!("attribute \"{name}\" has values, and the catalog does not know it")));
        }
    }
    Ok(())
}

fn profile_row<'r>(number: u64, id: &'r str, row: Option<&'r Row>, seen: Option<(i64, i64)>) -> ProfileRow<'r> {
    let attributes = || row.into_iter().flat_map(|r| &r.attributes);
    let values = attributes().filter_map(|(name, facts)| match facts.said() {
        AttributeWrite::Value(value) => Some((name.as_str(), value)),
        AttributeWrite::Entries(_) | AttributeWrite::Raw(_) | AttributeWrite::Null => None,
    });
    let raw = attributes().filter_map(|(name, facts)| match facts.said() {
        AttributeWrite::Raw(json) => Some((name.clone(), json.as_str())),
        AttributeWrite::Value(_) | AttributeWrite::Entries(_) | AttributeWrite::Null => None,
    });
    let (first_seen_at, last_seen_at) = (first_seen_at(row, seen.map(|s| s.0)), seen.map(|s| s.1));
    ProfileRow { user_no: number, user_id: id, first_seen_at, last_seen_at, values: values.collect(), raw: raw.collect() }
}

/// Writes the users of a range within a chunk to a new file, whose path goes into `written`; `None` if nobody is in it.
pub(crate) fn write(
    transaction: &WriteTransaction,
    folder: &Path,
    range: Range<u64>,
    catalog: &Catalog,
    written: &mut Vec<PathBuf>,
) -> Result<Option<ProfileFile>> {
    let path = folder.join(format!("{:06}-{}.parquet", range.start >> CHUNK_BITS, Uuid::new_v4().simple()));
    written.push(path.clone());
    let file = File::create_new(&path).map_err(|e| StoreError::io("make", &path, e))?;
    let schema = profiles_schema(catalog);
    let settings = properties(&schema, &["user_no"])?.set_max_row_group_row_count(Some(ROW_GROUP_ROWS)).build();
    let mut writer = ArrowWriter::try_new(file, schema, Some(settings)).attempt("write profiles")?;
    let mut batch = ProfileBatch::new(catalog);
    let (mut rows, mut min, mut max, mut bytes) = (0, u64::MAX, 0, 0);

    let names = transaction.open_table(NAMES).attempt("read profiles")?;
    let profiles = transaction.open_table(PROFILES).attempt("read profiles")?;
    let seen = transaction.open_table(SEEN).attempt("read profiles")?;
    let mut profiles = profiles.range(range.clone()).attempt("read profiles")?.peekable();
    let mut seen = seen.range(range.clone()).attempt("read profiles")?.peekable();
    for entry in names.range(range).attempt("read profiles")? {
        let (number, id) = entry.attempt("read profiles")?;
        let number = number.value();
        let row = match profiles.next_if(|p| p.as_ref().is_ok_and(|(k, _)| k.value() == number) || p.is_err()) {
            Some(entry) => {
                let stored = entry.attempt("read profiles")?.1;
                bytes += stored.value().len();
                Some(Row::decode(stored.value())?)
            }
            None => None,
        };
        let span = match seen.next_if(|s| s.as_ref().is_ok_and(|(k, _)| k.value() == number) || s.is_err()) {
            Some(entry) => Some(entry.attempt("read profiles")?.1.value()),
            None => None,
        };
        if row.is_none() && span.is_none() {
            continue;
        }
        if let Some(row) = &row {
            check_known(catalog, row)?;
        }
        batch.append(&profile_row(number, id.value(), row.as_ref(), span))?;
        (rows, min, max) = (rows + 1, min.min(number), max.max(number));
        if batch.rows() == BATCH_ROWS || bytes >= BATCH_BYTES {
            bytes = 0;
            writer.write(&batch.finish(catalog)?).attempt("write profiles")?;
            if writer.in_progress_size() >= ROW_GROUP_BYTES_MAX {
                writer.flush().attempt("write profiles")?;
            }
        }
    }
    if rows == 0 {
        drop(writer);
        std::fs::remove_file(&path).map_err(|e| StoreError::io("remove", &path, e))?;
        return Ok(None);
    }
    writer.write(&batch.finish(catalog)?).attempt("write profiles")?;
    let (_, size_bytes) = close_file(&mut writer, &path)?;
    Ok(Some(ProfileFile { path, rows, size_bytes, user_no_min: min, user_no_max: max }))
}
