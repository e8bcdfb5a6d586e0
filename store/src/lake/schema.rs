//! The columns of the lake's tables, for Arrow and for Iceberg.
//!
//! In: the catalog, which names and types the property columns. Out: schemas that agree with each other by name.
//! Invariant: every column is added once and never renamed, so a name means one field id for ever.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use iceberg::spec::{
    ListType, NestedField, NestedFieldRef, NullOrder, PrimitiveType, Schema as IcebergSchema, SortDirection, SortField, SortOrder,
    Transform, Type, UnboundPartitionSpec,
};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use segment_core::catalog::{Catalog, Column, ColumnKind, Scope};

use crate::error::{Attempt, Result, StoreError};

/// The zone of every timestamp column's Arrow type.
pub const LAKE_TIMEZONE: &str = "+00:00";
/// The name of a list's elements.
pub(crate) const ELEMENT: &str = "element";
/// The name of the partition field.
const PARTITION: &str = "ts_day";

/// The Arrow type of timestamps.
pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(LAKE_TIMEZONE.into()))
}

/// The columns every events table has: name, Arrow type, whether it may be null.
fn fixed() -> [(&'static str, DataType, bool); 9] {
    [
        ("event", DataType::Utf8, false),
        ("user_no", DataType::Int64, false),
        ("user_id", DataType::Utf8, false),
        ("ts", timestamp(), false),
        ("message_id", DataType::Utf8, false),
        ("received_at", timestamp(), false),
        ("log_shard", DataType::Int32, true),
        ("log_offset", DataType::Int64, true),
        ("extra", DataType::Utf8, true),
    ]
}

/// The Arrow field of a stored column, always nullable.
pub(crate) fn column_field(column: &Column) -> Field {
    let ty = match column.kind {
        ColumnKind::String | ColumnKind::Json => DataType::Utf8,
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Number => DataType::Float64,
        ColumnKind::Boolean | ColumnKind::Presence => DataType::Boolean,
        ColumnKind::Timestamp => timestamp(),
        ColumnKind::Date => DataType::Date32,
        ColumnKind::Strings => DataType::List(Arc::new(Field::new(ELEMENT, DataType::Utf8, true))),
    };
    Field::new(&column.name, ty, true)
}

/// The Arrow schema of events.
///
/// # Shape
///
/// In this order: `event` (Utf8, not null), `user_no` (Int64, not null), `user_id` (Utf8, not null), `ts` (timestamp,
/// not null), `message_id` (Utf8, not null), `received_at` (timestamp, not null), `log_shard` (Int32, nullable),
/// `log_offset` (Int64, nullable), `extra` (Utf8, nullable: a JSON object of undeclared or unconvertible values), then one
/// nullable column for each of `Catalog::columns(Scope::Property)`, in that order. Timestamps are
/// `Timestamp(Microsecond, "+00:00")`; `Strings` columns are `List(Field("element", Utf8, nullable))`, `Date` is Date32,
/// `Presence` Boolean, `Json` Utf8.
pub fn events_schema(catalog: &Catalog) -> SchemaRef {
    let mut fields: Vec<Field> = fixed().into_iter().map(|(name, ty, nullable)| Field::new(name, ty, nullable)).collect();
    fields.extend(catalog.columns(Scope::Property).into_iter().map(column_field));
    Arc::new(Schema::new(fields))
}

/// The Arrow schema of a list's table.
pub(crate) fn list_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("user_id", DataType::Utf8, false)]))
}

/// The Iceberg type of an Arrow type used here. The id inside is a placeholder where Iceberg assigns ids.
pub(crate) fn iceberg_type(ty: &DataType, element_id: i32) -> Result<Type> {
    Ok(match ty {
        DataType::Utf8 => Type::Primitive(PrimitiveType::String),
        DataType::Int32 => Type::Primitive(PrimitiveType::Int),
        DataType::Int64 => Type::Primitive(PrimitiveType::Long),
        DataType::Float64 => Type::Primitive(PrimitiveType::Double),
        DataType::Boolean => Type::Primitive(PrimitiveType::Boolean),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Type::Primitive(PrimitiveType::Timestamptz),
        DataType::Date32 => Type::Primitive(PrimitiveType::Date),
        DataType::List(element) => Type::List(ListType {
            element_field: Arc::new(NestedField::list_element(
                element_id,
                iceberg_type(element.data_type(), element_id)?,
                !element.is_nullable(),
            )),
        }),
        other => return Err(StoreError::Invalid(format!("the lake has no columns of type {other}"))),
    })
}

