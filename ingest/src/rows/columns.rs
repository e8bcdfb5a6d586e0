//! Arrow columns as cells: every scalar type, lists, structs and maps.
//!
//! Timestamps without a zone are wall-clock times in the workspace's; decimals are numbers; binary is text, which must be
//! UTF-8; fixed-size binary is hexadecimal; times of day, durations and intervals are text. NaN and infinity are nulls.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;
use segment_core::json::Json;
use segment_core::time::{INSTANT_MAX, INSTANT_MIN, Zone};

use super::beyond;
use crate::cell::Cell;
use crate::rejects::Reason;

/// A column, ready to be read by row.
pub(crate) struct Column {
    data: Data,
    /// Rows whose value makes the row unusable.
    faults: Vec<(usize, Reason)>,
    /// Times and dates beyond the years that there are, in words.
    beyond: BTreeMap<usize, String>,
}

enum Data {
    Null,
    Bool(BooleanArray),
    Int(Int64Array),
    Float(Float64Array),
    Number(StringArray),
    Text(StringArray),
    /// Microseconds.
    Timestamp(Int64Array),
    Date(Date32Array),
    /// And the rows whose value has times beyond the years in it.
    Json(StringArray, BTreeSet<usize>),
}

impl Column {
    /// Reads an array.
    ///
    /// # Errors
    ///
    /// A type that has no meaning here.
    pub(crate) fn new(array: &ArrayRef, zone: &Zone) -> Result<Self, ArrowError> {
        let (mut faults, mut beyond) = (Vec::new(), BTreeMap::new());
        let data = match array.data_type() {
            DataType::Null => Data::Null,
            DataType::Boolean => Data::Bool(array.as_boolean().clone()),
            DataType::Int64 => Data::Int(array.as_primitive::<Int64Type>().clone()),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
                Data::Int(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::UInt64 => Data::Int(unsigned(array, &mut faults)),
            DataType::Float64 => Data::Float(array.as_primitive::<Float64Type>().clone()),
            DataType::Float16 | DataType::Float32 => Data::Float(short_floats(array)?),
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Data::Number(decimals(array)?)
            }
            DataType::Utf8 => Data::Text(array.as_string::<i32>().clone()),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Data::Text(binary(array, &mut faults)?),
            DataType::FixedSizeBinary(_) => Data::Text(array.as_fixed_size_binary().iter().map(|v| v.map(hex)).collect()),
            DataType::Date32 => Data::Date(dates(array.as_primitive(), &mut beyond)),
            DataType::Date64 => Data::Date(dates(cast(array, &DataType::Date32)?.as_primitive(), &mut beyond)),
            DataType::Timestamp(unit, tz) => Data::Timestamp(timestamps(array, *unit, tz.is_none().then_some(zone), &mut beyond)?),
            DataType::Dictionary(_, values) => return Self::new(&cast(array, values)?, zone),
            DataType::RunEndEncoded(_, values) => return Self::new(&cast(array, values.data_type())?, zone),
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::Struct(_) | DataType::Map(..) => {
                let nested = Nested::new(array, zone)?;
                let mut text = StringBuilder::new();
                let mut with_beyond = BTreeSet::new();
                for row in 0..array.len() {
                    faults.extend(nested.fault(row).map(|reason| (row, reason)));
                    if nested.any(row, &|column, row| column.beyond.contains_key(&row)) {
                        with_beyond.insert(row);
                    }
                    match nested.json(row) {
                        Json::Null => text.append_null(),
                        json => text.append_value(json.to_text()),
                    }
                }
                Data::Json(text.finish(), with_beyond)
            }
            _ => Data::Text(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()),
        };
        Ok(Self { data, faults, beyond })
    }

