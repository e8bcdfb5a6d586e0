//! How a log is kept.

use std::time::Duration;

/// Bounds and sizes of a [`super::LocalLog`].
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Bytes that all segment files may have together; more is `Full`.
    pub bytes_max: u64,
    /// Bytes after which a new segment file begins: at most a quarter of `bytes_max`, and 1 GiB.
    pub segment_bytes: u64,
    /// Bytes of appends that wait for the writer; whoever comes then waits to wait.
    pub queue_bytes: usize,
    /// After a failed write or sync: how long appends are refused before the next attempt, and what those refused are told.
    pub pause: Duration,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { bytes_max: 16 << 30, segment_bytes: 64 << 20, queue_bytes: 64 << 20, pause: Duration::from_secs(1) }
    }
}

impl LogOptions {
    /// The size a segment really gets: small enough that a full log can be trimmed.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes.min(self.bytes_max / 4).min(1 << 30)
    }
}
