//! Reading the table of profiles: one user, or a range of tokens page by page.
//!
//! A range of tokens holds a share of all users, in the order of their ids' hashes. Rows come as [`Stored`]: what is known of a user, with the attributes
//! that were asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use scylla::deserialize::row::ColumnIterator;
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::prepared::PreparedStatement;
use segment_core::catalog::Catalog;
use segment_core::time::Zone;
use segment_core::value::Value;

use super::attributes::{Attributes, CLEARED};
use super::cells::{self, Cell, Cells};
use super::client::rows_of;
use super::cql::Cql;
use super::error::{CassandraError, CassandraFault};
use super::keyspace::{Keyspace, malformed};
use super::limits::PAGE_ROWS;
use crate::error::Result;

/// The columns that every row is read with, before those of attributes.
const FIXED: [&str; 7] = ["user_id", "user_no", "has_profile", "first_seen_at", "stated_first_seen_at", "last_seen_at", "raw"];

/// What is stored of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The permanent number.
    pub user_no: u64,
    /// The canonical id.
    pub user_id: String,
    /// Null: has always existed.
    pub first_seen_at: Option<i64>,
    /// Time of the latest event.
    pub last_seen_at: Option<i64>,
    /// Whether there is a profile, not events alone.
    pub has_profile: bool,
    /// The least stated `first_seen_at`.
    pub stated_first_seen: Option<i64>,
    /// The attributes that were asked for and have a value.
    pub attributes: BTreeMap<String, Value>,
    /// Values that did not convert, by attribute, as JSON text; empty unless asked for.
    pub raw: BTreeMap<String, String>,
}

/// A range of tokens: those above the first, up to and including the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRange {
    /// Beyond this.
    pub after: i64,
    /// Up to this.
    pub until: i64,
}

impl TokenRange {
    /// The whole ring, cut into this many ranges of one size.
    pub fn cut(parts: u32) -> Vec<Self> {
        let parts = i128::from(parts.max(1));
        let (low, span) = (i128::from(i64::MIN), i128::from(u64::MAX));
        let bound = |i: i128| i64::try_from(low + span * i / parts).unwrap_or(i64::MAX);
        // No row has the least token of all, so nothing is left out below.
        (0..parts).map(|i| Self { after: bound(i), until: bound(i + 1) }).collect()
    }
}

/// A comparison that an index answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Is,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
}

/// A bound on an indexed column.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The column's name.
    pub column: String,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what: a string, integer, number, boolean, timestamp or date, as the column's kind has it.
    pub value: Value,
}

/// Reads rows with some attributes of a catalog. Cheap to clone.
#[derive(Clone)]
pub struct ProfileReader {
    shared: Arc<Shared>,
}

struct Shared {
    keyspace: Keyspace,
    attributes: Attributes,
    raw: bool,
    zone: Option<Zone>,
    range: PreparedStatement,
    one: PreparedStatement,
    bounds: Vec<Cell>,
}

impl std::fmt::Debug for ProfileReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProfileReader").field("keyspace", &self.shared.keyspace.name()).finish_non_exhaustive()
    }
}

/// What a reader reads.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The attributes; `None`: all.
    pub attributes: Option<BTreeSet<String>>,
    /// Whether values that did not convert are read.
    pub raw: bool,
    /// With a zone, values from before their type widened are of the present type; without, they are as they were written.
    pub zone: Option<Zone>,
    /// Bounds that an index answers; every row that is read by range meets them all.
    pub bounds: Vec<Bound>,
}

impl ProfileReader {
    /// A reader of a keyspace's profiles.
    ///
    /// # Errors
    ///
    /// `Invalid` if a bound's value is not of its column's kind; `Unavailable`, with a cause that cannot be retried, if a column has another type or was dropped.
    pub async fn open(keyspace: &Keyspace, catalog: &Catalog, options: ReadOptions) -> Result<Self> {
        let (keyspace, catalog) = (keyspace.clone(), catalog.clone());
        let cassandra = keyspace.cassandra.clone();
        cassandra.run(async move { Self::open_here(&keyspace, &catalog, options).await }).await
    }

    /// The same, on the connection's own threads.
    pub(crate) async fn open_here(keyspace: &Keyspace, catalog: &Catalog, options: ReadOptions) -> Result<Self> {
        let what = "prepare reading profiles";
        let present = keyspace.columns_of(catalog).await?;
        let attributes = Attributes::new(catalog, options.attributes.as_ref(), |name| present.contains_key(name))?;
        let select = || {
            let names = FIXED.into_iter().filter(|name| options.raw || *name != "raw").chain(attributes.columns());
            let mut select = Cql::new("SELECT").names(names);
            for column in attributes.keys_columns() {
                select = select.word(", WRITETIME(").name(column).word(")");
            }
            select.word("FROM").table(keyspace.name(), "profiles")
        };
        let mut range = select().word("WHERE token(user_id) > ? AND token(user_id) <= ?");
        let mut bounds = Vec::new();
        for bound in &options.bounds {
            range = range.word("AND").name(&bound.column).word(match bound.comparison {
                Comparison::Is => "= ?",
                Comparison::Lt => "< ?",
                Comparison::Lte => "<= ?",
                Comparison::Gt => "> ?",
                Comparison::Gte => ">= ?",
            });
            bounds.push(bound_cell(catalog, bound)?);
        }
        let mut range = keyspace.cassandra.prepare(range.build(), what).await?;
        range.set_page_size(PAGE_ROWS);
        let one = keyspace.cassandra.prepare(select().word("WHERE user_id = ?").build(), what).await?;
        let (raw, zone) = (options.raw, options.zone);
        Ok(Self { shared: Arc::new(Shared { keyspace: keyspace.clone(), attributes, raw, zone, range, one, bounds }) })
    }

