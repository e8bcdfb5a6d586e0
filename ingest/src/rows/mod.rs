//! Rows of input into [`crate::record`]s: fields found, values kept as they came, unusable rows set aside.

pub(crate) mod beyond;
pub(crate) mod columns;
pub(crate) mod json;
pub(crate) mod paths;
pub(crate) mod plan;
pub(crate) mod table;

use segment_core::time::{INSTANT_MAX, INSTANT_MIN, Zone, parse_instant};

use crate::cell::{self, Cell};
use crate::error::Result;
use crate::hash;
use crate::mapping::{Half, Mapping};
use crate::names::{NameCache, Names};
use crate::record::{self, NO_TIME, seq};
use crate::rejects::{Fault, Reason, Reject};
use crate::tally::Tally;

/// What all rows of a source share.
pub(crate) struct Context<'a> {
    pub(crate) mapping: &'a Mapping,
    pub(crate) zone: &'a Zone,
    /// Names of properties or attributes.
    pub(crate) names: &'a Names,
    pub(crate) events: &'a Names,
    /// The number of the source, from 1.
    pub(crate) source: u32,
    /// The file, as it was named.
    pub(crate) file: &'a str,
    pub(crate) made: plan::Made,
    /// Whether the workspace has events that late ones may be one with.
    pub(crate) late: bool,
}

/// What became of a chunk of rows.
#[derive(Default)]
pub(crate) struct Parsed {
    /// Usable rows, as records.
    pub(crate) records: Vec<u8>,
    /// How many those are.
    pub(crate) accepted: u64,
    /// All rows.
    pub(crate) rows: u64,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) tally: Tally,
    /// Of events: what must be unique, with the row's sequence number.
    pub(crate) hashes: Vec<(u128, u64)>,
    /// Of user rows, usable or not: the number and the content.
    pub(crate) contents: Vec<(u64, u128)>,
}

/// What a row is about.
pub(crate) struct Core<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) event: Option<&'a str>,
    pub(crate) ts: Option<i64>,
    /// Empty if it has none.
    pub(crate) message_id: &'a str,
}

/// Makes records of one chunk's rows.
pub(crate) struct Builder<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) names: NameCache<'a>,
    events: NameCache<'a>,
    pub(crate) parsed: Parsed,
    /// The present row's cells.
    cells: Vec<u8>,
    row_id: String,
    /// By name: the last row that has a cell of it.
    stamps: Vec<u64>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            names: NameCache::new(context.names),
            events: NameCache::new(context.events),
            parsed: Parsed::default(),
            cells: Vec::new(),
            row_id: String::new(),
            stamps: Vec::new(),
        }
    }

    /// Puts a cell of the present row, unless it has one of that name. A null is only something to say of an attribute.
    pub(crate) fn put(&mut self, name: &str, cell: Cell<'_>) -> Result<()> {
        let id = self.names.id(name)?;
        self.put_id(id, cell);
        Ok(())
    }

    /// The same by the name's number.
    pub(crate) fn put_id(&mut self, id: u32, cell: Cell<'_>) {
        let place = id as usize;
        if self.stamps.len() <= place {
            self.stamps.resize(place + 1, 0);
        }
        let fresh = self.stamps.get_mut(place).is_some_and(|stamp| std::mem::replace(stamp, self.parsed.rows) != self.parsed.rows);
        if fresh && (cell != Cell::Null || self.context.mapping.half == Half::Users) {
            cell::put(&mut self.cells, id, cell);
        }
    }

    /// Counts a row; a user row's content is remembered.
    pub(crate) fn begin(&mut self, row: u64, content: impl FnOnce() -> u128) {
        self.cells.clear();
        self.parsed.rows += 1;
        if self.context.mapping.half == Half::Users {
            self.parsed.contents.push((row, content()));
        }
    }

    /// Takes a usable row, with the cells gathered so far.
    pub(crate) fn accept(&mut self, core: &Core<'_>, row: u64, content: impl FnOnce() -> u128) -> Result<()> {
        let seq = seq(self.context.source, row);
        let ts = core.ts.unwrap_or(NO_TIME);
        let records = &mut self.parsed.records;
        match core.event {
            Some(event) => {
                let message_id = if core.message_id.is_empty() {
                    hash::row_id(content(), row, &mut self.row_id);
                    self.row_id.as_str()
                } else {
                    core.message_id
                };
                record::put(records, self.events.id(event)?, ts, seq, core.user_id, message_id, &self.cells);
                self.parsed.hashes.push((hash::message(message_id), seq));
                if self.context.late {
                    self.parsed.hashes.push((hash::event(message_id, core.user_id, event, ts), seq));
                }
            }
            None => record::put(records, 0, ts, seq, core.user_id, "", &self.cells),
        }
        self.parsed.accepted += 1;
        self.parsed.tally.add(&self.cells)
    }

    /// Sets an unusable row aside.
    pub(crate) fn reject(&mut self, fault: Fault, line: u64, raw: &str) {
        self.parsed.rejects.push(fault.at(self.context.file, line, raw));
    }
}

/// A user id in text.
pub(crate) fn check_user_id(text: &str) -> std::result::Result<&str, Fault> {
    if text.is_empty() {
        return Err(Fault::field(Reason::NoUserId, "user_id", "the user id is empty"));
    }
    let plain = text.bytes().all(|b| (0x20..0x7f).contains(&b));
    if !plain && text.chars().any(char::is_control) {
        return Err(Fault::field(Reason::BadUserId, "user_id", "the user id has a control character"));
    }
    Ok(text)
}

/// An instant, `None` if nothing is given.
pub(crate) fn instant(cell: Cell<'_>, field: &str, zone: &Zone) -> std::result::Result<Option<i64>, Fault> {
    let refused = |what: &str| Err(Fault::field(Reason::NoTime, field, format!("{what} is no time: RFC 3339 or a date is needed")));
    let micros = match cell {
        Cell::Null => return Ok(None),
        Cell::Timestamp(micros) => micros,
        Cell::Date(days) => zone.midnight(days),
        Cell::Text(text) | Cell::CsvText(text) => match parse_instant(text, zone) {
            Some(micros) => micros,
            None => return refused(&format!("{text:?}")),
        },
        Cell::Int(n) => return refused(&format!("the number {n}")),
        Cell::Float(_) | Cell::Number(_) => return refused("a number"),
        Cell::TimestampBeyond(text) | Cell::DateBeyond(text) => {
            return refused(&format!("{text}, which is not within the years 1 to 9999,"));
        }
        Cell::Bool(_) => return refused("a boolean"),
        Cell::Json(_) | Cell::CsvJson(_) | Cell::JsonBeyond(_) => return refused("a list or an object"),
    };
    Ok(Some(micros.clamp(INSTANT_MIN, INSTANT_MAX)))
}

/// The fault of an event without a time.
pub(crate) fn no_time() -> Fault {
    Fault::field(Reason::NoTime, "ts", "there is no time")
}

/// The fault of an event without a name.
pub(crate) fn no_event(message: &str) -> Fault {
    Fault::field(Reason::NoEvent, "event", message)
}
