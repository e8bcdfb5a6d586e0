//! Footers of bound files, remembered as long as a file has its size and stamp.
//!
//! Invariant: bounded by bytes; the oldest go first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use parquet::arrow::arrow_reader::ArrowReaderMetadata;

use super::BoundFile;
use crate::lake::snapshot::FilePlace;

/// Bytes of footers remembered.
const FOOTER_BYTES_MAX: usize = 64 << 20;

/// A file as it was.
pub(super) type Key = (FilePlace, u64, String);

/// Footers by file.
#[derive(Debug, Default)]
pub(crate) struct Footers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    footers: HashMap<Key, ArrowReaderMetadata>,
    order: VecDeque<Key>,
    bytes: usize,
}

pub(super) fn key(file: &BoundFile) -> Key {
    (file.place.clone(), file.size_bytes, file.stamp.clone())
}

fn size(footer: &ArrowReaderMetadata) -> usize {
    footer.metadata().memory_size()
}

impl Footers {
    pub(super) fn get(&self, file: &BoundFile) -> Option<ArrowReaderMetadata> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).footers.get(&key(file)).cloned()
    }

    pub(super) fn insert(&self, file: &BoundFile, footer: ArrowReaderMetadata) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.bytes += size(&footer);
        match known.footers.insert(key(file), footer) {
            Some(old) => known.bytes -= size(&old),
            None => known.order.push_back(key(file)),
        }
        while known.bytes > FOOTER_BYTES_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            if let Some(old) = known.footers.remove(&oldest) {
                known.bytes -= size(&old);
            }
        }
    }
}
