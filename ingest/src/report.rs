//! What an import did.

use std::collections::BTreeMap;
use std::path::PathBuf;

use segment_core::catalog::{Catalog, Field, Origin, Scope};
use segment_core::learn::Votes;
#[cfg(doc)]
use segment_core::learn::{FIELDS_MAX, LEVELS_MAX};
use serde::Serialize;

use crate::names::Names;
use crate::stats::Stats;
use crate::tally::Tally;

/// What an import did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportReport {
    /// The workspace.
    pub workspace: String,
    /// The import's id, in the ledger and in file names.
    pub import: String,
    /// The workspace's version now.
    pub version: u64,
    /// Whether anything changed.
    pub changed: bool,
    /// Rows of all input files.
    pub rows_read: u64,
    /// Events.
    pub events: EventsReport,
    /// Users.
    pub users: UsersReport,
    /// Unusable rows.
    pub rejected: RejectedReport,
    /// Properties that the input had, by name.
    pub properties: BTreeMap<String, NameReport>,
    /// Attributes that the input had, by name.
    pub attributes: BTreeMap<String, NameReport>,
    /// The input files.
    pub files: Vec<FileReport>,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// Events of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EventsReport {
    /// Usable event rows.
    pub rows: u64,
    /// Events that were new, and are there now.
    pub written: u64,
    /// Rows whose event was there already.
    pub duplicates: u64,
    /// New events by name.
    pub names: BTreeMap<String, u64>,
}

/// Users of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UsersReport {
    /// Usable user rows.
    pub rows: u64,
    /// Rows that were merged.
    pub merged: u64,
    /// Rows that an earlier import had merged already.
    pub applied_before: u64,
    /// Users there are in the workspace now.
    pub total: u64,
}

/// Unusable rows of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RejectedReport {
    /// How many.
    pub count: u64,
    /// How many for each reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Where they are, one JSON object a line.
    pub file: Option<PathBuf>,
}

/// What an import did to a property's or an attribute's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It got its type from this import.
    Learned,
    /// Its type became wider, or gained fields.
    Widened,
    /// It stayed.
    Same,
}

/// A property or an attribute that the input had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameReport {
    /// Its type's name now; none for a name that the catalog cannot hold or that had no value to learn from.
    #[serde(rename = "type")]
    pub ty: Option<&'static str>,
    /// Whether a person declared it.
    pub declared: bool,
    /// What this import did to the type.
    pub change: Change,
    /// Values written that were not null.
    pub values: u64,
    /// Those of them that did not convert: kept as they came, missing for comparisons.
    pub unconverted: u64,
    /// Lists and objects that converted but for some of their parts: of an event all of it is kept besides, of a user what converted.
    pub partial: u64,
    /// Whether its objects had more fields than [`FIELDS_MAX`], or deeper ones than [`LEVELS_MAX`], and the type learned from them lacks
    /// those beyond. Values with such fields are among the partial ones.
    pub truncated: bool,
    /// A few values that did not convert, or not wholly, as JSON.
    pub examples: Vec<String>,
}

/// An input file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// As it was named.
    pub file: String,
    /// `events`, `users`, or `recipe` for a file that a recipe reads.
    pub kind: &'static str,
    /// Rows in it.
    pub rows: u64,
}

/// What became of the names of one half.
pub(crate) fn names(
    scope: Scope,
    (names, tally): (&Names, &Tally),
    before: &Catalog,
    after: &Catalog,
    stats: &Stats,
) -> BTreeMap<String, NameReport> {
    let all = names.all().into_iter().enumerate();
    let reports = all.map(|(id, name)| {
        let now = after.fields(scope).get(name.as_ref());
        let then = before.fields(scope).get(name.as_ref());
        let change = match (then, now) {
            (None, now) if is_learned(now) => Change::Learned,
            (Some(then), Some(now)) if then.ty != now.ty => Change::Widened,
            _ => Change::Same,
        };
        let stats = stats.names.get(id).cloned().unwrap_or_default();
        let report = NameReport {
            ty: now.map(|field| field.ty.name()),
            declared: now.is_some_and(|field| field.origin == Origin::Declared),
            change,
            values: stats.values,
            unconverted: stats.unconverted,
            partial: stats.partial,
            truncated: is_learned(now) && tally.votes(id).is_some_and(Votes::is_truncated),
            examples: stats.examples,
        };
        (name.to_string(), report)
    });
    reports.collect()
}

fn is_learned(field: Option<&Field>) -> bool {
    field.is_some_and(|field| field.origin == Origin::Learned)
}
