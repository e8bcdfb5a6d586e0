//! Events that somebody else writes: where their files are, and which of their columns mean what.
//!
//! In: the member `events_table` of a catalog's declaration. Out: an [`EventsTable`], the one place that says what the columns
//! are called, how times are written, and what a partition's values say of the times in it. Deliberately absent: reading files; the
//! types of properties, which the catalog declares as it does for any others.
//!
//! Invariant: a row whose time lies further than the slack outside of its partition's span is no event. So leaving partitions out by a window
//! never changes an answer, and every engine leaves out the same rows.

mod held;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use held::{Held, HeldColumns};
pub(crate) use read::{read, shown};

use crate::plan::Interval;
use crate::time::{Zone, parse_date};

/// Seconds of slack where nothing is said: a day, by which files partitioned by arrival are late.
pub const SLACK_SECONDS: u32 = 86_400;
/// The most slack, in seconds: 31 days.
pub const SLACK_SECONDS_MAX: u32 = 31 * 86_400;
/// Seconds after which files are looked for anew where nothing is said.
pub const REFRESH_SECONDS: u32 = 60;
/// The longest time between two looks, in seconds: a day.
pub const REFRESH_SECONDS_MAX: u32 = 86_400;
/// The most partition columns.
pub const PARTITIONS_MAX: usize = 8;
/// The value that Hive writes for a partition column that is null.
pub const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// A column's name, then the names of struct fields below it. The first may be a partition column's.
pub type ColumnPath = Vec<String>;

/// Hive-style Parquet files that somebody else writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsTable {
    /// `s3://bucket/folder/` or an absolute local folder, with a `/` at the end.
    pub location: String,
    /// The columns in the folders' names below it, in their order.
    pub partitions: Vec<Partition>,
    /// The zone that partitions' days and hours are in.
    pub partition_zone: String,
    /// How far a row's time may lie outside of its partition's span.
    pub slack_seconds: u32,
    /// Text or an integer.
    pub user_id: ColumnPath,
    /// The event's name.
    pub event: EventName,
    /// The event's time.
    pub ts: TimeColumn,
    /// Decides the order of events with one time; without it `first` and `last` cannot be asked for.
    pub message_id: Option<ColumnPath>,
    /// Properties by name. Those that the catalog has besides are missing in every event.
    pub properties: BTreeMap<String, ColumnPath>,
    /// New files are seen after this time at the latest.
    pub refresh_seconds: u32,
}

/// A partition column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its name, as in the folders' names.
    pub column: String,
    /// What its values are.
    pub format: PartitionFormat,
}

/// What the values of a partition column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionFormat {
    /// A day, `2026-11-01`.
    Date,
    /// A day, `20261101`.
    BasicDate,
    /// An hour of the day, `00` to `23`.
    Hour,
    /// Text that says nothing of the time.
    Text,
}

impl PartitionFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Date, Self::BasicDate, Self::Hour, Self::Text];

    /// Its name in the catalog's JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::BasicDate => "basic_date",
            Self::Hour => "hour",
            Self::Text => "text",
        }
    }

    /// Whether it is a day.
    pub fn is_day(self) -> bool {
        matches!(self, Self::Date | Self::BasicDate)
    }
}

/// Where an event's name is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventName {
    /// In a column of text.
    Column(ColumnPath),
    /// All rows have this one.
    Constant(String),
}

/// Where an event's time is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeColumn {
    /// The column.
    pub column: ColumnPath,
    /// How it is written.
    pub form: TimeForm,
    /// The zone of times without an offset; `None`: the workspace's.
    pub zone: Option<String>,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeForm {
    /// As Parquet's timestamp.
    Timestamp,
    /// As text: RFC 3339, the same without an offset, or a date.
    String,
    /// As whole seconds since 1970.
    EpochS,
    /// As whole milliseconds since 1970.
    EpochMs,
    /// As whole microseconds since 1970.
    EpochUs,
}

impl TimeForm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Timestamp, Self::String, Self::EpochS, Self::EpochMs, Self::EpochUs];

    /// Its name in the catalog's JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::String => "string",
            Self::EpochS => "epoch_s",
            Self::EpochMs => "epoch_ms",
            Self::EpochUs => "epoch_us",
        }
    }

    /// Microseconds of one of the units in which it counts; `None` where it does not count.
    pub fn unit(self) -> Option<i64> {
        match self {
            Self::Timestamp | Self::String => None,
            Self::EpochS => Some(SECOND),
            Self::EpochMs => Some(1_000),
            Self::EpochUs => Some(1),
        }
    }
}

