//! Attributes and the columns that hold them.
//!
//! A place (the attribute itself, or a leaf below an object) has a column for its values, and perhaps a narrower one from before its
//! type widened. What does not convert is in the map `raw`. Of a place's columns the widest that has a value counts, and `raw` counts
//! where none has. So whoever writes clears what counts before the place written to, and what counts after it may stay:
//! a plain value writes one cell and no tombstone, whatever was there. Null clears everything, and is in `raw` itself.

use std::collections::{BTreeMap, BTreeSet};

use segment_core::catalog::{Catalog, ColumnKind, Field, Scope};
use segment_core::time::Zone;
use segment_core::types::Type;
use segment_core::value::Value;

use super::cells::{self, Cell};
use crate::columns::{at, leaves};
use crate::error::{Result, StoreError};
use crate::profiles::AttributeWrite;

/// What `raw` has of an attribute that was cleared: JSON's null, so that it is known when.
pub(crate) const CLEARED: &str = "null";

/// Attributes with the places of their columns in a list of columns.
#[derive(Debug)]
pub(crate) struct Attributes {
    columns: Vec<(String, ColumnKind)>,
    fields: BTreeMap<String, Place>,
}

/// A value's place: the attribute's own, or one below an object.
#[derive(Debug)]
struct Place {
    path: Vec<String>,
    ty: Type,
    /// Its columns, the widest first.
    columns: Vec<usize>,
    below: Vec<(String, Place)>,
}

impl Attributes {
    /// Those of a catalog, for writing: every column is there.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the catalog has a type without its columns.
    pub(crate) fn all(catalog: &Catalog) -> Result<Self> {
        Self::new(catalog, None, |_| true)
    }

    /// Those of a catalog that are in `names`, or all, in the columns that are there: declared ones are made by the next who writes.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the catalog has a type without its columns.
    pub(crate) fn new(catalog: &Catalog, names: Option<&BTreeSet<String>>, is_there: impl Fn(&str) -> bool) -> Result<Self> {
        let mut out = Self { columns: Vec::new(), fields: BTreeMap::new() };
        for (name, field) in catalog.fields(Scope::Attribute) {
            if names.is_none_or(|names| names.contains(name)) {
                let place = out.place(field, &field.ty, &mut Vec::new(), &is_there)?;
                out.fields.insert(name.clone(), place);
            }
        }
        Ok(out)
    }

    fn place(&mut self, field: &Field, ty: &Type, path: &mut Vec<String>, is_there: &dyn Fn(&str) -> bool) -> Result<Place> {
        let column = field.columns.iter().find(|c| c.path == *path);
        let column = column.ok_or_else(|| StoreError::corrupt_plain(format!("the catalog has no column for the path {path:?}")))?;
        let mut columns = Vec::new();
        for column in column.with_before().filter(|c| is_there(&c.name)) {
            columns.push(self.columns.len());
            self.columns.push((column.name.clone(), column.kind));
        }
        let mut below = Vec::new();
        if let Type::Object(fields) = ty {
            for (name, ty) in fields {
                path.push(name.clone());
                below.push((name.clone(), self.place(field, ty, path, is_there)?));
                path.pop();
            }
        }
        Ok(Place { path: path.clone(), ty: ty.clone(), columns, below })
    }

    /// The columns, in the order of cells.
    pub(crate) fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Puts what is said of an attribute into the cells. Whether `raw` has to forget or to hold it is the caller's to see to.
    ///
    /// # Errors
    ///
    /// `Invalid` for a value that the catalog has no column for.
    pub(crate) fn put(&self, name: &str, said: &AttributeWrite, cells: &mut [Cell]) -> Result<()> {
        let unknown = || StoreError::Invalid(format!("attribute \"{name}\" has values, and the catalog does not know it"));
        match (said, self.fields.get(name)) {
            (AttributeWrite::Value(value), place) => {
                let place = place.ok_or_else(unknown)?;
                if self.put_value(place, value, cells) != leaves(value) {
                    return Err(StoreError::Invalid(format!("the catalog has no column for a part of a value of \"{name}\"")));
                }
            }
            (AttributeWrite::Raw(_) | AttributeWrite::Null, Some(place)) => clear(place, cells),
            (AttributeWrite::Raw(_) | AttributeWrite::Null, None) => {}
        }
        Ok(())
    }

