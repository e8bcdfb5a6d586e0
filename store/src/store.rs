//! A data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use segment_core::catalog::Catalog;
use tokio::sync::OnceCell;

use crate::error::{Result, StoreError};
use crate::lake::tables::{EVENTS, Tables};
use crate::layout::Layout;
use crate::lock::Lock;
use crate::meta::{EventsState, Meta, ProfilesState, State};
use crate::names::check_workspace_name;
use crate::workspace::Workspace;

/// The version of a workspace nothing was written to.
const VERSION_FIRST: u64 = 1;

/// An open data directory. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

/// What all handles of a store share.
pub(crate) struct Shared {
    pub(crate) layout: Layout,
    pub(crate) meta: Meta,
    /// `None`: profiles are embedded.
    #[cfg(feature = "cassandra")]
    pub(crate) cassandra: Option<crate::profiles::cassandra::attached::AttachedCassandra>,
    tables: OnceCell<Tables>,
}

impl Shared {
    /// The lake's catalog; opened by the first who writes, as readers do without.
    pub(crate) async fn tables(&self) -> Result<&Tables> {
        self.tables.get_or_try_init(|| async { Tables::open(&self.layout.database(), &self.layout.warehouse()).await }).await
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir()).finish()
    }
}

impl Store {
    /// Opens a data directory, making it if it is not there.
    ///
    /// # Errors
    ///
    /// `Io` or `Unavailable` if it cannot be made or opened.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        std::fs::create_dir_all(dir).map_err(|e| StoreError::io("make", dir, e))?;
        Self::open_at(absolute(dir)?, true).await
    }

    /// Opens a data directory that is there.
    ///
    /// # Errors
    ///
    /// `NotFound`, saying how one is made.
    pub async fn open_existing(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        if !dir.join("muster.db").is_file() {
            return Err(StoreError::NotFound(format!(
                "{} holds no Muster data: `muster import --data {} …` makes it",
                dir.display(),
                dir.display()
            )));
        }
        Self::open_at(absolute(dir)?, false).await
    }

    async fn open_at(dir: PathBuf, create: bool) -> Result<Self> {
        let layout = Layout::new(dir);
        let meta = Meta::open(&layout.database(), create).await?;
        Ok(Self { shared: Arc::new(Shared { layout, meta, tables: OnceCell::new() }) })
    }

    /// Its absolute path.
    pub fn dir(&self) -> &Path {
        self.shared.layout.root()
    }

    /// The names of its workspaces, sorted.
    pub async fn workspaces(&self) -> Result<Vec<String>> {
        self.shared.meta.workspaces().await
    }

    /// A workspace, if it is there.
    ///
    /// # Errors
    ///
    /// `Invalid` for a name that none can have.
    pub async fn workspace(&self, name: &str) -> Result<Option<Workspace>> {
        check_workspace_name(name)?;
        let found = self.shared.meta.has_workspace(name).await?;
        Ok(found.then(|| Workspace::new(self.shared.clone(), name)))
    }

    /// Makes a workspace that knows nothing but its zone. The zone's name is the caller's to check.
    ///
    /// # Errors
    ///
    /// `Conflict` if it is there, `Invalid` for a bad name.
    pub async fn create_workspace(&self, name: &str, timezone: &str) -> Result<Workspace> {
        check_workspace_name(name)?;
        let shared = &self.shared;
        let _lock = Lock::take(&shared.layout.write_lock(name)).await?;
        if shared.meta.has_workspace(name).await? {
            return Err(StoreError::Conflict(format!("workspace \"{name}\" is there already")));
        }
        let folder = shared.layout.warehouse().join(name);
        std::fs::create_dir_all(&folder).map_err(|e| StoreError::io("make", &folder, e))?;
        let tables = shared.tables().await?;
        tables.ensure_namespace(name, &folder).await?;
        let table = tables.create_events(name, &shared.layout.table(name, EVENTS)).await?;
        let metadata_location = table.metadata_location().unwrap_or_default().to_owned();
        let state = State {
            version: VERSION_FIRST,
            catalog: Catalog::new(timezone),
            events: EventsState { metadata_location, snapshot_id: None },
            profiles: ProfilesState::default(),
        };
        shared.meta.insert_workspace(name, &state).await?;
        Ok(Workspace::new(shared.clone(), name))
    }

    /// Removes a workspace that nothing was ever committed to, as after a first import that was stopped. Whether it did.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the metadata or the lake's catalog cannot be changed.
    pub async fn remove_unused_workspace(&self, name: &str) -> Result<bool> {
        let shared = &self.shared;
        let _lock = Lock::take(&shared.layout.write_lock(name)).await?;
        if !shared.meta.delete_unused_workspace(name, VERSION_FIRST).await? {
            return Ok(false);
        }
        shared.tables().await?.drop(name, EVENTS).await?;
        Ok(true)
    }
}

fn absolute(dir: &Path) -> Result<PathBuf> {
    let path = dir.canonicalize().map_err(|e| StoreError::io("open", dir, e))?;
    match path.to_str() {
        Some(_) => Ok(path),
        None => Err(StoreError::Invalid(format!("the path {} is not UTF-8, which the lake's metadata needs", path.display()))),
    }
}
