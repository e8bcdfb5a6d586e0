//! Shorthands over a pinned state.

use segment_core::lower::{Key, Lowered};
use segment_core::plan::EventMatch;
use store::{EventRead, Pinned};

use crate::backend::Query;
use crate::error::Result;

/// The pinned state of a query, for backends that need one and read the lake's events.
#[cfg(feature = "cassandra")]
pub(crate) fn pinned(query: &Query) -> Result<&Pinned> {
    query.state().map(|pinned| &**pinned)
}

/// The same for backends that read events that somebody else writes as well.
pub(crate) fn any_pinned(query: &Query) -> Result<&Pinned> {
    query.any_state().map(|pinned| &**pinned)
}

/// What says whose an event is.
pub fn key(pinned: &Pinned) -> Key {
    if pinned.bound.is_some() { Key::Id } else { Key::Number }
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
