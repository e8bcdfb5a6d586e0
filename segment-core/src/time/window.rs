//! Windows and durations as written, and the two instants that a window comes to.

use std::fmt;

use super::calendar::{add_months, first_day_of_month, monday_of, month_of_days};
use super::{DAY, INSTANT_MAX, INSTANT_MIN, SECOND, Zone, ago, clamp_instant, parse_instant};
use crate::plan::Interval;

/// A unit of time. Second to week are exact lengths, month and year are calendar steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// 1 s.
    Second,
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s; aligned, a calendar day.
    Day,
    /// 604,800 s; aligned, Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

impl Unit {
    /// Every unit, shortest first.
    pub const ALL: [Unit; 7] = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Year];

    /// The unit of that whole word, such as `day`.
    pub fn parse(word: &str) -> Option<Unit> {
        Unit::ALL.into_iter().find(|unit| unit.name() == word)
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Second => "second",
            Unit::Minute => "minute",
            Unit::Hour => "hour",
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Year => "year",
        }
    }

    /// What it comes to, calendar steps in months, exact lengths in seconds.
    fn length(self) -> Length {
        match self {
            Unit::Second => Length::Seconds(1),
            Unit::Minute => Length::Seconds(60),
            Unit::Hour => Length::Seconds(3_600),
            Unit::Day => Length::Seconds(86_400),
            Unit::Week => Length::Seconds(7 * 86_400),
            Unit::Month => Length::Months(1),
            Unit::Year => Length::Months(12),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// So many of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duration {
    /// How many, at most `limits::DURATION_N_MAX`; 0 only in `Window::Ago`'s `to`.
    pub n: u32,
    /// Of what.
    pub unit: Unit,
}

impl Duration {
    pub(super) fn length(self) -> Length {
        match self.unit.length() {
            Length::Seconds(seconds) => Length::Seconds(seconds * i64::from(self.n)),
            Length::Months(months) => Length::Months(months * i64::from(self.n)),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.n, self.unit, if self.n == 1 { "" } else { "s" })
    }
}

/// The two kinds of duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Length {
    /// An exact length.
    Seconds(i64),
    /// Steps of the calendar.
    Months(i64),
}

/// A window as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Window {
    /// Everything before `as_of`.
    All,
    /// `{"last": D}`.
    Last {
        /// How far back.
        d: Duration,
        /// From the start of a unit.
        aligned: bool,
    },
    /// `{"ago": {"from": D1, "to": D2}}`.
    Ago {
        /// How far back it starts.
        from: Duration,
        /// How far back it ends.
        to: Duration,
        /// Whole units.
        aligned: bool,
    },
    /// `{"from": T, "to": T}`; each an instant or a date, as `parse_instant` reads them.
    Between {
        /// Its start.
        from: Option<String>,
        /// Its end.
        to: Option<String>,
    },
    /// `{"next": D}`.
    Next(Duration),
}

/// Why a window is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowFault {
    /// It is empty at every instant.
    Empty,
    /// An aligned `ago` has two units.
    MixedUnits,
    /// A time that is neither an instant nor a date, or two.
    BadTimes {
        /// It is `from`.
        from: bool,
        /// It is `to`.
        to: bool,
    },
}

