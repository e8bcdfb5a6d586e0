//! Users' numbers: permanent, nearly dense, one for each user whoever asks.
//!
//! A handle reserves blocks of numbers by a lightweight transaction and gives them to new users by another, so that of several writers
//! that meet a user at once one gives the number and the others take it. What is left of a block when a handle closes, and what another writer was
//! faster with, is never given, unless nobody reserved beyond it: numbers have small gaps. A batch of one partition needs one transaction, so users are spread over a fixed number
//! of partitions rather than each having one.

use std::collections::{BTreeMap, HashMap};

use futures::FutureExt;
use scylla::statement::Consistency;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use xxhash_rust::xxh3::xxh3_64;

use super::cells::{Cell, Cells};
use super::client::rows_of;
use super::cql::Cql;
use super::keyspace::{Keyspace, applied, malformed};
use super::limits::BATCH_ROWS_MAX;
use super::together::{together, transact_together};
use crate::error::{Result, StoreError};
use crate::profiles::numbers::{ByUser, Numbers};

/// Partitions of the table of numbers: so few that thousands of new users share transactions, so many that of a hundred million users each
/// has some megabytes.
const BUCKETS: u64 = 512;
/// Bits of a number within a partition of the table of names.
const NAMES_BITS: u32 = 10;
/// The least numbers reserved at a time.
const BLOCK: u64 = 1024;
/// How often a reservation, or a user that others write as well, is tried.
const ATTEMPTS_MAX: u32 = 50;
/// The name of users' numbers in the table of blocks.
const USER_NO: &str = "user_no";

/// Gives and finds numbers.
pub(crate) struct UserNumbers {
    keyspace: Keyspace,
    statements: Statements,
    remembered: Numbers,
    /// Reserved and not given yet.
    free: std::ops::Range<u64>,
}

#[derive(Clone)]
struct Statements {
    next: PreparedStatement,
    reserve: PreparedStatement,
    first: PreparedStatement,
    find: PreparedStatement,
    find_surely: PreparedStatement,
    give: PreparedStatement,
    take: PreparedStatement,
    name: PreparedStatement,
    names: PreparedStatement,
}

fn bucket(user_id: &str) -> i32 {
    i32::try_from(xxh3_64(user_id.as_bytes()) % BUCKETS).unwrap_or_default()
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| StoreError::Invalid(format!("{number} is no user's number")))
}

