//! A lake that other engines share: where its tables are, and the rows of its catalog that Iceberg's library cannot change.
//!
//! The catalog's two tables in Postgres are those of Iceberg's JDBC catalog, which Trino reads and writes. Invariant: an entry is changed
//! only if it still is what was read, as every writer of such a catalog does.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iceberg::MetadataLocation;
use iceberg::io::{FileIO, FileIOBuilder};
use iceberg::spec::{MAIN_BRANCH, SnapshotReference, SnapshotRetention};
use iceberg::table::Table;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::objects::Objects;
use super::storage::ObjectStorage;
use super::tables::{EVENTS, open_with};
use crate::config::LakeConfig;
use crate::error::{Attempt, Result, StoreError};

/// Connections of one process to the catalog, besides those of Iceberg's library.
const CONNECTIONS_MAX: u32 = 2;
/// Time to connect to the catalog.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Tables whose metadata is kept from one query to the next.
const TABLES_KEPT: usize = 64;
/// Namespaces that Trino has for itself.
const NAMESPACES_TAKEN: [&str; 2] = ["information_schema", "system"];

/// A shared lake.
pub(crate) struct SharedLake {
    config: LakeConfig,
    objects: Arc<Objects>,
    io: FileIO,
    pool: PgPool,
    /// Events' tables by workspace, as read last.
    opened: Mutex<HashMap<String, Table>>,
}

impl std::fmt::Debug for SharedLake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedLake").field("config", &self.config).finish_non_exhaustive()
    }
}

impl SharedLake {
    /// A lake with these settings. Nothing is connected to.
    pub(crate) fn new(mut config: LakeConfig) -> Result<Self> {
        config.warehouse.truncate(config.warehouse.trim_end_matches('/').len());
        if super::objects::split(&config.warehouse).is_none() {
            return Err(StoreError::Invalid(format!("the warehouse {:?} is not of the form s3://bucket/folder", config.warehouse)));
        }
        if config.catalog_name.is_empty() {
            return Err(StoreError::Invalid("the lake's catalog needs a name: the one that Trino's catalog has".to_owned()));
        }
        let options = PgConnectOptions::from_str(config.catalog_url.reveal()).map_err(|e| {
            StoreError::unavailable("the address of the lake's catalog is not of the form postgres://user:password@host:port/database", e)
        })?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(CONNECT_TIMEOUT).connect_lazy_with(options);
        let objects = Arc::new(Objects::new(config.s3.clone()));
        let io = FileIOBuilder::new(Arc::new(ObjectStorage(objects.clone()))).build();
        Ok(Self { config, objects, io, pool, opened: Mutex::default() })
    }

    pub(crate) fn config(&self) -> &LakeConfig {
        &self.config
    }

    pub(crate) fn objects(&self) -> &Arc<Objects> {
        &self.objects
    }

    /// The URI of a table's folder.
    pub(crate) fn table(&self, workspace: &str, table: &str) -> String {
        format!("{}/{workspace}/{table}", self.config.warehouse)
    }

    /// The URI of a workspace's folder; names that Trino has for itself are refused.
    pub(crate) fn namespace(&self, workspace: &str) -> Result<String> {
        if NAMESPACES_TAKEN.contains(&workspace) {
            return Err(StoreError::Invalid(format!(
                "\"{workspace}\" cannot name a workspace of a lake that Trino reads: it has such a schema itself"
            )));
        }
        Ok(format!("{}/{workspace}", self.config.warehouse))
    }

    /// Opens the events at a metadata file; one that was read before is kept.
    pub(crate) async fn open_events(&self, workspace: &str, metadata_location: &str) -> Result<Table> {
        {
            let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(table) = opened.get(workspace).filter(|t| t.metadata_location() == Some(metadata_location)) {
                return Ok(table.clone());
            }
        }
        let table = open_with(self.io.clone(), workspace, EVENTS, metadata_location).await?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= TABLES_KEPT {
            opened.clear();
        }
        opened.insert(workspace.to_owned(), table.clone());
        Ok(table)
    }

    /// Where the catalog says that a table's metadata is.
    pub(crate) async fn metadata_location(&self, workspace: &str, table: &str) -> Result<String> {
        let found: Option<Option<String>> = sqlx::query_scalar(
            "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3",
        )
        .bind(&self.config.catalog_name)
        .bind(workspace)
        .bind(table)
        .fetch_optional(&self.pool)
        .await
        .attempt("read the lake's catalog")?;
        found.flatten().ok_or_else(|| StoreError::corrupt_plain(format!("the lake's catalog has no table \"{workspace}\".\"{table}\"")))
    }

    /// Points a table's entry at other metadata, if it is still at `from`; whether it was.
    async fn replace_location(&self, workspace: &str, table: &str, from: &str, to: &str) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE iceberg_tables SET metadata_location = $1, previous_metadata_location = $2
             WHERE catalog_name = $3 AND table_namespace = $4 AND table_name = $5 AND metadata_location = $2",
        )
        .bind(to)
        .bind(from)
        .bind(&self.config.catalog_name)
        .bind(workspace)
        .bind(table)
        .execute(&self.pool)
        .await
        .attempt("change the lake's catalog")?;
        Ok(done.rows_affected() > 0)
    }

    /// Makes sure that the catalog has what a commit said it wrote: Iceberg's library does not look whether its transaction ended well.
    pub(crate) async fn check_committed(&self, workspace: &str, name: &str, table: &Table) -> Result<()> {
        let wanted = table.metadata_location().unwrap_or_default();
        let present = self.metadata_location(workspace, name).await?;
        if present == wanted {
            return Ok(());
        }
        // Another engine may have committed since.
        let present = open_with(self.io.clone(), workspace, name, &present).await?;
        let mut earlier = present.metadata().metadata_log().iter().map(|entry| entry.metadata_file.as_str());
        if earlier.any(|file| file == wanted) {
            return Ok(());
        }
        Err(StoreError::Unavailable {
            what: format!("the lake's catalog did not take a commit to \"{workspace}\".\"{name}\""),
            source: None,
        })
    }

    /// Makes `snapshot` the table's present one again, forgetting those in `undone`. Whether the table was still as given.
    pub(crate) async fn roll_back(&self, workspace: &str, table: &Table, snapshot: Option<i64>, undone: &[i64]) -> Result<bool> {
        let from = table.metadata_location().unwrap_or_default().to_owned();
        let builder = table.metadata().clone().into_builder(Some(from.clone()));
        let builder = match snapshot {
            Some(snapshot_id) => {
                let retention = SnapshotRetention::Branch { min_snapshots_to_keep: None, max_snapshot_age_ms: None, max_ref_age_ms: None };
                builder.set_ref(MAIN_BRANCH, SnapshotReference { snapshot_id, retention }).attempt("roll the lake back")?
            }
            None => builder.remove_ref(MAIN_BRANCH),
        };
        let metadata = builder.remove_snapshots(undone).build().attempt("roll the lake back")?.metadata;
        let location = MetadataLocation::from_str(&from).attempt("roll the lake back")?.with_next_version().with_new_metadata(&metadata);
        metadata.write_to(&self.io, &location).await.attempt("roll the lake back")?;
        self.replace_location(workspace, EVENTS, &from, &location.to_string()).await
    }
}
