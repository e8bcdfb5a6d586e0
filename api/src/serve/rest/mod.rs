//! `/api/v1`: segments, catalog and lists, for programs.
//!
//! In: requests with a key. Out: JSON, and problems (RFC 9457). A handler is a function with its description beside it, from which
//! docs/openapi.json is made; what it needs of a request (scope, parameters, body, preconditions) is in its arguments, refused by them where it
//! is wrong. Invariants: a key opens its own workspace and no other; what changes segments goes through `crate::segments`, as the command line does.
//! Deliberately absent: users (`super::users`) and collecting, which have forms of their own.

mod body;
mod caller;
mod catalog;
mod idempotency;
mod lists;
mod openapi;
mod page;
mod problem;
mod queries;
mod request_id;
mod segments;
mod tag;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::sync::Semaphore;

use self::problem::{Answer, Code, Problem};
use super::Serving;
use crate::engines::Engines;

/// What handlers share besides.
pub(crate) struct Shared {
    engines: Engines,
    /// The room that bodies have, in bytes.
    bodies: Arc<Semaphore>,
    queries: queries::Queries,
    /// The room for uploads of lists.
    uploads: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(engines: Engines) -> Self {
        let room = |places| Arc::new(Semaphore::new(places));
        Self { engines, bodies: room(body::ALL_BYTES_MAX), queries: queries::Queries::default(), uploads: room(lists::UPLOADS_MAX) }
    }

    /// Evaluations under way.
    pub(super) fn running(&self) -> usize {
        self.queries.running()
    }
}

/// All paths, below `/api/v1`.
pub(super) fn router() -> Router<Arc<Serving>> {
    let (router, document) = openapi::parts();
    let document = openapi::text(&document);
    router
        .route("/openapi.json", get(move || async move { ([(CONTENT_TYPE, "application/json")], document.clone()) }))
        .fallback(async || Problem::new(Code::NotFound, "there is nothing at this path: /api/v1/openapi.json lists what there is"))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed, "this path takes the methods in Allow"))
        .layer(from_fn(request_id::identify))
}

/// An answer of JSON.
fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    let text = serde_json::to_string(value).map_err(|e| Problem::failed(format!("an answer has no JSON: {e}")))?;
    Ok(text_of_json(status, text))
}

/// An answer of text that is JSON.
fn text_of_json(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], text).into_response()
}
