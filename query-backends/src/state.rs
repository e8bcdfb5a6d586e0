//! Shorthands over a pinned state.

use store::Pinned;

use crate::backend::Query;
use crate::error::{BackendError, ErrorKind, Result};

/// The pinned state of a query, for backends that need one.
pub(crate) fn pinned(query: &Query) -> Result<&Pinned> {
    query
        .pinned
        .as_deref()
        .ok_or_else(|| BackendError::new(ErrorKind::Rejected, "the query names no pinned state, which this backend reads"))
}
