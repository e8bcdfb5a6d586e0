//! Who changed lately: what a mirror follows, whoever wrote.
//!
//! When a writer has changed users it notes them here, under the present ten seconds by its clock, and only then has it done what it was asked to. A mirror
//! that reads all notes of the last [`OVERLAP`] each time, and those users whose note it has not seen, misses no acknowledged change: a note is at most
//! [`SKEW_MAX`] off the reader's clock, and there within the time that a request and its repeats may take. A change whose writer got no answer may
//! come without a note; its writer writes it again, and notes it. No note takes another's place.
//!
//! Notes go away after [`super::keyspace::CHANGES_TTL_S`].

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use scylla::response::PagingState;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;

use super::cells::{Cell, Cells};
use super::client::{Cassandra, REQUEST_TIMEOUT, rows_of};
use super::cql::Cql;
use super::error::{CassandraError, CassandraFault};
use super::keyspace::{Keyspace, malformed};
use super::limits::{BATCH_ROWS_MAX, REQUESTS_MAX};
use super::together::together;
use crate::error::Result;

/// Microseconds of a bucket.
const BUCKET_US: i64 = 10_000_000;
/// Partitions of a bucket.
const SHARDS: u64 = 16;
/// The most that clocks of writers, readers and nodes may differ; beyond, a handle does not open.
pub(crate) const SKEW_MAX: Duration = Duration::from_secs(10);
/// How far back notes are read again: two clocks off, and a write of four attempts with their pauses.
const OVERLAP: Duration = Duration::from_secs(2 * SKEW_MAX.as_secs() + 5 * REQUEST_TIMEOUT.as_secs());

/// The present instant, microseconds.
pub(crate) fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Refuses a clock that differs too much from a node's.
pub(crate) async fn check_clock(cassandra: &Cassandra) -> Result<()> {
    let what = "compare clocks";
    let before = now_us();
    let now = cassandra.prepare("SELECT toUnixTimestamp(now()) FROM system.local".to_owned(), what).await?;
    let rows = rows_of(cassandra.execute(&now, &(), what).await?, what)?;
    let (there,) = rows.first_row::<(i64,)>().map_err(|e| malformed(what, e))?;
    let (there, after) = (there * 1000, now_us());
    let skew = if there < before { before - there } else { (there - after).max(0) };
    // A node tells milliseconds.
    if skew > SKEW_MAX.as_micros() as i64 + 1000 {
        let text =
            format!("the clocks of this machine and of Cassandra differ by {} s, more than {} s", skew / 1_000_000, SKEW_MAX.as_secs());
        return Err(CassandraError::new(CassandraFault::Refused, text).during("follow changes"));
    }
    Ok(())
}

/// A note: who changed, by number, and when it was written.
pub(crate) type Note = (u64, i64);

/// The table of changes.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    keyspace: Keyspace,
    note: PreparedStatement,
    read: PreparedStatement,
}

impl Changes {
    pub(crate) async fn open(keyspace: &Keyspace) -> Result<Self> {
        let what = "prepare the table of changes";
        let note =
            Cql::new("INSERT INTO").table(keyspace.name(), "changes").word("(bucket, shard, user_no, at, user_id) VALUES (?, ?, ?, ?, ?)");
        let read = Cql::new("SELECT user_no, at, user_id FROM").table(keyspace.name(), "changes").word("WHERE bucket = ? AND shard = ?");
        let note = keyspace.cassandra.prepare(note.build(), what).await?;
        let mut read = keyspace.cassandra.prepare(read.build(), what).await?;
        read.set_page_size(super::limits::PAGE_ROWS);
        Ok(Self { keyspace: keyspace.clone(), note, read })
    }

    /// Notes users that have changed.
    pub(crate) async fn note(&self, users: &[(u64, &str)]) -> Result<()> {
        let now = now_us();
        let mut shards: BTreeMap<u64, Vec<(u64, &str)>> = BTreeMap::new();
        for &(number, id) in users {
            shards.entry(number % SHARDS).or_default().push((number, id));
        }
        let mut writes = Vec::new();
        for (shard, users) in &shards {
            writes.extend(users.chunks(BATCH_ROWS_MAX).map(|part| self.note_part(now, *shard, part).boxed()));
        }
        together(writes).await.map(|_| ())
    }

    async fn note_part(&self, now: i64, shard: u64, users: &[(u64, &str)]) -> Result<()> {
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        let mut values = Vec::with_capacity(users.len());
        for (number, id) in users {
            batch.append_statement(self.note.clone());
            let shard = Cell::int(i32::try_from(shard).unwrap_or_default());
            let bucket = Cell::bigint(now.div_euclid(BUCKET_US));
            values.push(Cells(vec![bucket, shard, Cell::bigint(number.cast_signed()), Cell::bigint(now), Cell::text(id)]));
        }
        self.keyspace.cassandra.batch(&batch, &values, "note changed profiles").await.map(|_| ())
    }

    /// The notes since an instant by which all changes are known, and those from somewhat before; `None` if there are more than `max`.
    pub(crate) async fn since(&self, known_until: i64, max: usize) -> Result<Option<Vec<(Note, String)>>> {
        let first = (known_until - OVERLAP.as_micros() as i64).div_euclid(BUCKET_US);
        let last = (now_us() + SKEW_MAX.as_micros() as i64).div_euclid(BUCKET_US);
        let mut out = Vec::new();
        // A bucket at a time, so that no more futures are made than are needed.
        for bucket in first..=last {
            let mut shards = Vec::new();
            for shard in 0..SHARDS {
                shards.push(self.shard(bucket, shard, max).boxed());
            }
            let mut shards = stream::iter(shards).buffer_unordered(REQUESTS_MAX);
            while let Some(users) = shards.next().await {
                out.extend(users?);
                if out.len() > max {
                    return Ok(None);
                }
            }
        }
        Ok(Some(out))
    }

    async fn shard(&self, bucket: i64, shard: u64, max: usize) -> Result<Vec<(Note, String)>> {
        let what = "read who changed";
        let values = Cells(vec![Cell::bigint(bucket), Cell::int(i32::try_from(shard).unwrap_or_default())]);
        let (mut out, mut next) = (Vec::new(), Some(PagingState::start()));
        while let Some(from) = next.filter(|_| out.len() <= max) {
            let (rows, more) = self.keyspace.cassandra.page(&self.read, &values, from, what).await?;
            for row in rows.rows::<(i64, i64, String)>().map_err(|e| malformed(what, e))? {
                let (number, at, id) = row.map_err(|e| malformed(what, e))?;
                out.push(((number.cast_unsigned(), at), id));
            }
            next = more;
        }
        Ok(out)
    }
}

/// Whether a note is read again by whoever knows all changes until an instant.
pub(crate) fn is_read_again(note: Note, known_until: i64) -> bool {
    // By whole buckets, as they are read.
    note.1.div_euclid(BUCKET_US) >= (known_until - OVERLAP.as_micros() as i64).div_euclid(BUCKET_US)
}

/// Whether notes from before an instant may be gone.
pub(crate) fn is_forgotten(known_until: i64) -> bool {
    let kept = i64::from(super::keyspace::CHANGES_TTL_S) * 1_000_000 / 2;
    now_us() - known_until > kept
}
