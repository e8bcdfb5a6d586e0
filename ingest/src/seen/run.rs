//! A file of keys: sorted, immutable, with a filter.
//!
//! Little-endian. Pages of [`PAGE`] bytes, each `170 × (key u128, received_at i64), 8 zeros, check u64`; then the filter (a split block Bloom
//! filter, as in Parquet), the first key of each page, and an end: `magic 8, entries u64, filter bytes u64, first and last received_at
//! i64, check of filter and keys u64, check of the end u64`.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::bloom_filter::Sbbf;
use xxhash_rust::xxh3::xxh3_64;

use crate::log::disk::{Disk, DiskFile, read_full};

/// Bytes of a page.
const PAGE: usize = 4096;
/// Bytes of an entry.
const ENTRY: usize = 24;
/// Entries of a page.
const PAGE_ENTRIES: usize = (PAGE - 16) / ENTRY;
/// Bits of the filter for an entry: about one key in 200 that is not there is looked for all the same.
const FILTER_BITS: u64 = 12;
/// Bytes of a block of the filter.
const BLOCK: u64 = 32;
/// Bytes of the end.
const END: usize = 56;
/// What the end begins with; the last is the version.
const MAGIC: [u8; 8] = *b"MUSTSEE1";
/// Bytes written at a time.
const WRITE_BYTES: usize = 1 << 20;

/// A key, and when its message was received.
pub(crate) type Entry = (u128, i64);

/// An open file.
pub(crate) struct Run {
    file: Box<dyn DiskFile>,
    pub(crate) entries: u64,
    pub(crate) first_received: i64,
    pub(crate) last_received: i64,
    filter: Sbbf,
    /// The first key of each page.
    keys: Vec<u128>,
    /// Pages that could not be read.
    pub(crate) damaged: AtomicU64,
}

