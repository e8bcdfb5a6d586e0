//! Bodies: bounded in size, time and the memory of all together, and read as what they should be, nothing besides.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::problem::{Code, Problem};
use crate::serve::Serving;

/// Bytes of a body of JSON: a tree with the values that it may have.
const JSON_BYTES_MAX: usize = 8 << 20;
/// Bytes of bodies that are in memory at once.
pub(super) const ALL_BYTES_MAX: usize = 128 << 20;
/// Bytes that are read of a body that is refused.
const DISCARD_BYTES_MAX: usize = 8 << 20;
/// Time for a body of JSON to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// A body of JSON that has been read, with its bytes for whoever has to know it again.
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    pub(crate) bytes: Bytes,
    _held: Option<OwnedSemaphorePermit>,
}

impl<T: DeserializeOwned> FromRequest<Arc<Serving>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, serving: &Arc<Serving>) -> Result<Self, Problem> {
        plain(request.headers())?;
        let media = media_type(request.headers());
        if media != "application/json" {
            let what = format!("this path takes application/json, and the body is {media:?}: set Content-Type");
            return Err(Problem::new(Code::UnsupportedMediaType, what));
        }
        let (bytes, held) = whole(request.into_body(), &serving.rest.bodies).await?;
        let value = read(&bytes)?;
        Ok(Self { value, bytes, _held: held })
    }
}

/// The media type of a body without parameters, in lower case; empty if none is stated.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let stated = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    stated.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses bodies that are compressed.
pub(super) fn plain(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::new(Code::UnsupportedMediaType, "compressed bodies are not read here: send it without Content-Encoding"))
        }
        _ => Ok(()),
    }
}

async fn whole(body: Body, room: &Arc<Semaphore>) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Problem> {
    let deadline = Instant::now() + BODY_TIME;
    let mut stream = body.into_data_stream();
    let (mut bytes, mut held) = (Vec::new(), None::<OwnedSemaphorePermit>);
    loop {
        let piece = match timeout_at(deadline, stream.next()).await {
            Err(_) => return Err(Problem::new(Code::Timeout, format!("the body did not arrive within {} s", BODY_TIME.as_secs()))),
            Ok(None) => return Ok((bytes.into(), held)),
            Ok(Some(piece)) => piece.map_err(|e| Problem::new(Code::Malformed, format!("the body broke off: {e}")))?,
        };
        if bytes.len() + piece.len() > JSON_BYTES_MAX {
            discard(&mut stream, deadline).await;
            return Err(Problem::new(Code::TooLarge, format!("a body of JSON has {} MiB at most here", JSON_BYTES_MAX >> 20)));
        }
        let more = u32::try_from(piece.len()).ok().and_then(|n| room.clone().try_acquire_many_owned(n).ok());
        let more = more.ok_or_else(|| Problem::new(Code::Busy, "too many bodies are under way: send it again"))?;
        match &mut held {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        bytes.extend_from_slice(&piece);
    }
}

/// Reads on for a while, so that the sender comes to read why it is refused.
pub(super) async fn discard(stream: &mut BodyDataStream, deadline: Instant) {
    let mut left = DISCARD_BYTES_MAX;
    while let Ok(Some(Ok(piece))) = timeout_at(deadline, stream.next()).await {
        left = left.saturating_sub(piece.len());
        if left == 0 {
            break;
        }
    }
}

/// Reads JSON, refusing members that it should not have and members that come twice, and says where.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let pointer = pointer(e.path());
        Problem::at(Code::Malformed, pointer, e.into_inner().to_string())
    })?;
    json.end().map_err(|e| Problem::at(Code::Malformed, "", e.to_string()))?;
    Ok(value)
}

/// A path as JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    };
    path.iter().map(step).collect()
}
