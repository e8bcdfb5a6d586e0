//! Rows of the profiles' columnar form, gathered into batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow::record_batch::RecordBatch;
use segment_core::catalog::{Catalog, Scope};
use segment_core::value::Value;

use super::profiles_schema;
use crate::columns::{ColumnsBuilder, raw_object};
use crate::error::{Attempt, Result, StoreError};
use crate::lake::schema::LAKE_TIMEZONE;

/// A user's row.
pub(crate) struct ProfileRow<'r> {
    pub(crate) user_no: u64,
    pub(crate) user_id: &'r str,
    /// Null: has always existed.
    pub(crate) first_seen_at: Option<i64>,
    pub(crate) last_seen_at: Option<i64>,
    /// Attributes with a value. Those that the catalog does not know are passed over.
    pub(crate) values: BTreeMap<&'r str, &'r Value>,
    /// Values that did not convert, as JSON text.
    pub(crate) raw: BTreeMap<String, &'r str>,
}

/// Rows in the columns of [`profiles_schema`].
pub(crate) struct ProfileBatch {
    numbers: Int64Builder,
    ids: StringBuilder,
    first: TimestampMicrosecondBuilder,
    last: TimestampMicrosecondBuilder,
    extra: StringBuilder,
    columns: ColumnsBuilder,
    rows: usize,
}

impl ProfileBatch {
    /// None yet.
    pub(crate) fn new(catalog: &Catalog) -> Self {
        Self {
            numbers: Int64Builder::new(),
            ids: StringBuilder::new(),
            first: TimestampMicrosecondBuilder::new().with_timezone(LAKE_TIMEZONE),
            last: TimestampMicrosecondBuilder::new().with_timezone(LAKE_TIMEZONE),
            extra: StringBuilder::new(),
            columns: ColumnsBuilder::new(catalog, Scope::Attribute),
            rows: 0,
        }
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a row.
    ///
    /// # Errors
    ///
    /// `Invalid` if the catalog has no column for a part of a value. The batch is of no use then.
    pub(crate) fn append(&mut self, row: &ProfileRow<'_>) -> Result<()> {
        let number = i64::try_from(row.user_no).map_err(|e| StoreError::corrupt("a user's number is too large", e))?;
        self.numbers.append_value(number);
        self.ids.append_value(row.user_id);
        self.first.append_option(row.first_seen_at);
        self.last.append_option(row.last_seen_at);
        self.columns.append(|name| row.values.get(name).copied())?;
        self.extra.append_option(raw_object(&row.raw)?);
        self.rows += 1;
        Ok(())
    }

    /// The rows so far, starting anew.
    pub(crate) fn finish(&mut self, catalog: &Catalog) -> Result<RecordBatch> {
        self.rows = 0;
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(self.numbers.finish()),
            Arc::new(self.ids.finish()),
            Arc::new(self.first.finish()),
            Arc::new(self.last.finish()),
            Arc::new(self.extra.finish()),
        ];
        arrays.extend(self.columns.finish());
        RecordBatch::try_new(profiles_schema(catalog), arrays).attempt("arrange profiles")
    }
}