/// The instants of a window. Its end is `as_of` at the latest, but for `Next`, which is `[as_of, as_of + D)`; a start before
/// year 1 is none. It may be empty at this `as_of`, its start even after its end.
///
/// # Errors
///
/// The window is empty at every instant, mixes units, or has a time that cannot be read.
pub fn resolve_window(window: &Window, as_of: i64, zone: &Zone) -> Result<Interval, WindowFault> {
    let until = |end: i64| end.clamp(INSTANT_MIN, as_of.max(INSTANT_MIN));
    Ok(match window {
        Window::All => Interval { start: None, end: as_of },
        Window::Last { d, aligned: false } => Interval { start: start(back(as_of, *d, zone)), end: as_of },
        Window::Last { d, aligned: true } => Interval { start: start(unit_start(as_of, d.unit, i64::from(d.n) - 1, zone)), end: as_of },
        Window::Ago { from, to, aligned: false } => {
            if ago::is_never_longer(from.length(), to.length(), zone) {
                return Err(WindowFault::Empty);
            }
            Interval { start: start(back(as_of, *from, zone)), end: until(back(as_of, *to, zone)) }
        }
        Window::Ago { from, to, aligned: true } => {
            if from.unit != to.unit {
                return Err(WindowFault::MixedUnits);
            }
            if from.n < to.n {
                return Err(WindowFault::Empty);
            }
            Interval {
                start: start(unit_start(as_of, from.unit, i64::from(from.n), zone)),
                end: until(unit_start(as_of, to.unit, i64::from(to.n) - 1, zone)),
            }
        }
        Window::Between { from, to } => {
            let read = |text: &Option<String>| text.as_deref().map(|text| parse_instant(text, zone));
            let (from, to) = (read(from), read(to));
            let (bad_from, bad_to) = (from == Some(None), to == Some(None));
            if bad_from || bad_to {
                return Err(WindowFault::BadTimes { from: bad_from, to: bad_to });
            }
            let (from, to) = (from.flatten(), to.flatten());
            match (from, to) {
                (None, None) => return Err(WindowFault::Empty),
                (Some(from), Some(to)) if from >= to => return Err(WindowFault::Empty),
                _ => Interval { start: from, end: to.map_or(as_of, until) },
            }
        }
        Window::Next(d) => Interval { start: Some(as_of), end: step_forward(as_of, *d, zone) },
    })
}

/// The instant a duration before another. Months and years step the zone's calendar and clamp to the month's last day.
pub fn step_back(as_of: i64, d: Duration, zone: &Zone) -> i64 {
    clamp_instant(back(as_of, d, zone))
}

/// The instant a duration after another, stepping in the same way.
pub fn step_forward(as_of: i64, d: Duration, zone: &Zone) -> i64 {
    clamp_instant(match d.length() {
        Length::Seconds(seconds) => as_of.saturating_add(seconds * SECOND),
        Length::Months(months) => step_months(as_of, months, zone),
    })
}

/// The start of the unit that holds an instant: of days and longer by the zone's calendar, of hours and shorter by the wall
/// clock with its offset at that instant.
pub fn align(as_of: i64, unit: Unit, zone: &Zone) -> i64 {
    clamp_instant(unit_start(as_of, unit, 0, zone))
}

fn start(micros: i64) -> Option<i64> {
    (micros >= INSTANT_MIN).then_some(micros.min(INSTANT_MAX))
}

fn back(as_of: i64, d: Duration, zone: &Zone) -> i64 {
    match d.length() {
        Length::Seconds(seconds) => as_of.saturating_sub(seconds * SECOND),
        Length::Months(months) => step_months(as_of, -months, zone),
    }
}

/// Before year 1 it is `i64::MIN`, or somewhere before it.
fn step_months(as_of: i64, months: i64, zone: &Zone) -> i64 {
    if months == 0 {
        // Through the wall clock, the second of two equal times would come out as the first.
        return as_of;
    }
    match add_months(as_of.saturating_add(zone.offset_at(as_of)), months) {
        beyond @ (i64::MIN | i64::MAX) => beyond,
        local => zone.unclamped_instant_of_local(local),
    }
}

