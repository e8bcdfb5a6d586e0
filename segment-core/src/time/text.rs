//! Reading and writing instants and days.
//!
//! An instant is RFC 3339 (`T`, `t` or a space; `Z`, `z` or `±HH:MM`), or the same without an offset, which is wall-clock
//! time in a zone, or a bare date, which is its midnight there. Seconds may be left out. Of a fraction, six digits count and
//! the rest is cut off. A leap second `:60` is the last microsecond of its minute. Years are 0001 to 9999.

use super::calendar::{civil_of_days, days_of_civil, month_length};
use super::{DAY, SECOND, Zone, clamp_instant};

/// Room for an instant's text.
const INSTANT_BYTES: usize = 32;

/// The instant that the text writes, in microseconds; without an offset it is in the zone.
pub fn parse_instant(text: &str, zone: &Zone) -> Option<i64> {
    let (local, offset) = parse_local(text.as_bytes())?;
    Some(match offset {
        Some(offset) => clamp_instant(local - offset),
        None => zone.instant_of_local(local),
    })
}

/// Whether `parse_instant` takes the text, in whatever zone.
pub fn is_instant(text: &str) -> bool {
    parse_local(text.as_bytes()).is_some()
}

/// The day that the text writes as YYYY-MM-DD.
pub fn parse_date(text: &str) -> Option<i32> {
    if text.len() != 10 {
        return None;
    }
    i32::try_from(day(text.as_bytes())?).ok()
}

/// RFC 3339 in UTC with `Z`; a fraction only where there is one.
pub fn format_instant(micros: i64) -> String {
    instant_text(micros, 'T', "Z")
}

/// The same with other characters between day and time, and for UTC.
pub(crate) fn instant_text(micros: i64, between: char, utc: &str) -> String {
    let mut out = String::with_capacity(INSTANT_BYTES);
    put_day(&mut out, micros.div_euclid(DAY));
    let of_day = micros.rem_euclid(DAY);
    let seconds = of_day / SECOND;
    for (before, n) in [(between, seconds / 3_600), (':', seconds / 60 % 60), (':', seconds % 60)] {
        out.push(before);
        put_digits(&mut out, n, 10);
    }
    let fraction = of_day % SECOND;
    if fraction > 0 {
        out.push('.');
        put_digits(&mut out, fraction, SECOND / 10);
        out.truncate(out.trim_end_matches('0').len());
    }
    out.push_str(utc);
    out
}

/// YYYY-MM-DD.
pub fn format_date(days: i32) -> String {
    let mut out = String::with_capacity(INSTANT_BYTES);
    put_day(&mut out, i64::from(days));
    out
}

fn put_day(out: &mut String, days: i64) {
    let (year, month, day) = civil_of_days(days);
    match year {
        0..=9_999 => put_digits(out, year, 1_000),
        // Of data that somebody else writes; no condition has it.
        _ => out.push_str(&format!("{year:04}")),
    }
    out.push('-');
    put_digits(out, month, 10);
    out.push('-');
    put_digits(out, day, 10);
}

/// The digits of a number that is not negative, from that place of them on.
fn put_digits(out: &mut String, n: i64, mut place: i64) {
    while place > 0 {
        out.push(char::from(b'0' + (n / place % 10) as u8));
        place /= 10;
    }
}

/// Local microseconds as written, and the offset in microseconds if one is.
fn parse_local(bytes: &[u8]) -> Option<(i64, Option<i64>)> {
    let date = day(bytes)? * DAY;
    if bytes.len() == 10 {
        return Some((date, None));
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let (hour, minute) = hour_and_minute(bytes.get(11..16)?)?;
    let mut rest = &bytes[16..];
    let mut of_minute = 0;
    if let [b':', tens, ones, after @ ..] = rest {
        let second = digit(*tens)? * 10 + digit(*ones)?;
        if second > 60 {
            return None;
        }
        rest = after;
        let mut fraction = 0;
        if let [b'.', digits @ ..] = rest {
            let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            if count == 0 {
                return None;
            }
            let mut unit = SECOND / 10;
            for byte in digits.iter().take(count.min(6)) {
                fraction += digit(*byte)? * unit;
                unit /= 10;
            }
            rest = &digits[count..];
        }
        of_minute = if second == 60 { 60 * SECOND - 1 } else { second * SECOND + fraction };
    }
    let local = date + (hour * 3_600 + minute * 60) * SECOND + of_minute;
    match rest {
        [] => Some((local, None)),
        [b'Z' | b'z'] => Some((local, Some(0))),
        [sign @ (b'+' | b'-'), offset @ ..] => {
            let (hours, minutes) = hour_and_minute(offset)?;
            let offset = (hours * 3_600 + minutes * 60) * SECOND;
            Some((local, Some(if *sign == b'-' { -offset } else { offset })))
        }
        _ => None,
    }
}

/// The day that the first ten bytes write.
fn day(bytes: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, ..] = bytes else { return None };
    let year = ((digit(*y1)? * 10 + digit(*y2)?) * 10 + digit(*y3)?) * 10 + digit(*y4)?;
    let month = digit(*m1)? * 10 + digit(*m2)?;
    let day = digit(*d1)? * 10 + digit(*d2)?;
    let valid = year >= 1 && (1..=12).contains(&month) && day >= 1 && day <= month_length(year, month);
    valid.then(|| days_of_civil(year, month, day))
}

