//! Requests that are under way at once, within a bound.

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};

use super::limits::{REQUESTS_MAX, TRANSACTIONS_MAX};
use crate::error::Result;

/// Waits for all, a bounded number at a time; what they give comes in no order. The first error ends the others.
pub(crate) async fn together<T>(work: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    stream::iter(work).buffer_unordered(REQUESTS_MAX).try_collect().await
}

/// The same for lightweight transactions, which take four rounds among replicas each.
pub(crate) async fn transact_together<T>(work: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    stream::iter(work).buffer_unordered(TRANSACTIONS_MAX).try_collect().await
}
