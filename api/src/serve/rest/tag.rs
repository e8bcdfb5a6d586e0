//! ETag and If-Match: nobody overwrites what they have not seen.

use axum::extract::FromRequestParts;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use store::SegmentInfo;

use super::problem::{Code, Problem};

/// The tag of a segment as it is: another one after every change.
pub(crate) fn of(segment: &SegmentInfo) -> String {
    format!("\"{}-{:x}\"", segment.version, segment.updated_at)
}

/// What a request expects to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// It does not say.
    Absent,
    /// Anything.
    Any,
    /// One of these tags.
    One(Vec<String>),
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut tags = Vec::new();
        for value in parts.headers.get_all(IF_MATCH) {
            let text = value.to_str().map_err(|_| Problem::new(Code::Malformed, "If-Match is not text"))?;
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
        }
        Ok(match tags.as_slice() {
            [] => Self::Absent,
            [any] if any == "*" => Self::Any,
            _ => Self::One(tags),
        })
    }
}

impl IfMatch {
    /// The same, where it has to be stated.
    pub(crate) fn required(self) -> Result<Self, Problem> {
        match self {
            Self::Absent => {
                let what = "this overwrites what is there: send If-Match with the ETag that it was read with, or * for whatever is there";
                Err(Problem::new(Code::PreconditionRequired, what))
            }
            stated => Ok(stated),
        }
    }

    /// Whether a segment is as expected.
    pub(crate) fn holds(&self, segment: &SegmentInfo) -> bool {
        match self {
            Self::Absent | Self::Any => true,
            Self::One(tags) => tags.contains(&of(segment)),
        }
    }
}
