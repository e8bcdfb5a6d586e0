//! What a window means at every instant, whatever it was written as.
//!
//! In: a window and the zone. Out: a key that is equal for two windows only if they are one window at every `as_of`: `7 day` and
//! `1 week` back, or two spellings of one instant. Two that happen to hold the same instants now (`last 31 day` and `last 1 month`) differ.
//! Deliberately absent: a promise that windows that always coincide have equal keys.

use super::window::{Duration, Length, Window};
use super::{Zone, parse_instant};

/// The key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum WindowMeaning {
    /// Everything before `as_of`.
    All,
    /// So far back.
    Last(Length),
    /// From the start of the unit, some units earlier.
    Aligned(Duration),
    /// From so far back to so far back.
    Ago(Length, Length),
    /// Whole units.
    AgoAligned(Duration, Duration),
    /// Between two instants; of a time that cannot be read there is none, and the window is refused.
    Between(Option<i64>, Option<i64>),
    /// The time to come.
    Next(Length),
}

impl Window {
    /// What it means at every instant.
    pub(crate) fn meaning(&self, zone: &Zone) -> WindowMeaning {
        let instant = |text: &Option<String>| text.as_deref().and_then(|text| parse_instant(text, zone));
        match self {
            Window::All => WindowMeaning::All,
            Window::Last { d, aligned: false } => WindowMeaning::Last(d.length()),
            Window::Last { d, aligned: true } => WindowMeaning::Aligned(*d),
            Window::Ago { from, to, aligned: false } => WindowMeaning::Ago(from.length(), to.length()),
            Window::Ago { from, to, aligned: true } => WindowMeaning::AgoAligned(*from, *to),
            Window::Between { from, to } => WindowMeaning::Between(instant(from), instant(to)),
            Window::Next(d) => WindowMeaning::Next(d.length()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;

    fn last(n: u32, unit: Unit, aligned: bool) -> Window {
        Window::Last { d: Duration { n, unit }, aligned }
    }

    fn between(from: &str) -> Window {
        Window::Between { from: Some(from.to_owned()), to: None }
    }

    fn check(a: Window, b: Window, same: bool) {
        let zone = Zone::parse("Asia/Tokyo").unwrap();
        assert_eq!(a.meaning(&zone) == b.meaning(&zone), same, "{a:?} {b:?}");
    }

    #[test]
    fn windows_that_always_coincide() {
        check(last(7, Unit::Day, false), last(1, Unit::Week, false), true);
        check(last(12, Unit::Month, false), last(1, Unit::Year, false), true);
        check(last(7, Unit::Day, true), last(1, Unit::Week, true), false);
        check(last(31, Unit::Day, false), last(1, Unit::Month, false), false);
        check(between("2024-01-01"), between("2023-12-31T15:00:00Z"), true);
        check(between("2024-01-01"), between("2024-01-01T00:00:00Z"), false);
        check(Window::All, last(1, Unit::Day, false), false);
    }
}