    /// In how many columns the value was put.
    fn put_value(&self, place: &Place, value: &Value, cells: &mut [Cell]) -> usize {
        let mut put = 0;
        let found = at(value, &place.path);
        let fitting = found.and_then(|v| {
            let mut columns = place.columns.iter().enumerate();
            columns.find_map(|(i, &at)| Some((i, at, Cell::of(self.columns.get(at)?.1, v)?)))
        });
        let cleared = match fitting {
            Some((i, at, cell)) => {
                put += 1;
                cells[at] = cell;
                &place.columns[..i]
            }
            None => &place.columns[..],
        };
        cleared.iter().for_each(|&at| cells[at] = Cell::Null);
        put + place.below.iter().map(|(_, place)| self.put_value(place, value, cells)).sum::<usize>()
    }

    /// The values in a row's columns, which begin at `from`. With a zone, values from before a widening are widened.
    pub(crate) fn values(&self, row: &[Option<&[u8]>], from: usize, zone: Option<&Zone>) -> Result<BTreeMap<String, Value>> {
        let mut out = BTreeMap::new();
        for (name, place) in &self.fields {
            if let Some(value) = self.value(place, row, from, zone)? {
                out.insert(name.clone(), value);
            }
        }
        Ok(out)
    }

    /// The columns of attributes' own places, not of those below objects.
    pub(crate) fn own_columns(&self) -> impl Iterator<Item = &str> {
        self.fields.values().flat_map(|place| &place.columns).map(|&at| self.columns[at].0.as_str())
    }

    /// The values in a row's columns, which begin at `from`, as they were written, each with its time of writing: those of
    /// [`Attributes::own_columns`] follow the columns.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a value without a time.
    pub(crate) fn written(&self, row: &[Option<&[u8]>], from: usize) -> Result<BTreeMap<String, (i64, Value)>> {
        let cell = |at: usize| row.get(at).copied().flatten();
        let (mut out, mut times) = (BTreeMap::new(), from + self.columns.len());
        for (name, place) in &self.fields {
            // A write of an attribute writes to one of its own columns, whatever is below.
            let counts = place.columns.iter().position(|&at| cell(from + at).is_some());
            if let Some((i, value)) = counts.zip(self.value(place, row, from, None)?) {
                let time = cell(times + i).ok_or_else(|| StoreError::corrupt_plain(format!("Cassandra tells no time of \"{name}\"")))?;
                out.insert(name.clone(), (cells::bigint(time)?, value));
            }
            times += place.columns.len();
        }
        Ok(out)
    }

    fn value(&self, place: &Place, row: &[Option<&[u8]>], from: usize, zone: Option<&Zone>) -> Result<Option<Value>> {
        for &at in &place.columns {
            let Some(bytes) = row.get(from + at).copied().flatten() else { continue };
            let kind = self.columns[at].1;
            if kind == ColumnKind::Presence {
                let mut fields = BTreeMap::new();
                for (name, place) in &place.below {
                    if let Some(value) = self.value(place, row, from, zone)? {
                        fields.insert(name.clone(), value);
                    }
                }
                return Ok(Some(Value::Object(fields)));
            }
            let value = cells::value(kind, &place.ty, bytes)?;
            return Ok(match (value, zone) {
                (Some(value), Some(zone)) => Some(widened(value, &place.ty, zone)),
                (value, _) => value,
            });
        }
        Ok(None)
    }
}

fn clear(place: &Place, cells: &mut [Cell]) {
    place.columns.iter().for_each(|&at| cells[at] = Cell::Null);
    place.below.iter().for_each(|(_, place)| clear(place, cells));
}

/// A narrower value as one of the type that took over.
fn widened(value: Value, ty: &Type, zone: &Zone) -> Value {
    match (value, ty) {
        (Value::Integer(n), Type::Number) => Value::Number(n as f64),
        (Value::Date(day), Type::Timestamp) => Value::Timestamp(zone.midnight(day)),
        (value, _) => value,
    }
}
