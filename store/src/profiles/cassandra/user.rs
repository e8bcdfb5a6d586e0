//! Reading one user with when each attribute was written, for whoever merges into it what is not written yet.
//!
//! One read of one partition. Times are those of the writes (`WRITETIME`), from which [`super::ties`] gives the instants back. Cassandra does not tell
//! the time of what was cleared, so a null is noted in `raw`, and that has one.

use std::collections::BTreeMap;
use std::sync::Arc;

use scylla::deserialize::row::ColumnIterator;
use scylla::statement::prepared::PreparedStatement;
use segment_core::catalog::{Catalog, Field};

use super::attributes::{Attributes, CLEARED};
use super::cells;
use super::client::rows_of;
use super::cql::Cql;
use super::keyspace::{Keyspace, malformed};
use super::ties;
use crate::error::{Result, StoreError};
use crate::profiles::{AttributeWrite, UserFacts};

/// The columns that a user is read with, before `raw`, its times, those of attributes, and theirs.
const FIXED: [&str; 4] = ["has_profile", "first_seen_at", "stated_first_seen_at", "last_seen_at"];

/// Reads users with the attributes of a catalog. Cheap to clone.
#[derive(Clone)]
pub(crate) struct UserReader {
    shared: Arc<Shared>,
}

struct Shared {
    keyspace: Keyspace,
    /// The catalog's attributes.
    fields: BTreeMap<String, Field>,
    /// Whether the table has all their columns; those that are declared are made by the next who writes.
    is_whole: bool,
    attributes: Attributes,
    one: PreparedStatement,
}

impl UserReader {
    /// A reader of a keyspace's users.
    ///
    /// # Errors
    ///
    /// `Unavailable`, with a cause that cannot be retried, if a column has another type or was dropped.
    pub(crate) async fn open(keyspace: &Keyspace, catalog: &Catalog) -> Result<Self> {
        let (keyspace, catalog) = (keyspace.clone(), catalog.clone());
        let cassandra = keyspace.cassandra.clone();
        cassandra.run(Self::open_here(keyspace, catalog)).await
    }

    async fn open_here(keyspace: Keyspace, catalog: Catalog) -> Result<Self> {
        let present = keyspace.columns_of(&catalog).await?;
        let attributes = Attributes::new(&catalog, None, |name| present.contains_key(name))?;
        let is_whole = attributes.columns().len() == Attributes::all(&catalog)?.columns().len();
        let mut one = Cql::new("SELECT").names(FIXED).word(", raw, WRITETIME(raw)");
        for column in attributes.columns() {
            one = one.word(",").name(column);
        }
        for column in attributes.timed_columns() {
            one = one.word(", WRITETIME(").name(column).word(")");
        }
        let one = one.word("FROM").table(keyspace.name(), "profiles").word("WHERE user_id = ?").build();
        let one = keyspace.cassandra.prepare(one, "prepare reading users").await?;
        Ok(Self { shared: Arc::new(Shared { keyspace, fields: catalog.attributes, is_whole, attributes, one }) })
    }

    /// Whether it reads all that there is under a catalog.
    pub(crate) fn reads(&self, catalog: &Catalog) -> bool {
        self.shared.is_whole && self.shared.fields == catalog.attributes
    }

    /// What is stored of a user; `None` if it is none.
    ///
    /// # Errors
    ///
    /// `Unavailable` if Cassandra is; `Corrupt` for what Muster does not write.
    pub(crate) async fn read(&self, user_id: &str) -> Result<Option<UserFacts>> {
        let (reader, user_id) = (self.shared.clone(), user_id.to_owned());
        self.shared.keyspace.cassandra.run(async move { reader.read(&user_id).await }).await
    }
}

impl Shared {
    async fn read(&self, user_id: &str) -> Result<Option<UserFacts>> {
        let what = "read a user";
        let rows = rows_of(self.keyspace.cassandra.execute(&self.one, &(user_id,), what).await?, what)?;
        let (mut columns, mut found) = (Vec::new(), None);
        for row in rows.rows::<ColumnIterator<'_, '_>>().map_err(|e| malformed(what, e))? {
            cells::raw_columns(row.map_err(|e| malformed(what, e))?, &mut columns)?;
            // Rows of numbers that were taken from the user are erased, so one is left at most; the latest in any case.
            found = self.facts(&columns)?.or(found);
        }
        Ok(found)
    }

    fn facts(&self, columns: &[Option<&[u8]>]) -> Result<Option<UserFacts>> {
        let at = |i: usize| columns.get(i).copied().flatten();
        let instant = |i: usize| at(i).map(cells::bigint).transpose();
        let has_profile = at(0).map(cells::boolean).transpose()?.unwrap_or(false);
        // The least of what is stated and the first event; both together say no less than each alone.
        let (least, stated_first_seen, last) = (instant(1)?, instant(2)?, instant(3)?);
        if !has_profile && least.is_none() {
            return Ok(None);
        }
        let (raw, raw_times, values) = (FIXED.len(), FIXED.len() + 1, FIXED.len() + 2);
        let mut writes = self.attributes.written(columns, values)?;
        if let (Some(texts), Some(times)) = (at(raw), at(raw_times)) {
            let (texts, times) = (cells::texts(texts, 2)?, cells::bigints(times)?);
            if texts.len() != 2 * times.len() {
                return Err(StoreError::corrupt_plain("Cassandra tells other times than values of the map raw"));
            }
            for (pair, time) in texts.chunks_exact(2).zip(times) {
                let said = if pair[1] == CLEARED { AttributeWrite::Null } else { AttributeWrite::Raw(pair[1].to_owned()) };
                writes.push((pair[0], time, said));
            }
        }
        // Of one instant the later call has the greater timestamp.
        writes.sort_by_key(|(_, time, _)| *time);
        let mut facts = UserFacts { has_profile, stated_first_seen, seen: least.zip(last), attributes: BTreeMap::new() };
        for (name, time, said) in writes {
            facts.merge(name.to_owned(), ties::instant(time), said);
        }
        Ok(Some(facts))
    }
}
