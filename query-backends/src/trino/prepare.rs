//! From a query to Trino's SQL over the pinned snapshots of the lake's tables.

use std::collections::BTreeMap;

use segment_core::dialect::Trino;
use segment_core::lower::{AsOf, Key, Lowered, Tables};
use store::{BoundEvents, Pinned, SharedTable, SharedTables};

use super::bound::Whole;
use crate::backend::Query;
use crate::error::{BackendError, ErrorKind, Result};

/// The tables' names in the SQL; lists are numbered.
pub(super) const EVENTS: &str = "events";
const PROFILES: &str = "profiles";
const LIST_PREFIX: &str = "list_";

/// A query that is ready to be sent.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Over the pinned snapshots.
    pub(super) lowered: Lowered,
    /// The namespace of the tables.
    pub(super) namespace: String,
    /// Session properties that it needs.
    pub(super) properties: BTreeMap<String, String>,
    /// The events, where somebody else writes them and it reads them.
    pub(super) bound: Option<BoundEvents>,
    /// What is looked at once it is over.
    pub(super) whole: Option<Whole>,
}

impl Prepared {
    /// A query over the lake's events.
    ///
    /// # Errors
    ///
    /// `Rejected` for a state whose lake is not shared, `Unavailable` for one whose profiles there are too old, `Unsupported` for a plan that Trino cannot run exactly.
    pub(super) fn new(query: &Query, pinned: &Pinned, catalog: &str, ids: bool) -> Result<Self> {
        let tables = tables(shared(pinned)?, Key::Number);
        let lowered = query.lowered(&Trino, &tables)?;
        let (lowered, namespace) = pinned_tables(lowered, pinned, catalog)?;
        let lowered = if ids { lowered } else { lowered.numbers_only() };
        Ok(Self { lowered, namespace, properties: BTreeMap::new(), bound: None, whole: None })
    }
}

/// The tables that a state is in for Trino.
///
/// # Errors
///
/// `Rejected` if the lake is not shared, `Unavailable` if what it has is too old.
pub(super) fn shared(pinned: &Pinned) -> Result<&SharedTables> {
    pinned.shared.as_ref().ok_or_else(|| match &pinned.not_shared {
        Some(why) => BackendError::new(ErrorKind::Unavailable, why.clone()),
        None => {
            let what = "this state is in no tables that Trino sees: the lake is in a directory (set [s3] and [postgres] in muster.toml before \
                        the first import)";
            BackendError::new(ErrorKind::Rejected, what)
        }
    })
}

fn list_name(i: usize) -> String {
    format!("{LIST_PREFIX}{i}")
}

/// The names in the SQL.
pub(super) fn tables(shared: &SharedTables, key: Key) -> Tables {
    let lists = shared.lists.keys().enumerate().map(|(i, key)| (key.clone(), vec![list_name(i)])).collect();
    Tables { events: vec![EVENTS.to_owned()], key, spans: key == Key::Id, profiles: vec![PROFILES.to_owned()], lists }
}

/// The query over the pinned snapshots of the lake's tables, and their namespace. Of events that are not the lake's, whoever has them puts
/// them in.
pub(super) fn pinned_tables(lowered: Lowered, pinned: &Pinned, catalog: &str) -> Result<(Lowered, String)> {
    let shared = shared(pinned)?;
    let as_of = |name: String, table: &SharedTable| AsOf {
        name,
        table: vec![catalog.to_owned(), shared.namespace.clone(), table.table.clone()],
        snapshot_id: table.snapshot_id,
    };
    let mut read = vec![as_of(PROFILES.to_owned(), &shared.profiles)];
    if !lowered.reads.is_empty() && pinned.bound.is_none() {
        read.push(as_of(EVENTS.to_owned(), &shared.events));
    }
    let used = shared.lists.iter().enumerate().filter(|(_, (key, _))| lowered.lists.contains(key));
    read.extend(used.map(|(i, (_, table))| as_of(list_name(i), table)));
    Ok((lowered.as_of(&read), shared.namespace.clone()))
}
