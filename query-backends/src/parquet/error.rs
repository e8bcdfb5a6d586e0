//! DataFusion's errors as kinds.

use datafusion::common::DataFusionError;

use crate::error::{BackendError, ErrorKind, io_kind, store_kind};

/// What a failure of the engine means to the caller.
pub(super) fn wrap(what: &str, error: DataFusionError) -> BackendError {
    BackendError::new(kind(error.find_root()), what).caused_by(error)
}

fn kind(error: &DataFusionError) -> ErrorKind {
    match error {
        DataFusionError::ResourcesExhausted(_) => ErrorKind::Overloaded,
        DataFusionError::IoError(e) => io_kind(e),
        DataFusionError::ObjectStore(e) => object_store_kind(e),
        DataFusionError::ParquetError(e) => parquet_kind(e),
        DataFusionError::ArrowError(e, _) => match e.as_ref() {
            arrow::error::ArrowError::ExternalError(e) => cause_kind(e.as_ref()),
            arrow::error::ArrowError::IoError(_, e) => io_kind(e),
            arrow::error::ArrowError::SchemaError(_) | arrow::error::ArrowError::ParquetError(_) => ErrorKind::SchemaDrift,
            _ => ErrorKind::Internal,
        },
        DataFusionError::External(e) => cause_kind(e.as_ref()),
        DataFusionError::SchemaError(..) => ErrorKind::SchemaDrift,
        DataFusionError::NotImplemented(_) => ErrorKind::Unsupported,
        _ => ErrorKind::Internal,
    }
}

fn parquet_kind(error: &::parquet::errors::ParquetError) -> ErrorKind {
    match error {
        ::parquet::errors::ParquetError::External(e) => cause_kind(e.as_ref()),
        _ => ErrorKind::SchemaDrift,
    }
}

fn object_store_kind(error: &object_store::Error) -> ErrorKind {
    match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => ErrorKind::PermissionDenied,
        error if store::is_timeout(error) => ErrorKind::Timeout,
        object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. } => ErrorKind::Internal,
        _ => ErrorKind::Unavailable,
    }
}

fn cause_kind(error: &(dyn std::error::Error + Send + Sync + 'static)) -> ErrorKind {
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        io_kind(error)
    } else if let Some(error) = error.downcast_ref::<::parquet::errors::ParquetError>() {
        parquet_kind(error)
    } else if let Some(error) = error.downcast_ref::<object_store::Error>() {
        object_store_kind(error)
    } else if let Some(error) = error.downcast_ref::<store::StoreError>() {
        store_kind(error)
    } else if let Some(error) = error.downcast_ref::<DataFusionError>() {
        kind(error.find_root())
    } else {
        ErrorKind::Internal
    }
}
