//! What is answered, and the one place that turns a refusal into a status.
//!
//! SDKs go by the status: they drop what got a 4xx (but for 408 and 429) and send again what got a 5xx. Some read `code` and `message`.

use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::collect::limits::{RETRY_AFTER_BUSY_S, RETRY_AFTER_S};
use crate::collect::quarantine::Unfit;
use crate::collect::sink::SinkError;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The body is not what the path takes.
    Malformed(String),
    /// The one event in it is none. It is in quarantine.
    Unfit(Unfit),
    /// No write key.
    NoKey,
    /// A write key that nobody has.
    BadKey,
    /// No such path.
    NotFound,
    /// The path takes other methods.
    Method(&'static str),
    /// The body took too long.
    Slow,
    /// The body is larger than this many bytes.
    TooLarge(u64),
    /// The body is encoded in a way we don't read.
    Encoding(String),
    /// Too many bodies are in memory.
    Busy,
    /// The log did not take it.
    Sink(SinkError),
}

impl From<SinkError> for Refusal {
    fn from(error: SinkError) -> Self {
        Refusal::Sink(error)
    }
}

impl Refusal {
    /// The status, the code, and the message for people.
    fn told(&self) -> (StatusCode, &'static str, String) {
        match self {
            Refusal::Malformed(message) => (StatusCode::BAD_REQUEST, "malformed", message.clone()),
            Refusal::Unfit(unfit) => (StatusCode::BAD_REQUEST, unfit.reason.name(), unfit.message.clone()),
            Refusal::NoKey => {
                let message =
                    "a write key is needed: as the user name of Basic authentication, as a bearer token, or as \"writeKey\" in the body";
                (StatusCode::UNAUTHORIZED, "no_write_key", message.to_owned())
            }
            Refusal::BadKey => (StatusCode::UNAUTHORIZED, "bad_write_key", "there is no such write key".to_owned()),
            Refusal::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is nothing at this path".to_owned()),
            Refusal::Method(allowed) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", format!("this path takes {allowed}")),
            Refusal::Slow => (StatusCode::REQUEST_TIMEOUT, "timeout", "the body took too long to arrive".to_owned()),
            Refusal::TooLarge(max) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body has more than {max} bytes")),
            Refusal::Encoding(encoding) => {
                let message = format!("the content encoding \"{encoding}\" is not read: gzip is, and none");
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message)
            }
            Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests are under way: send it again".to_owned()),
            Refusal::Sink(SinkError::Full) => (StatusCode::SERVICE_UNAVAILABLE, "full", format!("{}: send it again", SinkError::Full)),
            Refusal::Sink(SinkError::Unavailable) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", format!("{}: send it again", SinkError::Unavailable))
            }
        }
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.told().0
    }

    /// Headers that go with the status.
    pub(crate) fn add_headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        match self {
            Refusal::Method(allowed) => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Refusal::Busy => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_BUSY_S));
            }
            Refusal::Sink(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            }
            // The rest of the body is not read.
            Refusal::Slow | Refusal::TooLarge(_) => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Refusal::Malformed(_) | Refusal::Unfit(_) | Refusal::NoKey | Refusal::BadKey | Refusal::NotFound | Refusal::Encoding(_) => {}
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = self.told();
        let mut members = Map::new();
        members.insert("success".to_owned(), Value::Bool(false));
        members.insert("code".to_owned(), code.into());
        members.insert("message".to_owned(), message.into());
        if let Refusal::Unfit(unfit) = &self {
            members.insert("pointer".to_owned(), unfit.pointer.clone().into());
        }
        let mut response = json_response(status, &Value::Object(members));
        self.add_headers(&mut response);
        response
    }
}

/// Everything is stored.
pub(crate) fn stored() -> Response {
    json_response(StatusCode::OK, &json!({"success": true}))
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
