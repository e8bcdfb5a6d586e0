//! What a segment was before.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use store::SegmentVersion;
use utoipa::IntoParams;

use super::shown::{self, SavedSegment, SegmentVersionShown, VersionSummary};
use crate::segments;
use crate::serve::rest::caller::{Caller, Manage, Read};
use crate::serve::rest::json;
use crate::serve::rest::page::{Asked, At, Page, Params};
use crate::serve::rest::problem::{Answer, Code, Problem};
use crate::serve::rest::tag::IfMatch;

/// Which versions are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Versions of a page: 1 to 200, 50 if left out.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The versions of a segment, the newest first
///
/// The newest thousand are kept.
#[utoipa::path(get, path = "/segments/{key}/versions", tag = "segments", params(("key" = String, Path), Which), security(("key" = ["read"])),
    responses((status = 200, body = Page<VersionSummary>), (status = 400, description = "invalid_parameter"),
        (status = 404, description = "not_found")))]
pub(super) async fn list(caller: Caller<Read>, At(key): At<String>, Params(which): Params<Which>) -> Answer<Response> {
    let asked = Asked::new(which.limit, which.cursor.as_deref())?;
    segments::read(&caller.workspace, &key).await?;
    let wrong = || Problem::new(Code::InvalidParameter, "cursor is none that a page of versions gave");
    let before = match &asked.after {
        None => u64::MAX,
        Some(text) => text.parse().map_err(|_| wrong())?,
    };
    let found = caller.workspace.segment_versions(&key, before, asked.sought()).await?;
    json(StatusCode::OK, &asked.page(found, |v| v.version.to_string(), VersionSummary::of))
}

/// A version of a segment
#[utoipa::path(get, path = "/segments/{key}/versions/{version}", tag = "segments", security(("key" = ["read"])),
    params(("key" = String, Path), ("version" = u64, Path)),
    responses((status = 200, body = SegmentVersionShown), (status = 404, description = "not_found")))]
pub(super) async fn one(caller: Caller<Read>, At((key, version)): At<(String, String)>) -> Answer<Response> {
    json(StatusCode::OK, &SegmentVersionShown::of(version_of(&caller.workspace, &key, &version).await?)?)
}

/// Make a version the segment's newest again, as a version of its own
#[utoipa::path(post, path = "/segments/{key}/versions/{version}/restore", tag = "segments", security(("key" = ["manage"])),
    params(("key" = String, Path), ("version" = u64, Path),
        ("If-Match" = String, Header, description = "the ETag that the segment was read with, or *")),
    responses((status = 200, body = SavedSegment, headers(("ETag" = String))), (status = 404, description = "not_found"),
        (status = 409, description = "archived"), (status = 412, description = "changed"),
        (status = 422, description = "invalid_condition: what it refers to is not there now, or refers back to it"),
        (status = 428, description = "precondition_required")))]
pub(super) async fn restore(caller: Caller<Manage>, At((key, version)): At<(String, String)>, if_match: IfMatch) -> Answer<Response> {
    let if_match = if_match.required()?;
    let held = segments::hold(&caller.workspace).await?;
    segments::open(&held.expected(&key, |s| if_match.holds(s)).await?)?;
    let draft = version_of(&caller.workspace, &key, &version).await?.saved;
    let warnings = held.check(&key, &draft.condition).await?;
    shown::saved(&caller.workspace.save_segment(&key, draft).await?, &warnings)
}

async fn version_of(workspace: &store::Workspace, key: &str, version: &str) -> Answer<SegmentVersion> {
    segments::read(workspace, key).await?;
    let found = match version.parse::<u64>().ok().filter(|n| *n < u64::MAX) {
        Some(number) => workspace.segment_versions(key, number + 1, 1).await?.pop().filter(|v| v.version == number),
        None => None,
    };
    found.ok_or_else(|| Problem::new(Code::NotFound, format!("segment \"{key}\" has no version {version}, or none that is kept")))
}
