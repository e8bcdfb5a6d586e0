//! Which column is which field: `--map`, `--set`, and native names.
//!
//! A field is one of the half's own (`user_id`, `event`, …) or the name of a property or attribute. A constant wins over a
//! mapped column, which wins over the column of the field's own name. A column that a field takes is no property besides.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{ImportError, Result};
use crate::request::ImportRequest;

/// The place of a row's own position in recipes.
pub(crate) const POSITION: &str = "_position";
/// A row's hash in recipes: the message id that it has when it states none.
pub(crate) const ROW: &str = "_row";
/// The name of a row's file in recipes.
pub(crate) const FILE: &str = "_file";

/// Events or users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Events,
    Users,
}

impl Half {
    /// The fields that are no properties or attributes.
    pub(crate) fn own(self) -> &'static [&'static str] {
        match self {
            Half::Events => &["user_id", "event", "ts", "message_id"],
            Half::Users => &["user_id", "first_seen_at"],
        }
    }

    /// The member of native NDJSON that holds the others.
    pub(crate) const fn container(self) -> &'static str {
        match self {
            Half::Events => "properties",
            Half::Users => "attributes",
        }
    }

    /// The path inside the member that holds the others, if the column is one.
    pub(crate) fn inner(self, column: &str) -> Option<&str> {
        column.strip_prefix(self.container())?.strip_prefix('.')
    }

    fn other(self) -> Half {
        match self {
            Half::Events => Half::Users,
            Half::Users => Half::Events,
        }
    }

    /// Whether a mapping of the field has a meaning here.
    fn has(self, field: &str) -> bool {
        self.own().contains(&field) || !self.other().own().contains(&field)
    }
}

/// A mapped column, and whether any input had it.
struct Mapped {
    field: String,
    column: String,
    found: AtomicBool,
}

/// What one half maps and sets.
pub(crate) struct Mapping {
    pub(crate) half: Half,
    map: Vec<Mapped>,
    set: Vec<(String, String)>,
}

impl Mapping {
    /// The part of a request that is for one half.
    pub(crate) fn new(request: &ImportRequest, half: Half) -> Self {
        let map = request.map.iter().filter(|(field, _)| half.has(field));
        let map = map.map(|(field, column)| Mapped { field: field.clone(), column: column.clone(), found: AtomicBool::new(false) });
        let set = request.set.iter().filter(|(field, _)| half.has(field));
        Self { half, map: map.collect(), set: set.cloned().collect() }
    }

    /// The constant of a field.
    pub(crate) fn constant(&self, field: &str) -> Option<&str> {
        self.set.iter().find(|(f, _)| f == field).map(|(_, value)| value.as_str())
    }

    /// The column mapped to a field.
    pub(crate) fn column(&self, field: &str) -> Option<&str> {
        self.map.iter().find(|m| m.field == field).map(|m| m.column.as_str())
    }

    /// Notes that an input has a mapped column.
    pub(crate) fn found(&self, column: &str) {
        for mapped in self.map.iter().filter(|m| m.column == column) {
            if !mapped.found.load(Ordering::Relaxed) {
                mapped.found.store(true, Ordering::Relaxed);
            }
        }
    }

    /// `(field, column)` of the fields that are not the half's own.
    pub(crate) fn renamed(&self) -> impl Iterator<Item = (&str, &str)> {
        let others = self.map.iter().filter(|m| !self.half.own().contains(&m.field.as_str()));
        others.map(|m| (m.field.as_str(), m.column.as_str()))
    }

    /// Whether any field at all is mapped to that column.
    pub(crate) fn is_mapped(&self, column: &str) -> bool {
        self.map.iter().any(|m| m.column == column)
    }

    /// Whether nothing is mapped or set.
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty() && self.set.is_empty()
    }

    /// Constants that are properties or attributes.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().filter(|(field, _)| !self.half.own().contains(&field.as_str())).map(|(f, v)| (f.as_str(), v.as_str()))
    }

    /// Text that is the same for the same mapping.
    pub(crate) fn fingerprint(&self) -> String {
        let map = self.map.iter().map(|m| format!("{:?}={:?}", m.field, m.column));
        let set = self.set.iter().map(|(f, v)| format!("{f:?}:={v:?}"));
        map.chain(set).collect::<Vec<_>>().join(",")
    }
}

/// Refuses a request whose mappings contradict each other.
pub(crate) fn check(request: &ImportRequest) -> Result<()> {
    let mut fields: Vec<&str> = request.map.iter().chain(&request.set).map(|(field, _)| field.as_str()).collect();
    if fields.iter().any(|f| f.is_empty()) {
        return Err(ImportError::Invalid("--map and --set take FIELD=…, and the field is empty".to_owned()));
    }
    fields.sort_unstable();
    if let Some(pair) = fields.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(ImportError::Invalid(format!("the field \"{}\" is mapped or set twice", pair[0])));
    }
    for half in [Half::Events, Half::Users] {
        let (mine, others) = match half {
            Half::Events => (&request.events, &request.users),
            Half::Users => (&request.users, &request.events),
        };
        let idle = mine.is_empty() && !others.is_empty() && request.recipe.is_none();
        if let Some(field) = fields.iter().find(|f| idle && half.own().contains(f) && !half.other().own().contains(f)) {
            return Err(ImportError::Invalid(format!("the field \"{field}\" is mapped or set, and no input has such a field")));
        }
    }
    Ok(())
}

/// Refuses columns that were mapped and are in no input. All input has been read.
pub(crate) fn check_found(mappings: &[&Mapping]) -> Result<()> {
    for missing in mappings.iter().flat_map(|m| &m.map) {
        let anywhere = mappings.iter().flat_map(|m| &m.map).any(|m| m.column == missing.column && m.found.load(Ordering::Relaxed));
        if !anywhere {
            return Err(ImportError::Invalid(format!(
                "no input has a column \"{}\", which is mapped to the field \"{}\". In NDJSON and Parquet a dotted path such as \"user.id\" \
                 leads into an object; CSV has columns alone",
                missing.column, missing.field
            )));
        }
    }
    Ok(())
}
