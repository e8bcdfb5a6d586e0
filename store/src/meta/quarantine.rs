//! Messages that could not be accepted: kept until they are replayed or removed, the latest of each workspace within a bound.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::{Meta, unsigned};
use crate::error::{Attempt, Result};
use crate::workspace::Workspace;

/// Messages in the quarantine of a workspace; the oldest make room for new ones, and are counted.
pub const QUARANTINE_ROWS_MAX: i64 = 100_000;
/// Bytes of them.
pub const QUARANTINE_BYTES_MAX: i64 = 256 << 20;

/// A message for the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// When it was received, microseconds.
    pub received_at: i64,
    /// The kind of fault.
    pub reason: String,
    /// Where in it, as a JSON pointer.
    pub pointer: String,
    /// What is wrong, for people.
    pub message: String,
    /// All that it takes to read it again, in the form of whoever collected it.
    pub entry: Vec<u8>,
}

/// What a commit does to the quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// Messages that are put there.
    pub added: Vec<Unusable>,
}

/// A message in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// Its number; grows.
    pub id: u64,
    /// What it is.
    pub unusable: Unusable,
    /// Whether somebody asked to have it read again.
    pub replay: bool,
}

fn row(row: &SqliteRow) -> Result<QuarantinedRow> {
    let unusable = Unusable { received_at: row.get(1), reason: row.get(2), pointer: row.get(3), message: row.get(4), entry: row.get(6) };
    Ok(QuarantinedRow { id: unsigned(row.get(0), "the number of a message in quarantine")?, unusable, replay: row.get::<i64, _>(5) != 0 })
}

/// Adds messages, and removes the oldest beyond the bounds.
pub(super) async fn insert(tx: &mut Transaction<'_, Sqlite>, workspace: &str, quarantine: &Quarantine) -> Result<()> {
    insert_within(tx, workspace, quarantine, (QUARANTINE_ROWS_MAX, QUARANTINE_BYTES_MAX)).await
}

async fn insert_within(
    tx: &mut Transaction<'_, Sqlite>,
    workspace: &str,
    quarantine: &Quarantine,
    (rows_max, bytes_max): (i64, i64),
) -> Result<()> {
    let what = "put a message into quarantine";
    if quarantine.added.is_empty() {
        return Ok(());
    }
    for unusable in &quarantine.added {
        let Unusable { received_at, reason, pointer, message, entry } = unusable;
        sqlx::query("INSERT INTO quarantine (workspace, bytes, received_at, reason, pointer, message, entry) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(workspace)
            .bind(i64::try_from(entry.len()).unwrap_or(i64::MAX))
            .bind(received_at)
            .bind(reason)
            .bind(pointer)
            .bind(message)
            .bind(entry)
            .execute(&mut **tx)
            .await
            .attempt(what)?;
    }
    let dropped = sqlx::query(
        "DELETE FROM quarantine WHERE workspace = ?1 AND id <= (
            SELECT max(id) FROM (
                SELECT id, row_number() OVER newest AS n, sum(bytes) OVER newest AS total FROM quarantine
                WHERE workspace = ?1 WINDOW newest AS (ORDER BY id DESC))
            WHERE n > ?2 OR total > ?3)",
    )
    .bind(workspace)
    .bind(rows_max)
    .bind(bytes_max)
    .execute(&mut **tx)
    .await
    .attempt(what)?
    .rows_affected();
    if dropped > 0 {
        sqlx::query(
            "INSERT INTO quarantine_dropped (workspace, count) VALUES (?, ?) ON CONFLICT (workspace) DO UPDATE SET count = count + excluded.count",
        )
        .bind(workspace)
        .bind(i64::try_from(dropped).unwrap_or(i64::MAX))
        .execute(&mut **tx)
        .await
        .attempt(what)?;
    }
    Ok(())
}

impl Meta {
    async fn quarantine(&self, workspace: &str, replay: bool, limit: u32) -> Result<Vec<QuarantinedRow>> {
        let rows = sqlx::query(
            "SELECT id, received_at, reason, pointer, message, replay, entry FROM quarantine
             WHERE workspace = ? AND replay >= ? ORDER BY id DESC LIMIT ?",
        )
        .bind(workspace)
        .bind(i64::from(replay))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .attempt("read the quarantine")?;
        rows.iter().map(row).collect()
    }
}

