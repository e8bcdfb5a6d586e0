//! When an event happened, by the server's clock.
//!
//! Senders' clocks are wrong by minutes or years, and phones send what happened while they were offline. Both of a sender's times are by one
//! clock, so their distance is right: an event happened that long before it was received.

use segment_core::time::{INSTANT_MAX, INSTANT_MIN};

/// What a message says about its time, by the sender's clock, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stated {
    /// When it happened.
    pub(crate) happened: Option<i64>,
    /// When it was sent.
    pub(crate) sent: Option<i64>,
}

/// The time of an event received at that instant: never after it, and that instant if nothing is stated.
pub(crate) fn corrected(stated: Stated, received_at: i64) -> i64 {
    let ts = match (stated.happened, stated.sent) {
        (None, _) => received_at,
        (Some(happened), None) => happened,
        (Some(happened), Some(sent)) => received_at.saturating_sub(sent.saturating_sub(happened)),
    };
    ts.min(received_at).clamp(INSTANT_MIN, INSTANT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(happened: Option<i64>, sent: Option<i64>, expected: i64) {
        assert_eq!(corrected(Stated { happened, sent }, 1_000), expected, "{happened:?} {sent:?}");
    }

    #[test]
    fn times() {
        check(None, None, 1_000);
        check(None, Some(5), 1_000);
        check(Some(400), None, 400);
        // Late clocks, early clocks, and right ones.
        check(Some(10), Some(30), 980);
        check(Some(9_010), Some(9_030), 980);
        check(Some(970), Some(1_000), 970);
        // The future is now.
        check(Some(2_000), None, 1_000);
        check(Some(50), Some(30), 1_000);
    }

    #[test]
    fn at_the_ends_of_time() {
        check(Some(INSTANT_MIN), Some(INSTANT_MAX), INSTANT_MIN);
        check(Some(INSTANT_MAX), Some(INSTANT_MIN), 1_000);
        check(Some(i64::MIN), Some(i64::MAX), INSTANT_MIN);
    }
}
