//! What an import does between taking the writer and committing.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;
use roaring::RoaringTreemap;
use segment_core::catalog::{Catalog, Scope};
use segment_core::time::{INSTANT_MAX, Zone};
use store::{EventRead, KeyBatches, Writer};

#[cfg(feature = "collect")]
use crate::days::spill::DaySpill;
use crate::days::spill::{Day, DayFiles};
use crate::days::{self, Job};
use crate::dedupe::{Dedupe, STORED};
use crate::error::{ImportError, Result};
use crate::gather::{Gathered, Reading, Spilled, gather};
use crate::hash;
use crate::limits::{DEDUP_HORIZON, DEDUP_PARTS};
use crate::origin::{Origin, Origins};
use crate::record::Records;
use crate::report::{self, EventsReport, ImportReport, RejectedReport, UsersReport};
use crate::request::{ImportRequest, Progress, Stage};
use crate::shape::Shape;
use crate::sources::Source;
use crate::stats::Stats;
use crate::tally::Tally;
use crate::types;
use crate::users::{Applied, Ledger, Merger, is_applied};

/// What all steps share.
pub(crate) struct Steps {
    pub(crate) request: ImportRequest,
    pub(crate) sources: Vec<Source>,
    pub(crate) zone: Zone,
    pub(crate) ledger: Ledger,
    pub(crate) scratch: PathBuf,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) cancelled: Arc<AtomicBool>,
    /// Where each row is from, if that is the log.
    pub(crate) logged: Option<Vec<Origin>>,
}

/// Everything that was read, and which events are there already.
pub(crate) struct Read {
    gathered: Gathered,
    days: Vec<(i32, Day)>,
    day_files: DayFiles,
    users: Vec<(i32, Day)>,
    user_files: DayFiles,
    found: RoaringTreemap,
}

/// Everything but the commit.
pub(crate) struct Written {
    pub(crate) catalog: Catalog,
    pub(crate) report: ImportReport,
    pub(crate) user_files: Vec<Applied>,
}

/// Stored events that rows may be one with.
enum Stored {
    /// All events received after a time: by message id.
    Received { after: i64, batches: KeyBatches },
    /// The events of one day: by message id, user, name and time.
    Day(KeyBatches),
}

#[cfg(feature = "collect")]
impl Read {
    /// What was read elsewhere: rows, and those of events that are there already.
    pub(crate) fn new(gathered: Gathered, days: DaySpill, users: DaySpill, found: RoaringTreemap) -> Self {
        let ((days, day_files), (users, user_files)) = (days.finish(), users.finish());
        Self { gathered, days, day_files, users, user_files, found }
    }
}

