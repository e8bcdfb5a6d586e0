//! What a workspace knows to exist: attributes, properties, events, their types, and the columns that store them.
//!
//! In: declarations (the wire JSON of `muster catalog --set`) and what imports learn. Out: the one place that knows a
//! name's type and column. Columns have names of their own (`p7_price`), unique without regard to case, so that
//! attribute and property names may differ by case only or be SQL keywords. Deliberately absent: data, I/O.
//!
//! # Storage
//!
//! An object is stored flattened: one presence column (boolean, true where the object is there) and one column for
//! each of its leaves, recursively. Lists of objects and maps are stored as canonical JSON text, lists of strings
//! as lists, scalars as themselves (docs/adr/0004).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::binding::EventsTable;
use crate::rules::Rule;
use crate::types::{Fields, Type};

/// Everything a workspace knows to exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// IANA zone name, such as `Europe/London`.
    pub timezone: String,
    /// Attributes by name. The built-in ones are not listed.
    pub attributes: BTreeMap<String, Field>,
    /// Event properties by name; a property has one type whichever event carries it.
    pub properties: BTreeMap<String, Field>,
    /// Events by name.
    pub events: BTreeMap<String, EventInfo>,
    /// Attributes that events set, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, Rule>,
    /// The number the next stored column gets.
    pub next_column: u32,
    /// Where events are that somebody else writes; `None`: they are in the lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_table: Option<EventsTable>,
}

/// Whether a name was declared by a person or learned from data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By `catalog --set`.
    Declared,
    /// From an import.
    Learned,
}

/// An attribute or a property.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The type of its values.
    pub ty: Type,
    /// Declared or learned.
    pub origin: Origin,
    /// Whether any data ever had a value (not null) for it.
    pub seen: bool,
    /// Where its values are stored, one entry for each leaf path.
    pub columns: Vec<Column>,
}

/// A stored column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// The column's name in the lake and in the profile store; lower case, unique in the workspace.
    pub name: String,
    /// The path below the attribute or property; empty for the field itself.
    pub path: Vec<String>,
    /// What the column holds.
    pub kind: ColumnKind,
    /// The narrower column that held the values before the type widened; a row has a value in one of the two at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Column>>,
}

impl Column {
    /// The column, and the narrower ones before it, the widest first.
    pub fn with_before(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |column| column.before.as_deref())
    }
}

/// What a stored column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// UTF-8.
    String,
    /// Signed 64 bits.
    Integer,
    /// A double.
    Number,
    /// A boolean.
    Boolean,
    /// Microseconds, UTC.
    Timestamp,
    /// Days.
    Date,
    /// A list of UTF-8 strings without nulls.
    Strings,
    /// `true` where the object at this path is there, null elsewhere.
    Presence,
    /// Canonical JSON of a list of objects or of a map (`convert::to_json`), UTF-8.
    Json,
}

/// An event name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInfo {
    /// The properties it is declared or was seen to carry.
    pub properties: BTreeSet<String>,
    /// Declared or learned.
    pub origin: Origin,
    /// Whether any data ever had it.
    pub seen: bool,
    /// The JSON Schema that its properties have to fit to be collected, as compact text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

/// Attributes every workspace has. They cannot be declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// The canonical user id (string).
    UserId,
    /// Earliest of events and stated time (timestamp); missing for a profile that states none.
    FirstSeenAt,
    /// Time of the latest event (timestamp); missing without events.
    LastSeenAt,
}

impl Builtin {
    /// The built-in attribute of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "user_id" => Some(Self::UserId),
            "first_seen_at" => Some(Self::FirstSeenAt),
            "last_seen_at" => Some(Self::LastSeenAt),
            _ => None,
        }
    }

    /// Its name in conditions; also its column in the profile tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserId => "user_id",
            Self::FirstSeenAt => "first_seen_at",
            Self::LastSeenAt => "last_seen_at",
        }
    }

    /// Its type.
    pub fn ty(self) -> Type {
        match self {
            Self::UserId => Type::String,
            Self::FirstSeenAt | Self::LastSeenAt => Type::Timestamp,
        }
    }
}

