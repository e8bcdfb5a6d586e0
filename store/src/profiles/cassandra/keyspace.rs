//! A workspace's keyspace: its name, its tables, its columns.
//!
//! | table | key | what it holds |
//! |---|---|---|
//! | `about` | `key` | which workspace this is, and of which data directory |
//! | `blocks` | `name` | the next number that is free |
//! | `numbers` | `(bucket), user_id` | each user's number |
//! | `names` | `(block), user_no` | the user of each number |
//! | `profiles` | `(user_id), user_no` | a row for each user |
//! | `changes` | `(bucket, shard), user_no, at` | who changed lately |
//!
//! A user who was erased and comes back has another number, hence another row of `profiles`: nothing that the erased row was written
//! with can come back with them, and the tombstone that erased it hides nothing of the new one.
//!
//! Columns are added by whoever holds the workspace's write lock, and the nodes' agreement is awaited before anything is written to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use scylla::value::CqlValue;
use segment_core::catalog::{Catalog, ColumnKind, Scope};
use xxhash_rust::xxh3::xxh3_64;

use super::attributes::map_columns;
use super::client::{Cassandra, rows_of};
use super::cql::Cql;
use super::error::{CassandraError, CassandraFault};
use crate::error::{Result, StoreError};

/// The most characters a keyspace's name has.
const NAME_CHARS_MAX: usize = 48;
/// Seconds that a row of `changes` stays. A mirror that was away for longer is built anew.
pub(crate) const CHANGES_TTL_S: u32 = 7 * 86_400;
/// The name under which `about` has the owner, the workspace, and the columns that were ever made, as a JSON list.
const OWNER: &str = "owner";
const WORKSPACE: &str = "workspace";
const COLUMNS: &str = "columns";
/// Columns added by one statement.
const COLUMNS_ADDED_MAX: usize = 200;

/// A workspace's keyspace, with its tables.
#[derive(Debug, Clone)]
pub struct Keyspace {
    pub(crate) cassandra: Arc<Cassandra>,
    name: Arc<str>,
}

/// The keyspace of a workspace: lower case, so that engines without case tell them apart, and never one for two workspaces.
///
/// Keyspaces take letters, digits and `_` only, so `-` becomes `_d` and `_` becomes `__`. A name that is too long ends in a hash.
pub fn keyspace_name(prefix: &str, workspace: &str) -> String {
    let mut name = prefix.to_owned();
    for c in workspace.chars() {
        match c {
            '_' => name.push_str("__"),
            '-' => name.push_str("_d"),
            c => name.push(c),
        }
    }
    if name.len() > NAME_CHARS_MAX {
        let hash = format!("_h{:016x}", xxh3_64(name.as_bytes()));
        name.truncate(NAME_CHARS_MAX - hash.len());
        name.push_str(&hash);
    }
    name
}

/// The type of a stored column.
pub(crate) fn cql_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::String | ColumnKind::Json => "text",
        // Microseconds: a timestamp of Cassandra's holds milliseconds.
        ColumnKind::Integer | ColumnKind::Timestamp => "bigint",
        ColumnKind::Number => "double",
        ColumnKind::Boolean | ColumnKind::Presence => "boolean",
        ColumnKind::Date => "date",
        // Frozen, as an empty list is a value and an unfrozen one cannot be told from none.
        ColumnKind::Strings => "frozen<list<text>>",
    }
}

/// The type of the column of a map's keys: not frozen, so that each is written by itself. Values are JSON, as their type may widen.
const KEYS_TYPE: &str = "map<text, text>";

/// The columns of a catalog's attributes, with their types.
fn stored_columns(catalog: &Catalog) -> Vec<(String, &'static str)> {
    let values = catalog.columns(Scope::Attribute).into_iter().map(|column| (column.name.clone(), cql_type(column.kind)));
    let keys = catalog.fields(Scope::Attribute).values().filter_map(map_columns).map(|(_, keys)| (keys, KEYS_TYPE));
    values.chain(keys).collect()
}

