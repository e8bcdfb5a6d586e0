//! Why collected messages are not stored or published.

use store::StoreError;

use crate::collect::codec::DecodeError;
use crate::error::ImportError;
use crate::log::LogError;

/// What stands in the way. Nothing that was acknowledged is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The workspace.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Making rows of messages.
    #[error(transparent)]
    Rows(#[from] ImportError),
    /// A later Muster wrote the log.
    #[error(transparent)]
    Version(#[from] DecodeError),
    /// The log is not the one that the workspace's state goes with.
    #[error("{0}")]
    Astray(String),
    /// More workspaces than one server collects for.
    #[error("this server collects for {0} workspaces already")]
    TooMany(usize),
}

impl PublishError {
    /// Whether somebody else has the workspace for now, as an import.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Store(StoreError::Busy(_)) | Self::Rows(ImportError::Store(StoreError::Busy(_))))
    }

    /// The error with what caused it.
    pub fn told(&self) -> String {
        store::chain(self)
    }
}
