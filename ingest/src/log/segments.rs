//! What the writer, readers and trimming share: which segments there are, and how much of each is durable.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::disk::Disk;
use super::positions::PositionsFile;
use super::{GAPS_MAX, Gap, LogOptions};

/// Bytes between two marks of a segment.
const MARK_BYTES: u64 = 256 << 10;
/// Places that were read up to and are remembered exactly.
const CURSORS_MAX: usize = 64;

/// A segment file.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    /// None if its header is damaged: nothing of it can be read.
    pub(crate) seed: Option<u64>,
    /// Bytes that are durable and acknowledged.
    pub(crate) bytes: u64,
    /// The offset after its last record.
    pub(crate) next: u64,
    /// When its first record was received.
    pub(crate) received_at: Option<i64>,
    /// Kept aside instead of removed.
    pub(crate) damaged: bool,
    /// Places of offsets, ascending.
    marks: Vec<(u64, u64)>,
}

impl Segment {
    pub(crate) fn new(first: u64, seed: Option<u64>, bytes: u64) -> Self {
        Self { first, seed, bytes, next: first, received_at: None, damaged: false, marks: Vec::new() }
    }

    /// Remembers where an offset stands, if that helps.
    pub(crate) fn mark(&mut self, offset: u64, at: u64) {
        let place = self.marks.partition_point(|mark| mark.0 <= offset);
        let far = |mark: Option<&(u64, u64)>| mark.is_none_or(|mark| mark.1.abs_diff(at) >= MARK_BYTES);
        if at >= MARK_BYTES && far(place.checked_sub(1).and_then(|before| self.marks.get(before))) && far(self.marks.get(place)) {
            self.marks.insert(place, (offset, at));
        }
    }

    /// The nearest place known at or before an offset.
    pub(crate) fn near(&self, offset: u64) -> (u64, u64) {
        let place = self.marks.partition_point(|mark| mark.0 <= offset);
        let mark = place.checked_sub(1).and_then(|before| self.marks.get(before));
        mark.copied().unwrap_or((self.first, super::frame::HEADERS as u64))
    }
}

/// What is known of all segments.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    /// By their first offsets.
    pub(crate) list: VecDeque<Segment>,
    /// Offsets below are given up.
    pub(crate) first: u64,
    /// Offsets below are durable.
    pub(crate) next: u64,
    pub(crate) refusing: Option<String>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) gaps_count: u64,
    pub(crate) commits: u64,
    pub(crate) sync_us: u64,
    /// Offset, first offset of its segment, place.
    cursors: VecDeque<(u64, u64, u64)>,
}

impl Segments {
    /// None yet, of a log that is kept from an offset on.
    pub(crate) fn new(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.list.iter().map(|segment| segment.bytes).sum()
    }

    /// The segment where an offset stands, and the first offset after it that is in another one, or not durable.
    pub(crate) fn holding(&self, offset: u64) -> Option<(&Segment, u64)> {
        let place = self.list.partition_point(|segment| segment.first <= offset).checked_sub(1)?;
        Some((self.list.get(place)?, self.list.get(place + 1).map_or(self.next, |follower| follower.first)))
    }

    /// The segment that begins at an offset.
    pub(crate) fn segment(&mut self, first: u64) -> Option<&mut Segment> {
        let place = self.list.binary_search_by_key(&first, |segment| segment.first).ok()?;
        self.list.get_mut(place)
    }

    /// Notes damage, once, and that its segment is to be kept aside.
    pub(crate) fn note(&mut self, gap: Gap) {
        let place = self.list.partition_point(|segment| segment.first <= gap.from).checked_sub(1);
        if let Some(segment) = place.and_then(|place| self.list.get_mut(place)) {
            segment.damaged = true;
        }
        if self.gaps.iter().any(|known| known.from <= gap.from && gap.next <= known.next) {
            return;
        }
        self.gaps_count += 1;
        if self.gaps.len() < GAPS_MAX {
            self.gaps.push(gap);
        }
    }

    /// Remembers exactly where a reader goes on.
    pub(crate) fn leave(&mut self, offset: u64, segment: u64, at: u64) {
        self.cursors.retain(|cursor| cursor.0 != offset);
        if self.cursors.len() >= CURSORS_MAX {
            self.cursors.pop_front();
        }
        self.cursors.push_back((offset, segment, at));
    }

    /// Where a reader left off at an offset of a segment.
    pub(crate) fn left(&self, offset: u64, segment: u64) -> Option<u64> {
        self.cursors.iter().rev().find(|cursor| cursor.0 == offset && cursor.1 == segment).map(|cursor| cursor.2)
    }
}

/// What belongs to one open log.
pub(crate) struct Shared {
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) options: LogOptions,
    pub(crate) segments: Mutex<Segments>,
    pub(crate) positions: Mutex<PositionsFile>,
    /// The next offset; all below are durable. For those who wait at the end.
    pub(crate) end: watch::Sender<u64>,
    /// Held while the log is open.
    pub(crate) _lock: Box<dyn Send + Sync>,
}

impl Shared {
    pub(crate) fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn positions(&self) -> MutexGuard<'_, PositionsFile> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self, first: u64) -> PathBuf {
        path(&self.folder, first)
    }
}

/// The file of a segment.
pub(crate) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.log"))
}

/// The first offset of the segment in a file of this name.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

/// Where damaged files are kept.
pub(crate) fn aside(folder: &Path) -> PathBuf {
    folder.join("damaged")
}
