//! Events that somebody else writes, read by Trino's Hive connector.
//!
//! In: a query over a pinned state with a binding. Out: its SQL over a table of the catalog `trino.hive_catalog`, which is made when it is missing, with
//! every partition that the query's windows need made known (`tables`). What files hold is looked up in their footers first, as the embedded
//! engine does: a file that is gone or cut off, or a column of another type, is found before the first row.
//!
//! Invariant: partitions are only ever added to a table; those that the pinned listing does not have are left out by the query. So no query misses
//! a partition that another process takes for gone.
//!
//! Deliberately absent: properties that are JSON text, and files that are not on S3 (`Unsupported`).

mod tables;

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt};
use segment_core::binding::HeldColumns;
use segment_core::dialect::Trino;
use segment_core::dialect::trino::{PartitionValues, external};
use segment_core::lower::{External, Key, Lowered};
use store::{BoundEvents, BoundFile, Pinned, StoreError};
use xxhash_rust::xxh3::xxh3_128;

use super::TrinoBackend;
use super::prepare::{self, EVENTS, Prepared};
use crate::backend::Query;
use crate::error::{BackendError, ErrorKind, Result, store_kind};

/// Files looked at at once.
const FILES_AT_ONCE: usize = 8;
/// The most partitions that are left out of a query by name.
const LEFT_OUT_MAX: usize = 1_000;

/// Beginning of the tables' names.
const TABLE_PREFIX: &str = "events_";

/// A partition of a binding.
#[derive(Debug, Clone)]
struct Partition {
    values: PartitionValues,
    /// Its folder.
    location: String,
}

impl Partition {
    /// The one that a file is in; `None` if no row of it is an event.
    fn of(bound: &BoundEvents, file: &BoundFile) -> Option<Self> {
        let location = &bound.table().location;
        let place = file.place.to_string();
        let below = place.strip_prefix(location.as_str())?;
        let folder = below.rsplit_once('/').map_or("", |(folder, _)| folder);
        let values = PartitionValues::new(file.times, folder, &file.partition)?;
        let folder = [location.as_str(), folder].concat();
        Some(Self { values, location: folder.trim_end_matches('/').to_owned() })
    }
}

fn unsupported(what: String) -> BackendError {
    BackendError::new(ErrorKind::Unsupported, what)
}

/// A query over a binding, of which Trino has not been asked anything yet.
struct Statement {
    /// Over events that are still to be put in, if it reads any.
    lowered: Lowered,
    namespace: String,
    /// What it reads of somebody else's events; `None` if it reads none.
    read: Option<Looked>,
}

/// A binding's files, looked at.
struct Looked {
    bound: BoundEvents,
    /// Those that the query's windows need.
    needed: Vec<BoundFile>,
    /// The table over them.
    events: External,
}

/// What the footers of the files that a query needs make of it.
///
/// # Errors
///
/// `Unsupported` for a binding, or a plan over it, that Trino cannot read exactly; what reading footers gives.
async fn statement(backend: &TrinoBackend, query: &Query, pinned: &Pinned, bound: &BoundEvents) -> Result<Statement> {
    let location = &bound.table().location;
    let Some(hive) = &backend.hive_catalog else {
        return Err(unsupported(format!("Trino reads events that somebody else writes, in {location}, only if trino.hive_catalog is set")));
    };
    if !location.starts_with("s3://") {
        return Err(unsupported(format!("Trino reads events that somebody else writes on S3 alone, and these are in {location}")));
    }
    let lowered = query.lowered(&Trino, &prepare::tables(prepare::shared(pinned)?, Key::Id))?;
    let (lowered, namespace) = prepare::pinned_tables(lowered, pinned, &backend.catalog)?;
    if lowered.reads.is_empty() {
        return Ok(Statement { lowered, namespace, read: None });
    }
    let (bound, needed, held) = match look(bound, &lowered).await {
        Ok((needed, held)) => (bound.clone(), needed, held),
        // A file is not what it was.
        Err(_) => {
            let again = bound.look_again().await?;
            let (needed, held) = look(&again, &lowered).await?;
            (again, needed, held)
        }
    };
    let events = external(&query.plan, bound.catalog(), bound.table(), &held).map_err(unsupported)?;
    let name = table_name(&bound, &events);
    let events = events.named(&[hive.clone(), namespace.clone(), name]);
    Ok(Statement { lowered, namespace, read: Some(Looked { bound, needed, events }) })
}

/// See [`TrinoBackend::sql`].
pub(super) async fn sql(backend: &TrinoBackend, query: &Query, pinned: &Pinned, bound: &BoundEvents) -> Result<Lowered> {
    let Statement { lowered, read, .. } = statement(backend, query, pinned, bound).await?;
    Ok(match read {
        Some(Looked { events, .. }) => lowered.over(EVENTS, &events),
        None => lowered,
    })
}

