//! The embedded store of profiles: redb by key, Parquet by column.
//!
//! One transaction spans a whole import. It starts with a savepoint of the state before, which is committed with it,
//! so that a commit that the state row never came to name can be taken back when the store is opened next.
//!
//! Tables: `ids` (user id → number), `names` (number → user id), `profiles` (number → [`Row`]), `seen` (number → first
//! and last event), `meta` (the commit's version, the next number). Erased users leave no row; numbers only grow.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use segment_core::catalog::Catalog;

use super::chunk::{self, CHUNK_BITS};
use super::numbers::{ByUser, Numbers, Spans};
use super::row::{Row, first_seen_at};
use super::writing::{Extent, RewrittenProfiles};
use super::{AttributeWrite, Profile, ProfileFile, ProfileStore, ProfileWrite, ProfilesSnapshot, Seen, profiles_schema};
use crate::error::{Attempt, Result, StoreError};
use crate::meta::{ProfilesState, now_us};

pub(super) const IDS: TableDefinition<&str, u64> = TableDefinition::new("ids");
pub(super) const NAMES: TableDefinition<u64, &str> = TableDefinition::new("names");
pub(super) const PROFILES: TableDefinition<u64, &[u8]> = TableDefinition::new("profiles");
pub(super) const SEEN: TableDefinition<u64, (i64, i64)> = TableDefinition::new("seen");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// Memory of the key-value store's cache.
const CACHE_BYTES: usize = 512 << 20;
/// New users held back, to be written in order.
const FRESH_MAX: usize = 1 << 19;
/// Files of one chunk: with more it is rewritten.
const ENDS_MAX: usize = 16;
/// How many shards give numbers, and which of them this is.
const SHARDS: u64 = 1;
const SHARD: u64 = 0;

/// Gives numbers to users who have none here, in the order of their ids.
pub(crate) type GiveNumbers = Box<dyn FnMut(&[&str]) -> Result<Vec<u64>> + Send + Sync>;

/// The profiles of a workspace, open for writing.
pub(crate) struct EmbeddedProfiles {
    /// `None`: numbers are given here.
    give: Option<GiveNumbers>,
    transaction: WriteTransaction,
    _database: Arc<Database>,
    folder: PathBuf,
    version: u64,
    next: u64,
    numbers: Numbers,
    fresh: ByUser,
    seen: Spans,
    /// Users with numbers below are in the columnar form, or in a chunk of it that is stale.
    shown: u64,
    /// Chunks of which users below changed.
    dirty: BTreeSet<u64>,
    /// Chunks of which users from there on changed.
    grown: BTreeSet<u64>,
    /// Chunks whose files lack changes, and since when, microseconds.
    stale: BTreeMap<u64, i64>,
    files: Vec<ProfileFile>,
    written: Vec<PathBuf>,
}

impl EmbeddedProfiles {
    /// Opens the store as of the version that the state row names, taking back a commit beyond it.
    ///
    /// # Errors
    ///
    /// `Corrupt` if it is neither at that version nor one beyond.
    pub(crate) fn open(path: &Path, folder: &Path, state: ProfilesState) -> Result<Self> {
        Self::over(Arc::new(database(path).attempt(&format!("open {}", path.display()))?), folder, state)
    }

    /// The same over a store that is open.
    pub(crate) fn over(database: Arc<Database>, folder: &Path, state: ProfilesState) -> Result<Self> {
        let ProfilesState { version, files, stale, .. } = state;
        if stored_version(&database)? != version {
            take_back(&database, version)?;
        }
        let mut transaction = database.begin_write().attempt("write profiles")?;
        transaction.set_quick_repair(true);
        let outdated: Vec<u64> = transaction.list_persistent_savepoints().attempt("write profiles")?.collect();
        for id in outdated {
            transaction.delete_persistent_savepoint(id).attempt("write profiles")?;
        }
        transaction.persistent_savepoint().attempt("write profiles")?;
        let next = {
            let meta = transaction.open_table(META).attempt("read profiles")?;
            meta.get("next").attempt("read profiles")?.map_or(0, |v| v.value())
        };
        // Tables are made here once, so that later reads find them.
        transaction.open_table(IDS).attempt("write profiles")?;
        transaction.open_table(NAMES).attempt("write profiles")?;
        transaction.open_table(PROFILES).attempt("write profiles")?;
        transaction.open_table(SEEN).attempt("write profiles")?;
        Ok(Self {
            give: None,
            transaction,
            _database: database,
            folder: folder.to_owned(),
            version,
            next,
            numbers: Numbers::default(),
            fresh: ByUser::default(),
            seen: Spans::default(),
            shown: next * SHARDS,
            dirty: BTreeSet::new(),
            grown: BTreeSet::new(),
            stale,
            files,
            written: Vec::new(),
        })
    }

