//! The columnar mirror: profiles in Cassandra as Parquet files on this machine, which queries scan.
//!
//! It is built by one scan over all token ranges and follows the table of changes from then on. A refresh reads the notes of changes that it has not seen, then
//! those users, and rewrites the files of their numbers; a manifest that is replaced whole says which files and notes count. A snapshot has all changes that were acknowledged before its
//! `as_of`, and perhaps later ones: it is not a state that ever was, as the rows of a scan of Cassandra are not either.
//!
//! Built anew, which takes a scan, if there is none, if it is older than half of what the table of changes remembers, or if so many changed that a scan
//! is quicker than reading them one by one.

mod files;
mod manifest;
mod seen;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use segment_core::catalog::Catalog;

use super::changes::{Changes, Note, is_forgotten, is_read_again, now_us};
use super::keyspace::Keyspace;
use super::limits::{RANGES_AT_ONCE, RANGES_OF_BUILD, USERS_READ_MAX};
use super::table::{ProfileReader, ReadOptions, Stored, TokenRange};
use super::together::together;
use crate::error::{Result, StoreError};
use crate::lake::GARBAGE_AGE;
use crate::lock::Lock;
use crate::profiles::batch::ProfileBatch;
use crate::profiles::chunk::CHUNK_BITS;
use crate::profiles::{ProfileFile, ProfilesSnapshot, profiles_schema};
use files::Heaps;
use manifest::Manifest;

/// The most notes that a refresh takes: about 500 MB.
const NOTES_MAX: usize = 4_000_000;
/// Reading one user costs about as much as scanning this many, and this many are read in any case.
const SCANNED_FOR_ONE: u64 = 10;
const CHANGED_ALWAYS: usize = 10_000;

/// A workspace's mirror on this machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mirror {
    keyspace: Keyspace,
    folder: Arc<Path>,
}

impl Mirror {
    /// The mirror of a keyspace in a folder.
    pub(crate) fn new(keyspace: &Keyspace, folder: &Path) -> Self {
        Self { keyspace: keyspace.clone(), folder: folder.into() }
    }

    /// The mirror as it is; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// `Io` or `Corrupt` if its manifest cannot be read.
    pub fn present(&self, catalog: &Catalog) -> Result<Option<ProfilesSnapshot>> {
        Self::in_folder(&self.folder, self.keyspace.name(), catalog)
    }

    /// The same, without a connection.
    pub(crate) fn in_folder(folder: &Path, keyspace: &str, catalog: &Catalog) -> Result<Option<ProfilesSnapshot>> {
        Ok(Manifest::read(folder, keyspace)?.map(|m| snapshot(&m, catalog)))
    }

    /// The mirror with all changes up to now, refreshed if need be.
    ///
    /// # Errors
    ///
    /// `Unavailable` if Cassandra is; `Busy` if another process refreshes it for half a minute. The mirror stays as it was.
    ///
    /// # Cancel safety
    ///
    /// Safe: it is replaced or stays as it was.
    pub async fn refresh(&self, catalog: &Catalog) -> Result<ProfilesSnapshot> {
        self.refreshed_since(catalog, now_us(), None).await
    }

    /// The same, for a state that is to name it. Files that the state names so far are kept, too, until the next such refresh.
    pub(crate) async fn refresh_for_state(&self, catalog: &Catalog, named: Vec<PathBuf>) -> Result<ProfilesSnapshot> {
        self.refreshed_since(catalog, now_us(), Some(named)).await
    }

    /// The mirror no older than `age_max`, and with all changes up to `at_least`, refreshed if need be.
    ///
    /// # Errors
    ///
    /// As [`Mirror::refresh`].
    pub async fn within(&self, catalog: &Catalog, age_max: Duration, at_least: i64) -> Result<ProfilesSnapshot> {
        self.refreshed_since(catalog, wanted(age_max, at_least), None).await
    }

