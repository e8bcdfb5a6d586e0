//! The members of a segment, sorted by the bytes of their ids.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::failure::Failure;

/// Rows of a batch written.
const BATCH_ROWS: usize = 1 << 16;

/// A failed write; of an error of the output itself, what that says.
fn broken(error: ParquetError) -> Failure {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => (*io).into(),
            Err(other) => Failure::Broken(other.to_string()),
        },
        other => Failure::Broken(other.to_string()),
    }
}

/// Sorted ids: the batches as they came, and an order over them. Eight bytes a member besides the ids themselves.
pub(crate) struct Members {
    batches: Vec<StringArray>,
    order: Vec<(u32, u32)>,
}

impl Members {
    pub(crate) fn sorted(batches: Vec<StringArray>) -> Self {
        let mut order = Vec::with_capacity(batches.iter().map(Array::len).sum());
        for (b, batch) in batches.iter().enumerate() {
            order.extend((0..batch.len()).map(|row| (b as u32, row as u32)));
        }
        let id = |at: &(u32, u32)| batches.get(at.0 as usize).map_or("", |b| b.value(at.1 as usize));
        order.sort_unstable_by(|a, b| id(a).cmp(id(b)));
        Self { batches, order }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.order.iter().filter_map(|(batch, row)| self.batches.get(*batch as usize).map(|b| b.value(*row as usize)))
    }

    /// A Parquet file with the column `user_id`, not null.
    pub(crate) fn write_parquet(&self, mut out: impl Write + Send) -> Result<(), Failure> {
        let schema = Arc::new(Schema::new(vec![Field::new("user_id", DataType::Utf8, false)]));
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let mut writer = ArrowWriter::try_new(&mut out, schema.clone(), Some(properties)).map_err(broken)?;
        let mut ids = self.iter().peekable();
        while ids.peek().is_some() {
            let mut builder = StringBuilder::new();
            for id in ids.by_ref().take(BATCH_ROWS) {
                builder.append_value(id);
            }
            let column: ArrayRef = Arc::new(builder.finish());
            let batch = RecordBatch::try_new(schema.clone(), vec![column]).map_err(|e| Failure::Broken(e.to_string()))?;
            writer.write(&batch).map_err(broken)?;
        }
        writer.close().map_err(broken)?;
        Ok(out.flush()?)
    }
}
