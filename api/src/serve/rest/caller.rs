//! Who asks: a key that holds, has the scope, and does not ask too often.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use ingest::collect::KeyHash;
use store::Scope;

use super::problem::{Code, Problem};
use crate::serve::Serving;
use crate::serve::access::Opened;

/// Bytes of a key.
const KEY_BYTES_MAX: usize = 256;

/// A scope that a handler asks for.
pub(crate) trait Needs: Send {
    const SCOPE: Scope;
}

/// To read segments, catalog and lists.
pub(crate) struct Read;
/// To have conditions evaluated.
pub(crate) struct Run;
/// To change segments and lists.
pub(crate) struct Manage;

impl Needs for Read {
    const SCOPE: Scope = Scope::Read;
}

impl Needs for Run {
    const SCOPE: Scope = Scope::Run;
}

impl Needs for Manage {
    const SCOPE: Scope = Scope::Manage;
}

/// Whoever asks, with the scope that it takes.
pub(crate) struct Caller<S> {
    /// The key's id.
    pub(crate) id: String,
    /// The workspace that the key opens, and no other.
    pub(crate) workspace: store::Workspace,
    scope: PhantomData<fn() -> S>,
}

impl<S: Needs> FromRequestParts<Arc<Serving>> for Caller<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, serving: &Arc<Serving>) -> Result<Self, Problem> {
        let key = opened(parts, serving)?;
        if let Err(wait) = key.admit() {
            let what = format!("key {} has asked too often: wait {wait} s", key.id);
            return Err(Problem::new(Code::RateLimited, what).after(wait));
        }
        if !key.scopes.contains(&S::SCOPE) {
            let scope = S::SCOPE.name();
            let what = format!("key {} lacks the scope \"{scope}\": `muster key create --scope {scope}` makes one that has it", key.id);
            return Err(Problem::new(Code::Forbidden, what));
        }
        let workspace = serving.store.workspace(&key.workspace).await?.ok_or_else(unknown)?;
        Ok(Self { id: key.id.clone(), workspace, scope: PhantomData })
    }
}

fn unknown() -> Problem {
    Problem::new(Code::Unauthenticated, "there is no such key, or it has expired: `muster key create` makes one")
}

/// The key of a request, if it opens anything.
fn opened(parts: &Parts, serving: &Serving) -> Result<Arc<Opened>, Problem> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok()).and_then(|h| h.split_once(' '));
    let Some((_, key)) = header.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return Err(Problem::new(Code::Unauthenticated, "send a key: Authorization: Bearer KEY"));
    };
    let key = key.trim();
    if key.len() > KEY_BYTES_MAX {
        return Err(unknown());
    }
    serving.access.opened(&KeyHash::of(key)).ok_or_else(unknown)
}
