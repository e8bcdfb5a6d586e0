//! The log on this machine's disk.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::disk::{Disk, RealDisk};
use super::segments::Shared;
use super::writer::{Append, Writer};
use super::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Log, LogError, LogOptions, LogResult, LogState, Opened, RECORD_BYTES_MAX, Read, Record, frame,
    open, read, trim,
};

/// Appends that wait at most, whatever their bytes.
const QUEUE_APPENDS: usize = 16_384;
/// Bytes that a permit of the queue stands for.
const PERMIT_BYTES: usize = 256;

/// A log in segment files of one folder. One process may have it open.
pub struct LocalLog {
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Append>>>,
    room: Arc<Semaphore>,
    permits: usize,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl LocalLog {
    /// Opens a log, and makes it if there is none. Says what was cut off and what is damaged.
    ///
    /// # Errors
    ///
    /// `InUse`, `Version`, and `Io` with the file.
    pub async fn open(folder: &Path, options: LogOptions) -> LogResult<(Self, Opened)> {
        Self::open_on(folder, options, Box::new(RealDisk)).await
    }

    /// The same on another disk.
    ///
    /// # Errors
    ///
    /// As [`LocalLog::open`].
    pub async fn open_on(folder: &Path, options: LogOptions, disk: Box<dyn Disk>) -> LogResult<(Self, Opened)> {
        let folder = folder.to_owned();
        blocking(move || Self::open_now(&folder, options, disk)).await
    }

    fn open_now(folder: &Path, options: LogOptions, disk: Box<dyn Disk>) -> LogResult<(Self, Opened)> {
        let permits = (options.queue_bytes.max(APPEND_BYTES_MAX) / PERMIT_BYTES).min(Semaphore::MAX_PERMITS);
        let (shared, active, opened) = open::open(folder, options, disk)?;
        let next = shared.segments().next;
        let (queue, waiting) = mpsc::channel(QUEUE_APPENDS);
        let writer = Writer::new(Arc::clone(&shared), active, next);
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(waiting));
        let thread = thread.map_err(|e| LogError::io("start a thread for", folder, e))?;
        let queue = Mutex::new(Some(queue));
        let log = Self { shared, queue, room: Arc::new(Semaphore::new(permits)), permits, writer: Mutex::new(Some(thread)) };
        Ok((log, opened))
    }

    /// Ends it: what was appended before is written and answered, whoever appends after gets `Closed`.
    pub async fn close(&self) {
        self.room.close();
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A panic there was printed there, and those who waited were told.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }

    async fn enqueue(&self, records: Vec<Record>, bytes: usize) -> LogResult<Range<u64>> {
        let permits = bytes.div_ceil(PERMIT_BYTES).min(self.permits) as u32;
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await.map_err(|_| LogError::Closed)?;
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(LogError::Closed)?;
        let (answer, answered) = oneshot::channel();
        queue.send(Append { records, bytes, answer, room }).await.map_err(|_| LogError::Closed)?;
        drop(queue);
        answered.await.unwrap_or(Err(LogError::Closed))
    }

    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> LogResult<T> + Send + 'static) -> LogResult<T> {
        let shared = Arc::clone(&self.shared);
        blocking(move || work(&shared)).await
    }
}

/// Runs what waits for the disk on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> LogResult<T> + Send + 'static) -> LogResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
        // The runtime ends.
        Err(_) => Err(LogError::Closed),
    }
}

#[async_trait::async_trait]
impl Log for LocalLog {
    async fn append(&self, records: Vec<Record>) -> LogResult<Range<u64>> {
        if records.is_empty() {
            let next = self.shared.segments().next;
            return Ok(next..next);
        }
        let bytes = records.iter().map(frame::size).sum();
        let long = records.iter().any(|record| record.bytes.len() > RECORD_BYTES_MAX);
        if bytes > APPEND_BYTES_MAX || records.len() > APPEND_RECORDS_MAX || long {
            return Err(LogError::TooLarge { bytes, records: records.len() });
        }
        self.enqueue(records, bytes).await
    }

    async fn read(&self, from: u64, bytes_max: usize) -> LogResult<Read> {
        let mut end = self.shared.end.subscribe();
        let next = *end.borrow_and_update();
        if from > next {
            return Err(LogError::Beyond { from, next });
        }
        let closed = self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if from == next && closed {
            return Err(LogError::Closed);
        }
        end.wait_for(|next| *next > from).await.map_err(|_| LogError::Closed)?;
        self.with(move |shared| read::read(shared, from, bytes_max)).await
    }

    async fn register(&self, consumer: &str) -> LogResult<u64> {
        let consumer = consumer.to_owned();
        self.with(move |shared| trim::register(shared, &consumer)).await
    }

    async fn checkpoint(&self, consumer: &str, below: u64) -> LogResult<()> {
        let consumer = consumer.to_owned();
        self.with(move |shared| trim::checkpoint(shared, &consumer, below)).await
    }

    async fn forget(&self, consumer: &str) -> LogResult<()> {
        let consumer = consumer.to_owned();
        self.with(move |shared| trim::forget(shared, &consumer)).await
    }

    async fn trim(&self, below: u64) -> LogResult<u64> {
        self.with(move |shared| trim::trim(shared, below)).await
    }

    fn state(&self) -> LogState {
        let segments = self.shared.segments();
        LogState {
            first: segments.first,
            next: segments.next,
            bytes: segments.bytes(),
            oldest_received_at: segments.list.iter().find_map(|segment| segment.received_at),
            refusing: segments.refusing.clone(),
            gaps: segments.gaps.clone(),
            gaps_count: segments.gaps_count,
            commits: segments.commits,
            sync_us: segments.sync_us,
        }
    }
}