    /// An empty store of what is to be written elsewhere, which gives the numbers.
    pub(crate) fn pending(path: &Path, folder: &Path, give: GiveNumbers) -> Result<Self> {
        Ok(Self { give: Some(give), ..Self::open(path, folder, ProfilesState::default())? })
    }

    /// Who has something written, by number, from one on: `max` at most.
    #[cfg(feature = "cassandra")]
    pub(crate) fn written_users(&mut self, from: u64, max: usize) -> Result<Vec<WrittenUser>> {
        self.flush()?;
        let names = self.transaction.open_table(NAMES).attempt("read profiles")?;
        let profiles = self.transaction.open_table(PROFILES).attempt("read profiles")?;
        let seen = self.transaction.open_table(SEEN).attempt("read profiles")?;
        let mut out = Vec::new();
        for entry in names.range(from..).attempt("read profiles")? {
            let (number, id) = entry.attempt("read profiles")?;
            let user_no = number.value();
            let row = profiles.get(user_no).attempt("read profiles")?.map(|v| Row::decode(v.value())).transpose()?;
            let seen = seen.get(user_no).attempt("read profiles")?.map(|v| v.value());
            if row.is_some() || seen.is_some() {
                out.push(WrittenUser { user_no, user_id: id.value().to_owned(), row, seen });
            }
            if out.len() == max {
                break;
            }
        }
        Ok(out)
    }

    /// The users' numbers, in the order of `ids`, allocating for those not seen before.
    pub(crate) fn user_numbers(&mut self, ids: &[&str]) -> Result<Vec<u64>> {
        let mut numbers: Vec<Option<u64>> = ids.iter().map(|id| self.known(id)).collect();
        let mut unknown: Vec<usize> = (0..ids.len()).filter(|&i| numbers[i].is_none()).collect();
        if !unknown.is_empty() {
            // In order of ids, so that neighbours share the tree's pages.
            unknown.sort_by_key(|&i| ids[i]);
            let table = self.transaction.open_table(IDS).attempt("read profiles")?;
            for &i in &unknown {
                if let Some(number) = table.get(ids[i]).attempt("read profiles")? {
                    let number = number.value();
                    numbers[i] = Some(number);
                    self.numbers.insert(ids[i].into(), number);
                }
            }
        }
        if self.give.is_some() {
            let new: Vec<&str> = (0..ids.len()).filter(|&i| numbers[i].is_none()).map(|i| ids[i]).collect();
            self.take_given(&new)?;
        }
        let mut out = Vec::with_capacity(ids.len());
        for (id, number) in ids.iter().zip(numbers) {
            out.push(match number.or_else(|| self.fresh.get(*id).copied()) {
                Some(number) => number,
                None => self.allocate(id)?,
            });
        }
        if self.fresh.len() >= FRESH_MAX {
            self.flush_fresh()?;
        }
        Ok(out)
    }

    /// Has numbers given to users who have none here.
    fn take_given(&mut self, ids: &[&str]) -> Result<()> {
        let Some(give) = self.give.as_mut().filter(|_| !ids.is_empty()) else { return Ok(()) };
        for (id, number) in ids.iter().zip(give(ids)?) {
            self.fresh.insert((*id).into(), number);
            self.next = self.next.max(number / SHARDS + 1);
        }
        Ok(())
    }

