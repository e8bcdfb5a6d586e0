//! The first half of an import: reading, checking and setting aside everything, before anything is decided.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use segment_core::time::Zone;
use store::Writer;

use crate::days::spill::DaySpill;
use crate::dedupe::Dedupe;
use crate::error::Result;
use crate::limits::{EVENT_NAMES_MAX, NAMES_MAX};
use crate::mapping::{Half, Mapping, check_found};
use crate::names::Names;
use crate::pipeline;
use crate::record::{self, Records};
use crate::rejects::RejectLog;
use crate::report::FileReport;
use crate::request::{ImportRequest, Progress};
use crate::rows::{Context, Parsed};
use crate::sources::{self, Source};
use crate::tally::Tally;
use crate::users::{Applied, Follower, Ledger};

/// Everything that was read.
pub(crate) struct Gathered {
    pub(crate) properties: Arc<Names>,
    pub(crate) attributes: Arc<Names>,
    pub(crate) events: Arc<Names>,
    /// Of properties.
    pub(crate) event_tally: Tally,
    /// Of attributes.
    pub(crate) user_tally: Tally,
    pub(crate) rejects: RejectLog,
    pub(crate) files: Vec<FileReport>,
    pub(crate) event_rows: u64,
    pub(crate) user_rows: u64,
    pub(crate) rows: u64,
    /// By source: the last row that an earlier import applied.
    pub(crate) applied: HashMap<u32, u64>,
    /// For the ledger.
    pub(crate) user_files: Vec<Applied>,
}

impl Gathered {
    /// Nothing yet.
    pub(crate) fn new(rejects: RejectLog) -> Self {
        Self {
            properties: Arc::new(Names::new("property names", NAMES_MAX)),
            attributes: Arc::new(Names::new("attribute names", NAMES_MAX)),
            events: Arc::new(Names::new("event names", EVENT_NAMES_MAX)),
            event_tally: Tally::default(),
            user_tally: Tally::default(),
            rejects,
            files: Vec::new(),
            event_rows: 0,
            user_rows: 0,
            rows: 0,
            applied: HashMap::new(),
            user_files: Vec::new(),
        }
    }
}

/// Rows that were read.
pub(crate) struct Spilled {
    /// Events by day.
    pub(crate) days: DaySpill,
    /// User rows in order, under one key.
    pub(crate) users: DaySpill,
    pub(crate) dedupe: Dedupe,
}

/// What reading needs to know.
pub(crate) struct Reading<'a> {
    pub(crate) request: &'a ImportRequest,
    pub(crate) sources: &'a [Source],
    pub(crate) zone: &'a Zone,
    pub(crate) ledger: &'a Ledger,
    pub(crate) scratch: &'a Path,
    /// Whether the workspace has events.
    pub(crate) late: bool,
    pub(crate) progress: &'a Arc<dyn Progress>,
    pub(crate) cancelled: &'a AtomicBool,
}

/// Reads all sources.
///
/// # Errors
///
/// `TooManyRejects` after the reject file is written, and whatever makes a file unusable as a whole.
pub(crate) fn gather(reading: &Reading<'_>, writer: &mut Writer) -> Result<(Gathered, Spilled)> {
    let (request, scratch) = (reading.request, reading.scratch);
    let memory = request.memory_bytes;
    let mut out = Gathered::new(RejectLog::new(request.reject_file.clone(), request.max_rejects));
    let mut spilled = Spilled {
        days: DaySpill::new(scratch.join("events"), memory / 2),
        users: DaySpill::new(scratch.join("users"), memory / 8),
        dedupe: Dedupe::new(scratch, memory / 8),
    };
    let mappings = [Mapping::new(request, Half::Events), Mapping::new(request, Half::Users)];
    for (source, number) in reading.sources.iter().zip(1..) {
        let mapping = if source.half == Half::Events { &mappings[0] } else { &mappings[1] };
        if !out.source(reading, source, number, mapping, &mut Sink { writer, spilled: &mut spilled })? {
            break;
        }
    }
    out.rejects.finish()?;
    let used: Vec<&Mapping> = mappings.iter().filter(|m| reading.sources.iter().any(|s| s.half == m.half)).collect();
    if out.rows > 0 {
        check_found(&used)?;
    }
    Ok((out, spilled))
}

/// Where rows go.
struct Sink<'a> {
    writer: &'a mut Writer,
    spilled: &'a mut Spilled,
}

impl Gathered {
    /// Reads one source; whether to go on.
    fn source(&mut self, reading: &Reading<'_>, source: &Source, number: u32, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<bool> {
        let half = source.half;
        let (attributes, properties, events) = (self.attributes.clone(), self.properties.clone(), self.events.clone());
        let names = if half == Half::Events { properties.as_ref() } else { attributes.as_ref() };
        let mut opened = source.open(mapping, names, reading)?;
        let file = source.name();
        let context = Context {
            mapping,
            zone: reading.zone,
            names,
            events: events.as_ref(),
            source: number,
            file: &file,
            made: opened.made,
            late: reading.late,
        };
        let plan = opened.plan.as_ref();
        let mut follower = Follower::new(reading.ledger, source.how(mapping));
        let (mut rows, mut going) = (0, true);
        let take = |parsed: Parsed| {
            rows += parsed.rows;
            going = self.take(half, parsed, &mut follower, sink)?;
            Ok(going)
        };
        pipeline::run(|| opened.reader.next(), |chunk| sources::parse(&context, plan, chunk), take, reading.cancelled)?;
        let aftermath = (opened.aftermath)();
        for reject in aftermath.rejects {
            going &= self.rejects.add(reject)?;
        }
        let kind = if half == Half::Events { "events" } else { "users" };
        let files = aftermath.files.unwrap_or_else(|| vec![FileReport { file, kind, rows }]);
        self.rows += files.iter().map(|f| f.rows).sum::<u64>();
        self.files.extend(files);
        if half == Half::Users {
            if follower.applied_to() > 0 {
                self.applied.insert(number, follower.applied_to());
            }
            self.user_files.extend(follower.entry());
        }
        Ok(going)
    }

    /// Takes a chunk's rows; whether to go on.
    fn take(&mut self, half: Half, mut parsed: Parsed, follower: &mut Follower, sink: &mut Sink<'_>) -> Result<bool> {
        match half {
            Half::Events => {
                number_users(&mut parsed.records, sink.writer)?;
                sink.spilled.days.add(&parsed.records)?;
                self.event_rows += parsed.accepted;
                self.event_tally.merge(&parsed.tally);
            }
            Half::Users => {
                sink.spilled.users.add_all(0, &parsed.records, parsed.accepted)?;
                self.user_rows += parsed.accepted;
                self.user_tally.merge(&parsed.tally);
                for (row, content) in parsed.contents {
                    follower.row(row, content);
                }
            }
        }
        for (hash, seq) in parsed.hashes {
            sink.spilled.dedupe.add(hash, seq)?;
        }
        let mut going = true;
        for reject in parsed.rejects {
            going &= self.rejects.add(reject)?;
        }
        Ok(going)
    }
}

/// Gives every row its user's number.
pub(crate) fn number_users(records: &mut [u8], writer: &mut Writer) -> Result<()> {
    let mut ids = Vec::new();
    let mut places = Vec::new();
    let mut at = 0;
    for record in Records::new(records) {
        let record = record?;
        ids.push(record.user_id);
        places.push(at);
        at += record.bytes.len();
    }
    let numbers = writer.user_numbers(&ids)?;
    for (place, number) in places.into_iter().zip(numbers) {
        record::set_user_no(records.get_mut(place..).unwrap_or_default(), number);
    }
    Ok(())
}
