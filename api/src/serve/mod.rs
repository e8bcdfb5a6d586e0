//! What `muster serve` answers besides collecting: REST, users, whether it lives and is ready, and its measurements.
//!
//! In: requests, keys of the metadata. Out: a router over that of [`ingest::collect::http`]. Invariants: nothing here changes events and profiles.
//! Deliberately absent: the socket (`collect::http::server`), and publishing (`ingest::publish`).

mod access;
mod metrics;
mod rest;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use ingest::collect::http::{self, Collector};
use ingest::publish::Publishing;

pub(crate) use access::Access;
use metrics::Requests;
use rest::Shared;
use store::Store;

use crate::engines::Engines;

/// What all handlers share.
pub(crate) struct Serving {
    pub(crate) publishing: Arc<Publishing>,
    pub(crate) access: Arc<Access>,
    /// Off from the moment that it is to stop.
    pub(crate) ready: AtomicBool,
    requests: Requests,
    store: Store,
    rest: Shared,
}

impl Serving {
    pub(crate) fn new(publishing: Arc<Publishing>, access: Arc<Access>, store: Store, engines: Engines) -> Self {
        let (ready, requests) = (AtomicBool::new(true), Requests::default());
        Self { publishing, access, ready, requests, store, rest: Shared::new(engines) }
    }
}

/// All paths.
pub(crate) fn router(serving: Arc<Serving>) -> Router {
    let collector = Collector::new(serving.access.clone(), serving.publishing.clone());
    let own = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics::handle))
        .route("/api/v1/users/{id}", get(users::handle))
        .nest("/api/v1", rest::router())
        .with_state(serving.clone());
    http::router(Arc::new(collector)).merge(own).layer(from_fn_with_state(serving, metrics::measure))
}

async fn readyz(State(serving): State<Arc<Serving>>) -> (StatusCode, &'static str) {
    if serving.ready.load(Ordering::Acquire) { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "stopping\n") }
}
