//! Bodies, within bounds of size, time and the memory of all together.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::answer::Refusal;
use crate::collect::gzip::{Inflated, inflate};
use crate::collect::limits::DISCARD_BYTES_MAX;

/// The memory that bodies share.
pub(crate) struct Bodies(Arc<Semaphore>);

/// A part of it.
#[derive(Default)]
pub(crate) struct Held(Option<OwnedSemaphorePermit>);

impl Bodies {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes_max.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes so many bytes more.
    pub(crate) fn hold(&self, held: &mut Held, bytes: usize) -> Result<(), Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::Busy)?;
        let more = self.0.clone().try_acquire_many_owned(bytes).map_err(|_| Refusal::Busy)?;
        match &mut held.0 {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

/// A body as it arrives.
pub(crate) struct Arriving {
    stream: axum::body::BodyDataStream,
    idle: std::time::Duration,
    deadline: Instant,
}

impl Arriving {
    pub(crate) fn new(body: Body, idle: std::time::Duration, whole: std::time::Duration) -> Self {
        Self { stream: body.into_data_stream(), idle, deadline: Instant::now() + whole }
    }

    /// Its next piece; `None` at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let until = self.deadline.min(Instant::now() + self.idle);
        match timeout_at(until, self.stream.next()).await {
            Err(_) => Err(Refusal::Slow),
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(e))) => Err(Refusal::Malformed(format!("the body broke off: {e}"))),
        }
    }

    /// Reads on for a while, so that the sender comes to read why it is refused.
    pub(crate) async fn refused(mut self, refusal: Refusal) -> Refusal {
        let mut left = DISCARD_BYTES_MAX;
        while left > 0 {
            match self.next().await {
                Ok(Some(piece)) => left = left.saturating_sub(piece.len()),
                Ok(None) | Err(_) => break,
            }
        }
        refusal
    }
}

/// Whether a body is compressed.
pub(crate) fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let encodings: Vec<&str> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(str::trim)
        .filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"))
        .collect();
    match encodings.as_slice() {
        [] => Ok(false),
        [one] if one.eq_ignore_ascii_case("gzip") || one.eq_ignore_ascii_case("x-gzip") => Ok(true),
        others => Err(Refusal::Encoding(others.join(", "))),
    }
}

pub(crate) fn refusal(inflated: Inflated, max: u64) -> Refusal {
    match inflated {
        Inflated::TooLarge => Refusal::TooLarge(max),
        Inflated::Malformed(message) => Refusal::Malformed(format!("the body is not gzip: {message}")),
    }
}

/// A whole body, decompressed: at most `max` bytes, before and after. What it takes of the memory is added to `held`.
pub(crate) async fn whole(
    headers: &HeaderMap,
    mut arriving: Arriving,
    max: usize,
    bodies: &Bodies,
    held: &mut Held,
) -> Result<Vec<u8>, Refusal> {
    let gzip = match is_gzip(headers) {
        Ok(gzip) => gzip,
        Err(refusal) => return Err(arriving.refused(refusal).await),
    };
    let too_large = Refusal::TooLarge(max as u64);
    let stated = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|bytes| bytes > max as u64) {
        // Who asks first has not begun to send.
        return Err(if headers.contains_key(EXPECT) { too_large } else { arriving.refused(too_large).await });
    }
    let mut body = Vec::new();
    while let Some(piece) = arriving.next().await? {
        if body.len() + piece.len() > max {
            return Err(arriving.refused(too_large).await);
        }
        bodies.hold(held, piece.len())?;
        body.extend_from_slice(&piece);
    }
    if !gzip {
        return Ok(body);
    }
    let text = inflate(&body, max).map_err(|e| refusal(e, max as u64))?;
    bodies.hold(held, text.len())?;
    Ok(text)
}
