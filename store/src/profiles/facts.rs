//! What is known of one attribute, and how writes merge into it: the one place that decides it.
//!
//! An attribute is what was last said of it: the later time wins, a tie goes to the later call, and null is kept so that an older value cannot come
//! back. Each key of a map is such a value of its own. What is said of a map as a whole (null, or what is no map) holds for every key up to its time.
//! So the order in which writes of different times come makes no difference, nor does a write that comes twice.
//!
//! Of a map the [`MAP_KEYS_MAX`] keys that were written last are kept, those that were removed among them. That is bounded and still the same in any
//! order: a key that is given up is older than so many others, and whatever these become, they become later.

use std::collections::BTreeMap;

use segment_core::value::Value;

use super::AttributeWrite;
use super::codec::{Reader, put_len, put_text, put_value};
use crate::error::{Result, StoreError};

/// Keys that a user has of one map at most, with those that were removed. Those written last are kept.
pub const MAP_KEYS_MAX: usize = 4096;

/// What is known of an attribute, with the times of what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeFacts {
    /// When the last was said of it.
    written_at: i64,
    /// The value now; never entries.
    said: AttributeWrite,
    /// There is one if the value is a map.
    times: Option<MapTimes>,
}

/// The times of a map, microseconds.
#[derive(Debug, Clone, PartialEq, Default)]
struct MapTimes {
    /// Up to when something else, or nothing, was said of it as a whole.
    cleared_at: Option<i64>,
    /// When something was said of each key; one that the value lacks was removed then.
    keys: BTreeMap<String, i64>,
}

/// Merges what is said of an attribute into those of a user.
pub(crate) fn merge(attributes: &mut BTreeMap<String, AttributeFacts>, name: String, written_at: i64, said: AttributeWrite) {
    match attributes.get_mut(&name) {
        Some(facts) => facts.merge(written_at, said),
        None => {
            attributes.insert(name, AttributeFacts::new(written_at, said));
        }
    }
}

/// What a write says of keys, if it speaks of them.
fn entries(said: AttributeWrite) -> std::result::Result<BTreeMap<String, Option<Value>>, AttributeWrite> {
    match said {
        AttributeWrite::Entries(entries) => Ok(entries),
        AttributeWrite::Value(Value::Map(map)) => Ok(map.into_iter().map(|(key, value)| (key, Some(value))).collect()),
        whole => Err(whole),
    }
}

impl AttributeFacts {
    /// Those of a first write, of which the time is in microseconds.
    pub fn new(written_at: i64, said: AttributeWrite) -> Self {
        match entries(said) {
            Ok(entries) => {
                let mut facts = Self::empty_map(written_at, None);
                facts.put(written_at, entries);
                facts
            }
            Err(said) => Self { written_at, said, times: None },
        }
    }

    fn empty_map(written_at: i64, cleared_at: Option<i64>) -> Self {
        let said = AttributeWrite::Value(Value::Map(BTreeMap::new()));
        Self { written_at, said, times: Some(MapTimes { cleared_at, keys: BTreeMap::new() }) }
    }

    /// Merges a write.
    pub fn merge(&mut self, written_at: i64, said: AttributeWrite) {
        match entries(said) {
            Ok(entries) => {
                if self.times.is_none() {
                    if written_at < self.written_at {
                        return;
                    }
                    *self = Self::empty_map(written_at, Some(self.written_at));
                }
                self.put(written_at, entries);
            }
            Err(said) => self.replace(written_at, said),
        }
    }

    /// Says something of keys of a map.
    fn put(&mut self, written_at: i64, entries: BTreeMap<String, Option<Value>>) {
        let (Some(times), AttributeWrite::Value(Value::Map(map))) = (&mut self.times, &mut self.said) else { return };
        if times.cleared_at.is_some_and(|cleared_at| written_at < cleared_at) {
            return;
        }
        self.written_at = self.written_at.max(written_at);
        for (key, value) in entries {
            if times.keys.get(&key).is_some_and(|before| written_at < *before) {
                continue;
            }
            match value {
                Some(value) => map.insert(key.clone(), value),
                None => map.remove(&key),
            };
            times.keys.insert(key, written_at);
        }
        let excess = times.keys.len().saturating_sub(MAP_KEYS_MAX);
        if excess > 0 {
            let mut order: Vec<(i64, &String)> = times.keys.iter().map(|(key, at)| (*at, key)).collect();
            order.select_nth_unstable(excess - 1);
            let earliest: Vec<String> = order.into_iter().take(excess).map(|(_, key)| key.clone()).collect();
            for key in earliest {
                times.keys.remove(&key);
                map.remove(&key);
            }
        }
    }

