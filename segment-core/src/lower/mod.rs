//! Plan → SQL for a dialect.
//!
//! # Shape
//!
//! The query gives `user_no` (bigint) and `user_id` (text) of the members, each user once, in no order.
//!
//! In the plainest shape ([`Strategy::Arms`]) leaves that select the same events share an *arm*: one scan, grouped by `user_no`,
//! with a conditional aggregate for each leaf. Arms are joined by `UNION ALL` and grouped once more. An arm does not hand
//! measures on but *marks*: the column `m<i>` is 1 where the i-th leaf differs from what it is for a user without
//! events, NULL elsewhere. So `count gte 2` is `m0 IS NOT NULL`, `count lte 2` is `m0 IS NULL`, both two-valued, an arm
//! drops every user without a mark, and the tree is one boolean expression over the marks. The result joins the
//! profiles, from the left only if someone without a mark can be a member.
//!
//! Of events that somebody else writes ([`Key::Id`]) all that goes by `user_id`, and users need no profile: `users` says who they are.

mod arm;
mod external;
mod marks;
mod statement;
mod sums;
mod tree;
mod users;
mod wide;

use std::collections::BTreeMap;

use crate::diagnostics::{Code, Diagnostic};
use crate::dialect::{Dialect, Support};
use crate::plan::{EventMatch, Interval, Measure, Plan};
use crate::sql::Query;

pub use arm::filter;
pub use external::{External, create_schema, drop_schema, tables_of};
pub use marks::Strategy;
pub use statement::{AsOf, drop_table, makers};

/// Where a backend keeps a workspace's tables: the parts of each name, to be quoted.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// `event`, `user_no` (or `user_id`: [`Key`]), `ts`, `message_id` and the property columns.
    pub events: Vec<String>,
    /// What says whose an event is.
    pub key: Key,
    /// Whether `events` has [`SPAN_FROM`] and [`SPAN_UNTIL`] as well: the bounds of the times of each partition's events.
    pub spans: bool,
    /// `user_no`, `user_id`, `first_seen_at`, `last_seen_at` and the attribute columns; one row a user.
    pub profiles: Vec<String>,
    /// Each list by its key: `user_id`, unique.
    pub lists: BTreeMap<String, Vec<String>>,
}

/// What says whose an event is, and with it who the users are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Key {
    /// `user_no`. Profiles are all the users there are, and know when each was first seen.
    #[default]
    Number,
    /// `user_id`, of events that somebody else writes. Users are those who have a profile or an event; who has no profile has the number
    /// [`NUMBER_NONE`].
    Id,
}

/// The column of the events with the whole seconds since 1970 before which no event of its partition is.
pub const SPAN_FROM: &str = "span_from";
/// The same from which on none is.
pub const SPAN_UNTIL: &str = "span_until";

/// The number of a user who has none.
pub const NUMBER_NONE: i64 = -1;

impl Key {
    /// Its column.
    pub(crate) fn column(self) -> &'static str {
        match self {
            Key::Number => "user_no",
            Key::Id => "user_id",
        }
    }
}

/// A lowered plan.
#[derive(Debug, Clone)]
pub struct Lowered {
    query: Query,
    /// The tables that it reads as they were.
    as_of: Vec<AsOf>,
    /// The events, where they are a query over what somebody else writes.
    external: Option<(String, Query)>,
    /// What it reads of the events, one entry an arm, and one more where all are looked through for users; for pruning.
    pub reads: Vec<Read>,
    /// Keys of the lists that it joins.
    pub lists: Vec<String>,
}

/// Events that an arm reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Which.
    pub events: EventMatch,
    /// When.
    pub window: Interval,
}

/// Lowers a simplified plan.
///
/// # Errors
///
/// `NotSupported` diagnostics for operators and measures that the dialect cannot say exactly, and for lists that the
/// backend has no table for.
pub fn lower(plan: &Plan, dialect: &dyn Dialect, tables: &Tables, strategy: Strategy) -> Result<Lowered, Vec<Diagnostic>> {
    let marks = marks::Marks::collect(plan);
    let mut faults = Vec::new();
    for op in &marks.ops {
        if dialect.support(*op) != Support::Exact {
            faults.push(Diagnostic::new(Code::NotSupported, "", format!("{} cannot run \"{}\"", dialect.name(), op.name())));
        }
    }
    for measure in &marks.measures {
        if dialect.measure_support(*measure) != Support::Exact {
            faults.push(Diagnostic::new(Code::NotSupported, "", format!("{} cannot run \"{}\"", dialect.name(), measure.name())));
        }
    }
    for leaf in &marks.leaves {
        if matches!(leaf.measure, Measure::Avg(_)) && dialect.avg_support(&leaf.test) != Support::Exact {
            let message = format!("{} cannot compare an average with a number of so many digits", dialect.name());
            faults.push(Diagnostic::new(Code::NotSupported, "", message));
        }
    }
    for key in &marks.lists {
        if !tables.lists.contains_key(key) {
            faults.push(Diagnostic::new(Code::UnknownList, "", format!("there is no table for list \"{key}\"")));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(tree::query(plan, &marks, dialect, tables, strategy))
}
