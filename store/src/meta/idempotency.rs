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

#[cfg(test)]
mod tests {
    use super::super::SegmentDraft;
    use super::*;

    #[tokio::test]
    async fn an_answer_is_kept_for_a_day_with_what_was_made() {
        let dir = tempfile::tempdir().unwrap();
        let meta = Meta::open(&dir.path().join("muster.db"), true).await.unwrap();
        let token = |request: u8| Token { caller: "k".to_owned(), token: "t".to_owned(), request: [request; 32] };
        let save = async |request: u8| {
            let draft = SegmentDraft { condition: "{}".to_owned(), ..SegmentDraft::default() };
            meta.save_segment("w", "s", draft, Some((&token(request), &|s| format!("version {}", s.version)))).await
        };
        save(1).await.unwrap();
        let kept = meta.answered("w", "k", "t").await.unwrap().unwrap();
        assert_eq!((kept.token, kept.answer.as_str()), (token(1), "version 1"));
        assert!(meta.answered("v", "k", "t").await.unwrap().is_none() && meta.answered("w", "l", "t").await.unwrap().is_none());
        // A second answer to the same is none, and nothing is made with it.
        assert!(save(2).await.is_err());
        assert_eq!(meta.segments("w", None).await.unwrap()[0].version, 1);
        // A day later it is forgotten.
        let day = i64::try_from(KEPT.as_micros()).unwrap();
        sqlx::query("UPDATE answered SET at = at - $1").bind(day).execute(&meta.pool).await.unwrap();
        assert_eq!(meta.answered("w", "k", "t").await.unwrap(), None);
        save(2).await.unwrap();
        assert_eq!(meta.answered("w", "k", "t").await.unwrap().unwrap().answer, "version 2");
        // No more than so many.
        let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
             INSERT INTO answered SELECT 'w', 'k', 'n' || i, zeroblob(32), '', at FROM n, (SELECT at FROM answered)";
        sqlx::query(fill).bind(KEPT_MAX).execute(&meta.pool).await.unwrap();
        let more = Token { token: "more".to_owned(), ..token(3) };
        let refused = meta.save_segment("w", "other", SegmentDraft::default(), Some((&more, &|_| String::new()))).await.unwrap_err();
        assert!(matches!(refused, StoreError::Busy(_)), "{refused}");
        assert_eq!(meta.segments("w", Some("other")).await.unwrap(), []);
    }
}
