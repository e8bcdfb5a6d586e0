//! Opening a log: which files there are, what of the last one counts, and what is damaged.
//!
//! The last segment is read whole. What stands in it need not be on disk, however well it reads: a sync may have failed before the crash. So it
//! is written once more, byte for byte in place, and synced, before anybody gets it. Earlier segments are durable, or their followers would not
//! be there; they are checked for being there and long enough, and their records when they are read.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::disk::{Disk, DiskFile, read_full};
use super::frame::{self, FRAME_MIN, HEADERS, Header, NoHeader, Scan};
use super::positions::PositionsFile;
use super::segments::{Segment, Segments, Shared, aside, first_of, path};
use super::writer::Active;
use super::{Gap, LogError, LogOptions, LogResult};

/// What was found on opening.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// Bytes of a torn end that were cut off; they were never acknowledged. They are kept in the folder `damaged`.
    pub cut_bytes: u64,
    /// Damage found: durable records that are lost. More may be found by reading.
    pub gaps: Vec<Gap>,
    /// Whether the file of positions could not be read: consumers begin again at the first offset kept.
    pub positions_lost: bool,
}

/// What a segment file says of itself.
struct Found {
    first: u64,
    header: Option<Header>,
    size: u64,
    file: Box<dyn DiskFile>,
}

/// Opens what is in a folder, and makes it if there is nothing.
pub(crate) fn open(folder: &Path, options: LogOptions, disk: Box<dyn Disk>) -> LogResult<(Arc<Shared>, Option<Active>, Opened)> {
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |e| LogError::io(what, &path, e)
    };
    disk.make_folder(&aside(folder)).map_err(io("make the folder", folder))?;
    let lock_path = folder.join("lock");
    let lock = disk.lock(&lock_path).map_err(|e| match e.kind() {
        std::io::ErrorKind::WouldBlock => LogError::InUse { path: lock_path.clone() },
        _ => LogError::io("lock", &lock_path, e),
    })?;
    let names = disk.list(folder).map_err(io("list", folder))?;
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        let path = folder.join(name);
        disk.remove(&path).map_err(io("remove", &path))?;
    }
    let positions_path = folder.join("positions");
    let missing = !names.iter().any(|name| name == "positions");
    let (mut positions, lost) = PositionsFile::open(&*disk, positions_path.clone()).map_err(io("open", &positions_path))?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| first_of(name)).collect();
    firsts.sort_unstable();
    let mut opened = Opened { positions_lost: lost || (missing && firsts.first().is_some_and(|first| *first > 0)), ..Opened::default() };
    if opened.positions_lost {
        let mut now = positions.now().clone();
        (now.first, now.newest) = (firsts.first().copied().unwrap_or(0), firsts.last().copied());
        positions.store(&*disk, now).map_err(io("write", &positions_path))?;
    }
    let first = positions.now().first;
    let mut found = Vec::new();
    for (place, at) in firsts.iter().enumerate() {
        let path = path(folder, *at);
        if firsts.get(place + 1).is_some_and(|follower| *follower <= first) {
            disk.remove(&path).map_err(io("remove", &path))?;
        } else {
            found.push(look(&*disk, *at, &path)?);
        }
    }
    let mut segments = Segments::new(first);
    let last = found.pop();
    settled(&found, last.as_ref(), folder, &mut segments)?;
    let active = match last {
        Some(last) => end(&*disk, last, folder, &mut segments, &mut opened)?,
        None => {
            segments.next = first;
            None
        }
    };
    let active = beyond(active, &positions, folder, &mut segments);
    if let Some(at) = segments.list.front().map_or(Some(segments.next), |segment| Some(segment.first)).filter(|at| *at > first) {
        note(&mut segments, folder, first, first, at, "the file is gone");
    }
    opened.gaps = segments.gaps.clone();
    let end = watch::Sender::new(segments.next);
    let (segments, positions) = (Mutex::new(segments), Mutex::new(positions));
    let shared = Shared { disk, folder: folder.to_owned(), options, segments, positions, end, _lock: lock };
    Ok((Arc::new(shared), active, opened))
}

fn note(segments: &mut Segments, folder: &Path, file: u64, from: u64, next: u64, reason: &str) {
    segments.note(Gap { from, next, file: path(folder, file), reason: reason.to_owned() });
}

fn look(disk: &dyn Disk, first: u64, path: &Path) -> LogResult<Found> {
    let failed = |e| LogError::io("read", path, e);
    let file = disk.open(path).map_err(failed)?;
    let size = file.size().map_err(failed)?;
    let mut bytes = [0; HEADERS];
    let length = read_full(&*file, &mut bytes, 0).map_err(failed)?;
    let header = match Header::read(bytes.get(..length).unwrap_or_default()) {
        Ok(header) => Some(header).filter(|header| header.first == first),
        Err(NoHeader::Damaged) => None,
        Err(NoHeader::Version(version)) => {
            let message = format!("is of version {:?}, and this program knows '1'", char::from(version));
            return Err(LogError::Version { path: path.to_owned(), message });
        }
    };
    Ok(Found { first, header, size, file })
}

