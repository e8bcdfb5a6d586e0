//! The columns of the profiles' columnar form.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use segment_core::catalog::{Catalog, Scope};

use crate::lake::schema::{column_field, timestamp};

/// The Arrow schema of profiles.
///
/// # Shape
///
/// In this order: `user_no` (Int64, not null), `user_id` (Utf8, not null), `first_seen_at` (timestamp; null: has always
/// existed), `last_seen_at` (timestamp; null: no events), `extra` (Utf8: a JSON object of unconvertible values, by attribute), then
/// one nullable column for each of `Catalog::columns(Scope::Attribute)`, in that order. Types as in [`crate::events_schema`].
pub fn profiles_schema(catalog: &Catalog) -> SchemaRef {
    let mut fields = vec![
        Field::new("user_no", DataType::Int64, false),
        Field::new("user_id", DataType::Utf8, false),
        Field::new("first_seen_at", timestamp(), true),
        Field::new("last_seen_at", timestamp(), true),
        Field::new("extra", DataType::Utf8, true),
    ];
    fields.extend(catalog.columns(Scope::Attribute).into_iter().map(column_field));
    Arc::new(Schema::new(fields))
}
