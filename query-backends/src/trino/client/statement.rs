//! A statement under way: asked, polled, and given up when it is dropped.
//!
//! Invariant: from the moment that the server has taken it, a statement is either polled to its end or deleted, also if the future that asked is
//! dropped before the answer is there.

use reqwest::Url;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::failure::failed;
use super::http::{Http, Repeat, Waits};
use super::wire::{Answer, Column, Stats};
use super::{Client, DIRECT_PAGE, START_MAX, Session};
use crate::error::{BackendError, Result};

/// What an answer brings, without the text it came in.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) columns: Option<Vec<Column>>,
    /// The JSON of rows or of segments.
    pub(super) data: Option<String>,
    pub(super) stats: Stats,
    pub(super) update_count: Option<u64>,
}

/// A statement that the server has taken.
#[derive(Debug)]
pub(super) struct Statement {
    http: Http,
    runtime: Handle,
    pub(super) id: String,
    /// Where the next answer is; none once there is no more.
    next: Option<Url>,
}

impl Statement {
    /// Asks. What the first answer brings comes with it.
    pub(super) async fn start(client: &Client, sql: &str, session: &Session, repeat: Repeat) -> Result<(Self, Page)> {
        let runtime = Handle::current();
        let (mut sender, receiver) = oneshot::channel();
        let (http, sql, headers) = (client.http.clone(), sql.to_owned(), client.headers(session)?);
        let url = http.base.join("v1/statement").map_err(|e| BackendError::internal("Trino's address does not fit").caused_by(e))?;
        // On its own, so that a caller who goes away does not leave a query behind of which nobody knows the id.
        runtime.clone().spawn(async move {
            let mut waits = Waits::new(START_MAX.min(http.retry_for));
            let outcome = loop {
                let request = http.trino.post(url.clone()).headers(headers.clone()).body(sql.clone());
                let wait = match http.attempt("sending a query to Trino", request).await {
                    Ok(body) => break Self::first(http, runtime, &body),
                    Err(attempt) => match waits.next(attempt, repeat) {
                        Ok(wait) => wait,
                        Err(e) => break Err(e),
                    },
                };
                tokio::select! {
                    biased;
                    () = sender.closed() => return,
                    () = tokio::time::sleep(wait) => {}
                }
            };
            // Nobody may want it any more; dropped, it deletes itself.
            let _ = sender.send(outcome);
        });
        receiver.await.map_err(|e| BackendError::internal("the task that sends a query panicked").caused_by(e))?
    }

    fn first(http: Http, runtime: Handle, body: &[u8]) -> Result<(Self, Page)> {
        let mut statement = Self { http, runtime, id: String::new(), next: None };
        let page = statement.take(body)?;
        Ok((statement, page))
    }

    /// The next answer; none after the last.
    ///
    /// # Errors
    ///
    /// The query's own failure, or that of the request; then the query is at its end.
    pub(super) async fn poll(&mut self) -> Result<Option<Page>> {
        let Some(next) = self.next.clone() else {
            return Ok(None);
        };
        let mut page = next;
        if page.query().is_none() {
            page.query_pairs_mut().append_pair("targetResultSize", DIRECT_PAGE);
        }
        let body = self.http.fetch("fetching Trino's answer", || self.http.trino.get(page.clone()), Repeat::Always).await?;
        self.take(&body).map(Some)
    }

    fn take(&mut self, body: &[u8]) -> Result<Page> {
        let answer: Answer<'_> =
            serde_json::from_slice(body).map_err(|e| BackendError::internal("Trino's answer cannot be read").caused_by(e))?;
        self.id = answer.id;
        self.next = None;
        if let Some(failure) = &answer.error {
            return Err(failed(&self.id, failure));
        }
        if let Some(next) = &answer.next_uri {
            self.next = Some(self.http.own(next)?);
        } else if answer.stats.state != "FINISHED" {
            // Nothing but FINISHED is a whole result.
            return Err(BackendError::internal(format!("query {} ends in the state {}", self.id, answer.stats.state)));
        }
        Ok(Page {
            columns: answer.columns,
            data: answer.data.map(|raw| raw.get().to_owned()),
            stats: answer.stats,
            update_count: answer.update_count,
        })
    }

    /// Whether there is more to poll.
    pub(super) fn is_open(&self) -> bool {
        self.next.is_some()
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        let Some(next) = self.next.take() else { return };
        let http = self.http.clone();
        self.runtime.spawn(async move {
            // Without an answer the server gives the query up by itself, after query.client.timeout.
            let _ = http.fetch("cancelling a query", || http.trino.delete(next.clone()), Repeat::Always).await;
        });
    }
}
