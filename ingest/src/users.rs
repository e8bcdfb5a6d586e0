//! User rows: which were applied before, and merging the others in their order.
//!
//! The ledger of imports remembers, for every user file, how many rows it had and a hash over them in order. A file that
//! begins with the very rows of a file that was applied before, read in the same way, has that many rows applied: they
//! are passed over, so that importing a file again does not bring back what a later one replaced.

use std::collections::{HashMap, HashSet};

use segment_core::json::Json;
use serde::{Deserialize, Serialize};
use store::{AttributeWrite, ProfileWrite, Writer};

use crate::cell::{Cell, Cells};
use crate::error::Result;
use crate::hash;
use crate::limits::USER_ROWS;
use crate::origin::{Origin, Origins};
use crate::record::{NO_TIME, Record, Records, source_and_row};
use crate::request::Progress;
use crate::said::said;
use crate::shape::Shape;
use crate::stats::{Fate, Stats, is_whole, says_whole};

/// A user file that was applied, in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// How its rows were read: mapping and SQL.
    pub(crate) how: String,
    pub(crate) rows: u64,
    /// Of all rows in order.
    pub(crate) hash: String,
}

/// What the ledger knows.
#[derive(Default)]
pub(crate) struct Ledger {
    known: HashSet<Applied>,
}

impl Ledger {
    /// Reads the records of earlier imports.
    pub(crate) fn new(records: impl IntoIterator<Item = serde_json::Value>) -> Self {
        let files = records.into_iter().filter_map(|mut record| {
            let files = record.get_mut("user_files").map(serde_json::Value::take)?;
            serde_json::from_value::<Vec<Applied>>(files).ok()
        });
        Self { known: files.flatten().collect() }
    }
}

/// Follows the rows of one user file.
pub(crate) struct Follower {
    how: String,
    rows: u64,
    hash: u128,
    /// Hashes by number of rows, of what was applied in the same way.
    known: HashMap<u64, HashSet<String>>,
    /// The number of the last row that was applied before.
    applied_to: u64,
}

impl Follower {
    pub(crate) fn new(ledger: &Ledger, how: String) -> Self {
        let mut known: HashMap<u64, HashSet<String>> = HashMap::new();
        for file in ledger.known.iter().filter(|file| file.how == how) {
            known.entry(file.rows).or_default().insert(file.hash.clone());
        }
        Self { how, rows: 0, hash: 0, known, applied_to: 0 }
    }

    /// Takes the next row: its number and content.
    pub(crate) fn row(&mut self, number: u64, content: u128) {
        self.rows += 1;
        self.hash = hash::chain(self.hash, content);
        if self.known.get(&self.rows).is_some_and(|hashes| hashes.contains(&hex(self.hash))) {
            self.applied_to = number;
        }
    }

    /// The number of the last row that was applied before, 0 for none.
    pub(crate) fn applied_to(&self) -> u64 {
        self.applied_to
    }

    /// For the ledger; nothing for a file without rows.
    pub(crate) fn entry(&self) -> Option<Applied> {
        (self.rows > 0).then(|| Applied { how: self.how.clone(), rows: self.rows, hash: hex(self.hash) })
    }
}

fn hex(hash: u128) -> String {
    format!("{hash:032x}")
}

/// Merges user rows into profiles.
pub(crate) struct Merger<'a> {
    pub(crate) shape: &'a Shape,
    /// By source: the last row that was applied before.
    pub(crate) applied: &'a HashMap<u32, u64>,
    pub(crate) origins: Origins<'a>,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) stats: Stats,
    pub(crate) merged: u64,
}

impl Merger<'_> {
    /// Merges rows, in their order.
    pub(crate) fn merge(&mut self, writer: &mut Writer, records: &[u8]) -> Result<()> {
        let mut writes = Vec::with_capacity(USER_ROWS);
        for record in Records::new(records) {
            let record = record?;
            if is_applied(self.applied, record.seq) {
                continue;
            }
            writes.push(self.write(&record)?);
            if writes.len() == USER_ROWS {
                self.send(writer, std::mem::take(&mut writes))?;
            }
        }
        self.send(writer, writes)
    }

    fn send(&mut self, writer: &mut Writer, writes: Vec<ProfileWrite>) -> Result<()> {
        let rows = writes.len() as u64;
        writer.upsert_profiles(writes)?;
        self.merged += rows;
        self.progress.advance(rows);
        Ok(())
    }

    fn write(&mut self, record: &Record<'_>) -> Result<ProfileWrite> {
        let mut attributes = Vec::new();
        let mut cells = Cells::new(record.cells);
        while let Some((name, cell)) = cells.next()? {
            let Some(text) = self.shape.names.get(name as usize) else { continue };
            attributes.push((text.to_string(), self.attribute(name, cell)));
        }
        let Origin { written_at, of_events, .. } = self.origins.of(record.seq)?;
        Ok(ProfileWrite {
            user_id: record.user_id.to_owned(),
            attributes,
            written_at,
            first_seen_at: (record.ts != NO_TIME && !of_events).then_some(record.ts),
            of_events,
        })
    }

    fn attribute(&mut self, name: u32, cell: Cell<'_>) -> AttributeWrite {
        let json = cell.to_json();
        let ty = self.shape.place(name).and_then(|place| self.shape.types.get(place));
        let said = said(&json, ty, &self.shape.zone, cell.source());
        if let Some(fate) = fate(&json, &said) {
            self.stats.count(name, cell, fate);
        }
        said
    }
}

/// How a value fared; none if there was none.
fn fate(json: &Json, said: &AttributeWrite) -> Option<Fate> {
    let whole = match said {
        AttributeWrite::Null => return None,
        AttributeWrite::Raw(_) => return Some(Fate::Unconverted),
        AttributeWrite::Value(value) => is_whole(json, value),
        AttributeWrite::Entries(entries) => says_whole(json, entries.values().flatten()),
    };
    Some(if whole { Fate::Converted } else { Fate::Partial })
}

/// Whether a row was applied by an earlier import.
pub(crate) fn is_applied(applied: &HashMap<u32, u64>, seq: u64) -> bool {
    let (source, row) = source_and_row(seq);
    applied.get(&source).is_some_and(|&last| row <= last)
}