/// Which half of the catalog a field belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Profile attributes.
    Attribute,
    /// Event properties.
    Property,
}

/// Why a change to the catalog is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The type of a name cannot change, but for widening.
    #[error("{scope} \"{name}\" is {old} and cannot become {new}: a type only widens, integer to number and date to timestamp")]
    TypeChange {
        /// `attribute` or `property`.
        scope: &'static str,
        /// The dotted name.
        name: String,
        /// Its type now.
        old: &'static str,
        /// The type asked for.
        new: &'static str,
        /// The fields inside the attribute or property that lead to it, from outside; none for that itself.
        within: Vec<String>,
    },
    /// A built-in attribute was declared.
    #[error("attribute \"{0}\" is built in and cannot be declared")]
    Builtin(String),
    /// A name that cannot be referred to.
    #[error("{0}")]
    BadName(String),
    /// Not a catalog.
    #[error("{pointer}: {message}")]
    Malformed {
        /// JSON pointer into the declaration.
        pointer: String,
        /// What is wrong there.
        message: String,
    },
}

impl Catalog {
    /// A catalog that knows nothing but its zone.
    pub fn new(timezone: impl Into<String>) -> Self {
        Self {
            timezone: timezone.into(),
            attributes: BTreeMap::new(),
            properties: BTreeMap::new(),
            events: BTreeMap::new(),
            rules: BTreeMap::new(),
            next_column: 1,
            events_table: None,
        }
    }

    /// The fields of one half.
    pub fn fields(&self, scope: Scope) -> &BTreeMap<String, Field> {
        match scope {
            Scope::Attribute => &self.attributes,
            Scope::Property => &self.properties,
        }
    }

    fn fields_mut(&mut self, scope: Scope) -> &mut BTreeMap<String, Field> {
        match scope {
            Scope::Attribute => &mut self.attributes,
            Scope::Property => &mut self.properties,
        }
    }

    /// Every stored column of one half, current ones and those kept from before a widening.
    pub fn columns(&self, scope: Scope) -> Vec<&Column> {
        let mut out = Vec::new();
        for field in self.fields(scope).values() {
            for column in &field.columns {
                out.extend(column.with_before());
            }
        }
        out
    }

    /// Declares or learns a field, adding the columns that it needs. A field that is there widens (integer to number,
    /// date to timestamp), gains object fields, or stays; its origin turns to declared if it is declared now.
    ///
    /// # Errors
    ///
    /// `TypeChange` for any other change of type, `Builtin` and `BadName` for names that cannot be. Nothing changes then.
    pub fn set_field(&mut self, scope: Scope, name: &str, ty: &Type, origin: Origin) -> Result<(), CatalogError> {
        check_name(scope, name)?;
        let old = self.fields(scope).get(name).cloned();
        let merged = match &old {
            Some(field) => merge(&field.ty, ty).map_err(|clash| CatalogError::TypeChange {
                scope: match scope {
                    Scope::Attribute => "attribute",
                    Scope::Property => "property",
                },
                name: std::iter::once(name).chain(clash.path.iter().rev().map(String::as_str)).collect::<Vec<_>>().join("."),
                old: clash.old.name(),
                new: clash.new.name(),
                within: clash.path.into_iter().rev().collect(),
            })?,
            None => ty.clone(),
        };
        let mut field = old.unwrap_or(Field { ty: merged.clone(), origin, seen: false, columns: Vec::new() });
        field.ty = merged.clone();
        if origin == Origin::Declared {
            field.origin = origin;
        }
        let mut wanted = Vec::new();
        leaves(&merged, &mut Vec::new(), &mut wanted);
        for (path, kind) in wanted {
            let column_name = || {
                let mut slug: String = std::iter::once(name).chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("_");
                slug = slug.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).take(40).collect();
                slug
            };
            let prefix = match scope {
                Scope::Attribute => 'a',
                Scope::Property => 'p',
            };
            match field.columns.iter_mut().find(|c| c.path == path) {
                Some(column) if column.kind == kind => {}
                Some(column) => {
                    let fresh =
                        Column { name: format!("{prefix}{}_{}", self.next_column, column_name()), path: path.clone(), kind, before: None };
                    self.next_column += 1;
                    let narrow = std::mem::replace(column, fresh);
                    column.before = Some(Box::new(narrow));
                }
                None => {
                    field.columns.push(Column {
                        name: format!("{prefix}{}_{}", self.next_column, column_name()),
                        path: path.clone(),
                        kind,
                        before: None,
                    });
                    self.next_column += 1;
                }
            }
        }
        self.fields_mut(scope).insert(name.to_owned(), field);
        Ok(())
    }

    /// Declares or learns an event and properties that it carries.
    pub fn set_event<'a>(&mut self, name: &str, properties: impl IntoIterator<Item = &'a str>, origin: Origin) {
        let new = || EventInfo { properties: BTreeSet::new(), origin, seen: false, schema: None };
        let event = self.events.entry(name.to_owned()).or_insert_with(new);
        if origin == Origin::Declared {
            event.origin = origin;
        }
        event.properties.extend(properties.into_iter().map(str::to_owned));
    }
}

