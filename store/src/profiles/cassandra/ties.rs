//! Write timestamps: when an attribute was so, and which of several writes at one instant counts.
//!
//! Cassandra decides between two cells by their timestamps alone, and between equal ones by their bytes, cell by cell, so that an object could
//! come to be that nobody wrote. A timestamp here is `instant × 2^11 + turn × 2^6 + content`: the instant in microseconds, then the how-manieth write
//! of that user at that instant through this handle (later calls win), then six bits of a hash of what was written (of two handles' writes at one
//! instant one wins whole, and the same one whenever they are written again).

use std::collections::{BTreeMap, HashMap};

use segment_core::convert::to_json;
use segment_core::value::Value;
use xxhash_rust::xxh3::Xxh3;

use crate::profiles::AttributeWrite;

/// Bits of a timestamp below the instant.
const INSTANT_SHIFT: u32 = 11;
const TURN_SHIFT: u32 = 6;
/// The last turn; what comes after it is told apart by its content alone.
const TURN_MAX: u32 = (1 << (INSTANT_SHIFT - TURN_SHIFT)) - 1;
/// Instants beyond this (the year 2112, and 1827 backwards) are taken for it: 53 bits with 11 below make 64.
const INSTANT_MAX: i64 = (1 << 52) - 1;
/// Writes whose turn is remembered, in two generations.
const REMEMBERED_MAX: usize = 1 << 20;
/// Above every inverted timestamp, and below what a tombstone of an erased user has.
const INVERTED_FROM: i64 = 1 << 62;

/// The timestamp of everything that erases.
pub(crate) const ERASED: i64 = i64::MAX - 1;

/// A timestamp with which the least instant wins.
pub(crate) fn least_wins(instant: i64) -> i64 {
    INVERTED_FROM.saturating_sub(instant).min(ERASED - 1)
}

/// A timestamp with which the greatest instant wins.
pub(crate) fn greatest_wins(instant: i64) -> i64 {
    instant
}

/// The instant that a write's timestamp has.
pub(crate) fn instant(timestamp: i64) -> i64 {
    timestamp >> INSTANT_SHIFT
}

/// Whose turn it is, by user and instant.
#[derive(Debug)]
pub(crate) struct Ties {
    young: HashMap<(u64, i64), u32>,
    old: HashMap<(u64, i64), u32>,
    /// Of instants up to this one, turns below `floor` may be taken by writes that are forgotten.
    forgotten_until: i64,
    floor: u32,
}

impl Default for Ties {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), forgotten_until: i64::MIN, floor: 0 }
    }
}

impl Ties {
    /// The timestamp of a write about a user.
    pub(crate) fn timestamp(&mut self, user_no: u64, written_at: i64, content: u64) -> i64 {
        let instant = written_at.clamp(-INSTANT_MAX, INSTANT_MAX);
        let key = (user_no, instant);
        let turn = match self.young.get(&key).copied().or_else(|| self.old.remove(&key)) {
            Some(turn) => turn + 1,
            None if instant <= self.forgotten_until => self.floor,
            None => 0,
        };
        let turn = turn.min(TURN_MAX);
        if self.young.len() >= REMEMBERED_MAX / 2 {
            let gone = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            for ((_, instant), turn) in gone {
                self.forgotten_until = self.forgotten_until.max(instant);
                self.floor = self.floor.max(turn + 1).min(TURN_MAX);
            }
        }
        self.young.insert(key, turn);
        (instant << INSTANT_SHIFT) + (i64::from(turn) << TURN_SHIFT) + (content % (1 << TURN_SHIFT)) as i64
    }
}

/// A hash of what is said, the same in every process.
pub(crate) fn content<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a AttributeWrite)>) -> u64 {
    let mut hash = Xxh3::new();
    for (name, said) in attributes {
        hash.update(name.as_bytes());
        let (tag, text) = match said {
            AttributeWrite::Null => (0, String::new()),
            AttributeWrite::Value(value) => (1, to_json(value)),
            AttributeWrite::Raw(json) => (2, json.clone()),
            AttributeWrite::Entries(entries) => (3, entries_text(entries)),
        };
        hash.update(&[0, tag]);
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.digest()
}

/// Entries as text, null where a key is removed.
fn entries_text(entries: &BTreeMap<String, Option<Value>>) -> String {
    let json = |value: &Option<Value>| value.as_ref().map_or_else(|| "null".to_owned(), to_json);
    let mut text = String::new();
    for (key, value) in entries {
        text.push_str(&to_json(&Value::String(key.clone())));
        text.push(':');
        text.push_str(&json(value));
        text.push(',');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_instants_win_then_later_calls() {
        let mut ties = Ties::default();
        let first = ties.timestamp(1, 10, 63);
        let second = ties.timestamp(1, 10, 0);
        assert!(first < second && second < ties.timestamp(1, 11, 0));
        assert_eq!(ties.timestamp(2, 10, 63), first);
        for at in [0, 1, -1, 1_700_000_000_000_001, -1_700_000_000_000_001] {
            assert_eq!([0, 63].map(|content| instant(Ties::default().timestamp(3, at, content))), [at, at]);
        }
        assert!(ties.timestamp(2, i64::MAX, 0) > 0 && ties.timestamp(2, i64::MIN, 0) < 0);
        for n in 10..REMEMBERED_MAX as u64 * 2 {
            ties.timestamp(n, 10, 0);
        }
        assert!(ties.young.len() + ties.old.len() <= REMEMBERED_MAX);
        assert!(ties.timestamp(1, 10, 0) > second, "a forgotten write is still the earlier one");
    }

    #[test]
    fn inverted_timestamps_stay_below_the_tombstones() {
        assert!(least_wins(5) > least_wins(6));
        assert!(least_wins(-62_135_596_800_000_000) < ERASED);
        assert!(Ties::default().timestamp(0, i64::MAX, 63) < ERASED);
    }
}
