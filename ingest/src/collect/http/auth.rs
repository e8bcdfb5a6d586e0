//! Who sends.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Collector;
use super::answer::Refusal;
use crate::collect::keys::{KeyHash, Workspace};
use crate::collect::limits::KEY_BYTES_MAX;

/// The write key in the headers: the user name of Basic authentication, or a bearer token.
pub(crate) fn header_key(headers: &HeaderMap) -> Option<String> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
    Some(pair.split_once(':').map_or(pair.as_str(), |(key, _)| key).to_owned())
}

impl Collector {
    /// The workspace of a write key.
    pub(super) async fn workspace(&self, key: Option<&str>) -> Result<Arc<Workspace>, Refusal> {
        let key = key.filter(|key| !key.is_empty()).ok_or(Refusal::NoKey)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(Refusal::BadKey);
        }
        self.keys.workspace(&KeyHash::of(key)).await?.ok_or(Refusal::BadKey)
    }
}
