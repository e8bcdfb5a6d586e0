//! Reading segments.

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::shown::{self, Segment, SegmentSummary};
use crate::segments;
use crate::serve::rest::caller::{Caller, Read};
use crate::serve::rest::json;
use crate::serve::rest::page::{Asked, At, Page, Params};
use crate::serve::rest::problem::Answer;

/// Which segments are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Segments of a page: 1 to 200, 50 if left out.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// false (if left out): those that are not archived; true: those that are; any: all.
    #[param(inline)]
    archived: Option<Archived>,
    /// Those with this tag.
    tag: Option<String>,
}

/// Which segments, by whether they are archived.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Archived {
    True,
    False,
    Any,
}

/// Segments, by key
#[utoipa::path(get, path = "/segments", tag = "segments", params(Which), security(("key" = ["read"])),
    responses((status = 200, body = Page<SegmentSummary>), (status = 400, description = "invalid_parameter")))]
pub(super) async fn list(caller: Caller<Read>, Params(which): Params<Which>) -> Answer<Response> {
    let asked = Asked::new(which.limit, which.cursor.as_deref())?;
    let archived = match which.archived {
        None | Some(Archived::False) => Some(false),
        Some(Archived::True) => Some(true),
        Some(Archived::Any) => None,
    };
    let after = asked.after.as_deref().unwrap_or_default();
    let found = caller.workspace.segments_after(after, archived, which.tag.as_deref(), asked.sought()).await?;
    json(StatusCode::OK, &asked.page(found, |s| s.key.clone(), SegmentSummary::of))
}

/// A segment
#[utoipa::path(get, path = "/segments/{key}", tag = "segments", params(("key" = String, Path)), security(("key" = ["read"])),
    responses((status = 200, body = Segment, headers(("ETag" = String, description = "for If-Match"))), (status = 404, description = "not_found")))]
pub(super) async fn one(caller: Caller<Read>, At(key): At<String>) -> Answer<Response> {
    shown::one(segments::read(&caller.workspace, &key).await?)
}

/// Who refers to a segment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Dependents {
    /// The keys of the segments whose conditions refer to it, archived ones among them.
    segments: Vec<String>,
}

/// The segments that refer to a segment
#[utoipa::path(get, path = "/segments/{key}/dependents", tag = "segments", params(("key" = String, Path)), security(("key" = ["read"])),
    responses((status = 200, body = Dependents), (status = 404, description = "not_found")))]
pub(super) async fn dependents(caller: Caller<Read>, At(key): At<String>) -> Answer<Response> {
    segments::read(&caller.workspace, &key).await?;
    json(StatusCode::OK, &Dependents { segments: segments::dependents(&caller.workspace, &key).await? })
}
