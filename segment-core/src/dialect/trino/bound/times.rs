//! Times as others write them, in Trino's SQL: each becomes the very instant that `store::bound` makes of it, to the microsecond.

use super::super::{first_instant, timestamp};
use crate::sql::{self, BinaryOperator, DataType, Expr};
use crate::time::{INSTANT_MAX, INSTANT_MIN, Zone};
use crate::value::Value;

/// What `time::parse_instant` takes, but for dates that no calendar has.
const FORM: &str = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:([0-5][0-9]|60)(\.[0-9]+)?)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?)?\z";
/// An offset at the end of such a text.
const OFFSET: &str = r"[+-][0-9]{2}:[0-9]{2}\z";
/// The digits of a fraction that count.
const FRACTION: &str = r"\.[0-9]{1,6}";
/// Characters of a date.
const DATE_CHARS: i64 = 10;
/// Characters of a timestamp with microseconds, as Trino writes one.
const MICROS_CHARS: i64 = 26;
/// Microseconds beyond which nanoseconds have more than 64 bits.
const NANOS_MAX: i64 = i64::MAX / 1_000;

fn literal(micros: i64) -> Expr {
    use crate::dialect::Dialect;
    super::super::Trino.value(&Value::Timestamp(micros))
}

fn wall() -> DataType {
    DataType::Timestamp(6)
}

/// The nearest of the instants that can be.
fn clamped(instant: Expr) -> Expr {
    let least = sql::call("least", [instant, literal(INSTANT_MAX)]);
    sql::call("greatest", [least, literal(INSTANT_MIN)])
}

/// An instant if it can be; NULL otherwise.
pub(super) fn possible(instant: Expr) -> Expr {
    let known = sql::between(instant.clone(), literal(INSTANT_MIN), literal(INSTANT_MAX));
    sql::case_when(known, instant, None)
}

/// Whole seconds since 1970, the earlier of two.
pub(super) fn seconds_of(instant: Expr) -> Expr {
    // Of whole seconds the double is exact.
    let whole = sql::call("date_trunc", [sql::string("second"), instant]);
    sql::cast(sql::call("to_unixtime", [whole]), DataType::BigInt)
}

/// A column of timestamps cut off to microseconds.
pub(super) fn cut_off(column: Expr, nanos: bool) -> Expr {
    if !nanos {
        return sql::cast(column, wall());
    }
    // A cast rounds. Nanoseconds of 64 bits have years of four digits.
    let text = sql::call("substr", [sql::cast(column, DataType::Varchar), sql::integer(1), sql::integer(MICROS_CHARS)]);
    sql::cast(text, wall())
}

/// The instant of a time in UTC.
pub(super) fn of_utc(wall: Expr) -> Expr {
    sql::call("with_timezone", [wall, sql::string("UTC")])
}

/// The instant of wall-clock time in a zone, as [`Zone::instant_of_local`] has it.
pub(super) fn of_local(wall: Expr, zone: &Zone) -> Expr {
    clamped(first_instant(wall, zone, zone.folds()))
}

/// The instant of a count of units since 1970, each of so many microseconds; NULL out of reach.
pub(super) fn of_epoch(count: &Expr, unit: i64) -> Expr {
    let times = |value: Expr, factor: i64| match factor {
        1 => value,
        _ => sql::binary(value, BinaryOperator::Multiply, sql::integer(factor)),
    };
    let within = |low: i64, high: i64| sql::between(count.clone(), sql::integer(low), sql::integer(high));
    let nanos = |count: Expr| sql::cast(sql::call("from_unixtime_nanos", [times(count, unit * 1_000)]), timestamp());
    let near = within(-(NANOS_MAX / unit), NANOS_MAX / unit);
    let known = within(-(-INSTANT_MIN / unit), INSTANT_MAX / unit);
    let far = sql::case_when(known, nanos(sql::cast(count.clone(), DataType::Decimal(38, 0))), None);
    sql::case_else(vec![(near, nanos(count.clone()))], far)
}

/// The wall-clock time that a text writes; NULL where it writes none.
pub(super) fn shown(text: &Expr) -> Expr {
    let part = |from: i64, chars: i64| sql::call("substr", [text.clone(), sql::integer(from), sql::integer(chars)]);
    let is = |part: Expr, text: &str| sql::binary(part, BinaryOperator::Eq, sql::string(text));
    let bare = sql::binary(sql::call("length", [text.clone()]), BinaryOperator::Eq, sql::integer(DATE_CHARS));
    let minutes = sql::case_else(vec![(bare, sql::string("00:00"))], part(12, 5));
    let fraction = sql::call("coalesce", [sql::call("regexp_extract", [text.clone(), sql::string(FRACTION)]), sql::string("")]);
    let none = sql::binary(part(17, 1), BinaryOperator::NotEq, sql::string(":"));
    let leap = is(part(18, 2), "60");
    let seconds =
        sql::case_else(vec![(none, sql::string("00")), (leap, sql::string("59.999999"))], sql::call("concat", [part(18, 2), fraction]));
    let whole = sql::call("concat", [part(1, DATE_CHARS), sql::string(" "), minutes, sql::string(":"), seconds]);
    let formed = sql::call("regexp_like", [text.clone(), sql::string(FORM)]);
    let year_zero = sql::call("starts_with", [text.clone(), sql::string("0000")]);
    sql::case_when(sql::and(vec![formed, sql::not(year_zero)]), sql::call("try", [sql::cast(whole, wall())]), None)
}

/// The offset that a text ends with, in minutes; NULL where it has none.
pub(super) fn offset(text: &Expr) -> Expr {
    let end = |chars: i64, of: i64| sql::call("substr", [text.clone(), sql::integer(-chars), sql::integer(of)]);
    let number = |part: Expr| sql::cast(part, DataType::BigInt);
    let utc = sql::in_list(end(1, 1), vec![sql::string("Z"), sql::string("z")]);
    let given = sql::and(vec![
        sql::binary(sql::call("length", [text.clone()]), BinaryOperator::Gt, sql::integer(DATE_CHARS)),
        sql::call("regexp_like", [text.clone(), sql::string(OFFSET)]),
    ]);
    let hours = sql::binary(number(end(5, 2)), BinaryOperator::Multiply, sql::integer(60));
    let minutes = sql::plus(vec![hours, number(end(2, 2))]);
    let west = sql::binary(end(6, 1), BinaryOperator::Eq, sql::string("-"));
    let sign = sql::case_else(vec![(west, sql::integer(-1))], sql::integer(1));
    let signed = sql::binary(sign, BinaryOperator::Multiply, minutes);
    sql::case_else(vec![(utc, sql::integer(0)), (given, signed)], sql::cast(sql::null(), DataType::BigInt))
}

/// The instant of wall-clock time and its offset; without one it is in the zone.
pub(super) fn of_text(shown: Expr, offset: Expr, zone: &Zone) -> Expr {
    let back = sql::binary(sql::integer(0), BinaryOperator::Minus, offset.clone());
    let there = clamped(sql::call("date_add", [sql::string("minute"), back, of_utc(shown.clone())]));
    sql::case_else(vec![(sql::is_null(offset), of_local(shown, zone))], there)
}
