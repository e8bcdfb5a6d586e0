//! The one writer of a workspace, and its commit.
//!
//! # What a crash leaves
//!
//! A commit goes: profile chunks and files of recent events (new files) → the key-value store's transaction → the lake's append → the state row. With a shared lake
//! files are uploaded, and the profiles made a table, before the key-value store's transaction.
//! Readers follow the state row alone, so until the last step nothing is visible. What the steps before it leave is undone by the
//! next [`crate::Workspace::begin_write`]: a key-value store ahead of the state row goes back to the savepoint committed with
//! it, the lake's table goes back to the metadata file that the state row names, and files that nothing names are
//! removed. So importing the same input again starts from exactly what readers see, and completes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::SystemTime;

use arrow::datatypes::SchemaRef;
use futures::future::BoxFuture;
use iceberg::spec::DataFile;
use iceberg::table::Table;
use segment_core::catalog::Catalog;
use uuid::Uuid;

use crate::collect::collect;
use crate::error::{Result, StoreError};
use crate::lake::file_writer::{EventFile, EventFileWriter, Target};
use crate::lake::schema::events_schema;
use crate::lake::tables::{EVENTS, sync, sync_metadata};
use crate::lock::Lock;
use crate::meta::{Garbage, ImportEntry, Prepared, ProfilesState, PublishedProfiles, Quarantine, State, remove};
use crate::pinned::Pinned;
use crate::profiles::opened::Writing;
use crate::profiles::writing::{Extent, WritingProfiles};
use crate::profiles::{Profile, ProfileFile, ProfileWrite, Seen, profiles_schema};
use crate::publish::{self, profile_uri};
use crate::recent::{LogPosition, RecentFile};
use crate::recover::{recover, scratch_folder};
use crate::workspace::{Workspace, check_grown};

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// The workspace's version now.
    pub version: u64,
    /// Whether anything changed but the ledger of imports; if not, the version is the one before.
    pub changed: bool,
    /// The lake's snapshot now.
    pub snapshot_id: Option<i64>,
    /// Event files added.
    pub event_files: u64,
    /// Events added.
    pub event_rows: u64,
    /// Profile files rewritten.
    pub profile_files: u64,
    /// Bytes of them.
    pub profile_bytes: u64,
    /// Whether the columnar form of the profiles lacks changes.
    pub is_stale: bool,
    /// Users there are.
    pub users: u64,
}

/// What a commit of collected messages holds besides their events and profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// How much of the log the state holds with it.
    pub position: LogPosition,
    /// What could not be accepted.
    pub quarantine: Quarantine,
}

/// How a commit ends.
#[derive(Default)]
struct Ending {
    /// The import's record in the ledger.
    record: Option<serde_json::Value>,
    publication: Option<Publication>,
    /// How much of the profiles' columnar form is brought up to date, in bytes; all of it if nothing is said.
    refresh_bytes: Option<u64>,
}

/// The exclusive right to change a workspace's data. Methods block on local files unless they are async.
///
/// Dropping it without [`commit`](Self::commit) leaves nothing visible and removes the files it wrote.
pub struct Writer {
    workspace: Workspace,
    import: String,
    started: SystemTime,
    base: Pinned,
    pub(crate) state: State,
    table: Table,
    catalog: Catalog,
    schema: SchemaRef,
    counter: Arc<AtomicU32>,
    pub(crate) files: Vec<EventFile>,
    profiles: Option<WritingProfiles>,
    /// Files to remove unless a state row comes to name them.
    chunks: Vec<PathBuf>,
    /// Whether files of events stay beside the lake's table.
    recent: bool,
    /// Files of events that the state before names and this one does not.
    pub(crate) merged: Vec<PathBuf>,
    /// Whether a state row may name the files by now.
    decided: bool,
    _writing: Writing,
    _lock: Lock,
}

