//! Values into stored columns, for events' properties and profiles' attributes alike.
//!
//! In: a catalog, and values by name. Out: one Arrow array for each of the catalog's columns, in the order of
//! `Catalog::columns`. Each leaf of a value goes into the column of its path whose kind is the value's own; so a value from before
//! a widening goes into the narrower column. Invariant: a value is stored whole or refused, never in part.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field};
use segment_core::catalog::{Catalog, Column, ColumnKind, Scope};
use segment_core::value::Value;

use crate::error::{Result, StoreError};
use crate::lake::schema::{ELEMENT, LAKE_TIMEZONE};

/// Builds the stored columns of one half of a catalog, row by row.
pub struct ColumnsBuilder {
    fields: Vec<FieldBuilder>,
}

struct FieldBuilder {
    name: String,
    columns: Vec<ColumnBuilder>,
}

struct ColumnBuilder {
    path: Vec<String>,
    array: ArrayBuilder,
}

enum ArrayBuilder {
    String(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Strings(ListBuilder<StringBuilder>),
    Presence(BooleanBuilder),
    Json(StringBuilder),
}

impl ColumnsBuilder {
    /// Builders for every column of one half of the catalog.
    pub fn new(catalog: &Catalog, scope: Scope) -> Self {
        let fields = catalog
            .fields(scope)
            .iter()
            .map(|(name, field)| {
                let columns = field.columns.iter().flat_map(Column::with_before).map(ColumnBuilder::new).collect();
                FieldBuilder { name: name.clone(), columns }
            })
            .collect();
        Self { fields }
    }

    /// Appends a row: the value of each attribute or property, by name; `None` where it is missing.
    ///
    /// # Errors
    ///
    /// `Invalid`, naming the field, if the catalog has no column for a part of its value. The builder is of no use then.
    pub fn append<'v>(&mut self, value: impl Fn(&str) -> Option<&'v Value>) -> Result<()> {
        for field in &mut self.fields {
            let value = value(&field.name);
            let mut stored = 0;
            for column in &mut field.columns {
                let leaf = value.and_then(|v| at(v, &column.path));
                stored += usize::from(column.array.append(leaf)?);
            }
            if stored != value.map_or(0, leaves) {
                return Err(StoreError::Invalid(format!("the catalog has no column for a part of a value of \"{}\"", field.name)));
            }
        }
        Ok(())
    }

    /// The arrays of the rows so far, starting anew.
    pub fn finish(&mut self) -> Vec<ArrayRef> {
        self.fields.iter_mut().flat_map(|f| &mut f.columns).map(|c| c.array.finish()).collect()
    }
}

/// The value at a path below another.
pub(crate) fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Object(fields) => fields.get(name),
        _ => None,
    })
}

/// In how many columns a value is stored.
pub(crate) fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(leaves).sum::<usize>(),
        _ => 1,
    }
}

impl ColumnBuilder {
    fn new(column: &Column) -> Self {
        let array = match column.kind {
            ColumnKind::String => ArrayBuilder::String(StringBuilder::new()),
            ColumnKind::Integer => ArrayBuilder::Integer(Int64Builder::new()),
            ColumnKind::Number => ArrayBuilder::Number(Float64Builder::new()),
            ColumnKind::Boolean => ArrayBuilder::Boolean(BooleanBuilder::new()),
            ColumnKind::Timestamp => ArrayBuilder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone(LAKE_TIMEZONE)),
            ColumnKind::Date => ArrayBuilder::Date(Date32Builder::new()),
            ColumnKind::Strings => {
                let element = Field::new(ELEMENT, DataType::Utf8, true);
                ArrayBuilder::Strings(ListBuilder::new(StringBuilder::new()).with_field(Arc::new(element)))
            }
            ColumnKind::Presence => ArrayBuilder::Presence(BooleanBuilder::new()),
            ColumnKind::Json => ArrayBuilder::Json(StringBuilder::new()),
        };
        Self { path: column.path.clone(), array }
    }
}

impl ArrayBuilder {
    /// Appends the value if the column is for its kind, else null; whether it did.
    fn append(&mut self, value: Option<&Value>) -> Result<bool> {
        match (&mut *self, value) {
            (Self::String(b), Some(Value::String(v))) => b.append_value(v),
            (Self::Integer(b), Some(Value::Integer(v))) => b.append_value(*v),
            (Self::Number(b), Some(Value::Number(v))) => b.append_value(*v),
            (Self::Boolean(b), Some(Value::Boolean(v))) => b.append_value(*v),
            (Self::Timestamp(b), Some(Value::Timestamp(v))) => b.append_value(*v),
            (Self::Date(b), Some(Value::Date(v))) => b.append_value(*v),
            (Self::Strings(b), Some(Value::Strings(items))) => {
                for item in items {
                    b.values().append_value(item);
                }
                b.append(true);
            }
            (Self::Presence(b), Some(Value::Object(_))) => b.append_value(true),
            (Self::Json(b), Some(value @ (Value::Objects(_) | Value::Map(_)))) => b.append_value(json_text(value)?),
            (other, _) => {
                other.append_null();
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn append_null(&mut self) {
        match self {
            Self::String(b) | Self::Json(b) => b.append_null(),
            Self::Integer(b) => b.append_null(),
            Self::Number(b) => b.append_null(),
            Self::Boolean(b) | Self::Presence(b) => b.append_null(),
            Self::Timestamp(b) => b.append_null(),
            Self::Date(b) => b.append_null(),
            Self::Strings(b) => b.append(false),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::String(b) | Self::Json(b) => Arc::new(b.finish()),
            Self::Integer(b) => Arc::new(b.finish()),
            Self::Number(b) => Arc::new(b.finish()),
            Self::Boolean(b) | Self::Presence(b) => Arc::new(b.finish()),
            Self::Timestamp(b) => Arc::new(b.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::Strings(b) => Arc::new(b.finish()),
        }
    }
}

/// Canonical JSON of a list of objects or a map.
fn json_text(value: &Value) -> Result<String> {
    Ok(segment_core::convert::to_json(value))
}

/// A JSON object of JSON texts by name, `None` for none.
pub(crate) fn raw_object(raw: &BTreeMap<String, &str>) -> Result<Option<String>> {
    if raw.is_empty() {
        return Ok(None);
    }
    let mut object = BTreeMap::new();
    for (name, text) in raw {
        let value = serde_json::value::RawValue::from_string((*text).to_owned())
            .map_err(|e| StoreError::corrupt(format!("the unconverted value of \"{name}\" is not JSON"), e))?;
        object.insert(name, value);
    }
    serde_json::to_string(&object).map(Some).map_err(|e| StoreError::corrupt("unconverted values have no JSON", e))
}
