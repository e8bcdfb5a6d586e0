//! What the key-value store holds of one user's profile, and how writes merge into it.

use std::collections::BTreeMap;

use super::codec::{Reader, put_len, put_text, put_value};
use super::{AttributeWrite, ProfileWrite};
use crate::error::{Result, StoreError};

/// The first byte of a row.
const FORMAT: u8 = 1;

/// A user's profile, and what events have set. A user with events alone, which set nothing, has no row.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Row {
    /// Whether there is a profile.
    pub(crate) is_profile: bool,
    /// The least stated `first_seen_at`.
    pub(crate) stated: Option<i64>,
    /// What was last said of each attribute.
    pub(crate) cells: BTreeMap<String, Cell>,
}

/// What was last said of an attribute, and when. A null is kept, so that an older value cannot come back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub(crate) written_at: i64,
    pub(crate) said: AttributeWrite,
}

impl Row {
    /// Merges a write: the later `written_at` wins, a tie goes to the later call.
    pub(crate) fn merge(&mut self, write: ProfileWrite) {
        self.is_profile |= !write.of_events;
        self.stated = match (self.stated, write.first_seen_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for (name, said) in write.attributes {
            let newer = self.cells.get(&name).is_none_or(|old| old.written_at <= write.written_at);
            if newer {
                self.cells.insert(name, Cell { written_at: write.written_at, said });
            }
        }
    }

    /// What the profile states, if there is one.
    pub(crate) fn stated(&self) -> Option<Option<i64>> {
        self.is_profile.then_some(self.stated)
    }

    /// As bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = vec![FORMAT];
        match self.stated {
            Some(stated) => {
                out.push(1);
                out.extend_from_slice(&stated.to_le_bytes());
            }
            None if self.is_profile => out.push(0),
            None => out.push(2),
        }
        put_len(&mut out, self.cells.len());
        for (name, cell) in &self.cells {
            put_text(&mut out, name);
            out.extend_from_slice(&cell.written_at.to_le_bytes());
            match &cell.said {
                AttributeWrite::Null => out.push(0),
                AttributeWrite::Value(value) => {
                    out.push(1);
                    put_value(&mut out, value)?;
                }
                AttributeWrite::Raw(json) => {
                    out.push(2);
                    put_text(&mut out, json);
                }
            }
        }
        Ok(out)
    }

    /// From bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let format = reader.byte()?;
        if format != FORMAT {
            return Err(StoreError::corrupt_plain(format!("a profile has the unknown format {format}")));
        }
        let (is_profile, stated) = match reader.byte()? {
            0 => (true, None),
            1 => (true, Some(reader.i64()?)),
            2 => (false, None),
            tag => return Err(StoreError::corrupt_plain(format!("a profile has the unknown tag {tag}"))),
        };
        let mut cells = BTreeMap::new();
        for _ in 0..reader.len()? {
            let name = reader.text()?.to_owned();
            let written_at = reader.i64()?;
            let said = match reader.byte()? {
                0 => AttributeWrite::Null,
                1 => AttributeWrite::Value(reader.value()?),
                2 => AttributeWrite::Raw(reader.text()?.to_owned()),
                tag => return Err(StoreError::corrupt_plain(format!("an attribute has the unknown tag {tag}"))),
            };
            cells.insert(name, Cell { written_at, said });
        }
        if !reader.is_empty() {
            return Err(StoreError::corrupt_plain("a profile's bytes go on after its end"));
        }
        Ok(Self { is_profile, stated, cells })
    }
}

/// The time a user enters the universe; `None` for one that has always existed.
pub(crate) fn first_seen_at(profile: Option<&Row>, first_event: Option<i64>) -> Option<i64> {
    first_seen(profile.and_then(Row::stated), first_event)
}

/// The same of what a profile states, if there is one.
pub(crate) fn first_seen(stated: Option<Option<i64>>, first_event: Option<i64>) -> Option<i64> {
    match (stated, first_event) {
        (Some(None), _) => None,
        (Some(Some(stated)), Some(event)) => Some(stated.min(event)),
        (Some(stated), None) => stated,
        (None, event) => event,
    }
}

#[cfg(test)]
mod tests {
    use segment_core::value::Value;

    use super::*;

    fn write(at: i64, said: AttributeWrite, stated: Option<i64>) -> ProfileWrite {
        ProfileWrite {
            user_id: "u".to_owned(),
            attributes: vec![("a".to_owned(), said)],
            written_at: at,
            first_seen_at: stated,
            of_events: false,
        }
    }

    fn value(n: i64) -> AttributeWrite {
        AttributeWrite::Value(Value::Integer(n))
    }

    #[test]
    fn later_wins_ties_go_to_the_later_call_null_stays() {
        let mut row = Row::default();
        row.merge(write(10, value(1), Some(5)));
        row.merge(write(9, value(2), Some(3)));
        assert_eq!(row.cells["a"].said, value(1));
        assert_eq!(row.stated, Some(3));
        row.merge(write(10, value(3), None));
        assert_eq!(row.cells["a"].said, value(3));
        assert_eq!(row.stated, Some(3));
        row.merge(write(11, AttributeWrite::Null, None));
        row.merge(write(10, value(4), None));
        assert_eq!(row.cells["a"].said, AttributeWrite::Null);
        row.merge(write(12, AttributeWrite::Raw("\"x\"".to_owned()), None));
        assert_eq!(Row::decode(&row.encode().unwrap()).unwrap(), row);
    }

    #[test]
    fn what_events_set_makes_no_profile() {
        let mut row = Row::default();
        row.merge(ProfileWrite { of_events: true, ..write(1, AttributeWrite::Null, None) });
        assert_eq!(Row::decode(&row.encode().unwrap()).unwrap(), row);
        assert_eq!(first_seen_at(Some(&row), Some(50)), Some(50), "the user is as old as the events");
        row.merge(write(2, AttributeWrite::Null, None));
        assert_eq!(first_seen_at(Some(&row), Some(50)), None, "a profile that states nothing has always existed");
        assert_eq!(Row::decode(&row.encode().unwrap()).unwrap(), row);
    }

    #[test]
    fn when_users_begin() {
        let stating = |t| Row { is_profile: true, stated: t, cells: BTreeMap::new() };
        assert_eq!(first_seen_at(Some(&stating(None)), Some(7)), None);
        assert_eq!(first_seen_at(Some(&stating(Some(9))), Some(7)), Some(7));
        assert_eq!(first_seen_at(Some(&stating(Some(5))), Some(7)), Some(5));
        assert_eq!(first_seen_at(Some(&stating(Some(5))), None), Some(5));
        assert_eq!(first_seen_at(None, Some(7)), Some(7));
    }
}
