//! Where rows are from: all from one import, or each from its place in the log.

use crate::error::{ImportError, Result};
use crate::record::source_and_row;

/// What is known of a row besides what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// When it was received, microseconds.
    pub(crate) received_at: i64,
    /// What decides between two values of one attribute: the greater one wins.
    pub(crate) written_at: i64,
    /// Whether it is of an event, which makes no profile.
    pub(crate) of_events: bool,
    /// Its offset in the log; none for an import.
    pub(crate) offset: Option<u64>,
}

/// The origins of a write's rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origins<'a> {
    /// An import of that time.
    Import(i64),
    /// Of each row, by its number from 1.
    Log(&'a [Origin]),
}

impl Origins<'_> {
    /// That of the row with a sequence number.
    pub(crate) fn of(&self, seq: u64) -> Result<Origin> {
        match self {
            Self::Import(now) => Ok(Origin { received_at: *now, written_at: *now, of_events: false, offset: None }),
            Self::Log(rows) => {
                let place = source_and_row(seq).1.checked_sub(1).and_then(|n| usize::try_from(n).ok());
                let found = place.and_then(|n| rows.get(n)).copied();
                found.ok_or_else(|| ImportError::scratch("find a row's place in the log", "it has none"))
            }
        }
    }
}