impl Keyspace {
    /// A workspace's keyspace if it is there.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not, saying what makes it.
    pub async fn open(cassandra: &Arc<Cassandra>, workspace: &str) -> Result<Self> {
        let keyspace = Self::named(cassandra, workspace)?;
        let here = keyspace.clone();
        let found = cassandra.run(async move { here.about(WORKSPACE).await }).await?;
        if found.as_deref() != Some(workspace) {
            return Err(StoreError::NotFound(format!(
                "Cassandra has no profiles of workspace \"{workspace}\" (keyspace {}): the first import makes them",
                keyspace.name
            )));
        }
        Ok(keyspace)
    }

    /// A workspace's keyspace if it is there and belongs to the data directory of that owner.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not there, `Conflict` if it belongs to another directory.
    pub(crate) async fn open_owned(cassandra: &Arc<Cassandra>, workspace: &str, owner: &str) -> Result<Self> {
        let keyspace = Self::open(cassandra, workspace).await?;
        let here = keyspace.clone();
        let found = cassandra.run(async move { here.about(OWNER).await }).await?;
        if found.as_deref() != Some(owner) { Err(keyspace.belongs_to_another(OWNER)) } else { Ok(keyspace) }
    }

    fn belongs_to_another(&self, key: &str) -> StoreError {
        StoreError::Conflict(format!(
            "keyspace {} in Cassandra belongs to another {}: set another keyspace_prefix in [cassandra], or drop it if nobody needs it",
            self.name,
            if key == OWNER { "data directory" } else { "workspace" },
        ))
    }

    /// A workspace's keyspace, made if it is not there, for the owner of a data directory.
    ///
    /// # Errors
    ///
    /// `Conflict` if it belongs to another directory or workspace.
    pub async fn create(cassandra: &Arc<Cassandra>, workspace: &str, owner: &str) -> Result<Self> {
        let keyspace = Self::named(cassandra, workspace)?;
        // Whose it is is noted last, when everything is there.
        let noted = (keyspace.about(OWNER).await?, keyspace.about(WORKSPACE).await?);
        if noted == (Some(owner.to_owned()), Some(workspace.to_owned())) {
            return Ok(keyspace);
        }
        let settings = cassandra.config();
        let what = "make the keyspace";
        let create =
            Cql::new("CREATE KEYSPACE IF NOT EXISTS").name(&keyspace.name).word("WITH replication = {'class': 'NetworkTopologyStrategy',");
        let create = create.literal(cassandra.datacenter()).word(":").number(settings.replicas).word("}");
        cassandra.change_schema(create.build(), what).await?;
        for statement in tables(&keyspace.name) {
            cassandra.change_schema(statement.build(), what).await?;
        }
        for (key, value) in [(OWNER, owner), (WORKSPACE, workspace)] {
            keyspace.claim(key, value).await?;
            let found = keyspace.about(key).await?.unwrap_or_default();
            if found != value {
                return Err(keyspace.belongs_to_another(key));
            }
        }
        Ok(keyspace)
    }

