//! Making a segment.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::draft::NewSegment;
use super::shown::{SavedSegment, saved_text, tagged};
use crate::segments;
use crate::serve::rest::body::JsonBody;
use crate::serve::rest::caller::{Caller, Manage};
use crate::serve::rest::idempotency::{Once, repeated};
use crate::serve::rest::problem::{Answer, Problem};
use crate::serve::rest::tag;

/// Make a segment
///
/// With `Idempotency-Key` a repetition within a day is answered as the first one was, and makes nothing.
#[utoipa::path(post, path = "/segments", tag = "segments", request_body = NewSegment, security(("key" = ["manage"])),
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, body = SavedSegment, headers(("ETag" = String), ("Location" = String))),
        (status = 400, description = "malformed"),
        (status = 408, description = "timeout"),
        (status = 409, description = "exists"),
        (status = 413, description = "too_large"),
        (status = 415, description = "unsupported_media_type"),
        (status = 422, description = "invalid_condition, invalid_value or idempotency_key_reused"),
    ))]
pub(super) async fn create(caller: Caller<Manage>, once: Once, body: JsonBody<NewSegment>) -> Answer<Response> {
    let token = once.token(&caller.id, "POST /segments", &body.bytes);
    let key = body.value.key.clone();
    let held = segments::hold(&caller.workspace).await?;
    if let Some(token) = &token
        && let Some(answer) = repeated(&caller.workspace, token).await?
    {
        let (tag, text) = answer.split_once('\n').ok_or_else(|| Problem::failed("a kept answer is damaged"))?;
        return made(&key, tag, text.to_owned());
    }
    let draft = body.value.draft()?;
    held.free(&key).await?;
    let warnings = held.check(&key, &draft.condition).await.map_err(|f| Problem::from(f).below("/condition"))?;
    let answer = |segment: &store::SegmentInfo| format!("{}\n{}", tag::of(segment), saved_text(segment, &warnings));
    let segment = match &token {
        Some(token) => caller.workspace.save_segment_once(&key, draft, token, &answer).await?,
        None => caller.workspace.save_segment(&key, draft).await?,
    };
    made(&key, &tag::of(&segment), saved_text(&segment, &warnings))
}

fn made(key: &str, tag: &str, text: String) -> Answer {
    let mut response = tagged(StatusCode::CREATED, tag, text)?;
    let location = HeaderValue::from_str(&format!("/api/v1/segments/{key}"));
    response.headers_mut().insert(LOCATION, location.map_err(|e| Problem::failed(format!("a key is no header: {e}")))?);
    Ok(response)
}
