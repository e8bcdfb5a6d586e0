//! What a query would read, by Trino's own estimate: `EXPLAIN (TYPE IO)` for amounts, `EXPLAIN (TYPE DISTRIBUTED)` for people.

use std::collections::HashSet;

use segment_core::dialect::trino::{FROM, UNTIL};
use segment_core::plan::{EventMatch, Interval};
use segment_core::time::{Zone, parse_instant};
use serde::Deserialize;
use serde_json::Value as Json;
use store::{BoundEvents, BoundFile, EventRead, Pinned};

use super::TrinoBackend;
use super::prepare::Prepared;
use crate::backend::{Explanation, Query, Reading, ScanPlan};
use crate::error::{BackendError, Result};

/// Values of a constraint that are shown.
const VALUES_SHOWN: usize = 5;

/// Explains without running.
pub(super) async fn explain(backend: &TrinoBackend, query: &Query, pinned: &Pinned, prepared: Prepared) -> Result<Explanation> {
    let session = backend.session_of(&prepared);
    let io = prepared.lowered.explained(&[("TYPE", "IO"), ("FORMAT", "JSON")]);
    let plan = prepared.lowered.explained(&[("TYPE", "DISTRIBUTED")]);
    let (io, plan) = futures::future::try_join(backend.client.texts(&io, &session), backend.client.texts(&plan, &session)).await?;
    let io: Io = serde_json::from_str(&io.concat()).map_err(|e| BackendError::internal("Trino's estimate cannot be read").caused_by(e))?;

    if let Some(bound) = &prepared.bound {
        return Ok(over_bound(bound, query, pinned, &prepared, &io, plan.concat()));
    }
    let everything = pinned.events.plan(&prepared.lowered.reads.iter().map(read).collect::<Vec<_>>()).await?;
    let events = Reading { files: everything.files_total, row_groups: 0, rows: everything.rows_total, bytes: everything.bytes_total };
    let (mut scans, mut profiles) = (Vec::new(), Reading::default());
    for input in &io.inputs {
        let name = pinned.shared.as_ref().map(|shared| (&shared.events.table, &shared.profiles.table));
        if name.is_some_and(|(events, _)| *events == input.table.schema_table.table) {
            let files = pinned.events.plan(&[input.constraint.as_read()]).await?;
            let read = Reading { files: files.files.len() as u64, ..input.estimate.reading() };
            let files_skipped = files.files_total.saturating_sub(read.files);
            scans.push(ScanPlan { what: input.constraint.shown(), read, files_skipped, row_groups_skipped: 0 });
        } else if name.is_some_and(|(_, profiles)| *profiles == input.table.schema_table.table) {
            profiles = Reading { files: pinned.profiles.files.len() as u64, ..input.estimate.reading() };
        }
    }
    Ok(Explanation {
        sql: Some(prepared.lowered.sql()),
        plan: plan.concat(),
        windows: query.plan.windows.clone(),
        scans,
        events,
        profiles,
        users: pinned.profiles.rows,
        profiles_as_of: pinned.shared.as_ref().and_then(|shared| shared.profiles_as_of),
    })
}

