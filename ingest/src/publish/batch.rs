//! Messages of the log into the rows that an import writes.

use std::collections::{BTreeMap, HashMap, HashSet};

use segment_core::json::Json;
use segment_core::rules::Rule;
use segment_core::time::Zone;
use store::{Unusable, Writer};

use crate::collect::codec::{self, DecodeError};
use crate::collect::rules::{Wins, derive};
use crate::collect::{Entry, Fact, Message};
use crate::days::spill::{DaySpill, day_of};
use crate::error::{ImportError, Result};
use crate::gather::{Gathered, number_users};
use crate::hash;
use crate::limits::DEDUP_HORIZON;
use crate::log;
use crate::mapping::{Half, Mapping};
use crate::origin::Origin;
use crate::rejects::RejectLog;
use crate::request::ImportRequest;
use crate::rows::plan::Made;
use crate::rows::{Builder, Context, Core, Parsed, json};

use super::imported::Imported;

/// The reason of a record that cannot be read.
const DAMAGED: &str = "damaged";
/// The reason of an event in a workspace whose events somebody else writes.
const EVENTS_ELSEWHERE: &str = "events_elsewhere";
/// All rows have the same source.
const SOURCE: u32 = 1;

/// What was read of the log, in its order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Messages with their offsets.
    pub(crate) messages: Vec<(u64, Message)>,
    /// What is none, with offsets.
    pub(crate) unusable: Vec<(u64, Unusable)>,
    /// The offset after the last one that was read.
    pub(crate) next: u64,
    /// Bytes of records.
    pub(crate) bytes: usize,
}

impl Batch {
    /// Takes a record.
    ///
    /// # Errors
    ///
    /// `Version` if a later Muster wrote it.
    pub(crate) fn take(&mut self, entry: log::Entry) -> std::result::Result<(), DecodeError> {
        let log::Entry { offset, record } = entry;
        self.bytes += record.bytes.len();
        self.next = offset + 1;
        match codec::decode(&record.bytes) {
            Ok(Entry::Message(message)) => self.messages.push((offset, message)),
            Ok(Entry::Quarantined(quarantined)) => {
                let unfit = &quarantined.unfit;
                let (reason, pointer, message) = (unfit.reason.name().to_owned(), unfit.pointer.clone(), unfit.message.clone());
                let entry = record.bytes.to_vec();
                self.unusable.push((offset, Unusable { received_at: quarantined.received_at, reason, pointer, message, entry }));
            }
            Err(e @ DecodeError::Version(_)) => return Err(e),
            Err(e @ DecodeError::Damaged(_)) => {
                let (reason, entry) = (DAMAGED.to_owned(), record.bytes.to_vec());
                let unusable = Unusable { received_at: record.received_at, reason, pointer: String::new(), message: e.to_string(), entry };
                self.unusable.push((offset, unusable));
            }
        }
        Ok(())
    }

    /// Leaves out what a state holds already.
    pub(crate) fn beyond(&mut self, held: u64) {
        self.messages.retain(|(offset, _)| *offset >= held);
        self.unusable.retain(|(offset, _)| *offset >= held);
    }

    /// Puts events aside where somebody else writes the workspace's.
    pub(crate) fn set_events_aside(&mut self, location: &str) {
        let (events, facts) = std::mem::take(&mut self.messages).into_iter().partition(|(_, m)| matches!(m.fact, Fact::Event { .. }));
        self.messages = facts;
        let aside = |(offset, message): (u64, Message)| {
            let why = format!("the workspace's events are those in {location}, which are read in place");
            let (received_at, reason, entry) = (message.received_at, EVENTS_ELSEWHERE.to_owned(), codec::encode(&Entry::Message(message)));
            (offset, Unusable { received_at, reason, pointer: String::new(), message: why, entry })
        };
        self.unusable.extend(Vec::into_iter(events).map(aside));
    }

    /// The UTC days of events that came so late that another one with their id may be stored and forgotten.
    pub(crate) fn late_days(&self) -> HashSet<i32> {
        self.messages.iter().filter(|(_, m)| is_late(m)).map(|(_, m)| day_of(m.ts)).collect()
    }
}

/// Whether the horizon of an event with that time had passed when it came.
fn is_late(message: &Message) -> bool {
    let horizon = i64::try_from(DEDUP_HORIZON.as_micros()).unwrap_or(i64::MAX);
    matches!(message.fact, Fact::Event { .. }) && message.received_at.saturating_sub(message.ts) > horizon
}

/// The hash of all that identifies an event; none for facts.
fn identity(message: &Message) -> Option<u128> {
    match &message.fact {
        Fact::Event { name, .. } => Some(hash::event(&message.message_id, &message.user_id, name, message.ts)),
        Fact::Attributes { .. } => None,
    }
}

/// Rows that are ready to be written.
pub(crate) struct Rows {
    pub(crate) gathered: Gathered,
    pub(crate) days: DaySpill,
    pub(crate) users: DaySpill,
    /// By row.
    pub(crate) origins: Vec<Origin>,
}

/// Events that are there already: of imports, of their days where they are late, and of this batch.
///
/// # Errors
///
/// Those of reading what is stored.
pub(crate) fn duplicates(batch: &Batch, imported: &Imported, stored: Vec<store::KeyBatches>) -> Result<HashSet<usize>> {
    let mut found = HashSet::new();
    let mut late: HashMap<u128, Vec<usize>> = HashMap::new();
    let mut seen = HashSet::new();
    for (place, (_, message)) in batch.messages.iter().enumerate() {
        let Some(hash) = identity(message) else { continue };
        if !seen.insert(hash) || imported.has(message)? {
            found.insert(place);
        } else if is_late(message) {
            late.entry(hash).or_default().push(place);
        }
    }
    for batch in stored.into_iter().flatten() {
        let hashes = crate::steps::whole(&batch?);
        for hash in hashes.ok_or_else(|| ImportError::scratch("read stored events", "columns of another type than expected"))? {
            found.extend(late.get(&hash).into_iter().flatten());
        }
    }
    Ok(found)
}

