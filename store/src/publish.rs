//! Publishing to a shared lake: uploading files, and making a state's profiles a table.
//!
//! In: files in the directory. Out: the same as objects and Iceberg tables. Iceberg's library only appends, so a changed state gets a new table
//! over the files that did not change and those that did; objects are uploaded once and named by all tables whose state has them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use parquet::file::metadata::ParquetMetaDataReader;
use segment_core::catalog::Catalog;

use crate::error::{Attempt, Result, StoreError};
use crate::lake::metrics::{Place, data_file};
use crate::lake::objects::UPLOADS_AT_ONCE;
use crate::lake::shared::SharedLake;
use crate::meta::PublishedProfiles;
use crate::profiles::{ProfileFile, profiles_schema};
use crate::store::Shared;

/// How the tables of profiles begin.
pub(crate) const PROFILES_PREFIX: &str = "profiles_";
/// The number of a workspace's first table of profiles, below all that the metadata gives.
pub(crate) const NUMBER_FIRST: u64 = 0;
/// The folder of profile files in the workspace's.
const PROFILES: &str = "profiles";

/// Where a profile file is in a shared lake.
pub(crate) fn profile_uri(lake: &SharedLake, workspace: &str, path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|n| n.to_str());
    let name = name.ok_or_else(|| StoreError::corrupt_plain(format!("{} is no file of profiles", path.display())))?;
    Ok(format!("{}/{name}", lake.table(workspace, PROFILES)))
}

/// Uploads local files, several at once.
pub(crate) async fn upload(lake: &Arc<SharedLake>, files: Vec<(PathBuf, String)>) -> Result<()> {
    let uploads = files.into_iter().map(|(from, to)| async move { lake.objects().upload(&from, &to).await });
    stream::iter(uploads).buffer_unordered(UPLOADS_AT_ONCE).try_collect::<()>().await
}

/// Makes the table `profiles_<number>` of files that are uploaded.
pub(crate) async fn profiles(
    shared: &Shared,
    lake: &SharedLake,
    workspace: &str,
    catalog: &Catalog,
    files: &[ProfileFile],
    number: u64,
) -> Result<PublishedProfiles> {
    let tables = shared.tables().await?;
    let name = format!("{PROFILES_PREFIX}{number}");
    let table = tables.create_profiles(workspace, &name, lake.table(workspace, &name), &profiles_schema(catalog)).await?;
    if files.is_empty() {
        return Ok(PublishedProfiles { table: name, snapshot_id: None });
    }
    let metadata = table.metadata();
    let place = Place { schema: metadata.current_schema(), spec_id: metadata.default_partition_spec_id(), day: None };
    let mut described = Vec::with_capacity(files.len());
    for file in files {
        let open = File::open(&file.path).map_err(|e| StoreError::io("open", &file.path, e))?;
        let footer = ParquetMetaDataReader::new().parse_and_finish(&open).attempt(&format!("read {}", file.path.display()))?;
        described.push(data_file(profile_uri(lake, workspace, &file.path)?, file.size_bytes, &footer, &place)?);
    }
    let table = tables.append(&table, described, &name).await?;
    Ok(PublishedProfiles { table: name, snapshot_id: table.metadata().current_snapshot_id() })
}
