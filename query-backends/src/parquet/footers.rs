//! Parquet footers, remembered between queries: files never change, so a footer holds as long as its file.
//!
//! Invariant: bounded by bytes; the oldest go first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::file::metadata::ParquetMetaData;
use object_store::path::Path;

/// Footers by file.
#[derive(Debug)]
pub(super) struct Footers {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: HashMap<Path, Arc<ParquetMetaData>>,
    order: VecDeque<Path>,
    bytes: usize,
}

impl Footers {
    /// Remembers this many bytes of footers at most.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    /// A footer, if remembered.
    pub(super) fn get(&self, path: &Path) -> Option<Arc<ParquetMetaData>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).known.get(path).cloned()
    }

    /// Remembers a footer.
    pub(super) fn insert(&self, path: Path, footer: Arc<ParquetMetaData>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.bytes += footer.memory_size();
        match inner.known.insert(path.clone(), footer) {
            Some(old) => inner.bytes -= old.memory_size(),
            None => inner.order.push_back(path),
        }
        while inner.bytes > self.bytes_max
            && let Some(oldest) = inner.order.pop_front()
        {
            if let Some(old) = inner.known.remove(&oldest) {
                inner.bytes -= old.memory_size();
            }
        }
    }
}
