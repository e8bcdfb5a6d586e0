//! A query's result as a table of the lake, so that a large one never crosses the client.

use std::time::{Duration, Instant};

use segment_core::lower::drop_table;

use super::TrinoBackend;
use super::client::{Kind, Repeat, Session};
use super::prepare::Prepared;
use crate::backend::{Query, RunOptions};
use crate::error::{BackendError, ErrorKind, Result};
use crate::state::pinned;

/// Time that the end of a query is waited for before what it may have made is removed.
const END_MAX: Duration = Duration::from_secs(20);
/// Time between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The queries that have not ended.
const UNFINISHED: &str = "SELECT query_id FROM system.runtime.queries WHERE state NOT IN ('FINISHED', 'FAILED')";

impl TrinoBackend {
    /// Runs a query into a new table of the lake: how many members it has.
    ///
    /// The table is made by `CREATE TABLE … AS`, which Trino makes visible whole or not at all. Its name is one that nothing else has or will have:
    /// where the end of the statement is not known, a table of that name is removed. `ids` of the options is not looked at.
    ///
    /// # Shape
    ///
    /// `user_no` (bigint) and `user_id` (varchar), one row a member, in no order.
    ///
    /// # Errors
    ///
    /// As [`crate::Backend::run`]; `Rejected` if the table is there already. After any of them there is no table of ours; if it could not be
    /// made sure of, the error says so.
    ///
    /// # Cancel safety
    ///
    /// Cancelled by its token, it removes what it made. Dropped, the query ends, but a table that was finished in that moment stays.
    pub async fn materialise(&self, query: &Query, namespace: &str, table: &str, options: RunOptions) -> Result<u64> {
        let prepared = Prepared::new(query, pinned(query)?, &self.catalog, true)?;
        let session = self.session(&prepared.namespace);
        let name = [self.catalog.as_str(), namespace, table].map(str::to_owned);
        let sql = prepared.lowered.into_table(&name);
        let starting = self.client.query(&sql, &session, &[Kind::Integer], Repeat::Refused);
        let mut results = tokio::select! {
            biased;
            () = options.cancel.cancelled() => return Err(BackendError::cancelled()),
            results = starting => results?,
        };
        let id = results.id().to_owned();
        let outcome = tokio::select! {
            biased;
            () = options.cancel.cancelled() => Err(BackendError::cancelled()),
            rows = async {
                while results.next(&|stats| options.progress.set(super::running::how_far(stats))).await?.is_some() {}
                results.update_count().ok_or_else(|| BackendError::internal("Trino does not say how many rows it wrote"))
            } => rows,
        };
        // A query that did not get so far as to run has made nothing, and may have found the table of another.
        let may_exist = matches!(results.stats().state.as_str(), "RUNNING" | "FINISHING" | "FINISHED");
        let failed = match outcome {
            Ok(rows) => return Ok(rows),
            Err(e) if may_exist => e,
            Err(e) => return Err(e),
        };
        drop(results);
        match self.remove(&id, &drop_table(&name), &session).await {
            Ok(()) => Err(failed),
            Err(e) => {
                let what = format!("{}; the table {} may be there, as it could not be removed", failed.what, name.join("."));
                Err(BackendError { what, ..failed }.caused_by(e))
            }
        }
    }

    /// Waits for a query's end, then removes its table.
    async fn remove(&self, id: &str, sql: &str, session: &Session) -> Result<()> {
        let until = Instant::now() + END_MAX;
        while self.client.texts(UNFINISHED, session).await?.iter().any(|q| q == id) {
            if Instant::now() > until {
                return Err(BackendError::new(ErrorKind::Timeout, format!("query {id} does not end")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let mut dropping = self.client.query(sql, session, &[], Repeat::Always).await?;
        while dropping.next(&|_| {}).await?.is_some() {}
        Ok(())
    }
}
