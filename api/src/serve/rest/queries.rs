//! Evaluations under way: so many at once, and each counted while it runs.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Code, Problem};

/// Evaluations at once.
const QUERIES_MAX: usize = 8;

/// The room for evaluations.
pub(super) struct Queries(Arc<Semaphore>);

impl Default for Queries {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(QUERIES_MAX)))
    }
}

impl Queries {
    /// Takes room for one, held while it runs.
    pub(super) fn start(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let what = "as many evaluations are under way as the server takes: try again";
        self.0.clone().try_acquire_owned().map_err(|_| Problem::new(Code::Busy, what))
    }

    /// How many there are.
    pub(super) fn running(&self) -> usize {
        QUERIES_MAX - self.0.available_permits()
    }
}
