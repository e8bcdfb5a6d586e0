//! The store of profiles on Cassandra, as every store of profiles is used.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use segment_core::catalog::Catalog;
use tokio::sync::Mutex;

use super::changes::check_clock;
use super::client::Cassandra;
use super::keyspace::Keyspace;
use super::mirror::Mirror;
use super::numbers::UserNumbers;
use super::table::{ProfileReader, ReadOptions, Stored};
use super::writes::{ProfileWriter, UserWrite};
use crate::error::{Result, StoreError};
use crate::profiles::row::Row;
use crate::profiles::{Profile, ProfileStore, ProfileWrite, ProfilesSnapshot, Seen};

/// A workspace's profiles in Cassandra, open for writing. Cheap to clone; clones write in turn.
///
/// What it writes is seen by others as soon as it is written. Attributes can be written that the catalog it was opened with has, or the one last set.
#[derive(Clone)]
pub struct CassandraProfiles {
    keyspace: Keyspace,
    mirror: Mirror,
    work: Arc<Mutex<Work>>,
}

struct Work {
    numbers: UserNumbers,
    writer: ProfileWriter,
    reader: ProfileReader,
}

impl std::fmt::Debug for CassandraProfiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CassandraProfiles").field("keyspace", &self.keyspace.name()).finish_non_exhaustive()
    }
}

fn everything() -> ReadOptions {
    ReadOptions { raw: true, ..ReadOptions::default() }
}

impl CassandraProfiles {
    /// Opens a workspace's profiles, making its keyspace if it is not there, and adding the catalog's columns. `owner` tells data
    /// directories apart; `folder` is where the columnar mirror is kept. The workspace's write lock should be held: one process changes the schema.
    ///
    /// # Errors
    ///
    /// `Conflict` if the keyspace belongs to another directory, or a column is there with another type; `Unavailable` if Cassandra cannot be
    /// reached, or its clock and this machine's differ too much.
    pub async fn open(cassandra: &Arc<Cassandra>, workspace: &str, owner: &str, catalog: &Catalog, folder: &Path) -> Result<Self> {
        let (connection, workspace, owner) = (cassandra.clone(), workspace.to_owned(), owner.to_owned());
        let (catalog, mirror) = (catalog.clone(), folder.to_owned());
        let opening = async move {
            check_clock(&connection).await?;
            let keyspace = Keyspace::create(&connection, &workspace, &owner).await?;
            keyspace.add_columns(&catalog).await?;
            let work = Work {
                numbers: UserNumbers::open(&keyspace).await?,
                writer: ProfileWriter::open(&keyspace, &catalog).await?,
                reader: ProfileReader::open_here(&keyspace, &catalog, everything()).await?,
            };
            Ok(Self { mirror: Mirror::new(&keyspace, &mirror), keyspace, work: Arc::new(Mutex::new(work)) })
        };
        cassandra.run(opening).await
    }

    /// The keyspace it writes to.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// The columnar mirror on this machine.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Adds the columns of a catalog. The write lock must be held.
    ///
    /// # Errors
    ///
    /// `Conflict` if a column is there with another type.
    pub async fn set_catalog(&self, catalog: &Catalog) -> Result<()> {
        let (handle, catalog) = (self.clone(), catalog.clone());
        let adding = async move {
            handle.keyspace.add_columns(&catalog).await?;
            let mut work = handle.work.lock().await;
            work.writer.set_catalog(&catalog).await?;
            work.reader = ProfileReader::open_here(&handle.keyspace, &catalog, everything()).await?;
            Ok(())
        };
        self.keyspace.cassandra.run(adding).await
    }

    /// The users' numbers, in the order of `ids`, giving one to those who have none. That alone makes nobody a user.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty id.
    pub async fn user_numbers(&self, ids: Vec<String>) -> Result<Vec<u64>> {
        self.keyspace.cassandra.run(self.numbering(ids)).await
    }

    /// The same, blocking the thread that calls.
    pub(crate) fn user_numbers_blocking(&self, ids: Vec<String>) -> Result<Vec<u64>> {
        self.keyspace.cassandra.wait(self.numbering(ids))
    }

