//! Attributes and the columns that hold them.
//!
//! A place (the attribute itself, or a leaf below an object) has a column for its values, and perhaps a narrower one from before its
//! type widened. What does not convert is in the map `raw`. Of a place's columns the widest that has a value counts, and `raw` counts
//! where none has. So whoever writes clears what counts before the place written to, and what counts after it may stay:
//! a plain value writes one cell and no tombstone, whatever was there. Null clears everything, and is in `raw` itself.
//!
//! An attribute that is a map has two columns. One holds `{}` where there is a map, the other, a map of Cassandra's, the values of its keys, so each is
//! written and removed by itself, removed by a null that stays. (Maps inside objects are a part of the object's value.)

use std::collections::{BTreeMap, BTreeSet};

use segment_core::catalog::{Catalog, ColumnKind, Field, Scope};
use segment_core::convert::{from_json_column, to_json};
use segment_core::time::Zone;
use segment_core::types::Type;
use segment_core::value::Value;

use super::cells::{self, Cell};
use super::ties;
use crate::columns::{at, leaves};
use crate::error::{Result, StoreError};
use crate::profiles::{AttributeWrite, MAP_KEYS_MAX};

/// What `raw` has of an attribute that was cleared: JSON's null, so that it is known when.
pub(crate) const CLEARED: &str = "null";

/// What stands in the column that an attribute's map has besides that of its keys.
pub(crate) const EMPTY_MAP: &str = "{}";

/// What stands in place of the value of a key that was removed: JSON's null, so that it is known when, for as long as the map is there.
const REMOVED: &str = "null";

/// The column of the keys of an attribute that is a map, by the name of its other column. Names of columns begin with a number that each has for
/// itself, so none is called so.
pub(crate) fn keys_column(column: &str) -> String {
    format!("{column}_keys")
}

/// The columns of an attribute's map, if it is one: that of its presence, and that of its keys.
pub(crate) fn map_columns(field: &Field) -> Option<(&str, String)> {
    let column = field.columns.iter().find(|c| c.path.is_empty())?;
    matches!(field.ty, Type::Map(_)).then(|| (column.name.as_str(), keys_column(&column.name)))
}

/// Attributes with the places of their columns in a list of columns.
#[derive(Debug)]
pub(crate) struct Attributes {
    columns: Vec<(String, Holds)>,
    fields: BTreeMap<String, Place>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Values of a kind.
    Values(ColumnKind),
    /// Keys of maps with their values as JSON.
    Keys,
}

