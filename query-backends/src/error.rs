//! What can go wrong in a backend, by what the caller can do about it.

use std::time::Duration;

use store::StoreError;

/// The cause below a [`BackendError`].
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, BackendError>;

/// The kind of a failure. Retry is decided by it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The engine or its data cannot be reached. Retryable.
    Unavailable,
    /// It took too long. Retryable.
    Timeout,
    /// It is out of memory, disk or slots. Retryable, later.
    Overloaded,
    /// It refuses the query as it stands.
    Rejected,
    /// It cannot say what the plan means.
    Unsupported,
    /// The data are not of the shape that the catalog says.
    SchemaDrift,
    /// It may not read the data.
    PermissionDenied,
    /// The caller stopped it.
    Cancelled,
    /// A mistake in this crate or in the engine.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [ErrorKind; 9] = [
        Self::Unavailable,
        Self::Timeout,
        Self::Overloaded,
        Self::Rejected,
        Self::Unsupported,
        Self::SchemaDrift,
        Self::PermissionDenied,
        Self::Cancelled,
        Self::Internal,
    ];

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::Rejected => "rejected",
            Self::Unsupported => "unsupported",
            Self::SchemaDrift => "schema_drift",
            Self::PermissionDenied => "permission_denied",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// Whether the same query may succeed later.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Unavailable | Self::Timeout | Self::Overloaded => true,
            Self::Rejected | Self::Unsupported | Self::SchemaDrift | Self::PermissionDenied | Self::Cancelled | Self::Internal => false,
        }
    }
}

/// Why a backend refused or failed. `Display` says what was attempted; the cause is the `source`.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct BackendError {
    /// The kind.
    pub kind: ErrorKind,
    /// What was attempted or refused, for people.
    pub what: String,
    /// The least time to wait before a retry, where one makes sense and the engine says so.
    pub retry_after: Option<Duration>,
    /// The cause, if there is one below.
    pub source: Option<Source>,
}

/// How long to wait for memory or slots that others hold.
const OVERLOADED_RETRY_AFTER: Duration = Duration::from_secs(1);

impl BackendError {
    /// An error with no cause below.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        let retry_after = (kind == ErrorKind::Overloaded).then_some(OVERLOADED_RETRY_AFTER);
        Self { kind, what: what.into(), retry_after, source: None }
    }

    /// The same, caused by another.
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The caller stopped it.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "the query was cancelled")
    }

    /// A mistake in this crate or in an engine.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, what)
    }
}

impl From<StoreError> for BackendError {
    fn from(error: StoreError) -> Self {
        Self::new(store_kind(&error), "cannot read the pinned state").caused_by(error)
    }
}

/// The kind of a store's failure.
pub(crate) fn store_kind(error: &StoreError) -> ErrorKind {
    match error {
        error if store::is_timeout(error) => ErrorKind::Timeout,
        error if store::is_denied(error) => ErrorKind::PermissionDenied,
        StoreError::Unavailable { .. } | StoreError::Busy(_) => ErrorKind::Unavailable,
        StoreError::NotFound(_) | StoreError::Conflict(_) | StoreError::Invalid(_) => ErrorKind::Rejected,
        StoreError::Corrupt { .. } => ErrorKind::SchemaDrift,
        StoreError::Io { source, .. } => io_kind(source),
    }
}

/// The kind of a failed file operation. A file that is gone is of a state that was pinned for too long: pin again.
pub(crate) fn io_kind(error: &std::io::Error) -> ErrorKind {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        std::io::ErrorKind::TimedOut => ErrorKind::Timeout,
        std::io::ErrorKind::OutOfMemory | std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Overloaded,
        _ => ErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn display_never_repeats_the_source() {
        let error = BackendError::from(StoreError::Invalid("the cause".to_owned()));
        assert_eq!(error.to_string(), "cannot read the pinned state");
        assert_eq!(error.source().map(ToString::to_string), Some("the cause".to_owned()));
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::BTreeSet<_> = ErrorKind::ALL.iter().map(|k| k.name()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn overload_says_when_to_retry() {
        assert!(BackendError::new(ErrorKind::Overloaded, "full").retry_after.is_some());
        assert!(BackendError::cancelled().retry_after.is_none());
    }
}