    fn numbering(&self, ids: Vec<String>) -> impl Future<Output = Result<Vec<u64>>> + Send + 'static {
        let handle = self.clone();
        async move {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            handle.work.lock().await.numbers.numbers(&ids).await
        }
    }

    /// Writes users that have their numbers.
    pub(crate) async fn write(&self, users: Vec<UserWrite>) -> Result<()> {
        let handle = self.clone();
        self.keyspace.cassandra.run(async move { handle.work.lock().await.writer.write(&users).await }).await
    }

    /// What is known of a user, blocking the thread that calls.
    pub(crate) fn profile_blocking(&self, user_id: &str) -> Result<Option<Profile>> {
        let (handle, user_id) = (self.clone(), user_id.to_owned());
        self.keyspace.cassandra.wait(async move {
            let reader = handle.work.lock().await.reader.clone();
            Ok(reader.get_here(&user_id).await?.map(profile))
        })
    }

    /// Forgets users.
    pub(crate) fn erasing(&self, user_ids: Vec<String>) -> impl Future<Output = Result<u64>> + Send + 'static {
        let handle = self.clone();
        async move {
            let ids: Vec<&str> = user_ids.iter().map(String::as_str).collect();
            let mut work = handle.work.lock().await;
            // Rows first: when a number is gone that was not erased, this is what finds them again.
            let mut rows = work.writer.rows(&ids).await?;
            let taken = work.numbers.take(&ids).await?;
            rows.extend(taken.iter().map(|(id, number)| (*number, id.to_string())));
            rows.sort_unstable();
            rows.dedup();
            let rows: Vec<(u64, &str)> = rows.iter().map(|(number, id)| (*number, id.as_str())).collect();
            work.writer.erase(&rows).await?;
            Ok(taken.len() as u64)
        }
    }

    /// Gives back the numbers that were reserved and not given.
    pub(crate) async fn release(&self) -> Result<()> {
        let handle = self.clone();
        self.keyspace.cassandra.run(async move { handle.work.lock().await.numbers.release().await }).await
    }

    /// Erases users, blocking the thread that calls.
    pub(crate) fn erase_blocking(&self, user_ids: &[String]) -> Result<u64> {
        self.keyspace.cassandra.wait(self.erasing(user_ids.to_vec()))
    }
}

/// What is stored, as a profile.
fn profile(stored: Stored) -> Profile {
    Profile {
        user_no: stored.user_no,
        user_id: stored.user_id,
        first_seen_at: stored.first_seen_at,
        last_seen_at: stored.last_seen_at,
        has_profile: stored.has_profile,
        stated_first_seen: stored.stated_first_seen,
        attributes: stored.attributes,
        raw: stored.raw,
    }
}

#[async_trait]
impl ProfileStore for CassandraProfiles {
    async fn upsert(&mut self, writes: Vec<ProfileWrite>) -> Result<()> {
        let numbers = self.user_numbers(writes.iter().map(|w| w.user_id.clone()).collect()).await?;
        let mut users: BTreeMap<u64, UserWrite> = BTreeMap::new();
        for (user_no, write) in numbers.into_iter().zip(writes) {
            let user = users.entry(user_no).or_default();
            user.user_no = user_no;
            user.user_id.clone_from(&write.user_id);
            user.row.get_or_insert_with(Row::default).merge(write);
        }
        self.write(users.into_values().collect()).await
    }

    async fn note_events(&mut self, seen: &[Seen]) -> Result<()> {
        let mut spans: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
        for s in seen {
            if s.first > s.last {
                return Err(no_span(s));
            }
            let span = spans.entry(s.user_no).or_insert((s.first, s.last));
            *span = (span.0.min(s.first), span.1.max(s.last));
        }
        let handle = self.clone();
        let numbers: Vec<u64> = spans.keys().copied().collect();
        let finding = async move { handle.work.lock().await.numbers.users(&numbers).await };
        let mut ids = self.keyspace.cassandra.run(finding).await?;
        let mut users = Vec::with_capacity(spans.len());
        for (user_no, (first, last)) in spans {
            let user_id = ids.remove(&user_no).ok_or_else(|| no_span(&Seen { user_no, first, last }))?;
            users.push(UserWrite { user_no, user_id, row: None, seen: Some((first, last)) });
        }
        self.write(users).await
    }

    async fn get(&mut self, user_id: &str) -> Result<Option<Profile>> {
        let reader = self.work.lock().await.reader.clone();
        Ok(reader.get(user_id).await?.map(profile))
    }

    async fn erase(&mut self, user_ids: &[String]) -> Result<u64> {
        let cassandra = self.keyspace.cassandra.clone();
        cassandra.run(self.erasing(user_ids.to_vec())).await
    }

    async fn snapshot(&mut self, catalog: &Catalog) -> Result<ProfilesSnapshot> {
        self.set_catalog(catalog).await?;
        self.mirror.refresh(catalog).await
    }
}

fn no_span(seen: &Seen) -> StoreError {
    StoreError::Invalid(format!("{seen:?} is no span of a numbered user"))
}
