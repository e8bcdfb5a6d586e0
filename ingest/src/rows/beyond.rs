//! Dates and timestamps beyond the years that there are: as words, and what they vote for.

use segment_core::json::Json;

/// What follows a number and its unit.
const SINCE: &str = " since 1970-01-01";
/// The unit of dates.
const DAYS: &str = "days";
/// A date within the years.
pub(crate) const DATE: &str = "2000-01-01";
/// A timestamp within the years.
pub(crate) const INSTANT: &str = "2000-01-01T00:00:00Z";

/// A date in words.
pub(crate) fn date(days: i32) -> String {
    format!("{days} {DAYS}{SINCE}")
}

/// A timestamp in words; the unit is `s`, `ms`, `µs` or `ns`.
pub(crate) fn timestamp(value: i64, unit: &str) -> String {
    format!("{value} {unit}{SINCE}")
}

/// The same with a date or a timestamp within the years for each one beyond them, which votes for the same type.
pub(crate) fn within(json: Json) -> Json {
    match json {
        Json::String(text) => match unit(&text) {
            Some(DAYS) => Json::String(DATE.to_owned()),
            Some(_) => Json::String(INSTANT.to_owned()),
            None => Json::String(text),
        },
        Json::Array(items) => Json::Array(items.into_iter().map(within).collect()),
        Json::Object(members) => Json::Object(members.into_iter().map(|(name, value)| (name, within(value))).collect()),
        scalar @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::BadString) => scalar,
    }
}

/// The unit, if these are such words.
fn unit(text: &str) -> Option<&str> {
    let (number, unit) = text.strip_suffix(SINCE)?.split_once(' ')?;
    (number.parse::<i64>().is_ok() && [DAYS, "s", "ms", "µs", "ns"].contains(&unit)).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_vote_as_what_they_say() {
        let check = |text: &str, expected: &str| assert_eq!(within(Json::parse(text).unwrap()), Json::parse(expected).unwrap(), "{text}");
        let words = format!(r#"[{{"a":"{}","b":"{}"}},"{}",5]"#, date(i32::MIN), timestamp(i64::MAX, "µs"), timestamp(-1, "s"));
        check(&words, r#"[{"a":"2000-01-01","b":"2000-01-01T00:00:00Z"},"2000-01-01T00:00:00Z",5]"#);
        for text in [r#""x days since 1970-01-01""#, r#""5 years since 1970-01-01""#, r#""5 days""#] {
            check(text, text);
        }
    }
}