impl UserNumbers {
    /// Over a keyspace that has its tables.
    pub(crate) async fn open(keyspace: &Keyspace) -> Result<Self> {
        let prepare = |cql: Cql| async move { keyspace.cassandra.prepare(cql.build(), "prepare users' numbers").await };
        let (name, table) = (keyspace.name(), |words: &'static str, table: &str| Cql::new(words).table(keyspace.name(), table));
        let mut next = prepare(table("SELECT next FROM", "blocks").word("WHERE name = ?")).await?;
        next.set_consistency(Consistency::LocalSerial);
        let find = table("SELECT user_id, user_no FROM", "numbers").word("WHERE bucket = ? AND user_id IN ?").build();
        let mut find_surely = keyspace.cassandra.prepare(find.clone(), "prepare users' numbers").await?;
        find_surely.set_consistency(Consistency::LocalSerial);
        let statements = Statements {
            next,
            reserve: prepare(table("UPDATE", "blocks").word("SET next = ? WHERE name = ? IF next = ?")).await?,
            first: prepare(Cql::new("INSERT INTO").table(name, "blocks").word("(name, next) VALUES (?, ?) IF NOT EXISTS")).await?,
            find: keyspace.cassandra.prepare(find, "prepare users' numbers").await?,
            find_surely,
            give: prepare(table("INSERT INTO", "numbers").word("(bucket, user_id, user_no) VALUES (?, ?, ?) IF NOT EXISTS")).await?,
            take: prepare(table("DELETE FROM", "numbers").word("WHERE bucket = ? AND user_id = ? IF EXISTS")).await?,
            name: prepare(table("INSERT INTO", "names").word("(block, user_no, user_id) VALUES (?, ?, ?)")).await?,
            names: prepare(table("SELECT user_no, user_id FROM", "names").word("WHERE block = ? AND user_no IN ?")).await?,
        };
        Ok(Self { keyspace: keyspace.clone(), statements, remembered: Numbers::default(), free: 0..0 })
    }

    /// The users' numbers, in the order of `ids`, giving one to those who have none.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty id.
    pub(crate) async fn numbers(&mut self, ids: &[&str]) -> Result<Vec<u64>> {
        let mut found: HashMap<&str, u64> = HashMap::with_capacity(ids.len());
        let mut unknown: Vec<&str> = Vec::new();
        for &id in ids {
            if id.is_empty() {
                return Err(StoreError::Invalid("a user id is empty".to_owned()));
            }
            match self.remembered.get(id) {
                Some(number) => found.insert(id, number).is_some(),
                None => {
                    found.contains_key(id) || {
                        unknown.push(id);
                        found.insert(id, u64::MAX).is_some()
                    }
                }
            };
        }
        if !unknown.is_empty() {
            for (id, number) in self.find(&unknown, false).await? {
                found.insert(own_text(&found, &id)?, number);
            }
            let missing: Vec<&str> = unknown.iter().copied().filter(|id| found.get(id) == Some(&u64::MAX)).collect();
            let given = self.give(&missing).await?;
            for &id in &unknown {
                let number = given.get(id).or_else(|| found.get(id)).copied().unwrap_or(u64::MAX);
                found.insert(id, number);
                self.remembered.insert(id.into(), number);
            }
        }
        let lost = || StoreError::corrupt_plain("a user has no number after it was given");
        ids.iter().map(|id| found.get(id).copied().filter(|n| *n != u64::MAX).ok_or_else(lost)).collect()
    }

    /// The numbers of those users who have one.
    pub(crate) async fn find(&self, ids: &[&str], surely: bool) -> Result<ByUser> {
        let what = "find users' numbers";
        let statement = if surely { &self.statements.find_surely } else { &self.statements.find };
        let cassandra = &self.keyspace.cassandra;
        let mut reads = Vec::new();
        for (bucket, ids) in by_bucket(ids) {
            let read = async move {
                let values = Cells(vec![Cell::int(bucket), Cell::texts(ids.iter().copied())]);
                let rows = rows_of(cassandra.execute(statement, &values, what).await?, what)?;
                let rows = rows.rows::<(String, i64)>().map_err(|e| malformed(what, e))?;
                rows.map(|row| row.map_err(|e| malformed(what, e))).collect::<Result<Vec<_>>>()
            };
            reads.push(read.boxed());
        }
        let mut out = ByUser::default();
        for (id, number) in together(reads).await?.into_iter().flatten() {
            out.insert(id.into(), u64::try_from(number).map_err(|e| StoreError::corrupt("a user's number is negative", e))?);
        }
        Ok(out)
    }

    /// Gives numbers to users who had none a moment ago, each once.
    async fn give(&mut self, ids: &[&str]) -> Result<ByUser> {
        let mut wanted: Vec<(&str, u64)> = Vec::with_capacity(ids.len());
        for &id in ids {
            if self.free.is_empty() {
                self.free = self.reserve((ids.len() - wanted.len()) as u64).await?;
            }
            wanted.extend(self.free.next().map(|number| (id, number)));
        }
        self.name(&wanted).await?;
        let proposals: HashMap<&str, u64> = wanted.into_iter().collect();
        let mut gives = Vec::new();
        for (bucket, ids) in by_bucket(ids) {
            gives.push(self.give_bucket(bucket, ids, &proposals).boxed());
        }
        let mut out = ByUser::default();
        transact_together(gives).await?.into_iter().for_each(|given| out.extend(given));
        Ok(out)
    }

    /// Writes who has which number, before anybody has it.
    async fn name(&self, users: &[(&str, u64)]) -> Result<()> {
        let mut blocks: BTreeMap<u64, Vec<(&str, u64)>> = BTreeMap::new();
        for &(id, number) in users {
            blocks.entry(number >> NAMES_BITS).or_default().push((id, number));
        }
        let mut writes = Vec::new();
        for (block, users) in &blocks {
            writes.extend(users.chunks(BATCH_ROWS_MAX).map(|part| self.name_part(*block, part).boxed()));
        }
        together(writes).await.map(|_| ())
    }

    async fn name_part(&self, block: u64, users: &[(&str, u64)]) -> Result<()> {
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        let mut values = Vec::with_capacity(users.len());
        for (id, number) in users {
            batch.append_statement(self.statements.name.clone());
            values.push(Cells(vec![Cell::bigint(signed(block)?), Cell::bigint(signed(*number)?), Cell::text(id)]));
        }
        self.keyspace.cassandra.batch(&batch, &values, "name users").await.map(|_| ())
    }

    /// One transaction for users of a partition; where another writer was there first, what it gave counts.
    async fn give_bucket(&self, bucket: i32, ids: Vec<&str>, proposals: &HashMap<&str, u64>) -> Result<ByUser> {
        let what = "give users numbers";
        let mut out = ByUser::default();
        let mut ids = ids;
        for _ in 0..ATTEMPTS_MAX {
            let mut batch = Batch::new(BatchType::Unlogged);
            batch.set_is_idempotent(true);
            let mut values = Vec::with_capacity(ids.len());
            for id in &ids {
                let number = proposals.get(id).copied().unwrap_or(u64::MAX);
                batch.append_statement(self.statements.give.clone());
                values.push(Cells(vec![Cell::int(bucket), Cell::text(id), Cell::bigint(signed(number)?)]));
            }
            if applied(self.keyspace.cassandra.batch(&batch, &values, what).await?, what)? {
                out.extend(ids.into_iter().map(|id| (id.into(), proposals.get(id).copied().unwrap_or(u64::MAX))));
                return Ok(out);
            }
            let there = self.find(&ids, true).await?;
            ids.retain(|id| !there.contains_key(*id));
            out.extend(there);
            if ids.is_empty() {
                return Ok(out);
            }
        }
        Err(StoreError::Busy(format!("others keep giving numbers to the same users; tried {ATTEMPTS_MAX} times")))
    }

    /// Reserves numbers that nobody else gives.
    async fn reserve(&self, wanted: u64) -> Result<std::ops::Range<u64>> {
        let what = "reserve users' numbers";
        let (cassandra, wanted) = (&self.keyspace.cassandra, signed(wanted.max(BLOCK))?);
        for _ in 0..ATTEMPTS_MAX {
            let rows = rows_of(cassandra.execute(&self.statements.next, &(USER_NO,), what).await?, what)?;
            let next = rows.maybe_first_row::<(i64,)>().map_err(|e| malformed(what, e))?.map(|(next,)| next);
            let (start, done) = match next {
                Some(next) => (next, cassandra.execute(&self.statements.reserve, &(next + wanted, USER_NO, next), what).await?),
                None => (0, cassandra.execute(&self.statements.first, &(USER_NO, wanted), what).await?),
            };
            if applied(done, what)? {
                let start = u64::try_from(start).map_err(|e| StoreError::corrupt("the next number is negative", e))?;
                return Ok(start..start + wanted.unsigned_abs());
            }
        }
        Err(StoreError::Busy(format!("others keep reserving users' numbers; tried {ATTEMPTS_MAX} times")))
    }

    /// Gives back what is left of the block, if nobody reserved beyond it.
    pub(crate) async fn release(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.free);
        if rest.is_empty() {
            return Ok(());
        }
        let values = (signed(rest.start)?, USER_NO, signed(rest.end)?);
        self.keyspace.cassandra.execute(&self.statements.reserve, &values, "give numbers back").await.map(|_| ())
    }

