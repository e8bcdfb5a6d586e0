//! The one thread that writes: everything that waits goes into one write and one sync, and is answered after it.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::disk::DiskFile;
use super::frame::{self, HEADERS, Header, NO_SEGMENT};
use super::segments::{Segment, Shared};
use super::{LogError, LogResult, Record};

/// Bytes after which a group takes no more appends.
const GROUP_BYTES: usize = 8 << 20;
/// Bytes of buffer that are kept between groups.
const BUFFER_BYTES: usize = 16 << 20;
/// What somebody is told who was refused for want of room.
const FULL_RETRY: Duration = Duration::from_secs(5);

/// Records that wait.
pub(crate) struct Append {
    pub(crate) records: Vec<Record>,
    pub(crate) bytes: usize,
    pub(crate) answer: oneshot::Sender<LogResult<Range<u64>>>,
    /// Its share of the queue.
    pub(crate) room: OwnedSemaphorePermit,
}

/// The segment that is written.
pub(crate) struct Active {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) first: u64,
    pub(crate) seed: u64,
    /// Where the next record goes.
    pub(crate) at: u64,
}

/// The thread's state.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// None before the first record, after a failure, and when the last one is full.
    pub(crate) active: Option<Active>,
    pub(crate) next: u64,
    buffer: Vec<u8>,
    /// After a failure: what is answered, until when.
    down: Option<(LogError, Instant)>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, active: Option<Active>, next: u64) -> Self {
        Self { shared, active, next, buffer: Vec::new(), down: None }
    }

    /// Writes until nobody can append any more and all is answered.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Append>) {
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.bytes;
            let mut group = vec![first];
            while bytes < GROUP_BYTES
                && let Ok(append) = queue.try_recv()
            {
                bytes += append.bytes;
                group.push(append);
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<Append>) {
        if let Some((error, _)) = self.down.as_ref().filter(|(_, until)| Instant::now() < *until) {
            refuse(group, error);
            return;
        }
        let active = match self.active.take().map_or_else(|| self.begin(), Ok) {
            Ok(active) => active,
            Err(error) => return self.fail(group, error),
        };
        let (group, ends) = self.encode(group, active.seed);
        if group.is_empty() {
            self.active = Some(active);
            return;
        }
        let started = Instant::now();
        let written = active.file.write_all_at(&self.buffer, active.at).and_then(|()| {
            let writing = started.elapsed();
            active.file.sync().map(|()| started.elapsed().saturating_sub(writing))
        });
        match written {
            Ok(sync) => self.publish(active, group, ends, sync),
            Err(error) => {
                let error = LogError::now("write to its file", self.shared.options.pause, error);
                if matches!(error, LogError::Full { .. }) {
                    // Gives back what the group took. If that fails, trimming gives it back.
                    let _ = active.file.set_size(active.at);
                }
                self.fail(group, error);
            }
        }
    }

    /// Puts what there is room for into the buffer; the rest is refused. With each append goes the offset after it.
    fn encode(&mut self, group: Vec<Append>, seed: u64) -> (Vec<Append>, Vec<u64>) {
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES);
        let bytes_max = self.shared.options.bytes_max;
        let room = bytes_max.saturating_sub(self.shared.segments().bytes());
        let (mut taken, mut ends, mut offset) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()), self.next);
        for append in group {
            if (self.buffer.len() + append.bytes) as u64 > room {
                let error = LogError::Full { why: format!("it has its {bytes_max} bytes"), retry_after: FULL_RETRY };
                refuse(vec![append], &error);
                continue;
            }
            for record in &append.records {
                frame::put(&mut self.buffer, seed, offset, (offset - self.next) as u32, record);
                offset += 1;
            }
            taken.push(append);
            ends.push(offset);
        }
        (taken, ends)
    }

    fn publish(&mut self, mut active: Active, group: Vec<Append>, ends: Vec<u64>, sync: Duration) {
        let start = active.at;
        active.at += self.buffer.len() as u64;
        let (from, next) = (self.next, ends.last().copied().unwrap_or(self.next));
        {
            let mut segments = self.shared.segments();
            if let Some(segment) = segments.segment(active.first) {
                (segment.bytes, segment.next) = (active.at, next);
                segment.mark(from, start);
                if segment.received_at.is_none() {
                    segment.received_at = group.first().and_then(|append| append.records.first()).map(|record| record.received_at);
                }
            }
            segments.next = next;
            segments.commits += 1;
            segments.sync_us += sync.as_micros() as u64;
            segments.refusing = None;
        }
        self.next = next;
        self.down = None;
        self.shared.end.send_replace(next);
        if active.at < self.shared.options.segment_bytes() {
            self.active = Some(active);
        }
        let mut start = from;
        for (append, end) in group.into_iter().zip(ends) {
            drop(append.room);
            // Who no longer waits has no need of the answer.
            let _ = append.answer.send(Ok(start..end));
            start = end;
        }
    }

    /// Everybody who waits gets the error, and so does everybody for a while. The file is left as it is, for good.
    fn fail(&mut self, group: Vec<Append>, error: LogError) {
        self.shared.segments().refusing = Some(with_cause(&error));
        refuse(group, &error);
        self.down = Some((error, Instant::now() + self.shared.options.pause));
    }

    /// A new segment, which says how much of the one before it counts.
    fn begin(&mut self) -> LogResult<Active> {
        let shared = Arc::clone(&self.shared);
        let first = self.next;
        // One of the same name has no record that counts, and is replaced.
        let before = shared.segments().list.iter().rev().find(|segment| segment.first < first).map(|s| (s.first, s.bytes, s.next));
        let (before, before_bytes, before_next) = before.unwrap_or((NO_SEGMENT, 0, first));
        let seed = RandomState::new().hash_one(first);
        let header = Header { first, seed, before, before_bytes, before_next };
        let (path, disk) = (shared.path(first), &*shared.disk);
        let make = || {
            let temporary = path.with_extension("tmp");
            let file = disk.create(&temporary)?;
            file.write_all_at(&header.bytes(), 0)?;
            file.sync()?;
            disk.rename(&temporary, &path)?;
            disk.sync_folder(&shared.folder)?;
            let mut positions = shared.positions();
            let mut now = positions.now().clone();
            now.newest = Some(first);
            positions.store(disk, now)?;
            Ok(file)
        };
        let file = make().map_err(|e| LogError::now("begin a new file", shared.options.pause, e))?;
        let mut segments = shared.segments();
        if segments.list.back().is_some_and(|segment| segment.first == first) {
            segments.list.pop_back();
        }
        segments.list.push_back(Segment::new(first, Some(seed), HEADERS as u64));
        Ok(Active { file, first, seed, at: HEADERS as u64 })
    }
}

fn refuse(group: Vec<Append>, error: &LogError) {
    for append in group {
        drop(append.room);
        // Who no longer waits has no need of the answer.
        let _ = append.answer.send(Err(error.clone()));
    }
}

/// An error and what is below it, in one line.
fn with_cause(error: &LogError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
