//! What paths and queries say; lists in pages: how many, and from where on.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::problem::{Code, Problem};

/// Entries of a page, where nothing says otherwise, and at most.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// Parameters of the query: those that are known, each once.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        read.map(|Query(value)| Self(value)).map_err(|e| {
            let why = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            Problem::new(Code::InvalidParameter, why)
        })
    }
}

/// What a path names.
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(value)| Self(value)).map_err(|e| Problem::new(Code::NotFound, format!("nothing can be at this path: {e}")))
    }
}

/// A page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The entries, in their order.
    items: Vec<T>,
    /// What `cursor` takes for the next page; null at the end.
    next_cursor: Option<String>,
}

/// What is asked of a list: entries after the one that `after` names.
pub(crate) struct Asked {
    pub(crate) after: Option<String>,
    limit: u32,
}

impl Asked {
    pub(crate) fn new(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::new(Code::InvalidParameter, format!("limit is from 1 to {LIMIT_MAX}")));
        }
        let after = cursor.map(|cursor| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.ok_or_else(|| Problem::new(Code::InvalidParameter, "cursor is none that a page here gave: take its next_cursor"))
        });
        Ok(Self { after: after.transpose()?, limit })
    }

    /// How many entries to look for: one more than the page has tells whether there is another page.
    pub(crate) fn sought(&self) -> u32 {
        self.limit + 1
    }

    /// The page, of as many entries as were sought or fewer; `at` is what the next page comes after.
    pub(crate) fn page<T, U>(&self, mut found: Vec<T>, at: impl Fn(&T) -> String, shown: impl Fn(T) -> U) -> Page<U> {
        let more = found.len() > self.limit as usize;
        found.truncate(self.limit as usize);
        let next_cursor = found.last().filter(|_| more).map(|last| BASE64_URL_SAFE_NO_PAD.encode(at(last)));
        Page { items: found.into_iter().map(shown).collect(), next_cursor }
    }

    /// The page of entries that are all in memory, in the order of their names.
    pub(crate) fn page_of<T, U>(&self, all: impl Iterator<Item = (String, T)>, shown: impl Fn(String, T) -> U) -> Page<U> {
        let after = |name: &String| self.after.as_ref().is_none_or(|after| name > after);
        let found = all.filter(|(name, _)| after(name)).take(self.sought() as usize).collect();
        self.page(found, |(name, _)| name.clone(), |(name, entry)| shown(name, entry))
    }
}
