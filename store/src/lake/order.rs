//! Checking that events come in the files' order.

use std::cmp::Ordering;

use arrow::array::{Array, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;

use crate::error::{Result, StoreError};

/// Microseconds of a day.
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// The key columns of a batch of events.
pub(crate) struct Keys<'a> {
    events: &'a StringArray,
    users: &'a Int64Array,
    times: &'a TimestampMicrosecondArray,
    messages: &'a StringArray,
}

/// The key of the last row written.
#[derive(Debug, Clone)]
pub(crate) struct Last {
    event: String,
    user_no: i64,
    ts: i64,
    message: String,
}

impl<'a> Keys<'a> {
    /// Takes the key columns of a batch that has the events' schema.
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self> {
        let missing = || StoreError::Invalid("a batch of events lacks event, user_no, ts or message_id".to_owned());
        Ok(Self {
            events: batch.column_by_name("event").and_then(|c| c.as_string_opt()).ok_or_else(missing)?,
            users: batch.column_by_name("user_no").and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(missing)?,
            times: batch.column_by_name("ts").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>()).ok_or_else(missing)?,
            messages: batch.column_by_name("message_id").and_then(|c| c.as_string_opt()).ok_or_else(missing)?,
        })
    }

    /// Splits the rows into runs of one event name (start, end), checking day and order, and moves `last` to the last row.
    pub(crate) fn runs(&self, day: i32, last: &mut Option<Last>) -> Result<Vec<(usize, usize)>> {
        let rows = self.events.len();
        let Some(end) = rows.checked_sub(1) else { return Ok(Vec::new()) };
        let start_us = i64::from(day) * DAY_US;
        if let Some(ts) = self.times.values().iter().find(|ts| !(start_us..start_us + DAY_US).contains(*ts)) {
            return Err(StoreError::Invalid(format!("an event at {ts} µs is not of day {day}")));
        }
        if let Some(last) = last {
            let order = last.event.as_str().cmp(self.events.value(0)).then_with(|| last.user_no.cmp(&self.users.value(0)));
            let order =
                order.then_with(|| last.ts.cmp(&self.times.value(0))).then_with(|| last.message.as_str().cmp(self.messages.value(0)));
            ordered(order, 0)?;
        }
        let mut runs = Vec::new();
        let mut start = 0;
        for row in 1..rows {
            let order = self.events.value(row - 1).cmp(self.events.value(row));
            if order == Ordering::Less {
                runs.push((start, row));
                start = row;
            } else {
                ordered(order.then_with(|| self.compare_within(row)), row)?;
            }
        }
        runs.push((start, rows));
        *last = Some(Last {
            event: self.events.value(end).to_owned(),
            user_no: self.users.value(end),
            ts: self.times.value(end),
            message: self.messages.value(end).to_owned(),
        });
        Ok(runs)
    }

    /// Compares a row with the one before, of the same event.
    fn compare_within(&self, row: usize) -> Ordering {
        let order = self.users.value(row - 1).cmp(&self.users.value(row));
        let order = order.then_with(|| self.times.value(row - 1).cmp(&self.times.value(row)));
        order.then_with(|| self.messages.value(row - 1).cmp(self.messages.value(row)))
    }
}

fn ordered(order: Ordering, row: usize) -> Result<()> {
    if order == Ordering::Greater {
        return Err(StoreError::Invalid(format!("row {row} of a batch is before its predecessor by (event, user_no, ts, message_id)")));
    }
    Ok(())
}

/// Whether row's name equals the name of the last row written.
pub(crate) fn continues(last: Option<&Last>, batch: &RecordBatch) -> Result<bool> {
    let keys = Keys::of(batch)?;
    Ok(last.is_some_and(|l| !keys.events.is_empty() && l.event == keys.events.value(0)))
}
