//! Time zones, from the bundled database.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use super::calendar::civil_of_days;
use super::{DATE_MAX, DATE_MIN, DAY, INSTANT_MAX, INSTANT_MIN, SECOND, clamp_instant};

/// Ranges of one offset that a cache keeps; a zone has a few hundred in all the years that data has.
const RANGES_MAX: usize = 4_096;

/// 2100-01-01: by then every rule for the clocks has come up that the database foresees; after, they repeat.
const FOLDS_UNTIL_S: i64 = 4_102_444_800;

/// A time zone. Cheap to clone.
#[derive(Clone)]
pub struct Zone {
    name: Arc<str>,
    zone: TimeZone,
    /// The offset in microseconds, of a zone that has a single one.
    fixed: Option<i64>,
}

impl Zone {
    /// The zone of that IANA name, in whatever case.
    ///
    /// # Errors
    ///
    /// A message for people: there is no such zone.
    pub fn parse(name: &str) -> Result<Zone, String> {
        static BUNDLED: OnceLock<TimeZoneDatabase> = OnceLock::new();
        let zone = BUNDLED.get_or_init(TimeZoneDatabase::bundled).get(name).map_err(|_| {
            format!("there is no time zone {name:?}; a zone is named as in the IANA database, such as Europe/London or UTC")
        })?;
        let name = Arc::from(zone.iana_name().unwrap_or(name));
        let single = zone.following(Timestamp::MIN).next().is_none();
        let fixed = single.then(|| offset_micros(&zone, 0));
        Ok(Zone { name, zone, fixed })
    }

