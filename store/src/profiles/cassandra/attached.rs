//! The Cassandra of a data directory: connected when it is first needed, and remembered.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use segment_core::catalog::Catalog;
use segment_core::time::format_instant;
use tokio::sync::OnceCell;

use super::client::Cassandra;
use super::error::{CassandraError, CassandraFault};
use super::handle::CassandraProfiles;
use super::keyspace::{Keyspace, keyspace_name};
use super::mirror::{Mirror, since};
use super::user::UserReader;
use crate::config::CassandraConfig;
use crate::error::{Result, StoreError};
use crate::meta::State;
use crate::profiles::{ProfilesSnapshot, UserFacts, profiles_schema};

/// How long a failed connection is not tried again by those who have something to go on with.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a query that has an older mirror waits for it to follow. What takes longer goes on meanwhile.
const REFRESH_WAIT: Duration = Duration::from_secs(15);
/// How long whoever reads one user waits for it, the connection included.
const USER_WAIT: Duration = Duration::from_secs(5);
/// The file that tells data directories apart, in a workspace's folder.
const OWNER: &str = "cassandra.owner";

/// The settings, and the connection once there is one.
pub(crate) struct AttachedCassandra {
    config: CassandraConfig,
    connection: OnceCell<Arc<Cassandra>>,
    failed: Mutex<Option<Instant>>,
    keyspaces: Mutex<HashMap<String, Keyspace>>,
    /// By workspace, with the version of the state that they were last seen to fit.
    readers: Mutex<HashMap<String, (u64, UserReader)>>,
}

impl AttachedCassandra {
    pub(crate) fn new(config: CassandraConfig) -> Self {
        Self { config, connection: OnceCell::new(), failed: Mutex::default(), keyspaces: Mutex::default(), readers: Mutex::default() }
    }

    async fn connected(&self) -> Result<&Arc<Cassandra>> {
        let connected = self.connection.get_or_try_init(|| Cassandra::connect(&self.config)).await;
        if connected.is_err() {
            self.note_failure();
        }
        connected
    }

    fn note_failure(&self) {
        if let Ok(mut failed) = self.failed.lock() {
            *failed = Some(Instant::now());
        }
    }

    pub(crate) fn failed_lately(&self) -> bool {
        self.failed.lock().is_ok_and(|failed| failed.is_some_and(|at| at.elapsed() < PAUSE))
    }

    /// Opens a workspace's profiles for writing. The write lock must be held.
    pub(crate) async fn open(&self, workspace: &str, folder: &Path, catalog: &Catalog) -> Result<CassandraProfiles> {
        let owner = owner(folder)?;
        CassandraProfiles::open(self.connected().await?, workspace, &owner, catalog, &folder.join("mirror")).await
    }

    /// The mirror of a workspace's profiles, with all changes up to `at_least` (0: nothing was written yet, as far as this directory knows).
    ///
    /// One that cannot follow, or does not in time, will do if it is behind by no more than `mirror_behind_max_s`.
    ///
    /// # Errors
    ///
    /// `Unavailable` if Cassandra is and the mirror that there is lacks changes that it must have.
    pub(crate) async fn snapshot(&self, workspace: &str, folder: &Path, catalog: &Catalog, at_least: u64) -> Result<ProfilesSnapshot> {
        let at_least = i64::try_from(at_least).unwrap_or(i64::MAX);
        let mirrored = folder.join("mirror");
        let name = keyspace_name(&self.config.keyspace_prefix, workspace);
        let present = Mirror::in_folder(&mirrored, &name, catalog)?;
        let as_of = present.as_ref().and_then(|s| s.as_of);
        let age_max = Duration::from_secs(self.config.mirror_age_max_s);
        let has = |least: i64| as_of.is_some_and(|at| at >= at_least.max(least));
        if let Some(snapshot) = present {
            if has(since(age_max)) {
                return Ok(snapshot);
            }
            if has(since(Duration::from_secs(self.config.mirror_behind_max_s))) {
                return self.followed(workspace, folder, catalog, at_least, snapshot).await;
            }
        }
        let refreshed = match self.mirror(workspace, folder).await {
            // Nobody wrote yet.
            Err(StoreError::NotFound(_)) if at_least == 0 => return Ok(ProfilesSnapshot::new(Vec::new(), profiles_schema(catalog))),
            Ok(mirror) => mirror.within(catalog, age_max, at_least).await,
            Err(e) => Err(e),
        };
        refreshed.map_err(|e| match (e, as_of) {
            (StoreError::Unavailable { what, source }, Some(at)) => {
                let limit = self.config.mirror_behind_max_s;
                let until = format_instant(at);
                let what = format!(
                    "{what}, and the mirror of the profiles, which has all changes up to {until}, lacks the last import or is further behind than \
                     cassandra.mirror_behind_max_s = {limit} allows"
                );
                StoreError::Unavailable { what, source }
            }
            (e, _) => e,
        })
    }

