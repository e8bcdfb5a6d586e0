//! What the columns of a binding hold in the files, for engines that read the files themselves and have to be told.
//!
//! In: what each file has, found by whoever reads footers. Out: one answer for all files, or where they differ. Invariant: a column that is
//! not among them is in no file, and missing in every row.

use std::collections::BTreeMap;

use super::{ColumnPath, EventName, EventsTable, TimeForm};
use crate::catalog::{Catalog, ColumnKind};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Text.
    Text,
    /// Whole numbers with a sign, of 64 bits at most.
    Integer,
    /// Floats of 32 or 64 bits.
    Float,
    /// Decimals of so many digits, of which some are behind the point.
    Decimal(u8, u8),
    /// Booleans.
    Boolean,
    /// Days.
    Date,
    /// Timestamps.
    Timestamp {
        /// Whether they are instants; if not, wall-clock time.
        instant: bool,
        /// Whether they are finer than microseconds.
        nanos: bool,
    },
    /// Lists of text.
    Texts,
    /// A struct.
    Struct,
}

impl Held {
    /// Its name in an error.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "whole numbers",
            Self::Float => "floats",
            Self::Decimal(..) => "decimals",
            Self::Boolean => "booleans",
            Self::Date => "dates",
            Self::Timestamp { instant: true, .. } => "instants",
            Self::Timestamp { instant: false, .. } => "times without an offset",
            Self::Texts => "lists of text",
            Self::Struct => "a struct",
        }
    }

    /// What one column holds that holds either; `None` if there is none.
    fn or(self, other: Self) -> Option<Self> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Self::Timestamp { instant: a, nanos: x }, Self::Timestamp { instant: b, nanos: y }) if a == b => {
                Some(Self::Timestamp { instant: a, nanos: x || y })
            }
            _ => None,
        }
    }
}

/// What the columns of some files hold, by their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldColumns {
    held: BTreeMap<ColumnPath, Held>,
    /// Why only the embedded engine reads a column.
    refused: BTreeMap<ColumnPath, String>,
}

impl HeldColumns {
    /// Notes what a column holds.
    pub fn insert(&mut self, path: ColumnPath, held: Held) {
        self.held.insert(path, held);
    }

    /// Notes why only the embedded engine reads a column.
    pub fn refuse(&mut self, path: ColumnPath, why: impl Into<String>) {
        self.held.remove(&path);
        self.refused.entry(path).or_insert_with(|| why.into());
    }

    /// Why it is refused, if it is.
    pub fn refused(&self, path: &[String]) -> Option<&str> {
        self.refused.get(path).map(String::as_str)
    }

    /// What a column holds; `None` if no file has it, or it is refused.
    pub fn get(&self, path: &[String]) -> Option<Held> {
        self.held.get(path).copied()
    }

    /// All that are not refused, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&ColumnPath, Held)> {
        self.held.iter().map(|(path, held)| (path, *held))
    }

    /// The same with those of more files. A column that holds one thing here and another there is refused.
    pub fn with(mut self, more: &Self) -> Self {
        for (path, why) in &more.refused {
            self.refuse(path.clone(), why);
        }
        for (path, held) in more.iter().filter(|(path, _)| !self.refused.contains_key(*path)).collect::<Vec<_>>() {
            let known = self.get(path).unwrap_or(held);
            match known.or(held) {
                Some(both) => self.insert(path.clone(), both),
                None => {
                    let (path_, one, other) = (path.join("."), known.name(), held.name());
                    self.refuse(path.clone(), format!("column \"{path_}\" holds {one} in some files and {other} in others"));
                }
            }
        }
        self
    }
}

/// What a binding uses a column for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// A user's or a message's id.
    Id,
    /// An event's name.
    Name,
    /// Its time.
    Time(TimeForm),
    /// What a stored column holds.
    Stored(ColumnKind),
}

impl Use {
    /// What the column may be said to hold where no file has it; `None`: nothing in particular.
    pub(crate) fn any(self) -> Option<Held> {
        const INSTANT: Held = Held::Timestamp { instant: true, nanos: false };
        match self {
            Self::Id | Self::Name | Self::Time(TimeForm::String) | Self::Stored(ColumnKind::String) => Some(Held::Text),
            Self::Time(TimeForm::Timestamp) | Self::Stored(ColumnKind::Timestamp) => Some(INSTANT),
            Self::Time(TimeForm::EpochS | TimeForm::EpochMs | TimeForm::EpochUs) | Self::Stored(ColumnKind::Integer) => Some(Held::Integer),
            Self::Stored(ColumnKind::Number) => Some(Held::Float),
            Self::Stored(ColumnKind::Boolean) => Some(Held::Boolean),
            Self::Stored(ColumnKind::Date) => Some(Held::Date),
            Self::Stored(ColumnKind::Strings) => Some(Held::Texts),
            Self::Stored(ColumnKind::Presence | ColumnKind::Json) => None,
        }
    }
}

impl EventsTable {
    /// The files' columns that it uses, with what for; those that are partition columns, or JSON text, are not among them.
    pub(crate) fn uses(&self, catalog: &Catalog) -> Vec<(ColumnPath, Use)> {
        let mut out = vec![(self.user_id.clone(), Use::Id), (self.ts.column.clone(), Use::Time(self.ts.form))];
        if let EventName::Column(path) = &self.event {
            out.push((path.clone(), Use::Name));
        }
        out.extend(self.message_id.iter().map(|path| (path.clone(), Use::Id)));
        for (name, path) in &self.properties {
            let columns = catalog.properties.get(name).into_iter().flat_map(|field| &field.columns);
            let columns = columns.filter(|column| column.kind != ColumnKind::Json);
            out.extend(columns.map(|column| (path.iter().chain(&column.path).cloned().collect(), Use::Stored(column.kind))));
        }
        out.retain(|(path, _)| self.partition_of(path).is_none());
        out
    }

    /// The paths of the files' columns that engines have to be told of.
    pub fn paths(&self, catalog: &Catalog) -> Vec<ColumnPath> {
        self.uses(catalog).into_iter().map(|(path, _)| path).collect()
    }

    /// The position of the partition column that a path names.
    pub fn partition_of(&self, path: &[String]) -> Option<usize> {
        match path {
            [name] => self.partitions.iter().position(|p| p.column == *name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(held: Held) -> HeldColumns {
        HeldColumns { held: BTreeMap::from([(vec!["a".to_owned()], held)]), refused: BTreeMap::new() }
    }

    #[test]
    fn files_that_differ() {
        let fine = Held::Timestamp { instant: true, nanos: true };
        let coarse = Held::Timestamp { instant: true, nanos: false };
        assert_eq!(one(coarse).with(&one(fine)), one(fine));
        assert_eq!(HeldColumns::default().with(&one(Held::Text)), one(Held::Text));
        let local = Held::Timestamp { instant: false, nanos: false };
        let path = ["a".to_owned()];
        let refused = one(local).with(&one(coarse)).with(&one(local));
        let why = "column \"a\" holds times without an offset in some files and instants in others";
        assert_eq!((refused.get(&path), refused.refused(&path)), (None, Some(why)));
        assert!(one(Held::Decimal(10, 2)).with(&one(Held::Decimal(10, 3))).refused(&path).is_some());
        assert_eq!(one(Held::Integer).with(&one(Held::Integer)).refused(&path), None);
    }
}