/// Makes rows of messages.
///
/// # Errors
///
/// `TooManyNames`, and those of numbering users.
pub(crate) fn rows(
    batch: &Batch,
    rules: &BTreeMap<String, Rule>,
    zone: &Zone,
    found: &HashSet<usize>,
    writer: &mut Writer,
) -> Result<Rows> {
    let nothing = ImportRequest::new(0, "");
    let mut gathered = Gathered::new(RejectLog::new(nothing.reject_file.clone(), 0));
    let (properties, attributes, names) = (gathered.properties.clone(), gathered.attributes.clone(), gathered.events.clone());
    let mappings = [Mapping::new(&nothing, Half::Events), Mapping::new(&nothing, Half::Users)];
    let context = |half: usize| Context {
        mapping: &mappings[half],
        zone,
        names: if half == 0 { &properties } else { &attributes },
        events: &names,
        source: SOURCE,
        file: "",
        made: Made::File,
        late: false,
    };
    let contexts = [context(0), context(1)];
    let mut making = Making { events: Builder::new(&contexts[0]), users: Builder::new(&contexts[1]), origins: Vec::new(), rules };
    // What is no event of its own makes no user and sets nothing.
    for (_, (offset, message)) in batch.messages.iter().enumerate().filter(|(place, _)| !found.contains(place)) {
        making.message(*offset, message)?;
    }
    let Making { events, users, origins, .. } = making;
    let (mut events, users) = (events.parsed, users.parsed);
    number_users(&mut events.records, writer)?;
    let mut days = DaySpill::new(std::path::PathBuf::new(), usize::MAX);
    days.add(&events.records)?;
    let mut user_rows = DaySpill::new(std::path::PathBuf::new(), usize::MAX);
    user_rows.add_all(0, &users.records, users.accepted)?;
    count(&mut gathered, events, users);
    Ok(Rows { gathered, days, users: user_rows, origins })
}

fn count(gathered: &mut Gathered, events: Parsed, users: Parsed) {
    (gathered.event_rows, gathered.user_rows) = (events.accepted, users.accepted);
    gathered.rows = events.accepted + users.accepted;
    (gathered.event_tally, gathered.user_tally) = (events.tally, users.tally);
}

/// Rows under way.
struct Making<'a> {
    events: Builder<'a>,
    users: Builder<'a>,
    origins: Vec<Origin>,
    rules: &'a BTreeMap<String, Rule>,
}

impl Making<'_> {
    /// Makes the rows of a message.
    fn message(&mut self, offset: u64, message: &Message) -> Result<()> {
        let received_at = message.received_at;
        let origin = |written_at| Origin { received_at, written_at, offset: Some(offset) };
        match &message.fact {
            Fact::Event { name, properties } => {
                self.event(message, name, properties, origin(message.ts))?;
            }
            Fact::Attributes { .. } => {}
        }
        for Setting { members, written_at } in settings(message, self.rules)? {
            self.facts(message, members, origin(written_at))?;
        }
        Ok(())
    }

    fn event(&mut self, message: &Message, name: &str, properties: &str, origin: Origin) -> Result<()> {
        self.origins.push(origin);
        let row = self.origins.len() as u64;
        self.events.begin(row, || 0);
        json::put_cells(&mut self.events, members(properties)?)?;
        let core = Core { user_id: &message.user_id, event: Some(name), ts: Some(message.ts), message_id: &message.message_id };
        self.events.accept(&core, row, || 0)
    }

    fn facts(&mut self, message: &Message, members: Vec<(String, Json)>, origin: Origin) -> Result<()> {
        self.origins.push(origin);
        let row = self.origins.len() as u64;
        self.users.begin(row, || 0);
        json::put_cells(&mut self.users, members)?;
        let core = Core { user_id: &message.user_id, event: None, ts: Some(message.ts), message_id: "" };
        self.users.accept(&core, row, || 0)
    }
}

/// Attributes that a message sets.
pub(crate) struct Setting {
    /// By name; null clears.
    pub(crate) members: Vec<(String, Json)>,
    /// What decides between two values: the greater one wins.
    pub(crate) written_at: i64,
}

/// What a message makes of attributes: each part with the time that decides between two values.
///
/// # Errors
///
/// For a message without content, which nobody collects.
pub(crate) fn settings(message: &Message, rules: &BTreeMap<String, Rule>) -> Result<Vec<Setting>> {
    let Fact::Attributes { attributes } = &message.fact else {
        let written = |wins: Wins, at: i64| match wins {
            Wins::Latest => at,
            // Nothing but its rule writes the attribute, so the order can be turned round.
            Wins::Earliest => at.saturating_neg(),
        };
        let derived = derive(rules, message).into_iter();
        return Ok(derived.map(|d| Setting { members: vec![(d.attribute, d.value)], written_at: written(d.wins, d.at) }).collect());
    };
    let mut members = members(attributes)?;
    members.retain(|(name, _)| !rules.contains_key(name));
    Ok(vec![Setting { members, written_at: message.ts }])
}

/// The members of a message's object.
fn members(text: &str) -> Result<Vec<(String, Json)>> {
    match Json::parse(text) {
        Ok(Json::Object(members)) => Ok(members),
        _ => Err(ImportError::scratch("read a message of the log", "its content is no JSON object")),
    }
}