impl Writer {
    /// Takes the lock, undoes what a crash left, and opens the stores.
    pub(crate) async fn begin(workspace: &Workspace) -> Result<Self> {
        let lock = workspace.lock()?;
        let (shared, name) = (&workspace.shared, workspace.name());
        let writing = Writing::begin(shared, name);
        let (table, state) = recover(shared, name).await?;
        collect(shared, name).await?;
        for folder in [shared.layout.columns(name), shared.data_folder(name), shared.layout.recent(name)] {
            std::fs::create_dir_all(&folder).map_err(|e| StoreError::io("make", &folder, e))?;
        }
        let profiles = shared.writing_profiles(name, &state).await?;
        let base = workspace.pin().await?;
        let schema = events_schema(&state.catalog);
        // Declared columns are added here, by the first who writes after the declaration.
        let table = shared.tables().await?.add_columns(table, &schema).await?;
        Ok(Self {
            workspace: workspace.clone(),
            import: Uuid::new_v4().simple().to_string(),
            started: SystemTime::now(),
            catalog: state.catalog.clone(),
            schema,
            base,
            state,
            table,
            counter: Arc::new(AtomicU32::new(0)),
            files: Vec::new(),
            profiles: Some(profiles),
            chunks: Vec::new(),
            recent: false,
            merged: Vec::new(),
            decided: false,
            _writing: writing,
            _lock: lock,
        })
    }

    fn profiles(&mut self) -> Result<&mut WritingProfiles> {
        self.profiles.as_mut().ok_or_else(|| StoreError::Invalid("the writer is already committing".to_owned()))
    }

    /// The import's id: unique, in file names and in the ledger.
    pub fn import_id(&self) -> &str {
        &self.import
    }

    /// The state this write starts from.
    pub fn base(&self) -> &Pinned {
        &self.base
    }

    /// A folder for the import's own temporary files, on the data directory's disk; removed with the writer.
    pub fn scratch_dir(&self) -> Result<PathBuf> {
        let folder = scratch_folder(&self.workspace.shared.layout, self.workspace.name());
        std::fs::create_dir_all(&folder).map_err(|e| StoreError::io("make", &folder, e))?;
        Ok(folder)
    }

    /// The users' permanent numbers, in the order of `ids`, allocating for ids not seen before.
    /// Memory is bounded by constants; batches of thousands are fastest.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty id.
    pub fn user_numbers(&mut self, ids: &[&str]) -> Result<Vec<u64>> {
        self.profiles()?.user_numbers(ids)
    }

    /// Merges profile rows, in order.
    pub fn upsert_profiles(&mut self, writes: Vec<ProfileWrite>) -> Result<()> {
        self.profiles()?.upsert_rows(writes)
    }

    /// Widens users' event spans; the same user may come many times. Numbers must come from [`user_numbers`](Self::user_numbers).
    pub fn note_events(&mut self, seen: &[Seen]) -> Result<()> {
        self.profiles()?.note_spans(seen)
    }

    /// What is known of a user, with this writer's own changes.
    pub fn profile(&mut self, user_id: &str) -> Result<Option<Profile>> {
        self.profiles()?.profile(user_id)
    }

    /// Forgets users' profiles and numbers; returns how many there were. Their events stay in the lake, under numbers no user has.
    pub fn erase(&mut self, user_ids: &[String]) -> Result<u64> {
        self.profiles()?.erase_users(user_ids)
    }

    /// Gives the lake's table the columns of a catalog, for files opened from now on. The catalog must be `base().catalog` or grown
    /// from it by `set_field`.
    ///
    /// # Errors
    ///
    /// `Invalid` if a stored column is missing from it, or if it binds events elsewhere than the base: [`Workspace::set_catalog`] does that.
    pub async fn set_catalog(&mut self, catalog: &Catalog) -> Result<()> {
        check_grown(&self.catalog, catalog)?;
        if catalog.events_table != self.catalog.events_table {
            return Err(StoreError::Invalid("an import cannot change \"events_table\": declare it by `muster catalog --set`".to_owned()));
        }
        let schema = events_schema(catalog);
        let tables = self.workspace.shared.tables().await?;
        self.table = tables.add_columns(self.table.clone(), &schema).await?;
        self.catalog = catalog.clone();
        self.schema = schema;
        Ok(())
    }

    /// The schema of event batches now: [`crate::events_schema`] of the catalog last set, at first the base's.
    pub fn events_schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How much of the log of collected messages the base holds.
    pub fn position(&self) -> Option<&LogPosition> {
        self.state.events.position.as_ref()
    }

