//! Making, opening, growing and appending to the lake's tables.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::Schema;
use iceberg::io::{FileIO, LocalFsStorageFactory};
use iceberg::spec::{DataFile, SortOrder, TableMetadata, UnboundPartitionSpec};
use iceberg::table::Table;
use iceberg::transaction::{AddColumn, ApplyTransactionAction, Transaction};
use iceberg::{Catalog, CatalogBuilder, NamespaceIdent, Runtime, TableCreation, TableIdent};
use iceberg_catalog_sql::{SqlBindStyle, SqlCatalog, SqlCatalogBuilder};

use crate::error::{Attempt, Result, StoreError};
use crate::lake::schema;
use crate::lake::shared::SharedLake;
use crate::lake::storage::ObjectStorage;
use crate::lock::Lock;

/// The catalog's name in the Iceberg tables of the directory's own database.
pub(crate) const CATALOG: &str = "muster";
/// The table of events.
pub(crate) const EVENTS: &str = "events";
/// The snapshot property that names the import.
pub(crate) const IMPORT_PROPERTY: &str = "muster.import";
/// The property of a shared namespace that names the data directory it was made from.
const OWNER_PROPERTY: &str = "muster.store";
/// The table property by which engines read files whose columns carry no field ids.
const NAME_MAPPING_PROPERTY: &str = "schema.name-mapping.default";
/// The snapshot property of the log's offsets that the snapshot holds.
const OFFSETS_PROPERTY: &str = "muster.log-offsets";

/// The lake's catalog, for writing. Reading a pinned state does without: the state row names the metadata file.
pub(crate) struct Tables {
    catalog: SqlCatalog,
    shared: Option<Arc<SharedLake>>,
}

/// What a new table is like.
struct Creation {
    schema: iceberg::spec::Schema,
    partition: Option<UnboundPartitionSpec>,
    order: SortOrder,
    properties: HashMap<String, String>,
}

/// An identifier of a table.
fn ident(workspace: &str, table: &str) -> TableIdent {
    TableIdent::new(NamespaceIdent::new(workspace.to_owned()), table.to_owned())
}

/// The URI that names a local path in Iceberg's metadata.
pub(crate) fn uri(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| StoreError::Invalid(format!("the path {} is not UTF-8", path.display())))?;
    Ok(format!("file://{text}"))
}

/// The local path of such a URI.
pub(crate) fn local_path(uri: &str) -> PathBuf {
    PathBuf::from(uri.strip_prefix("file://").unwrap_or(uri))
}

/// A path within an SQLite URL.
fn percent_encode(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| StoreError::Invalid(format!("the path {} is not UTF-8", path.display())))?;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(out)
}

/// Opens a table in the directory at a metadata file, without the catalog.
pub(crate) async fn open_at(workspace: &str, table: &str, metadata_location: &str) -> Result<Table> {
    open_with(FileIO::new_with_fs(), workspace, table, metadata_location).await
}

/// Opens a table at a metadata file, without the catalog.
pub(crate) async fn open_with(io: FileIO, workspace: &str, table: &str, metadata_location: &str) -> Result<Table> {
    let metadata = TableMetadata::read_from(&io, metadata_location).await.attempt("read the lake's metadata")?;
    Table::builder()
        .file_io(io)
        .identifier(ident(workspace, table))
        .metadata_location(metadata_location)
        .metadata(metadata)
        .runtime(Runtime::try_current().attempt("use the lake outside a tokio runtime")?)
        .build()
        .attempt("open a table of the lake")
}

impl Tables {
    /// Opens the catalog in the database.
    pub(crate) async fn open(database: &Path, warehouse: &Path) -> Result<Self> {
        let _making = Lock::take_making(database).await?;
        let catalog = SqlCatalogBuilder::default()
            .uri(format!("sqlite://{}?mode=rwc", percent_encode(database)?))
            .warehouse_location(uri(warehouse)?)
            .sql_bind_style(SqlBindStyle::QMark)
            .prop("pool.max-connections", "2")
            .with_storage_factory(Arc::new(LocalFsStorageFactory))
            .load(CATALOG, HashMap::new())
            .await
            .attempt("open the lake's catalog")?;
        Ok(Self { catalog, shared: None })
    }

