//! Stored columns back into values.
//!
//! In: a batch and a catalog. Out: the value of each attribute or property in a row. An object is there where its presence column
//! is true; a column that is null gives way to the narrower one from before a widening.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use segment_core::catalog::{Catalog, Column, ColumnKind, Scope};
use segment_core::convert;
use segment_core::time::Zone;
use segment_core::types::Type;
use segment_core::value::Value;

use crate::error::{BackendError, ErrorKind, Result};

/// Reads the values of some fields out of a batch, row by row.
pub(super) struct Assembler<'a> {
    fields: Vec<(&'a str, Part<'a>)>,
    zone: &'a Zone,
}

/// A value's parts.
enum Part<'a> {
    Leaf(Stored<'a>),
    Object(Stored<'a>, Vec<(&'a str, Part<'a>)>),
}

/// A column in the batch; `None` where the file is older than the column.
struct Stored<'a> {
    kind: ColumnKind,
    ty: &'a Type,
    array: Option<ArrayRef>,
    before: Option<Box<Stored<'a>>>,
}

/// The stored columns of some fields, by name.
pub(super) fn columns<'a>(catalog: &'a Catalog, scope: Scope, names: &BTreeSet<String>) -> Vec<&'a str> {
    let mut out = Vec::new();
    for (_, field) in catalog.fields(scope).iter().filter(|(name, _)| names.contains(*name)) {
        for column in &field.columns {
            out.extend(column.with_before().map(|c| c.name.as_str()));
        }
    }
    out
}

impl<'a> Assembler<'a> {
    /// For a batch's rows.
    pub(super) fn new(catalog: &'a Catalog, scope: Scope, names: &BTreeSet<String>, zone: &'a Zone, batch: &RecordBatch) -> Result<Self> {
        let mut fields = Vec::new();
        for (name, field) in catalog.fields(scope).iter().filter(|(name, _)| names.contains(*name)) {
            fields.push((name.as_str(), part(&field.ty, &field.columns, &mut Vec::new(), batch)?));
        }
        Ok(Self { fields, zone })
    }

    /// The values of a row.
    pub(super) fn row(&self, row: usize) -> Result<BTreeMap<String, Value>> {
        values(&self.fields, row, self.zone)
    }
}

fn part<'a>(ty: &'a Type, columns: &'a [Column], path: &mut Vec<String>, batch: &RecordBatch) -> Result<Part<'a>> {
    let column = columns.iter().find(|c| c.path == *path);
    let column = column.ok_or_else(|| BackendError::internal(format!("the catalog has no column for the path {path:?}")))?;
    let stored = stored(column, ty, batch);
    let Type::Object(fields) = ty else {
        return Ok(Part::Leaf(stored));
    };
    let mut parts = Vec::new();
    for (name, ty) in fields {
        path.push(name.clone());
        parts.push((name.as_str(), part(ty, columns, path, batch)?));
        path.pop();
    }
    Ok(Part::Object(stored, parts))
}

fn stored<'a>(column: &Column, ty: &'a Type, batch: &RecordBatch) -> Stored<'a> {
    let before = column.before.as_deref().map(|b| Box::new(stored(b, ty, batch)));
    Stored { kind: column.kind, ty, array: batch.column_by_name(&column.name).cloned(), before }
}

fn values(parts: &[(&str, Part<'_>)], row: usize, zone: &Zone) -> Result<BTreeMap<String, Value>> {
    let mut out = BTreeMap::new();
    for (name, part) in parts {
        let value = match part {
            Part::Leaf(stored) => stored.value(row, zone)?,
            Part::Object(presence, parts) => match presence.value(row, zone)? {
                Some(Value::Boolean(true)) => Some(Value::Object(values(parts, row, zone)?)),
                _ => None,
            },
        };
        if let Some(value) = value {
            out.insert((*name).to_owned(), value);
        }
    }
    Ok(out)
}

impl Stored<'_> {
    fn value(&self, row: usize, zone: &Zone) -> Result<Option<Value>> {
        let Some(array) = self.array.as_ref().filter(|a| a.is_valid(row)) else {
            let Some(before) = &self.before else { return Ok(None) };
            return Ok(before.value(row, zone)?.map(|narrow| widened(narrow, self.kind, zone)));
        };
        let drift =
            || BackendError::new(ErrorKind::SchemaDrift, format!("a column of kind {:?} is stored as {}", self.kind, array.data_type()));
        let value = match self.kind {
            ColumnKind::String => Value::String(array.as_string_opt::<i32>().ok_or_else(drift)?.value(row).to_owned()),
            ColumnKind::Integer => Value::Integer(array.as_primitive_opt::<Int64Type>().ok_or_else(drift)?.value(row)),
            ColumnKind::Number => Value::Number(array.as_primitive_opt::<Float64Type>().ok_or_else(drift)?.value(row)),
            ColumnKind::Boolean | ColumnKind::Presence => Value::Boolean(array.as_boolean_opt().ok_or_else(drift)?.value(row)),
            ColumnKind::Timestamp => Value::Timestamp(array.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(drift)?.value(row)),
            ColumnKind::Date => Value::Date(array.as_primitive_opt::<Date32Type>().ok_or_else(drift)?.value(row)),
            ColumnKind::Strings => {
                let items = array.as_list_opt::<i32>().ok_or_else(drift)?.value(row);
                let items = items.as_string_opt::<i32>().ok_or_else(drift)?;
                Value::Strings(items.iter().flatten().map(str::to_owned).collect())
            }
            ColumnKind::Json => {
                let text = array.as_string_opt::<i32>().ok_or_else(drift)?.value(row);
                return Ok(convert::from_json_column(text, self.ty));
            }
        };
        Ok(Some(value))
    }
}

/// A narrower value as one of the column that took over.
fn widened(value: Value, kind: ColumnKind, zone: &Zone) -> Value {
    match (value, kind) {
        (Value::Integer(n), ColumnKind::Number) => Value::Number(n as f64),
        (Value::Date(day), ColumnKind::Timestamp) => Value::Timestamp(zone.midnight(day)),
        (value, _) => value,
    }
}
