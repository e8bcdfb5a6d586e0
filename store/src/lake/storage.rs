//! Iceberg's storage over [`Objects`].
//!
//! Deliberately absent: serialising it, which Iceberg's trait asks for and nothing here does: it would carry secrets.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use iceberg::io::{FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig, StorageFactory};
use iceberg::{Error, ErrorKind, Result};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::io::AsyncWriteExt;

use super::objects::{Objects, PARTS_AT_ONCE};

/// Bytes of metadata and manifests that are held before an upload in parts begins.
const BUFFER_BYTES: usize = 8 << 20;

/// The storage, and the factory of itself.
#[derive(Debug, Clone)]
pub(crate) struct ObjectStorage(pub(crate) Arc<Objects>);

impl Serialize for ObjectStorage {
    fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a lake's storage holds secrets and is not serialised"))
    }
}

impl<'de> Deserialize<'de> for ObjectStorage {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        Err(serde::de::Error::custom("a lake's storage is not serialised"))
    }
}

#[typetag::serde(name = "MusterObjectStorage")]
impl StorageFactory for ObjectStorage {
    fn build(&self, _: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

/// What failed, with its cause.
fn failed(what: &str, path: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Unexpected, format!("cannot {what} {path}")).with_source(Cause(cause.into()))
}

/// A boxed cause as an error of its own.
#[derive(Debug)]
struct Cause(Box<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.as_ref())
    }
}

impl ObjectStorage {
    fn at(&self, path: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        self.0.at(path).map_err(|e| failed("reach", path, e))
    }
}

#[async_trait]
#[typetag::serde(name = "MusterObjectStorage")]
impl Storage for ObjectStorage {
    async fn exists(&self, path: &str) -> Result<bool> {
        let (store, location) = self.at(path)?;
        match store.head(&location).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(failed("look for", path, e)),
        }
    }

    async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        let (store, location) = self.at(path)?;
        let found = store.head(&location).await.map_err(|e| failed("look for", path, e))?;
        Ok(FileMetadata { size: found.size })
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        let (store, location) = self.at(path)?;
        let found = store.get(&location).await.map_err(|e| failed("read", path, e))?;
        found.bytes().await.map_err(|e| failed("read", path, e))
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn FileRead>> {
        let (store, location) = self.at(path)?;
        Ok(Box::new(Reader { store, location, path: path.to_owned() }))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<()> {
        let mut writer = self.writer(path).await?;
        writer.write(bytes).await?;
        writer.close().await
    }

    async fn writer(&self, path: &str) -> Result<Box<dyn FileWrite>> {
        let (store, location) = self.at(path)?;
        let writer = BufWriter::with_capacity(store, location, BUFFER_BYTES).with_max_concurrency(PARTS_AT_ONCE);
        Ok(Box::new(Writer { writer, path: path.to_owned() }))
    }

    async fn delete(&self, path: &str) -> Result<()> {
        self.0.delete(path).await.map_err(|e| failed("remove", path, e))
    }

    async fn delete_prefix(&self, path: &str) -> Result<()> {
        self.0.delete_below(path).await.map_err(|e| failed("remove", path, e))
    }

    async fn delete_stream(&self, mut paths: BoxStream<'static, String>) -> Result<()> {
        while let Some(path) = paths.next().await {
            self.delete(&path).await?;
        }
        Ok(())
    }

    fn new_input(&self, path: &str) -> Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

struct Reader {
    store: Arc<dyn ObjectStore>,
    location: Path,
    path: String,
}

#[async_trait]
impl FileRead for Reader {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.store.get_range(&self.location, range).await.map_err(|e| failed("read", &self.path, e))
    }
}

struct Writer {
    writer: BufWriter,
    path: String,
}

#[async_trait]
impl FileWrite for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.writer.put(bytes).await.map_err(|e| failed("write", &self.path, e))
    }

    async fn close(&mut self) -> Result<()> {
        self.writer.shutdown().await.map_err(|e| failed("write", &self.path, e))
    }
}
