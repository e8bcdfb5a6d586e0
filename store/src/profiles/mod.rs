//! Profiles: the current facts about each user, by key for writing and by column for queries.
//!
//! In: [`ProfileWrite`]s and [`Seen`] spans. Out: [`Profile`]s by user, and a [`ProfilesSnapshot`] of Parquet files.
//! Attributes merge one by one, and maps key by key: the later `written_at` wins, a tie goes to the later call, and null clears (which is
//! remembered, so that an older value cannot come back). [`AttributeFacts`] is the one place for that.
//!
//! A user counts as one once it has a profile or an event. `first_seen_at` is null, "has always existed", for a
//! profile that states none; otherwise the earlier of the stated time and the first event.

pub(crate) mod batch;
#[cfg(feature = "cassandra")]
pub mod cassandra;
pub(crate) mod chunk;
pub(crate) mod codec;
pub(crate) mod columns;
pub(crate) mod embedded;
pub(crate) mod facts;
pub(crate) mod numbers;
pub(crate) mod opened;
pub(crate) mod place;
pub(crate) mod row;
#[cfg(test)]
mod suite;
pub(crate) mod writing;

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use segment_core::catalog::Catalog;
use segment_core::value::Value;
use serde::{Deserialize, Serialize};

pub use columns::profiles_schema;
pub use facts::{AttributeFacts, MAP_KEYS_MAX};

use crate::error::Result;

/// A row about a user: merged into what is known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileWrite {
    /// The canonical id.
    pub user_id: String,
    /// What the row says, by attribute name. Attributes it does not name stay as they are.
    pub attributes: Vec<(String, AttributeWrite)>,
    /// When it was so, in microseconds; decides between two writes of one attribute.
    pub written_at: i64,
    /// The `first_seen_at` it states, in microseconds; the least of those stated counts. `None` leaves the stated one.
    pub first_seen_at: Option<i64>,
    /// Whether events set it, by rules: then it makes no profile, which would have to say since when the user exists.
    pub of_events: bool,
}

/// What a row says of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeWrite {
    /// A value, of the attribute's type at the time. Never a decimal. A map is what it says of its keys, and says nothing of others.
    Value(Value),
    /// Of a map: the values of some keys, and which keys it has no more. Says nothing of others, and with none that there is a map.
    Entries(BTreeMap<String, Option<Value>>),
    /// A value that does not convert to the attribute's type, as JSON text: missing for comparisons, kept in `extra`.
    Raw(String),
    /// Null: clears the attribute, of a map every key.
    Null,
}

/// The span of a user's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The user's number.
    pub user_no: u64,
    /// The earliest `ts`, microseconds.
    pub first: i64,
    /// The latest `ts`, microseconds.
    pub last: i64,
}

/// What is known of one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The user's permanent number.
    pub user_no: u64,
    /// The canonical id.
    pub user_id: String,
    /// The universe's time: null means that the user has always existed.
    pub first_seen_at: Option<i64>,
    /// Time of the latest event.
    pub last_seen_at: Option<i64>,
    /// Whether the user has a profile, not events alone.
    pub has_profile: bool,
    /// The least stated `first_seen_at`.
    pub stated_first_seen: Option<i64>,
    /// Attributes with a value.
    pub attributes: BTreeMap<String, Value>,
    /// Values that did not convert, by attribute, as JSON text.
    pub raw: BTreeMap<String, String>,
}

/// What is known of one user, with when each was so: for whoever merges more into it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserFacts {
    /// Whether the user has a profile, not events alone.
    pub has_profile: bool,
    /// The least stated `first_seen_at`, microseconds.
    pub stated_first_seen: Option<i64>,
    /// The first and the last event, microseconds.
    pub seen: Option<(i64, i64)>,
    /// By attribute.
    pub attributes: BTreeMap<String, AttributeFacts>,
}

impl UserFacts {
    /// Merges what is said of an attribute.
    pub fn merge(&mut self, name: String, written_at: i64, said: AttributeWrite) {
        facts::merge(&mut self.attributes, name, written_at, said);
    }

    /// The universe's time: null means that the user has always existed.
    pub fn first_seen_at(&self) -> Option<i64> {
        row::first_seen(self.has_profile.then_some(self.stated_first_seen), self.seen.map(|s| s.0))
    }
}

/// The columnar form of all profiles, immutable.
///
/// # Shape
///
/// Parquet files, each for a range of user numbers apart from the others', sorted by `user_no`, which is unique. Columns
/// are those of [`profiles_schema`]; a file may lack columns that the catalog gained after it was written (read them as null).
#[derive(Debug, Clone, PartialEq)]
pub struct ProfilesSnapshot {
    /// The files, by `user_no`.
    pub files: Vec<ProfileFile>,
    /// Users in all of them.
    pub rows: u64,
    /// The schema of the pinned catalog.
    pub schema: SchemaRef,
    /// The instant up to which all changes are in it, microseconds; `None`: it is exactly that of the state, never behind.
    pub as_of: Option<i64>,
}

impl ProfilesSnapshot {
    pub(crate) fn new(files: Vec<ProfileFile>, schema: SchemaRef) -> Self {
        Self { rows: files.iter().map(|f| f.rows).sum(), files, schema, as_of: None }
    }
}

/// One file of a [`ProfilesSnapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Users in it.
    pub rows: u64,
    /// Its size.
    pub size_bytes: u64,
    /// The least number in it.
    pub user_no_min: u64,
    /// The greatest number in it.
    pub user_no_max: u64,
}

/// What every store of profiles does, embedded or Cassandra.
///
/// Writes through one handle are ordered: of two writes with the same `written_at`, the later call wins.
#[async_trait]
pub trait ProfileStore: Send {
    /// Merges rows, giving numbers to users seen for the first time.
    async fn upsert(&mut self, writes: Vec<ProfileWrite>) -> Result<()>;

    /// Widens users' event spans; a user without a profile is made one by it.
    async fn note_events(&mut self, seen: &[Seen]) -> Result<()>;

    /// What is known of a user; `None` if it is none.
    async fn get(&mut self, user_id: &str) -> Result<Option<Profile>>;

    /// Forgets users. Their numbers are not given again. Returns how many there were.
    async fn erase(&mut self, user_ids: &[String]) -> Result<u64>;

    /// The columnar form of everything written so far, in the columns of a catalog. Files written for it belong to
    /// whoever holds the snapshot.
    async fn snapshot(&mut self, catalog: &Catalog) -> Result<ProfilesSnapshot>;
}