/// The Iceberg schema of a new table with these columns, numbered as Iceberg does: columns from 1, then the elements of lists.
pub(crate) fn iceberg_schema(schema: &Schema) -> Result<IcebergSchema> {
    let mut element_id = i32::try_from(schema.fields().len()).map_err(|e| StoreError::Invalid(format!("too many columns: {e}")))?;
    let fields = schema
        .fields()
        .iter()
        .zip(1..)
        .map(|(field, id)| {
            element_id += i32::from(!is_scalar(field.data_type()));
            let ty = iceberg_type(field.data_type(), element_id)?;
            Ok(NestedFieldRef::new(NestedField::new(id, field.name(), ty, !field.is_nullable())))
        })
        .collect::<Result<Vec<_>>>()?;
    IcebergSchema::builder().with_fields(fields).build().attempt("make a schema of the lake")
}

fn is_scalar(ty: &DataType) -> bool {
    !matches!(ty, DataType::List(_))
}

/// The mapping of columns' names to field ids, as Iceberg's specification writes it, for files without ids.
pub(crate) fn name_mapping(schema: &IcebergSchema) -> Result<String> {
    let fields = schema.as_struct().fields().iter().map(|field| match field.field_type.as_ref() {
        Type::List(list) => serde_json::json!({
            "field-id": field.id, "names": [field.name], "fields": [{"field-id": list.element_field.id, "names": [ELEMENT]}]
        }),
        _ => serde_json::json!({"field-id": field.id, "names": [field.name]}),
    });
    serde_json::to_string(&fields.collect::<Vec<_>>()).attempt("name a table's columns")
}

/// The Iceberg schema of a new events table.
pub(crate) fn events_base_schema() -> Result<IcebergSchema> {
    iceberg_schema(&Schema::new(fixed().into_iter().map(|(name, ty, nullable)| Field::new(name, ty, nullable)).collect::<Vec<_>>()))
}

/// Events are partitioned by the UTC day of `ts`.
pub(crate) fn events_partition(schema: &IcebergSchema) -> Result<UnboundPartitionSpec> {
    let builder = UnboundPartitionSpec::builder().add_partition_field(field_id(schema, "ts")?, PARTITION, Transform::Day);
    Ok(builder.attempt("partition a table of the lake")?.build())
}

/// A sort order by these columns, ascending.
pub(crate) fn sort_order(schema: &IcebergSchema, columns: &[&str]) -> Result<SortOrder> {
    let mut builder = SortOrder::builder();
    builder.with_order_id(1);
    for column in columns {
        builder.with_sort_field(
            SortField::builder()
                .source_id(field_id(schema, column)?)
                .transform(Transform::Identity)
                .direction(SortDirection::Ascending)
                .null_order(NullOrder::First)
                .build(),
        );
    }
    builder.build(schema).attempt("sort a table of the lake")
}

/// The id of a top-level field.
pub(crate) fn field_id(schema: &IcebergSchema, name: &str) -> Result<i32> {
    schema.field_id_by_name(name).ok_or_else(|| StoreError::corrupt_plain(format!("the lake's table has no column {name}")))
}

/// The same Arrow schema with the Iceberg field ids that Parquet files carry.
pub(crate) fn with_field_ids(schema: &Schema, iceberg: &IcebergSchema) -> Result<Schema> {
    let tag = |field: &Field, id: i32| field.clone().with_metadata(HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]));
    let fields = schema
        .fields()
        .iter()
        .map(|field| {
            let stored = iceberg
                .field_by_name(field.name())
                .ok_or_else(|| StoreError::corrupt_plain(format!("the lake's table has no column {}", field.name())))?;
            let ty = match (field.data_type(), stored.field_type.as_ref()) {
                (DataType::List(element), Type::List(list)) => DataType::List(Arc::new(tag(element, list.element_field.id))),
                (ty, _) => ty.clone(),
            };
            Ok(tag(&field.as_ref().clone().with_data_type(ty), stored.id))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Schema::new(fields))
}
