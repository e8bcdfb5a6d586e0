//! Shorthands over a pinned state.

use segment_core::lower::Lowered;
use segment_core::plan::EventMatch;
use store::{EventRead, Pinned};

use crate::backend::Query;
use crate::error::Result;

/// The pinned state of a query, for backends that need one.
pub(crate) fn pinned(query: &Query) -> Result<&Pinned> {
    query.state().map(|pinned| &**pinned)
}

/// What a lowered plan reads of the events, as [`store::EventsSnapshot::plan`] takes it: the lake's files that can hold it.
pub fn event_reads(lowered: &Lowered) -> Vec<EventRead> {
    let read = |read: &segment_core::lower::Read| {
        let (names, prefix) = match &read.events {
            EventMatch::Any => (None, None),
            EventMatch::Prefix(prefix) => (None, Some(prefix.clone())),
            EventMatch::Names(names) => (Some(names.iter().cloned().collect()), None),
        };
        EventRead { names, prefix, start: read.window.start, end: read.window.end }
    };
    lowered.reads.iter().map(read).collect()
}