    /// Says something of the whole.
    fn replace(&mut self, written_at: i64, said: AttributeWrite) {
        if self.written_at <= written_at {
            *self = Self { written_at, said, times: None };
            return;
        }
        let (Some(times), AttributeWrite::Value(Value::Map(map))) = (&mut self.times, &mut self.said) else { return };
        times.cleared_at = times.cleared_at.max(Some(written_at));
        times.keys.retain(|_, at| *at > written_at);
        map.retain(|key, _| times.keys.contains_key(key));
    }

    /// The value now: of a map all keys that it has, as a value.
    pub fn said(&self) -> &AttributeWrite {
        &self.said
    }

    /// The same.
    pub fn into_said(self) -> AttributeWrite {
        self.said
    }

    /// When the last was said of it, microseconds.
    pub fn written_at(&self) -> i64 {
        self.written_at
    }

    /// The writes that come to the same, the earliest first, and of one instant in the order in which they are to be merged.
    #[cfg(any(feature = "cassandra", test))]
    pub(crate) fn writes(&self) -> Vec<(i64, AttributeWrite)> {
        let (Some(times), AttributeWrite::Value(Value::Map(map))) = (&self.times, &self.said) else {
            return vec![(self.written_at, self.said.clone())];
        };
        let mut instants: BTreeMap<i64, BTreeMap<String, Option<Value>>> = BTreeMap::from([(self.written_at, BTreeMap::new())]);
        for (key, at) in &times.keys {
            instants.entry(*at).or_default().insert(key.clone(), map.get(key).cloned());
        }
        let cleared = times.cleared_at.map(|at| (at, AttributeWrite::Null));
        cleared.into_iter().chain(instants.into_iter().map(|(at, entries)| (at, AttributeWrite::Entries(entries)))).collect()
    }

    /// Appends it as bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.written_at.to_le_bytes());
        match (&self.said, &self.times) {
            (AttributeWrite::Value(Value::Map(map)), Some(times)) => {
                out.push(MAP);
                put_time(out, times.cleared_at);
                put_len(out, times.keys.len());
                for (key, at) in &times.keys {
                    put_text(out, key);
                    out.extend_from_slice(&at.to_le_bytes());
                    match map.get(key) {
                        Some(value) => {
                            out.push(1);
                            put_value(out, value)?;
                        }
                        None => out.push(0),
                    }
                }
            }
            (AttributeWrite::Value(value), _) => {
                out.push(VALUE);
                put_value(out, value)?;
            }
            (AttributeWrite::Raw(json), _) => {
                out.push(RAW);
                put_text(out, json);
            }
            (AttributeWrite::Null | AttributeWrite::Entries(_), _) => out.push(NULL),
        }
        Ok(())
    }

    /// Reads it from bytes. A map that was written as one value, by a Muster that knew no times of keys, has the time of all for each key.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let written_at = reader.i64()?;
        Ok(match reader.byte()? {
            NULL => Self::new(written_at, AttributeWrite::Null),
            VALUE => Self::new(written_at, AttributeWrite::Value(reader.value()?)),
            RAW => Self::new(written_at, AttributeWrite::Raw(reader.text()?.to_owned())),
            MAP => {
                let cleared_at = time(reader)?;
                let (mut keys, mut map) = (BTreeMap::new(), BTreeMap::new());
                for _ in 0..reader.len()? {
                    let key = reader.text()?.to_owned();
                    let at = reader.i64()?;
                    if is_there(reader)? {
                        map.insert(key.clone(), reader.value()?);
                    }
                    keys.insert(key, at);
                }
                Self { written_at, said: AttributeWrite::Value(Value::Map(map)), times: Some(MapTimes { cleared_at, keys }) }
            }
            tag => return Err(StoreError::corrupt_plain(format!("an attribute has the unknown tag {tag}"))),
        })
    }
}

const NULL: u8 = 0;
const VALUE: u8 = 1;
const RAW: u8 = 2;
const MAP: u8 = 3;

fn put_time(out: &mut Vec<u8>, time: Option<i64>) {
    out.push(u8::from(time.is_some()));
    if let Some(time) = time {
        out.extend_from_slice(&time.to_le_bytes());
    }
}

fn time(reader: &mut Reader<'_>) -> Result<Option<i64>> {
    if is_there(reader)? { reader.i64().map(Some) } else { Ok(None) }
}

fn is_there(reader: &mut Reader<'_>) -> Result<bool> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        tag => Err(StoreError::corrupt_plain(format!("a part of an attribute has the unknown tag {tag}"))),
    }
}

#[cfg(test)]
mod tests;