    /// The value of a row. `csv` says that text stood in CSV cells.
    pub(crate) fn cell(&self, row: usize, csv: bool) -> Cell<'_> {
        match &self.data {
            Data::Bool(a) if a.is_valid(row) => Cell::Bool(a.value(row)),
            Data::Int(a) if a.is_valid(row) => Cell::Int(a.value(row)),
            Data::Float(a) if a.is_valid(row) && a.value(row).is_finite() => Cell::Float(a.value(row)),
            Data::Number(a) if a.is_valid(row) => Cell::Number(a.value(row)),
            Data::Text(a) if a.is_valid(row) && csv => Cell::CsvText(a.value(row)),
            Data::Text(a) if a.is_valid(row) => Cell::Text(a.value(row)),
            Data::Timestamp(a) if a.is_valid(row) => Cell::Timestamp(a.value(row)),
            Data::Date(a) if a.is_valid(row) => Cell::Date(a.value(row)),
            Data::Json(a, beyond) if a.is_valid(row) && beyond.contains(&row) => Cell::JsonBeyond(a.value(row)),
            Data::Json(a, _) if a.is_valid(row) => Cell::Json(a.value(row)),
            Data::Timestamp(_) => self.beyond.get(&row).map_or(Cell::Null, |text| Cell::TimestampBeyond(text)),
            Data::Date(_) => self.beyond.get(&row).map_or(Cell::Null, |text| Cell::DateBeyond(text)),
            _ => Cell::Null,
        }
    }

    /// Rows that the column makes unusable.
    pub(crate) fn faults(&self) -> &[(usize, Reason)] {
        &self.faults
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unsigned(array: &ArrayRef, faults: &mut Vec<(usize, Reason)>) -> Int64Array {
    let values = array.as_primitive::<UInt64Type>().iter().enumerate();
    let read = values.map(|(row, value)| {
        let value = i64::try_from(value?);
        if value.is_err() {
            faults.push((row, Reason::IntegerOverflow));
        }
        value.ok()
    });
    read.collect()
}

/// The doubles that are written like these shorter floats.
fn short_floats(array: &ArrayRef) -> Result<Float64Array, ArrowError> {
    let floats = cast(array, &DataType::Float32)?;
    let long = |x: f32| x.to_string().parse().unwrap_or(f64::from(x));
    Ok(floats.as_primitive::<Float32Type>().iter().map(|x| x.map(long)).collect())
}

/// Decimals as text with a point, so that they are numbers and no integers.
fn decimals(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let text = cast(array, &DataType::Utf8)?;
    let point = |text: &str| if text.contains('.') { text.to_owned() } else { format!("{text}.0") };
    Ok(text.as_string::<i32>().iter().map(|v| v.map(point)).collect())
}

fn binary(array: &ArrayRef, faults: &mut Vec<(usize, Reason)>) -> Result<StringArray, ArrowError> {
    let bytes = cast(array, &DataType::LargeBinary)?;
    let mut out = StringBuilder::new();
    for (row, value) in bytes.as_binary::<i64>().iter().enumerate() {
        match value.map(std::str::from_utf8) {
            None => out.append_null(),
            Some(Ok(text)) => out.append_value(text),
            Some(Err(_)) => {
                faults.push((row, Reason::NotUtf8));
                out.append_null();
            }
        }
    }
    Ok(out.finish())
}

/// Dates within the years that there are.
fn dates(array: &Date32Array, beyond: &mut BTreeMap<usize, String>) -> Date32Array {
    let years = (INSTANT_MIN.div_euclid(DAY_US), INSTANT_MAX.div_euclid(DAY_US));
    let date = |(row, days): (usize, Option<i32>)| {
        let date = days?;
        if (years.0..=years.1).contains(&i64::from(date)) {
            return Some(date);
        }
        beyond.insert(row, beyond::date(date));
        None
    };
    array.iter().enumerate().map(date).collect()
}

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// Timestamps in microseconds; with a zone, they are wall-clock times in it.
fn timestamps(
    array: &ArrayRef,
    unit: TimeUnit,
    local: Option<&Zone>,
    beyond: &mut BTreeMap<usize, String>,
) -> Result<Int64Array, ArrowError> {
    let raw = cast(array, &DataType::Int64)?;
    let raw = raw.as_primitive::<Int64Type>();
    let (name, micros): (_, fn(i64) -> Option<i64>) = match unit {
        TimeUnit::Second => ("s", |value| value.checked_mul(1_000_000)),
        TimeUnit::Millisecond => ("ms", |value| value.checked_mul(1_000)),
        TimeUnit::Microsecond => ("µs", Some),
        TimeUnit::Nanosecond => ("ns", |value| Some(value.div_euclid(1_000))),
    };
    let out = raw.iter().enumerate().map(|(row, value)| {
        let value = value?;
        let instant = micros(value).filter(|micros| (INSTANT_MIN..=INSTANT_MAX).contains(micros));
        if instant.is_none() {
            beyond.insert(row, beyond::timestamp(value, name));
        }
        instant.map(|micros| local.map_or(micros, |zone| zone.instant_of_local(micros)))
    });
    Ok(out.collect())
}

/// A list, struct or map, by row.
enum Nested {
    Scalar(Column),
    List { array: arrow::array::ListArray, items: Box<Nested> },
    Struct { array: arrow::array::StructArray, fields: Vec<(String, Nested)> },
    Map { array: arrow::array::MapArray, keys: Column, values: Box<Nested> },
}

impl Nested {
    fn new(array: &ArrayRef, zone: &Zone) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::List(_) => {
                let array = array.as_list::<i32>().clone();
                let items = Box::new(Self::new(array.values(), zone)?);
                Nested::List { array, items }
            }
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                let list = DataType::List(Field::new(item.name(), item.data_type().clone(), true).into());
                return Self::new(&cast(array, &list)?, zone);
            }
            DataType::Struct(_) => {
                let array = array.as_struct().clone();
                let names = array.column_names().into_iter().map(str::to_owned);
                let fields = names.zip(array.columns()).map(|(name, column)| Ok((name, Self::new(column, zone)?)));
                let fields = fields.collect::<Result<_, ArrowError>>()?;
                Nested::Struct { array, fields }
            }
            DataType::Map(..) => {
                let array = array.as_map().clone();
                let keys = Column::new(&cast(array.keys(), &DataType::Utf8)?, zone)?;
                let values = Box::new(Self::new(array.values(), zone)?);
                Nested::Map { array, keys, values }
            }
            _ => Nested::Scalar(Column::new(array, zone)?),
        })
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        let offsets = match self {
            Nested::List { array, .. } => array.offsets(),
            Nested::Map { array, .. } => array.offsets(),
            Nested::Scalar(_) | Nested::Struct { .. } => return 0..0,
        };
        let at = |i: usize| offsets.get(i).map_or(0, |&o| usize::try_from(o).unwrap_or(0));
        at(row)..at(row + 1)
    }

    fn json(&self, row: usize) -> Json {
        match self {
            Nested::Scalar(column) => column.cell(row, false).to_json(),
            Nested::List { array, items } if array.is_valid(row) => Json::Array(self.range(row).map(|i| items.json(i)).collect()),
            Nested::Struct { array, fields } if array.is_valid(row) => {
                Json::Object(fields.iter().map(|(name, field)| (name.clone(), field.json(row))).collect())
            }
            Nested::Map { array, keys, values } if array.is_valid(row) => {
                let entry = |i| (keys.cell(i, false).text().unwrap_or_default().to_owned(), values.json(i));
                Json::Object(self.range(row).map(entry).collect())
            }
            Nested::List { .. } | Nested::Struct { .. } | Nested::Map { .. } => Json::Null,
        }
    }

    /// Whether something holds of any of its scalars.
    fn any(&self, row: usize, holds: &dyn Fn(&Column, usize) -> bool) -> bool {
        match self {
            Nested::Scalar(column) => holds(column, row),
            Nested::List { items, .. } => self.range(row).any(|i| items.any(i, holds)),
            Nested::Struct { fields, .. } => fields.iter().any(|(_, field)| field.any(row, holds)),
            Nested::Map { values, .. } => self.range(row).any(|i| values.any(i, holds)),
        }
    }

    fn fault(&self, row: usize) -> Option<Reason> {
        match self {
            Nested::Scalar(column) => column.faults.iter().find(|(r, _)| *r == row).map(|(_, reason)| *reason),
            Nested::List { items, .. } => self.range(row).find_map(|i| items.fault(i)),
            Nested::Struct { fields, .. } => fields.iter().find_map(|(_, field)| field.fault(row)),
            Nested::Map { values, .. } => self.range(row).find_map(|i| values.fault(i)),
        }
    }
}
