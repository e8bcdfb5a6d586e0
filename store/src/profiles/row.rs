//! What the key-value store holds of one user's profile, and how writes merge into it.

use std::collections::BTreeMap;

use super::ProfileWrite;
use super::codec::{Reader, put_len, put_text};
use super::facts::{self, AttributeFacts};
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
    /// What is known of each attribute.
    pub(crate) attributes: BTreeMap<String, AttributeFacts>,
}

impl Row {
    /// Merges a write.
    pub(crate) fn merge(&mut self, write: ProfileWrite) {
        self.is_profile |= !write.of_events;
        self.stated = match (self.stated, write.first_seen_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for (name, said) in write.attributes {
            facts::merge(&mut self.attributes, name, write.written_at, said);
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
        put_len(&mut out, self.attributes.len());
        for (name, facts) in &self.attributes {
            put_text(&mut out, name);
            facts.encode(&mut out)?;
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
        let mut attributes = BTreeMap::new();
        for _ in 0..reader.len()? {
            let name = reader.text()?.to_owned();
            attributes.insert(name, AttributeFacts::decode(&mut reader)?);
        }
        if !reader.is_empty() {
            return Err(StoreError::corrupt_plain("a profile's bytes go on after its end"));
        }
        Ok(Self { is_profile, stated, attributes })
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
    use crate::profiles::AttributeWrite;

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
        assert_eq!(*row.attributes["a"].said(), value(1));
        assert_eq!(row.stated, Some(3));
        row.merge(write(10, value(3), None));
        assert_eq!(*row.attributes["a"].said(), value(3));
        assert_eq!(row.stated, Some(3));
        row.merge(write(11, AttributeWrite::Null, None));
        row.merge(write(10, value(4), None));
        assert_eq!(*row.attributes["a"].said(), AttributeWrite::Null);
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
        let stating = |t| Row { is_profile: true, stated: t, attributes: BTreeMap::new() };
        assert_eq!(first_seen_at(Some(&stating(None)), Some(7)), None);
        assert_eq!(first_seen_at(Some(&stating(Some(9))), Some(7)), Some(7));
        assert_eq!(first_seen_at(Some(&stating(Some(5))), Some(7)), Some(5));
        assert_eq!(first_seen_at(Some(&stating(Some(5))), None), Some(5));
        assert_eq!(first_seen_at(None, Some(7)), Some(7));
    }
}
