//! Where collected entries go.

use async_trait::async_trait;

use super::message::Entry;

/// What stores entries durably.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Stores entries, all or none of them. When it returns they survive a crash.
    ///
    /// # Errors
    ///
    /// None was acknowledged, and the sender is told to send them again; those that were stored all the same are recognised then by
    /// their message ids.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it may have stored them or not.
    async fn store(&self, entries: Vec<Entry>) -> Result<(), SinkError>;
}

/// Why entries are not stored. Both are worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// There is no room left.
    #[error("the log is full; it has room again once what it holds is processed")]
    Full,
    /// It cannot be written.
    #[error("the log cannot be written now")]
    Unavailable,
}