/// Reads a whole segment, up to its valid bytes.
fn whole(found: &Found, folder: &Path, valid: u64) -> LogResult<Vec<u8>> {
    let mut bytes = vec![0; found.size.min(valid) as usize];
    let length = read_full(&*found.file, &mut bytes, 0).map_err(|e| LogError::io("read", &path(folder, found.first), e))?;
    bytes.truncate(length);
    Ok(bytes)
}

/// The segments before the last one: each is as long as its follower says.
fn settled(found: &[Found], last: Option<&Found>, folder: &Path, segments: &mut Segments) -> LogResult<()> {
    for (place, here) in found.iter().enumerate() {
        let Some(follower) = found.get(place + 1).or(last) else { break };
        let named = follower.header.filter(|header| header.before == here.first);
        let bytes = named.map_or(here.size, |header| header.before_bytes);
        let mut segment = Segment::new(here.first, here.header.map(|header| header.seed), bytes);
        let (next, reason) = match (here.header, named) {
            (None, _) => (here.first, "both copies of the file's header are damaged"),
            (_, Some(named)) if bytes <= here.size => (named.before_next, "the end of the log was gone"),
            // Cut off, or without its follower: how far does it go?
            (Some(header), _) => {
                (frame::scan(&whole(here, folder, bytes)?, &header).next, "the file is cut off, or the one after it is gone")
            }
        };
        segment.next = next;
        segment.received_at = received_at(here, folder)?;
        segments.list.push_back(segment);
        if next < follower.first {
            segments.next = follower.first;
            note(segments, folder, here.first, next.max(segments.first), follower.first, reason);
        }
    }
    Ok(())
}

/// When the first record of a segment was received.
fn received_at(found: &Found, folder: &Path) -> LogResult<Option<i64>> {
    let mut bytes = [0; frame::HEAD + 8];
    let read = read_full(&*found.file, &mut bytes, HEADERS as u64);
    let length = read.map_err(|e| LogError::io("read", &path(folder, found.first), e))?;
    let time = bytes.last_chunk().map(|bytes| i64::from_le_bytes(*bytes));
    Ok(time.filter(|_| length == bytes.len()))
}

/// The last segment: what of it counts is made durable, a torn end is cut off.
fn end(disk: &dyn Disk, last: Found, folder: &Path, segments: &mut Segments, opened: &mut Opened) -> LogResult<Option<Active>> {
    let path = path(folder, last.first);
    let Some(header) = last.header else {
        // No offset that stood in it is given again.
        segments.next = last.first + last.size / FRAME_MIN + 1;
        segments.list.push_back(Segment::new(last.first, None, last.size));
        let next = segments.next;
        note(segments, folder, last.first, last.first.max(segments.first), next, "both copies of the file's header are damaged");
        return Ok(None);
    };
    let bytes = whole(&last, folder, u64::MAX)?;
    let Scan { end, next, holes } = frame::scan(&bytes, &header);
    let (kept, cut) = bytes.split_at(end.min(bytes.len()));
    if !cut.is_empty() {
        opened.cut_bytes = cut.len() as u64;
        keep(disk, &aside(folder).join(format!("{:020}-{end}.cut", last.first)), cut)?;
    }
    let failed = |e| LogError::io("write", &path, e);
    last.file.write_all_at(kept, 0).map_err(failed)?;
    last.file.set_size(end as u64).map_err(failed)?;
    last.file.sync().map_err(failed)?;
    disk.sync_folder(folder).map_err(|e| LogError::io("sync", folder, e))?;
    segments.next = next;
    let mut segment = Segment::new(last.first, Some(header.seed), end as u64);
    segment.next = next;
    segment.received_at = received_at(&last, folder)?.filter(|_| end > HEADERS);
    segments.list.push_back(segment);
    for hole in holes {
        note(segments, folder, last.first, hole.from, hole.next, "a record's check does not fit");
    }
    Ok(Some(Active { file: last.file, first: last.first, seed: header.seed, at: end as u64 }))
}

/// Keeps a torn end aside. On a full disk it is not worth stopping for: it was never acknowledged.
fn keep(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> LogResult<()> {
    let kept = disk.create(path).and_then(|file| file.write_all_at(bytes, 0).and_then(|()| file.sync()));
    match kept {
        Err(e) if e.kind() == std::io::ErrorKind::StorageFull => Ok(()),
        kept => kept.map_err(|e| LogError::io("write", path, e)),
    }
}

/// If the newest segment is gone, or a consumer has been further than the end, then durable records are lost at the end. Their offsets are not
/// given again: the next record begins a segment of its own behind them.
fn beyond(active: Option<Active>, positions: &PositionsFile, folder: &Path, segments: &mut Segments) -> Option<Active> {
    let now = positions.now();
    let there = segments.list.back().map(|segment| segment.first);
    let gone = now.newest.filter(|newest| there.is_none_or(|there| there < *newest));
    // How many records the lost file had is not known, but the most that fit.
    let most = super::APPEND_BYTES_MAX as u64 * 2 + (1 << 30);
    let next = gone.map_or(0, |newest| newest + most / FRAME_MIN).max(now.consumers.values().copied().max().unwrap_or(0));
    if next <= segments.next {
        return active;
    }
    let from = segments.next.max(now.first);
    segments.next = next;
    if let Some(file) = gone.or(there) {
        note(segments, folder, file, from, next, "the end of the log is gone");
    }
    None
}
