//! Whether a message fits its workspace's catalog.
//!
//! In: a draft, and the catalog. Out: an [`Unfit`] for properties that do not fit the JSON Schema of their event, and for more names than a message or
//! a workspace may have; and counts of values that do not convert to their types, which are kept as they came.
//!
//! Deliberately absent: changing the message.

mod names;
mod schema;
mod types;

use segment_core::catalog::{Catalog, Scope};
use segment_core::time::Zone;

use super::draft::Draft;
use super::quarantine::Unfit;

use names::Vocabulary;
use schema::Schemas;
pub use schema::check_schemas;
pub use types::Misfits;
use types::Types;

/// One workspace's rules, and what was counted by them.
pub struct Checker {
    schemas: Schemas,
    types: Types,
    vocabulary: Vocabulary,
}

impl Checker {
    /// The rules of a catalog. `before` is the checker in whose place it is put, of which counts, new names and what was compiled of schemas
    /// that are the same stay.
    pub fn new(catalog: &Catalog, before: Option<&Checker>) -> Self {
        Self {
            schemas: Schemas::new(catalog, before.map(|checker| &checker.schemas)),
            types: Types::new(catalog, before.map(|checker| &checker.types)),
            vocabulary: Vocabulary::new(catalog, before.map(|checker| &checker.vocabulary)),
        }
    }

    pub(crate) fn check(&self, draft: &Draft, zone: &Zone) -> Result<(), Unfit> {
        self.schemas.check(draft)?;
        self.vocabulary.check(draft)?;
        self.types.count(draft, zone);
        Ok(())
    }

    /// Values that did not convert to the types of their names, by half of the catalog and name.
    pub fn misfits(&self) -> Vec<(Scope, String, Misfits)> {
        self.types.misfits()
    }
}