    /// Takes users' numbers from them, for good; who had one, with it.
    pub(crate) async fn take(&mut self, ids: &[&str]) -> Result<ByUser> {
        let what = "take users' numbers";
        let found = self.find(ids, true).await?;
        let (cassandra, statement) = (&self.keyspace.cassandra, &self.statements.take);
        let mut takes = Vec::new();
        for id in found.keys() {
            let values = Cells(vec![Cell::int(bucket(id)), Cell::text(id)]);
            takes.push(async move { applied(cassandra.execute(statement, &values, what).await?, what) }.boxed());
        }
        transact_together(takes).await?;
        ids.iter().for_each(|id| self.remembered.remove(id));
        Ok(found)
    }

    /// The users of numbers that were given; those of no number are left out.
    pub(crate) async fn users(&self, numbers: &[u64]) -> Result<HashMap<u64, String>> {
        let what = "find users by their numbers";
        let mut blocks: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for &number in numbers {
            blocks.entry(number >> NAMES_BITS).or_default().push(signed(number)?);
        }
        let cassandra = &self.keyspace.cassandra;
        let mut reads = Vec::new();
        for (block, numbers) in &blocks {
            for part in numbers.chunks(BATCH_ROWS_MAX) {
                let read = async move {
                    let rows = rows_of(cassandra.execute(&self.statements.names, &(signed(*block)?, part), what).await?, what)?;
                    let rows = rows.rows::<(i64, String)>().map_err(|e| malformed(what, e))?;
                    rows.map(|row| row.map_err(|e| malformed(what, e))).collect::<Result<Vec<_>>>()
                };
                reads.push(read.boxed());
            }
        }
        Ok(together(reads).await?.into_iter().flatten().map(|(number, id)| (number.unsigned_abs(), id)).collect())
    }
}

/// The caller's own text of an id that was found.
fn own_text<'i>(found: &HashMap<&'i str, u64>, id: &str) -> Result<&'i str> {
    let key = found.get_key_value(id).map(|(key, _)| *key);
    key.ok_or_else(|| StoreError::corrupt_plain("a number was found of a user that nobody asked for"))
}

/// Ids by partition, each part small enough for a batch.
fn by_bucket<'i>(ids: &[&'i str]) -> Vec<(i32, Vec<&'i str>)> {
    let mut buckets: BTreeMap<i32, Vec<&str>> = BTreeMap::new();
    for &id in ids {
        buckets.entry(bucket(id)).or_default().push(id);
    }
    let mut out = Vec::with_capacity(buckets.len());
    for (bucket, ids) in buckets {
        out.extend(ids.chunks(BATCH_ROWS_MAX).map(|part| (bucket, part.to_vec())));
    }
    out
}
