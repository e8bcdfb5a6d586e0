//! `local_day(ts, zone)`: the calendar day of an instant, and `local_midnight(date, zone)`: the instant a day starts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray, Date32Array, TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use segment_core::time::{LocalDays, Zone};
use store::LAKE_TIMEZONE;

use super::function;

/// Zones remembered; a workspace has one.
const ZONES_MAX: usize = 16;

/// Something made from a zone, remembered by its name.
struct ByZone<T> {
    known: Mutex<HashMap<String, T>>,
    make: fn(&Zone) -> T,
}

impl<T: Clone> ByZone<T> {
    fn new(make: fn(&Zone) -> T) -> Self {
        Self { known: Mutex::default(), make }
    }

    fn get(&self, name: &str) -> Result<T> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(name) {
            return Ok(value.clone());
        }
        let zone = Zone::parse(name).map_err(DataFusionError::Execution)?;
        if known.len() == ZONES_MAX {
            known.clear();
        }
        Ok(known.entry(name.to_owned()).or_insert((self.make)(&zone)).clone())
    }

    /// Keeps what was learned meanwhile.
    fn put(&self, name: &str, value: T) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value);
    }
}

/// The day that the zone's wall clock shows.
pub(super) fn local_day() -> ScalarUDF {
    let zones = ByZone::new(LocalDays::new);
    function("local_day", 2, DataType::Date32, move |args| {
        let array = args.array(0)?;
        let Some(instants) = array.as_primitive_opt::<TimestampMicrosecondType>() else {
            return untyped(&array, args.function, &DataType::Date32);
        };
        let zone = args.literal_text(1)?;
        let mut days = zones.get(zone)?;
        let out: Date32Array = instants.iter().map(|ts| ts.map(|ts| days.day(ts))).collect();
        zones.put(zone, days);
        Ok(Arc::new(out))
    })
}

/// The instant at which a day starts.
pub(super) fn local_midnight() -> ScalarUDF {
    let zones = ByZone::new(Zone::clone);
    let returns = DataType::Timestamp(TimeUnit::Microsecond, Some(LAKE_TIMEZONE.into()));
    let null = returns.clone();
    function("local_midnight", 2, returns, move |args| {
        let array = args.array(0)?;
        let Some(days) = array.as_primitive_opt::<Date32Type>() else {
            return untyped(&array, args.function, &null);
        };
        let zone = zones.get(args.literal_text(1)?)?;
        let mut last = (0, zone.midnight(0));
        let mut midnight = |day: i32| {
            if last.0 != day {
                last = (day, zone.midnight(day));
            }
            last.1
        };
        let out: TimestampMicrosecondArray = days.iter().map(|day| day.map(&mut midnight)).collect();
        Ok(Arc::new(out.with_timezone(LAKE_TIMEZONE)))
    })
}

/// NULL for a NULL without a type, else an error.
fn untyped(array: &ArrayRef, function: &str, returns: &DataType) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Null => Ok(new_null_array(returns, array.len())),
        other => exec_err!("{function} cannot take {other}"),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;
    use datafusion::logical_expr::ColumnarValue;

    use super::super::tests::{call, text};
    use super::*;

    const DAY_US: i64 = 86_400_000_000;

    #[test]
    fn days_and_midnights_are_those_of_the_zone() {
        let zone = Zone::parse("Europe/London").unwrap();
        let instants: Vec<i64> = (0..400).map(|d| d * DAY_US + d * 7_000_000_000).collect();
        let array = TimestampMicrosecondArray::from(instants.clone()).with_timezone(LAKE_TIMEZONE);
        let out = call(&local_day(), vec![ColumnarValue::Array(Arc::new(array)), text("Europe/London")], 400).unwrap();
        let days = out.as_primitive::<Date32Type>();
        for (i, instant) in instants.iter().enumerate() {
            assert_eq!(days.value(i), zone.local_day(*instant));
        }
        let out = call(&local_midnight(), vec![ColumnarValue::Array(out.clone()), text("Europe/London")], 400).unwrap();
        assert_eq!(out.as_primitive::<TimestampMicrosecondType>().value(200), zone.midnight(days.value(200)));
    }

    #[test]
    fn null_is_null() {
        let array = TimestampMicrosecondArray::from(vec![None::<i64>]);
        assert!(call(&local_day(), vec![ColumnarValue::Array(Arc::new(array)), text("UTC")], 1).unwrap().is_null(0));
    }
}
