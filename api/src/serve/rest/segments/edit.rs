//! Changing a segment.

use axum::response::Response;

use super::draft::SegmentChange;
use super::shown::{self, SavedSegment};
use crate::segments;
use crate::serve::rest::body::JsonBody;
use crate::serve::rest::caller::{Caller, Manage};
use crate::serve::rest::page::At;
use crate::serve::rest::problem::{Answer, Problem};
use crate::serve::rest::tag::IfMatch;

/// Change a segment
///
/// What is left out of the body stays. Each change is a version.
#[utoipa::path(patch, path = "/segments/{key}", tag = "segments", request_body = SegmentChange, security(("key" = ["manage"])),
    params(("key" = String, Path), ("If-Match" = String, Header, description = "the ETag that the segment was read with, or *")),
    responses(
        (status = 200, body = SavedSegment, headers(("ETag" = String))),
        (status = 400, description = "malformed"),
        (status = 404, description = "not_found"),
        (status = 408, description = "timeout"),
        (status = 409, description = "archived"),
        (status = 412, description = "changed"),
        (status = 413, description = "too_large"),
        (status = 415, description = "unsupported_media_type"),
        (status = 422, description = "invalid_condition or invalid_value"),
        (status = 428, description = "precondition_required"),
    ))]
pub(super) async fn edit(
    caller: Caller<Manage>,
    At(key): At<String>,
    if_match: IfMatch,
    body: JsonBody<SegmentChange>,
) -> Answer<Response> {
    let if_match = if_match.required()?;
    let held = segments::hold(&caller.workspace).await?;
    let before = held.expected(&key, |s| if_match.holds(s)).await?;
    segments::open(&before)?;
    let draft = body.value.over(before.saved)?;
    let warnings = held.check(&key, &draft.condition).await.map_err(|f| Problem::from(f).below("/condition"))?;
    shown::saved(&caller.workspace.save_segment(&key, draft).await?, &warnings)
}
