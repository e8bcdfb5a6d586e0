//! Why a log refuses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The result of a log's operations.
pub type LogResult<T> = std::result::Result<T, LogError>;

/// Why something was refused. It can be cloned, because one failed write is the answer to all who waited for it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// There is no room: the log's bound is reached, or the disk's. Nothing is lost; it goes on when workers have caught up and the log is trimmed.
    #[error(
        "the log is full ({why}): {hint}",
        hint = "it goes on as soon as its consumers have passed more of it; look for one that stands still"
    )]
    Full {
        /// Which bound.
        why: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The disk failed, or is too slow.
    #[error("the log cannot {what} now")]
    Unavailable {
        /// What was attempted.
        what: String,
        /// When to try again.
        retry_after: Duration,
        /// The cause.
        source: Option<Arc<std::io::Error>>,
    },
    /// More than an append takes.
    #[error(
        "an append of {bytes} bytes in {records} records: it may have {} records of {} bytes, {} bytes in all",
        super::APPEND_RECORDS_MAX,
        super::RECORD_BYTES_MAX,
        super::APPEND_BYTES_MAX
    )]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// Its records.
        records: usize,
    },
    /// The offset was given up by trimming.
    #[error("offset {from} is trimmed: the log begins at {first}")]
    Trimmed {
        /// What was asked for.
        from: u64,
        /// What there is.
        first: u64,
    },
    /// The offset was not given yet.
    #[error("offset {from} is past the log's end at {next}")]
    Beyond {
        /// What was asked for.
        from: u64,
        /// The end.
        next: u64,
    },
    /// A consumer that is not registered, or one too many, or its name too long.
    #[error("consumer {name:?}: {message}")]
    Consumer {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// Another process has the log open.
    #[error("{} is in use by another process: only one may write a log", path.display())]
    InUse {
        /// The lock.
        path: PathBuf,
    },
    /// A file cannot be read or written while opening.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        source: Arc<std::io::Error>,
    },
    /// A file is of a version that this program does not know.
    #[error("{}: {message}", path.display())]
    Version {
        /// Where.
        path: PathBuf,
        /// What it says.
        message: String,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    /// When to repeat what was refused; none if that would not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { retry_after, .. } | Self::Unavailable { retry_after, .. } => Some(*retry_after),
            Self::TooLarge { .. }
            | Self::Trimmed { .. }
            | Self::Beyond { .. }
            | Self::Consumer { .. }
            | Self::InUse { .. }
            | Self::Io { .. }
            | Self::Version { .. }
            | Self::Closed => None,
        }
    }

    /// A failed operation on a file while opening.
    pub(crate) fn io(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source: Arc::new(source) }
    }

    /// A failed operation while running: a full disk is `Full`, all else `Unavailable`.
    pub(crate) fn now(what: impl Into<String>, retry_after: Duration, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Full { why: format!("no room on the disk to {}", what.into()), retry_after }
            }
            _ => Self::Unavailable { what: what.into(), retry_after, source: Some(Arc::new(source)) },
        }
    }
}
