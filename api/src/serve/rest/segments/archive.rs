//! Archiving segments, taking them back, and deleting them.

use axum::http::StatusCode;
use axum::response::Response;

use super::shown::{self, Segment};
use crate::segments;
use crate::serve::rest::caller::{Caller, Manage};
use crate::serve::rest::page::At;
use crate::serve::rest::problem::Answer;
use crate::serve::rest::tag::IfMatch;

/// Archive a segment
///
/// It stays as it is, is not listed unless asked for, and goes on being what others refer to.
#[utoipa::path(post, path = "/segments/{key}/archive", tag = "segments", security(("key" = ["manage"])),
    params(("key" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Segment, headers(("ETag" = String))), (status = 404, description = "not_found"),
        (status = 412, description = "changed")))]
pub(super) async fn archive(caller: Caller<Manage>, At(key): At<String>, if_match: IfMatch) -> Answer<Response> {
    set(caller, &key, if_match, true).await
}

/// Take an archived segment back
#[utoipa::path(post, path = "/segments/{key}/unarchive", tag = "segments", security(("key" = ["manage"])),
    params(("key" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Segment, headers(("ETag" = String))), (status = 404, description = "not_found"),
        (status = 412, description = "changed")))]
pub(super) async fn unarchive(caller: Caller<Manage>, At(key): At<String>, if_match: IfMatch) -> Answer<Response> {
    set(caller, &key, if_match, false).await
}

async fn set(caller: Caller<Manage>, key: &str, if_match: IfMatch, archived: bool) -> Answer<Response> {
    let held = segments::hold(&caller.workspace).await?;
    held.expected(key, |s| if_match.holds(s)).await?;
    let segment = caller.workspace.archive_segment(key, archived).await?;
    shown::one(segment.ok_or_else(|| segments::unknown(key))?)
}

/// Delete a segment with its versions
#[utoipa::path(delete, path = "/segments/{key}", tag = "segments", security(("key" = ["manage"])),
    params(("key" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204), (status = 404, description = "not_found"),
        (status = 409, description = "in_use, with the segments that refer to it"), (status = 412, description = "changed")))]
pub(super) async fn delete(caller: Caller<Manage>, At(key): At<String>, if_match: IfMatch) -> Answer<StatusCode> {
    let held = segments::hold(&caller.workspace).await?;
    held.expected(&key, |s| if_match.holds(s)).await?;
    held.delete(&key).await?;
    Ok(StatusCode::NO_CONTENT)
}
