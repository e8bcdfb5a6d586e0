//! What can go wrong in a store, by what the caller can do about it.

use std::path::Path;

/// The cause below a [`StoreError`].
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why a store refused or failed. `Display` says what was attempted; the cause is the `source`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or opened. Retryable if the cause is.
    #[error("{what}")]
    Unavailable {
        /// What was attempted.
        what: String,
        /// The cause, if there is one below.
        source: Option<Source>,
    },
    /// Another process is writing. Retryable.
    #[error("{0}")]
    Busy(String),
    /// No such directory, workspace, segment or list.
    #[error("{0}")]
    NotFound(String),
    /// The state changed since it was read, or the name is taken. Read again, then retry.
    #[error("{0}")]
    Conflict(String),
    /// Stored data cannot be what this crate wrote.
    #[error("{what}")]
    Corrupt {
        /// What was found.
        what: String,
        /// The cause, if there is one below.
        source: Option<Source>,
    },
    /// The file system refused.
    #[error("{what}")]
    Io {
        /// What was attempted, with the path.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The caller's argument cannot be: a bad name, a batch of the wrong schema, rows out of order.
    #[error("{0}")]
    Invalid(String),
}

impl StoreError {
    /// A failed file operation on a path.
    pub(crate) fn io(verb: &str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { what: format!("cannot {verb} {}", path.display()), source }
    }

    /// An engine below (SQLite, Iceberg, redb, Parquet) failed at `what`.
    pub(crate) fn unavailable(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Unavailable { what: what.into(), source: Some(source.into()) }
    }

    /// Stored data did not decode.
    pub(crate) fn corrupt(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Corrupt { what: what.into(), source: Some(source.into()) }
    }

    /// Stored data decoded to something that cannot be.
    pub(crate) fn corrupt_plain(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), source: None }
    }
}

/// Names what was attempted, for the errors of the engines below.
pub(crate) trait Attempt<T> {
    /// Wraps an error as [`StoreError::Unavailable`].
    fn attempt(self, what: &str) -> Result<T>;
}

impl<T, E: Into<Source>> Attempt<T> for std::result::Result<T, E> {
    fn attempt(self, what: &str) -> Result<T> {
        self.map_err(|e| StoreError::unavailable(format!("cannot {what}"), e))
    }
}

/// Whether a request to an object store took too long, somewhere below an error. Retryable.
pub fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.downcast_ref::<object_store::client::HttpError>().is_some_and(|e| e.kind() == object_store::client::HttpErrorKind::Timeout)
    })
}

/// Whether an object store refused to be read or written, somewhere below an error.
pub fn is_denied(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref())
        .any(|cause| matches!(cause, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }))
}

/// An error and its causes.
fn causes<'a>(error: &'a (dyn std::error::Error + 'static)) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |e| e.source())
}

/// An error and its causes, each said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}
