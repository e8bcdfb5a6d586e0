//! A workspace: pinning its state, writing to it, its segments and lists.

use std::sync::Arc;

use iceberg::table::Table;
use segment_core::binding::EventsTable;
use segment_core::catalog::Catalog;
use uuid::Uuid;

use crate::bound::{BoundEvents, check_location};
use crate::error::{Result, StoreError};
use crate::lake::lineage::Beyond;
use crate::lake::schema::events_schema;
use crate::lake::shared::SharedLake;
use crate::lake::snapshot::EventsSnapshot;
use crate::lake::tables::{EVENTS, open_at};
use crate::lists::{self, ListInfo};
use crate::lock::Lock;
use crate::meta::{
    Answered, Garbage, ImportInfo, Prepared, PublishedProfiles, Reading, SegmentDraft, SegmentInfo, SegmentVersion, State, Token,
};
use crate::names::check_key;
use crate::pinned::{Pinned, SharedTable, SharedTables};
use crate::profiles::profiles_schema;
use crate::publish;
use crate::recent::LogPosition;
use crate::recover::recover;
use crate::store::Shared;
use crate::writer::Writer;

/// Times that a state is read anew because imports committed meanwhile.
const PIN_ATTEMPTS_MAX: usize = 16;

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

    /// Pins the present state: no locks, whatever imports run. Of a shared lake, events are as other engines left them.
    ///
    /// # Errors
    ///
    /// `NotFound` if the workspace is gone, `Unavailable` if the metadata, or a shared lake's catalog, cannot be read; `Conflict` if another
    /// engine replaced the events.
    pub async fn pin(&self) -> Result<Pinned> {
        // What is awaited below nests deeply, and would be laid out anew within every future that awaits this one: here, and where it is boxed below.
        Box::pin(self.pin_now()).await
    }

    async fn pin_now(&self) -> Result<Pinned> {
        let (reading, table, snapshot_id) = match &self.shared.lake {
            Some(lake) => self.read_shared(lake).await?,
            None => {
                let reading = self.shared.meta.read(&self.name).await?;
                let events = &reading.state.events;
                let (table, snapshot_id) = (open_at(&self.name, EVENTS, &events.metadata_location).await?, events.snapshot_id);
                (reading, table, snapshot_id)
            }
        };
        let State { version, catalog, profiles, events: events_state } = reading.state;
        let objects = self.shared.lake.as_ref().map(|lake| lake.objects().clone());
        let named = profiles.clone();
        let profiles = self.shared.profiles_snapshot(&self.name, profiles, &catalog).await?;
        let lists = |l: &ListInfo| (l.key.clone(), SharedTable { table: l.table.clone(), snapshot_id: l.snapshot_id });
        let tables = |published: PublishedProfiles, profiles_as_of| SharedTables {
            namespace: self.name.to_string(),
            events: SharedTable { table: EVENTS.to_owned(), snapshot_id },
            profiles: SharedTable { table: published.table, snapshot_id: published.snapshot_id },
            profiles_as_of,
            lists: reading.lists.values().map(lists).collect(),
        };
        let as_of = self.shared.published_as_of(&named, &profiles);
        let (shared, not_shared) = match (named.published, as_of) {
            (Some(published), Ok(as_of)) => (Some(tables(published, as_of)), None),
            (Some(_), Err(why)) => (None, Some(why)),
            (None, _) => (None, None),
        };
        let events = EventsSnapshot::new(table, snapshot_id, events_schema(&catalog), objects).with_recent(events_state.recent);
        let catalog = Arc::new(catalog);
        Ok(Pinned {
            workspace: self.name.to_string(),
            version,
            events,
            bound: self.bound(&catalog).await?,
            profiles,
            catalog,
            lists: reading.lists,
            segments: reading.segments,
            shared,
            not_shared,
        })
    }

    /// The same for engines that read a shared lake: if its table of profiles is further behind than `shared_behind_max_s` allows, it is made anew
    /// first, which uploads the mirror's files that changed and takes as long as that takes. The write lock is held meanwhile.
    ///
    /// # Errors
    ///
    /// As [`pin`](Self::pin). If the table could not be made anew, the state has `not_shared`.
    ///
    /// # Cancel safety
    ///
    /// Safe: the table is replaced or stays as it was.
    pub async fn pin_shared(&self) -> Result<Pinned> {
        let pinned = self.pin().await?;
        if pinned.not_shared.is_none() || self.shared.cassandra_failed_lately() {
            return Ok(pinned);
        }
        let shared = async { self.begin_write().await?.share_profiles().await };
        match shared.await {
            Ok(()) => self.pin().await,
            Err(e @ (StoreError::Unavailable { .. } | StoreError::Busy(_))) => {
                let not_shared = pinned.not_shared.map(|why| format!("{why}; it could not be made anew: {e}"));
                Ok(Pinned { not_shared, ..pinned })
            }
            Err(e) => Err(e),
        }
    }

    /// The events that somebody else writes, if the catalog binds any.
    async fn bound(&self, catalog: &Arc<Catalog>) -> Result<Option<BoundEvents>> {
        let Some(table) = &catalog.events_table else { return Ok(None) };
        let shared = &self.shared;
        let objects = shared.bound_objects.clone();
        BoundEvents::pin(&self.name, catalog, table, objects, &shared.listings, &shared.footers, &shared.shapes).await.map(Some)
    }

    /// A state, and what the catalog of a shared lake has for its events: what the state names, with what other engines did since.
    async fn read_shared(&self, lake: &SharedLake) -> Result<(Reading, Table, Option<i64>)> {
        for _ in 0..PIN_ATTEMPTS_MAX {
            // The state must be the same before and after the catalog is read: then what it names is in what was read, and an import
            // that is in what was read and not in the state is one that has not committed.
            let version = self.shared.meta.state(&self.name).await?.version;
            let location = lake.metadata_location(&self.name, EVENTS).await?;
            let reading = self.shared.meta.read(&self.name).await?;
            if reading.state.version != version {
                continue;
            }
            let table = lake.open_events(&self.name, &location).await?;
            reading.state.events.check_columns(&table)?;
            let snapshot_id = Beyond::of(&table, reading.state.events.snapshot_id)?.present();
            return Ok((reading, table, snapshot_id));
        }
        Err(StoreError::Busy(format!("workspace \"{}\" changes faster than it can be read", self.name)))
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
        Box::pin(Writer::begin(self)).await
    }

    /// Replaces the catalog, for declarations. Returns the new version.
    ///
    /// # Errors
    ///
    /// `Conflict` if the version is not the expected one, `Busy` while an import is running, `Invalid` if a stored column is missing.
    pub async fn set_catalog(&self, expected_version: u64, catalog: &Catalog) -> Result<u64> {
        Box::pin(self.set_catalog_now(expected_version, catalog)).await
    }

    async fn set_catalog_now(&self, expected_version: u64, catalog: &Catalog) -> Result<u64> {
        let _lock = self.lock()?;
        if let Some(table) = &catalog.events_table {
            self.check_binding(table).await?;
        }
        let mut state = self.shared.meta.state(&self.name).await?;
        check_grown(&state.catalog, catalog)?;
        if let Some(lake) = self.shared.lake.as_ref().filter(|_| state.version == expected_version) {
            return self.set_shared_catalog(lake, expected_version, catalog).await;
        }
        state.version = expected_version + 1;
        state.catalog = catalog.clone();
        self.shared.meta.switch(&self.name, expected_version, &state, None, &[]).await?;
        Ok(state.version)
    }

    /// Refuses to bind a workspace that has events of its own, and to bind it to Muster's own files.
    async fn check_binding(&self, table: &EventsTable) -> Result<()> {
        let mut own = vec![self.shared.layout.root().display().to_string()];
        own.extend(self.shared.lake.iter().map(|lake| lake.config().warehouse.clone()));
        check_location(table, &own)?;
        let reading = self.shared.meta.read(&self.name).await?;
        let (opened, snapshot_id) = match &self.shared.lake {
            Some(lake) => {
                let (_, opened, snapshot_id) = self.read_shared(lake).await?;
                (opened, snapshot_id)
            }
            None => (open_at(&self.name, EVENTS, &reading.state.events.metadata_location).await?, reading.state.events.snapshot_id),
        };
        let recent = reading.state.events.recent;
        let events = EventsSnapshot::new(opened, snapshot_id, events_schema(&reading.state.catalog), None).with_recent(recent);
        // Planning nothing tells how much there is.
        let rows = events.plan(&[]).await?.rows_total;
        if rows > 0 {
            return Err(StoreError::Invalid(format!(
                "workspace \"{}\" has {rows} events of its own: bind events that somebody else writes in a workspace without any",
                self.name
            )));
        }
        Ok(())
    }

    /// The same with a shared lake, whose tables get the catalog's columns, so that engines that read them as of the state's snapshots
    /// find them. The lock is held.
    async fn set_shared_catalog(&self, lake: &SharedLake, expected_version: u64, catalog: &Catalog) -> Result<u64> {
        let (shared, tables) = (&self.shared, self.shared.tables().await?);
        let (before, mut state) = recover(shared, &self.name).await?;
        if state.version != expected_version {
            return Err(StoreError::Conflict(format!("workspace \"{}\" is at version {} now", self.name, state.version)));
        }
        let mut garbage = Vec::new();
        if profiles_schema(catalog) != profiles_schema(&state.catalog) {
            let number = shared.meta.next_table(&self.name).await?;
            let published = publish::profiles(shared, lake, &self.name, catalog, &state.profiles.files, number).await?;
            garbage.extend(state.profiles.published.replace(published).map(|old| Garbage::Table(old.table)));
        }
        state.version = expected_version + 1;
        state.catalog = catalog.clone();
        let mut table = tables.add_columns(before.clone(), &events_schema(catalog)).await?;
        if table.metadata_location() != before.metadata_location() && table.metadata().current_snapshot_id().is_some() {
            let import = Uuid::new_v4().simple().to_string();
            let prepared = Prepared { import: import.clone(), record: None, state: state.clone(), garbage: garbage.clone() };
            shared.meta.prepare(&self.name, &prepared).await?;
            table = tables.append(&table, Vec::new(), &import).await?;
        }
        state.events = state.events.at(&table, true);
        shared.meta.switch(&self.name, expected_version, &state, None, &garbage).await?;
        Ok(state.version)
    }

    /// Its catalog and the state's version, without pinning anything.
    pub async fn catalog(&self) -> Result<(u64, Catalog)> {
        let state = self.shared.meta.state(&self.name).await?;
        Ok((state.version, state.catalog))
    }

    /// How much of the log of collected messages its state holds.
    pub async fn position(&self) -> Result<Option<LogPosition>> {
        Ok(self.shared.meta.state(&self.name).await?.events.position)
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

    /// Saves a segment, its condition unchecked. A key that is there gets its next version.
    ///
    /// # Errors
    ///
    /// `Invalid` for a bad key.
    pub async fn save_segment(&self, key: &str, draft: SegmentDraft) -> Result<SegmentInfo> {
        check_key(key)?;
        self.shared.meta.save_segment(&self.name, key, draft, None).await
    }

    /// The same for a request that may be repeated: what `answer` says of the segment is kept for a day, at the same moment.
    ///
    /// # Errors
    ///
    /// `Invalid` for a bad key, `Busy` if too many answers are kept for the caller, `Unavailable` if an answer to that token is kept already.
    pub async fn save_segment_once(
        &self,
        key: &str,
        draft: SegmentDraft,
        token: &Token,
        answer: &(dyn Fn(&SegmentInfo) -> String + Sync),
    ) -> Result<SegmentInfo> {
        check_key(key)?;
        self.shared.meta.save_segment(&self.name, key, draft, Some((token, answer))).await
    }

    /// What a caller's request of that name was answered within the last day.
    pub async fn answered(&self, caller: &str, token: &str) -> Result<Option<Answered>> {
        self.shared.meta.answered(&self.name, caller, token).await
    }

    /// Archives a segment, or takes it back; `None` if it is not there.
    pub async fn archive_segment(&self, key: &str, archived: bool) -> Result<Option<SegmentInfo>> {
        self.shared.meta.archive_segment(&self.name, key, archived).await
    }

    /// Saved segments in the order of their keys: those after `after`, archived ones or others where that is asked, with a tag where one is given,
    /// `limit` at most.
    pub async fn segments_after(&self, after: &str, archived: Option<bool>, tag: Option<&str>, limit: u32) -> Result<Vec<SegmentInfo>> {
        self.shared.meta.segments_after(&self.name, after, archived, tag, limit).await
    }

    /// Versions of a segment that are kept, before `before`, the newest first, `limit` at most.
    pub async fn segment_versions(&self, key: &str, before: u64, limit: u32) -> Result<Vec<SegmentVersion>> {
        self.shared.meta.segment_versions(&self.name, key, before, limit).await
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
        Box::pin(lists::replace(self, key, ids, report)).await
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
