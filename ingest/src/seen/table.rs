//! What is known in memory: ids since the last file, ids on their way to one, and messages on their way to the log.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::watch;

use super::files::Runs;
use crate::log::{LogResult, Record};

/// Ids, and when the last message of each was received.
pub(crate) type Ids = HashMap<u128, i64>;
/// Tells all who wait for messages that are being appended: the first one's offset.
pub(crate) type Flight = watch::Receiver<Option<LogResult<u64>>>;

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The n-th of those that are appended.
    Fresh(u64),
    /// Another one is there, or will be.
    Duplicate,
}

/// What of an append is appended, and for what it waits.
pub(crate) struct Reserved {
    pub(crate) fates: Vec<Fate>,
    pub(crate) fresh: Vec<Record>,
    /// Tells those who wait for the fresh ones.
    pub(crate) landed: watch::Sender<Option<LogResult<u64>>>,
    /// What others are appending.
    pub(crate) others: Vec<Flight>,
}

/// See the module.
pub(crate) struct Table {
    pub(crate) recent: Ids,
    /// Ids that are being written to a file, and the offset of the log below which all are in it or in older ones.
    pub(crate) frozen: Option<(Arc<Ids>, u64)>,
    pub(crate) runs: Runs,
    flights: HashMap<u128, Flight>,
    /// All records of the log below this offset are in what is above.
    frontier: u64,
    /// Ranges beyond that are, too.
    landed: BTreeMap<u64, u64>,
    /// Bytes of records since the last freezing.
    pub(crate) bytes: u64,
    /// The latest time of receiving.
    pub(crate) newest: i64,
    pub(crate) duplicates: u64,
}

impl Table {
    pub(crate) fn new(runs: Runs, frontier: u64) -> Self {
        let newest = runs.iter().map(|placed| placed.run.last_received).max().unwrap_or(i64::MIN);
        Self {
            recent: Ids::new(),
            frozen: None,
            runs,
            flights: HashMap::new(),
            frontier,
            landed: BTreeMap::new(),
            bytes: 0,
            newest,
            duplicates: 0,
        }
    }

    /// Decides about records; `old` are those that files know. `horizon` is in microseconds.
    pub(crate) fn reserve(&mut self, records: Vec<Record>, old: &[bool], horizon: i64) -> Reserved {
        let (landed, flight) = watch::channel(None);
        let mut reserved =
            Reserved { fates: Vec::with_capacity(records.len()), fresh: Vec::with_capacity(records.len()), landed, others: Vec::new() };
        for (record, old) in records.into_iter().zip(old) {
            let after = record.received_at.saturating_sub(horizon);
            let flying = self.flights.get(&record.key);
            if let Some(other) = flying.filter(|other| !other.same_channel(&flight)) {
                reserved.others.push(other.clone());
            }
            let known = *old || flying.is_some() || self.knows(record.key, after);
            if record.key != 0 && known {
                self.duplicates += 1;
                reserved.fates.push(Fate::Duplicate);
                continue;
            }
            if record.key != 0 {
                self.flights.insert(record.key, flight.clone());
            }
            reserved.fates.push(Fate::Fresh(reserved.fresh.len() as u64));
            reserved.fresh.push(record);
        }
        reserved
    }

    fn knows(&self, key: u128, after: i64) -> bool {
        let later = |ids: &Ids| ids.get(&key).is_some_and(|received_at| *received_at >= after);
        later(&self.recent) || self.frozen.as_ref().is_some_and(|(ids, _)| later(ids))
    }

    /// Ends a flight: those messages are in the log at these offsets, or not at all.
    pub(crate) fn land(&mut self, messages: &[(u128, i64)], bytes: u64, offsets: Option<Range<u64>>) {
        for (key, _) in messages {
            self.flights.remove(key);
        }
        if let Some(offsets) = offsets {
            self.insert(messages, bytes, offsets);
        }
    }

    /// Takes messages that are in the log.
    pub(crate) fn insert(&mut self, messages: &[(u128, i64)], bytes: u64, offsets: Range<u64>) {
        for (key, received_at) in messages.iter().filter(|message| message.0 != 0) {
            self.recent.insert(*key, *received_at);
            self.newest = self.newest.max(*received_at);
        }
        self.bytes += bytes;
        self.landed.insert(offsets.start, offsets.end);
        while let Some(range) = self.landed.first_entry().filter(|range| *range.key() <= self.frontier) {
            self.frontier = self.frontier.max(range.remove());
        }
    }

    /// Passes over offsets that the log lost.
    pub(crate) fn pass(&mut self, next: u64) {
        self.frontier = self.frontier.max(next);
    }

    /// Takes what is in memory out of the way of new ids, so that it can be written.
    pub(crate) fn freeze(&mut self) -> (Arc<Ids>, u64) {
        let frozen = self.frozen.take().unwrap_or_else(|| {
            self.bytes = 0;
            (Arc::new(std::mem::take(&mut self.recent)), self.frontier)
        });
        self.frozen.insert(frozen).clone()
    }
}
