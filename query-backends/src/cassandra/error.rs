//! What Cassandra refused or failed at, as a backend's error.

use store::StoreError;
use store::cassandra::{CassandraError, CassandraFault};

use crate::error::{BackendError, ErrorKind};

/// A failure of the store at something.
pub(super) fn failed(what: &str, error: StoreError) -> BackendError {
    let kind = match CassandraError::fault_of(&error) {
        Some(CassandraFault::Unreachable | CassandraFault::ReadFailed) => ErrorKind::Unavailable,
        Some(CassandraFault::Timeout) => ErrorKind::Timeout,
        Some(CassandraFault::Overloaded) => ErrorKind::Overloaded,
        Some(CassandraFault::Denied) => ErrorKind::PermissionDenied,
        Some(CassandraFault::Shape) => ErrorKind::SchemaDrift,
        Some(CassandraFault::Refused) => ErrorKind::Internal,
        None => return BackendError { what: format!("cannot {what}"), ..BackendError::from(error) },
    };
    BackendError::new(kind, format!("cannot {what}")).caused_by(error)
}

/// A query that cannot be run as it stands.
pub(super) fn refused(what: &str) -> BackendError {
    BackendError::new(ErrorKind::Rejected, what)
}