/// Exactly `HH:MM`.
fn hour_and_minute(bytes: &[u8]) -> Option<(i64, i64)> {
    let [h1, h2, b':', m1, m2] = bytes else { return None };
    let hour = digit(*h1)? * 10 + digit(*h2)?;
    let minute = digit(*m1)? * 10 + digit(*m2)?;
    (hour < 24 && minute < 60).then_some((hour, minute))
}

fn digit(byte: u8) -> Option<i64> {
    let value = byte.wrapping_sub(b'0');
    (value < 10).then_some(i64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, utc: &str) {
        let zone = Zone::parse("Asia/Tokyo").unwrap();
        assert_eq!(parse_instant(text, &zone).map(format_instant).as_deref(), Some(utc), "{text}");
        assert!(is_instant(text));
    }

    #[test]
    fn forms() {
        check("2024-02-29T12:34:56Z", "2024-02-29T12:34:56Z");
        check("2024-02-29t12:34:56z", "2024-02-29T12:34:56Z");
        check("2024-02-29 12:34:56.5+01:30", "2024-02-29T11:04:56.5Z");
        check("2024-02-29T12:34:56-00:00", "2024-02-29T12:34:56Z");
        check("2024-02-29T12:34Z", "2024-02-29T12:34:00Z");
        check("2024-02-29T12:34", "2024-02-29T03:34:00Z");
        check("2024-02-29 12:34:56", "2024-02-29T03:34:56Z");
        check("2024-02-29", "2024-02-28T15:00:00Z");
        check("2024-01-01T00:00:00.1234569999Z", "2024-01-01T00:00:00.123456Z");
        check("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z");
        check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z");
        check("2016-12-31T23:59:60.7Z", "2016-12-31T23:59:59.999999Z");
        check("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z");
        check("9999-12-31T23:00:00-05:00", "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "2024",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "0000-01-01",
            "2024-1-1",
            "2024-01-01 ",
            " 2024-01-01",
            "2024-01-01T",
            "2024-01-01Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T23:60:00Z",
            "2024-01-01T23:59:61Z",
            "2024-01-01T23:59:5Z",
            "2024-01-01T23:59:59.Z",
            "2024-01-01T23:59:59,5Z",
            "2024-01-01T23:59:59 Z",
            "2024-01-01T23:59:59+0100",
            "2024-01-01T23:59:59+01",
            "2024-01-01T23:59:59+24:00",
            "2024-01-01T23:59:59ZZ",
            "2024-01-01T2３:59:59Z",
            "2024-01-01_23:59:59Z",
            "20240101T000000Z",
            "+02024-01-01",
        ] {
            assert!(!is_instant(text), "{text}");
        }
    }

    #[test]
    fn days() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2024-02-29").map(format_date).as_deref(), Some("2024-02-29"));
        assert_eq!(parse_date("0001-01-01").map(format_date).as_deref(), Some("0001-01-01"));
        for text in ["2023-02-29", "2024-01-01T00:00:00Z", "2024-1-01", "2024/01/01", "0000-01-01"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_instants_read_back(micros in super::super::INSTANT_MIN..=super::super::INSTANT_MAX) {
            let zone = Zone::parse("America/New_York").unwrap();
            prop_assert_eq!(parse_instant(&format_instant(micros), &zone), Some(micros));
        }

        #[test]
        fn agrees_with_jiff(micros in -60_000_000_000_000_000i64..253_000_000_000_000_000, minutes in -1_439..1_440i32) {
            let zoned = jiff::Timestamp::from_microsecond(micros).unwrap();
            let offset = jiff::tz::Offset::from_seconds(minutes * 60).unwrap();
            prop_assert_eq!(parse_instant(&zoned.display_with_offset(offset).to_string(), &Zone::utc()), Some(micros));
        }

        #[test]
        fn never_panics(text in "[0-9TZ:.+ -]{0,32}", other in any::<String>()) {
            parse_instant(&text, &Zone::utc());
            parse_instant(&other, &Zone::utc());
            parse_date(&text);
        }
    }
}
