//! Writing what is made as Parquet files.

use std::fs::File;
use std::path::Path;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::Result;

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
