//! Which files a binding has: listed below its folder, each with its partition, and remembered for a while.
//!
//! Hive's rules: names that start with `_` or `.` are no data, and a partition's value is written with `%XX` for what a folder's name cannot
//! have. Everything else has to be a file in a folder of every partition column; one that is not is an error, so that no engine reads
//! what another does not.

use std::collections::HashMap;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures::TryStreamExt;
use segment_core::binding::EventsTable;

use super::{BoundFile, Inner};
use crate::error::{Result, StoreError};
use crate::lake::snapshot::FilePlace;

/// The most files of a binding.
const FILES_MAX: usize = 200_000;

/// The files of each workspace's binding, as of the last look.
#[derive(Debug, Default)]
pub(crate) struct Listings(Mutex<HashMap<String, Listing>>);

#[derive(Debug)]
struct Listing {
    table: EventsTable,
    files: Arc<Vec<BoundFile>>,
    listed: Instant,
}

impl Listings {
    /// What the last look found, if it is not too old and was for the same binding.
    pub(super) fn recent(&self, workspace: &str, table: &EventsTable, max_age: Duration) -> Option<(Arc<Vec<BoundFile>>, Instant)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listing = known.get(workspace).filter(|l| l.table == *table && l.listed.elapsed() < max_age)?;
        Some((listing.files.clone(), listing.listed))
    }

    pub(super) fn keep(&self, workspace: &str, table: &EventsTable, files: Arc<Vec<BoundFile>>, listed: Instant) {
        let listing = Listing { table: table.clone(), files, listed };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(workspace.to_owned(), listing);
    }

    pub(super) fn forget(&self, workspace: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(workspace);
    }
}

/// A file as found: its path below the location, its place, size and stamp.
struct Found {
    below: String,
    place: FilePlace,
    size_bytes: u64,
    stamp: String,
}

/// Looks for the files.
pub(super) async fn list(inner: &Inner) -> Result<Vec<BoundFile>> {
    let location = &inner.table.location;
    let found = match location.strip_prefix("s3://") {
        Some(_) => objects(inner).await?,
        None => {
            let root = PathBuf::from(location);
            let joined = tokio::task::spawn_blocking(move || local(&root)).await;
            joined.map_err(|e| StoreError::unavailable(format!("cannot look for files below {location}"), e))??
        }
    };
    let mut files = Vec::with_capacity(found.len());
    for found in found {
        files.extend(placed(inner, found)?);
    }
    files.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(files)
}

async fn objects(inner: &Inner) -> Result<Vec<Found>> {
    let location = &inner.table.location;
    let Some(objects) = &inner.objects else {
        return Err(StoreError::Invalid(format!("events are bound to {location}, and no S3 is configured: set [s3] in muster.toml")));
    };
    let (store, prefix) = objects.at(location.trim_end_matches('/'))?;
    let bucket = location.split('/').nth(2).unwrap_or_default();
    let below = format!("{prefix}/");
    let mut listing = store.list(Some(&prefix));
    let mut out = Vec::new();
    let failed = |e: object_store::Error| StoreError::unavailable(format!("cannot look for files below {location}"), e);
    while let Some(object) = listing.try_next().await.map_err(failed)? {
        let key = object.location.to_string();
        let Some(below) = key.strip_prefix(&below).map(str::to_owned) else { continue };
        check_count(out.len(), location)?;
        let stamp = object.e_tag.unwrap_or_else(|| object.last_modified.to_rfc3339());
        out.push(Found { below, place: FilePlace::Object(format!("s3://{bucket}/{key}")), size_bytes: object.size, stamp });
    }
    Ok(out)
}

fn local(root: &LocalPath) -> Result<Vec<Found>> {
    let mut out = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| StoreError::io("look for files in", &folder, e))? {
            let path = entry.map_err(|e| StoreError::io("look for files in", &folder, e))?.path();
            let metadata = match std::fs::metadata(&path) {
                // Gone between the two looks.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(|e| StoreError::io("look at", &path, e))?,
            };
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            check_count(out.len(), &root.display().to_string())?;
            let below = path.strip_prefix(root).ok().and_then(LocalPath::to_str);
            let below = below.ok_or_else(|| StoreError::Invalid(format!("the path {} is not UTF-8", path.display())))?.to_owned();
            let modified = metadata.modified().ok().and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
            let (size_bytes, stamp) = (metadata.len(), modified.as_nanos().to_string());
            out.push(Found { below, place: FilePlace::Local(path), size_bytes, stamp });
        }
    }
    Ok(out)
}

fn check_count(count: usize, location: &str) -> Result<()> {
    if count < FILES_MAX {
        return Ok(());
    }
    Err(StoreError::Invalid(format!("there are more than {FILES_MAX} files below {location}: bind a folder of fewer, larger ones")))
}

/// The file with its partition; `None` if it is no data.
fn placed(inner: &Inner, found: Found) -> Result<Option<BoundFile>> {
    let table = &inner.table;
    let parts: Vec<&str> = found.below.split('/').collect();
    if parts.iter().any(|p| p.starts_with('_') || p.starts_with('.')) {
        return Ok(None);
    }
    // A folder's own marker.
    if found.size_bytes == 0 && parts.len() <= table.partitions.len() {
        return Ok(None);
    }
    let refused = |what: String| StoreError::Invalid(format!("{} {what}; see \"events_table\" of the catalog", found.place));
    let Some((_, folders)) = parts.split_last().filter(|(_, folders)| folders.len() == table.partitions.len()) else {
        let expected: Vec<String> = table.partitions.iter().map(|p| format!("{}=…/", p.column)).collect();
        return Err(refused(format!("is not of the form {}{}<file>", table.location, expected.concat())));
    };
    let mut partition = Vec::with_capacity(folders.len());
    for (declared, folder) in table.partitions.iter().zip(folders) {
        let value = folder.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case(&declared.column)).map(|(_, value)| value);
        let value = value.ok_or_else(|| refused(format!("is in {folder}, where {}=… is expected", declared.column)))?;
        partition.push(unescaped(value).ok_or_else(|| refused(format!("is in {folder}, whose %XX is no text")))?);
    }
    let times = table.times(&partition, &inner.partition_zone).map_err(|e| refused(format!("is in a partition that is none: {e}")))?;
    Ok(Some(BoundFile { place: found.place, size_bytes: found.size_bytes, stamp: found.stamp, partition, times }))
}

/// A folder's name without Hive's `%XX`; `None` if it is no text.
fn unescaped(value: &str) -> Option<String> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(out).ok()
}
