//! From a query to Trino's SQL over the pinned snapshots of the lake's tables.

use std::collections::BTreeMap;

use segment_core::dialect::Trino;
use segment_core::lower::{AsOf, Lowered, Tables};
use store::{Pinned, SharedTable};

use crate::backend::Query;
use crate::error::{BackendError, ErrorKind, Result};

/// The tables' names in the SQL; lists are numbered.
const EVENTS: &str = "events";
const PROFILES: &str = "profiles";
const LIST_PREFIX: &str = "list_";

/// A query that is ready to be sent.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Over the pinned snapshots.
    pub(super) lowered: Lowered,
    /// The namespace of the tables.
    pub(super) namespace: String,
}

impl Prepared {
    /// # Errors
    ///
    /// `Rejected` for a state whose lake is not shared, `Unavailable` for one whose profiles there are too old, `Unsupported` for a plan that Trino cannot run exactly.
    pub(super) fn new(query: &Query, pinned: &Pinned, catalog: &str, ids: bool) -> Result<Self> {
        let shared = pinned.shared.as_ref().ok_or_else(|| match &pinned.not_shared {
            Some(why) => BackendError::new(ErrorKind::Unavailable, why.clone()),
            None => {
                let what = "this state is in no tables that Trino sees: the lake is in a directory (set [s3] and [postgres] in muster.toml before \
                            the first import)";
                BackendError::new(ErrorKind::Rejected, what)
            }
        })?;
        let list = |i: usize| format!("{LIST_PREFIX}{i}");
        let lists: BTreeMap<String, Vec<String>> = shared.lists.keys().enumerate().map(|(i, key)| (key.clone(), vec![list(i)])).collect();
        let tables = Tables { events: vec![EVENTS.to_owned()], profiles: vec![PROFILES.to_owned()], lists, ..Tables::default() };
        let lowered = query.lowered(&Trino, &tables)?;
        let as_of = |name: String, table: &SharedTable| AsOf {
            name,
            table: vec![catalog.to_owned(), shared.namespace.clone(), table.table.clone()],
            snapshot_id: table.snapshot_id,
        };
        let mut read = vec![as_of(PROFILES.to_owned(), &shared.profiles)];
        if !lowered.reads.is_empty() {
            read.push(as_of(EVENTS.to_owned(), &shared.events));
        }
        let used = shared.lists.iter().enumerate().filter(|(_, (key, _))| lowered.lists.contains(key));
        read.extend(used.map(|(i, (_, table))| as_of(list(i), table)));
        let lowered = lowered.as_of(&read);
        Ok(Self { lowered: if ids { lowered } else { lowered.numbers_only() }, namespace: shared.namespace.clone() })
    }
}
