//! Instants that more than one window came to.
//!
//! A plan holds a window's instants, not how it was written, so two parts of it can be equal at this `as_of` and differ at the next. What is
//! said of a tree at every `as_of` must not take such parts for one.

use std::collections::hash_map::Entry;

use crate::map::HashMap;
use crate::plan::Interval;
use crate::time::WindowMeaning;

/// What a plan holds of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Seen {
    /// Two instants.
    Instants(Interval),
    /// The first and the last of the dates whose midnight is between them.
    Dates(Option<i32>, i32),
}

/// The windows of a tree by what they came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meanings {
    /// `None` where several came to the same.
    windows: HashMap<Seen, Option<WindowMeaning>>,
}

impl Meanings {
    /// Notes what a window came to.
    pub(crate) fn note(&mut self, seen: Seen, meaning: WindowMeaning) {
        match self.windows.entry(seen) {
            Entry::Vacant(entry) => {
                entry.insert(Some(meaning));
            }
            Entry::Occupied(mut entry) => {
                if entry.get().as_ref().is_some_and(|known| *known != meaning) {
                    entry.insert(None);
                }
            }
        }
    }

    /// Whether every window that came to this is one at every instant.
    pub(crate) fn is_one(&self, seen: Seen) -> bool {
        !matches!(self.windows.get(&seen), Some(None))
    }
}