fn broken(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Writes ascending entries, `entries` of them at most, into a new durable file of that name.
pub(crate) fn write(disk: &dyn Disk, path: &Path, entries_max: u64, entries: impl Iterator<Item = io::Result<Entry>>) -> io::Result<Run> {
    let blocks = (entries_max * FILTER_BITS).div_ceil(BLOCK * 8).max(1);
    let mut writing = Writing {
        file: disk.create(path)?,
        at: 0,
        buffer: Vec::with_capacity(WRITE_BYTES + PAGE),
        page: Vec::with_capacity(PAGE),
        filter: Sbbf::new(&vec![0; (blocks * BLOCK) as usize]),
        keys: Vec::new(),
        entries: 0,
        received: (i64::MAX, i64::MIN),
    };
    for entry in entries {
        writing.push(entry?)?;
    }
    writing.finish()
}

struct Writing {
    file: Box<dyn DiskFile>,
    at: u64,
    buffer: Vec<u8>,
    page: Vec<u8>,
    filter: Sbbf,
    keys: Vec<u128>,
    entries: u64,
    received: (i64, i64),
}

impl Writing {
    fn push(&mut self, (key, received_at): Entry) -> io::Result<()> {
        if self.page.is_empty() {
            self.keys.push(key);
        }
        let bytes = key.to_le_bytes();
        self.filter.insert(&bytes[..]);
        self.page.extend_from_slice(&bytes);
        self.page.extend_from_slice(&received_at.to_le_bytes());
        self.entries += 1;
        self.received = (self.received.0.min(received_at), self.received.1.max(received_at));
        if self.page.len() == PAGE_ENTRIES * ENTRY { self.end_page() } else { Ok(()) }
    }

    fn end_page(&mut self) -> io::Result<()> {
        self.page.resize(PAGE - 8, 0);
        let check = xxh3_64(&self.page);
        self.buffer.append(&mut self.page);
        self.buffer.extend_from_slice(&check.to_le_bytes());
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Run> {
        if !self.page.is_empty() {
            self.end_page()?;
        }
        let start = self.buffer.len();
        self.filter.write_bitset(&mut self.buffer).map_err(io::Error::other)?;
        let filter_bytes = (self.buffer.len() - start) as u64;
        for key in &self.keys {
            self.buffer.extend_from_slice(&key.to_le_bytes());
        }
        let check = xxh3_64(self.buffer.get(start..).unwrap_or_default());
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&MAGIC);
        for field in [self.entries, filter_bytes, self.received.0 as u64, self.received.1 as u64, check] {
            self.buffer.extend_from_slice(&field.to_le_bytes());
        }
        let check = xxh3_64(self.buffer.get(start..).unwrap_or_default());
        self.buffer.extend_from_slice(&check.to_le_bytes());
        self.flush()?;
        self.file.sync()?;
        let (first_received, last_received) = self.received;
        let damaged = AtomicU64::new(0);
        Ok(Run { file: self.file, entries: self.entries, first_received, last_received, filter: self.filter, keys: self.keys, damaged })
    }
}

impl Run {
    /// Opens a file.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path)?;
        let size = file.size()?;
        let mut end = [0; END];
        let at = size.checked_sub(END as u64).ok_or_else(|| broken("the file is too short"))?;
        read_full(&*file, &mut end, at)?;
        let field = |n: usize| end.get(n * 8..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if !end.starts_with(&MAGIC) || xxh3_64(end.get(..END - 8).unwrap_or_default()) != field(6) {
            return Err(broken("the file's end is damaged"));
        }
        let (entries, filter_bytes) = (field(1), field(2));
        let pages = entries.div_ceil(PAGE_ENTRIES as u64);
        if pages * PAGE as u64 + filter_bytes + pages * 16 + END as u64 != size {
            return Err(broken("the file has not the size that its end says"));
        }
        let mut bytes = vec![0; (filter_bytes + pages * 16) as usize];
        read_full(&*file, &mut bytes, pages * PAGE as u64)?;
        if xxh3_64(&bytes) != field(5) {
            return Err(broken("the file's filter is damaged"));
        }
        let (filter, keys) = bytes.split_at(filter_bytes as usize);
        let keys = keys.as_chunks().0.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect();
        let (first_received, last_received, damaged) = (field(3) as i64, field(4) as i64, AtomicU64::new(0));
        Ok(Self { file, entries, first_received, last_received, filter: Sbbf::new(filter), keys, damaged })
    }

    /// Bytes of memory it takes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.filter.num_blocks() as u64 * BLOCK + self.keys.len() as u64 * 16
    }

    /// Bytes of its file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.keys.len() as u64 * PAGE as u64 + self.memory_bytes() + END as u64
    }

    /// Whether a key may be in the file. No disk is read.
    pub(crate) fn may_have(&self, key: u128) -> bool {
        self.filter.check(&key.to_le_bytes()[..])
    }

    /// Whether a key is in the file, received at a time or later. Reads a page, or the few that begin with the key.
    pub(crate) fn has(&self, key: u128, after: i64) -> io::Result<bool> {
        let mut page = self.keys.partition_point(|first| *first < key).saturating_sub(1);
        while self.keys.get(page).is_some_and(|first| *first <= key) {
            let entries = self.page(page)?;
            let from = entries.partition_point(|entry| entry.0 < key);
            if entries.iter().skip(from).take_while(|entry| entry.0 == key).any(|entry| entry.1 >= after) {
                return Ok(true);
            }
            page += 1;
        }
        Ok(false)
    }

    /// The entries of a page. Damaged ones are none, and counted.
    fn page(&self, number: usize) -> io::Result<Vec<Entry>> {
        let mut bytes = [0; PAGE];
        read_full(&*self.file, &mut bytes, (number * PAGE) as u64)?;
        let (content, check) = bytes.split_last_chunk().unwrap_or((&[], &[0; 8]));
        if xxh3_64(content) != u64::from_le_bytes(*check) {
            self.damaged.fetch_add(1, Ordering::Relaxed);
            return Ok(Vec::new());
        }
        let count = (self.entries - (number * PAGE_ENTRIES) as u64).min(PAGE_ENTRIES as u64) as usize;
        let entries = content.as_chunks::<ENTRY>().0.iter().take(count).filter_map(|entry| {
            let (key, received_at) = entry.split_first_chunk()?;
            Some((u128::from_le_bytes(*key), i64::from_le_bytes(*received_at.first_chunk()?)))
        });
        Ok(entries.collect())
    }

    /// All entries, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = io::Result<Entry>> + '_ {
        (0..self.keys.len()).flat_map(|number| {
            let (entries, failed) = match self.page(number) {
                Ok(entries) => (entries, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            entries.into_iter().map(Ok).chain(failed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::RealDisk;

    #[test]
    fn what_is_written_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.ids");
        for count in [0, 1, 169, 170, 171, 5_000] {
            // Each key twice, at two times.
            let entries = (0..count).map(|n| ((n / 2) << 90, (n % 2) as i64 * 10));
            let made = write(&RealDisk, &path, 5_000, entries.clone().map(Ok)).unwrap();
            let opened = Run::open(&RealDisk, &path).unwrap();
            assert_eq!((opened.file_bytes(), opened.entries), (std::fs::metadata(&path).unwrap().len(), count as u64));
            assert_eq!(opened.memory_bytes(), made.memory_bytes());
            assert!(opened.iter().map(Result::unwrap).eq(entries));
            for n in 0..count / 2 {
                assert!(opened.may_have(n << 90) && opened.has(n << 90, 10).unwrap() && !opened.has(n << 90, 11).unwrap());
                assert!(!opened.has((n << 90) + 1, -1).unwrap());
            }
        }
    }

    #[test]
    fn the_filter_lets_few_others_through() {
        let folder = tempfile::tempdir().unwrap();
        let key = |n: u64| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes());
        let mut entries: Vec<Entry> = (0..20_000).map(|n| (key(n), 0)).collect();
        entries.sort_unstable();
        let run = write(&RealDisk, &folder.path().join("1.ids"), 20_000, entries.into_iter().map(Ok)).unwrap();
        let wrong = (20_000..120_000).filter(|n| run.may_have(key(*n))).count();
        assert!(wrong < 1_500, "{wrong} of 100000");
    }

    #[test]
    fn damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.ids");
        write(&RealDisk, &path, 400, (0..400).map(|n| Ok((n, 5)))).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(61) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            match Run::open(&RealDisk, &path) {
                Err(error) => assert!(at >= 3 * PAGE && error.kind() == io::ErrorKind::InvalidData),
                Ok(run) => {
                    let left = run.iter().count();
                    assert!(at < 3 * PAGE && (left == 230 || left == 340), "{left}");
                    assert_eq!(run.damaged.load(Ordering::Relaxed), 1);
                }
            }
        }
    }
}
