//! One state of a workspace, pinned: everything an evaluation reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use segment_core::catalog::Catalog;

use crate::bound::BoundEvents;
use crate::lake::snapshot::EventsSnapshot;
use crate::lists::ListInfo;
use crate::profiles::ProfilesSnapshot;

/// A pinned state. Cheap to clone; the files it names stay for at least [`crate::lake::GARBAGE_AGE`] after a
/// later state replaced them.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// The workspace's name.
    pub workspace: String,
    /// The state's version; grows with each commit.
    pub version: u64,
    /// What the workspace knows to exist.
    pub catalog: Arc<Catalog>,
    /// The events.
    pub events: EventsSnapshot,
    /// The events, where somebody else writes them; those above are none then.
    pub bound: Option<BoundEvents>,
    /// The profiles, which are the universe, or, with bound events, part of it.
    pub profiles: ProfilesSnapshot,
    /// Lists by key.
    pub lists: BTreeMap<String, ListInfo>,
    /// Saved conditions by key, as JSON text.
    pub segments: BTreeMap<String, String>,
    /// The same state as tables that other engines read; `None` if the lake is in the directory, or for the reason in `not_shared`.
    pub shared: Option<SharedTables>,
    /// Why the lake has no tables that do for this state, where it is shared. Retryable.
    pub not_shared: Option<String>,
}

/// A pinned state as tables of the lake's catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTables {
    /// The namespace they are in.
    pub namespace: String,
    /// The events.
    pub events: SharedTable,
    /// The profiles, in the columns of [`crate::profiles_schema`].
    pub profiles: SharedTable,
    /// The instant up to which all changes are in those, microseconds; `None`: they are exactly the state's. Where profiles are in Cassandra they may
    /// be behind the state's own [`ProfilesSnapshot`].
    pub profiles_as_of: Option<i64>,
    /// Lists by key, each of one column `user_id`.
    pub lists: BTreeMap<String, SharedTable>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTable {
    /// Its name in the namespace.
    pub table: String,
    /// The snapshot to read; `None` while there is none, and no rows.
    pub snapshot_id: Option<i64>,
}
