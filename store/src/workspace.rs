//! A workspace: pinning its state, writing to it, its segments and lists.

use std::sync::Arc;

use segment_core::catalog::Catalog;

use crate::error::{Result, StoreError};
use crate::lake::schema::events_schema;
use crate::lake::snapshot::EventsSnapshot;
use crate::lake::tables::{EVENTS, open_at};
use crate::lists::{self, ListInfo};
use crate::lock::Lock;
use crate::meta::{ImportInfo, SegmentInfo, State};
use crate::names::check_key;
use crate::pinned::Pinned;
use crate::store::Shared;
use crate::writer::Writer;

/// A workspace of a store. Cheap to clone.
#[derive(Clone)]
pub struct Workspace {
    pub(crate) shared: Arc<Shared>,
    name: Arc<str>,
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Workspace {
    pub(crate) fn new(shared: Arc<Shared>, name: &str) -> Self {
        Self { shared, name: name.into() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Pins the present state: one transaction, no locks, whatever imports run.
    ///
    /// # Errors
    ///
    /// `NotFound` if the workspace is gone, `Unavailable` if the metadata cannot be read.
    pub async fn pin(&self) -> Result<Pinned> {
        let reading = self.shared.meta.read(&self.name).await?;
        let State { version, catalog, events, profiles } = reading.state;
        let table = open_at(&self.name, EVENTS, &events.metadata_location).await?;
        Ok(Pinned {
            workspace: self.name.to_string(),
            version,
            events: EventsSnapshot::new(table, events.snapshot_id, events_schema(&catalog)),
            profiles: self.shared.profiles_snapshot(&self.name, profiles, &catalog).await?,
            catalog: Arc::new(catalog),
            lists: reading.lists,
            segments: reading.segments,
            shared: None,
        })
    }

    /// The lock of whoever changes the data.
    pub(crate) fn lock(&self) -> Result<Lock> {
        Lock::try_take(&self.shared.layout.write_lock(&self.name))?
            .ok_or_else(|| StoreError::Busy(format!("another import is running in workspace \"{}\"", self.name)))
    }

    /// Takes the exclusive right to write, undoing what a crashed import left.
    ///
    /// # Errors
    ///
    /// `Busy` while another import is running, in this process or another; `Conflict` if something else than Muster
    /// changed the lake's table; `Corrupt` if the profiles are not at the state's version.
    pub async fn begin_write(&self) -> Result<Writer> {
        Writer::begin(self).await
    }

    /// Replaces the catalog, for declarations. Returns the new version.
    ///
    /// # Errors
    ///
    /// `Conflict` if the version is not the expected one, `Busy` while an import is running, `Invalid` if a stored column is missing.
    pub async fn set_catalog(&self, expected_version: u64, catalog: &Catalog) -> Result<u64> {
        let _lock = self.lock()?;
        let mut state = self.shared.meta.state(&self.name).await?;
        check_grown(&state.catalog, catalog)?;
        state.version = expected_version + 1;
        state.catalog = catalog.clone();
        self.shared.meta.switch(&self.name, expected_version, &state, None, &[]).await?;
        Ok(state.version)
    }

    /// The imports committed so far, the latest first, `limit` at most.
    pub async fn imports(&self, limit: u32) -> Result<Vec<ImportInfo>> {
        self.shared.meta.imports(&self.name, limit).await
    }

    /// Keeps others from saving or deleting segments and deleting lists while it is held: for checking what refers to what, and then
    /// changing it.
    ///
    /// # Errors
    ///
    /// `Busy` if somebody else holds it for half a minute.
    pub async fn hold_references(&self) -> Result<Lock> {
        Lock::take(&self.shared.layout.references_lock(&self.name)).await
    }

    /// Saves a segment: JSON text of its condition, unchecked. A key that is there gets its next version.
    ///
    /// # Errors
    ///
    /// `Invalid` for a bad key.
    pub async fn save_segment(&self, key: &str, condition: &str) -> Result<SegmentInfo> {
        check_key(key)?;
        self.shared.meta.save_segment(&self.name, key, condition).await
    }

    /// A saved segment.
    pub async fn segment(&self, key: &str) -> Result<Option<SegmentInfo>> {
        Ok(self.shared.meta.segments(&self.name, Some(key)).await?.pop())
    }

    /// All saved segments, by key.
    pub async fn segments(&self) -> Result<Vec<SegmentInfo>> {
        self.shared.meta.segments(&self.name, None).await
    }

    /// Deletes a segment; whether it was there. What depends on it is the caller's to check.
    pub async fn delete_segment(&self, key: &str) -> Result<bool> {
        self.shared.meta.delete_segment(&self.name, key).await
    }

    /// Makes a list of exactly these ids, sorting them and dropping duplicates, and keeps the report with it.
    ///
    /// # Errors
    ///
    /// `Invalid` for a bad key or an empty id.
    ///
    /// # Cancel safety
    ///
    /// Safe: the list is replaced or stays as it was.
    pub async fn replace_list(&self, key: &str, ids: Vec<String>, report: serde_json::Value) -> Result<ListInfo> {
        lists::replace(self, key, ids, report).await
    }

    /// A list.
    pub async fn list(&self, key: &str) -> Result<Option<ListInfo>> {
        Ok(self.shared.meta.lists(&self.name, Some(key)).await?.pop())
    }

    /// All lists, by key.
    pub async fn lists(&self) -> Result<Vec<ListInfo>> {
        self.shared.meta.lists(&self.name, None).await
    }

    /// Deletes a list; whether it was there. What depends on it is the caller's to check.
    pub async fn delete_list(&self, key: &str) -> Result<bool> {
        lists::delete(self, key).await
    }
}

/// Refuses a catalog that lost a stored column of the one before: files hold it.
pub(crate) fn check_grown(before: &Catalog, after: &Catalog) -> Result<()> {
    use segment_core::catalog::Scope;
    for scope in [Scope::Attribute, Scope::Property] {
        let columns = after.columns(scope);
        for old in before.columns(scope) {
            if !columns.iter().any(|c| c.name == old.name && c.kind == old.kind) {
                return Err(StoreError::Invalid(format!("the catalog lost the stored column {}", old.name)));
            }
        }
    }
    if after.timezone != before.timezone {
        return Err(StoreError::Invalid(format!(
            "the workspace's zone is {} and cannot become {}: times without an offset were read in it",
            before.timezone, after.timezone
        )));
    }
    Ok(())
}
