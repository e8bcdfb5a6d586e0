//! Segments as they are sent.

use axum::http::header::ETAG;
use axum::http::{HeaderValue, StatusCode};
use segment_core::diagnostics::Diagnostic;
use segment_core::json::Json;
use segment_core::time::format_instant;
use serde::Serialize;
use serde_json::value::RawValue;
use store::{SegmentInfo, SegmentVersion};
use utoipa::ToSchema;

use crate::serve::rest::problem::{Answer, Fault, Problem, faults};
use crate::serve::rest::{tag, text_of_json};

/// A segment in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SegmentSummary {
    /// Its key.
    key: String,
    /// 1 when first saved, one more each time.
    version: u64,
    /// What people call it.
    name: String,
    /// What it is for.
    description: String,
    /// Words to find it by.
    tags: Vec<String>,
    /// When it was first saved.
    created_at: String,
    /// When it was last saved, archived or taken back.
    updated_at: String,
    /// When it was archived; null: it is not.
    archived_at: Option<String>,
}

impl SegmentSummary {
    pub(super) fn of(s: SegmentInfo) -> Self {
        Self {
            key: s.key,
            version: s.version,
            name: s.saved.name,
            description: s.saved.description,
            tags: s.saved.tags,
            created_at: format_instant(s.created_at),
            updated_at: format_instant(s.updated_at),
            archived_at: s.archived_at.map(format_instant),
        }
    }
}

/// A segment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Segment {
    #[serde(flatten)]
    summary: SegmentSummary,
    /// Its condition, numbers with the digits that they were written with.
    #[schema(value_type = Object)]
    condition: Box<RawValue>,
}

/// A segment that was just saved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SavedSegment {
    #[serde(flatten)]
    segment: Segment,
    /// What is suspicious about its condition; pointers lead into that.
    warnings: Vec<Fault>,
}

/// A version of a segment in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionSummary {
    /// Its number.
    version: u64,
    /// What people called the segment.
    name: String,
    /// What it was for.
    description: String,
    /// Words to find it by.
    tags: Vec<String>,
    /// When it was saved.
    created_at: String,
}

impl VersionSummary {
    pub(super) fn of(v: SegmentVersion) -> Self {
        let saved = v.saved;
        Self {
            version: v.version,
            name: saved.name,
            description: saved.description,
            tags: saved.tags,
            created_at: format_instant(v.created_at),
        }
    }
}

/// A version of a segment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentVersion)]
pub(super) struct SegmentVersionShown {
    #[serde(flatten)]
    summary: VersionSummary,
    /// Its condition then.
    #[schema(value_type = Object)]
    condition: Box<RawValue>,
}

impl SegmentVersionShown {
    pub(super) fn of(v: SegmentVersion) -> Answer<Self> {
        let condition = raw(&v.saved.condition)?;
        Ok(Self { summary: VersionSummary::of(v), condition })
    }
}

/// A stored condition as a part of JSON, its numbers as they were written.
fn raw(condition: &str) -> Answer<Box<RawValue>> {
    let compact = Json::parse(condition).map_err(|e| e.to_string()).map(|json| json.to_text());
    let raw = compact.and_then(|text| RawValue::from_string(text).map_err(|e| e.to_string()));
    raw.map_err(|e| Problem::failed(format!("a stored condition is damaged: {e}")))
}

fn whole(segment: SegmentInfo) -> Answer<Segment> {
    Ok(Segment { condition: raw(&segment.saved.condition)?, summary: SegmentSummary::of(segment) })
}

/// The body that is answered to whoever saved a segment; empty if it has none, which no segment that was just checked does.
pub(super) fn saved_text(segment: &SegmentInfo, warnings: &[Diagnostic]) -> String {
    let saved = whole(segment.clone()).map(|segment| SavedSegment { segment, warnings: faults(warnings) });
    saved.ok().and_then(|saved| serde_json::to_string(&saved).ok()).unwrap_or_default()
}

/// The answer of a text and the tag of the segment that it shows.
pub(super) fn tagged(status: StatusCode, tag: &str, text: String) -> Answer {
    let mut response = text_of_json(status, text);
    let value = HeaderValue::from_str(tag).map_err(|e| Problem::failed(format!("a tag is no header: {e}")))?;
    response.headers_mut().insert(ETAG, value);
    Ok(response)
}

/// The answer to whoever saved a segment.
pub(super) fn saved(segment: &SegmentInfo, warnings: &[Diagnostic]) -> Answer {
    tagged(StatusCode::OK, &tag::of(segment), saved_text(segment, warnings))
}

/// The answer to whoever reads a segment.
pub(super) fn one(segment: SegmentInfo) -> Answer {
    let tag = tag::of(&segment);
    let text = serde_json::to_string(&whole(segment)?).map_err(|e| Problem::failed(e.to_string()))?;
    tagged(StatusCode::OK, &tag, text)
}
