//! How far a run is, to be watched while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a run has read, of what it will read. Shared between the run and whoever watches it.
#[derive(Debug, Default)]
pub struct Progress {
    rows_read: AtomicU64,
    rows_total: AtomicU64,
    bytes_read: AtomicU64,
    bytes_total: AtomicU64,
}

/// A reading of [`Progress`].
///
/// Totals are 0 until reading is planned. What is read stays at or below the total, except where an engine reads a part twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProgressNow {
    /// Rows read.
    pub rows_read: u64,
    /// Rows to read.
    pub rows_total: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes to read.
    pub bytes_total: u64,
}

impl ProgressNow {
    /// The share that is done, 0 to 1.
    pub fn share(&self) -> f64 {
        let (read, total) = if self.bytes_total > 0 { (self.bytes_read, self.bytes_total) } else { (self.rows_read, self.rows_total) };
        if total == 0 { 0.0 } else { (read as f64 / total as f64).min(1.0) }
    }
}

impl Progress {
    /// Where it is now.
    pub fn now(&self) -> ProgressNow {
        ProgressNow {
            rows_read: self.rows_read.load(Ordering::Relaxed),
            rows_total: self.rows_total.load(Ordering::Relaxed),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bytes_total: self.bytes_total.load(Ordering::Relaxed),
        }
    }

    /// Where an engine says that it is, in place of what was told before.
    pub fn set(&self, now: ProgressNow) {
        self.rows_total.store(now.rows_total, Ordering::Relaxed);
        self.rows_read.store(now.rows_read, Ordering::Relaxed);
        self.bytes_total.store(now.bytes_total, Ordering::Relaxed);
        self.bytes_read.store(now.bytes_read, Ordering::Relaxed);
    }

    /// More to read.
    pub fn add_total(&self, rows: u64, bytes: u64) {
        self.rows_total.fetch_add(rows, Ordering::Relaxed);
        self.bytes_total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// More read.
    pub fn add_read(&self, rows: u64, bytes: u64) {
        self.rows_read.fetch_add(rows, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        let progress = Progress::default();
        assert_eq!(progress.now().share(), 0.0);
        progress.add_total(10, 0);
        progress.add_read(5, 0);
        assert_eq!(progress.now().share(), 0.5);
        progress.add_total(0, 100);
        progress.add_read(10, 200);
        assert_eq!(progress.now().share(), 1.0);
        progress.set(ProgressNow { rows_read: 1, rows_total: 4, ..ProgressNow::default() });
        assert_eq!(progress.now().share(), 0.25);
    }
}
