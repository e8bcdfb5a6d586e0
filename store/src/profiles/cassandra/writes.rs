//! Writing profiles: attributes by when they were so, times by which is least or greatest, and erasing.
//!
//! Nothing is read before it is written, everything may be written again, and disorder comes to the same end (see [`super::ties`]). All that is written
//! of one user at once goes into one mutation.

use std::collections::BTreeMap;

use futures::FutureExt;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use segment_core::catalog::Catalog;

use super::attributes::{Attributes, CLEARED};
use super::cells::{Cell, Cells};
use super::changes::{Changes, now_us};
use super::client::rows_of;
use super::cql::Cql;
use super::keyspace::{Keyspace, malformed};
use super::limits::BATCH_ROWS_MAX;
use super::ties::{self, ERASED, Ties};
use super::together::together;
use crate::error::Result;
use crate::profiles::AttributeWrite;
use crate::profiles::row::Row;

/// Users between two notes of changes, so that a note is written shortly after its change.
const USERS_NOTED_MAX: usize = 2000;

/// What is written of one user.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct UserWrite {
    pub(crate) user_no: u64,
    pub(crate) user_id: String,
    /// Profile rows, merged.
    pub(crate) row: Option<Row>,
    /// First and last event.
    pub(crate) seen: Option<(i64, i64)>,
}

/// Writes into a keyspace's profiles, with the columns of a catalog.
pub(crate) struct ProfileWriter {
    keyspace: Keyspace,
    changes: Changes,
    attributes: Attributes,
    ties: Ties,
    statements: Statements,
}

struct Statements {
    attributes: PreparedStatement,
    /// Takes out of columns of keys what is there; none if there are no such columns.
    clear_keys: Option<PreparedStatement>,
    stated: PreparedStatement,
    first: PreparedStatement,
    last: PreparedStatement,
    rows: PreparedStatement,
    erase: PreparedStatement,
}

impl ProfileWriter {
    /// A writer; the columns must be there.
    pub(crate) async fn open(keyspace: &Keyspace, catalog: &Catalog) -> Result<Self> {
        let attributes = Attributes::all(catalog)?;
        let statements = Statements::prepare(keyspace, &attributes).await?;
        Ok(Self { keyspace: keyspace.clone(), changes: Changes::open(keyspace).await?, attributes, ties: Ties::default(), statements })
    }

    /// Goes on with the columns of another catalog, which must be there.
    pub(crate) async fn set_catalog(&mut self, catalog: &Catalog) -> Result<()> {
        let attributes = Attributes::all(catalog)?;
        if !attributes.columns().eq(self.attributes.columns()) {
            self.statements = Statements::prepare(&self.keyspace, &attributes).await?;
        }
        self.attributes = attributes;
        Ok(())
    }

    /// Writes users, each of whom stands once in it.
    pub(crate) async fn write(&mut self, users: &[UserWrite]) -> Result<()> {
        let received = now_us();
        for users in users.chunks(USERS_NOTED_MAX) {
            let statements = users.iter().map(|user| self.statements_of(user, received)).collect::<Result<Vec<_>>>()?;
            let (cassandra, mut writes) = (&self.keyspace.cassandra, Vec::with_capacity(statements.len()));
            for (batch, values) in statements {
                writes.push(async move { cassandra.batch(&batch, &values, "write profiles").await.map(|_| ()) }.boxed());
            }
            together(writes).await?;
            let changed: Vec<(u64, &str)> = users.iter().map(|u| (u.user_no, u.user_id.as_str())).collect();
            self.changes.note(&changed).await?;
        }
        Ok(())
    }

    /// The one mutation of a user.
    fn statements_of(&mut self, user: &UserWrite, received: i64) -> Result<(Batch, Vec<Cells>)> {
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        let key = |cells: &mut Vec<Cell>| cells.extend([Cell::text(&user.user_id), Cell::bigint(user.user_no.cast_signed())]);
        let mut values = Vec::new();
        if let Some(row) = &user.row {
            for ((at, _), said) in instants(row, received) {
                let content = ties::content(said.iter().map(|(name, said)| (*name, said)));
                let timestamp = self.ties.timestamp(user.user_no, at, content);
                let is_profile = if row.is_profile { Cell::boolean(true) } else { Cell::Unset };
                let (cells, cleared) = self.cells(&said)?;
                let mut cells: Vec<Cell> = [Cell::bigint(timestamp), is_profile].into_iter().chain(cells).collect();
                key(&mut cells);
                batch.append_statement(self.statements.attributes.clone());
                values.push(Cells(cells));
                if let (Some(clear), true) = (&self.statements.clear_keys, cleared.contains(&Cell::Null)) {
                    // Setting a whole collection takes out what is older than its timestamp, and nothing of the very instant.
                    let mut cells: Vec<Cell> = std::iter::once(Cell::bigint(timestamp + 1)).chain(cleared).collect();
                    key(&mut cells);
                    batch.append_statement(clear.clone());
                    values.push(Cells(cells));
                }
            }
            if let Some(stated) = row.stated {
                let mut cells = vec![Cell::bigint(ties::least_wins(stated)), Cell::bigint(stated), Cell::bigint(stated)];
                key(&mut cells);
                batch.append_statement(self.statements.stated.clone());
                values.push(Cells(cells));
            }
        }
        if let Some((first, last)) = user.seen {
            for (statement, timestamp, value) in
                [(&self.statements.first, ties::least_wins(first), first), (&self.statements.last, ties::greatest_wins(last), last)]
            {
                let mut cells = vec![Cell::bigint(timestamp), Cell::bigint(value)];
                key(&mut cells);
                batch.append_statement(statement.clone());
                values.push(Cells(cells));
            }
        }
        Ok((batch, values))
    }

