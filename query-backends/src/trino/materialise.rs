//! A query's result as a table of the lake, so that a large one never crosses the client.

use std::time::Duration;

use segment_core::lower::{drop_table, makers};
use tokio::runtime::Handle;

use super::TrinoBackend;
use super::client::{Client, Kind, Repeat, Session};
use crate::backend::{Query, RunOptions};
use crate::error::{BackendError, ErrorKind, Result};

/// Time that the end of a query and the removal of its table are waited for, before the caller is told that the table may be there.
const END_MAX: Duration = Duration::from_secs(20);
/// The same when nobody waits for it.
const LATE_END_MAX: Duration = Duration::from_secs(600);
/// Time between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The queries that have not ended, and those that have while some task of theirs, which may be the one that commits, still does.
const UNFINISHED: &str = "SELECT query_id FROM system.runtime.queries WHERE state NOT IN ('FINISHED', 'FAILED') \
    UNION ALL SELECT query_id FROM system.runtime.tasks WHERE state NOT IN ('FINISHED', 'CANCELED', 'ABORTED', 'FAILED')";

impl TrinoBackend {
    /// Runs a query into a new table of the lake: how many members it has.
    ///
    /// The table is made by `CREATE TABLE … AS`, which Trino makes visible whole or not at all. One of that name that this query did not make
    /// stays as it is. `ids` of the options is not looked at.
    ///
    /// # Shape
    ///
    /// `user_no` (bigint) and `user_id` (varchar), one row a member, in no order.
    ///
    /// # Errors
    ///
    /// As [`crate::Backend::run`]; `Rejected` if the table is there already. After any of them there is no table of ours; if it could not be
    /// made sure of, the error says so, and it is tried further in the background.
    ///
    /// # Cancel safety
    ///
    /// Cancelled by its token, it returns once what it made is removed. Dropped, the query ends and what it made is removed in the background.
    pub async fn materialise(&self, query: &Query, namespace: &str, table: &str, options: RunOptions) -> Result<u64> {
        let prepared = self.prepared(query, true).await?;
        let session = self.session_of(&prepared);
        let name = [self.catalog.as_str(), namespace, table].map(str::to_owned);
        let sql = prepared.lowered.into_table(&name);
        // Trino runs nothing before its first answer is asked for, so nothing is left of what ends here.
        let starting = self.client.query(&sql, &session, &[Kind::Integer], Repeat::Refused);
        let mut results = tokio::select! {
            biased;
            () = options.cancel.cancelled() => return Err(BackendError::cancelled()),
            results = starting => results?,
        };
        let made = Made { client: self.client.clone(), session, name, query_id: results.id().to_owned() };
        let mut leftover = Leftover { made: Some(made), runtime: Handle::current() };
        let outcome = tokio::select! {
            biased;
            () = options.cancel.cancelled() => Err(BackendError::cancelled()),
            rows = async {
                while results.next(&|stats| options.progress.set(super::running::how_far(stats))).await?.is_some() {}
                if let Some(whole) = &prepared.whole {
                    whole.check().await?;
                }
                results.update_count().ok_or_else(|| BackendError::internal("Trino does not say how many rows it wrote"))
            } => rows,
        };
        match outcome {
            Ok(rows) => {
                leftover.made = None;
                Ok(rows)
            }
            Err(failed) => {
                // Which ends the query.
                drop(results);
                Err(leftover.removed(failed).await)
            }
        }
    }
}

/// What a query may have made.
#[derive(Debug, Clone)]
struct Made {
    client: Client,
    session: Session,
    name: [String; 3],
    query_id: String,
}

impl Made {
    async fn removed_within(&self, time: Duration) -> Result<()> {
        tokio::time::timeout(time, self.remove()).await.unwrap_or_else(|_| {
            let what = format!("removing what query {} made took more than {} s", self.query_id, time.as_secs());
            Err(BackendError::new(ErrorKind::Timeout, what))
        })
    }

    /// Waits for the query's end, then removes the table if that query made it.
    async fn remove(&self) -> Result<()> {
        // What the query had begun to commit when it was told to end, it may still commit.
        while self.client.texts(UNFINISHED, &self.session).await?.contains(&self.query_id) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        match self.client.texts(&makers(&self.name), &self.session).await {
            Ok(makers) if !makers.contains(&self.query_id) => return Ok(()),
            Ok(_) => {}
            // There is no such table.
            Err(e) if e.kind == ErrorKind::SchemaDrift => return Ok(()),
            Err(e) => return Err(e),
        }
        let mut dropping = self.client.query(&drop_table(&self.name), &self.session, &[], Repeat::Always).await?;
        while dropping.next(&|_| {}).await?.is_some() {}
        Ok(())
    }
}

/// Sees to it that what was made and is not wanted is removed, also if nobody waits for that.
struct Leftover {
    made: Option<Made>,
    runtime: Handle,
}

impl Leftover {
    /// Removes it: the failure, with what became of the table if it could not be.
    async fn removed(mut self, failed: BackendError) -> BackendError {
        let Some(made) = &self.made else { return failed };
        match made.removed_within(END_MAX).await {
            Ok(()) => {
                self.made = None;
                failed
            }
            Err(e) => {
                let what = format!("{}; the table {} may be there, as it could not be removed yet", failed.what, made.name.join("."));
                BackendError { what, ..failed }.caused_by(e)
            }
        }
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let Some(made) = self.made.take() else { return };
        self.runtime.spawn(async move {
            // Nobody is there to be told.
            let _ = made.removed_within(LATE_END_MAX).await;
        });
    }
}
