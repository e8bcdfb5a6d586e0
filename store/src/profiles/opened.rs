//! Embedded stores of profiles that stay open, so that users are read beside publishing.
//!
//! One process may have a store's file open. A process that keeps stores open gives each up as soon as another one has the workspace's write
//! lock, and whoever has the lock waits for that.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::{Database, DatabaseError, ReadableDatabase};

use super::UserFacts;
use super::embedded::{IDS, PROFILES, SEEN, database};
use super::row::Row;
use crate::error::{Attempt, Result, StoreError};
use crate::lock::Lock;
use crate::store::{Shared, Store};
use crate::workspace::Workspace;

/// How often a store that another process has open, or a lock, is looked at, and how many times.
const STEP: Duration = Duration::from_millis(5);
const STEPS_MAX: u32 = 2_000;
/// The same of whoever reads a user.
const READ_STEPS_MAX: u32 = 400;

/// The stores of a directory that are open.
#[derive(Default)]
pub(crate) struct Opened {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    keep: bool,
    /// By workspace.
    open: HashMap<String, Arc<Database>>,
    /// Workspaces that this process has the write lock of.
    writing: HashSet<String>,
}

impl Opened {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store of a workspace whose write lock is held.
    pub(crate) async fn database(&self, workspace: &str, path: &Path) -> Result<Arc<Database>> {
        if let Some(open) = self.inner().open.get(workspace) {
            return Ok(open.clone());
        }
        let what = format!("open {}", path.display());
        let mut steps = 0;
        let database = loop {
            match database(path) {
                // A process that reads gives it up in a moment.
                Err(DatabaseError::DatabaseAlreadyOpen) if steps < STEPS_MAX => steps += 1,
                done => break Arc::new(done.attempt(&what)?),
            }
            tokio::time::sleep(STEP).await;
        };
        let mut inner = self.inner();
        if inner.keep {
            inner.open.insert(workspace.to_owned(), database.clone());
        }
        Ok(database)
    }
}

/// While it lives, this process writes to a workspace.
pub(crate) struct Writing {
    shared: Arc<Shared>,
    workspace: String,
}

impl Writing {
    pub(crate) fn begin(shared: &Arc<Shared>, workspace: &str) -> Self {
        shared.opened.inner().writing.insert(workspace.to_owned());
        Self { shared: shared.clone(), workspace: workspace.to_owned() }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.shared.opened.inner().writing.remove(&self.workspace);
    }
}

impl Store {
    /// Has embedded stores of profiles stay open from now on, for [`Workspace::user`]. Whoever asks for that calls [`Workspace::yield_users`] often.
    pub fn keep_users_open(&self) {
        self.shared.opened.inner().keep = true;
    }
}

impl Workspace {
    /// Closes the store of profiles if another process waits for it.
    ///
    /// # Errors
    ///
    /// `Io` if the lock cannot be looked at.
    pub fn yield_users(&self) -> Result<()> {
        let opened = &self.shared.opened;
        {
            let inner = opened.inner();
            if inner.writing.contains(self.name()) || !inner.open.contains_key(self.name()) {
                return Ok(());
            }
        }
        if Lock::try_take(&self.shared.layout.write_lock(self.name()))?.is_none() {
            let mut inner = opened.inner();
            if !inner.writing.contains(self.name()) {
                inner.open.remove(self.name());
            }
        }
        Ok(())
    }

    /// What the last commit has of a user; a commit that is about to become visible may be in it. Fast where stores stay open, and with profiles in
    /// Cassandra, where it is one read of one row, whoever wrote it.
    ///
    /// # Errors
    ///
    /// `Busy` while another process writes to the workspace; `Unavailable` if Cassandra cannot be reached or does not answer within a few seconds,
    /// where profiles are there.
    pub async fn user(&self, user_id: &str) -> Result<Option<UserFacts>> {
        #[cfg(feature = "cassandra")]
        if let Some(cassandra) = &self.shared.cassandra {
            let state = self.shared.meta.state(self.name()).await?;
            return cassandra.user(self.name(), &self.shared.layout.profiles(self.name()), &state, user_id).await;
        }
        let users = self.shared.layout.users(self.name());
        let opened = &self.shared.opened;
        for _ in 0..READ_STEPS_MAX {
            let open = opened.inner().open.get(self.name()).cloned();
            let database = match open {
                Some(open) => open,
                None if !users.exists() => return Ok(None),
                None => match Lock::try_take(&self.shared.layout.write_lock(self.name()))? {
                    Some(_lock) => opened.database(self.name(), &users).await?,
                    None => {
                        tokio::time::sleep(STEP).await;
                        continue;
                    }
                },
            };
            let id = user_id.to_owned();
            let read = tokio::task::spawn_blocking(move || committed(&database, &id)).await;
            return read.map_err(|e| StoreError::unavailable("cannot read a user", e))?;
        }
        Err(StoreError::Busy(format!("another process writes to workspace \"{}\"", self.name())))
    }
}

/// What the last commit has of a user.
fn committed(database: &Database, user_id: &str) -> Result<Option<UserFacts>> {
    let transaction = database.begin_read().attempt("read profiles")?;
    let ids = match transaction.open_table(IDS) {
        // Nothing was committed yet.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        ids => ids.attempt("read profiles")?,
    };
    let Some(number) = ids.get(user_id).attempt("read profiles")?.map(|v| v.value()) else { return Ok(None) };
    let profiles = transaction.open_table(PROFILES).attempt("read profiles")?;
    let row = profiles.get(number).attempt("read profiles")?.map(|v| Row::decode(v.value())).transpose()?;
    let seen = transaction.open_table(SEEN).attempt("read profiles")?.get(number).attempt("read profiles")?.map(|v| v.value());
    if row.is_none() && seen.is_none() {
        return Ok(None);
    }
    let (stated, has_profile) = (row.as_ref().and_then(|r| r.stated), row.as_ref().is_some_and(|r| r.is_profile));
    let attributes = row.map(|r| r.attributes).unwrap_or_default();
    Ok(Some(UserFacts { has_profile, stated_first_seen: stated, seen, attributes }))
}
