//! Votes for the types of names, by name number.

use segment_core::json::Json;
use segment_core::learn::Votes;

use crate::cell::{Cell, Cells};
use crate::error::Result;
use crate::rows::beyond;

/// The votes of all names.
pub(crate) struct Tally {
    votes: Vec<Votes>,
    integer: Json,
    decimal: Json,
    date: Json,
    instant: Json,
    text: Json,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            votes: Vec::new(),
            integer: Json::Number("0".to_owned()),
            decimal: Json::Number("0.5".to_owned()),
            date: Json::String(beyond::DATE.to_owned()),
            instant: Json::String(beyond::INSTANT.to_owned()),
            text: Json::String(String::new()),
        }
    }
}

impl Tally {
    /// Counts the cells of a row.
    pub(crate) fn add(&mut self, cells: &[u8]) -> Result<()> {
        let mut cells = Cells::new(cells);
        while let Some((name, cell)) = cells.next()? {
            let name = name as usize;
            if self.votes.len() <= name {
                self.votes.resize_with(name + 1, Votes::default);
            }
            let Some(votes) = self.votes.get_mut(name) else { continue };
            match cell {
                Cell::Null => {}
                Cell::Int(_) => votes.add(&self.integer, false),
                Cell::Float(_) => votes.add(&self.decimal, false),
                Cell::Timestamp(_) | Cell::TimestampBeyond(_) => votes.add(&self.instant, false),
                Cell::Date(_) | Cell::DateBeyond(_) => votes.add(&self.date, false),
                Cell::Bool(b) => votes.add(&Json::Bool(b), false),
                Cell::Text(text) | Cell::CsvText(text) => {
                    if let Json::String(scratch) = &mut self.text {
                        scratch.clear();
                        scratch.push_str(text);
                    }
                    votes.add(&self.text, matches!(cell, Cell::CsvText(_)));
                }
                Cell::Number(_) | Cell::Json(_) => votes.add(&cell.to_json(), false),
                Cell::CsvJson(_) => votes.add(&cell.to_json(), true),
                Cell::JsonBeyond(_) => votes.add(&beyond::within(cell.to_json()), false),
            }
        }
        Ok(())
    }

    /// Counts what another has counted.
    pub(crate) fn merge(&mut self, other: &Tally) {
        if self.votes.len() < other.votes.len() {
            self.votes.resize_with(other.votes.len(), Votes::default);
        }
        for (mine, theirs) in self.votes.iter_mut().zip(&other.votes) {
            mine.merge(theirs);
        }
    }

    /// The votes of a name.
    pub(crate) fn votes(&self, name: usize) -> Option<&Votes> {
        self.votes.get(name)
    }
}