    /// A mirror once it has followed, or as it is if it cannot now.
    async fn followed(
        &self,
        workspace: &str,
        folder: &Path,
        catalog: &Catalog,
        at_least: i64,
        present: ProfilesSnapshot,
    ) -> Result<ProfilesSnapshot> {
        if self.failed_lately() {
            return Ok(present);
        }
        let age_max = Duration::from_secs(self.config.mirror_age_max_s);
        let refreshed = match self.mirror(workspace, folder).await {
            Ok(mirror) => mirror.within_time(catalog, age_max, at_least, REFRESH_WAIT).await,
            Err(e) => Some(Err(e)),
        };
        match refreshed {
            Some(Err(StoreError::Unavailable { .. } | StoreError::Busy(_))) => {
                self.note_failure();
                Ok(present)
            }
            Some(done) => done,
            None => Ok(present),
        }
    }

    /// The instant that a state's version of profiles is, unless it is longer ago than the lake's table of them may be behind.
    pub(crate) fn published_as_of(&self, version: u64) -> std::result::Result<i64, String> {
        let (as_of, limit) = (i64::try_from(version).unwrap_or(i64::MAX), self.config.shared_behind_max_s);
        if as_of >= since(Duration::from_secs(limit)) {
            return Ok(as_of);
        }
        Err(format!(
            "the table of profiles in the lake has all changes in Cassandra up to {}, longer ago than cassandra.shared_behind_max_s = {limit} allows",
            format_instant(as_of)
        ))
    }

    /// What is stored of a user: one read of one row.
    ///
    /// # Errors
    ///
    /// `Unavailable` if Cassandra cannot be reached, or does not answer within [`USER_WAIT`]; also for a moment after such a failure, without waiting again.
    pub(crate) async fn user(&self, workspace: &str, folder: &Path, state: &State, user_id: &str) -> Result<Option<UserFacts>> {
        // Nothing is committed, and whoever is first may be making the tables.
        if state.profiles.version == 0 {
            return Ok(None);
        }
        let what = "read a user";
        if self.failed_lately() {
            return Err(CassandraError::new(CassandraFault::Unreachable, "it did not answer a moment ago").during(what));
        }
        let read = async { self.reader(workspace, folder, state).await?.read(user_id).await };
        let done = tokio::time::timeout(USER_WAIT, read).await.unwrap_or_else(|_| {
            Err(CassandraError::new(CassandraFault::Timeout, format!("no answer within {} s", USER_WAIT.as_secs())).during(what))
        });
        if done.as_ref().err().and_then(CassandraError::fault_of).is_some_and(CassandraFault::is_retryable) {
            self.note_failure();
        }
        done
    }

    /// A reader of all columns that a state's catalog has.
    async fn reader(&self, workspace: &str, folder: &Path, state: &State) -> Result<UserReader> {
        let known = self.readers.lock().ok().and_then(|r| r.get(workspace).cloned());
        let reader = match known {
            Some((version, reader)) if version == state.version => return Ok(reader),
            Some((_, reader)) if reader.reads(&state.catalog) => reader,
            _ => UserReader::open(&self.keyspace(workspace, folder).await?, &state.catalog).await?,
        };
        if let Ok(mut readers) = self.readers.lock() {
            readers.insert(workspace.to_owned(), (state.version, reader.clone()));
        }
        Ok(reader)
    }

    async fn mirror(&self, workspace: &str, folder: &Path) -> Result<Mirror> {
        Ok(Mirror::new(&self.keyspace(workspace, folder).await?, &folder.join("mirror")))
    }

    /// The keyspace of a workspace's profiles, remembered.
    async fn keyspace(&self, workspace: &str, folder: &Path) -> Result<Keyspace> {
        if let Some(keyspace) = self.keyspaces.lock().ok().and_then(|k| k.get(workspace).cloned()) {
            return Ok(keyspace);
        }
        // Empty before the first import.
        let owner = read_owner(&folder.join(OWNER))?.unwrap_or_default();
        let keyspace = Keyspace::open_owned(self.connected().await?, workspace, &owner).await?;
        if let Ok(mut keyspaces) = self.keyspaces.lock() {
            keyspaces.insert(workspace.to_owned(), keyspace.clone());
        }
        Ok(keyspace)
    }
}

/// Refuses profiles elsewhere than where a workspace's are: in Cassandra, or embedded.
pub(crate) fn check_place(folder: &Path, users: &Path, in_cassandra: bool) -> Result<()> {
    let owned = folder.join(OWNER);
    if in_cassandra && users.exists() {
        return Err(StoreError::Conflict(format!(
            "the profiles of {} are embedded, and [cassandra] is set: use another data directory for profiles in Cassandra",
            folder.display()
        )));
    }
    if !in_cassandra && owned.exists() {
        let what = format!("the profiles of {} are in Cassandra: set [cassandra] as it was", folder.display());
        return Err(StoreError::Conflict(what));
    }
    Ok(())
}

/// The directory's id in the workspace, made at first.
fn owner(folder: &Path) -> Result<String> {
    let path = folder.join(OWNER);
    if let Some(owner) = read_owner(&path)? {
        return Ok(owner);
    }
    std::fs::create_dir_all(folder).map_err(|e| StoreError::io("make", folder, e))?;
    let owner = uuid::Uuid::new_v4().to_string();
    let write = || -> std::io::Result<()> {
        use std::io::Write;
        let fresh = folder.join("cassandra.owner.new");
        let mut file = std::fs::File::create(&fresh)?;
        file.write_all(owner.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(|e| StoreError::io("write", &path, e))?;
    Ok(owner)
}

fn read_owner(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(owner) => Ok(Some(owner)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io("read", path, e)),
    }
}
