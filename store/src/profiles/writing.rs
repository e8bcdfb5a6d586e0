//! Profiles as the writer of a workspace writes them: into the embedded store, or gathered here and then written to Cassandra.

use std::collections::BTreeMap;
use std::path::PathBuf;

use segment_core::catalog::Catalog;

#[cfg(feature = "cassandra")]
use super::cassandra::import::ImportedProfiles;
use super::embedded::EmbeddedProfiles;
use super::{Profile, ProfileFile, ProfileWrite, Seen};
use crate::error::Result;

/// Profiles of a workspace, open for an import. Methods block but for `rewrite`.
pub(crate) enum WritingProfiles {
    Embedded(EmbeddedProfiles),
    #[cfg(feature = "cassandra")]
    Cassandra(ImportedProfiles),
}

/// How much of the columnar form is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    All,
    /// New users, and about so many bytes of what lacks changes.
    Pressing {
        /// Bytes of files.
        bytes: u64,
    },
}

/// The columnar form afterwards.
pub(crate) struct RewrittenProfiles {
    /// All files, by number.
    pub(crate) files: Vec<ProfileFile>,
    /// Files of the state before that are to be removed once nobody reads them.
    pub(crate) replaced: Vec<PathBuf>,
    /// Chunks of it that lack changes, and since when, microseconds.
    pub(crate) stale: BTreeMap<u64, i64>,
    /// Whether anything changed.
    pub(crate) changed: bool,
}

impl WritingProfiles {
    /// The users' numbers, in the order of `ids`, allocating for those not seen before.
    pub(crate) fn user_numbers(&mut self, ids: &[&str]) -> Result<Vec<u64>> {
        match self {
            Self::Embedded(profiles) => profiles.user_numbers(ids),
            #[cfg(feature = "cassandra")]
            Self::Cassandra(profiles) => profiles.pending.user_numbers(ids),
        }
    }

    /// Merges rows, in order.
    pub(crate) fn upsert_rows(&mut self, writes: Vec<ProfileWrite>) -> Result<()> {
        match self {
            Self::Embedded(profiles) => profiles.upsert_rows(writes),
            #[cfg(feature = "cassandra")]
            Self::Cassandra(profiles) => profiles.pending.upsert_rows(writes),
        }
    }

    /// Widens event spans.
    pub(crate) fn note_spans(&mut self, seen: &[Seen]) -> Result<()> {
        match self {
            Self::Embedded(profiles) => profiles.note_spans(seen),
            #[cfg(feature = "cassandra")]
            Self::Cassandra(profiles) => profiles.pending.note_spans(seen),
        }
    }

    /// What is known of a user; of Cassandra, without what this import has not written yet.
    pub(crate) fn profile(&mut self, user_id: &str) -> Result<Option<Profile>> {
        match self {
            Self::Embedded(profiles) => profiles.profile(user_id),
            #[cfg(feature = "cassandra")]
            Self::Cassandra(profiles) => profiles.handle.profile_blocking(user_id),
        }
    }

    /// Forgets users.
    pub(crate) fn erase_users(&mut self, user_ids: &[String]) -> Result<u64> {
        match self {
            Self::Embedded(profiles) => profiles.erase_users(user_ids),
            #[cfg(feature = "cassandra")]
            Self::Cassandra(profiles) => profiles.erase(user_ids),
        }
    }

    /// The columnar form of what is written so far, under a catalog. The mirror of Cassandra always has all of it.
    pub(crate) async fn rewrite(&mut self, catalog: &Catalog, extent: Extent) -> Result<RewrittenProfiles> {
        match self {
            Self::Embedded(profiles) => profiles.rewrite(catalog, extent),
            #[cfg(feature = "cassandra")]
            Self::Cassandra(profiles) => profiles.write(catalog).await,
        }
    }

    /// Files made so far that nothing names yet.
    pub(crate) fn written(&self) -> &[PathBuf] {
        match self {
            Self::Embedded(profiles) => profiles.written(),
            #[cfg(feature = "cassandra")]
            Self::Cassandra(_) => &[],
        }
    }

    /// Commits the embedded store; the version that the state is to name.
    pub(crate) fn commit(self) -> Result<u64> {
        match self {
            Self::Embedded(profiles) => profiles.commit(),
            #[cfg(feature = "cassandra")]
            Self::Cassandra(profiles) => Ok(profiles.written_until),
        }
    }
}