    /// Opens the catalog of a shared lake.
    pub(crate) async fn open_shared(lake: &Arc<SharedLake>) -> Result<Self> {
        let config = lake.config();
        let catalog = SqlCatalogBuilder::default()
            .uri(config.catalog_url.reveal())
            .warehouse_location(&config.warehouse)
            .sql_bind_style(SqlBindStyle::DollarNumeric)
            .prop("pool.max-connections", "2")
            .with_storage_factory(Arc::new(ObjectStorage(lake.objects().clone())))
            .load(&config.catalog_name, HashMap::new())
            .await
            .attempt("open the lake's catalog")?;
        Ok(Self { catalog, shared: Some(lake.clone()) })
    }

    /// Makes the workspace's namespace for the store with this id, if it is not there.
    ///
    /// # Errors
    ///
    /// `Conflict` if the lake is shared and the namespace is another's.
    pub(crate) async fn ensure_namespace(&self, workspace: &str, location: String, owner: &str) -> Result<()> {
        let namespace = NamespaceIdent::new(workspace.to_owned());
        if self.catalog.namespace_exists(&namespace).await.attempt("read the lake's catalog")? {
            if self.shared.is_some() {
                self.check_owner(workspace, owner).await?;
            }
            return Ok(());
        }
        let mut properties = HashMap::from([("location".to_owned(), location)]);
        if self.shared.is_some() {
            properties.insert(OWNER_PROPERTY.to_owned(), owner.to_owned());
        }
        self.catalog.create_namespace(&namespace, properties).await.attempt("make a namespace of the lake")?;
        Ok(())
    }

    /// Refuses a namespace that this store did not make: its tables are somebody else's.
    pub(crate) async fn check_owner(&self, workspace: &str, owner: &str) -> Result<()> {
        let namespace = NamespaceIdent::new(workspace.to_owned());
        let found = self.catalog.get_namespace(&namespace).await.attempt("read the lake's catalog")?;
        match found.properties().get(OWNER_PROPERTY) {
            Some(id) if id == owner => Ok(()),
            _ => Err(StoreError::Conflict(format!(
                "the lake has a schema \"{workspace}\" that was not made from this data directory: choose another name for the workspace"
            ))),
        }
    }

    /// Makes the events table, in place of one that a crash left without a workspace.
    pub(crate) async fn create_events(&self, workspace: &str, location: String) -> Result<Table> {
        let base = schema::events_base_schema()?;
        let partition = schema::events_partition(&base)?;
        let order = schema::sort_order(&base, &["event", "user_no", "ts"])?;
        let layout = Creation { schema: base, partition: Some(partition), order, properties: HashMap::new() };
        self.create(workspace, EVENTS, location, layout).await
    }

    /// Makes a list's table.
    pub(crate) async fn create_list(&self, workspace: &str, table: &str, location: String) -> Result<Table> {
        let base = schema::iceberg_schema(&schema::list_schema())?;
        let order = schema::sort_order(&base, &["user_id"])?;
        self.create(workspace, table, location, Creation { schema: base, partition: None, order, properties: HashMap::new() }).await
    }

    /// Makes a table of profiles. Files' columns are matched by name, so that one file serves tables of different columns.
    pub(crate) async fn create_profiles(&self, workspace: &str, table: &str, location: String, columns: &Schema) -> Result<Table> {
        let base = schema::iceberg_schema(columns)?;
        let order = schema::sort_order(&base, &["user_no"])?;
        let properties = HashMap::from([(NAME_MAPPING_PROPERTY.to_owned(), schema::name_mapping(&base)?)]);
        let expected = base.as_struct().clone();
        let made = self.create(workspace, table, location, Creation { schema: base, partition: None, order, properties }).await?;
        if *made.metadata().current_schema().as_struct() != expected {
            return Err(StoreError::corrupt_plain(format!(
                "the columns of \"{workspace}\".\"{table}\" were numbered otherwise than asked for"
            )));
        }
        Ok(made)
    }

    async fn create(&self, workspace: &str, table: &str, location: String, layout: Creation) -> Result<Table> {
        self.drop(workspace, table).await?;
        let creation = TableCreation::builder()
            .name(table.to_owned())
            .location(location)
            .schema(layout.schema)
            .partition_spec_opt(layout.partition)
            .sort_order(layout.order)
            .properties(layout.properties)
            .build();
        let namespace = NamespaceIdent::new(workspace.to_owned());
        self.catalog.create_table(&namespace, creation).await.attempt("make a table of the lake")
    }

