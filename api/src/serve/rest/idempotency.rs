//! Idempotency-Key: a creating request that is repeated is answered again, and does nothing again.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use store::Token;

use super::problem::{Code, Problem};

/// Characters of an Idempotency-Key.
const KEY_CHARS_MAX: usize = 255;

/// What a caller names its request, if it does.
pub(crate) struct Once(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Once {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = value.to_str().ok().filter(|text| (1..=KEY_CHARS_MAX).contains(&text.len()));
        let refused = || Problem::new(Code::Malformed, format!("Idempotency-Key has 1 to {KEY_CHARS_MAX} visible characters of ASCII"));
        Ok(Self(Some(text.ok_or_else(refused)?.to_owned())))
    }
}

impl Once {
    /// What tells the request from others: whose it is, what it is called, what is asked.
    pub(crate) fn token(self, caller: &str, what: &str, body: &[u8]) -> Option<Token> {
        let mut hash = Sha256::new();
        hash.update(what.as_bytes());
        hash.update([0]);
        hash.update(body);
        Some(Token { caller: caller.to_owned(), token: self.0?, request: hash.finalize().into() })
    }
}

/// The answer to give again, if there is one.
pub(crate) async fn repeated(workspace: &store::Workspace, token: &Token) -> Result<Option<String>, Problem> {
    match workspace.answered(&token.caller, &token.token).await? {
        Some(answered) if answered.token.request == token.request => Ok(Some(answered.answer)),
        Some(_) => {
            let what = "this Idempotency-Key was of another request within the last day: take a new one";
            Err(Problem::new(Code::IdempotencyKeyReused, what))
        }
        None => Ok(None),
    }
}