/// The start of the unit that is `earlier` units before the one that holds `as_of`; before year 1 as `step_months`.
fn unit_start(as_of: i64, unit: Unit, earlier: i64, zone: &Zone) -> i64 {
    let offset = zone.offset_at(as_of);
    let local = as_of.saturating_add(offset);
    let today = local.div_euclid(DAY);
    let day = match unit.length() {
        Length::Seconds(seconds) if seconds < 86_400 => {
            let aligned = local - local.rem_euclid(seconds * SECOND) - offset;
            return aligned.saturating_sub(earlier * seconds * SECOND);
        }
        Length::Seconds(86_400) => today - earlier,
        Length::Seconds(_) => monday_of(today) - 7 * earlier,
        Length::Months(months) => {
            let month = month_of_days(today);
            let first = month - month.rem_euclid(months);
            first_day_of_month(first - months * earlier)
        }
    };
    match day.checked_mul(DAY) {
        Some(local) => zone.unclamped_instant_of_local(local),
        None => i64::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::super::format_instant;
    use super::*;
    use proptest::prelude::*;

    fn d(n: u32, unit: Unit) -> Duration {
        Duration { n, unit }
    }

    fn last(n: u32, unit: Unit, aligned: bool) -> Window {
        Window::Last { d: d(n, unit), aligned }
    }

    fn ago(from: Duration, to: Duration, aligned: bool) -> Window {
        Window::Ago { from, to, aligned }
    }

    fn between(from: Option<&str>, to: Option<&str>) -> Window {
        Window::Between { from: from.map(str::to_owned), to: to.map(str::to_owned) }
    }

    /// `start..end`, without the start where there is none.
    fn resolved(window: &Window, as_of: &str, zone: &str) -> Result<String, WindowFault> {
        let zone = Zone::parse(zone).unwrap();
        let interval = resolve_window(window, parse_instant(as_of, &zone).unwrap(), &zone)?;
        Ok(format!("{}..{}", interval.start.map(format_instant).unwrap_or_default(), format_instant(interval.end)))
    }

    fn check(window: Window, as_of: &str, zone: &str, expected: &str) {
        assert_eq!(resolved(&window, as_of, zone).as_deref(), Ok(expected), "{window:?} {zone}");
    }

    fn refused(window: Window, fault: WindowFault) {
        assert_eq!(resolved(&window, "2024-05-15T12:00:00Z", "UTC"), Err(fault), "{window:?}");
    }

    #[test]
    fn words() {
        for unit in Unit::ALL {
            assert_eq!(Unit::parse(&unit.to_string()), Some(unit));
        }
        assert_eq!(Unit::parse("days"), None);
        assert_eq!(Unit::parse("Day"), None);
        assert_eq!(d(1, Unit::Day).to_string(), "1 day");
        assert_eq!(d(30, Unit::Day).to_string(), "30 days");
    }

    #[test]
    fn rolling() {
        let at = "2024-03-31T12:00:00Z";
        check(Window::All, at, "UTC", "..2024-03-31T12:00:00Z");
        check(last(1, Unit::Day, false), at, "Europe/London", "2024-03-30T12:00:00Z..2024-03-31T12:00:00Z");
        check(last(1, Unit::Week, false), at, "UTC", "2024-03-24T12:00:00Z..2024-03-31T12:00:00Z");
        check(last(1, Unit::Month, false), at, "UTC", "2024-02-29T12:00:00Z..2024-03-31T12:00:00Z");
        // 13:00 in London, where it was an hour earlier in UTC in winter.
        check(last(1, Unit::Month, false), at, "Europe/London", "2024-02-29T13:00:00Z..2024-03-31T12:00:00Z");
        check(last(1, Unit::Year, false), "2024-02-29T00:00:00Z", "UTC", "2023-02-28T00:00:00Z..2024-02-29T00:00:00Z");
        check(Window::Next(d(1, Unit::Month)), "2024-01-31T00:00:00Z", "UTC", "2024-01-31T00:00:00Z..2024-02-29T00:00:00Z");
        check(Window::Next(d(90, Unit::Minute)), at, "UTC", "2024-03-31T12:00:00Z..2024-03-31T13:30:00Z");
    }

    #[test]
    fn a_month_back_into_a_gap_or_a_fold() {
        check(last(1, Unit::Month, false), "2024-04-30T01:30:00+01:00", "Europe/London", "2024-03-30T01:30:00Z..2024-04-30T00:30:00Z");
        check(last(1, Unit::Month, false), "2019-05-30T01:30:00+01:00", "Europe/London", "2019-04-30T00:30:00Z..2019-05-30T00:30:00Z");
        check(last(7, Unit::Month, false), "2024-10-31T01:30:00Z", "Europe/London", "2024-03-31T01:30:00Z..2024-10-31T01:30:00Z");
        check(last(1, Unit::Month, false), "2024-11-27T01:30:00Z", "Europe/London", "2024-10-27T00:30:00Z..2024-11-27T01:30:00Z");
    }

    #[test]
    fn aligned_last() {
        let at = "2024-05-15T12:34:56.789Z";
        let end = "..2024-05-15T12:34:56.789Z";
        for (n, unit, zone, start) in [
            (1, Unit::Day, "UTC", "2024-05-15T00:00:00Z"),
            (7, Unit::Day, "UTC", "2024-05-09T00:00:00Z"),
            (1, Unit::Day, "Asia/Kathmandu", "2024-05-14T18:15:00Z"),
            (1, Unit::Hour, "Asia/Kathmandu", "2024-05-15T12:15:00Z"),
            (2, Unit::Hour, "Asia/Kathmandu", "2024-05-15T11:15:00Z"),
            (1, Unit::Minute, "UTC", "2024-05-15T12:34:00Z"),
            (1, Unit::Second, "UTC", "2024-05-15T12:34:56Z"),
            (57, Unit::Second, "UTC", "2024-05-15T12:34:00Z"),
            (1, Unit::Week, "UTC", "2024-05-13T00:00:00Z"),
            (2, Unit::Week, "Asia/Tokyo", "2024-05-05T15:00:00Z"),
            (1, Unit::Month, "Europe/London", "2024-04-30T23:00:00Z"),
            (3, Unit::Month, "Europe/London", "2024-03-01T00:00:00Z"),
            (1, Unit::Year, "America/New_York", "2024-01-01T05:00:00Z"),
            (2, Unit::Year, "UTC", "2023-01-01T00:00:00Z"),
        ] {
            check(last(n, unit, true), at, zone, &format!("{start}{end}"));
        }
    }

    #[test]
    fn aligned_days_on_which_clocks_change() {
        check(last(1, Unit::Day, true), "2024-03-31T22:59:59Z", "Europe/London", "2024-03-31T00:00:00Z..2024-03-31T22:59:59Z");
        check(last(1, Unit::Day, true), "2024-10-27T23:59:59Z", "Europe/London", "2024-10-26T23:00:00Z..2024-10-27T23:59:59Z");
        // In São Paulo this Sunday started at one o'clock, and that Saturday had its last hour twice.
        check(last(1, Unit::Day, true), "2018-11-04T12:00:00Z", "America/Sao_Paulo", "2018-11-04T03:00:00Z..2018-11-04T12:00:00Z");
        check(last(1, Unit::Day, true), "2018-02-18T02:30:00Z", "America/Sao_Paulo", "2018-02-17T02:00:00Z..2018-02-18T02:30:00Z");
        // 02:45 on Lord Howe, where two o'clock had come half an hour before by the offset then.
        check(last(1, Unit::Hour, true), "2024-10-05T15:45:00Z", "Australia/Lord_Howe", "2024-10-05T15:00:00Z..2024-10-05T15:45:00Z");
        check(last(1, Unit::Day, true), "2024-10-05T15:45:00Z", "Australia/Lord_Howe", "2024-10-05T13:30:00Z..2024-10-05T15:45:00Z");
        // Apia had no 30th: it starts, and ends, when the 31st does.
        let apia = "Pacific/Apia";
        check(last(2, Unit::Day, true), "2011-12-31T12:00:00+14:00", apia, "2011-12-30T10:00:00Z..2011-12-30T22:00:00Z");
        check(last(3, Unit::Day, true), "2011-12-31T12:00:00+14:00", apia, "2011-12-29T10:00:00Z..2011-12-30T22:00:00Z");
        let yesterday = ago(d(1, Unit::Day), d(1, Unit::Day), true);
        check(yesterday, "2011-12-31T12:00:00+14:00", apia, "2011-12-30T10:00:00Z..2011-12-30T10:00:00Z");
    }

    #[test]
    fn ago_windows() {
        let at = "2024-05-15T12:00:00Z";
        let day = |n| d(n, Unit::Day);
        check(ago(day(3), day(1), false), at, "UTC", "2024-05-12T12:00:00Z..2024-05-14T12:00:00Z");
        check(ago(day(3), day(0), false), at, "UTC", "2024-05-12T12:00:00Z..2024-05-15T12:00:00Z");
        check(ago(d(1, Unit::Month), day(1), false), at, "UTC", "2024-04-15T12:00:00Z..2024-05-14T12:00:00Z");
        // That month was only 29 days long: empty at this instant, and so not refused.
        check(ago(d(1, Unit::Month), day(30), false), "2024-03-15T00:00:00Z", "UTC", "2024-02-15T00:00:00Z..2024-02-14T00:00:00Z");
        check(ago(day(1), day(1), true), at, "UTC", "2024-05-14T00:00:00Z..2024-05-15T00:00:00Z");
        check(ago(day(7), day(1), true), at, "Asia/Tokyo", "2024-05-07T15:00:00Z..2024-05-14T15:00:00Z");
        check(ago(day(1), day(0), true), at, "UTC", "2024-05-14T00:00:00Z..2024-05-15T12:00:00Z");
        check(ago(d(1, Unit::Month), d(1, Unit::Month), true), at, "UTC", "2024-04-01T00:00:00Z..2024-05-01T00:00:00Z");
        check(ago(d(2, Unit::Week), d(1, Unit::Week), true), at, "UTC", "2024-04-29T00:00:00Z..2024-05-13T00:00:00Z");
        check(ago(d(1, Unit::Hour), d(1, Unit::Hour), true), at, "UTC", "2024-05-15T11:00:00Z..2024-05-15T12:00:00Z");
        check(ago(day(1), day(1), true), "2024-03-31T23:30:00Z", "Europe/London", "2024-03-31T00:00:00Z..2024-03-31T23:00:00Z");
        refused(ago(day(1), day(1), false), WindowFault::Empty);
        refused(ago(day(1), day(2), false), WindowFault::Empty);
        refused(ago(d(1, Unit::Month), day(31), false), WindowFault::Empty);
        refused(ago(day(1), day(2), true), WindowFault::Empty);
        refused(ago(day(7), d(1, Unit::Week), true), WindowFault::MixedUnits);
        refused(ago(d(1, Unit::Month), day(0), true), WindowFault::MixedUnits);
    }

    #[test]
    fn between_windows() {
        let at = "2024-05-15T12:00:00Z";
        check(between(Some("2024-01-01"), Some("2024-02-01")), at, "Asia/Tokyo", "2023-12-31T15:00:00Z..2024-01-31T15:00:00Z");
        check(between(Some("2024-01-01T00:00:00Z"), None), at, "UTC", "2024-01-01T00:00:00Z..2024-05-15T12:00:00Z");
        check(between(None, Some("2024-06-01")), at, "UTC", "..2024-05-15T12:00:00Z");
        check(between(Some("2025-01-01"), Some("2026-01-01")), at, "UTC", "2025-01-01T00:00:00Z..2024-05-15T12:00:00Z");
        refused(between(None, None), WindowFault::Empty);
        refused(between(Some("2024-01-01"), Some("2024-01-01")), WindowFault::Empty);
        refused(between(Some("2024-01-01T00:00:00Z"), Some("2024-01-01T01:00:00+01:00")), WindowFault::Empty);
        refused(between(Some("yesterday"), None), WindowFault::BadTimes { from: true, to: false });
        refused(between(Some("yesterday"), Some("today")), WindowFault::BadTimes { from: true, to: true });
        refused(between(Some("2024-01-01"), Some("2024-02-30")), WindowFault::BadTimes { from: false, to: true });
    }

    #[test]
    fn before_year_1_there_is_no_start() {
        for unit in [Unit::Year, Unit::Month] {
            for zone in ["UTC", "Europe/London"] {
                check(last(1_000_000, unit, false), "2024-05-15T12:00:00Z", zone, "..2024-05-15T12:00:00Z");
                check(last(1_000_000, unit, true), "2024-05-15T12:00:00Z", zone, "..2024-05-15T12:00:00Z");
            }
        }
        let long = ago(d(1_000_000, Unit::Year), d(999_999, Unit::Year), false);
        check(long, "2024-05-15T12:00:00Z", "UTC", "..0001-01-01T00:00:00Z");
        let long = ago(d(1_000_000, Unit::Year), d(999_999, Unit::Year), true);
        check(long, "2024-05-15T12:00:00Z", "UTC", "..0001-01-01T00:00:00Z");
        check(last(2023, Unit::Year, false), "2024-05-15T12:00:00Z", "UTC", "0001-05-15T12:00:00Z..2024-05-15T12:00:00Z");
        check(last(2024, Unit::Year, false), "2024-05-15T12:00:00Z", "UTC", "..2024-05-15T12:00:00Z");
        check(last(2024, Unit::Year, true), "2024-05-15T12:00:00Z", "UTC", "0001-01-01T00:00:00Z..2024-05-15T12:00:00Z");
        check(Window::Next(d(1_000_000, Unit::Year)), "2024-05-15T12:00:00Z", "UTC", "2024-05-15T12:00:00Z..9999-12-31T23:59:59.999999Z");
        check(Window::Next(d(1_000_000, Unit::Week)), "2024-05-15T12:00:00Z", "UTC", "2024-05-15T12:00:00Z..9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn aligning() {
        let zone = Zone::parse("Europe/London").unwrap();
        let at = |text: &str| parse_instant(text, &zone).unwrap();
        assert_eq!(align(at("2024-07-03T10:20:30"), Unit::Year, &zone), at("2024-01-01"));
        assert_eq!(align(at("2024-07-07T10:20:30"), Unit::Week, &zone), at("2024-07-01"));
        assert_eq!(align(at("2024-07-07"), Unit::Day, &zone), at("2024-07-07"));
        assert_eq!(step_forward(at("2024-03-30T01:30:00"), d(1, Unit::Month), &zone), at("2024-04-30T01:30:00"));
        // The second 01:30 of the night stays itself over no step at all.
        let second = at("2024-10-27T01:30:00Z");
        assert_eq!(step_back(second, d(0, Unit::Month), &zone), second);
    }

    proptest! {
        #[test]
        fn intervals_are_in_bounds(
            as_of in INSTANT_MIN..=INSTANT_MAX,
            n in prop_oneof![1..50u32, 1..=1_000_000u32],
            m in 0..50u32,
            unit in prop::sample::select(Unit::ALL.to_vec()),
            aligned in any::<bool>(),
            zone in prop::sample::select(vec!["UTC", "Europe/London", "America/St_Johns", "Pacific/Apia", "Asia/Tokyo"]),
        ) {
            let zone = Zone::parse(zone).unwrap();
            for window in [last(n, unit, aligned), ago(d(n, unit), d(m, unit), aligned), Window::Next(d(n, unit))] {
                if let Ok(interval) = resolve_window(&window, as_of, &zone) {
                    prop_assert!((INSTANT_MIN..=INSTANT_MAX).contains(&interval.end));
                    prop_assert!(interval.end <= as_of || matches!(window, Window::Next(_)));
                    prop_assert!(interval.start.is_none_or(|s| (INSTANT_MIN..=INSTANT_MAX).contains(&s)));
                } else {
                    prop_assert!(m > n || m == n && !aligned);
                }
            }
            prop_assert!(step_back(as_of, d(n, unit), &zone) <= as_of);
            prop_assert!(step_forward(as_of, d(n, unit), &zone) >= as_of);
        }
    }
}
