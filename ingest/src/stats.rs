//! What was seen while writing, by name number: for the report and for the catalog.

use segment_core::json::Json;
use segment_core::value::Value;

use crate::cell::Cell;
use crate::limits::{EXAMPLE_CHARS_MAX, EXAMPLES_MAX};

/// What became of the values of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NameStats {
    /// Values that are not null.
    pub(crate) values: u64,
    /// Those of them that did not convert.
    pub(crate) unconverted: u64,
    /// Those that converted but for some of their parts.
    pub(crate) partial: u64,
    /// A few of those.
    pub(crate) examples: Vec<String>,
}

/// How a value fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Converted,
    /// Parts of it were left out.
    Partial,
    Unconverted,
}

/// By name number, and by event number those that it carries.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) names: Vec<NameStats>,
    pub(crate) carried: Vec<Option<Vec<bool>>>,
    /// Rows by event number.
    pub(crate) events: Vec<u64>,
}

fn slot<T: Default>(list: &mut Vec<T>, at: usize) -> Option<&mut T> {
    if list.len() <= at {
        list.resize_with(at + 1, T::default);
    }
    list.get_mut(at)
}

impl Stats {
    /// Counts a value.
    pub(crate) fn count(&mut self, name: u32, cell: Cell<'_>, fate: Fate) {
        let Some(stats) = slot(&mut self.names, name as usize) else { return };
        stats.values += 1;
        match fate {
            Fate::Converted => return,
            Fate::Partial => stats.partial += 1,
            Fate::Unconverted => stats.unconverted += 1,
        }
        if stats.examples.len() < EXAMPLES_MAX {
            let example: String = cell.to_json().to_text().chars().take(EXAMPLE_CHARS_MAX).collect();
            if !stats.examples.contains(&example) {
                stats.examples.push(example);
            }
        }
    }

    /// Counts an event.
    pub(crate) fn event(&mut self, event: u32) {
        if let Some(rows) = slot(&mut self.events, event as usize) {
            *rows += 1;
        }
        if let Some(carried) = slot(&mut self.carried, event as usize) {
            carried.get_or_insert_default();
        }
    }

    /// Notes that an event carries a property.
    pub(crate) fn carry(&mut self, event: u32, name: u32) {
        if let Some(Some(carried)) = self.carried.get_mut(event as usize)
            && let Some(flag) = slot(carried, name as usize)
        {
            *flag = true;
        }
    }

    /// Adds what another thread counted.
    pub(crate) fn merge(&mut self, other: Stats) {
        for (name, theirs) in other.names.into_iter().enumerate() {
            let Some(mine) = slot(&mut self.names, name) else { continue };
            mine.values += theirs.values;
            mine.unconverted += theirs.unconverted;
            mine.partial += theirs.partial;
            let room = EXAMPLES_MAX.saturating_sub(mine.examples.len());
            let fresh: Vec<String> = theirs.examples.into_iter().filter(|e| !mine.examples.contains(e)).take(room).collect();
            mine.examples.extend(fresh);
        }
        for (event, rows) in other.events.into_iter().enumerate() {
            if let Some(mine) = slot(&mut self.events, event) {
                *mine += rows;
            }
        }
        for (event, theirs) in other.carried.into_iter().enumerate() {
            let (Some(theirs), Some(mine)) = (theirs, slot(&mut self.carried, event)) else { continue };
            let mine = mine.get_or_insert_default();
            for (name, carried) in theirs.into_iter().enumerate() {
                if let Some(flag) = slot(mine, name) {
                    *flag |= carried;
                }
            }
        }
    }
}

/// Whether nothing of a list or an object was left out when it was converted.
pub(crate) fn is_whole(json: &Json, value: &Value) -> bool {
    json_leaves(json) == value_leaves(value)
}

/// The same of an object of which these values came.
pub(crate) fn says_whole<'v>(json: &Json, values: impl Iterator<Item = &'v Value>) -> bool {
    json_leaves(json) == values.map(value_leaves).sum::<usize>()
}

fn json_leaves(json: &Json) -> usize {
    match json {
        Json::Null => 0,
        Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::BadString => 1,
        Json::Array(items) => items.iter().map(json_leaves).sum(),
        Json::Object(members) => members.iter().map(|(_, value)| json_leaves(value)).sum(),
    }
}

fn value_leaves(value: &Value) -> usize {
    match value {
        Value::Strings(items) => items.len(),
        Value::Object(fields) | Value::Map(fields) => fields.values().map(value_leaves).sum(),
        Value::Objects(items) => items.iter().flat_map(|item| item.values()).map(value_leaves).sum(),
        _ => 1,
    }
}