/// The same where somebody else writes the events: what Trino's conditions on partitions leave of the listing. Rows are not counted.
fn over_bound(bound: &BoundEvents, query: &Query, pinned: &Pinned, prepared: &Prepared, io: &Io, plan: String) -> Explanation {
    let profiles_table = pinned.shared.as_ref().map(|shared| &shared.profiles.table);
    let lists: Vec<&String> = pinned.shared.iter().flat_map(|shared| shared.lists.values().map(|list| &list.table)).collect();
    let partitions = |files: &[&BoundFile]| files.iter().map(|f| &f.partition).collect::<HashSet<_>>().len();
    let all: Vec<&BoundFile> = bound.files().iter().collect();
    let reading =
        |files: &[&BoundFile]| Reading { files: files.len() as u64, bytes: files.iter().map(|f| f.size_bytes).sum(), ..Reading::default() };
    let (mut scans, mut profiles) = (Vec::new(), Reading::default());
    for input in &io.inputs {
        let table = &input.table.schema_table.table;
        if profiles_table == Some(table) {
            profiles = Reading { files: pinned.profiles.files.len() as u64, ..input.estimate.reading() };
        } else if !lists.contains(&table) {
            let span = input.constraint.span();
            let left: Vec<&BoundFile> = all.iter().copied().filter(|file| span.is_some_and(|span| file.may_hold(span))).collect();
            let what = format!("{}; {} of {} partitions", input.constraint.shown(), partitions(&left), partitions(&all));
            let (read, files_skipped) = (reading(&left), (all.len() - left.len()) as u64);
            scans.push(ScanPlan { what, read, files_skipped, row_groups_skipped: 0 });
        }
    }
    Explanation {
        sql: Some(prepared.lowered.sql()),
        plan,
        windows: query.plan.windows.clone(),
        scans,
        events: reading(&all),
        profiles,
        users: pinned.profiles.rows,
        profiles_as_of: pinned.shared.as_ref().and_then(|shared| shared.profiles_as_of),
    }
}

fn read(read: &segment_core::lower::Read) -> EventRead {
    let (names, prefix) = match &read.events {
        EventMatch::Any => (None, None),
        EventMatch::Prefix(prefix) => (None, Some(prefix.clone())),
        EventMatch::Names(names) => (Some(names.iter().cloned().collect()), None),
    };
    EventRead { names, prefix, start: read.window.start, end: read.window.end }
}

#[derive(Debug, Deserialize)]
struct Io {
    /// One for each choice of a table's rows.
    #[serde(rename = "inputTableColumnInfos")]
    inputs: Vec<Input>,
}

#[derive(Debug, Deserialize)]
struct Input {
    table: InputTable,
    constraint: Constraint,
    estimate: Estimate,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InputTable {
    schema_table: SchemaTable,
}

#[derive(Debug, Deserialize)]
struct SchemaTable {
    table: String,
}

/// What pushed-down conditions leave of a table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Constraint {
    /// Nothing.
    #[serde(default)]
    none: bool,
    #[serde(default)]
    column_constraints: Vec<ColumnConstraint>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ColumnConstraint {
    column_name: String,
    domain: Domain,
}

#[derive(Debug, Deserialize)]
struct Domain {
    #[serde(default)]
    ranges: Vec<Range>,
}

#[derive(Debug, Deserialize)]
struct Range {
    low: Marker,
    high: Marker,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Marker {
    /// None where there is no bound.
    value: Option<String>,
    bound: String,
}

/// Trino's estimate of a scan's output; what it does not know comes as the text `NaN`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Estimate {
    output_row_count: Json,
    output_size_in_bytes: Json,
}

impl Estimate {
    fn reading(&self) -> Reading {
        let amount = |json: &Json| json.as_f64().filter(|x| x.is_finite() && *x > 0.0).unwrap_or_default() as u64;
        Reading { rows: amount(&self.output_row_count), bytes: amount(&self.output_size_in_bytes), ..Reading::default() }
    }
}

impl Range {
    fn exactly(&self) -> Option<&str> {
        self.low.value.as_deref().filter(|_| self.low == self.high)
    }

    fn shown(&self) -> String {
        match (self.exactly(), &self.low.value, &self.high.value) {
            (Some(value), _, _) => value.to_owned(),
            (None, Some(low), Some(high)) => format!("{low} to {high}"),
            (None, Some(low), None) => format!("from {low}"),
            (None, None, Some(high)) => format!("up to {high}"),
            (None, None, None) => "any".to_owned(),
        }
    }
}

impl Constraint {
    fn shown(&self) -> String {
        if self.none {
            return "nothing".to_owned();
        }
        let column = |c: &ColumnConstraint| {
            let mut values: Vec<String> = c.domain.ranges.iter().take(VALUES_SHOWN).map(Range::shown).collect();
            if c.domain.ranges.len() > VALUES_SHOWN {
                values.push(format!("{} more", c.domain.ranges.len() - VALUES_SHOWN));
            }
            format!("{}: {}", c.column_name, values.join(", "))
        };
        let columns: Vec<String> = self.column_constraints.iter().map(column).collect();
        if columns.is_empty() { "all events".to_owned() } else { columns.join("; ") }
    }

