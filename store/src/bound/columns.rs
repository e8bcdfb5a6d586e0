//! Columns of a file that somebody else writes, as the lake's.
//!
//! Each type takes what holds its values exactly: integers of any width that 64 bits hold, floats of both widths and decimals up to 15 digits as
//! numbers, timestamps of any unit. NaN and infinity are missing, as in an import. A column of any other type is refused, naming both types: it
//! changed, or the binding is wrong, and either way an answer without it would be wrong too.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, nullif};
use arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use segment_core::binding::TimeForm;
use segment_core::catalog::{Column, ColumnKind};
use segment_core::time::{INSTANT_MAX, INSTANT_MIN, Zone, parse_instant};
use segment_core::types::Type;

use crate::lake::schema::{ELEMENT, LAKE_TIMEZONE, column_field};

/// Digits of the longest decimals that are doubles without a doubt: each is a quotient of two exact ones.
const DECIMAL_DIGITS_MAX: u8 = 15;

/// Why a column is refused: what is needed.
pub(super) type Needed = &'static str;

/// Text, as Utf8.
fn text(array: &ArrayRef) -> Result<StringArray, Needed> {
    match array.data_type() {
        DataType::Utf8 => Ok(array.as_string::<i32>().clone()),
        DataType::LargeUtf8 | DataType::Utf8View => cast(array, &DataType::Utf8).map(|a| a.as_string::<i32>().clone()).map_err(|_| "text"),
        _ => Err("text"),
    }
}

/// Integers that 64 bits hold.
fn integers(array: &ArrayRef) -> Result<Int64Array, Needed> {
    match array.data_type() {
        DataType::Int64 => Ok(array.as_primitive::<Int64Type>().clone()),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            cast(array, &DataType::Int64).map(|a| a.as_primitive::<Int64Type>().clone()).map_err(|_| "an integer")
        }
        _ => Err("an integer"),
    }
}

/// Text, or an integer's digits.
pub(super) fn id(array: &ArrayRef) -> Result<StringArray, Needed> {
    match (text(array), integers(array)) {
        (Ok(texts), _) => Ok(texts),
        (_, Ok(numbers)) => Ok(numbers.iter().map(|n| n.map(|n| n.to_string())).collect()),
        _ => Err("text or an integer"),
    }
}

/// Users' ids; NULL where there is none that can be.
pub(super) fn user_ids(array: &ArrayRef) -> Result<StringArray, Needed> {
    let ids = id(array)?;
    let usable = |id: &str| !id.is_empty() && !id.chars().any(char::is_control);
    if ids.iter().flatten().all(usable) {
        return Ok(ids);
    }
    Ok(ids.iter().map(|id| id.filter(|id| usable(id))).collect())
}

/// Events' names; NULL where there is none.
pub(super) fn names(array: &ArrayRef) -> Result<StringArray, Needed> {
    let names = text(array)?;
    if names.iter().flatten().all(|name| !name.is_empty()) {
        return Ok(names);
    }
    Ok(names.iter().map(|name| name.filter(|name| !name.is_empty())).collect())
}

/// Times in microseconds; NULL where there is none that can be.
pub(super) fn times(array: &ArrayRef, form: TimeForm, zone: &Zone) -> Result<TimestampMicrosecondArray, Needed> {
    let possible = |at: i64| (INSTANT_MIN..=INSTANT_MAX).contains(&at).then_some(at);
    let out: TimestampMicrosecondArray = match (form, form.unit()) {
        (_, Some(unit)) => integers(array)?.iter().map(|n| n.and_then(|n| n.checked_mul(unit)).and_then(possible)).collect(),
        (TimeForm::String, None) => text(array)?.iter().map(|t| t.and_then(|t| parse_instant(t, zone))).collect(),
        (_, None) => timestamps(array, zone)?.iter().map(|t| t.and_then(possible)).collect(),
    };
    Ok(out.with_timezone(LAKE_TIMEZONE))
}

/// Timestamps of any unit in microseconds, cut off as text is; those that are no instants are wall-clock time in the zone.
fn timestamps(array: &ArrayRef, zone: &Zone) -> Result<Int64Array, Needed> {
    let DataType::Timestamp(unit, offset) = array.data_type() else { return Err("a timestamp") };
    let micros: Int64Array = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().unary_opt(|t| t.checked_mul(1_000_000)),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().unary_opt(|t| t.checked_mul(1_000)),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().unary(|t| t),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().unary(|t| t.div_euclid(1_000)),
    };
    Ok(if offset.is_some() { micros } else { micros.unary(|local| zone.instant_of_local(local)) })
}

/// The columns of a property, in the order of `Catalog::columns`: each current one, then those from before it was widened.
///
/// `array` is the file's column, `None` where the file has none: then all are NULL.
///
/// # Errors
///
/// The path below the property of the first that does not fit, its type in the file, and what is needed.
pub(super) fn property(ty: &Type, columns: &[Column], array: Option<&ArrayRef>, rows: usize, zone: &Zone) -> Result<Vec<ArrayRef>, Misfit> {
    let mut out = Vec::new();
    for column in columns {
        let found = array.map(|array| at(array, &column.path)).transpose()?.flatten();
        out.push(match found {
            None => new_null_array(column_field(column).data_type(), rows),
            Some(array) => stored(type_at(ty, &column.path), column.kind, &array, zone).map_err(|needed| Misfit {
                path: column.path.clone(),
                found: array.data_type().to_string(),
                needed,
            })?,
        });
        out.extend(column.with_before().skip(1).map(|narrower| new_null_array(column_field(narrower).data_type(), rows)));
    }
    Ok(out)
}