    fn named(cassandra: &Arc<Cassandra>, workspace: &str) -> Result<Self> {
        crate::names::check_workspace_name(workspace)?;
        let prefix = &cassandra.config().keyspace_prefix;
        let fits = prefix.len() <= 24 && prefix.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !fits {
            return Err(StoreError::Invalid(format!("{prefix:?} cannot be a keyspace_prefix: use 24 at most of a-z, 0-9 and _")));
        }
        Ok(Self { cassandra: cassandra.clone(), name: keyspace_name(prefix, workspace).into() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Removes it and everything in it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if Cassandra cannot be reached or refuses.
    pub async fn drop_all(&self) -> Result<()> {
        let cassandra = self.cassandra.clone();
        let cql = Cql::new("DROP KEYSPACE IF EXISTS").name(&self.name).build();
        self.cassandra.run(async move { cassandra.change_schema(cql, "drop the keyspace").await }).await
    }

    async fn claim(&self, key: &str, value: &str) -> Result<()> {
        let what = "claim the keyspace";
        let insert = Cql::new("INSERT INTO").table(&self.name, "about").word("(key, value) VALUES (?, ?) IF NOT EXISTS");
        let insert = self.cassandra.prepare(insert.build(), what).await?;
        self.cassandra.execute(&insert, &(key, value), what).await.map(|_| ())
    }

    async fn about(&self, key: &str) -> Result<Option<String>> {
        let what = "read whose keyspace it is";
        let there = "SELECT keyspace_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'about'";
        let there = self.cassandra.prepare(there.to_owned(), what).await?;
        let there = rows_of(self.cassandra.execute(&there, &(self.name(),), what).await?, what)?;
        if there.rows_num() == 0 {
            return Ok(None);
        }
        let select = Cql::new("SELECT value FROM").table(&self.name, "about").word("WHERE key = ?");
        let mut select = self.cassandra.prepare(select.build(), what).await?;
        select.set_consistency(scylla::statement::Consistency::LocalSerial);
        let rows = rows_of(self.cassandra.execute(&select, &(key,), what).await?, what)?;
        Ok(rows.maybe_first_row::<(String,)>().map_err(|e| malformed(what, e))?.map(|(value,)| value))
    }

    /// Adds the columns of a catalog's attributes that the table of profiles lacks. The write lock must be held.
    ///
    /// # Errors
    ///
    /// `Conflict` if a column is there with another type.
    pub(crate) async fn add_columns(&self, catalog: &Catalog) -> Result<()> {
        let what = "add columns of profiles";
        let present = self.columns("profiles").await?;
        let mut missing: Vec<(String, &'static str)> = Vec::new();
        for (name, wanted) in stored_columns(catalog) {
            match present.get(&name).map(String::as_str) {
                Some(ty) if ty == wanted => {}
                Some(ty) => {
                    return Err(StoreError::Conflict(format!(
                        "column {name} of keyspace {} is {ty} in Cassandra and {wanted} by the catalog",
                        self.name
                    )));
                }
                None => missing.push((name, wanted)),
            }
        }
        for part in missing.chunks(COLUMNS_ADDED_MAX) {
            let mut alter = Cql::new("ALTER TABLE").table(&self.name, "profiles").word("ADD IF NOT EXISTS (");
            for (i, (name, ty)) in part.iter().enumerate() {
                alter = if i > 0 { alter.word(",") } else { alter }.name(name).word(ty);
            }
            self.cassandra.change_schema(alter.word(")").build(), what).await?;
        }
        let maps: Vec<(&str, String)> = catalog.fields(Scope::Attribute).values().filter_map(map_columns).collect();
        if missing.is_empty() && maps.is_empty() {
            return Ok(());
        }
        let mut made = self.columns_made().await?;
        let before = made.len();
        for (column, keys) in maps {
            if present.contains_key(column) && !made.contains(&keys) {
                super::whole_maps::take_apart(self, catalog, column, &keys).await?;
            }
            made.insert(keys);
        }
        made.extend(missing.into_iter().map(|(name, _)| name));
        if made.len() == before {
            return Ok(());
        }
        let text = serde_json::to_string(&made).map_err(|e| StoreError::Invalid(format!("names of columns have no JSON: {e}")))?;
        let insert = Cql::new("INSERT INTO").table(&self.name, "about").word("(key, value) VALUES (?, ?)");
        let insert = self.cassandra.prepare(insert.build(), what).await?;
        self.cassandra.execute(&insert, &(COLUMNS, text), what).await.map(|_| ())
    }

    /// The columns of attributes that were ever made.
    async fn columns_made(&self) -> Result<BTreeSet<String>> {
        match self.about(COLUMNS).await? {
            Some(text) => serde_json::from_str(&text).map_err(|e| StoreError::corrupt("the columns that were made do not decode", e)),
            None => Ok(BTreeSet::new()),
        }
    }

    /// The columns that the table of profiles has, each of its catalog's type.
    ///
    /// # Errors
    ///
    /// `Unavailable`, with a cause that cannot be retried, if one has another type, or is gone.
    pub(crate) async fn columns_of(&self, catalog: &Catalog) -> Result<BTreeMap<String, String>> {
        let (present, made) = (self.columns("profiles").await?, self.columns_made().await?);
        for (name, wanted) in stored_columns(catalog) {
            let fault = match present.get(&name) {
                Some(ty) if ty == wanted => continue,
                Some(ty) => format!("is {ty}, and {wanted} by the catalog"),
                None if made.contains(&name) => "was dropped".to_owned(),
                None => continue,
            };
            let text = format!("column {name} of keyspace {} {fault}", self.name);
            return Err(CassandraError::new(CassandraFault::Shape, text).during("read profiles"));
        }
        Ok(present)
    }

    /// A table's columns with their types.
    pub(crate) async fn columns(&self, table: &str) -> Result<BTreeMap<String, String>> {
        let what = "read the columns of profiles";
        let select = "SELECT column_name, type FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?";
        let select = self.cassandra.prepare(select.to_owned(), what).await?;
        let rows = rows_of(self.cassandra.execute(&select, &(self.name(), table), what).await?, what)?;
        let rows = rows.rows::<(String, String)>().map_err(|e| malformed(what, e))?;
        rows.map(|row| row.map_err(|e| malformed(what, e))).collect()
    }
}

/// An answer that does not have the columns it was asked for.
pub(crate) fn malformed(what: &str, error: impl std::error::Error) -> StoreError {
    CassandraError::new(CassandraFault::Refused, error.to_string()).during(what)
}

/// Whether a conditional statement was applied: the first column of its answer.
pub(crate) fn applied(result: scylla::response::query_result::QueryResult, what: &str) -> Result<bool> {
    let rows = rows_of(result, what)?;
    let first = rows.maybe_first_row::<scylla::value::Row>().map_err(|e| malformed(what, e))?;
    Ok(first.and_then(|row| row.columns.into_iter().next().flatten()).is_some_and(|v| v == CqlValue::Boolean(true)))
}

fn tables(keyspace: &str) -> Vec<Cql> {
    let table = |name| Cql::new("CREATE TABLE IF NOT EXISTS").table(keyspace, name);
    vec![
        table("about").word("(key text PRIMARY KEY, value text)"),
        table("blocks").word("(name text PRIMARY KEY, next bigint)"),
        table("numbers").word("(bucket int, user_id text, user_no bigint, PRIMARY KEY (bucket, user_id))"),
        table("names").word("(block bigint, user_no bigint, user_id text, PRIMARY KEY (block, user_no))"),
        table("profiles").word(
            "(user_id text, user_no bigint, has_profile boolean, first_seen_at bigint, stated_first_seen_at bigint, \
             last_seen_at bigint, raw map<text, text>, PRIMARY KEY (user_id, user_no)) \
             WITH compaction = {'class': 'UnifiedCompactionStrategy'}",
        ),
        table("changes")
            .word(
                "(bucket bigint, shard int, user_no bigint, at bigint, user_id text, PRIMARY KEY ((bucket, shard), user_no, at)) \
                 WITH gc_grace_seconds = 3600 AND compaction = {'class': 'TimeWindowCompactionStrategy', \
                 'compaction_window_unit': 'HOURS', 'compaction_window_size': '6'} AND default_time_to_live =",
            )
            .number(CHANGES_TTL_S),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyspaces_are_apart() {
        let name = |workspace: &str| keyspace_name("muster_", workspace);
        assert_eq!(name("default"), "muster_default");
        assert_eq!(name("a-b"), "muster_a_db");
        assert_eq!(name("a_b"), "muster_a__b");
        assert_eq!(name("a_db"), "muster_a__db");
        let (long, other) = (name(&"x".repeat(64)), name(&format!("{}y", "x".repeat(63))));
        assert!(long.len() == NAME_CHARS_MAX && other.len() == NAME_CHARS_MAX && long != other);
        // What is escaped is never taken for a hash.
        assert_eq!(name("a_h0"), "muster_a__h0");
    }
}