    fn ranges(&self, column: &str) -> &[Range] {
        self.column_constraints.iter().find(|c| c.column_name == column).map_or(&[], |c| &c.domain.ranges)
    }

    /// The times that partitions have to meet: their bounds are whole seconds. `None`: no partition is read.
    fn span(&self) -> Option<Interval> {
        const SECOND: i64 = 1_000_000;
        let seconds = |marker: &Marker| marker.value.as_deref().and_then(|value| value.parse::<i64>().ok());
        let until = self.ranges(UNTIL).first().and_then(|range| seconds(&range.low));
        let from = self.ranges(FROM).last().and_then(|range| seconds(&range.high));
        // A partition at a bound is among those left.
        let start = until.map(|s| s.saturating_mul(SECOND).saturating_sub(1));
        let end = from.map_or(i64::MAX, |s| s.saturating_mul(SECOND).saturating_add(1));
        let window = Interval { start, end };
        (!self.none).then_some(window)
    }

    /// The same as the lake plans it; where a bound is not understood, more.
    fn as_read(&self) -> EventRead {
        if self.none {
            return EventRead { names: Some(Vec::new()), prefix: None, start: None, end: i64::MAX };
        }
        let events = self.ranges("event");
        let names: Option<Vec<String>> = events.iter().map(|r| r.exactly().map(str::to_owned)).collect();
        let times = self.ranges("ts");
        let instant = |marker: &Marker| {
            let text = marker.value.as_deref()?.strip_suffix(" UTC")?.replacen(' ', "T", 1);
            parse_instant(&[text.as_str(), "Z"].concat(), &Zone::utc())
        };
        EventRead {
            names: names.filter(|names| !names.is_empty()),
            prefix: None,
            start: times.first().and_then(|range| instant(&range.low)),
            end: times.last().and_then(|range| instant(&range.high)).map_or(i64::MAX, |end| end.saturating_add(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraint(json: &str) -> Constraint {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn constraints_as_reads() {
        let known = constraint(
            r#"{"none": false, "columnConstraints": [
                {"columnName": "event", "type": "varchar", "domain": {"nullsAllowed": false, "ranges": [
                    {"low": {"value": "buy", "bound": "EXACTLY"}, "high": {"value": "buy", "bound": "EXACTLY"}}]}},
                {"columnName": "ts", "type": "timestamp(6) with time zone", "domain": {"nullsAllowed": false, "ranges": [
                    {"low": {"value": "1970-01-01 00:00:01.000000 UTC", "bound": "EXACTLY"}, "high": {"bound": "BELOW"}}]}}]}"#,
        );
        let read = EventRead { names: Some(vec!["buy".to_owned()]), prefix: None, start: Some(1_000_000), end: i64::MAX };
        assert_eq!(known.as_read(), read);
        assert_eq!(known.shown(), "event: buy; ts: from 1970-01-01 00:00:01.000000 UTC");
        let any = constraint(r#"{"none": false, "columnConstraints": []}"#);
        assert_eq!(any.as_read(), EventRead { names: None, prefix: None, start: None, end: i64::MAX });
        assert_eq!(any.shown(), "all events");
        assert_eq!(constraint(r#"{"none": true}"#).as_read().names, Some(Vec::new()));
    }

    #[test]
    fn unknown_estimates_are_nothing() {
        let estimate: Estimate = serde_json::from_str(r#"{"outputRowCount": "NaN", "outputSizeInBytes": 7.5}"#).unwrap();
        assert_eq!(estimate.reading(), Reading { bytes: 7, ..Reading::default() });
    }
}
