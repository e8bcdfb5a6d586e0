//! The warehouse's folder on S3.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use uuid::Uuid;

use super::Fault;
use crate::config::LakeConfig;
use crate::error::chain;
use crate::lake::objects::Objects;

/// Bytes of the first part of an upload; S3 takes no smaller one unless it is the last.
const PART_BYTES: usize = 5 << 20;

/// Whether objects below the warehouse can be written, read, listed, uploaded in parts and removed.
///
/// # Errors
///
/// What is wrong with it.
pub async fn warehouse(lake: &LakeConfig) -> Result<String, Fault> {
    let folder = format!("{}/.muster-check-{}", lake.warehouse.trim_end_matches('/'), Uuid::new_v4().simple());
    let at = lake.s3.endpoint.as_deref().unwrap_or("AWS");
    let objects = Objects::new(lake.s3.clone());
    let (store, path) = objects.at(&folder).map_err(|e| Fault::new(chain(&e), "see to lake.warehouse, s3.bucket and s3.endpoint"))?;
    let small = path.clone().join("small");
    let large = path.clone().join("in-parts");
    let tried = try_out(store.as_ref(), &path, &small, &large).await;
    for left in [&small, &large] {
        // Removing was tried already where everything before it worked; the first fault is the one to report.
        if tried.is_err() {
            let _ = store.delete(left).await;
        }
    }
    match tried {
        Ok(()) => Ok(format!("{} at {at} can be written, read, listed, uploaded to in parts and cleared", lake.warehouse)),
        Err((verb, error)) => Err(Fault::new(format!("cannot {verb} below {} at {at}: {}", lake.warehouse, chain(&error)), todo(&error))),
    }
}

type Tried<T> = std::result::Result<T, (&'static str, object_store::Error)>;

async fn try_out(store: &dyn ObjectStore, folder: &Path, small: &Path, large: &Path) -> Tried<()> {
    let of = |verb: &'static str| move |e: object_store::Error| (verb, e);
    store.put(small, PutPayload::from_static(b"muster")).await.map_err(of("write"))?;
    let read = store.get(small).await.map_err(of("read"))?.bytes().await.map_err(of("read"))?;
    let listed: Vec<_> = store.list(Some(folder)).try_collect().await.map_err(of("list"))?;
    if read.as_ref() != b"muster" || listed.len() != 1 {
        return Err(("find again what was written", missing(small)));
    }
    let mut upload = store.put_multipart(large).await.map_err(of("upload in parts"))?;
    let parts = async {
        upload.put_part(vec![0; PART_BYTES].into()).await?;
        upload.put_part(PutPayload::from_static(b"muster")).await?;
        upload.complete().await
    };
    if let Err(error) = parts.await {
        // What the server keeps of it, its own rules remove.
        let _ = upload.abort().await;
        return Err(("upload in parts", error));
    }
    let size = store.head(large).await.map_err(of("read"))?.size;
    if size != PART_BYTES as u64 + 6 {
        return Err(("find again what was uploaded in parts", missing(large)));
    }
    for path in [small, large] {
        store.delete(path).await.map_err(of("remove"))?;
    }
    Ok(())
}

fn missing(path: &Path) -> object_store::Error {
    object_store::Error::NotFound { path: path.to_string(), source: "it is not as it was written".into() }
}

fn todo(error: &object_store::Error) -> &'static str {
    match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            "see to s3.access_key and s3.secret_key, and what they may do in the bucket: get, put, delete, list, multipart uploads"
        }
        object_store::Error::NotFound { .. } => "make the bucket, or see to s3.bucket, lake.warehouse, s3.region and s3.path_style",
        _ => "see whether the object store runs there: s3.endpoint, s3.region, s3.path_style",
    }
}
