//! Reading by offset: sound records, or the gap that stands in their place.

use std::io;

use bytes::Bytes;

use super::disk::{DiskFile, read_full};
use super::frame::{self, FRAME_MAX, HEAD};
use super::segments::Shared;
use super::{Entry, Gap, LogError, LogResult, Read};

/// Bytes read at least at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes that a read gives at most.
const READ_BYTES_MAX: usize = 8 << 20;

/// Where a read is, in one segment.
struct Place {
    /// First offset of the segment.
    segment: u64,
    seed: Option<u64>,
    /// Valid bytes of the file.
    bytes: u64,
    /// The first offset that stands elsewhere.
    limit: u64,
    /// The offset that is expected at `at`.
    offset: u64,
    at: u64,
}

/// What stands at a place.
enum Found {
    /// Records, up to the place.
    Entries(Vec<Entry>),
    /// Nothing readable before this offset.
    Damage { next: u64, reason: &'static str },
}

/// Reads from an offset on that is durable: below `next`.
pub(crate) fn read(shared: &Shared, from: u64, bytes_max: usize) -> LogResult<Read> {
    let place = {
        let segments = shared.segments();
        if from < segments.first {
            return Err(LogError::Trimmed { from, first: segments.first });
        }
        match segments.holding(from) {
            None => Err(segments.list.front().map_or(segments.next, |segment| segment.first)),
            Some((segment, limit)) => {
                let (offset, at) = segments.left(from, segment.first).map_or_else(|| segment.near(from), |at| (from, at));
                Ok(Place { segment: segment.first, seed: segment.seed, bytes: segment.bytes, limit, offset, at })
            }
        }
    };
    let mut place = match place {
        Ok(place) => place,
        Err(next) => return Ok(gap(shared, from, next, from, "the file is gone")),
    };
    let file = match shared.disk.open(&shared.path(place.segment)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let first = shared.segments().first;
            return match from < first {
                true => Err(LogError::Trimmed { from, first }),
                false => Ok(gap(shared, from, place.limit, place.segment, "the file is gone")),
            };
        }
        Err(e) => return Err(LogError::now("open its file", shared.options.pause, e)),
    };
    let found = walk(&*file, &mut place, from, bytes_max.min(READ_BYTES_MAX));
    match found.map_err(|e| LogError::now("read its file", shared.options.pause, e))? {
        Found::Entries(entries) => {
            let mut segments = shared.segments();
            segments.leave(place.offset, place.segment, place.at);
            if let Some(segment) = segments.segment(place.segment) {
                segment.mark(place.offset, place.at);
            }
            Ok(Read::Entries(entries))
        }
        Found::Damage { next, reason } => Ok(gap(shared, from, next, place.segment, reason)),
    }
}

fn gap(shared: &Shared, from: u64, next: u64, segment: u64, reason: &str) -> Read {
    let gap = Gap { from, next, file: shared.path(segment), reason: reason.to_owned() };
    shared.segments().note(gap.clone());
    Read::Gap(gap)
}

/// Goes from `place` to the record `from` and takes records from there.
fn walk(file: &dyn DiskFile, place: &mut Place, from: u64, bytes_max: usize) -> io::Result<Found> {
    let Some(seed) = place.seed else {
        return Ok(Found::Damage { next: place.limit, reason: "both copies of the file's header are damaged" });
    };
    let (mut entries, mut taken) = (Vec::new(), 0);
    let mut buffer = Bytes::new();
    let mut start = place.at;
    while place.offset < place.limit && (entries.is_empty() || taken < bytes_max) {
        let at = (place.at - start) as usize;
        let rest = buffer.get(at..).unwrap_or_default();
        let head = frame::head(rest, seed);
        let whole = head.is_some_and(|head| rest.len() >= head.size);
        if !whole && start + (buffer.len() as u64) < place.bytes && (head.is_some() || rest.len() < HEAD) {
            // The record goes on past what was read.
            let had = rest.len();
            start = place.at;
            let length = (bytes_max - taken.min(bytes_max)).max(CHUNK_BYTES).max(head.map_or(0, |head| head.size));
            buffer = read_chunk(file, start, length, place.bytes)?;
            if buffer.len() <= had {
                break;
            }
            continue;
        }
        let head = head.filter(|head| whole && head.offset == place.offset && head.offset < place.limit);
        let record = match head {
            Some(head) if head.offset < from => None,
            Some(head) => match frame::record(&buffer, at, &head, seed) {
                Some(record) => Some(record),
                None => break,
            },
            None => break,
        };
        if let Some((head, record)) = head.zip(record) {
            entries.push(Entry { offset: head.offset, record });
        }
        let size = head.map_or(0, |head| head.size);
        taken += if place.offset < from { 0 } else { size };
        place.at += size as u64;
        place.offset += 1;
    }
    if !entries.is_empty() {
        return Ok(Found::Entries(entries));
    }
    // Damage at the place: look for the next sound record behind it.
    let rest = read_chunk(file, place.at, usize::MAX, place.bytes)?;
    let short = place.at + (rest.len() as u64) < place.bytes;
    let reason = if short { "the file is cut off" } else { "a record's check does not fit" };
    match frame::resume(&rest, 0, seed, place.offset).filter(|(_, head)| head.offset < place.limit) {
        Some((at, head)) if head.offset <= from => {
            (place.offset, place.at) = (head.offset, place.at + at as u64);
            walk(file, place, from, bytes_max)
        }
        Some((_, head)) => Ok(Found::Damage { next: head.offset, reason }),
        None => Ok(Found::Damage { next: place.limit, reason }),
    }
}

/// Bytes of a file from a place on, `length` or up to the end of what is valid. Less only if the file is shorter than that.
fn read_chunk(file: &dyn DiskFile, at: u64, length: usize, valid: u64) -> io::Result<Bytes> {
    let size = file.size()?.min(valid).saturating_sub(at).min(length as u64) as usize;
    let mut buffer = vec![0; size];
    let done = read_full(file, &mut buffer, at)?;
    buffer.truncate(done);
    Ok(Bytes::from(buffer))
}

const _: () = assert!(READ_BYTES_MAX >= FRAME_MAX, "a read holds the largest record");