    fn known(&mut self, id: &str) -> Option<u64> {
        self.numbers.get(id).or_else(|| self.fresh.get(id).copied())
    }

    fn allocate(&mut self, id: &str) -> Result<u64> {
        if id.is_empty() {
            return Err(StoreError::Invalid("a user id is empty".to_owned()));
        }
        let number = self.next * SHARDS + SHARD;
        self.next += 1;
        self.fresh.insert(id.into(), number);
        Ok(number)
    }

    /// Writes the users held back.
    fn flush_fresh(&mut self) -> Result<()> {
        let mut fresh: Vec<(Box<str>, u64)> = self.fresh.drain().collect();
        {
            let mut names = self.transaction.open_table(NAMES).attempt("write profiles")?;
            fresh.sort_unstable_by_key(|(_, number)| *number);
            for (id, number) in &fresh {
                names.insert(number, id.as_ref()).attempt("write profiles")?;
            }
            let mut ids = self.transaction.open_table(IDS).attempt("write profiles")?;
            fresh.sort_unstable();
            for (id, number) in &fresh {
                ids.insert(id.as_ref(), number).attempt("write profiles")?;
            }
        }
        for (id, number) in fresh {
            self.numbers.insert(id, number);
        }
        Ok(())
    }

    /// Merges rows, in order.
    pub(crate) fn upsert_rows(&mut self, writes: Vec<ProfileWrite>) -> Result<()> {
        let numbers = {
            let ids: Vec<&str> = writes.iter().map(|w| w.user_id.as_str()).collect();
            self.user_numbers(&ids)?
        };
        let mut writes: Vec<(u64, ProfileWrite)> = numbers.into_iter().zip(writes).collect();
        // Stable, so that rows of one user keep their order.
        writes.sort_by_key(|(number, _)| *number);
        let mut table = self.transaction.open_table(PROFILES).attempt("write profiles")?;
        let mut writes = writes.into_iter().peekable();
        while let Some((number, first)) = writes.next() {
            let before = table.get(number).attempt("read profiles")?.map(|v| v.value().to_vec());
            let mut row = before.as_deref().map(Row::decode).transpose()?.unwrap_or_default();
            row.merge(first);
            while let Some((_, write)) = writes.next_if(|(n, _)| *n == number) {
                row.merge(write);
            }
            let after = row.encode()?;
            if before.as_ref() != Some(&after) {
                table.insert(number, after.as_slice()).attempt("write profiles")?;
                let changed = if number < self.shown { &mut self.dirty } else { &mut self.grown };
                changed.insert(number >> CHUNK_BITS);
            }
        }
        Ok(())
    }

    /// Widens event spans.
    pub(crate) fn note_spans(&mut self, seen: &[Seen]) -> Result<()> {
        for s in seen {
            if s.user_no / SHARDS >= self.next || s.first > s.last {
                return Err(StoreError::Invalid(format!("{s:?} is no span of a numbered user")));
            }
            self.seen.widen(s.user_no, s.first, s.last);
            if self.seen.is_full() {
                self.flush_seen()?;
            }
        }
        Ok(())
    }

