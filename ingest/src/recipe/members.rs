//! The columns of NDJSON: which members its lines have, and of what type.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field};
use segment_core::json::Json;

use crate::error::{ImportError, Result};
use crate::input::{Chunk, Input};
use crate::limits::NAMES_MAX;
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
                // Lines that are none are rejected when rows are made of them.
                let Ok(members) = json::object(line) else { continue };
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
            // An integer of more than 64 bits stays text, so that nothing of it is lost.
            Json::Number(text) if text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) => kinds.numbers = true,
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

/// A line's members, with those of `properties` and `attributes` beside the others.
pub(super) fn flat(members: Vec<(String, Json)>) -> Vec<(String, Json)> {
    let mut out = Vec::with_capacity(members.len());
    for (name, value) in members {
        match value {
            Json::Object(inner) if name == "properties" || name == "attributes" => out.extend(inner),
            value => out.push((name, value)),
        }
    }
    out
}

/// A member of all objects, in a column's type.
pub(super) fn column(field: &Field, objects: &[Vec<(String, Json)>]) -> ArrayRef {
    let values = objects.iter().map(|members| members.iter().rev().find(|(name, _)| name == field.name()).map(|(_, value)| value));
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