/// A value's place: the attribute's own, or one below an object.
#[derive(Debug)]
struct Place {
    path: Vec<String>,
    ty: Type,
    /// Its columns, the widest first.
    columns: Vec<usize>,
    /// The column of a map's keys.
    keys: Option<usize>,
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
            self.columns.push((column.name.clone(), Holds::Values(column.kind)));
        }
        let mut keys = None;
        if let Some(name) = map_columns(field).filter(|_| path.is_empty()).map(|(_, name)| name).filter(|name| is_there(name)) {
            keys = Some(self.columns.len());
            self.columns.push((name, Holds::Keys));
        }
        let mut below = Vec::new();
        if let Type::Object(fields) = ty {
            for (name, ty) in fields {
                path.push(name.clone());
                below.push((name.clone(), self.place(field, ty, path, is_there)?));
                path.pop();
            }
        }
        Ok(Place { path: path.clone(), ty: ty.clone(), columns, keys, below })
    }

    /// The columns, in the order of cells.
    pub(crate) fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Whether a column, by its place, is one of keys.
    pub(crate) fn has_keys(&self, at: usize) -> bool {
        self.columns.get(at).is_some_and(|(_, holds)| *holds == Holds::Keys)
    }

    /// Puts what is said of an attribute into the cells; into those of columns of keys what is added, or null for all to go. Whether `raw` has
    /// to forget or to hold it is the caller's to see to.
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
                    return Err(no_column(name));
                }
            }
            (AttributeWrite::Entries(entries), place) => {
                let place = place.ok_or_else(unknown)?;
                let (Some(keys), [column]) = (place.keys, &place.columns[..]) else { return Err(no_column(name)) };
                cells[*column] = Cell::text(EMPTY_MAP);
                let json = |value: &Option<Value>| value.as_ref().map_or_else(|| REMOVED.to_owned(), to_json);
                let texts: Vec<(&str, String)> = entries.iter().map(|(key, value)| (key.as_str(), json(value))).collect();
                if !texts.is_empty() {
                    cells[keys] = Cell::text_map(texts.iter().map(|(key, json)| (*key, json.as_str())));
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
            columns.find_map(|(i, &at)| Some((i, at, Cell::of(self.kind(at)?, v)?)))
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

    fn kind(&self, at: usize) -> Option<ColumnKind> {
        match self.columns.get(at)?.1 {
            Holds::Values(kind) => Some(kind),
            Holds::Keys => None,
        }
    }

    /// The columns of keys, of which [`Attributes::values`] takes the times.
    pub(crate) fn keys_columns(&self) -> impl Iterator<Item = &str> {
        self.fields.values().filter_map(|place| place.keys).map(|at| self.columns[at].0.as_str())
    }

    /// The values in a row's columns, which begin at `from`; the times of writing of [`Attributes::keys_columns`] follow them. With a zone, values from
    /// before a widening are widened.
    pub(crate) fn values(&self, row: &[Option<&[u8]>], from: usize, zone: Option<&Zone>) -> Result<BTreeMap<String, Value>> {
        let cell = |at: usize| row.get(at).copied().flatten();
        let (mut out, mut times) = (BTreeMap::new(), from + self.columns.len());
        for (name, place) in &self.fields {
            let mut value = self.value(place, row, from, zone)?;
            if let Some(keys) = place.keys {
                if let (Some(Value::Map(map)), Some(texts)) = (&mut value, cell(from + keys)) {
                    add_keys(map, &place.ty, texts, cell(times).unwrap_or_default())?;
                }
                times += 1;
            }
            if let Some(value) = value {
                out.insert(name.clone(), value);
            }
        }
        Ok(out)
    }

    /// The columns of which the time is read with them: attributes' own, not those below objects.
    pub(crate) fn timed_columns(&self) -> impl Iterator<Item = &str> {
        self.fields.values().flat_map(|place| place.columns.iter().chain(&place.keys)).map(|&at| self.columns[at].0.as_str())
    }

    /// What was said of attributes by the columns of a row, which begin at `from`, as it was written, each with the timestamp of the write: those of
    /// [`Attributes::timed_columns`] follow the columns, of each key where the column is one of keys.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a value without a time.
    pub(crate) fn written(&self, row: &[Option<&[u8]>], from: usize) -> Result<Vec<(&str, i64, AttributeWrite)>> {
        let cell = |at: usize| row.get(at).copied().flatten();
        let (mut out, mut times) = (Vec::new(), from + self.columns.len());
        for (name, place) in &self.fields {
            let no_time = || StoreError::corrupt_plain(format!("Cassandra tells no time of \"{name}\""));
            // A write of an attribute writes to one of its own columns, whatever is below.
            let counts = place.columns.iter().position(|&at| cell(from + at).is_some());
            let value = self.value(place, row, from, None)?;
            let keys = place.keys.filter(|_| value.is_some());
            if let Some((i, value)) = counts.zip(value) {
                let time = cell(times + i).ok_or_else(no_time)?;
                out.push((name.as_str(), cells::bigint(time)?, AttributeWrite::Value(value)));
            }
            times += place.columns.len() + usize::from(place.keys.is_some());
            if let (Some(texts), Type::Map(values)) = (keys.and_then(|keys| cell(from + keys)), &place.ty) {
                for (key, json, time) in latest(pairs(texts)?, cell(times - 1).ok_or_else(no_time)?)? {
                    let entry = BTreeMap::from([(key.to_owned(), from_json_column(json, values))]);
                    out.push((name.as_str(), time, AttributeWrite::Entries(entry)));
                }
            }
        }
        Ok(out)
    }

    /// The value of a place, of a map without what is in the column of its keys.
    fn value(&self, place: &Place, row: &[Option<&[u8]>], from: usize, zone: Option<&Zone>) -> Result<Option<Value>> {
        for &at in &place.columns {
            let Some(bytes) = row.get(from + at).copied().flatten() else { continue };
            let Some(kind) = self.kind(at) else { continue };
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

fn no_column(name: &str) -> StoreError {
    StoreError::Invalid(format!("the catalog has no column for a part of a value of \"{name}\""))
}

/// Adds the keys of a map with their values, without those that were removed, and of too many without those written first.
fn add_keys(map: &mut BTreeMap<String, Value>, ty: &Type, texts: &[u8], times: &[u8]) -> Result<()> {
    let Type::Map(values) = ty else { return Ok(()) };
    let mut pairs = pairs(texts)?;
    if pairs.len() > MAP_KEYS_MAX {
        pairs = latest(pairs, times)?.into_iter().map(|(key, json, _)| (key, json)).collect();
    }
    for (key, json) in pairs {
        if let Some(value) = from_json_column(json, values) {
            map.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

/// The keys of a map and their values as JSON.
fn pairs(texts: &[u8]) -> Result<Vec<(&str, &str)>> {
    Ok(cells::texts(texts, 2)?.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// The keys that were written last, as many as a map has, with the times of writing, of which there is one for each.
fn latest<'t>(pairs: Vec<(&'t str, &'t str)>, times: &[u8]) -> Result<Vec<(&'t str, &'t str, i64)>> {
    let times = cells::bigints(times)?;
    if times.len() != pairs.len() {
        return Err(StoreError::corrupt_plain("Cassandra tells other times than keys of a map"));
    }
    let mut timed: Vec<(&str, &str, i64)> = pairs.into_iter().zip(times).map(|((key, json), time)| (key, json, time)).collect();
    let excess = timed.len().saturating_sub(MAP_KEYS_MAX);
    if excess > 0 {
        timed.sort_unstable_by_key(|(key, _, time)| (ties::instant(*time), *key));
        timed.drain(..excess);
    }
    Ok(timed)
}

fn clear(place: &Place, cells: &mut [Cell]) {
    place.columns.iter().chain(&place.keys).for_each(|&at| cells[at] = Cell::Null);
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