impl EventsTable {
    /// The slack in microseconds.
    pub fn slack(&self) -> i64 {
        i64::from(self.slack_seconds) * SECOND
    }

    /// The times of the events in a partition, slack included; `None`: it says nothing of them. `values` are those of the partition
    /// columns, in their order.
    ///
    /// # Nulls
    ///
    /// A day or hour that is [`NULL_PARTITION`] holds no times, so its rows are no events.
    ///
    /// # Errors
    ///
    /// The column and the value that is no day or hour.
    pub fn times(&self, values: &[impl AsRef<str>], zone: &Zone) -> Result<Option<Interval>, String> {
        let (mut day, mut hour) = (None, None);
        for (partition, value) in self.partitions.iter().zip(values) {
            let value = value.as_ref();
            if partition.format != PartitionFormat::Text && value == NULL_PARTITION {
                return Ok(Some(Interval { start: Some(0), end: 0 }));
            }
            let known = match partition.format {
                PartitionFormat::Text => true,
                PartitionFormat::Date | PartitionFormat::BasicDate => {
                    day = partition.format.day(value);
                    day.is_some()
                }
                PartitionFormat::Hour => {
                    hour = hour_of(value);
                    hour.is_some()
                }
            };
            if !known {
                return Err(format!("{}={value} is no {}", partition.column, partition.format.name()));
            }
        }
        let Some(day) = day else { return Ok(None) };
        let local = i64::from(day) * DAY;
        let (from, to) = match hour {
            None => (zone.midnight(day), zone.instant_of_local(local + DAY)),
            Some(hour) => (zone.instant_of_local(local + hour * HOUR), zone.instant_of_local(local + (hour + 1) * HOUR)),
        };
        Ok(Some(Interval { start: Some(from.saturating_sub(self.slack())), end: to.saturating_add(self.slack()) }))
    }
}

impl PartitionFormat {
    /// The day that a value is, days since 1970-01-01; `None` for formats that are no day.
    pub fn day(self, value: &str) -> Option<i32> {
        match self {
            Self::Date => parse_date(value),
            Self::BasicDate if value.len() == 8 && value.bytes().all(|b| b.is_ascii_digit()) => {
                parse_date(&format!("{}-{}-{}", value.get(..4)?, value.get(4..6)?, value.get(6..)?))
            }
            Self::BasicDate | Self::Hour | Self::Text => None,
        }
    }
}

fn hour_of(value: &str) -> Option<i64> {
    let hour = if value.len() == 2 && value.bytes().all(|b| b.is_ascii_digit()) { value.parse().ok() } else { None };
    hour.filter(|hour| *hour < 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(partitions: &[(&str, PartitionFormat)], slack_seconds: u32) -> EventsTable {
        EventsTable {
            location: "/data/".to_owned(),
            partitions: partitions.iter().map(|(c, format)| Partition { column: (*c).to_owned(), format: *format }).collect(),
            partition_zone: "UTC".to_owned(),
            slack_seconds,
            user_id: vec!["id".to_owned()],
            event: EventName::Constant("view".to_owned()),
            ts: TimeColumn { column: vec!["at".to_owned()], form: TimeForm::EpochMs, zone: None },
            message_id: None,
            properties: BTreeMap::new(),
            refresh_seconds: REFRESH_SECONDS,
        }
    }

    #[test]
    fn times_of_partitions() {
        let by_day = table(&[("region", PartitionFormat::Text), ("dt", PartitionFormat::Date)], 10);
        let zone = Zone::utc();
        let times = by_day.times(&["eu", "1970-01-02"], &zone).unwrap().unwrap();
        assert_eq!((times.start, times.end), (Some(DAY - 10 * SECOND), 2 * DAY + 10 * SECOND));
        assert!(by_day.times(&["eu", NULL_PARTITION], &zone).unwrap().unwrap().is_empty());
        assert_eq!(by_day.times(&["eu", "yesterday"], &zone).unwrap_err(), "dt=yesterday is no date");
        let by_hour = table(&[("d", PartitionFormat::BasicDate), ("h", PartitionFormat::Hour)], 0);
        let times = by_hour.times(&["19700102", "23"], &zone).unwrap().unwrap();
        assert_eq!((times.start, times.end), (Some(DAY + 23 * HOUR), 2 * DAY));
        for bad in [["19700102", "24"], ["19700102", "7"], ["1970-01-02", "07"], ["19700230", "07"]] {
            assert!(by_hour.times(&bad, &zone).is_err(), "{bad:?}");
        }
        assert_eq!(table(&[("region", PartitionFormat::Text)], 0).times(&["eu"], &zone), Ok(None));
    }
}