    /// As [`Mirror::within`], waiting so long at most; then it goes on by itself, and there is nothing yet.
    pub(crate) async fn within_time(
        &self,
        catalog: &Catalog,
        age_max: Duration,
        at_least: i64,
        wait: Duration,
    ) -> Option<Result<ProfilesSnapshot>> {
        let (mirror, catalog) = (self.clone(), Arc::new(catalog.clone()));
        let wanted = wanted(age_max, at_least);
        match self.keyspace.cassandra.spawn(async move { mirror.refresh_here(&catalog, wanted, None).await }) {
            Ok(task) => task.done_within(wait).await,
            Err(e) => Some(Err(e)),
        }
    }

    /// Refreshes it unless somebody did since `wanted`.
    async fn refreshed_since(&self, catalog: &Catalog, wanted: i64, named: Option<Vec<PathBuf>>) -> Result<ProfilesSnapshot> {
        let (mirror, catalog) = (self.clone(), Arc::new(catalog.clone()));
        self.keyspace.cassandra.run(async move { mirror.refresh_here(&catalog, wanted, named).await }).await
    }

    async fn refresh_here(&self, catalog: &Arc<Catalog>, wanted: i64, named: Option<Vec<PathBuf>>) -> Result<ProfilesSnapshot> {
        let _lock = Lock::take(&self.folder.join("mirror.lock")).await?;
        let present = Manifest::read(&self.folder, self.keyspace.name())?;
        if let Some(manifest) = present.as_ref().filter(|m| m.as_of >= wanted) {
            return Ok(snapshot(manifest, catalog));
        }
        let as_of = now_us();
        let options = ReadOptions { raw: true, ..ReadOptions::default() };
        let reader = ProfileReader::open_here(&self.keyspace, catalog, options).await?;
        let before = present.as_ref().filter(|m| !is_forgotten(m.as_of));
        let changes = Changes::open(&self.keyspace).await?;
        let notes = changes.since(before.map_or(as_of, |m| m.as_of), NOTES_MAX).await?;
        let files = match (before, &notes) {
            (Some(before), Some(notes)) => {
                let changed = self.unseen(before, notes)?;
                let scanned_for = usize::try_from(rows(&before.files) / SCANNED_FOR_ONE).unwrap_or(usize::MAX);
                if changed.len() > scanned_for.max(CHANGED_ALWAYS) {
                    self.build(&reader, catalog).await?
                } else {
                    self.follow(&reader, before, changed, catalog).await?
                }
            }
            _ => self.build(&reader, catalog).await?,
        };
        let seen = notes.into_iter().flatten().map(|(note, _)| note).filter(|note| is_read_again(*note, as_of));
        let seen = seen::write(&self.folder, seen)?;
        let mut manifest = match present {
            Some(before) => before.followed_by(as_of, files),
            None => Manifest::new(self.keyspace.name(), as_of, files),
        };
        manifest.seen = seen;
        let read_since = as_of - i64::try_from(GARBAGE_AGE.as_micros()).unwrap_or(i64::MAX);
        manifest.replaced.retain(|(_, at)| *at > read_since);
        if let Some(named) = named {
            manifest.kept = named.iter().cloned().chain(manifest.files.iter().map(|f| f.path.clone())).collect();
        }
        manifest.write(&self.folder)?;
        self.clean(&manifest)?;
        Ok(snapshot(&manifest, catalog))
    }

    /// Who has a note that was not seen.
    fn unseen(&self, before: &Manifest, notes: &[(Note, String)]) -> Result<HashMap<u64, String>> {
        let seen = before.seen.as_deref().map(seen::read).transpose()?.unwrap_or_default();
        Ok(notes.iter().filter(|(note, _)| !seen.contains(note)).map(|((number, _), id)| (*number, id.clone())).collect())
    }

    /// Reads everyone.
    async fn build(&self, reader: &ProfileReader, catalog: &Arc<Catalog>) -> Result<Vec<ProfileFile>> {
        let heaps = Arc::new(Mutex::new(Some(Heaps::new(&self.folder.join("heaps"), catalog)?)));
        let mut scans = Vec::new();
        for range in TokenRange::cut(RANGES_OF_BUILD) {
            let (reader, heaps) = (reader.clone(), heaps.clone());
            let scan = async move {
                let mut pages = reader.pages(range);
                while let Some(page) = pages.next().await? {
                    with(&heaps, |heaps| heaps.add(&page.users))?;
                }
                Ok(())
            };
            let cassandra = &self.keyspace.cassandra;
            // A task each, so that they decode on several threads.
            scans.push(async move { cassandra.run(scan).await }.boxed());
        }
        stream::iter(scans).buffer_unordered(RANGES_AT_ONCE).try_collect::<Vec<()>>().await?;
        let heaps = heaps.lock().map_err(|_| poisoned())?.take().ok_or_else(poisoned)?;
        let folder = self.folder.clone();
        blocking(move || heaps.finish(&folder)).await
    }