impl Steps {
    /// Runs a step that blocks, with the writer.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        mut writer: Writer,
        step: impl FnOnce(&Steps, &mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<(Writer, T)> {
        let steps = self.clone();
        let done = tokio::task::spawn_blocking(move || step(&steps, &mut writer).map(|out| (writer, out)));
        match done.await {
            Ok(done) => done,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            Err(_) => Err(ImportError::Cancelled),
        }
    }

    /// Reads and checks all input.
    pub(crate) fn gather(&self, writer: &mut Writer) -> Result<(Gathered, Spilled)> {
        self.progress.stage(Stage::Read, self.sources.iter().map(Source::bytes).sum());
        let reading = Reading {
            request: &self.request,
            sources: &self.sources,
            zone: &self.zone,
            ledger: &self.ledger,
            scratch: &self.scratch,
            late: !writer.base().events.is_empty(),
            progress: &self.progress,
            cancelled: &self.cancelled,
        };
        gather(&reading, writer)
    }

    /// Finds the rows whose events are there already.
    pub(crate) async fn deduplicate(self: &Arc<Self>, writer: Writer, read: (Gathered, Spilled)) -> Result<(Writer, Read)> {
        self.progress.stage(Stage::Deduplicate, DEDUP_PARTS as u64);
        let (gathered, spilled) = read;
        let mut stored = Vec::new();
        if gathered.event_rows > 0 && !writer.base().events.is_empty() {
            let horizon = i64::try_from(DEDUP_HORIZON.as_micros()).unwrap_or(i64::MAX);
            let after = self.request.now.saturating_sub(horizon);
            stored.push(Stored::Received { after, batches: writer.message_ids_since(after).await? });
            let everything = EventRead { names: None, prefix: None, start: None, end: INSTANT_MAX };
            let plan = writer.base().events.plan(&[everything]).await?;
            let with_files: HashSet<i32> = plan.files.iter().map(|f| f.day).collect();
            for day in spilled.days.days().filter(|day| with_files.contains(day)) {
                stored.push(Stored::Day(writer.day_keys(day).await?));
            }
        }
        let step = move |steps: &Steps, _: &mut Writer| {
            let Spilled { days, users, mut dedupe } = spilled;
            for batches in stored {
                batches.add(&mut dedupe, &steps.cancelled)?;
            }
            let found = dedupe.resolve(|| steps.progress.advance(1))?;
            let ((days, day_files), (users, user_files)) = (days.finish(), users.finish());
            Ok(Read { gathered, days, day_files, users, user_files, found })
        };
        self.blocking(writer, step).await
    }

    /// Gives names their types. Rows that are not going to be written have no vote.
    pub(crate) fn learn(&self, mut read: Read, mut catalog: Catalog) -> Result<(Read, Catalog)> {
        let Read { gathered, days, day_files, users, user_files, found } = &mut read;
        if !found.is_empty() {
            gathered.event_tally = self.recount(days, day_files, |seq| !found.contains(seq))?;
        }
        if !gathered.applied.is_empty() {
            gathered.user_tally = self.recount(users, user_files, |seq| !is_applied(&gathered.applied, seq))?;
        }
        types::learn(&mut catalog, Scope::Property, &gathered.properties, &gathered.event_tally)?;
        types::learn(&mut catalog, Scope::Attribute, &gathered.attributes, &gathered.user_tally)?;
        Ok((read, catalog))
    }

    fn recount(&self, days: &[(i32, Day)], files: &DayFiles, counts: impl Fn(u64) -> bool) -> Result<Tally> {
        let mut tally = Tally::default();
        for (_, day) in days {
            self.check_cancelled()?;
            files.read(day, |records| {
                for record in Records::new(records) {
                    let record = record?;
                    if counts(record.seq) {
                        tally.add(record.cells)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(tally)
    }

    fn origins(&self) -> Origins<'_> {
        match &self.logged {
            Some(logged) => Origins::Log(logged),
            None => Origins::Import(self.request.now),
        }
    }

    fn check_cancelled(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(ImportError::Cancelled) } else { Ok(()) }
    }

    /// Writes events and users, and tells what happened.
    pub(crate) fn write(&self, writer: &mut Writer, read: Read, mut catalog: Catalog) -> Result<Written> {
        let Read { gathered, days, day_files, users, user_files, found } = read;
        let shape = Shape::new(&catalog, Scope::Property, &gathered.properties, &self.zone);
        let events = gathered.events.all();
        self.progress.stage(Stage::Write, gathered.event_rows);
        let job = Job {
            catalog: &catalog,
            shape: &shape,
            events: &events,
            duplicates: &found,
            origins: self.origins(),
            scratch: &self.scratch,
            memory_bytes: self.request.memory_bytes / 2,
            progress: self.progress.as_ref(),
            cancelled: &self.cancelled,
        };
        let event_stats = days::write(&job, writer, days, &day_files)?;

        self.progress.stage(Stage::Profiles, gathered.user_rows);
        let user_shape = Shape::new(&catalog, Scope::Attribute, &gathered.attributes, &self.zone);
        let mut merger = Merger {
            shape: &user_shape,
            applied: &gathered.applied,
            origins: self.origins(),
            progress: self.progress.as_ref(),
            stats: Stats::default(),
            merged: 0,
        };
        for (_, day) in &users {
            user_files.read(day, |records| {
                self.check_cancelled()?;
                merger.merge(writer, records)
            })?;
        }
        let (user_stats, merged) = (merger.stats, merger.merged);

        types::mark_seen(&mut catalog, Scope::Property, &shape.names, &event_stats);
        types::mark_seen(&mut catalog, Scope::Attribute, &user_shape.names, &user_stats);
        types::note_events(&mut catalog, &events, &shape.names, &event_stats);
        let base = &writer.base().catalog;
        let written: u64 = event_stats.events.iter().sum();
        let report = ImportReport {
            workspace: String::new(),
            import: String::new(),
            version: 0,
            changed: false,
            rows_read: gathered.rows,
            events: EventsReport {
                rows: gathered.event_rows,
                written,
                duplicates: gathered.event_rows - written,
                names: counted(&events, &event_stats),
            },
            users: UsersReport { rows: gathered.user_rows, merged, applied_before: gathered.user_rows - merged, total: 0 },
            rejected: RejectedReport {
                count: gathered.rejects.count(),
                reasons: gathered.rejects.reasons().clone(),
                file: gathered.rejects.path().map(std::path::Path::to_owned),
            },
            properties: report::names(Scope::Property, (&gathered.properties, &gathered.event_tally), base, &catalog, &event_stats),
            attributes: report::names(Scope::Attribute, (&gathered.attributes, &gathered.user_tally), base, &catalog, &user_stats),
            files: gathered.files,
            elapsed_ms: 0,
        };
        Ok(Written { catalog, report, user_files: gathered.user_files })
    }
}

fn counted(events: &[Arc<str>], stats: &Stats) -> BTreeMap<String, u64> {
    events.iter().zip(&stats.events).filter(|(_, rows)| **rows > 0).map(|(name, rows)| (name.to_string(), *rows)).collect()
}

impl Stored {
    /// Adds the events' hashes.
    fn add(self, dedupe: &mut Dedupe, cancelled: &AtomicBool) -> Result<()> {
        let (after, batches) = match self {
            Stored::Received { after, batches } => (Some(after), batches),
            Stored::Day(batches) => (None, batches),
        };
        for batch in batches {
            if cancelled.load(Ordering::Relaxed) {
                return Err(ImportError::Cancelled);
            }
            let batch = batch?;
            let hashes = match after {
                Some(after) => received(&batch, after),
                None => whole(&batch),
            };
            for hash in hashes.ok_or_else(|| ImportError::scratch("read stored events", "columns of another type than expected"))? {
                dedupe.add(hash, STORED)?;
            }
        }
        Ok(())
    }
}

/// Hashes of message ids received after a time.
fn received(batch: &RecordBatch, after: i64) -> Option<Vec<u128>> {
    let ids = batch.columns().first()?.as_string_opt::<i32>()?;
    let times = batch.columns().get(1)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let recent = ids.iter().zip(times.values()).filter(|(_, at)| **at > after);
    Some(recent.filter_map(|(id, _)| id.map(hash::message)).collect())
}

/// Hashes of events by all that identifies them.
pub(crate) fn whole(batch: &RecordBatch) -> Option<Vec<u128>> {
    let text = |i: usize| batch.columns().get(i)?.as_string_opt::<i32>();
    let (ids, users, events) = (text(0)?, text(1)?, text(2)?);
    let times = batch.columns().get(3)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let rows = 0..batch.num_rows();
    Some(rows.map(|i| hash::event(ids.value(i), users.value(i), events.value(i), times.value(i))).collect())
}
