//! What bound files' columns hold, for engines that read the files themselves: their types are looked at, their rows are not.
//!
//! Remembered by file for as long as it has its size and stamp, so that a query opens the files that are new and no others. Invariant: bounded, as
//! a binding's files are; what files hold is kept once for all that hold the same.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Fields, Schema};
use parquet::basic::Type as Physical;
use parquet::schema::types::SchemaDescriptor;
use segment_core::binding::{ColumnPath, Held, HeldColumns};

use super::footers::{Key, key};
use super::{BoundEvents, BoundFile, OpenBound};
use crate::error::Result;

/// Files whose columns are remembered; when there are more, all are forgotten.
const FILES_MAX: usize = 400_000;

/// What files hold.
#[derive(Debug, Default)]
pub(crate) struct Shapes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    files: HashMap<Key, Arc<Shape>>,
    shapes: BTreeSet<Arc<Shape>>,
}

/// What one file's columns hold, of those at some paths.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    paths: Vec<ColumnPath>,
    held: HeldColumns,
}

impl Shapes {
    fn get(&self, file: &BoundFile, paths: &[ColumnPath]) -> Option<Arc<Shape>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.files.get(&key(file)).filter(|shape| shape.paths == paths).cloned()
    }

    fn insert(&self, file: &BoundFile, shape: Shape) -> Arc<Shape> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.files.len() >= FILES_MAX {
            *known = Known::default();
        }
        let shape = match known.shapes.get(&shape) {
            Some(same) => same.clone(),
            None => Arc::new(shape),
        };
        known.shapes.insert(shape.clone());
        known.files.insert(key(file), shape.clone());
        shape
    }
}

impl BoundEvents {
    /// What a file's columns hold that the binding uses. Blocks, if the file was not looked at before.
    ///
    /// # Errors
    ///
    /// As [`BoundEvents::open`]. A column that only the embedded engine reads is refused in the answer.
    pub fn held(&self, file: &BoundFile) -> Result<HeldColumns> {
        let paths = self.table().paths(&self.inner.catalog);
        if let Some(shape) = self.inner.shapes.get(file, &paths) {
            return Ok(shape.held.clone());
        }
        let held = self.open(file)?.held(&paths);
        Ok(self.inner.shapes.insert(file, Shape { paths, held }).held.clone())
    }
}

impl OpenBound {
    fn held(&self, paths: &[ColumnPath]) -> HeldColumns {
        let mut out = HeldColumns::default();
        for path in paths {
            match held_at(self.schema(), self.metadata().file_metadata().schema_descr(), path) {
                Ok(None) => {}
                Ok(Some(held)) => out.insert(path.clone(), held),
                Err(what) => out.refuse(path.clone(), format!("column \"{}\" of {} {what}", path.join("."), self.file().place)),
            }
        }
        // Engines that read a struct by those of its fields that they know take one without any for missing.
        for (path, held) in out.clone().iter().filter(|(_, held)| *held == Held::Struct) {
            let within = |other: &ColumnPath| other.len() > path.len() && other.starts_with(path);
            if !out.iter().any(|(other, inner)| inner != held && within(other)) {
                let what = format!(
                    "column \"{}\" of {} is a struct without any of the fields that the catalog has",
                    path.join("."),
                    self.file().place
                );
                out.refuse(path.clone(), what);
            }
        }
        out
    }
}

/// What the column at a path holds; `None` if the file has none.
///
/// # Errors
///
/// Why only the embedded engine reads it.
fn held_at(schema: &Schema, parquet: &SchemaDescriptor, path: &[String]) -> std::result::Result<Option<Held>, String> {
    let Some(field) = find(schema, path)? else { return Ok(None) };
    let held = held_by(field).ok_or_else(|| format!("is {}, which other engines do not read alike", field.data_type()))?;
    if matches!(held, Held::Timestamp { .. }) && is_int96(parquet, path) {
        return Err("is INT96, which other engines read as a setting of theirs says".to_owned());
    }
    Ok(Some(held))
}

/// The column at a path; `None` if the file has none.
///
/// # Errors
///
/// Another column's name differs by case only, which engines without regard to case take for it.
fn find<'s>(schema: &'s Schema, path: &[String]) -> std::result::Result<Option<&'s Field>, String> {
    let mut fields: &Fields = schema.fields();
    let mut found = None;
    for (i, name) in path.iter().enumerate() {
        let alike = fields.iter().find(|f| f.name() != name && f.name().to_lowercase() == name.to_lowercase());
        if let Some(other) = alike {
            return Err(format!("differs from \"{}\" by case only, and other engines take one for the other", other.name()));
        }
        let Some(field) = fields.iter().find(|f| f.name() == name) else { return Ok(None) };
        match field.data_type() {
            DataType::Struct(inner) => fields = inner,
            _ if i + 1 < path.len() => return Ok(None),
            _ => {}
        }
        found = Some(field.as_ref());
    }
    Ok(found)
}

fn held_by(field: &Field) -> Option<Held> {
    let text = |ty: &DataType| matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    Some(match field.data_type() {
        ty if text(ty) => Held::Text,
        // Unsigned ones of 32 bits are read as negative above half of theirs.
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::UInt8 | DataType::UInt16 => Held::Integer,
        DataType::Float32 | DataType::Float64 => Held::Float,
        DataType::Decimal32(digits, scale) | DataType::Decimal64(digits, scale) | DataType::Decimal128(digits, scale) => {
            Held::Decimal(*digits, u8::try_from(*scale).ok()?)
        }
        DataType::Boolean => Held::Boolean,
        DataType::Date32 => Held::Date,
        DataType::Timestamp(unit, offset) => {
            Held::Timestamp { instant: offset.is_some(), nanos: *unit == arrow::datatypes::TimeUnit::Nanosecond }
        }
        DataType::List(item) if text(item.data_type()) => Held::Texts,
        DataType::Struct(_) => Held::Struct,
        _ => return None,
    })
}

fn is_int96(schema: &SchemaDescriptor, path: &[String]) -> bool {
    schema.columns().iter().any(|column| column.path().parts() == path && column.physical_type() == Physical::INT96)
}