    /// The cells of `raw` and of all columns, and those of columns of keys: null where all are to go.
    fn cells(&self, said: &BTreeMap<&str, AttributeWrite>) -> Result<(Vec<Cell>, Vec<Cell>)> {
        let mut columns = vec![Cell::Unset; self.attributes.columns().len()];
        let mut kept = Vec::new();
        for (name, said) in said {
            self.attributes.put(name, said, &mut columns)?;
            match said {
                AttributeWrite::Raw(json) => kept.push((*name, json.as_str())),
                AttributeWrite::Null => kept.push((*name, CLEARED)),
                AttributeWrite::Value(_) | AttributeWrite::Entries(_) => {}
            }
        }
        let mut cleared = Vec::new();
        for (_, cell) in columns.iter_mut().enumerate().filter(|(at, _)| self.attributes.has_keys(*at)) {
            // What is put into a collection cannot be null; all of it is taken out by another statement.
            let all = *cell == Cell::Null;
            cleared.push(if all { std::mem::replace(cell, Cell::Unset) } else { Cell::Unset });
        }
        let mut cells = Vec::with_capacity(columns.len() + 1);
        cells.push(if kept.is_empty() { Cell::Unset } else { Cell::text_map(kept.into_iter()) });
        cells.extend(columns);
        Ok((cells, cleared))
    }

    /// Erases the rows of users, for good: whatever is written under their numbers later, or arrives late, stays hidden.
    pub(crate) async fn erase(&self, users: &[(u64, &str)]) -> Result<()> {
        let what = "erase profiles";
        for users in users.chunks(USERS_NOTED_MAX) {
            let mut erases = Vec::with_capacity(users.len());
            for (number, id) in users {
                let values = Cells(vec![Cell::bigint(ERASED), Cell::text(id), Cell::bigint(number.cast_signed())]);
                let statement = &self.statements.erase;
                erases.push(async move { self.keyspace.cassandra.execute(statement, &values, what).await.map(|_| ()) }.boxed());
            }
            together(erases).await?;
            self.changes.note(users).await?;
        }
        Ok(())
    }

    /// The numbers under which users have rows.
    pub(crate) async fn rows(&self, ids: &[&str]) -> Result<Vec<(u64, String)>> {
        let what = "find rows of profiles";
        let mut reads = Vec::new();
        for part in ids.chunks(BATCH_ROWS_MAX) {
            let read = async move {
                let rows = rows_of(self.keyspace.cassandra.execute(&self.statements.rows, &(part,), what).await?, what)?;
                let rows = rows.rows::<(i64, String)>().map_err(|e| malformed(what, e))?;
                rows.map(|row| row.map_err(|e| malformed(what, e))).collect::<Result<Vec<_>>>()
            };
            reads.push(read.boxed());
        }
        Ok(together(reads).await?.into_iter().flatten().map(|(number, id)| (number.cast_unsigned(), id)).collect())
    }
}

/// What is said of a user by instant, and of one instant by turn: a map that is cleared and has keys again at the same instant.
fn instants(row: &Row, received: i64) -> BTreeMap<(i64, u32), BTreeMap<&str, AttributeWrite>> {
    let mut instants: BTreeMap<(i64, u32), BTreeMap<&str, AttributeWrite>> = BTreeMap::new();
    for (name, facts) in &row.attributes {
        let mut last = None;
        for (at, said) in facts.writes() {
            // A time that is yet to come would be kept for ever.
            let at = at.min(received);
            let turn = last.filter(|(before, _)| *before == at).map_or(0, |(_, turn)| turn + 1);
            last = Some((at, turn));
            instants.entry((at, turn)).or_default().insert(name, said);
        }
    }
    if instants.is_empty() {
        instants.insert((received, 0), BTreeMap::new());
    }
    instants
}

impl Statements {
    async fn prepare(keyspace: &Keyspace, attributes: &Attributes) -> Result<Self> {
        let prepare = |cql: Cql| async move { keyspace.cassandra.prepare(cql.build(), "prepare writing profiles").await };
        let update = || Cql::new("UPDATE").table(keyspace.name(), "profiles").word("USING TIMESTAMP ? SET");
        let key = "WHERE user_id = ? AND user_no = ?";
        let mut all = update().word("has_profile = ?, raw = raw + ?");
        let mut clear = None;
        for (at, column) in attributes.columns().enumerate() {
            all = all.word(",").name(column);
            if attributes.has_keys(at) {
                all = all.word("=").name(column).word("+ ?");
                clear = Some(clear.map_or_else(update, |cql: Cql| cql.word(",")).name(column).word("= ?"));
            } else {
                all = all.word("= ?");
            }
        }
        let clear_keys = match clear {
            Some(cql) => Some(prepare(cql.word(key)).await?),
            None => None,
        };
        Ok(Self {
            attributes: prepare(all.word(key)).await?,
            clear_keys,
            stated: prepare(update().word("stated_first_seen_at = ?, first_seen_at = ?").word(key)).await?,
            first: prepare(update().word("first_seen_at = ?").word(key)).await?,
            last: prepare(update().word("last_seen_at = ?").word(key)).await?,
            rows: prepare(Cql::new("SELECT user_no, user_id FROM").table(keyspace.name(), "profiles").word("WHERE user_id IN ?")).await?,
            erase: prepare(Cql::new("DELETE FROM").table(keyspace.name(), "profiles").word("USING TIMESTAMP ?").word(key)).await?,
        })
    }
}
