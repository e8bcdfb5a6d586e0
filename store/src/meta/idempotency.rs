//! Answers that are given again to whoever repeats a request: kept with what the request made, in one transaction.

use std::time::Duration;

use sqlx::{Row, Sqlite, Transaction};

use super::{Meta, now_us};
use crate::error::{Attempt, Result, StoreError};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Answers of one caller that are kept.
const KEPT_MAX: i64 = 10_000;

/// What tells a request from others of the same caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who asks: the id of a key.
    pub caller: String,
    /// What the caller named the request.
    pub token: String,
    /// SHA-256 of the request.
    pub request: [u8; 32],
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// To what.
    pub token: Token,
    /// The answer's body.
    pub answer: String,
}

impl Answered {
    /// Keeps it with what `tx` does, and forgets what is too old.
    pub(super) async fn keep(&self, tx: &mut Transaction<'_, Sqlite>, workspace: &str) -> Result<()> {
        let attempt = "keep an answer";
        let (now, token) = (now_us(), &self.token);
        sqlx::query("DELETE FROM answered WHERE at <= $1").bind(oldest(now)).execute(&mut **tx).await.attempt(attempt)?;
        let done = sqlx::query(
            "INSERT INTO answered (workspace, caller, token, request, answer, at) SELECT $1, $2, $3, $4, $5, $6
             WHERE (SELECT count(*) FROM answered WHERE workspace = $1 AND caller = $2) < $7",
        )
        .bind(workspace)
        .bind(&token.caller)
        .bind(&token.token)
        .bind(token.request.as_slice())
        .bind(&self.answer)
        .bind(now)
        .bind(KEPT_MAX)
        .execute(&mut **tx)
        .await
        .attempt(attempt)?;
        if done.rows_affected() == 0 {
            let what = format!("{KEPT_MAX} answers are kept for this key already: repeat without the name of the request, or tomorrow");
            return Err(StoreError::Busy(what));
        }
        Ok(())
    }
}

impl Meta {
    /// The answer that a caller's request of that name was given within the last day.
    pub(crate) async fn answered(&self, workspace: &str, caller: &str, token: &str) -> Result<Option<Answered>> {
        let row = sqlx::query("SELECT request, answer FROM answered WHERE workspace = $1 AND caller = $2 AND token = $3 AND at > $4")
            .bind(workspace)
            .bind(caller)
            .bind(token)
            .bind(oldest(now_us()))
            .fetch_optional(&self.pool)
            .await
            .attempt("read an answer")?;
        let Some(row) = row else { return Ok(None) };
        let request: Vec<u8> = row.get(0);
        let request = request.try_into().map_err(|_| StoreError::corrupt_plain("a request's hash does not have 32 bytes"))?;
        let token = Token { caller: caller.to_owned(), token: token.to_owned(), request };
        Ok(Some(Answered { token, answer: row.get(1) }))
    }
}

/// When the oldest answers were given that still count.
fn oldest(now: i64) -> i64 {
    now.saturating_sub(i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX))
}
