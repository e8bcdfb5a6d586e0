//! Events by UTC day, until all of them are in: in memory as far as that goes, the rest in compressed files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::error::{ImportError, Result};
use crate::pipeline::threads;
use crate::record;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;
/// Bytes of rows compressed together, unless one row is longer.
const SEGMENT_BYTES: usize = 2 << 20;
/// How hard to compress: the least.
const LEVEL: i32 = 1;

/// The UTC day of an instant.
pub(crate) fn day_of(ts: i64) -> i32 {
    // Instants lie in the years 1 to 9999.
    ts.div_euclid(DAY_US) as i32
}

/// Gathers rows by day.
pub(crate) struct DaySpill {
    folder: PathBuf,
    days: BTreeMap<i32, Day>,
    held: usize,
    held_max: usize,
    /// One for each thread that compresses.
    files: Vec<(PathBuf, File, u64)>,
}

/// The rows of a day.
#[derive(Default)]
pub(crate) struct Day {
    pub(crate) rows: u64,
    /// Bytes of all rows.
    pub(crate) bytes: usize,
    held: Vec<u8>,
    segments: Vec<Segment>,
}

/// Rows in a file.
#[derive(Debug, Clone, Copy)]
struct Segment {
    file: usize,
    offset: u64,
    stored: usize,
    bytes: usize,
}

impl DaySpill {
    /// Keeps about `memory_bytes` in memory and the rest in files of a folder.
    pub(crate) fn new(folder: PathBuf, memory_bytes: usize) -> Self {
        Self { folder, days: BTreeMap::new(), held: 0, held_max: memory_bytes, files: Vec::new() }
    }

    /// Takes rows, which have their users' numbers.
    pub(crate) fn add(&mut self, mut records: &[u8]) -> Result<()> {
        while !records.is_empty() {
            let first = record::read(records)?;
            let day = day_of(first.ts);
            // Rows of one day often come together.
            let mut end = first.bytes.len();
            let mut rows = 1;
            while let Some(rest) = records.get(end..).filter(|rest| !rest.is_empty()) {
                let (Some(length), Some(ts)) = (record::length(rest), record::ts(rest)) else { break };
                if day_of(ts) != day {
                    break;
                }
                (end, rows) = (end + length, rows + 1);
            }
            let (run, rest) = records.split_at_checked(end).unwrap_or((records, &[]));
            self.hold(day, run, rows);
            records = rest;
        }
        self.flush_if_full()
    }

    /// Takes rows that all belong to one key, whatever their time.
    pub(crate) fn add_all(&mut self, key: i32, records: &[u8], rows: u64) -> Result<()> {
        self.hold(key, records, rows);
        self.flush_if_full()
    }

    fn hold(&mut self, day: i32, records: &[u8], rows: u64) {
        let entry = self.days.entry(day).or_default();
        let before = entry.held.capacity();
        entry.held.extend_from_slice(records);
        self.held += entry.held.capacity() - before;
        entry.rows += rows;
        entry.bytes += records.len();
    }

    fn flush_if_full(&mut self) -> Result<()> {
        if self.held > self.held_max { self.flush() } else { Ok(()) }
    }

    /// Writes what is held to files.
    fn flush(&mut self) -> Result<()> {
        let failed = |e: std::io::Error| ImportError::scratch("write temporary files", e);
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        while self.files.len() < threads() {
            let path = self.folder.join(format!("days-{}", self.files.len()));
            let file = File::options().create(true).truncate(true).write(true).open(&path).map_err(failed)?;
            self.files.push((path, file, 0));
        }
        let jobs = Mutex::new(self.days.values_mut().filter(|day| !day.held.is_empty()));
        let work = |number: usize, file: &mut File, at: &mut u64| -> Result<()> {
            let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
            loop {
                let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(day) = next else { return Ok(()) };
                let held = std::mem::take(&mut day.held);
                for rows in segments(&held) {
                    let packed = compressor.compress(rows).map_err(failed)?;
                    file.write_all(&packed).map_err(failed)?;
                    day.segments.push(Segment { file: number, offset: *at, stored: packed.len(), bytes: rows.len() });
                    *at += packed.len() as u64;
                }
            }
        };
        let done: Result<Vec<()>> = std::thread::scope(|scope| {
            let work = &work;
            let files = self.files.iter_mut().enumerate();
            let workers: Vec<_> = files.map(|(number, (_, file, at))| scope.spawn(move || work(number, file, at))).collect();
            workers.into_iter().map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        self.held = 0;
        done.map(|_| ())
    }

    /// No more rows come: the days, in order, and where their rows are.
    pub(crate) fn finish(self) -> (Vec<(i32, Day)>, DayFiles) {
        let paths = self.files.into_iter().map(|(path, ..)| path).collect();
        (self.days.into_iter().collect(), DayFiles { paths })
    }

    /// The days so far.
    pub(crate) fn days(&self) -> impl Iterator<Item = i32> {
        self.days.keys().copied()
    }
}

/// Cuts rows where a row ends.
fn segments(mut rows: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut end = 0;
        while end < rows.len() && (end == 0 || end < SEGMENT_BYTES) {
            end += record::length(rows.get(end..)?)?;
        }
        let (segment, rest) = rows.split_at_checked(end)?;
        rows = rest;
        (!segment.is_empty()).then_some(segment)
    })
}

/// The files of all days.
pub(crate) struct DayFiles {
    paths: Vec<PathBuf>,
}

impl DayFiles {
    /// Calls `take` with a day's rows, piece by piece.
    pub(crate) fn read(&self, day: &Day, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let failed = |e: std::io::Error| ImportError::scratch("read back temporary files", e);
        let mut open: BTreeMap<usize, File> = BTreeMap::new();
        let mut decompressor = zstd::bulk::Decompressor::new().map_err(failed)?;
        for segment in &day.segments {
            let file = match open.entry(segment.file) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let path = self.paths.get(segment.file).cloned().unwrap_or_default();
                    entry.insert(File::open(path).map_err(failed)?)
                }
            };
            let mut packed = vec![0; segment.stored];
            file.seek(SeekFrom::Start(segment.offset)).and_then(|_| file.read_exact(&mut packed)).map_err(failed)?;
            take(&decompressor.decompress(&packed, segment.bytes).map_err(failed)?)?;
        }
        if day.held.is_empty() { Ok(()) } else { take(&day.held) }
    }
}