    /// UTC.
    pub fn utc() -> Zone {
        Zone { name: Arc::from("UTC"), zone: TimeZone::UTC, fixed: Some(0) }
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the wall clock is ahead of UTC at an instant, in microseconds.
    pub fn offset_at(&self, micros: i64) -> i64 {
        match self.fixed {
            Some(offset) => offset,
            None => offset_micros(&self.zone, micros),
        }
    }

    /// The instant at which the wall clock shows so many local microseconds. A time that does not exist moves forward by the
    /// gap; of one that comes twice it is the first.
    pub fn instant_of_local(&self, local: i64) -> i64 {
        clamp_instant(self.unclamped_instant_of_local(local))
    }

    /// The same, beyond the years 1 to 9999 too.
    pub(super) fn unclamped_instant_of_local(&self, local: i64) -> i64 {
        let offset = match self.fixed {
            Some(offset) => offset,
            None => match civil(local) {
                Some(time) => match self.zone.to_ambiguous_timestamp(time).offset() {
                    AmbiguousOffset::Unambiguous { offset } => i64::from(offset.seconds()) * SECOND,
                    // By the offset before a gap, a time inside it comes out later by just the gap.
                    AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => i64::from(before.seconds()) * SECOND,
                },
                None => self.offset_at(local),
            },
        };
        local.saturating_sub(offset)
    }

    /// The instant at which a day starts.
    pub fn midnight(&self, date_days: i32) -> i64 {
        self.instant_of_local(i64::from(date_days).saturating_mul(DAY))
    }

    /// The day that the wall clock shows at an instant. For many instants `LocalDays` is faster.
    pub fn local_day(&self, micros: i64) -> i32 {
        day_of(micros, self.offset_at(micros))
    }

    /// The first day whose midnight is not before the instant; one past `DATE_MAX` where there is none.
    pub fn first_midnight_from(&self, micros: i64) -> i32 {
        // Where clocks go back over midnight, or a day is left out, the day shown at the instant is a guess and no more.
        let mut day = self.local_day(micros).clamp(DATE_MIN, DATE_MAX);
        while day <= DATE_MAX && self.midnight(day) < micros {
            day += 1;
        }
        while day > DATE_MIN && self.midnight(day - 1) >= micros {
            day -= 1;
        }
        day
    }

    /// By how many seconds clocks went back, or will, where a midnight came twice; each length once, the shortest first.
    pub fn folded_midnights(&self) -> BTreeSet<i64> {
        const DAY_S: i64 = DAY / SECOND;
        self.folds_that_hold(|from, until| (from + DAY_S - 1).div_euclid(DAY_S) * DAY_S < until)
    }

    /// The same of every time that came twice.
    pub fn folds(&self) -> BTreeSet<i64> {
        self.folds_that_hold(|from, until| from < until)
    }

    /// Lengths of the folds of which the wall clock shows `[from, until)` twice, in seconds, where that holds.
    fn folds_that_hold(&self, holds: impl Fn(i64, i64) -> bool) -> BTreeSet<i64> {
        let mut before = i64::from(self.zone.to_offset(Timestamp::MIN).seconds());
        let mut lengths = BTreeSet::new();
        for change in self.zone.following(Timestamp::MIN).take_while(|t| t.timestamp().as_second() < FOLDS_UNTIL_S) {
            let (at, after) = (change.timestamp().as_second(), i64::from(change.offset().seconds()));
            if holds(at + after, at + before) {
                lengths.insert(before - after);
            }
            before = after;
        }
        lengths
    }

    /// The instants around this one that have the same offset, `[start, end)`, and the offset.
    fn range_at(&self, micros: i64) -> Range {
        let at = timestamp(micros);
        // The transition that the instant itself is belongs to the range.
        let after = timestamp(micros.saturating_add(1));
        Range {
            start: self.zone.preceding(after).next().map_or(i64::MIN, |t| t.timestamp().as_microsecond()),
            end: self.zone.following(at).next().map_or(i64::MAX, |t| t.timestamp().as_microsecond()),
            offset: self.offset_at(micros),
        }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name).finish()
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn timestamp(micros: i64) -> Timestamp {
    // jiff's instants end a day or so before year 9999 does; the offset does not change there.
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(nearest)
}

fn offset_micros(zone: &TimeZone, micros: i64) -> i64 {
    i64::from(zone.to_offset(timestamp(micros)).seconds()) * SECOND
}

fn civil(local: i64) -> Option<DateTime> {
    let (year, month, day) = civil_of_days(local.div_euclid(DAY));
    let seconds = local.rem_euclid(DAY) / SECOND;
    // Zones change at whole seconds.
    DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(seconds / 3_600).ok()?,
        i8::try_from(seconds / 60 % 60).ok()?,
        i8::try_from(seconds % 60).ok()?,
        0,
    )
    .ok()
}

fn day_of(micros: i64, offset: i64) -> i32 {
    // Any i64 of microseconds is within 300,000 years, whose days an i32 holds.
    micros.saturating_add(offset).div_euclid(DAY) as i32
}

#[derive(Debug, Clone, Copy)]
struct Range {
    start: i64,
    end: i64,
    offset: i64,
}

/// A zone's offsets for many instants, remembered by the ranges in which they hold.
#[derive(Debug, Clone)]
pub(super) struct Offsets {
    zone: Zone,
    current: Range,
    /// Sorted by start; they never overlap.
    known: Vec<Range>,
}

impl Offsets {
    pub(super) fn new(zone: &Zone) -> Self {
        let current = match zone.fixed {
            Some(offset) => Range { start: i64::MIN, end: i64::MAX, offset },
            None => zone.range_at(0),
        };
        Self { zone: zone.clone(), current, known: vec![current] }
    }

    pub(super) fn at(&mut self, micros: i64) -> i64 {
        if !(self.current.start <= micros && micros < self.current.end) {
            self.find(micros);
        }
        self.current.offset
    }

    #[cold]
    fn find(&mut self, micros: i64) {
        let after = self.known.partition_point(|range| range.start <= micros);
        if let Some(range) = after.checked_sub(1).and_then(|i| self.known.get(i)).filter(|range| micros < range.end) {
            self.current = *range;
            return;
        }
        self.current = self.zone.range_at(micros);
        if self.known.len() == RANGES_MAX {
            self.known.clear();
        }
        let place = self.known.partition_point(|range| range.start <= self.current.start);
        self.known.insert(place, self.current);
    }
}

/// The local days of many instants: a few comparisons each, once a zone's offsets are known.
#[derive(Debug, Clone)]
pub struct LocalDays(Offsets);

impl LocalDays {
    /// For a zone.
    pub fn new(zone: &Zone) -> Self {
        Self(Offsets::new(zone))
    }