    /// Has files of events opened from now on stay beside the lake's table, for commits of few rows, several a second. Of a shared lake nothing
    /// stays beside: other engines would not see it.
    pub fn keep_recent(&mut self) {
        self.recent = self.workspace.shared.lake.is_none();
    }

    /// Has files of events opened from now on go into the lake's table.
    pub(crate) fn keep_settled(&mut self) {
        self.recent = false;
    }

    /// Opens a file for the events of one UTC day (days since 1970-01-01).
    ///
    /// # Errors
    ///
    /// `Invalid` if the workspace's events are those that somebody else writes, beside which these would not be seen.
    pub fn event_file(&self, day: i32) -> Result<EventFileWriter> {
        if let Some(table) = &self.catalog.events_table {
            let what = format!("workspace \"{}\" reads its events in {}, and takes none of its own", self.workspace.name(), table.location);
            return Err(StoreError::Invalid(what));
        }
        let metadata = self.table.metadata();
        let (shared, name) = (&self.workspace.shared, self.workspace.name());
        let target = Target {
            folder: if self.recent { shared.layout.recent(name) } else { shared.data_folder(name) },
            data: format!("{}/data", shared.location(name, EVENTS)?),
            import: self.import.clone(),
            counter: self.counter.clone(),
            schema: metadata.current_schema().clone(),
            spec_id: metadata.default_partition_spec_id(),
        };
        EventFileWriter::new(target, self.schema.clone(), day)
    }

    /// Takes finished files into the commit.
    pub fn add_event_files(&mut self, files: Vec<EventFile>) {
        self.files.extend(files);
    }

    /// Makes everything visible at once, under a catalog that holds every column written, and records the import.
    ///
    /// # Errors
    ///
    /// `Conflict` if the state row moved meanwhile; `Invalid` if a value does not fit the catalog. Nothing is visible then.
    ///
    /// # Cancel safety
    ///
    /// Safe: either all of it is visible or nothing.
    pub async fn commit(self, catalog: Catalog, import_record: serde_json::Value) -> Result<CommitInfo> {
        self.finish(catalog, Ending { record: Some(import_record), ..Ending::default() }).await
    }