    /// Rewrites the files of those who changed.
    async fn follow(
        &self,
        reader: &ProfileReader,
        manifest: &Manifest,
        changed: HashMap<u64, String>,
        catalog: &Arc<Catalog>,
    ) -> Result<Vec<ProfileFile>> {
        let mut chunks: BTreeMap<u64, Vec<(u64, String)>> = BTreeMap::new();
        for (number, id) in changed {
            chunks.entry(number >> CHUNK_BITS).or_default().push((number, id));
        }
        let mut files = manifest.files.clone();
        for (chunk, users) in chunks {
            let numbers: Vec<u64> = users.iter().map(|(number, _)| *number).collect();
            let mut now: Vec<Option<Stored>> = Vec::with_capacity(users.len());
            for part in users.chunks(USERS_READ_MAX) {
                let mut reads = Vec::with_capacity(part.len());
                for (number, id) in part {
                    // A row under another number belongs to who came back after they were erased, and has its own note.
                    reads.push(async move { Ok(reader.get_here(id).await?.filter(|s| s.user_no == *number)) }.boxed());
                }
                now.extend(together(reads).await?);
            }
            let at = files.iter().position(|f| f.user_no_min >> CHUNK_BITS == chunk);
            let old = at.map(|at| files.swap_remove(at));
            let (folder, catalog) = (self.folder.clone(), catalog.clone());
            let written = blocking(move || {
                let mut batch = ProfileBatch::new(&catalog);
                now.iter().flatten().try_for_each(|stored| files::append(&mut batch, stored))?;
                let (mut numbers, put_in) = (numbers, batch.finish(&catalog)?);
                numbers.sort_unstable();
                files::rewrite(old.as_ref(), &numbers, put_in, &profiles_schema(&catalog), &folder, chunk)
            });
            files.extend(written.await?);
        }
        files.sort_by_key(|f| f.user_no_min);
        Ok(files)
    }

    /// Removes files that nothing names.
    fn clean(&self, manifest: &Manifest) -> Result<()> {
        let list = std::fs::read_dir(&self.folder).map_err(|e| StoreError::io("list", &self.folder, e))?;
        for entry in list {
            let path = entry.map_err(|e| StoreError::io("list", &self.folder, e))?.path();
            if path.extension().is_some_and(|e| e == "parquet" || e == seen::EXTENSION) && !manifest.names(&path) {
                crate::meta::remove(&path)?;
            }
        }
        Ok(())
    }
}

/// The instant up to which a mirror must have all changes.
fn wanted(age_max: Duration, at_least: i64) -> i64 {
    at_least.max(since(age_max))
}

/// So long ago, microseconds.
pub(crate) fn since(age: Duration) -> i64 {
    now_us().saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}

fn snapshot(manifest: &Manifest, catalog: &Catalog) -> ProfilesSnapshot {
    ProfilesSnapshot { as_of: Some(manifest.as_of), ..ProfilesSnapshot::new(manifest.files.clone(), profiles_schema(catalog)) }
}

fn rows(files: &[ProfileFile]) -> u64 {
    files.iter().map(|f| f.rows).sum()
}

fn poisoned() -> StoreError {
    StoreError::Unavailable { what: "building the mirror was broken off".to_owned(), source: None }
}

fn with<T>(heaps: &Mutex<Option<Heaps>>, work: impl FnOnce(&mut Heaps) -> Result<T>) -> Result<T> {
    let mut heaps = heaps.lock().map_err(|_| poisoned())?;
    work(heaps.as_mut().ok_or_else(poisoned)?)
}

/// Work that does not wait for Cassandra.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(StoreError::unavailable("work on the mirror was broken off", e)))
}
