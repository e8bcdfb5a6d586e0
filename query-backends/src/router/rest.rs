//! Backends that were down lately. They are not refused but asked last, so that nothing waits for them while another can answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::rank::shown;
use crate::conformance::chain;
use crate::error::BackendError;

/// Who rests, until when, and why. Bounded by the number of backends.
pub(super) struct Resting {
    rest: Duration,
    down: Mutex<BTreeMap<&'static str, Down>>,
}

struct Down {
    since: Instant,
    until: Instant,
    why: String,
}

impl Resting {
    /// Nobody rests; who is down will for so long.
    pub(super) fn new(rest: Duration) -> Self {
        Self { rest, down: Mutex::default() }
    }

    /// A backend was down. It rests for the configured time, or longer if it says so itself.
    pub(super) fn down(&self, name: &'static str, error: &BackendError) {
        let since = Instant::now();
        let rest = error.retry_after.map_or(self.rest, |after| after.max(self.rest));
        let until = since.checked_add(rest).unwrap_or(since);
        let why = format!("{}: {}", error.kind.name(), chain(error));
        self.down.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Down { since, until, why });
    }

    /// A backend answered.
    pub(super) fn recovered(&self, name: &str) {
        self.down.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Why a backend rests, if it does.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        let now = Instant::now();
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let down = down.get(name).filter(|d| now < d.until)?;
        Some(format!("it was down {} ago and rests for {}: {}", shown(now - down.since), shown(down.until - now), down.why))
    }
}
