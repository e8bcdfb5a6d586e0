//! The beacon: whatever comes of the event, the answer is an image.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answer::Refusal;
use super::events::refused;
use super::{Collector, cors, now, request_id};
use crate::collect::pixel::{GIF, read};
use crate::collect::read::{Arrival, take};

const METHODS: &str = "GET, HEAD, OPTIONS";

pub(crate) async fn handle(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    let origin = cors::origin(request.headers());
    let response = match *request.method() {
        Method::GET => match collector.pixel(request.uri().query().unwrap_or_default()).await {
            Ok(()) => image(StatusCode::OK),
            Err(refusal) => {
                let mut response = image(refusal.status());
                refusal.add_headers(&mut response);
                response
            }
        },
        // A look at the image is no event.
        Method::HEAD => {
            let mut response = image(StatusCode::OK);
            *response.body_mut() = Body::empty();
            response
        }
        Method::OPTIONS => cors::preflight(METHODS),
        _ => Refusal::Method(METHODS).into_response(),
    };
    cors::allow(origin, response)
}

impl Collector {
    async fn pixel(&self, query: &str) -> Result<(), Refusal> {
        let received_at = now();
        let query = read(query, &request_id());
        let workspace = self.workspace(query.write_key.as_deref()).await?;
        let entry = take(query.raw, &Arrival { workspace: &workspace, received_at });
        let refused = refused(&entry);
        self.sink.store(vec![entry]).await?;
        refused.map_or(Ok(()), Err)
    }
}

fn image(status: StatusCode) -> Response {
    let mut response = (status, Body::from(GIF.as_slice())).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(GIF.len()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache, must-revalidate, private, max-age=0"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    response
}
