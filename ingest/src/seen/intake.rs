//! The door to the log: duplicates are answered, all else is appended.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::files::{Files, MERGE_RUNS, Runs};
use super::run::Entry;
use super::table::{Fate, Flight, Reserved, Table};
use super::{SeenOptions, SeenState, merge, run};
use crate::log::disk::Disk;
use crate::log::{Log, LogError, LogResult, Read, Record};

/// The name of the consumer that holds the log until ids are in files.
pub const CONSUMER: &str = "seen";
/// How long those are told to wait who are refused, and until a failed file is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes that a permit to wait stands for.
const PERMIT_BYTES: usize = 256;
/// Bytes of the log read at a time on opening.
const READ_BYTES: usize = 4 << 20;
/// Runs span this part of the horizon at most when they are merged, so that they go soon after they expire.
const SPAN_PART: i64 = 4;
/// Files are kept this part of the horizon longer, for records whose time of receiving lies before that of others in the log.
const DISORDER_PART: i64 = 24;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the log, at this offset.
    Stored(u64),
    /// Another one with its key is.
    Duplicate,
}

/// Appends to a log what is no duplicate. Nobody else appends to that log.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    log: Arc<dyn Log>,
    options: SeenOptions,
    horizon_us: i64,
    table: Mutex<Table>,
    files: Mutex<Files>,
    /// One writes a file.
    flushing: AtomicBool,
    /// One merges files.
    tending: AtomicBool,
    /// After a failure: the next attempt, and why.
    failed: Mutex<Option<(Instant, String)>>,
    room: Arc<Semaphore>,
    permits: usize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Intake {
    /// Opens the memory of ids in a folder of its own and reads from the log what it lacks. Also what of it cannot be read: duplicates of
    /// those messages are not recognised.
    ///
    /// # Errors
    ///
    /// Those of reading and registering; `Io` for the folder.
    pub async fn open(log: Arc<dyn Log>, folder: &Path, options: SeenOptions, disk: Arc<dyn Disk>) -> LogResult<(Self, Vec<String>)> {
        let held = log.register(CONSUMER).await?;
        let path = folder.to_owned();
        let opened = tokio::task::spawn_blocking(move || Files::open(disk, &path)).await.map_err(|_| LogError::Closed)?;
        let (files, mut lost) = opened.map_err(|e| LogError::io("open the ids in", folder, e))?;
        let from = files.covered.max(log.state().first);
        if files.covered < held {
            lost.push(format!("{}: ids of offsets {} to {held} of the log", folder.display(), files.covered));
        }
        let table = Table::new(Arc::clone(&files.runs), from);
        let permits = options.waiting_bytes.max(crate::log::APPEND_BYTES_MAX) / PERMIT_BYTES;
        let inner = Inner {
            log,
            horizon_us: i64::try_from(options.horizon.as_micros()).unwrap_or(i64::MAX),
            options,
            table: Mutex::new(table),
            files: Mutex::new(files),
            flushing: AtomicBool::new(false),
            tending: AtomicBool::new(false),
            failed: Mutex::new(None),
            room: Arc::new(Semaphore::new(permits)),
            permits,
        };
        let intake = Self(Arc::new(inner));
        intake.catch_up(from).await?;
        Ok((intake, lost))
    }

    /// Reads the log to its end.
    async fn catch_up(&self, mut from: u64) -> LogResult<()> {
        let inner = &self.0;
        while from < inner.log.state().next {
            let read = inner.log.read(from, READ_BYTES).await?;
            let next = read.next(from);
            match read {
                Read::Entries(entries) => {
                    let bytes = entries.iter().map(|entry| entry.record.bytes.len() as u64).sum();
                    let messages: Vec<_> = entries.iter().map(|entry| (entry.record.key, entry.record.received_at)).collect();
                    locked(&inner.table).insert(&messages, bytes, from..next);
                }
                Read::Gap(_) => locked(&inner.table).pass(next),
            }
            from = next;
            if inner.is_due() {
                self.flush().await;
                if let Some((_, why)) = &*locked(&inner.failed) {
                    return Err(LogError::Unavailable { what: format!("write ids to a file: {why}"), retry_after: PAUSE, source: None });
                }
            }
        }
        Ok(())
    }

    /// Stores records, each once: of those with one key, received within the horizon, the first. Answers when all of them, or those that they
    /// are duplicates of, are durable. One outcome a record, in order.
    ///
    /// # Errors
    ///
    /// Those of the log; `Unavailable` too when it takes too long. Then some may be stored, now or later: whoever sends all of them
    /// again gets the rest stored, and no one twice.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer; what is on its way is stored.
    pub async fn append(&self, records: Vec<Record>) -> LogResult<Vec<Outcome>> {
        let wait_max = self.0.options.wait_max;
        timeout(wait_max, self.store(records)).await.unwrap_or_else(|_| {
            let what = format!("make records durable within {wait_max:?}");
            Err(LogError::Unavailable { what, retry_after: PAUSE, source: None })
        })
    }

    async fn store(&self, mut records: Vec<Record>) -> LogResult<Vec<Outcome>> {
        let inner = &self.0;
        let bytes: usize = records.iter().map(|record| record.bytes.len() + size_of::<Record>()).sum();
        let permits = bytes.div_ceil(PERMIT_BYTES).min(inner.permits) as u32;
        let room = Arc::clone(&inner.room).acquire_many_owned(permits).await.map_err(|_| LogError::Closed)?;
        let reserved = loop {
            let runs = Arc::clone(&locked(&inner.table).runs);
            let old = inner.old(&records, &runs).await?;
            let mut table = locked(&inner.table);
            if table.frozen.is_some() && table.recent.len() >= 2 * inner.options.memory_ids {
                let what = "remember more message ids until the last ones are in a file".to_owned();
                return Err(LogError::Unavailable { what, retry_after: PAUSE, source: None });
            }
            // Ids may have left memory for a file that was not looked into.
            if Arc::ptr_eq(&runs, &table.runs) {
                break table.reserve(std::mem::take(&mut records), &old, inner.horizon_us);
            }
        };
        let Reserved { fates, fresh, landed, others } = reserved;
        let mut flight = landed.subscribe();
        if fresh.is_empty() {
            landed.send_replace(Some(Ok(0)));
            drop(room);
        } else {
            let intake = self.clone();
            let messages = fresh.iter().map(|record| (record.key, record.received_at)).collect();
            // Whoever waits may go away; others wait for the same messages.
            tokio::spawn(async move {
                let mut landing = Landing { intake: intake.clone(), messages, bytes: bytes as u64, answer: Err(LogError::Closed), landed };
                landing.answer = intake.0.log.append(fresh).await;
                drop(landing);
                drop(room);
                intake.tend().await;
            });
        }
        let start = wait(&mut flight).await?;
        for mut other in others {
            wait(&mut other).await?;
        }
        let outcome = |fate| match fate {
            Fate::Fresh(n) => Outcome::Stored(start + n),
            Fate::Duplicate => Outcome::Duplicate,
        };
        Ok(fates.into_iter().map(outcome).collect())
    }

    /// Writes ids to a file if it is time, and merges files if there are many.
    async fn tend(&self) {
        if self.0.is_due() {
            self.flush().await;
        }
    }

    async fn flush(&self) {
        let inner = &self.0;
        if inner.flushing.swap(true, Ordering::AcqRel) {
            return;
        }
        let intake = self.clone();
        let flushed = tokio::task::spawn_blocking(move || intake.0.write_file()).await;
        inner.flushing.store(false, Ordering::Release);
        if let Ok(Some(covered)) = flushed {
            // If that fails the log is held longer, and the next file says it again.
            let _ = inner.log.checkpoint(CONSUMER, covered).await;
            if !inner.tending.swap(true, Ordering::AcqRel) {
                let intake = self.clone();
                tokio::task::spawn_blocking(move || {
                    intake.0.note(intake.0.merge_files());
                    intake.0.tending.store(false, Ordering::Release);
                });
            }
        }
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> SeenState {
        let covered = locked(&self.0.files).covered;
        let table = locked(&self.0.table);
        let sum = |of: fn(&run::Run) -> u64| table.runs.iter().map(|placed| of(&placed.run)).sum();
        SeenState {
            memory_ids: table.recent.len() as u64 + table.frozen.as_ref().map_or(0, |(ids, _)| ids.len() as u64),
            file_ids: sum(|run| run.entries),
            files: table.runs.len() as u64,
            filter_bytes: sum(run::Run::memory_bytes),
            file_bytes: sum(run::Run::file_bytes),
            covered,
            duplicates: table.duplicates,
            damaged: sum(|run| run.damaged.load(Ordering::Relaxed)),
            failing: locked(&self.0.failed).as_ref().map(|failed| failed.1.clone()),
        }
    }
}

async fn wait(flight: &mut Flight) -> LogResult<u64> {
    match flight.wait_for(Option::is_some).await {
        Ok(landed) => landed.clone().unwrap_or(Err(LogError::Closed)),
        Err(_) => Err(LogError::Closed),
    }
}

/// Ends a flight, whatever happens: an append that is never answered would make its messages duplicates of nothing.
struct Landing {
    intake: Intake,
    messages: Vec<(u128, i64)>,
    bytes: u64,
    answer: LogResult<std::ops::Range<u64>>,
    landed: tokio::sync::watch::Sender<Option<LogResult<u64>>>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        locked(&self.intake.0.table).land(&self.messages, self.bytes, self.answer.clone().ok());
        self.landed.send_replace(Some(self.answer.clone().map(|offsets| offsets.start)));
    }
}

