//! The order in which backends are asked: the rested first, then the fresher, then the cheaper, then as configured.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::estimate::Estimate;
use crate::backend::Query;

/// What a backend costs, as it is configured: so long to start, so many bytes a second from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// What the smallest query takes.
    pub start: Duration,
    /// Bytes of the lake's and the profiles' files that it gets through in a second.
    pub bytes_per_s: u64,
    /// Whether it reads every event there is, whatever the query needs.
    pub reads_all: bool,
    /// Which profiles it reads.
    pub profiles: ProfilesRead,
}

/// Which profiles a backend reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfilesRead {
    /// The pinned state's.
    Pinned,
    /// The table that the pinned state has in a shared lake.
    Shared,
    /// Those there are while it runs.
    Live,
}

impl ProfilesRead {
    /// The instant up to which it sees all changes of profiles, microseconds; `None`: all there are, or those of the pinned state.
    pub(super) fn as_of(self, query: &Query) -> Option<i64> {
        let pinned = query.pinned.as_ref()?;
        match self {
            Self::Pinned => pinned.profiles.as_of,
            Self::Shared => pinned.shared.as_ref().map_or(pinned.profiles.as_of, |s| s.profiles_as_of),
            Self::Live => None,
        }
    }
}

impl Rate {
    /// The time that a query is estimated to take.
    pub(super) fn cost(&self, estimate: &Estimate) -> Duration {
        let events = if self.reads_all { estimate.events_total_bytes } else { estimate.events_bytes };
        let bytes = events.saturating_add(estimate.profiles_bytes);
        let reading = bytes as f64 / self.bytes_per_s.max(1) as f64;
        self.start.saturating_add(Duration::try_from_secs_f64(reading).unwrap_or(Duration::MAX))
    }
}

/// What the order goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its place in the configuration.
    pub(super) place: usize,
    /// Why it rests, if it does.
    pub(super) resting: Option<String>,
    /// How far its profiles are behind.
    pub(super) behind: Duration,
    /// The estimated cost, if there is one.
    pub(super) cost: Option<Duration>,
    /// Whether there is nothing to choose.
    pub(super) alone: bool,
}

/// How far profiles are behind that have all changes up to an instant.
pub(super) fn behind(as_of: Option<i64>) -> Duration {
    let Some(as_of) = as_of else { return Duration::ZERO };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX));
    Duration::from_micros(u64::try_from(now.saturating_sub(as_of)).unwrap_or(0))
}

/// Backends in the order in which they are asked, each with the reason for its place.
pub(super) fn rank(mut all: Vec<Facts>, fresh_within: Duration) -> Vec<(Facts, String)> {
    let late = |f: &Facts| if f.behind <= fresh_within { Duration::ZERO } else { f.behind };
    all.sort_by_key(|f| (f.resting.is_some(), late(f), f.cost, f.place));
    let first = all.first().cloned();
    let why = |f: &Facts| match &first {
        Some(first) if f.place != first.place => spare(f, first, late(f) > late(first)),
        _ => chosen(f, &all, &late),
    };
    let whys: Vec<String> = all.iter().map(why).collect();
    all.into_iter().zip(whys).collect()
}

/// Why the first is the first.
fn chosen(first: &Facts, all: &[Facts], late: &dyn Fn(&Facts) -> Duration) -> String {
    if first.alone {
        return "it is the only one that can".to_owned();
    }
    if let Some(why) = &first.resting {
        return format!("all that can have been down lately: {why}");
    }
    let rested = || all.iter().filter(|f| f.resting.is_none() && f.place != first.place);
    match first.cost {
        _ if rested().next().is_none() => "the others have been down lately".to_owned(),
        _ if rested().all(|f| late(f) > late(first)) => "it has the freshest profiles".to_owned(),
        Some(cost) => format!("it costs least of those that are fresh, about {}", shown(cost)),
        None => "it is configured first".to_owned(),
    }
}

/// Why another is before it.
fn spare(spare: &Facts, first: &Facts, staler: bool) -> String {
    match (&spare.resting, spare.cost, first.cost) {
        (Some(why), _, _) if first.resting.is_none() => why.clone(),
        _ if staler => format!("its profiles are {} behind", shown(spare.behind)),
        (_, Some(cost), Some(least)) if cost > least => format!("it costs more, about {} against {}", shown(cost), shown(least)),
        _ => "it is configured later".to_owned(),
    }
}

/// A time for people.
pub(super) fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(place: usize, resting: bool, behind_s: u64, cost_ms: u64) -> Facts {
        Facts {
            place,
            resting: resting.then(|| "down".to_owned()),
            behind: Duration::from_secs(behind_s),
            cost: Some(Duration::from_millis(cost_ms)),
            alone: false,
        }
    }

    #[test]
    fn rested_then_fresh_then_cheap_then_as_configured() {
        for (all, places) in [
            (vec![facts(0, false, 0, 9), facts(1, false, 0, 8)], [1, 0]),
            (vec![facts(0, false, 0, 9), facts(1, false, 0, 9)], [0, 1]),
            (vec![facts(0, false, 100, 1), facts(1, false, 0, 9)], [1, 0]),
            // Both are fresh enough.
            (vec![facts(0, false, 10, 1), facts(1, false, 0, 9)], [0, 1]),
            (vec![facts(0, true, 0, 1), facts(1, false, 100, 9)], [1, 0]),
            (vec![facts(0, true, 0, 9), facts(1, true, 0, 8)], [1, 0]),
        ] {
            let ranked: Vec<usize> = rank(all.clone(), Duration::from_secs(60)).iter().map(|(f, _)| f.place).collect();
            assert_eq!(ranked, places, "{all:?}");
        }
    }

    #[test]
    fn reasons() {
        for (all, whys) in [
            (
                vec![facts(0, false, 0, 9), facts(1, false, 0, 1800)],
                ["it costs least of those that are fresh, about 9 ms", "it costs more, about 1.8 s against 9 ms"],
            ),
            (vec![facts(0, false, 0, 9), facts(1, false, 100, 8)], ["it has the freshest profiles", "its profiles are 100.0 s behind"]),
            (vec![facts(0, false, 0, 9), facts(1, true, 0, 8)], ["the others have been down lately", "down"]),
            (
                vec![facts(0, true, 0, 7), facts(1, true, 0, 8)],
                ["all that can have been down lately: down", "it costs more, about 8 ms against 7 ms"],
            ),
        ] {
            let ranked = rank(all, Duration::from_secs(60));
            assert_eq!(ranked.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>(), whys);
        }
        let alone = Facts { alone: true, ..facts(0, false, 0, 1) };
        assert_eq!(rank(vec![alone], Duration::ZERO).first().map(|(_, why)| why.as_str()), Some("it is the only one that can"));
    }

    #[test]
    fn cost_is_start_and_bytes() {
        let rate = Rate { start: Duration::from_millis(100), bytes_per_s: 1000, reads_all: false, profiles: ProfilesRead::Pinned };
        let estimate = Estimate { events_bytes: 400, events_total_bytes: 9400, profiles_bytes: 600 };
        assert_eq!(rate.cost(&estimate), Duration::from_millis(1100));
        assert_eq!(Rate { reads_all: true, ..rate }.cost(&estimate), Duration::from_millis(10_100));
    }
}
