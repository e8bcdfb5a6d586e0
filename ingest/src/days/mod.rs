//! Writing events, day by day, on several threads.

mod build;
mod sort;
pub(crate) mod spill;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use roaring::RoaringTreemap;
use segment_core::catalog::Catalog;
use store::{EventFileWriter, Seen, Writer};

use crate::error::{ImportError, Result};
use crate::limits::{BATCH_BYTES, BATCH_ROWS};
use crate::origin::Origins;
use crate::pipeline::threads;
use crate::record::Record;
use crate::request::Progress;
use crate::shape::Shape;
use crate::stats::Stats;
use build::EventsBuilder;
use sort::{Order, Sorter};
use spill::{Day, DayFiles};

/// Least memory for sorting a day, in bytes.
const SORT_BYTES_MIN: usize = 1 << 20;

/// What writing needs to know.
pub(crate) struct Job<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) shape: &'a Shape,
    /// Event names by number.
    pub(crate) events: &'a [Arc<str>],
    pub(crate) duplicates: &'a RoaringTreemap,
    pub(crate) origins: Origins<'a>,
    pub(crate) scratch: &'a Path,
    pub(crate) memory_bytes: usize,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) cancelled: &'a AtomicBool,
}

/// Writes all days and hands them to the store's writer, with when users were seen.
pub(crate) fn write(job: &Job<'_>, writer: &mut Writer, days: Vec<(i32, Day)>, files: &DayFiles) -> Result<Stats> {
    let ranks = ranks(job.events);
    let order = Order { ranks: &ranks, duplicates: job.duplicates };
    let threads = threads().min(days.len()).max(1);
    let memory_bytes = (job.memory_bytes / threads).max(SORT_BYTES_MIN);
    let writer = Mutex::new(writer);
    let days = Mutex::new(days.into_iter());
    let work = || -> Result<Stats> {
        let mut stats = Stats::default();
        loop {
            let Some((day, rows)) = lock(&days).next() else { return Ok(stats) };
            if job.cancelled.load(Ordering::Relaxed) {
                return Err(ImportError::Cancelled);
            }
            let mut sorter = Sorter::new(&order, job.scratch.join(format!("run-{day}")), memory_bytes);
            sorter.reserve(rows.rows, rows.bytes);
            files.read(&rows, |records| sorter.add(records))?;
            let count = rows.rows;
            drop(rows);
            let file = lock(&writer).event_file(day)?;
            let (written, seen, counted) = write_day(job, sorter, file)?;
            stats.merge(counted);
            let written = written.finish()?;
            let mut writer = lock(&writer);
            writer.add_event_files(written);
            writer.note_events(&seen)?;
            drop(writer);
            job.progress.advance(count);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut stats = Stats::default();
        for worker in workers {
            stats.merge(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(stats)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes one day's rows; the file is still to be finished.
fn write_day(job: &Job<'_>, sorter: Sorter<'_>, mut file: EventFileWriter) -> Result<(EventFileWriter, Vec<Seen>, Stats)> {
    let mut builder = EventsBuilder::new(job.catalog, job.shape, job.events, file.schema().clone(), job.origins);
    let mut spans = Spans::default();
    let mut bytes = 0;
    sorter.finish(|record| {
        builder.push(record)?;
        spans.note(record);
        bytes += record.bytes.len();
        if builder.rows == BATCH_ROWS || bytes >= BATCH_BYTES {
            bytes = 0;
            file.write(&builder.finish()?)?;
        }
        Ok(())
    })?;
    if builder.rows > 0 {
        file.write(&builder.finish()?)?;
    }
    Ok((file, spans.seen, builder.stats))
}

/// When users were seen, by runs of rows of one user.
#[derive(Default)]
struct Spans {
    seen: Vec<Seen>,
}

impl Spans {
    fn note(&mut self, record: &Record<'_>) {
        match self.seen.last_mut() {
            Some(last) if last.user_no == record.user_no => {
                last.first = last.first.min(record.ts);
                last.last = last.last.max(record.ts);
            }
            _ => self.seen.push(Seen { user_no: record.user_no, first: record.ts, last: record.ts }),
        }
        if self.seen.len() == self.seen.capacity() {
            self.compact();
        }
    }

    /// One span for each user, before the list grows.
    fn compact(&mut self) {
        self.seen.sort_unstable_by_key(|s| s.user_no);
        self.seen.dedup_by(|later, kept| {
            let same = later.user_no == kept.user_no;
            if same {
                (kept.first, kept.last) = (kept.first.min(later.first), kept.last.max(later.last));
            }
            same
        });
        self.seen.reserve(self.seen.len() + 1);
    }
}

/// By number of an event's name: its place among all names in the order of their bytes.
fn ranks(events: &[Arc<str>]) -> Vec<u32> {
    let mut sorted: Vec<usize> = (0..events.len()).collect();
    sorted.sort_unstable_by_key(|&i| events.get(i));
    let mut ranks = vec![0; events.len()];
    for (rank, event) in sorted.into_iter().enumerate() {
        if let Some(place) = ranks.get_mut(event) {
            *place = rank as u32;
        }
    }
    ranks
}
