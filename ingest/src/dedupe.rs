//! Which events are there already: duplicate hashes, found in bounded memory.
//!
//! In: hashes of what must be unique, each with the sequence number of its row, and those of stored events, whose number is
//! [`STORED`]. Out: the numbers of all rows but the first of each hash. Entries are parted by hash and spilled; each part is
//! then sorted in memory.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use roaring::RoaringTreemap;

use crate::error::{ImportError, Result};
use crate::limits::DEDUP_PARTS;
use crate::pipeline::threads;

/// The number of an event that is stored: before all rows.
pub(crate) const STORED: u64 = 0;
/// Bytes of an entry.
const ENTRY: usize = 24;

/// Gathers hashes.
pub(crate) struct Dedupe {
    folder: PathBuf,
    parts: Vec<Part>,
    /// Entries that a part holds in memory.
    held_max: usize,
}

#[derive(Default)]
struct Part {
    held: Vec<(u128, u64)>,
    spilled: Option<(PathBuf, File)>,
}

impl Dedupe {
    /// Keeps about `memory_bytes` in memory and the rest in files of a folder.
    pub(crate) fn new(folder: &Path, memory_bytes: usize) -> Self {
        let entry = size_of::<(u128, u64)>();
        let parts = (0..DEDUP_PARTS).map(|_| Part::default()).collect();
        Self { folder: folder.to_owned(), parts, held_max: (memory_bytes / DEDUP_PARTS / entry).max(64) }
    }

    /// Takes a hash.
    pub(crate) fn add(&mut self, hash: u128, seq: u64) -> Result<()> {
        let number = (hash >> 64) as usize % DEDUP_PARTS;
        let Some(part) = self.parts.get_mut(number) else { return Ok(()) };
        part.held.push((hash, seq));
        if part.held.len() >= self.held_max {
            part.spill(&self.folder, number)?;
        }
        Ok(())
    }

    /// The rows that are duplicates; `done` is called for each part.
    pub(crate) fn resolve(self, done: impl Fn() + Sync) -> Result<RoaringTreemap> {
        let jobs = Mutex::new(self.parts.into_iter());
        let next = || jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
        let work = || -> Result<RoaringTreemap> {
            let mut found = RoaringTreemap::new();
            while let Some(part) = next() {
                found |= part.resolve()?;
                done();
            }
            Ok(found)
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads()).map(|_| scope.spawn(work)).collect();
            let mut found = RoaringTreemap::new();
            for worker in workers {
                match worker.join() {
                    Ok(part) => found |= part?,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(found)
        })
    }
}

impl Part {
    fn spill(&mut self, folder: &Path, number: usize) -> Result<()> {
        let failed = |e: std::io::Error| ImportError::scratch("write temporary files", e);
        let mut bytes = Vec::with_capacity(self.held.len() * ENTRY);
        for (hash, seq) in self.held.drain(..) {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&seq.to_le_bytes());
        }
        let (_, file) = match &mut self.spilled {
            Some(spilled) => spilled,
            empty => {
                let path = folder.join(format!("hashes-{number:03}"));
                let file = File::options().create(true).truncate(true).read(true).write(true).open(&path).map_err(failed)?;
                empty.insert((path, file))
            }
        };
        file.write_all(&bytes).map_err(failed)
    }

    fn resolve(mut self) -> Result<RoaringTreemap> {
        let failed = |e: std::io::Error| ImportError::scratch("read back temporary files", e);
        if let Some((path, file)) = self.spilled.take() {
            drop(file);
            let mut bytes = Vec::new();
            File::open(&path).and_then(|mut f| f.read_to_end(&mut bytes)).map_err(failed)?;
            std::fs::remove_file(&path).map_err(failed)?;
            let (entries, _) = bytes.as_chunks::<ENTRY>();
            self.held.reserve_exact(entries.len());
            self.held.extend(entries.iter().filter_map(|entry| {
                let (hash, seq) = entry.split_first_chunk()?;
                Some((u128::from_le_bytes(*hash), u64::from_le_bytes(*seq.first_chunk()?)))
            }));
        }
        self.held.sort_unstable();
        let mut found = RoaringTreemap::new();
        for (before, entry) in self.held.iter().zip(self.held.iter().skip(1)) {
            if before.0 == entry.0 && entry.1 != STORED {
                found.insert(entry.1);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(memory_bytes: usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut dedupe = Dedupe::new(folder.path(), memory_bytes);
        for seq in 1..=20_000u64 {
            // Every hash comes twice, those of multiples of 7 are stored.
            let hash = xxhash_rust::xxh3::xxh3_128(&(seq % 10_000).to_le_bytes());
            dedupe.add(hash, seq).unwrap();
            if seq % 7 == 0 && seq < 10_000 {
                dedupe.add(hash, STORED).unwrap();
            }
        }
        let found = dedupe.resolve(|| {}).unwrap();
        assert_eq!(found.len(), 10_000 + 9_999 / 7);
        assert!(found.contains(7) && found.contains(10_007) && found.contains(10_001) && !found.contains(1));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn in_memory_and_spilled() {
        check(64 << 20);
        check(0);
    }
}
