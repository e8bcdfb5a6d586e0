//! Objects on S3: one client a bucket, with its retries and timeouts; uploads in parts, and removal.
//!
//! In: URIs `s3://bucket/key`, as Iceberg's metadata has them. Out: object stores of the `object_store` crate, which Iceberg's storage
//! ([`super::storage`]), this crate's readers and the query engine share. Deliberately absent: any other scheme.

use std::collections::HashMap;
use std::path::Path as LocalPath;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig, WriteMultipart};
use tokio::io::AsyncReadExt;

use super::blocking::Blocking;
use super::deletes::Deleted;
use crate::config::S3Config;
use crate::error::{Result, StoreError};

/// Time to connect.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time of one request, its body included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Time after which a failing request is not tried again.
pub const RETRY_TIMEOUT: Duration = Duration::from_secs(45);
/// Times that a failing request is tried again.
pub const RETRIES_MAX: usize = 5;
/// Bytes of a part of an upload; smaller files are uploaded in one request. S3 takes 10,000 parts, so files up to 160 GB.
pub const PART_BYTES: usize = 16 << 20;
/// Parts of one file under way at once.
pub const PARTS_AT_ONCE: usize = 3;
/// Files uploaded at once.
pub const UPLOADS_AT_ONCE: usize = 4;

/// The objects of a lake. Buckets' clients are made when they are first asked for, and kept.
pub struct Objects {
    config: S3Config,
    buckets: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
    blocking: OnceLock<Blocking>,
    /// Deleted rows by data file and its delete files, which never change.
    pub(crate) deleted: Mutex<HashMap<String, Deleted>>,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The bucket and the key in a URI.
pub(crate) fn split(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("s3://").or_else(|| uri.strip_prefix("s3a://"))?;
    rest.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
}

impl Objects {
    /// Objects reached in this way. Nothing is connected to.
    pub(crate) fn new(config: S3Config) -> Self {
        Self { config, buckets: Mutex::default(), blocking: OnceLock::new(), deleted: Mutex::default() }
    }

    /// How they are reached.
    pub fn config(&self) -> &S3Config {
        &self.config
    }

    /// The client of a bucket.
    ///
    /// # Errors
    ///
    /// `Invalid` if the settings make no client.
    pub fn bucket(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = buckets.get(bucket) {
            return Ok(store.clone());
        }
        let store = client(&self.config, bucket)?;
        buckets.insert(bucket.to_owned(), store.clone());
        Ok(store)
    }

    /// The client and the key of a URI.
    ///
    /// # Errors
    ///
    /// `Invalid` for anything but `s3://bucket/key`.
    pub fn at(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let (bucket, key) = split(uri).ok_or_else(|| StoreError::Invalid(format!("{uri} is no object of the lake: s3://bucket/key")))?;
        let path = Path::parse(key).map_err(|e| StoreError::Invalid(format!("{uri} cannot be the place of an object: {e}")))?;
        Ok((self.bucket(bucket)?, path))
    }

    /// Reads for threads that block.
    pub(crate) fn blocking(&self) -> Result<&Blocking> {
        if let Some(blocking) = self.blocking.get() {
            return Ok(blocking);
        }
        // A runtime closes its clients' connections when it ends, so this one's are its own.
        let blocking = Blocking::start(Self::new(self.config.clone()))?;
        Ok(self.blocking.get_or_init(|| blocking))
    }

    /// Uploads a local file, in parts if it is large.
    ///
    /// # Errors
    ///
    /// `Io` if it cannot be read, `Unavailable` if it cannot be uploaded.
    pub(crate) async fn upload(&self, from: &LocalPath, to: &str) -> Result<()> {
        let (store, path) = self.at(to)?;
        let failed = |e: object_store::Error| StoreError::unavailable(format!("cannot upload {to}"), e);
        let mut file = tokio::fs::File::open(from).await.map_err(|e| StoreError::io("open", from, e))?;
        let bytes = file.metadata().await.map_err(|e| StoreError::io("read", from, e))?.len();
        if bytes <= PART_BYTES as u64 {
            let mut all = Vec::new();
            file.read_to_end(&mut all).await.map_err(|e| StoreError::io("read", from, e))?;
            store.put(&path, all.into()).await.map_err(failed)?;
            return Ok(());
        }
        let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(&path).await.map_err(failed)?, PART_BYTES);
        let done = async {
            loop {
                upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
                let mut part = Vec::new();
                (&mut file).take(PART_BYTES as u64).read_to_end(&mut part).await.map_err(|e| StoreError::io("read", from, e))?;
                if part.is_empty() {
                    return Ok(());
                }
                upload.put(Bytes::from(part));
            }
        };
        match done.await {
            Ok(()) => upload.finish().await.map(|_| ()).map_err(failed),
            Err(e) => {
                // The first error is the one to report; a bucket's lifecycle rule removes what an abort cannot.
                let _ = upload.abort().await;
                Err(e)
            }
        }
    }

    /// Removes an object; one that is gone is fine.
    pub(crate) async fn delete(&self, uri: &str) -> Result<()> {
        let (store, path) = self.at(uri)?;
        match store.delete(&path).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(e) => Err(StoreError::unavailable(format!("cannot remove {uri}"), e)),
        }
    }

    /// Removes everything below a folder.
    pub(crate) async fn delete_below(&self, folder: &str) -> Result<()> {
        let (store, path) = self.at(folder.trim_end_matches('/'))?;
        let failed = |e: object_store::Error| StoreError::unavailable(format!("cannot remove what is below {folder}"), e);
        let found = store.list(Some(&path)).map_ok(|object| object.location).boxed();
        let mut removed = store.delete_stream(found);
        while let Some(done) = removed.next().await {
            match done {
                Err(object_store::Error::NotFound { .. }) | Ok(_) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(())
    }
}

fn client(config: &S3Config, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let insecure = config.endpoint.as_deref().is_some_and(|e| e.starts_with("http://"));
    let options = ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT).with_allow_http(insecure);
    let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    // Keys that are not given come from the environment of AWS.
    let mut builder = match (&config.access_key, &config.secret_key) {
        (Some(key), Some(secret)) => AmazonS3Builder::new().with_access_key_id(key).with_secret_access_key(secret.reveal()),
        (None, None) => AmazonS3Builder::from_env(),
        _ => return Err(StoreError::Invalid("S3 needs access_key and secret_key, or neither".to_owned())),
    };
    builder = builder
        .with_bucket_name(bucket)
        .with_region(&config.region)
        .with_virtual_hosted_style_request(!config.path_style)
        .with_client_options(options)
        .with_retry(retry);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    match builder.build() {
        Ok(store) => Ok(Arc::new(store)),
        Err(e) => Err(StoreError::Invalid(format!("the settings of S3 make no client for bucket \"{bucket}\": {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        assert_eq!(split("s3://b/a/c.parquet"), Some(("b", "a/c.parquet")));
        assert_eq!(split("s3a://b/ts_day=2011-12-01/x y"), Some(("b", "ts_day=2011-12-01/x y")));
        for bad in ["s3://b", "s3://b/", "s3:///a", "file:///a/b", "/a/b", ""] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
