//! Whether a message fits its workspace's catalog.
//!
//! In: a draft, and the catalog. Out: an [`Unfit`] for more names than a message or a workspace may have; and counts of values that do
//! not convert to their types, which are kept as they came.
//!
//! Deliberately absent: changing the message, and JSON Schema.

mod names;
mod types;

use segment_core::catalog::{Catalog, Scope};
use segment_core::time::Zone;

use super::draft::Draft;
use super::quarantine::Unfit;

use names::Vocabulary;
pub use types::Misfits;
use types::Types;

/// One workspace's rules, and what was counted by them.
pub struct Checker {
    types: Types,
    vocabulary: Vocabulary,
}

impl Checker {
    /// The rules of a catalog. `before` is the checker in whose place it is put, of which counts and new names stay.
    pub fn new(catalog: &Catalog, before: Option<&Checker>) -> Self {
        Self {
            types: Types::new(catalog, before.map(|checker| &checker.types)),
            vocabulary: Vocabulary::new(catalog, before.map(|checker| &checker.vocabulary)),
        }
    }

    pub(crate) fn check(&self, draft: &Draft, zone: &Zone) -> Result<(), Unfit> {
        self.vocabulary.check(draft)?;
        self.types.count(draft, zone);
        Ok(())
    }

    /// Values that did not convert to the types of their names, by half of the catalog and name.
    pub fn misfits(&self) -> Vec<(Scope, String, Misfits)> {
        self.types.misfits()
    }
}