/// A query's SQL over the table, once that is what the query needs.
///
/// # Errors
///
/// As [`statement`]; the engine's.
pub(super) async fn prepare(backend: &TrinoBackend, query: &Query, pinned: &Pinned, bound: &BoundEvents, ids: bool) -> Result<Prepared> {
    let Statement { lowered, namespace, read } = statement(backend, query, pinned, bound).await?;
    let lowered = if ids { lowered } else { lowered.numbers_only() };
    let Some(Looked { bound, needed, events }) = read else {
        return Ok(Prepared { lowered, namespace, properties: BTreeMap::new(), bound: None, whole: None });
    };
    let properties = properties(&events);
    let wanted: BTreeMap<String, Partition> =
        needed.iter().filter_map(|file| Partition::of(&bound, file)).map(|p| (p.values.folder.clone(), p)).collect();
    let folders: Vec<String> = wanted.keys().cloned().collect();
    let known = tables::ensure(backend, &events, &bound.table().location, wanted, &properties).await?;
    let whole = Whole { backend: backend.clone(), events: events.clone(), folders, properties: properties.clone() };
    let listed: HashSet<String> = bound.files().iter().filter_map(|file| Partition::of(&bound, file)).map(|p| p.values.folder).collect();
    let gone: Vec<String> = known.into_iter().filter(|folder| !listed.contains(folder)).collect();
    if gone.len() > LEFT_OUT_MAX {
        let (count, table) = (gone.len(), events.table.join("."));
        let what = format!("{count} partitions of {} are gone, which Trino still knows: drop its table {table}", bound.table().location);
        return Err(BackendError::new(ErrorKind::Rejected, what));
    }
    let lowered = lowered.over(EVENTS, &events.without(&gone));
    Ok(Prepared { lowered, namespace, properties, bound: Some(bound), whole: Some(whole) })
}

/// What a query counted on: that the table had these partitions from beginning to end. Muster takes none away, but whoever gives a binding up
/// removes its tables, and others may do as they like.
#[derive(Debug)]
pub(super) struct Whole {
    backend: TrinoBackend,
    events: External,
    folders: Vec<String>,
    properties: BTreeMap<String, String>,
}

impl Whole {
    /// Looks once more.
    ///
    /// # Errors
    ///
    /// `Unavailable` if a partition is not there any more; the engine's.
    pub(super) async fn check(&self) -> Result<()> {
        let known = tables::known(&self.backend, &self.events, &self.properties).await?;
        if self.folders.iter().all(|folder| known.contains(folder)) {
            return Ok(());
        }
        let what = format!("partitions of {} were taken away while it was read", self.events.table.join("."));
        Err(BackendError::new(ErrorKind::Unavailable, what))
    }
}

/// See [`TrinoBackend::forget_bound`].
pub(super) async fn forget(backend: &TrinoBackend, namespace: &str) -> Result<()> {
    match &backend.hive_catalog {
        Some(hive) => tables::forget(backend, &[hive.clone(), namespace.to_owned()], TABLE_PREFIX).await,
        None => Ok(()),
    }
}

/// See [`TrinoBackend::check_hive`].
pub(super) async fn check(backend: &TrinoBackend, name: &str, folder: &str) -> Result<()> {
    let Some(hive) = &backend.hive_catalog else { return Err(unsupported("trino.hive_catalog is not set".to_owned())) };
    let events = External::sample().named(&[hive.clone(), name.to_owned(), "muster_check".to_owned()]);
    let values = PartitionValues::new(None, "", &[]).map(|values| Partition { values, location: folder.to_owned() });
    let wanted = values.into_iter().map(|partition| (partition.values.folder.clone(), partition)).collect();
    let properties = properties(&events);
    let made = tables::ensure(backend, &events, folder, wanted, &properties).await.map(|_| ());
    let removed = tables::remove(backend, &events, &properties).await;
    made.and(removed)
}

/// The files that the query's windows need, and what their columns hold.
async fn look(bound: &BoundEvents, lowered: &Lowered) -> Result<(Vec<BoundFile>, HeldColumns)> {
    let needed = |file: &&BoundFile| lowered.reads.iter().any(|read| file.may_hold(read.window));
    let files: Vec<BoundFile> = bound.files().iter().filter(needed).cloned().collect();
    let failed = |e: StoreError| BackendError::new(store_kind(&e), "cannot read the files that somebody else writes").caused_by(e);
    let looked = futures::stream::iter(files.clone()).map(|file| {
        let bound = bound.clone();
        async move {
            let joined = tokio::task::spawn_blocking(move || bound.held(&file)).await;
            joined.map_err(|e| BackendError::internal("a thread that reads footers stopped").caused_by(e))?.map_err(failed)
        }
    });
    let held = looked.buffered(FILES_AT_ONCE).try_fold(HeldColumns::default(), async |all, held| Ok(all.with(&held))).await?;
    Ok((files, held))
}

/// A name that is another one as soon as the table has to be.
fn table_name(bound: &BoundEvents, events: &External) -> String {
    let table = bound.table();
    let what = (&table.location, &table.partitions, &table.partition_zone, table.slack_seconds, events.shape());
    format!("{TABLE_PREFIX}{:032x}", xxh3_128(format!("{what:?}").as_bytes()))
}

/// What a session has to say for the table to be read as it is meant.
fn properties(events: &External) -> BTreeMap<String, String> {
    let hive = events.table.first().map_or("", String::as_str);
    let precision = if events.fine { "NANOSECONDS" } else { "MICROSECONDS" };
    let property = |name: &str, value: &str| (format!("{hive}.{name}"), value.to_owned());
    BTreeMap::from([property("timestamp_precision", precision), property("parquet_use_column_names", "true")])
}
