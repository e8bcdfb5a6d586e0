//! Whether `[as_of − D1, as_of − D2)` is empty at every instant.
//!
//! Two exact lengths compare by seconds, two calendar steps by months. An exact length and a number of months compare by
//! the longest and the shortest that such months are in the calendar, and, where the two are within a clock change of
//! each other, by what the zone's clocks really did and will do: in London 1 month is now and then an hour more than 31
//! days, in UTC never. Instants before 1970 do not count there, nor what the zone database does not foresee.

use super::calendar::{add_months, first_day_of_month};
use super::window::Length;
use super::zone::Offsets;
use super::{DAY, Duration, SECOND, Unit, Zone, step_back};

/// The largest change of any zone's clock, in seconds: a day is skipped or repeated, and a little more.
const CLOCK_CHANGE_MAX_S: i64 = 26 * 3_600;
/// Months after which the calendar repeats.
const CYCLE_MONTHS: i64 = 4_800;
/// Days in as many months.
const CYCLE_DAYS: i64 = 146_097;
/// Days looked at, from 1970-01-01: 70 years have every leap day and week day that a rule for the clocks could name.
const DAYS_LOOKED_AT: i64 = 70 * 366;

/// Whether going back `from` never comes before going back `to`.
pub(super) fn is_never_longer(from: Length, to: Length, zone: &Zone) -> bool {
    match (from, to) {
        (_, Length::Seconds(0) | Length::Months(0)) => false,
        (Length::Seconds(from), Length::Seconds(to)) => from <= to,
        (Length::Months(from), Length::Months(to)) => from <= to,
        // A month has 30.4 days on average: so many of them are at times above 30 days each, and at times below 31.
        (Length::Months(months), Length::Seconds(seconds)) if seconds < months * 30 * 86_400 => false,
        (Length::Seconds(seconds), Length::Months(months)) if seconds > months * 31 * 86_400 => false,
        (Length::Months(months), Length::Seconds(seconds)) => {
            let (_, longest) = days_of_months(months);
            let over = seconds - longest * 86_400;
            over >= 0 && (over >= CLOCK_CHANGE_MAX_S || !happens(months, zone, |elapsed| elapsed > seconds * SECOND))
        }
        (Length::Seconds(seconds), Length::Months(months)) => {
            let (shortest, _) = days_of_months(months);
            let under = shortest * 86_400 - seconds;
            under >= 0 && (under >= CLOCK_CHANGE_MAX_S || !happens(months, zone, |elapsed| elapsed < seconds * SECOND))
        }
    }
}

/// The fewest and the most days between a day and the one so many months before it.
fn days_of_months(months: i64) -> (i64, i64) {
    let (cycles, months) = (months / CYCLE_MONTHS, months % CYCLE_MONTHS);
    let mut shortest = i64::MAX;
    let mut longest = 0;
    for first in 0..CYCLE_MONTHS {
        let length = |month: i64| first_day_of_month(month + 1) - first_day_of_month(month);
        let days = first_day_of_month(first + months) - first_day_of_month(first);
        shortest = shortest.min(days);
        // A day that the earlier month lacks clamps to its last one, further back.
        longest = longest.max(days + (length(first + months) - length(first)).max(0));
    }
    (cycles * CYCLE_DAYS + shortest, cycles * CYCLE_DAYS + longest)
}

/// Whether at some instant of the days looked at the months before it, in microseconds, are as asked.
fn happens(months: i64, zone: &Zone, asked: impl Fn(i64) -> bool) -> bool {
    let Ok(n) = u32::try_from(months) else { return false };
    let mut here = Offsets::new(zone);
    let mut there = here.clone();
    (0..DAYS_LOOKED_AT).any(|day| {
        let at = day * DAY + DAY / 2;
        let offset = here.at(at);
        let local = add_months(at + offset, -months);
        if local == i64::MIN {
            return false;
        }
        // Good but for hours around a clock change; what it finds is then looked at exactly.
        let guess = at - (local - there.at(local - offset));
        asked(guess) && asked(at - step_back(at, Duration { n, unit: Unit::Month }, zone))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_in_months() {
        assert_eq!(days_of_months(1), (28, 31));
        assert_eq!(days_of_months(2), (59, 62));
        assert_eq!(days_of_months(3), (89, 92));
        assert_eq!(days_of_months(12), (365, 366));
        assert_eq!(days_of_months(48), (1_460, 1_461));
        assert_eq!(days_of_months(4_800), (146_097, 146_097));
        assert_eq!(days_of_months(12 * 1_000_000), (365_242_500, 365_242_500));
    }

    fn check(from: (u32, Unit), to: (u32, Unit), zone: &str, refused: bool) {
        let length = |(n, unit)| Duration { n, unit }.length();
        let zone = Zone::parse(zone).unwrap();
        assert_eq!(is_never_longer(length(from), length(to), &zone), refused, "{from:?} {to:?} {zone}");
    }

    #[test]
    fn lengths_of_one_kind() {
        use Unit::*;
        check((2, Day), (1, Day), "UTC", false);
        check((1, Day), (1, Day), "UTC", true);
        check((1, Day), (24, Hour), "Europe/London", true);
        check((25, Hour), (1, Day), "UTC", false);
        check((1, Week), (7, Day), "UTC", true);
        check((1, Year), (12, Month), "UTC", true);
        check((13, Month), (1, Year), "UTC", false);
        check((1, Second), (0, Year), "UTC", false);
        check((1, Month), (0, Day), "UTC", false);
        check((1_000_000, Year), (1_000_000, Week), "UTC", false);
        check((1_000_000, Week), (1_000_000, Year), "UTC", true);
    }

    #[test]
    fn months_against_days() {
        use Unit::*;
        check((1, Month), (31, Day), "UTC", true);
        check((1, Month), (31, Day), "Asia/Tokyo", true);
        check((1, Month), (32, Day), "UTC", true);
        check((1, Month), (30, Day), "UTC", false);
        check((1, Month), (31 * 24 - 1, Hour), "UTC", false);
        check((28, Day), (1, Month), "UTC", true);
        check((27, Day), (1, Month), "UTC", true);
        check((29, Day), (1, Month), "UTC", false);
        check((1, Year), (366, Day), "UTC", true);
        check((1, Year), (365, Day), "UTC", false);
        check((365, Day), (1, Year), "UTC", true);
        check((366, Day), (1, Year), "UTC", false);
    }

    #[test]
    fn clock_changes_count() {
        use Unit::*;
        check((1, Month), (31, Day), "Europe/London", false);
        check((1, Month), (31 * 24 + 1, Hour), "Europe/London", true);
        check((1, Month), (31 * 24 * 60 + 30, Minute), "Europe/London", false);
        check((1, Month), (31 * 24 * 60 + 59, Minute), "Europe/London", false);
        check((28, Day), (1, Month), "America/New_York", false);
        check((28 * 24 - 1, Hour), (1, Month), "America/New_York", true);
        check((28, Day), (1, Month), "Asia/Tokyo", true);
    }
}
