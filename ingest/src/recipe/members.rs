//! The columns of NDJSON: which members its lines have, and of what type.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field};
use segment_core::json::Json;

use crate::error::{ImportError, Result};
use crate::input::{Chunk, Input};
use crate::limits::NAMES_MAX;
use crate::mapping::Half;
use crate::rows::json;

/// What the values of a member are.
#[derive(Default, Clone, Copy)]
struct Kinds {
    integers: bool,
    numbers: bool,
    booleans: bool,
    others: bool,
}

/// The members of all lines, in the order they are first seen.
#[derive(Default)]
pub(super) struct Members {
    found: Vec<(String, Kinds)>,
}

impl Members {
    /// Reads a file through.
    pub(super) fn read(&mut self, input: &Input) -> Result<()> {
        let mut reader = input.open(None)?.reader;
        while let Some(chunk) = reader.next()? {
            let Chunk::Lines { text, .. } = chunk else { continue };
            for line in text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
                // Lines that are unusable are rejected when rows are made of them.
                let Ok(members) = json::usable(line) else { continue };
                for (name, value) in flat(members) {
                    self.add(name, &value)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String, value: &Json) -> Result<()> {
        let at = match self.found.iter().position(|(found, _)| *found == name) {
            Some(at) => at,
            None if self.found.len() >= NAMES_MAX => {
                return Err(ImportError::TooManyNames { what: "columns", max: NAMES_MAX, name });
            }
            None => {
                self.found.push((name, Kinds::default()));
                self.found.len() - 1
            }
        };
        let Some((_, kinds)) = self.found.get_mut(at) else { return Ok(()) };
        match value {
            Json::Null => {}
            Json::Bool(_) => kinds.booleans = true,
            Json::Number(text) if text.parse::<i64>().is_ok() => kinds.integers = true,
            // Beyond what a number can be it stays text, so that nothing of it is lost.
            Json::Number(text) if text.parse::<f64>().is_ok_and(f64::is_finite) => kinds.numbers = true,
            _ => kinds.others = true,
        }
        Ok(())
    }

    /// As columns.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field> {
        self.found.iter().map(|(name, kinds)| {
            let ty = match (kinds.others, kinds.booleans, kinds.numbers, kinds.integers) {
                (false, false, false, true) => DataType::Int64,
                (false, false, true, _) => DataType::Float64,
                (false, true, false, false) => DataType::Boolean,
                _ => DataType::Utf8,
            };
            Field::new(name, ty, true)
        })
    }
}

/// A line's members, each once: of a name given twice the later one, those of `properties` and `attributes` before those beside them, but
/// for what an event or a user is made of, which is beside them.
pub(super) fn flat(members: Vec<(String, Json)>) -> Vec<(String, Json)> {
    let (mut top, mut inside) = (Vec::with_capacity(members.len()), Vec::new());
    for (name, value) in members {
        match value {
            Json::Object(inner) if CONTAINERS.contains(&name.as_str()) => inside.extend(inner),
            Json::Null if CONTAINERS.contains(&name.as_str()) => {}
            value => top.push((name, value)),
        }
    }
    let (own, others): (Vec<_>, Vec<_>) = top.into_iter().partition(|(name, _)| is_own(name));
    let mut out: Vec<(String, Json)> = Vec::with_capacity(others.len() + inside.len() + own.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, value) in others.into_iter().chain(inside).chain(own) {
        match places.get(&name).and_then(|&at| out.get_mut(at)) {
            Some((_, before)) => *before = value,
            None => {
                places.insert(name.clone(), out.len());
                out.push((name, value));
            }
        }
    }
    out
}

/// The members that hold others.
const CONTAINERS: [&str; 2] = [Half::Events.container(), Half::Users.container()];

fn is_own(name: &str) -> bool {
    [Half::Events, Half::Users].iter().any(|half| half.own().contains(&name))
}

/// A member of all objects, in a column's type.
pub(super) fn column(field: &Field, objects: &[Vec<(String, Json)>]) -> ArrayRef {
    let values = objects.iter().map(|members| members.iter().find(|(name, _)| name == field.name()).map(|(_, value)| value));
    let values = values.map(|value| value.filter(|value| !value.is_null()));
    match field.data_type() {
        DataType::Int64 => Arc::new(values.map(|v| v?.as_number()?.parse().ok()).collect::<Int64Array>()),
        DataType::Float64 => Arc::new(values.map(|v| v?.as_number()?.parse().ok()).collect::<Float64Array>()),
        DataType::Boolean => Arc::new(values.map(|v| v?.as_bool()).collect::<BooleanArray>()),
        _ => Arc::new(values.map(|v| v.map(text)).collect::<StringArray>()),
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) | Json::Number(text) => text.clone(),
        other => other.to_text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let Json::Object(members) = Json::parse(line).unwrap() else { panic!("{line}") };
        assert_eq!(Json::Object(flat(members)).to_text(), expected, "{line}");
    }

    #[test]
    fn members_inside_win_but_for_the_fields() {
        check(r#"{"properties":{"a":1},"a":2}"#, r#"{"a":1}"#);
        check(r#"{"a":2,"properties":{"a":1}}"#, r#"{"a":1}"#);
        check(r#"{"a":1,"a":2,"attributes":{"b":1,"b":2}}"#, r#"{"a":2,"b":2}"#);
        check(r#"{"properties":{"a":1},"attributes":{"a":2}}"#, r#"{"a":2}"#);
        check(r#"{"user_id":"u","properties":{"user_id":"p","ts":"t"}}"#, r#"{"user_id":"u","ts":"t"}"#);
        check(r#"{"properties":5,"attributes":null}"#, r#"{"properties":5}"#);
    }
}
