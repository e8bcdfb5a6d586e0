//! The proleptic Gregorian calendar, as plain arithmetic over days since 1970-01-01.

use super::DAY;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_FROM_MARCH_0: i64 = 719_468;
/// Days in 400 years.
const DAYS_400_YEARS: i64 = 146_097;

/// The day of a valid civil date. Years count from March inside, so that the leap day comes last.
pub(super) fn days_of_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * DAYS_400_YEARS + day_of_cycle - EPOCH_FROM_MARCH_0
}

/// Year, month and day of the month.
pub(super) fn civil_of_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + EPOCH_FROM_MARCH_0;
    let cycle = shifted.div_euclid(DAYS_400_YEARS);
    let day_of_cycle = shifted.rem_euclid(DAYS_400_YEARS);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    (year, month, day)
}

/// Days in a month.
pub(super) fn month_length(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Months since January of the year 0.
pub(super) fn month_of_days(days: i64) -> i64 {
    let (year, month, _) = civil_of_days(days);
    year * 12 + month - 1
}

/// The first day of a month counted so.
pub(super) fn first_day_of_month(months: i64) -> i64 {
    days_of_civil(months.div_euclid(12), months.rem_euclid(12) + 1, 1)
}

/// The same wall-clock time so many months later, on the month's last day at the latest. Before year 1 it is `i64::MIN`,
/// after 9999 `i64::MAX`.
pub(super) fn add_months(local: i64, months: i64) -> i64 {
    let days = local.div_euclid(DAY);
    let (_, _, day) = civil_of_days(days);
    let target = month_of_days(days) + months;
    let year = target.div_euclid(12);
    if year < 1 {
        return i64::MIN;
    }
    if year > 9999 {
        return i64::MAX;
    }
    let day = day.min(month_length(year, target.rem_euclid(12) + 1));
    (first_day_of_month(target) + day - 1) * DAY + local.rem_euclid(DAY)
}

/// The Monday on or before the day.
pub(super) fn monday_of(days: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    days - (days + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_calendar() {
        let mut days = days_of_civil(-1, 1, 1);
        for year in -1..=2_400 {
            for month in 1..=12 {
                for day in 1..=month_length(year, month) {
                    assert_eq!(days_of_civil(year, month, day), days);
                    assert_eq!(civil_of_days(days), (year, month, day));
                    days += 1;
                }
            }
        }
        assert_eq!(days_of_civil(1970, 1, 1), 0);
        assert_eq!(days_of_civil(9999, 12, 31), 2_932_896);
        assert_eq!(civil_of_days(2_932_896), (9999, 12, 31));
    }

    #[test]
    fn weeks_start_on_monday() {
        assert_eq!(monday_of(days_of_civil(2024, 3, 3)), days_of_civil(2024, 2, 26));
        assert_eq!(monday_of(days_of_civil(2024, 2, 26)), days_of_civil(2024, 2, 26));
        assert_eq!(monday_of(days_of_civil(1969, 12, 31)), days_of_civil(1969, 12, 29));
    }

    #[test]
    fn months_clamp() {
        let at = |y, m, d| days_of_civil(y, m, d) * DAY + 7;
        assert_eq!(add_months(at(2024, 3, 31), -1), at(2024, 2, 29));
        assert_eq!(add_months(at(2023, 3, 31), -1), at(2023, 2, 28));
        assert_eq!(add_months(at(2024, 2, 29), -12), at(2023, 2, 28));
        assert_eq!(add_months(at(2024, 2, 29), 48), at(2028, 2, 29));
        assert_eq!(add_months(at(2024, 1, 31), 13), at(2025, 2, 28));
        assert_eq!(add_months(at(1, 1, 1), -1), i64::MIN);
        assert_eq!(add_months(at(9999, 12, 1), 1), i64::MAX);
    }
}