    /// The same for messages that were collected, with how much of their log it holds. The ledger has no entry for it, unless the lake is shared,
    /// where each is an append to the table.
    ///
    /// New users are in the profiles' columnar form at once; of what there is of others it is brought up to date for about `refresh_bytes`, the oldest
    /// changes first. What is left is told by [`crate::ProfilesSnapshot::as_of`].
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit); `Invalid` if the base holds more of that log already.
    ///
    /// # Cancel safety
    ///
    /// Safe: either all of it is visible or nothing.
    pub async fn publish(self, catalog: Catalog, publication: Publication, refresh_bytes: u64) -> Result<CommitInfo> {
        let position = &publication.position;
        if let Some(before) = self.position().filter(|p| p.log == position.log && p.next > position.next) {
            let what = format!("the state holds the log up to offset {}, and {} was to be published", before.next, position.next);
            return Err(StoreError::Invalid(what));
        }
        let record = self.workspace.shared.lake.is_some().then(|| serde_json::json!({ "collected_to": position.next }));
        self.finish(catalog, Ending { record, publication: Some(publication), refresh_bytes: Some(refresh_bytes) }).await
    }

    /// Brings the profiles' columnar form up to date, about so many bytes of it, the oldest changes first.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub async fn refresh(self, bytes: u64) -> Result<CommitInfo> {
        let catalog = self.catalog.clone();
        self.finish(catalog, Ending { refresh_bytes: Some(bytes), ..Ending::default() }).await
    }

    /// Makes the profiles' table in a shared lake anew from the mirror of those in Cassandra; no import, and none in the ledger.
    pub(crate) async fn share_profiles(self) -> Result<()> {
        let catalog = self.catalog.clone();
        self.finish(catalog, Ending::default()).await.map(|_| ())
    }

    /// Boxed: see [`Workspace::pin`].
    fn finish(self, catalog: Catalog, ending: Ending) -> BoxFuture<'static, Result<CommitInfo>> {
        Box::pin(self.finish_now(catalog, ending))
    }

    async fn finish_now(mut self, catalog: Catalog, ending: Ending) -> Result<CommitInfo> {
        self.set_catalog(&catalog).await?;
        let workspace = self.workspace.clone();
        let (shared, name) = (&workspace.shared, workspace.name());
        let mut import = ending.record.map(|record| ImportEntry { id: self.import.clone(), record });
        let extent = ending.refresh_bytes.map_or(Extent::All, |bytes| Extent::Pressing { bytes });
        let mut rewritten = self.rewrite_profiles(extent).await?;
        let (position, quarantine) = ending.publication.map(|p| (p.position, p.quarantine)).unzip();
        let moved = position.is_some() && position != self.state.events.position;
        rewritten.replaced.extend(self.merged.iter().cloned().map(Garbage::Path));
        let changed = !self.files.is_empty() || rewritten.changed || moved || catalog != self.state.catalog;
        let mut info = CommitInfo {
            version: self.state.version,
            changed,
            snapshot_id: self.state.events.snapshot_id,
            event_files: self.files.len() as u64,
            event_rows: self.files.iter().map(EventFile::rows).sum(),
            profile_files: self.chunks.len() as u64,
            profile_bytes: rewritten.files.iter().filter(|f| self.chunks.contains(&f.path)).map(|f| f.size_bytes).sum(),
            is_stale: !rewritten.stale.is_empty(),
            users: rewritten.files.iter().map(|f| f.rows).sum(),
        };
        if !changed {
            if let Some(import) = &import {
                shared.meta.record_import(name, info.version, import).await?;
            }
            return Ok(info);
        }
        let published = self.share(&catalog, &mut rewritten).await?;
        let profiles_version = match self.profiles.take() {
            Some(profiles) if rewritten.changed => profiles.commit()?,
            _ => self.state.profiles.version,
        };
        let profiles = ProfilesState { version: profiles_version, files: rewritten.files, stale: rewritten.stale, published };
        let mut state = State { version: self.state.version + 1, catalog, events: self.state.events.clone(), profiles };
        state.events.position = position.or(state.events.position);
        if shared.lake.is_some() {
            let (record, garbage) = (import.as_ref().map(|i| i.record.clone()), rewritten.replaced.clone());
            shared.meta.prepare(name, &Prepared { import: self.import.clone(), record, state: state.clone(), garbage }).await?;
            // The next writer may have to finish what is appended now, so the files must stay from here on.
            self.decided = true;
        }
        let (recent, settled) = self.parted()?;
        if import.is_none() && shared.lake.is_none() && !settled.is_empty() {
            // Files of the table belong to an import that the ledger has.
            import = Some(ImportEntry { id: self.import.clone(), record: serde_json::json!({ "settled": true }) });
        }
        self.append_events(settled).await?;
        state.events = state.events.at(&self.table, shared.lake.is_some());
        state.events.recent.retain(|f| !self.merged.contains(&f.path));
        state.events.recent.extend(recent);
        // From here on an error may come after the switch happened, so the files must stay; the next writer looks at the ledger.
        self.decided = true;
        let (base, quarantine) = (self.state.version, quarantine.unwrap_or_default());
        match shared.meta.switch_with(name, base, &state, import.as_ref(), &rewritten.replaced, &quarantine).await {
            Err(e @ StoreError::Conflict(_)) => {
                self.decided = false;
                return Err(e);
            }
            done => done?,
        }
        (info.version, info.snapshot_id) = (state.version, state.events.snapshot_id);
        if shared.lake.is_some() {
            // Uploaded; what cannot be removed now is removed by the next writer.
            let _ = remove(&shared.data_folder(name));
        }
        Ok(info)
    }

    /// Files that stay beside the table, durably there, and those for the table.
    fn parted(&self) -> Result<(Vec<RecentFile>, Vec<DataFile>)> {
        let folder = self.workspace.shared.layout.recent(self.workspace.name());
        let (recent, settled): (Vec<_>, Vec<_>) = self.files.iter().partition(|f| f.path.starts_with(&folder));
        if !recent.is_empty() {
            sync(&folder)?;
        }
        Ok((recent.into_iter().map(EventFile::recent).collect(), settled.into_iter().map(|f| f.data_file.clone()).collect()))
    }

    /// Writes the profiles' changed chunks.
    async fn rewrite_profiles(&mut self, extent: Extent) -> Result<Rewritten> {
        let columns = self.workspace.shared.layout.columns(self.workspace.name());
        let catalog = self.catalog.clone();
        let done = self.profiles()?.rewrite(&catalog, extent).await;
        self.chunks = self.profiles()?.written().to_vec();
        let rewritten = done?;
        if rewritten.changed {
            sync(&columns)?;
        }
        Ok(Rewritten {
            files: rewritten.files,
            stale: rewritten.stale,
            replaced: rewritten.replaced.into_iter().map(Garbage::Path).collect(),
            changed: rewritten.changed,
        })
    }

    /// Uploads the files and makes the profiles a table, if the lake is shared; the table that the state is to name.
    async fn share(&self, catalog: &Catalog, rewritten: &mut Rewritten) -> Result<Option<PublishedProfiles>> {
        let (shared, name) = (&self.workspace.shared, self.workspace.name());
        let before = &self.state.profiles.published;
        let Some(lake) = &shared.lake else { return Ok(before.clone()) };
        let mut uploads: Vec<_> = self.files.iter().map(|f| (f.path.clone(), f.data_file.file_path().to_owned())).collect();
        for chunk in rewritten.files.iter().filter(|f| !self.state.profiles.files.contains(f)) {
            uploads.push((chunk.path.clone(), profile_uri(lake, name, &chunk.path)?));
        }
        shared.meta.note_uploads(name, &self.import, &uploads.iter().map(|(_, to)| to.clone()).collect::<Vec<_>>()).await?;
        publish::upload(lake, uploads).await?;
        if !rewritten.changed && before.is_some() && profiles_schema(catalog) == profiles_schema(&self.state.catalog) {
            return Ok(before.clone());
        }
        for file in self.state.profiles.files.iter().filter(|f| !rewritten.files.contains(f)) {
            rewritten.replaced.push(Garbage::Object(profile_uri(lake, name, &file.path)?));
        }
        rewritten.replaced.extend(before.iter().map(|old| Garbage::Table(old.table.clone())));
        let number = shared.meta.next_table(name).await?;
        publish::profiles(shared, lake, name, catalog, &rewritten.files, number).await.map(Some)
    }

    /// Appends the event files to the lake's table, durably.
    async fn append_events(&mut self, files: Vec<DataFile>) -> Result<()> {
        let (shared, name) = (&self.workspace.shared, self.workspace.name());
        let is_local = shared.lake.is_none();
        // Others read a shared table as of a snapshot, and with it the columns there were at the time.
        let grew = !is_local && self.table.metadata().current_snapshot_id().is_some() && schema_changed(&self.table);
        if !files.is_empty() || grew {
            if is_local {
                sync(&shared.data_folder(name))?;
            }
            self.table = shared.tables().await?.append(&self.table, files, &self.import).await?;
        }
        let same = self.table.metadata_location() == Some(self.state.events.metadata_location.as_str());
        if is_local && !same { sync_metadata(&shared.layout.table(name, EVENTS), self.started) } else { Ok(()) }
    }
}

/// Whether the table has other columns than at its present snapshot.
fn schema_changed(table: &Table) -> bool {
    let metadata = table.metadata();
    metadata.current_snapshot().is_some_and(|s| s.schema_id() != Some(metadata.current_schema_id()))
}

/// The profiles' columnar form after a commit, and what the state before it names and this one does not.
struct Rewritten {
    files: Vec<ProfileFile>,
    stale: BTreeMap<u64, i64>,
    replaced: Vec<Garbage>,
    changed: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next writer.
        let _ = remove(&scratch_folder(&self.workspace.shared.layout, self.workspace.name()));
        if self.decided {
            return;
        }
        let chunks = self.profiles.as_ref().map(|p| p.written().to_vec()).unwrap_or_default();
        for path in self.files.iter().map(|f| &f.path).chain(&self.chunks).chain(&chunks) {
            let _ = remove(path);
        }
    }
}
