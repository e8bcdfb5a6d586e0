//! A day's rows in the order of its files: event, user number, time, message id.
//!
//! In: rows in any order, and which of them are duplicates. Out: the others, one by one, in order. Within its memory that is
//! one sort; beyond, sorted runs go to files and are merged.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use roaring::RoaringTreemap;

use crate::error::{ImportError, Result};
use crate::record::{self, Record, Records};

/// How hard to compress runs: the least.
const LEVEL: i32 = 1;

/// What the rows of every day are sorted by and freed of.
pub(crate) struct Order<'a> {
    /// By number of an event's name: its place among all names in order.
    pub(crate) ranks: &'a [u32],
    pub(crate) duplicates: &'a RoaringTreemap,
}

/// The first parts of a row's key, and where the row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    rank: u32,
    user_no: u64,
    ts: i64,
    at: usize,
}

/// Sorts one day.
pub(crate) struct Sorter<'a> {
    order: &'a Order<'a>,
    /// Where runs go; the names begin with it.
    prefix: PathBuf,
    memory_bytes: usize,
    rows: Vec<u8>,
    keys: Vec<Key>,
    runs: Vec<PathBuf>,
}

impl<'a> Sorter<'a> {
    pub(crate) fn new(order: &'a Order<'a>, prefix: PathBuf, memory_bytes: usize) -> Self {
        Self { order, prefix, memory_bytes, rows: Vec::new(), keys: Vec::new(), runs: Vec::new() }
    }

    /// Makes room for a day of so many rows and bytes, as far as memory allows.
    pub(crate) fn reserve(&mut self, rows: u64, bytes: usize) {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        if bytes + rows.saturating_mul(size_of::<Key>()) <= self.memory_bytes {
            self.rows.reserve_exact(bytes);
            self.keys.reserve_exact(rows);
        }
    }

    /// Takes whole rows.
    pub(crate) fn add(&mut self, records: &[u8]) -> Result<()> {
        for record in Records::new(records) {
            let record = record?;
            if !self.order.duplicates.is_empty() && self.order.duplicates.contains(record.seq) {
                continue;
            }
            let used = self.rows.len() + (self.keys.len() + 1) * size_of::<Key>() + record.bytes.len();
            if used > self.memory_bytes && !self.keys.is_empty() {
                self.spill()?;
            }
            self.keys.push(self.order.key(&record, self.rows.len()));
            self.rows.extend_from_slice(record.bytes);
        }
        Ok(())
    }

    fn sort(&mut self) {
        let rows = &self.rows;
        let message = |key: &Key| rows.get(key.at..).and_then(|bytes| record::read(bytes).ok()).map(|r| (r.message_id, r.seq));
        self.keys.sort_unstable_by(|a, b| {
            let order = (a.rank, a.user_no, a.ts).cmp(&(b.rank, b.user_no, b.ts));
            order.then_with(|| message(a).cmp(&message(b)))
        });
    }

    fn emit(&self, mut take: impl FnMut(&Record<'_>) -> Result<()>) -> Result<()> {
        self.keys.iter().try_for_each(|key| take(&record::read(self.rows.get(key.at..).unwrap_or_default())?))
    }

    fn spill(&mut self) -> Result<()> {
        let failed = |e: std::io::Error| ImportError::scratch("write temporary files", e);
        self.sort();
        let mut path = self.prefix.clone().into_os_string();
        path.push(format!("-{}", self.runs.len()));
        let path = PathBuf::from(path);
        let file = BufWriter::new(File::create(&path).map_err(failed)?);
        let mut out = zstd::stream::write::Encoder::new(file, LEVEL).map_err(failed)?;
        self.emit(|record| out.write_all(record.bytes).map_err(failed))?;
        out.finish().and_then(|mut file| file.flush()).map_err(failed)?;
        self.runs.push(path);
        self.rows.clear();
        self.keys.clear();
        Ok(())
    }

    /// All rows are in: gives them in order.
    pub(crate) fn finish(mut self, mut take: impl FnMut(&Record<'_>) -> Result<()>) -> Result<()> {
        if self.runs.is_empty() {
            self.sort();
            return self.emit(take);
        }
        if !self.keys.is_empty() {
            self.spill()?;
        }
        (self.rows, self.keys) = (Vec::new(), Vec::new());
        let mut heap = BinaryHeap::new();
        for path in &self.runs {
            heap.extend(Run::open(path)?.next(self.order)?.map(Reverse));
        }
        while let Some(Reverse(head)) = heap.pop() {
            take(&record::read(&head.bytes)?)?;
            heap.extend(head.run.next(self.order)?.map(Reverse));
        }
        for path in &self.runs {
            std::fs::remove_file(path).map_err(|e| ImportError::scratch("remove temporary files", e))?;
        }
        Ok(())
    }
}

impl Order<'_> {
    fn key(&self, record: &Record<'_>, at: usize) -> Key {
        let rank = self.ranks.get(record.event as usize).copied().unwrap_or(u32::MAX);
        Key { rank, user_no: record.user_no, ts: record.ts, at }
    }
}

/// A sorted file being read.
struct Run {
    reader: Box<dyn Read>,
}

/// The next row of a run.
struct Head {
    key: Key,
    message_id: String,
    bytes: Vec<u8>,
    run: Run,
}

impl Run {
    fn open(path: &PathBuf) -> Result<Self> {
        let open = || zstd::stream::read::Decoder::new(File::open(path)?);
        let decoder = open().map_err(|e| ImportError::scratch("read back temporary files", e))?;
        Ok(Self { reader: Box::new(BufReader::new(decoder)) })
    }

    fn next(mut self, order: &Order<'_>) -> Result<Option<Head>> {
        let failed = |e: std::io::Error| ImportError::scratch("read back temporary files", e);
        let mut bytes = Vec::new();
        if self.reader.by_ref().take(size_of::<u32>() as u64).read_to_end(&mut bytes).map_err(failed)? == 0 {
            return Ok(None);
        }
        let rest = record::length(&bytes).unwrap_or(0).saturating_sub(bytes.len());
        self.reader.by_ref().take(rest as u64).read_to_end(&mut bytes).map_err(failed)?;
        let record = record::read(&bytes)?;
        let (key, message_id) = (order.key(&record, 0), record.message_id.to_owned());
        Ok(Some(Head { key, message_id, bytes, run: self }))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.message_id.cmp(&other.message_id))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(memory_bytes: usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut duplicates = RoaringTreemap::new();
        duplicates.insert(5);
        let order = Order { ranks: &[1, 0, 2], duplicates: &duplicates };
        let mut sorter = Sorter::new(&order, folder.path().join("run"), memory_bytes);
        let mut n = 12_345u64;
        for seq in 1..=3_000 {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut row = Vec::new();
            let message = format!("m{}", n >> 50);
            record::put(&mut row, (n >> 33) as u32 % 3, (n >> 35) as i64 % 5, seq, "u", &message, b"");
            record::set_user_no(&mut row, (n >> 40) % 10);
            sorter.add(&row).unwrap();
        }
        let mut out: Vec<(u32, u64, i64, String)> = Vec::new();
        let take = |r: &Record<'_>| {
            assert_ne!(r.seq, 5);
            out.push((order.ranks[r.event as usize], r.user_no, r.ts, r.message_id.to_owned()));
            Ok(())
        };
        sorter.finish(take).unwrap();
        assert_eq!(out.len(), 2_999);
        assert!(out.is_sorted());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn in_memory_and_merged() {
        check(1 << 20);
        check(10_000);
    }
}
