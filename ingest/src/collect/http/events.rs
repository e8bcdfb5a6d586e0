//! The tracking API: one event a request, or a batch of them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};

use super::answer::{Refusal, stored};
use super::body::{Arriving, Held, whole};
use super::{Collector, auth, cors, now, request_id};
use crate::collect::envelope::{Endpoint, Envelope};
use crate::collect::limits::{BATCH_BYTES_MAX, EVENT_BYTES_MAX};
use crate::collect::message::Entry;
use crate::collect::read::{Arrival, take};

const METHODS: &str = "POST, OPTIONS";

/// A path that takes this.
pub(crate) fn route(endpoint: Endpoint) -> MethodRouter<Arc<Collector>> {
    any(move |State(collector): State<Arc<Collector>>, request: Request| async move {
        let origin = cors::origin(request.headers());
        let response = match *request.method() {
            Method::POST => collector.events(endpoint, request).await.unwrap_or_else(Refusal::into_response),
            Method::OPTIONS => cors::preflight(METHODS),
            _ => Refusal::Method(METHODS).into_response(),
        };
        cors::allow(origin, response)
    })
}

impl Collector {
    async fn events(&self, endpoint: Endpoint, request: Request) -> Result<Response, Refusal> {
        let received_at = now();
        let (parts, body) = request.into_parts();
        let arriving = Arriving::new(body, self.times.idle, self.times.whole);
        // With a wrong key in the headers the body need not be kept.
        let known = match auth::header_key(&parts.headers) {
            None => None,
            Some(key) => match self.workspace(Some(&key)).await {
                Ok(workspace) => Some(workspace),
                Err(refusal) => return Err(arriving.refused(refusal).await),
            },
        };
        let max = match endpoint {
            Endpoint::Call(_) => EVENT_BYTES_MAX,
            Endpoint::Batch => BATCH_BYTES_MAX,
        };
        let mut held = Held::default();
        let body = whole(&parts.headers, arriving, max, &self.bodies, &mut held).await?;
        let envelope = Envelope::open(&body).map_err(|malformed| Refusal::Malformed(malformed.0))?;
        let workspace = match known {
            Some(workspace) => workspace,
            None => self.workspace(envelope.write_key().as_deref()).await?,
        };
        let events = envelope.events(endpoint, &workspace.zone, &request_id()).map_err(|malformed| Refusal::Malformed(malformed.0))?;
        let arrival = Arrival { workspace: &workspace, received_at };
        let entries: Vec<Entry> = events.into_iter().map(|raw| take(raw, &arrival)).collect();
        let refused = match endpoint {
            Endpoint::Call(_) => entries.first().and_then(refused),
            // What is wrong with one event is no reason to have the others sent again.
            Endpoint::Batch => None,
        };
        if !entries.is_empty() {
            self.sink.store(entries).await?;
        }
        match refused {
            Some(refused) => Err(refused),
            None => Ok(stored()),
        }
    }
}

/// What the sender of a single event is told of it, if it is none.
pub(crate) fn refused(entry: &Entry) -> Option<Refusal> {
    match entry {
        Entry::Quarantined(quarantined) => Some(Refusal::Unfit(quarantined.unfit.clone())),
        Entry::Message(_) => None,
    }
}