/// Whether an attribute or a property can have the name.
pub(crate) fn check_name(scope: Scope, name: &str) -> Result<(), CatalogError> {
    if scope == Scope::Attribute && Builtin::named(name).is_some() {
        return Err(CatalogError::Builtin(name.to_owned()));
    }
    if name.is_empty() || name.contains('.') || name.chars().any(char::is_control) {
        return Err(CatalogError::BadName(format!(
            "{name:?} cannot be a name: names are not empty, have no control characters, and a dot makes a path into an object"
        )));
    }
    Ok(())
}

/// Two types that do not go together.
struct Clash<'a> {
    old: &'a Type,
    new: &'a Type,
    /// The fields that lead to them, from inside.
    path: Vec<String>,
}

/// The type that holds the values of both, if one does.
fn merge<'a>(old: &'a Type, new: &'a Type) -> Result<Type, Clash<'a>> {
    Ok(match (old, new) {
        (a, b) if a == b => a.clone(),
        (Type::Integer, Type::Number) | (Type::Number, Type::Integer) => Type::Number,
        (Type::Date, Type::Timestamp) | (Type::Timestamp, Type::Date) => Type::Timestamp,
        (Type::Object(a), Type::Object(b)) => Type::Object(merge_fields(a, b)?),
        (Type::Objects(a), Type::Objects(b)) => Type::Objects(merge_fields(a, b)?),
        (Type::Map(a), Type::Map(b)) => Type::Map(Box::new(merge(a, b)?)),
        (old, new) => return Err(Clash { old, new, path: Vec::new() }),
    })
}

fn merge_fields<'a>(a: &'a Fields, b: &'a Fields) -> Result<Fields, Clash<'a>> {
    let mut out = a.clone();
    for (name, ty) in b {
        let merged = match a.get(name) {
            Some(old) => merge(old, ty).map_err(|mut clash| {
                clash.path.push(name.clone());
                clash
            })?,
            None => ty.clone(),
        };
        out.insert(name.clone(), merged);
    }
    Ok(out)
}

/// The stored leaves of a type: path below the field, and what the column holds.
fn leaves(ty: &Type, path: &mut Vec<String>, out: &mut Vec<(Vec<String>, ColumnKind)>) {
    let kind = match ty {
        Type::String => ColumnKind::String,
        Type::Integer => ColumnKind::Integer,
        Type::Number => ColumnKind::Number,
        Type::Boolean => ColumnKind::Boolean,
        Type::Timestamp => ColumnKind::Timestamp,
        Type::Date => ColumnKind::Date,
        Type::Strings => ColumnKind::Strings,
        Type::Objects(_) | Type::Map(_) => ColumnKind::Json,
        Type::Object(_) => ColumnKind::Presence,
    };
    out.push((path.clone(), kind));
    if let Type::Object(fields) = ty {
        for (name, field) in fields {
            path.push(name.clone());
            leaves(field, path, out);
            path.pop();
        }
    }
}