impl Workspace {
    /// Messages in quarantine, the latest first, `limit` at most; with how many there are, and how many made room for later ones.
    pub async fn quarantine(&self, limit: u32) -> Result<(Vec<QuarantinedRow>, u64, u64)> {
        let (meta, name) = (&self.shared.meta, self.name());
        let rows = meta.quarantine(name, false, limit).await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM quarantine WHERE workspace = ?")
            .bind(name)
            .fetch_one(&meta.pool)
            .await
            .attempt("read the quarantine")?;
        let dropped: Option<i64> = sqlx::query_scalar("SELECT count FROM quarantine_dropped WHERE workspace = ?")
            .bind(name)
            .fetch_optional(&meta.pool)
            .await
            .attempt("read the quarantine")?;
        Ok((rows, unsigned(count, "a count")?, unsigned(dropped.unwrap_or(0), "a count")?))
    }

    /// Asks to have messages in quarantine read again: those of a reason, or all. Returns how many.
    pub async fn ask_replay(&self, reason: Option<&str>) -> Result<u64> {
        let done = sqlx::query("UPDATE quarantine SET replay = 1 WHERE workspace = ? AND (? IS NULL OR reason = ?)")
            .bind(self.name())
            .bind(reason)
            .bind(reason)
            .execute(&self.shared.meta.pool)
            .await
            .attempt("ask for a replay")?;
        Ok(done.rows_affected())
    }

    /// Messages that somebody asked to have read again, `limit` at most.
    pub async fn asked_replays(&self, limit: u32) -> Result<Vec<QuarantinedRow>> {
        self.shared.meta.quarantine(self.name(), true, limit).await
    }

    /// Ends a replay: removes what was taken, and leaves the others where they are.
    pub async fn end_replay(&self, taken: &[u64], left: &[u64]) -> Result<()> {
        let mut tx = self.shared.meta.pool.begin().await.attempt("end a replay")?;
        for (ids, statement) in [
            (taken, "DELETE FROM quarantine WHERE workspace = ? AND id = ?"),
            (left, "UPDATE quarantine SET replay = 0 WHERE workspace = ? AND id = ?"),
        ] {
            for id in ids {
                let id = i64::try_from(*id).unwrap_or(i64::MAX);
                sqlx::query(statement).bind(self.name()).bind(id).execute(&mut *tx).await.attempt("end a replay")?;
            }
        }
        tx.commit().await.attempt("end a replay")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_make_room_and_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let meta = Meta::open(&dir.path().join("m.db"), true).await.unwrap();
        let message = |n: u8| Unusable {
            received_at: i64::from(n),
            reason: "no_time".to_owned(),
            pointer: String::new(),
            message: String::new(),
            entry: vec![n; 10],
        };
        let put = async |workspace: &str, count: u8, bounds| {
            let mut tx = meta.pool.begin().await.unwrap();
            let quarantine = Quarantine { added: (0..count).map(message).collect() };
            insert_within(&mut tx, workspace, &quarantine, bounds).await.unwrap();
            tx.commit().await.unwrap();
        };
        let kept = async |workspace| {
            let rows = meta.quarantine(workspace, false, 100).await.unwrap();
            rows.into_iter().map(|r| r.unusable.received_at).collect::<Vec<_>>()
        };
        put("other", 5, (10, 1_000)).await;
        put("w", 5, (3, 1_000)).await;
        assert_eq!(kept("w").await, [4, 3, 2]);
        put("w", 2, (100, 35)).await;
        assert_eq!(kept("w").await, [1, 0, 4]);
        assert_eq!(kept("other").await.len(), 5);
        let dropped: i64 =
            sqlx::query_scalar("SELECT count FROM quarantine_dropped WHERE workspace = 'w'").fetch_one(&meta.pool).await.unwrap();
        assert_eq!(dropped, 4);
    }
}