    /// What is stored of a user; `None` if it is none.
    pub async fn get(&self, user_id: &str) -> Result<Option<Stored>> {
        let (reader, user_id) = (self.clone(), user_id.to_owned());
        self.shared.keyspace.cassandra.run(async move { reader.get_here(&user_id).await }).await
    }

    pub(crate) async fn get_here(&self, user_id: &str) -> Result<Option<Stored>> {
        let what = "read a profile";
        let shared = &self.shared;
        let rows = rows_of(shared.keyspace.cassandra.execute(&shared.one, &(user_id,), what).await?, what)?;
        let mut found = None;
        // Rows of numbers that were taken from the user are erased, so one is left at most; the latest in any case.
        shared.each(&rows, |stored| found = Some(stored))?;
        Ok(found)
    }

    /// A range, page by page. Nothing is read yet.
    pub fn pages(&self, range: TokenRange) -> Pages {
        let mut values = vec![Cell::bigint(range.after), Cell::bigint(range.until)];
        values.extend(self.shared.bounds.iter().cloned());
        Pages { reader: self.clone(), values: Cells(values), next: Some(PagingState::start()) }
    }
}

/// The pages of a range.
pub struct Pages {
    reader: ProfileReader,
    values: Cells,
    next: Option<PagingState>,
}

/// Some rows of a range.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The users.
    pub users: Vec<Stored>,
    /// Bytes that came for them.
    pub bytes: u64,
}

impl Pages {
    /// The next page; `None` after the last. After an error the same page may be asked for again.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping the future stops reading, and the page can be asked for again.
    pub async fn next(&mut self) -> Result<Option<Page>> {
        let Some(from) = self.next.clone() else { return Ok(None) };
        let shared = &self.reader.shared;
        let (rows, more) = shared.keyspace.cassandra.page(&shared.range, &self.values, from, "read profiles").await?;
        let mut users = Vec::with_capacity(rows.rows_num());
        shared.each(&rows, |stored| users.push(stored))?;
        self.next = more;
        Ok(Some(Page { users, bytes: rows.rows_bytes_size() as u64 }))
    }
}

impl Shared {
    fn each(&self, rows: &QueryRowsResult, mut take: impl FnMut(Stored)) -> Result<()> {
        let what = "read profiles";
        let mut columns = Vec::new();
        for row in rows.rows::<ColumnIterator<'_, '_>>().map_err(|e| malformed(what, e))? {
            cells::raw_columns(row.map_err(|e| malformed(what, e))?, &mut columns)?;
            if let Some(stored) = self.stored(&columns)? {
                take(stored);
            }
        }
        Ok(())
    }

    fn stored(&self, columns: &[Option<&[u8]>]) -> Result<Option<Stored>> {
        let at = |i: usize| columns.get(i).copied().flatten();
        let instant = |i: usize| at(i).map(cells::bigint).transpose();
        let (Some(user_id), Some(user_no)) = (at(0), instant(1)?) else {
            return Err(CassandraError::new(CassandraFault::Refused, "a row has no key").during("read profiles"));
        };
        let has_profile = at(2).map(cells::boolean).transpose()?.unwrap_or(false);
        let (least, stated) = (instant(3)?, instant(4)?);
        if !has_profile && least.is_none() {
            return Ok(None);
        }
        let from = FIXED.len() - usize::from(!self.raw);
        let attributes = self.attributes.values(columns, from, self.zone.as_ref())?;
        let mut raw = BTreeMap::new();
        if let Some(bytes) = at(6).filter(|_| self.raw) {
            let texts = cells::texts(bytes, 2)?;
            for pair in texts.chunks_exact(2) {
                // What has a value since hides it.
                if pair[1] != CLEARED && !attributes.contains_key(pair[0]) {
                    raw.insert(pair[0].to_owned(), pair[1].to_owned());
                }
            }
        }
        Ok(Some(Stored {
            user_no: user_no.cast_unsigned(),
            user_id: cells::text(user_id)?.to_owned(),
            first_seen_at: if has_profile && stated.is_none() { None } else { least },
            last_seen_at: instant(5)?,
            has_profile,
            stated_first_seen: stated,
            attributes,
            raw,
        }))
    }
}

fn bound_cell(catalog: &Catalog, bound: &Bound) -> Result<Cell> {
    use segment_core::catalog::Scope;
    let column = catalog.columns(Scope::Attribute).into_iter().find(|c| c.name == bound.column);
    column
        .and_then(|c| Cell::of(c.kind, &bound.value))
        .ok_or_else(|| crate::error::StoreError::Invalid(format!("{:?} is no value of column {}", bound.value, bound.column)))
}