    /// Opens the catalog's present state of a table.
    pub(crate) async fn load(&self, workspace: &str, table: &str) -> Result<Table> {
        self.catalog.load_table(&ident(workspace, table)).await.attempt("open a table of the lake")
    }

    /// The tables of a workspace.
    pub(crate) async fn names(&self, workspace: &str) -> Result<Vec<String>> {
        let namespace = NamespaceIdent::new(workspace.to_owned());
        let tables = self.catalog.list_tables(&namespace).await.attempt("read the lake's catalog")?;
        Ok(tables.into_iter().map(|t| t.name().to_owned()).collect())
    }

    /// Takes a table out of the catalog, leaving its files; one that is not there is fine.
    pub(crate) async fn drop(&self, workspace: &str, table: &str) -> Result<()> {
        let ident = ident(workspace, table);
        if self.catalog.table_exists(&ident).await.attempt("read the lake's catalog")? {
            self.catalog.drop_table(&ident).await.attempt("drop a table of the lake")?;
        }
        Ok(())
    }

    /// Takes a namespace without tables out of the catalog; one that is not there is fine.
    pub(crate) async fn drop_namespace(&self, workspace: &str) -> Result<()> {
        let namespace = NamespaceIdent::new(workspace.to_owned());
        if self.catalog.namespace_exists(&namespace).await.attempt("read the lake's catalog")? {
            self.catalog.drop_namespace(&namespace).await.attempt("drop a namespace of the lake")?;
        }
        Ok(())
    }

    /// Adds the columns of `wanted` that the table lacks.
    pub(crate) async fn add_columns(&self, table: Table, wanted: &Schema) -> Result<Table> {
        let present = table.metadata().current_schema().clone();
        let transaction = Transaction::new(&table);
        let mut action = transaction.update_schema();
        let mut added = false;
        for field in wanted.fields() {
            if present.field_by_name(field.name()).is_none() {
                action = action.add_column(AddColumn::optional(field.name(), schema::iceberg_type(field.data_type(), 0)?));
                added = true;
            }
        }
        if !added {
            return Ok(table);
        }
        let transaction = action.apply(transaction).attempt("add columns to the lake")?;
        let table = transaction.commit(&self.catalog).await.attempt("add columns to the lake")?;
        self.check_committed(&table).await?;
        Ok(table)
    }

    /// Looks whether a commit to a shared lake is there.
    async fn check_committed(&self, table: &Table) -> Result<()> {
        let Some(lake) = &self.shared else { return Ok(()) };
        let ident = table.identifier();
        lake.check_committed(&ident.namespace().join("."), ident.name(), table).await
    }

    /// Appends files in one snapshot, marked with the import. A shared lake's table may have been changed by others since; the files are
    /// added to what it is now. Without files it is a snapshot of the same rows under the present columns.
    pub(crate) async fn append(&self, table: &Table, files: Vec<DataFile>, import: &str) -> Result<Table> {
        let transaction = Transaction::new(table);
        let properties = HashMap::from([(OFFSETS_PROPERTY.to_owned(), "{}".to_owned()), (IMPORT_PROPERTY.to_owned(), import.to_owned())]);
        // File names carry the import's id, so none can be in the table already.
        let action = transaction.fast_append().with_check_duplicate(false).set_snapshot_properties(properties).add_data_files(files);
        let transaction = action.apply(transaction).attempt("append to the lake")?;
        let table = transaction.commit(&self.catalog).await.attempt("append to the lake")?;
        self.check_committed(&table).await?;
        Ok(table)
    }
}

/// Syncs the metadata files of a table that were made after `since`, which Iceberg's library leaves to the kernel.
pub(crate) fn sync_metadata(location: &Path, since: std::time::SystemTime) -> Result<()> {
    let folder = location.join("metadata");
    for entry in std::fs::read_dir(&folder).map_err(|e| StoreError::io("list", &folder, e))? {
        let path = entry.map_err(|e| StoreError::io("list", &folder, e))?.path();
        let modified = path.metadata().and_then(|m| m.modified()).map_err(|e| StoreError::io("read", &path, e))?;
        if modified >= since {
            sync(&path)?;
        }
    }
    sync(&folder)
}

/// Syncs a file or folder.
pub(crate) fn sync(path: &Path) -> Result<()> {
    std::fs::File::open(path).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", path, e))
}
