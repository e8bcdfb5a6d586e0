//! `GET /api/v1/users/{id}`: one user, with everything that was acknowledged before.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use ingest::collect::KeyHash;
use ingest::publish::UserNow;
use segment_core::json::Json;
use segment_core::time::format_instant;

use super::Serving;

/// Seconds after which whoever is refused may try again.
const RETRY_AFTER_S: &str = "1";

pub(super) async fn handle(State(serving): State<Arc<Serving>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok()).and_then(|h| h.split_once(' '));
    let key = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| KeyHash::of(key.trim()));
    let Some(workspace) = key.and_then(|key| serving.access.reads(&key)) else {
        return refused(StatusCode::UNAUTHORIZED, "bad_read_key", "a read key is needed, as a bearer token");
    };
    match serving.publishing.user(&workspace, &id).await {
        Ok(Some(user)) => answer(StatusCode::OK, &shown(id, user)),
        Ok(None) => refused(StatusCode::NOT_FOUND, "not_found", "there is no such user"),
        Err(e) => {
            let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &e.told());
            response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static(RETRY_AFTER_S));
            response
        }
    }
}

fn shown(id: String, user: UserNow) -> Json {
    let time = |at: Option<i64>| at.map_or(Json::Null, |at| Json::String(format_instant(at)));
    let members = [
        ("user_id", Json::String(id)),
        ("first_seen_at", time(user.first_seen_at)),
        ("last_seen_at", time(user.last_seen_at)),
        ("attributes", Json::Object(user.attributes)),
    ];
    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let text = |s: &str| Json::String(s.to_owned());
    answer(status, &Json::Object(vec![("code".to_owned(), text(code)), ("message".to_owned(), text(message))]))
}

fn answer(status: StatusCode, body: &Json) -> Response {
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body.to_text()).into_response()
}
