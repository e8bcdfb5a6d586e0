//! Writing what is made as Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::events::{self, DAYS, Events};
use crate::{Result, Size, users};

/// Rows of a batch.
pub const BATCH_ROWS: u64 = 1 << 15;
/// Rows of a row group; no more than one is in memory for a file being written.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// Writes one file; `unique` names columns whose values do not repeat. The rows written.
pub fn write(path: &Path, schema: SchemaRef, unique: &[&str], batches: impl Iterator<Item = Result<RecordBatch>>) -> Result<u64> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
    for column in unique {
        // Random digits neither repeat nor compress to any use.
        let path = ColumnPath::from(*column);
        properties = properties.set_column_dictionary_enabled(path.clone(), false).set_column_compression(path, Compression::UNCOMPRESSED);
    }
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema, Some(properties.build()))?;
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    writer.close()?;
    Ok(rows)
}

/// The file of users in a folder.
pub fn users_file(folder: &Path) -> PathBuf {
    folder.join("users.parquet")
}

/// The file of a day's events in a folder; days count from 0.
pub fn events_file(folder: &Path, day: u32) -> PathBuf {
    folder.join(format!("events-{day:02}.parquet"))
}

/// Writes a file of users and a file of events for each day, each thread taking the next day; the events written. Makes the folder.
pub fn write_all(folder: &Path, size: Size, threads: usize) -> Result<u64> {
    std::fs::create_dir_all(folder)?;
    write(&users_file(folder), users::schema(), &["user_id"], users::batches(size, BATCH_ROWS))?;
    let (events, next) = (Events::new(size), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let work = || -> Result<u64> {
            let mut written = 0;
            loop {
                let day = next.fetch_add(1, Ordering::Relaxed);
                if day >= DAYS {
                    return Ok(written);
                }
                let batches = events.batches(day, BATCH_ROWS);
                written += write(&events_file(folder, day), events::schema(), &["user_id", "message_id"], batches)?;
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|w| w.join().map_err(|_| "a thread of the generator panicked")?).sum()
    })
}