/// A column that does not fit.
#[derive(Debug, PartialEq)]
pub(super) struct Misfit {
    /// Below the property.
    pub(super) path: Vec<String>,
    pub(super) found: String,
    pub(super) needed: Needed,
}

fn type_at<'t>(ty: &'t Type, path: &[String]) -> Option<&'t Type> {
    path.iter().try_fold(ty, |ty, name| match ty {
        Type::Object(fields) => fields.get(name),
        _ => None,
    })
}

/// What is at a path of struct fields, NULL where a struct above is; `None` where the file has no such field.
pub(super) fn at(array: &ArrayRef, path: &[String]) -> Result<Option<ArrayRef>, Misfit> {
    let mut array = array.clone();
    for (i, name) in path.iter().enumerate() {
        let Some(fields) = array.as_struct_opt() else {
            let found = array.data_type().to_string();
            return Err(Misfit { path: path.get(..i).unwrap_or_default().to_vec(), found, needed: "a struct" });
        };
        let Some(field) = fields.column_by_name(name) else { return Ok(None) };
        array = match fields.nulls() {
            None => field.clone(),
            Some(nulls) => {
                let absent = BooleanArray::new(!nulls.inner(), None);
                nullif(field, &absent).map_err(|_| Misfit {
                    path: path.to_vec(),
                    found: field.data_type().to_string(),
                    needed: "a field",
                })?
            }
        };
    }
    Ok(Some(array))
}

fn stored(ty: Option<&Type>, kind: ColumnKind, array: &ArrayRef, zone: &Zone) -> Result<ArrayRef, Needed> {
    Ok(match kind {
        ColumnKind::String => Arc::new(text(array)?),
        ColumnKind::Json => {
            let texts = text(array).map_err(|_| "text that is JSON")?;
            let canonical = |json: &str| {
                let value = segment_core::json::Json::parse(json).ok()?;
                let value = segment_core::convert::convert(&value, ty?, zone, segment_core::convert::TextSource::Json)?;
                Some(segment_core::convert::to_json(&value))
            };
            Arc::new(texts.iter().map(|t| t.and_then(canonical)).collect::<StringArray>())
        }
        ColumnKind::Integer => Arc::new(integers(array)?),
        ColumnKind::Number => Arc::new(numbers(array)?),
        ColumnKind::Boolean => match array.data_type() {
            DataType::Boolean => array.clone(),
            _ => return Err("a boolean"),
        },
        ColumnKind::Timestamp => {
            let micros = timestamps(array, zone)?;
            let possible = micros.unary_opt::<_, TimestampMicrosecondType>(|t| (INSTANT_MIN..=INSTANT_MAX).contains(&t).then_some(t));
            Arc::new(possible.with_timezone(LAKE_TIMEZONE))
        }
        ColumnKind::Date => match array.data_type() {
            DataType::Date32 => array.clone(),
            _ => return Err("a date"),
        },
        ColumnKind::Strings => strings(array)?,
        ColumnKind::Presence => match array.as_struct_opt() {
            None => return Err("a struct"),
            Some(fields) => {
                let present = fields.nulls().cloned().unwrap_or_else(|| NullBuffer::new_valid(fields.len()));
                Arc::new(BooleanArray::new(present.inner().clone(), Some(present)))
            }
        },
    })
}

fn numbers(array: &ArrayRef) -> Result<Float64Array, Needed> {
    let needed = "an integer, a float or a decimal of at most 15 digits";
    let numeric = match array.data_type() {
        DataType::Float32 | DataType::Float64 => true,
        DataType::Decimal32(digits, _) | DataType::Decimal64(digits, _) | DataType::Decimal128(digits, _) => *digits <= DECIMAL_DIGITS_MAX,
        _ => integers(array).is_ok(),
    };
    if !numeric {
        return Err(needed);
    }
    let doubles = cast(array, &DataType::Float64).map_err(|_| needed)?;
    Ok(doubles.as_primitive::<Float64Type>().unary_opt(|x| x.is_finite().then_some(x + 0.0)))
}

/// Lists of text, without what is NULL in them.
fn strings(array: &ArrayRef) -> Result<ArrayRef, Needed> {
    let needed = "a list of text";
    let list = array.as_list_opt::<i32>().ok_or(needed)?;
    let items = text(list.values()).map_err(|_| needed)?;
    let element = Field::new(ELEMENT, DataType::Utf8, true);
    let mut out = ListBuilder::new(StringBuilder::new()).with_field(Arc::new(element));
    for row in 0..list.len() {
        if list.is_null(row) {
            out.append(false);
            continue;
        }
        let (from, to) = (list.value_offsets()[row] as usize, list.value_offsets()[row + 1] as usize);
        for i in from..to {
            if items.is_valid(i) {
                out.values().append_value(items.value(i));
            }
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}
