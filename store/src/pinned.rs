//! One state of a workspace, pinned: everything an evaluation reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use segment_core::catalog::Catalog;

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
    /// The profiles, which are the universe.
    pub profiles: ProfilesSnapshot,
    /// Lists by key.
    pub lists: BTreeMap<String, ListInfo>,
    /// Saved conditions by key, as JSON text.
    pub segments: BTreeMap<String, String>,
}