    /// The day that the wall clock shows at an instant.
    pub fn day(&mut self, micros: i64) -> i32 {
        let micros = micros.clamp(INSTANT_MIN, INSTANT_MAX);
        day_of(micros, self.0.at(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{format_instant, parse_date, parse_instant};
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::parse(name).unwrap()
    }

    #[test]
    fn names() {
        assert_eq!(zone("europe/london").name(), "Europe/London");
        assert_eq!(zone("UTC"), Zone::utc());
        assert_ne!(zone("Europe/London"), Zone::utc());
        assert_eq!(format!("{:?} {}", zone("Asia/Tokyo"), zone("UTC")), "Zone(\"Asia/Tokyo\") UTC");
        for name in ["", "Mars/Olympus", "+09:00", "../../etc/passwd", "Europe"] {
            assert!(Zone::parse(name).unwrap_err().contains("no time zone"), "{name}");
        }
    }

    #[test]
    fn single_offsets() {
        assert_eq!(zone("UTC").fixed, Some(0));
        assert_eq!(zone("Etc/UTC").fixed, Some(0));
        assert_eq!(zone("Etc/GMT+5").fixed, Some(-5 * 3_600 * SECOND));
        assert_eq!(zone("Asia/Tokyo").fixed, None);
    }

    fn check(name: &str, local: &str, instant: &str) {
        let zone = zone(name);
        let micros = parse_instant(local, &zone).unwrap();
        assert_eq!(format_instant(micros), instant, "{local} in {name}");
    }

    #[test]
    fn gaps_move_forward_and_folds_are_the_first() {
        check("Europe/London", "2024-03-31T01:30:00", "2024-03-31T01:30:00Z");
        check("Europe/London", "2024-10-27T01:30:00", "2024-10-27T00:30:00Z");
        check("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z");
        check("America/Sao_Paulo", "2018-02-18T00:00:00", "2018-02-18T03:00:00Z");
        check("America/Sao_Paulo", "2018-02-17T23:30:00", "2018-02-18T01:30:00Z");
        check("Asia/Kathmandu", "2024-01-01", "2023-12-31T18:15:00Z");
        check("Australia/Lord_Howe", "2024-10-06T02:15:00", "2024-10-05T15:45:00Z");
        check("Australia/Lord_Howe", "2024-04-07T01:45:00", "2024-04-06T14:45:00Z");
        check("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z");
        check("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z");
        check("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z");
        check("Asia/Kathmandu", "9999-12-31T23:59:59.999999", "9999-12-31T18:14:59.999999Z");
        check("America/New_York", "9999-12-31T23:59:59", "9999-12-31T23:59:59.999999Z");
        check("Asia/Tokyo", "0001-01-01", "0001-01-01T00:00:00Z");
    }

    #[test]
    fn days_agree_with_single_lookups() {
        for name in ["UTC", "Europe/London", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"] {
            let zone = zone(name);
            let mut days = LocalDays::new(&zone);
            // Steps of a little over 7 hours, so that every hour of the day comes up; then at random over the years.
            let mut micros = -3_000_000_000 * SECOND;
            while micros < 5_000_000_000 * SECOND {
                assert_eq!(days.day(micros), zone.local_day(micros), "{name} {micros}");
                micros += 25_201 * SECOND * 7;
            }
            let mut seed = 1u64;
            for _ in 0..20_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let micros = (seed >> 2) as i64 % INSTANT_MAX;
                assert_eq!(days.day(micros), zone.local_day(micros), "{name} {micros}");
            }
            for micros in [INSTANT_MIN, INSTANT_MAX] {
                assert_eq!(days.day(micros), zone.local_day(micros));
            }
        }
    }

    #[test]
    fn days_at_transitions() {
        let zone = zone("Pacific/Apia");
        let mut days = LocalDays::new(&zone);
        let last = parse_instant("2011-12-30T09:59:59Z", &zone).unwrap();
        assert_eq!(days.day(last), parse_date("2011-12-29").unwrap());
        assert_eq!(days.day(last + SECOND - 1), parse_date("2011-12-29").unwrap());
        assert_eq!(days.day(last + SECOND), parse_date("2011-12-31").unwrap());
    }

    /// The instants at which clocks changed from 1970 to 2037, of every zone, zones that are the same once.
    fn changes() -> Vec<(Zone, Vec<i64>)> {
        const END: i64 = 2_145_916_800 * SECOND;
        let mut seen = std::collections::HashSet::new();
        let mut out = Vec::new();
        for name in TimeZoneDatabase::bundled().available() {
            let zone = zone(name.as_str());
            let changes: Vec<(i64, i64)> = zone
                .zone
                .following(timestamp(0))
                .map(|t| (t.timestamp().as_microsecond(), i64::from(t.offset().seconds())))
                .take_while(|(at, _)| *at < END)
                .collect();
            if seen.insert((zone.offset_at(0), changes.clone())) {
                out.push((zone, changes.into_iter().map(|(at, _)| at).collect()));
            }
        }
        assert!(out.len() > 200, "{} zones", out.len());
        out
    }

    #[test]
    fn first_midnights_in_every_zone_around_every_change() {
        for (zone, changes) in changes() {
            for change in changes {
                let day = zone.local_day(change);
                let days: Vec<(i32, i64)> = (day - 4..=day + 4).map(|d| (d, zone.midnight(d))).collect();
                assert!(days.windows(2).all(|d| d[0].1 <= d[1].1), "{zone} {day}");
                let midnights = days[3..6].iter().flat_map(|(_, at)| [at - 1, *at, at + 1]);
                for at in [change - 1, change, change + 1].into_iter().chain(midnights) {
                    let first = days.iter().find(|(_, midnight)| *midnight >= at).map(|(d, _)| *d);
                    assert_eq!(Some(zone.first_midnight_from(at)), first, "{zone} {}", format_instant(at));
                }
            }
        }
    }

    #[test]
    fn first_midnights() {
        for (name, at, day) in [
            ("UTC", "2024-05-15T00:00:00Z", "2024-05-15"),
            ("UTC", "2024-05-15T00:00:00.000001Z", "2024-05-16"),
            // The clocks went back from 00:01 to 23:01, and this is the second 00:15.
            ("America/St_Johns", "1987-10-25T02:45:00Z", "1987-10-26"),
            ("America/St_Johns", "1987-10-25T02:30:00Z", "1987-10-25"),
            // The 30th, which was left out, starts when the 31st does.
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30"),
            ("Pacific/Apia", "2011-12-30T10:00:00.000001Z", "2012-01-01"),
            ("Asia/Tokyo", "0001-01-01T00:00:00Z", "0001-01-01"),
        ] {
            let zone = zone(name);
            let at = parse_instant(at, &zone).unwrap();
            assert_eq!(zone.first_midnight_from(at), parse_date(day).unwrap(), "{name} {at}");
        }
        assert_eq!(zone("UTC").first_midnight_from(INSTANT_MAX), DATE_MAX + 1);
        assert_eq!(zone("America/New_York").first_midnight_from(INSTANT_MAX), DATE_MAX + 1);
    }

    #[test]
    fn folded_midnights() {
        assert!(zone("UTC").folded_midnights().is_empty());
        for (name, length) in [("Asia/Tokyo", 3_600), ("America/Havana", 3_600), ("America/St_Johns", 3_600), ("America/St_Johns", 7_200)] {
            assert!(zone(name).folded_midnights().contains(&length), "{name} {length}");
        }
    }

    #[test]
    fn folded_midnights_in_every_zone_are_so_long() {
        let mut folded = 0;
        for (zone, changes) in changes() {
            let lengths = zone.folded_midnights();
            for change in changes {
                let day = zone.local_day(change);
                for local in [i64::from(day) * DAY, i64::from(day + 1) * DAY] {
                    let first = zone.instant_of_local(local);
                    // The second, if there is one, is by the offset after the change.
                    let second = local - zone.offset_at(change);
                    if second > first && second + zone.offset_at(second) == local && first + zone.offset_at(first) == local {
                        folded += 1;
                        assert!(lengths.contains(&((second - first) / SECOND)), "{zone} {}", format_instant(first));
                    }
                }
            }
        }
        assert!(folded > 100, "{folded}");
    }

    #[test]
    fn extremes_do_not_panic() {
        let zone = zone("Europe/London");
        for micros in [i64::MIN, i64::MAX, 0] {
            zone.local_day(micros);
            LocalDays::new(&zone).day(micros);
            assert!((INSTANT_MIN..=INSTANT_MAX).contains(&zone.instant_of_local(micros)));
        }
        assert_eq!(zone.midnight(i32::MAX), INSTANT_MAX);
        assert_eq!(zone.midnight(i32::MIN), INSTANT_MIN);
    }
}
