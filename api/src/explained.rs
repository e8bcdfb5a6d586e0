//! What a condition would read, as it is shown by `muster explain` and REST.

use query_backends::{Explanation, Reading, Routing};
use segment_core::plan::ShownWindow;
use segment_core::time::format_instant;
use serde::Serialize;
use utoipa::ToSchema;

use crate::routing::{self, Choice};

/// What would be read, and by whom.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explained {
    /// The instant of evaluation.
    as_of: String,
    /// The backend that would answer.
    backend: &'static str,
    /// Why that one, and why not the others.
    routing: Vec<Choice>,
    /// Each window as two instants.
    windows: Vec<Window>,
    /// What would be read of events.
    scans: Vec<Scan>,
    /// All events there are.
    events: Amount,
    /// What would be read of profiles.
    profiles: Amount,
    /// Users there are.
    users: u64,
    /// The instant up to which all changes of profiles are seen; null: all there are.
    profiles_as_of: Option<String>,
    /// The SQL, where the backend has some.
    sql: Option<String>,
    /// The engine's plan, for people.
    plan: String,
}

/// A window as two instants.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Window {
    /// JSON pointer to it, in the condition of the last of `segments`.
    pointer: String,
    /// The segments that lead to it; empty: it is in the condition itself.
    segments: Vec<String>,
    /// From when on; null: from the beginning.
    start: Option<String>,
    /// Until when, itself not included.
    end: String,
}

/// Something that would be read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Scan {
    /// What.
    what: String,
    /// How much of it.
    read: Amount,
    /// Files that need not be read.
    files_skipped: u64,
    /// Row groups that need not be read.
    row_groups_skipped: u64,
}

/// How much there is to read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Amount {
    files: u64,
    row_groups: u64,
    rows: u64,
    bytes: u64,
}

impl Amount {
    fn of(r: &Reading) -> Self {
        Self { files: r.files, row_groups: r.row_groups, rows: r.rows, bytes: r.bytes }
    }
}

impl Explained {
    pub(crate) fn new(explained: &Explanation, as_of: i64, routing: &Routing) -> Self {
        let window = |w: &ShownWindow| Window {
            pointer: w.pointer.clone(),
            segments: w.segments.clone(),
            start: w.interval.start.map(format_instant),
            end: format_instant(w.interval.end),
        };
        let scan = |s: &query_backends::ScanPlan| Scan {
            what: s.what.clone(),
            read: Amount::of(&s.read),
            files_skipped: s.files_skipped,
            row_groups_skipped: s.row_groups_skipped,
        };
        Self {
            as_of: format_instant(as_of),
            backend: routing.chosen().map_or("", |c| c.backend),
            routing: routing::choices(routing),
            windows: explained.windows.iter().map(window).collect(),
            scans: explained.scans.iter().map(scan).collect(),
            events: Amount::of(&explained.events),
            profiles: Amount::of(&explained.profiles),
            users: explained.users,
            profiles_as_of: explained.profiles_as_of.map(format_instant),
            sql: explained.sql.clone(),
            plan: explained.plan.clone(),
        }
    }
}