impl Inner {
    /// Which records files know. Filters are asked here, files on a thread that may wait.
    async fn old(&self, records: &[Record], runs: &Runs) -> LogResult<Vec<bool>> {
        let mut old = vec![false; records.len()];
        let mut asked = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let after = record.received_at.saturating_sub(self.horizon_us);
            for (place, placed) in runs.iter().enumerate().rev() {
                if record.key != 0 && placed.run.last_received >= after && placed.run.may_have(record.key) {
                    asked.push((number, place, record.key, after));
                }
            }
        }
        if asked.is_empty() {
            return Ok(old);
        }
        let runs = Arc::clone(runs);
        let look = move || -> std::io::Result<Vec<usize>> {
            let mut found = Vec::new();
            for (number, place, key, after) in asked {
                if let Some(placed) = runs.get(place).filter(|_| found.last() != Some(&number))
                    && placed.run.has(key, after)?
                {
                    found.push(number);
                }
            }
            Ok(found)
        };
        let found = tokio::task::spawn_blocking(look).await.map_err(|_| LogError::Closed)?;
        for number in found.map_err(|e| LogError::now("look for message ids", PAUSE, e))? {
            if let Some(old) = old.get_mut(number) {
                *old = true;
            }
        }
        Ok(old)
    }

    /// Whether ids are to go to a file.
    fn is_due(&self) -> bool {
        if locked(&self.failed).as_ref().is_some_and(|(until, _)| Instant::now() < *until) {
            return false;
        }
        let table = locked(&self.table);
        table.frozen.is_some() || table.recent.len() >= self.options.memory_ids || table.bytes >= self.options.log_bytes
    }

    fn note<T>(&self, done: std::io::Result<T>) -> Option<T> {
        let (done, failed) = match done {
            Ok(done) => (Some(done), None),
            Err(error) => (None, Some((Instant::now() + PAUSE, error.to_string()))),
        };
        *locked(&self.failed) = failed;
        done
    }

    /// Writes what is in memory to a file, and says up to where the log is not needed for it any more.
    fn write_file(&self) -> Option<u64> {
        let (ids, covered) = locked(&self.table).freeze();
        let mut entries: Vec<Entry> = ids.iter().map(|(key, received_at)| (*key, *received_at)).collect();
        entries.sort_unstable();
        let mut files = locked(&self.files);
        self.note(files.add(&entries, covered))?;
        let mut table = locked(&self.table);
        table.runs = Arc::clone(&files.runs);
        table.frozen = None;
        Some(covered)
    }

    /// Gives up what is expired, and merges what is mergeable.
    fn merge_files(&self) -> std::io::Result<()> {
        let kept_us = self.horizon_us.saturating_add(self.horizon_us / DISORDER_PART);
        let after = locked(&self.table).newest.saturating_sub(kept_us);
        let publish = |files: &Files| locked(&self.table).runs = Arc::clone(&files.runs);
        {
            let mut files = locked(&self.files);
            files.expire(after)?;
            publish(&files);
        }
        loop {
            let (chosen, (number, path), disk) = {
                let mut files = locked(&self.files);
                let Some(chosen) = files.mergeable(self.horizon_us / SPAN_PART) else { return Ok(()) };
                (chosen, files.number(), files.disk())
            };
            let mut sources: Vec<Box<dyn Iterator<Item = std::io::Result<Entry>> + '_>> = Vec::with_capacity(MERGE_RUNS);
            for placed in &chosen {
                sources.push(Box::new(placed.run.iter()));
            }
            let most = chosen.iter().map(|placed| placed.run.entries).sum();
            let made = run::write(&*disk, &path, most, merge::merged(sources, after));
            if made.is_err() {
                // What is left of it would be removed on the next opening.
                let _ = disk.remove(&path);
            }
            let mut files = locked(&self.files);
            files.replace(&chosen, number, made?)?;
            publish(&files);
        }
    }
}
