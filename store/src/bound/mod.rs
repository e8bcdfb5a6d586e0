//! Events that somebody else writes, read in place: which files there are, and their rows in the lake's columns.
//!
//! In: the binding in a workspace's catalog ([`segment_core::binding`]). Out: a [`BoundEvents`], the files as they were when last looked for, and
//! readers of them ([`BoundFile`], [`OpenBound`]) for threads that block. The files are not ours and may change under a reader: whatever is
//! missing, shorter or of another shape than it was is an error, never fewer rows.
//!
//! Deliberately absent: what a window leaves out, which whoever plans a query sees by [`BoundFile::times`]; duplicates, which nobody looks for.

mod columns;
mod footers;
mod held;
mod listing;
mod scan;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{Field, Schema, SchemaRef};
use segment_core::binding::EventsTable;
use segment_core::catalog::{Catalog, Scope};
use segment_core::plan::Interval;
use segment_core::time::Zone;

pub(crate) use footers::Footers;
pub(crate) use held::Shapes;
pub(crate) use listing::Listings;
pub use scan::{BoundRows, Keep, OpenBound};

use crate::error::{Result, StoreError};
use crate::lake::objects::Objects;
use crate::lake::schema::{column_field, events_schema};
use crate::lake::snapshot::FilePlace;

/// The lake's columns that a binding has too, besides those of properties.
const FIXED: [&str; 4] = ["event", "user_id", "ts", "message_id"];

/// The events of a binding, as of a look at its files. Cheap to clone.
#[derive(Clone)]
pub struct BoundEvents {
    inner: Arc<Inner>,
    files: Arc<Vec<BoundFile>>,
    listed: Instant,
}

/// What all looks of one binding share.
struct Inner {
    workspace: String,
    table: EventsTable,
    catalog: Arc<Catalog>,
    zone: Zone,
    partition_zone: Zone,
    time_zone: Zone,
    schema: SchemaRef,
    objects: Option<Arc<Objects>>,
    listings: Arc<Listings>,
    footers: Arc<Footers>,
    shapes: Arc<Shapes>,
}

impl std::fmt::Debug for BoundEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundEvents")
            .field("location", &self.inner.table.location)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// A file of a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundFile {
    /// Where it is.
    pub place: FilePlace,
    /// Its size.
    pub size_bytes: u64,
    /// Tells it from another that had its place.
    pub(crate) stamp: String,
    /// Values of the partition columns, in their order.
    pub partition: Vec<String>,
    /// The times of its events, slack included: rows beyond are no events. `None`: its partition says nothing of them.
    pub times: Option<Interval>,
}

impl BoundFile {
    /// Whether it may hold events of a window.
    pub fn may_hold(&self, window: Interval) -> bool {
        let meets =
            |times: Interval| times.start.is_none_or(|s| s < window.end) && window.start.is_none_or(|s| s < times.end) && !times.is_empty();
        !window.is_empty() && self.times.is_none_or(meets)
    }
}

impl BoundEvents {
    /// The events as they are, by a look at the files that is not older than the binding allows.
    pub(crate) async fn pin(
        workspace: &str,
        catalog: &Arc<Catalog>,
        table: &EventsTable,
        objects: Option<Arc<Objects>>,
        listings: &Arc<Listings>,
        footers: &Arc<Footers>,
        shapes: &Arc<Shapes>,
    ) -> Result<Self> {
        let zone =
            |name: &str| Zone::parse(name).map_err(|e| StoreError::corrupt_plain(format!("the catalog's zone {name:?} is none: {e}")));
        let lake = events_schema(catalog);
        let mut fields: Vec<Field> = FIXED.iter().filter_map(|name| lake.field_with_name(name).ok().cloned()).collect();
        fields.extend(catalog.columns(Scope::Property).into_iter().map(column_field));
        let inner = Arc::new(Inner {
            workspace: workspace.to_owned(),
            table: table.clone(),
            catalog: catalog.clone(),
            zone: zone(&catalog.timezone)?,
            partition_zone: zone(&table.partition_zone)?,
            time_zone: zone(table.ts.zone.as_deref().unwrap_or(&catalog.timezone))?,
            schema: Arc::new(Schema::new(fields)),
            objects,
            listings: listings.clone(),
            footers: footers.clone(),
            shapes: shapes.clone(),
        });
        let max_age = Duration::from_secs(u64::from(table.refresh_seconds));
        if let Some((files, listed)) = listings.recent(workspace, table, max_age) {
            return Ok(Self { inner, files, listed });
        }
        Self::look(inner).await
    }

    /// The same events by a new look at the files.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Io` if they cannot be looked for, `Invalid` if there is one that is in no partition or if there are too many.
    pub async fn look_again(&self) -> Result<Self> {
        Self::look(self.inner.clone()).await
    }

    async fn look(inner: Arc<Inner>) -> Result<Self> {
        let listed = Instant::now();
        let files = Arc::new(listing::list(&inner).await?);
        inner.listings.keep(&inner.workspace, &inner.table, files.clone(), listed);
        Ok(Self { inner, files, listed })
    }

    /// The binding.
    pub fn table(&self) -> &EventsTable {
        &self.inner.table
    }

    /// The catalog that it is a member of.
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// The zone that partitions' days and hours are in.
    pub fn partition_zone(&self) -> &Zone {
        &self.inner.partition_zone
    }

    /// The columns of its rows.
    ///
    /// # Shape
    ///
    /// `event`, `user_id`, `ts`, `message_id` (empty where there is none), not null, then a column for each of
    /// `Catalog::columns(Scope::Property)`; types as in [`crate::events_schema`].
    pub fn schema(&self) -> &SchemaRef {
        &self.inner.schema
    }

    /// Its files, by place.
    pub fn files(&self) -> &[BoundFile] {
        &self.files
    }

    /// How long ago the files were looked for.
    pub fn age(&self) -> Duration {
        self.listed.elapsed()
    }

    /// Opens a file and reads its footer. Blocks.
    ///
    /// # Errors
    ///
    /// `Io` or `Unavailable` if it is gone or cannot be reached, after which the next look at the files is a new one; `Corrupt` if it is no whole
    /// Parquet file, or a column is of a type that the binding cannot take, naming file, column and both types.
    pub fn open(&self, file: &BoundFile) -> Result<OpenBound> {
        self.inner.noted(OpenBound::new(&self.inner, file))
    }
}

impl Inner {
    /// Lets go of what is known of the files after a failure of one of them: they changed.
    fn noted<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.listings.forget(&self.workspace);
        }
        result
    }
}

/// Refuses a binding to files of the store itself: they may be another workspace's.
pub(crate) fn check_location(table: &EventsTable, own: &[String]) -> Result<()> {
    let within = |a: &str, b: &str| a.starts_with(&format!("{}/", b.trim_end_matches('/')));
    match own.iter().find(|own| within(&table.location, own) || within(&format!("{}/", own.trim_end_matches('/')), &table.location)) {
        Some(own) => Err(StoreError::Invalid(format!(
            "{} is, or holds, a folder of Muster's own ({own}): bind events that somebody else writes",
            table.location
        ))),
        None => Ok(()),
    }
}