    /// Writes the spans held back.
    fn flush_seen(&mut self) -> Result<()> {
        let mut table = self.transaction.open_table(SEEN).attempt("write profiles")?;
        for (number, (first, last)) in self.seen.drain() {
            let before = table.get(number).attempt("read profiles")?.map(|v| v.value());
            let after = before.map_or((first, last), |(f, l)| (f.min(first), l.max(last)));
            if before != Some(after) {
                table.insert(number, after).attempt("write profiles")?;
                let changed = if number < self.shown { &mut self.dirty } else { &mut self.grown };
                changed.insert(number >> CHUNK_BITS);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.flush_fresh()?;
        self.flush_seen()
    }

    /// What is known of a user.
    pub(crate) fn profile(&mut self, user_id: &str) -> Result<Option<Profile>> {
        self.flush()?;
        let ids = self.transaction.open_table(IDS).attempt("read profiles")?;
        let Some(user_no) = ids.get(user_id).attempt("read profiles")?.map(|v| v.value()) else { return Ok(None) };
        let profiles = self.transaction.open_table(PROFILES).attempt("read profiles")?;
        let row = profiles.get(user_no).attempt("read profiles")?.map(|v| Row::decode(v.value())).transpose()?;
        let seen = self.transaction.open_table(SEEN).attempt("read profiles")?.get(user_no).attempt("read profiles")?.map(|v| v.value());
        if row.is_none() && seen.is_none() {
            return Ok(None);
        }
        let mut profile = Profile {
            user_no,
            user_id: user_id.to_owned(),
            first_seen_at: first_seen_at(row.as_ref(), seen.map(|s| s.0)),
            last_seen_at: seen.map(|s| s.1),
            has_profile: row.as_ref().is_some_and(|r| r.is_profile),
            stated_first_seen: row.as_ref().and_then(|r| r.stated),
            attributes: Default::default(),
            raw: Default::default(),
        };
        for (name, facts) in row.into_iter().flat_map(|r| r.attributes) {
            match facts.into_said() {
                AttributeWrite::Value(value) => {
                    profile.attributes.insert(name, value);
                }
                AttributeWrite::Raw(json) => {
                    profile.raw.insert(name, json);
                }
                AttributeWrite::Entries(_) | AttributeWrite::Null => {}
            }
        }
        Ok(Some(profile))
    }

    /// Forgets users.
    pub(crate) fn erase_users(&mut self, user_ids: &[String]) -> Result<u64> {
        self.flush()?;
        let mut ids = self.transaction.open_table(IDS).attempt("write profiles")?;
        let mut names = self.transaction.open_table(NAMES).attempt("write profiles")?;
        let mut profiles = self.transaction.open_table(PROFILES).attempt("write profiles")?;
        let mut seen = self.transaction.open_table(SEEN).attempt("write profiles")?;
        let mut erased = 0;
        for user_id in user_ids {
            let Some(number) = ids.remove(user_id.as_str()).attempt("write profiles")?.map(|v| v.value()) else { continue };
            names.remove(number).attempt("write profiles")?;
            profiles.remove(number).attempt("write profiles")?;
            seen.remove(number).attempt("write profiles")?;
            self.numbers.remove(user_id);
            let changed = if number < self.shown { &mut self.dirty } else { &mut self.grown };
            changed.insert(number >> CHUNK_BITS);
            erased += 1;
        }
        Ok(erased)
    }

    /// Brings the columnar form up to date, all of it or what is most pressing.
    pub(crate) fn rewrite(&mut self, catalog: &Catalog, extent: Extent) -> Result<RewrittenProfiles> {
        self.flush()?;
        let changed = !(self.dirty.is_empty() && self.grown.is_empty());
        let now = now_us();
        for chunk in std::mem::take(&mut self.dirty) {
            self.stale.entry(chunk).or_insert(now);
        }
        let grown = std::mem::take(&mut self.grown);
        let (whole, ends) = match extent {
            Extent::All => (self.stale.keys().copied().chain(grown).collect(), Vec::new()),
            Extent::Pressing { bytes } => self.pressing(grown, bytes),
        };
        let mut replaced = Vec::new();
        for chunk in whole {
            let file = chunk::write(&self.transaction, &self.folder, chunk::range(chunk), catalog, &mut self.written)?;
            self.files.retain(|f| {
                let same = f.user_no_min >> CHUNK_BITS == chunk;
                if same {
                    replaced.push(f.path.clone());
                }
                !same
            });
            self.files.extend(file);
            self.stale.remove(&chunk);
        }
        for range in ends {
            let file = chunk::write(&self.transaction, &self.folder, range, catalog, &mut self.written)?;
            self.files.extend(file);
        }
        self.files.sort_by_key(|f| f.user_no_min);
        let (files, stale, changed) = (self.files.clone(), self.stale.clone(), changed || !self.written.is_empty());
        Ok(RewrittenProfiles { files, replaced, stale, changed })
    }

    /// Which chunks to rewrite, and which ends of others to add: everybody new at once, and of chunks that are stale the longest so, about
    /// `bytes` of them.
    fn pressing(&self, grown: BTreeSet<u64>, bytes: u64) -> (BTreeSet<u64>, Vec<Range<u64>>) {
        let of = |chunk: u64| self.files.iter().filter(move |f| f.user_no_min >> CHUNK_BITS == chunk);
        let (mut whole, mut ends) = (BTreeSet::new(), Vec::new());
        for chunk in grown {
            if of(chunk).count() < ENDS_MAX {
                let range = chunk::range(chunk);
                ends.push(range.start.max(self.shown)..range.end);
            } else {
                whole.insert(chunk);
            }
        }
        let mut oldest: Vec<(i64, u64)> = self.stale.iter().map(|(chunk, since)| (*since, *chunk)).collect();
        oldest.sort_unstable();
        let mut left = bytes;
        for (_, chunk) in oldest {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(of(chunk).map(|f| f.size_bytes).sum());
            whole.insert(chunk);
        }
        ends.retain(|range| !whole.contains(&(range.start >> CHUNK_BITS)));
        (whole, ends)
    }

    /// Files written so far, to be removed if nothing comes to name them.
    pub(crate) fn written(&self) -> &[PathBuf] {
        &self.written
    }

    /// Commits everything as the next version, which it returns.
    pub(crate) fn commit(self) -> Result<u64> {
        let version = self.version + 1;
        {
            let mut meta = self.transaction.open_table(META).attempt("write profiles")?;
            meta.insert("version", version).attempt("write profiles")?;
            meta.insert("next", self.next).attempt("write profiles")?;
        }
        self.transaction.commit().attempt("commit profiles")?;
        Ok(version)
    }
}

/// Opens the file of a store, making it if it is not there.
pub(crate) fn database(path: &Path) -> std::result::Result<Database, redb::DatabaseError> {
    Database::builder().set_cache_size(CACHE_BYTES).create(path)
}

/// What is written of a user.
#[cfg(feature = "cassandra")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WrittenUser {
    pub(crate) user_no: u64,
    pub(crate) user_id: String,
    pub(crate) row: Option<Row>,
    pub(crate) seen: Option<(i64, i64)>,
}

/// The version of the store's last commit.
fn stored_version(database: &Database) -> Result<u64> {
    let transaction = database.begin_write().attempt("read profiles")?;
    let version = {
        let meta = transaction.open_table(META).attempt("read profiles")?;
        meta.get("version").attempt("read profiles")?.map_or(0, |v| v.value())
    };
    transaction.abort().attempt("read profiles")?;
    Ok(version)
}

/// Goes back to the savepoint before the last commit, which must be of `version`.
fn take_back(database: &Database, version: u64) -> Result<()> {
    let mut transaction = database.begin_write().attempt("take back profiles")?;
    let savepoint = transaction.list_persistent_savepoints().attempt("take back profiles")?.max();
    let astray = || StoreError::corrupt_plain(format!("the profiles cannot go back to version {version}, which the state names"));
    let savepoint = transaction.get_persistent_savepoint(savepoint.ok_or_else(astray)?).attempt("take back profiles")?;
    transaction.restore_savepoint(&savepoint).attempt("take back profiles")?;
    transaction.commit().attempt("take back profiles")?;
    if stored_version(database)? == version { Ok(()) } else { Err(astray()) }
}

#[async_trait]
impl ProfileStore for EmbeddedProfiles {
    async fn upsert(&mut self, writes: Vec<ProfileWrite>) -> Result<()> {
        self.upsert_rows(writes)
    }

    async fn note_events(&mut self, seen: &[Seen]) -> Result<()> {
        self.note_spans(seen)
    }

    async fn get(&mut self, user_id: &str) -> Result<Option<Profile>> {
        self.profile(user_id)
    }

    async fn erase(&mut self, user_ids: &[String]) -> Result<u64> {
        self.erase_users(user_ids)
    }

    async fn snapshot(&mut self, catalog: &Catalog) -> Result<ProfilesSnapshot> {
        let files = self.rewrite(catalog, Extent::All)?.files;
        Ok(ProfilesSnapshot::new(files, profiles_schema(catalog)))
    }
}
