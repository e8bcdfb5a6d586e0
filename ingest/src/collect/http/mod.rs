//! Collecting over HTTP: requests into entries that a [`Sink`] has stored before they are answered.
//!
//! In: Segment's tracking API, the beacon, `POST /v1/events`; docs/collect.md has the paths, answers and codes. Out: a [`Router`], and
//! [`server::serve`], which bounds connections, heads and bodies in size and time.
//!
//! Invariants: 200 is answered only after the sink has stored everything of the request that is to be stored. Nothing that is read of a
//! request is unbounded. Deliberately absent: what is done with entries.

mod answer;
mod auth;
mod body;
mod cors;
mod events;
mod pixel;
pub mod server;
mod stream;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use self::answer::Refusal;
use self::body::Bodies;
use super::envelope::Endpoint;
use super::keys::Keys;
use super::limits::{BODIES_BYTES_MAX, BODY_IDLE, BODY_TIME, STREAM_TIME};
use super::quarantine::Call;
use super::sink::Sink;

/// Times that a request's body has.
#[derive(Debug, Clone, Copy)]
pub struct BodyTimes {
    /// Without a byte of it.
    pub idle: Duration,
    /// For all of it.
    pub whole: Duration,
    /// For all of it, at `POST /v1/events`.
    pub stream: Duration,
}

impl Default for BodyTimes {
    fn default() -> Self {
        Self { idle: BODY_IDLE, whole: BODY_TIME, stream: STREAM_TIME }
    }
}

/// What answers requests.
pub struct Collector {
    keys: Arc<dyn Keys>,
    sink: Arc<dyn Sink>,
    bodies: Bodies,
    times: BodyTimes,
}

impl Collector {
    /// One that lets in whom `keys` knows and stores into `sink`.
    pub fn new(keys: Arc<dyn Keys>, sink: Arc<dyn Sink>) -> Self {
        Self { keys, sink, bodies: Bodies::new(BODIES_BYTES_MAX), times: BodyTimes::default() }
    }

    /// The same with other times.
    pub fn with_times(self, times: BodyTimes) -> Self {
        Self { times, ..self }
    }

    /// The same with another bound on the bodies that are in memory at once, in bytes.
    pub fn with_bodies(self, bytes_max: usize) -> Self {
        Self { bodies: Bodies::new(bytes_max), ..self }
    }
}

/// The browser's short forms.
fn short(call: Call) -> &'static str {
    match call {
        Call::Track => "/v1/t",
        Call::Identify => "/v1/i",
        Call::Page => "/v1/p",
        Call::Screen => "/v1/s",
        Call::Group => "/v1/g",
        Call::Alias => "/v1/a",
    }
}

/// Everything below `/v1/`.
pub fn router(collector: Arc<Collector>) -> Router {
    let mut router = Router::new();
    for call in Call::ALL {
        router = router.route(&format!("/v1/{}", call.name()), events::route(Endpoint::Call(call)));
        router = router.route(short(call), events::route(Endpoint::Call(call)));
    }
    for path in ["/v1/batch", "/v1/import", "/v1/b"] {
        router = router.route(path, events::route(Endpoint::Batch));
    }
    router
        .route("/v1/events", any(stream::handle))
        .route("/v1/pixel.gif", any(pixel::handle))
        .route("/v1/{*path}", any(nothing))
        .with_state(collector)
}

async fn nothing(State(_): State<Arc<Collector>>, request: Request) -> Response {
    let origin = cors::origin(request.headers());
    let response = if request.method() == Method::OPTIONS { cors::preflight("") } else { Refusal::NotFound.into_response() };
    cors::allow(origin, response)
}

/// Now, in microseconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// An id that no other request has.
fn request_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
