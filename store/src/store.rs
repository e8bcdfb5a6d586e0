//! A data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use segment_core::catalog::Catalog;
use tokio::sync::OnceCell;

use crate::bound::{Footers, Listings, Shapes};
use crate::collect::remove_table;
use crate::config::StoreConfig;
use crate::error::{Result, StoreError};
use crate::lake::objects::Objects;
use crate::lake::shared::SharedLake;
use crate::lake::tables::{EVENTS, Tables, uri};
use crate::layout::Layout;
use crate::lock::Lock;
use crate::meta::{EventsState, LakeIdentity, Meta, ProfilesState, State};
use crate::names::check_workspace_name;
use crate::profiles::opened::Opened;
use crate::publish;
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
    /// `None`: the lake is in the directory.
    pub(crate) lake: Option<Arc<SharedLake>>,
    /// How bound events on S3 are reached.
    pub(crate) bound_objects: Option<Arc<Objects>>,
    pub(crate) listings: Arc<Listings>,
    pub(crate) footers: Arc<Footers>,
    pub(crate) opened: Opened,
    pub(crate) shapes: Arc<Shapes>,
    tables: OnceCell<Tables>,
}

impl Shared {
    /// The lake's catalog; opened by the first who writes, as readers do without.
    pub(crate) async fn tables(&self) -> Result<&Tables> {
        let open = || async {
            match &self.lake {
                Some(lake) => Tables::open_shared(lake).await,
                None => Tables::open(&self.layout.database(), &self.layout.warehouse()).await,
            }
        };
        self.tables.get_or_try_init(open).await
    }

    /// The URI of a table's folder.
    pub(crate) fn location(&self, workspace: &str, table: &str) -> Result<String> {
        match &self.lake {
            Some(lake) => Ok(lake.table(workspace, table)),
            None => uri(&self.layout.table(workspace, table)),
        }
    }

    /// The folder that event files are written in: where they stay, or where they are until they are uploaded.
    pub(crate) fn data_folder(&self, workspace: &str) -> PathBuf {
        match &self.lake {
            Some(_) => self.layout.staging(workspace),
            None => self.layout.table(workspace, EVENTS).join("data"),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir()).finish()
    }
}

impl Store {
    /// Opens a data directory with everything in it, making it if it is not there.
    ///
    /// # Errors
    ///
    /// `Io` or `Unavailable` if it cannot be made or opened, `Conflict` if it was made with a shared lake.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(dir, StoreConfig::default()).await
    }

    /// Opens a data directory and what it has besides, making it if it is not there. Nothing besides is connected to before it is needed.
    ///
    /// # Errors
    ///
    /// `Io` or `Unavailable` if it cannot be made or opened, `Conflict` if it was made with another lake, `Invalid` for settings that cannot be.
    pub async fn open_with(dir: impl AsRef<Path>, config: StoreConfig) -> Result<Self> {
        let dir = dir.as_ref();
        std::fs::create_dir_all(dir).map_err(|e| StoreError::io("make", dir, e))?;
        Box::pin(Self::open_at(absolute(dir)?, config, true)).await
    }

    /// Opens a data directory that is there, with everything in it.
    ///
    /// # Errors
    ///
    /// `NotFound`, saying how one is made; `Conflict` if it was made with a shared lake.
    pub async fn open_existing(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_existing_with(dir, StoreConfig::default()).await
    }

    /// Opens a data directory that is there, and what it has besides.
    ///
    /// # Errors
    ///
    /// `NotFound`, saying how one is made; `Conflict` if it was made with another lake, `Invalid` for settings that cannot be.
    pub async fn open_existing_with(dir: impl AsRef<Path>, config: StoreConfig) -> Result<Self> {
        let dir = dir.as_ref();
        if !dir.join("muster.db").is_file() {
            return Err(StoreError::NotFound(format!(
                "{} holds no Muster data: `muster import --data {} …` makes it",
                dir.display(),
                dir.display()
            )));
        }
        Box::pin(Self::open_at(absolute(dir)?, config, false)).await
    }

    async fn open_at(dir: PathBuf, config: StoreConfig, create: bool) -> Result<Self> {
        let layout = Layout::new(dir);
        let identity = config.lake.as_ref().map(LakeIdentity::of);
        let lake = config.lake.map(SharedLake::new).transpose()?.map(Arc::new);
        let own_objects = config.s3.map(|s3| Arc::new(Objects::new(s3)));
        let bound_objects = own_objects.or_else(|| lake.as_ref().map(|l| l.objects().clone()));
        let meta = Meta::open(&layout.database(), create).await?;
        meta.check_lake(layout.root(), identity.as_ref(), create).await?;
        #[cfg(feature = "cassandra")]
        let cassandra = config.cassandra.map(crate::profiles::cassandra::attached::AttachedCassandra::new);
        Ok(Self {
            shared: Arc::new(Shared {
                layout,
                meta,
                #[cfg(feature = "cassandra")]
                cassandra,
                lake,
                bound_objects,
                listings: Arc::default(),
                footers: Arc::default(),
                opened: Opened::default(),
                shapes: Arc::default(),
                tables: OnceCell::new(),
            }),
        })
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
        Box::pin(self.create_workspace_now(name, timezone)).await
    }

    async fn create_workspace_now(&self, name: &str, timezone: &str) -> Result<Workspace> {
        check_workspace_name(name)?;
        let shared = &self.shared;
        let _lock = Lock::take(&shared.layout.write_lock(name)).await?;
        if shared.meta.has_workspace(name).await? {
            return Err(StoreError::Conflict(format!("workspace \"{name}\" is there already")));
        }
        let folder = shared.layout.warehouse().join(name);
        std::fs::create_dir_all(&folder).map_err(|e| StoreError::io("make", &folder, e))?;
        let (tables, catalog) = (shared.tables().await?, Catalog::new(timezone));
        let location = match &shared.lake {
            Some(lake) => lake.namespace(name)?,
            None => uri(&folder)?,
        };
        tables.ensure_namespace(name, location, &shared.meta.store_id().await?).await?;
        let table = tables.create_events(name, shared.location(name, EVENTS)?).await?;
        let mut profiles = ProfilesState::default();
        if let Some(lake) = &shared.lake {
            profiles.published = Some(publish::profiles(shared, lake, name, &catalog, &[], publish::NUMBER_FIRST).await?);
        }
        let events = EventsState::of(&table, shared.lake.is_some());
        let state = State { version: VERSION_FIRST, catalog, events, profiles };
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
        let tables = shared.tables().await?;
        if shared.lake.is_none() {
            tables.drop(name, EVENTS).await?;
            return Ok(true);
        }
        for table in tables.names(name).await? {
            remove_table(shared, name, &table).await?;
        }
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
