//! A statement's rows, batch after batch: answers are polled and segments fetched while the caller is busy with the batch before.
//!
//! Invariant: batches come in the result's order and none is missing, or there is an error. At most [`TrinoConfig::segments_at_once`] segments
//! are in memory besides those handed on.

use std::collections::VecDeque;

use arrow::array::ArrayRef;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::http::{Http, Repeat};
use super::rows::{self, Kind};
use super::segments::{self, Encoding, Part};
use super::statement::{Page, Statement};
use super::wire::{Segment, Spooled, Stats};
use super::{ACKS_MAX, Client};
use crate::error::{BackendError, Result};

/// An answer on its way.
type Polling = BoxFuture<'static, Result<(Statement, Option<Page>)>>;

/// Rows of the result, column by column.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) columns: Vec<ArrayRef>,
}

/// A result under way. Dropping it gives the query up.
pub(crate) struct Results {
    http: Http,
    id: String,
    kinds: Vec<Kind>,
    segments_at_once: usize,
    /// An answer that is asked for; it brings the statement back.
    polling: Option<Polling>,
    waiting: VecDeque<(Encoding, Segment)>,
    reading: FuturesOrdered<AbortOnDropHandle<Result<Part>>>,
    /// The last batch's, until the caller comes for the next.
    unacknowledged: Option<reqwest::Url>,
    acks: JoinSet<()>,
    rows: u64,
    stats: Stats,
    update_count: Option<u64>,
}

impl Results {
    pub(super) fn new(client: &Client, statement: Statement, first: Page, kinds: &[Kind]) -> Result<Self> {
        let mut results = Self {
            http: client.http.clone(),
            id: statement.id.clone(),
            kinds: kinds.to_vec(),
            segments_at_once: client.segments_at_once,
            polling: None,
            waiting: VecDeque::new(),
            reading: FuturesOrdered::new(),
            unacknowledged: None,
            acks: JoinSet::new(),
            rows: 0,
            stats: Stats::default(),
            update_count: None,
        };
        results.accept(statement, first)?;
        Ok(results)
    }

    /// The query's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// How far the query is.
    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Rows written, once known.
    pub(crate) fn update_count(&self) -> Option<u64> {
        self.update_count
    }

    /// The next batch; none once the query is finished and every row was handed on. `watch` sees each report on the query's progress.
    ///
    /// # Errors
    ///
    /// The query's, a request's, or what says that rows are missing. After one there is nothing more.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is lost.
    pub(crate) async fn next(&mut self, watch: &(dyn Fn(&Stats) + Send + Sync)) -> Result<Option<Batch>> {
        if let Some(ack) = self.unacknowledged.take() {
            self.acknowledge(ack);
        }
        loop {
            while self.reading.len() < self.segments_at_once
                && let Some((encoding, segment)) = self.waiting.pop_front()
            {
                let task = segments::read(self.http.clone(), encoding, segment, self.kinds.clone());
                self.reading.push_back(AbortOnDropHandle::new(tokio::spawn(task)));
            }
            // No more answers than there is room for.
            let room = self.waiting.is_empty() && self.reading.len() < self.segments_at_once;
            let polling = self.polling.as_mut().filter(|_| room);
            if self.reading.is_empty() && polling.is_none() {
                self.finish_acks().await;
                return Ok(None);
            }
            tokio::select! {
                biased;
                Some(part) = self.reading.next(), if !self.reading.is_empty() => {
                    let part = part.map_err(|e| BackendError::internal("reading a segment panicked").caused_by(e))??;
                    return self.hand_on(part).map(Some);
                }
                polled = async { match polling { Some(polling) => polling.await, None => std::future::pending().await } } => {
                    self.polling = None;
                    let (statement, page) = polled?;
                    if let Some(page) = page {
                        self.accept(statement, page)?;
                        watch(&self.stats);
                    }
                }
            }
        }
    }

    /// Takes an answer in, and asks for the next.
    fn accept(&mut self, mut statement: Statement, page: Page) -> Result<()> {
        self.stats = page.stats;
        self.update_count = page.update_count.or(self.update_count);
        if let Some(columns) = &page.columns
            && page.data.is_some()
        {
            rows::check(columns, &self.kinds)?;
        }
        match page.data {
            Some(data) if data.starts_with('{') => {
                let spooled: Spooled =
                    serde_json::from_str(&data).map_err(|e| BackendError::internal("Trino's segments cannot be read").caused_by(e))?;
                let encoding = Encoding::named(&spooled.encoding)?;
                self.waiting.extend(spooled.segments.into_iter().map(|segment| (encoding, segment)));
            }
            Some(data) => {
                let kinds = self.kinds.clone();
                let task = tokio::task::spawn_blocking(move || {
                    let (columns, rows) = rows::decode(data.as_bytes(), &kinds)?;
                    Ok(Part { columns, rows, offset: None, ack: None })
                });
                self.reading.push_back(AbortOnDropHandle::new(task));
            }
            None => {}
        }
        if statement.is_open() {
            let next = async move {
                let page = statement.poll().await?;
                Ok((statement, page))
            };
            self.polling = Some(next.boxed());
        }
        Ok(())
    }

    fn hand_on(&mut self, part: Part) -> Result<Batch> {
        if part.offset.is_some_and(|offset| offset != self.rows) {
            let what = format!("a segment begins at row {} where row {} is due", part.offset.unwrap_or_default(), self.rows);
            return Err(BackendError::internal(what));
        }
        self.rows += part.rows;
        self.unacknowledged = part.ack;
        Ok(Batch { columns: part.columns })
    }

    /// Tells the server that it may remove a segment. That it hears it is not waited for: it removes what has expired as well.
    fn acknowledge(&mut self, ack: reqwest::Url) {
        while self.acks.try_join_next().is_some() {}
        let http = self.http.clone();
        self.acks.spawn(async move {
            let _ = http.fetch("acknowledging a segment", || http.segments.get(ack.clone()), Repeat::Always).await;
        });
    }

    async fn finish_acks(&mut self) {
        let all = async { while self.acks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(ACKS_MAX, all).await;
        self.acks.detach_all();
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        self.acks.detach_all();
    }
}
