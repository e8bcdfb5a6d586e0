//! What the operators' files share: the subject of a comparison, and the reading of its literals.

use std::cmp::Ordering;

use crate::condition::{Comparison, Operand};
use crate::convert;
use crate::decimal::{AVG_EXPONENT_MAX, DIGITS_MAX, Decimal, DecimalError, SUM_EXPONENT_MAX};
use crate::diagnostics::{Code, Pointer};
use crate::json::Json;
use crate::limits;
use crate::plan::{Case, Test};
use crate::resolve::Cx;
use crate::time::{self, Zone};
use crate::types::Type;
use crate::value::Value;

/// What is compared: a value of a type, or an exact measure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A value of a catalog type.
    Of(&'a Type),
    /// A sum: a decimal with six decimals.
    Sum,
    /// An average: any rational number.
    Avg,
    /// A value of a type that is not known, because its name is not. No test comes of it; every fault of the literal is
    /// reported that it has whatever the type.
    Unknown,
}

impl<'a> Subject<'a> {
    /// The catalog type, where it is of one.
    pub(crate) fn ty(self) -> Option<&'a Type> {
        match self {
            Subject::Of(ty) => Some(ty),
            Subject::Sum | Subject::Avg | Subject::Unknown => None,
        }
    }

    pub(crate) fn is_scalar(self) -> bool {
        self.ty().is_none_or(Type::is_scalar)
    }

    pub(crate) fn is_ordered(self) -> bool {
        self.ty().is_none_or(Type::is_ordered)
    }

    pub(crate) fn is_string(self) -> bool {
        self.ty() == Some(&Type::String)
    }

    pub(crate) fn is_strings(self) -> bool {
        self.ty() == Some(&Type::Strings)
    }

    pub(crate) fn is_time(self) -> bool {
        matches!(self.ty(), Some(Type::Timestamp | Type::Date))
    }

    /// The subject's type for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Subject::Of(ty) => ty.name(),
            Subject::Sum | Subject::Avg => "number",
            Subject::Unknown => "unknown",
        }
    }
}

/// A comparison being resolved.
pub(crate) struct Asked<'a> {
    /// What is compared.
    pub(crate) subject: Subject<'a>,
    /// The wire form.
    pub(crate) comparison: &'a Comparison,
    /// JSON pointer to the object that holds the comparison.
    pub(crate) pointer: &'a Pointer<'a>,
    /// Whether the operator is the complement of its positive twin, for the wording of warnings.
    pub(crate) negative: bool,
}

impl<'a> Asked<'a> {
    /// JSON pointer to the `value`.
    pub(crate) fn value_at(&self) -> Pointer<'a> {
        self.pointer.key("value")
    }

    /// The literal as written; `None` where its form was at fault.
    pub(crate) fn literal(&self) -> Option<&'a Json> {
        match &self.comparison.operand {
            Operand::Literal(json) => Some(json),
            Operand::None | Operand::Window(_) | Operand::Items(_) | Operand::Invalid => None,
        }
    }

    /// The list of literals as written. Reports a literal that is no list, and a list that is too long.
    pub(crate) fn list(&self, cx: &mut Cx<'_>) -> Option<&'a [Json]> {
        match self.literal()? {
            Json::Array(items) if items.len() > limits::LIST_VALUES_MAX => {
                too_many(cx, items.len(), &self.value_at());
                None
            }
            Json::Array(items) => Some(items),
            other => {
                cx.fault(Code::InvalidValue, &self.value_at(), format!("a list of values is needed; this is {}", other.kind()));
                None
            }
        }
    }

    /// `ignore_case`, on text; reported where the subject is no text.
    pub(crate) fn case(&self, cx: &mut Cx<'_>) -> Case {
        match self.comparison.ignore_case {
            Some(_) if !self.subject.is_string() && !matches!(self.subject, Subject::Unknown) => {
                cx.fault(
                    Code::UnknownField,
                    &self.pointer.key("ignore_case"),
                    format!("\"ignore_case\" is for text; this compares a {}", self.subject.name()),
                );
                Case::Exact
            }
            Some(true) => Case::Ignore,
            Some(false) | None => Case::Exact,
        }
    }
}

/// The literal, folded where case is ignored.
pub(crate) fn folded(text: &str, case: Case) -> String {
    match case {
        Case::Exact => text.to_owned(),
        Case::Ignore => convert::simple_lower(text),
    }
}

/// Text without NUL and unpaired surrogates.
pub(crate) fn text<'a>(cx: &mut Cx<'_>, json: &'a Json, at: &Pointer<'_>) -> Option<&'a str> {
    match json {
        Json::String(s) if s.contains('\0') => {
            cx.fault(Code::InvalidString, at, "the text holds a NUL character");
            None
        }
        Json::String(s) => Some(s),
        Json::BadString => {
            cx.fault(Code::InvalidString, at, "the text holds an unpaired surrogate");
            None
        }
        other => {
            cx.fault(Code::InvalidValue, at, format!("text is needed; this is {}", other.kind()));
            None
        }
    }
}

/// A number, exactly as written.
pub(crate) fn number(cx: &mut Cx<'_>, json: &Json, at: &Pointer<'_>) -> Option<Decimal> {
    let Json::Number(text) = json else {
        cx.fault(Code::InvalidValue, at, format!("a number is needed; this is {}", json.kind()));
        return None;
    };
    match Decimal::literal(text) {
        Ok(number) => Some(number),
        Err(DecimalError::Digits) => {
            cx.fault(Code::InvalidValue, at, format!("the number has more than {DIGITS_MAX} digits"));
            None
        }
        Err(DecimalError::Exponent | DecimalError::NotANumber) => {
            cx.fault(Code::NonFinite, at, "the number is beyond what a number can be");
            None
        }
    }
}

/// A number that is written as a whole one of 64 bits, which needs no decimal.
fn whole(json: &Json) -> Option<i64> {
    json.as_number()?.parse().ok()
}

/// What a literal is at fault for whatever it is compared with.
fn untyped(cx: &mut Cx<'_>, json: &Json, at: &Pointer<'_>, ordered: bool) {
    match json {
        Json::String(_) | Json::BadString => {
            text(cx, json, at);
        }
        Json::Number(_) => {
            number(cx, json, at);
        }
        Json::Bool(_) if !ordered => {}
        other => cx.fault(Code::InvalidValue, at, format!("a single value is needed; this is {}", other.kind())),
    }
}

/// What a value is at fault for whatever asks of it: text and numbers that none can be, and lists that are too long.
pub(crate) fn untyped_literal(cx: &mut Cx<'_>, json: &Json, at: &Pointer<'_>) {
    match json {
        Json::Null | Json::Bool(_) => {}
        Json::String(_) | Json::BadString | Json::Number(_) => untyped(cx, json, at, false),
        Json::Array(items) if items.len() > limits::LIST_VALUES_MAX => too_many(cx, items.len(), at),
        Json::Array(items) => items.iter().enumerate().for_each(|(i, item)| untyped_literal(cx, item, &at.index(i))),
        Json::Object(members) => members.iter().for_each(|(key, value)| untyped_literal(cx, value, &at.key(key))),
    }
}

fn too_many(cx: &mut Cx<'_>, values: usize, at: &Pointer<'_>) {
    let message = format!("{values} values are listed; {} are allowed. Upload them as a list instead", limits::LIST_VALUES_MAX);
    cx.fault(Code::TooManyValues, at, message);
}

/// A literal for equality. `Err`: a value of the kind, but one that the subject never has (an integer that is 2.5), and why.
pub(crate) fn exact(cx: &mut Cx<'_>, subject: Subject<'_>, json: &Json, at: &Pointer<'_>) -> Option<Result<Value, &'static str>> {
    let ty = match subject {
        Subject::Sum => {
            let number = number(cx, json, at)?;
            return Some(match number.micros_exact() {
                None => Err("a sum has six decimals at most"),
                Some(_) if side_of(&number, SUM_EXPONENT_MAX).is_some() => Err("no sum goes so far"),
                Some(_) => Ok(Value::Decimal(number)),
            });
        }
        Subject::Avg => {
            let number = number(cx, json, at)?;
            let beyond = side_of(&number, AVG_EXPONENT_MAX).is_some();
            return Some(if beyond { Err("no average goes so far") } else { Ok(Value::Decimal(number)) });
        }
        Subject::Unknown => {
            untyped(cx, json, at, false);
            return None;
        }
        Subject::Of(ty) => ty,
    };
    match ty {
        Type::String => Some(Ok(Value::String(text(cx, json, at)?.to_owned()))),
        Type::Integer => {
            let number = match whole(json) {
                Some(n) => Some(n),
                None => number(cx, json, at)?.to_i64_exact(),
            };
            Some(number.map(Value::Integer).ok_or("the value is not a whole number of 64 bits"))
        }
        Type::Number => Some(Ok(Value::Number(double(&number(cx, json, at)?)))),
        Type::Boolean => match json {
            Json::Bool(b) => Some(Ok(Value::Boolean(*b))),
            other => {
                cx.fault(Code::InvalidValue, at, format!("true or false is needed; this is {}", other.kind()));
                None
            }
        },
        Type::Timestamp => Some(Ok(Value::Timestamp(instant(cx, json, at)?))),
        Type::Date => {
            let written = text(cx, json, at)?;
            let day = time::parse_date(written);
            if day.is_none() {
                cx.fault(Code::InvalidValue, at, format!("a date such as 2026-01-31 is needed; this is \"{written}\""));
            }
            day.map(|day| Ok(Value::Date(day)))
        }
        Type::Strings | Type::Object(_) | Type::Objects(_) | Type::Map(_) => None,
    }
}

/// Where a number is beyond that power of ten, the side: above, or below its negative.
fn side_of(number: &Decimal, exponent: i32) -> Option<Ordering> {
    let limit = Decimal::power_of_ten(exponent);
    if *number > limit {
        Some(Ordering::Greater)
    } else if *number < limit.negated() {
        Some(Ordering::Less)
    } else {
        None
    }
}

fn double(number: &Decimal) -> f64 {
    let double = number.to_f64();
    if double == 0.0 { 0.0 } else { double }
}

fn instant(cx: &mut Cx<'_>, json: &Json, at: &Pointer<'_>) -> Option<i64> {
    let written = text(cx, json, at)?;
    let parsed = time::parse_instant(written, &cx.zone);
    if parsed.is_none() {
        cx.fault(Code::InvalidValue, at, format!("an instant such as 2026-01-31T09:00:00Z, or a date, is needed; this is \"{written}\""));
    }
    parsed
}

/// Which side of its literal a bound keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Lt,
    Lte,
    Gt,
    Gte,
}

/// The test of an order operator. Warns where nothing can be on the side that it keeps.
pub(crate) fn order(cx: &mut Cx<'_>, asked: &Asked<'_>, side: Side) -> Option<Test> {
    let test = bound(cx, asked.subject, asked.literal()?, &asked.value_at(), side)?;
    if test == Test::Never {
        cx.never(asked, "nothing there can be lies so far");
    }
    Some(test)
}

/// The same for an operator on times, which takes an instant or a date whatever the type.
pub(crate) fn time_order(cx: &mut Cx<'_>, asked: &Asked<'_>, side: Side) -> Option<Test> {
    if matches!(asked.subject, Subject::Unknown) {
        instant(cx, asked.literal()?, &asked.value_at());
        return None;
    }
    order(cx, asked, side)
}

/// Reads the literal of an order operator and makes the test, moving a bound that the subject never has to its neighbour.
pub(crate) fn bound(cx: &mut Cx<'_>, subject: Subject<'_>, json: &Json, at: &Pointer<'_>, side: Side) -> Option<Test> {
    match subject {
        Subject::Sum => Some(decimal_bound(number(cx, json, at)?, SUM_EXPONENT_MAX, side)),
        Subject::Avg => Some(decimal_bound(number(cx, json, at)?, AVG_EXPONENT_MAX, side)),
        Subject::Unknown => {
            untyped(cx, json, at, true);
            None
        }
        Subject::Of(Type::Integer) => Some(match whole(json) {
            Some(n) => made(Value::Integer(n), side),
            None => integer_bound(&number(cx, json, at)?, side),
        }),
        Subject::Of(Type::Number) => Some(made(Value::Number(double(&number(cx, json, at)?)), side)),
        Subject::Of(Type::Timestamp) => Some(made(Value::Timestamp(instant(cx, json, at)?), side)),
        Subject::Of(Type::Date) => {
            let written = text(cx, json, at)?;
            if let Some(day) = time::parse_date(written) {
                return Some(made(Value::Date(day), side));
            }
            let at = instant(cx, json, at)?;
            Some(date_bound(&cx.zone, at, side))
        }
        Subject::Of(Type::String | Type::Boolean | Type::Strings | Type::Object(_) | Type::Objects(_) | Type::Map(_)) => None,
    }
}

/// A date is its midnight, so an instant divides the days. Those from `first` on have a midnight at the instant or later,
/// those from `after` on later; a day that the zone left out has the midnight of the next one, so that two may lie between.
fn date_bound(zone: &Zone, at: i64, side: Side) -> Test {
    let first = zone.first_midnight_from(at);
    let after = zone.first_midnight_from(at.saturating_add(1));
    let (divides, keeps_low) = match side {
        Side::Lt => (first, true),
        Side::Lte => (after, true),
        Side::Gt => (after, false),
        Side::Gte => (first, false),
    };
    if divides > time::DATE_MAX {
        return if keeps_low { Test::Exists } else { Test::Never };
    }
    match side {
        Side::Lte if after > first => Test::Lte(Value::Date(after - 1)),
        Side::Gt if after > first => Test::Gt(Value::Date(after - 1)),
        Side::Lt | Side::Lte => Test::Lt(Value::Date(divides)),
        Side::Gt | Side::Gte => Test::Gte(Value::Date(divides)),
    }
}

fn made(value: Value, side: Side) -> Test {
    match side {
        Side::Lt => Test::Lt(value),
        Side::Lte => Test::Lte(value),
        Side::Gt => Test::Gt(value),
        Side::Gte => Test::Gte(value),
    }
}

/// Beyond what there can be, every value or none is on the side that is kept.
fn decimal_bound(number: Decimal, exponent: i32, side: Side) -> Test {
    match side_of(&number, exponent) {
        None => made(Value::Decimal(number), side),
        Some(beyond) if beyond.is_gt() == matches!(side, Side::Lt | Side::Lte) => Test::Exists,
        Some(_) => Test::Never,
    }
}

fn integer_bound(number: &Decimal, side: Side) -> Test {
    let exact = number.to_i64_exact();
    if let Some(n) = exact {
        return made(Value::Integer(n), side);
    }
    let below = *number < Decimal::from(i64::MIN);
    let above = *number > Decimal::from(i64::MAX);
    let keeps_low = matches!(side, Side::Lt | Side::Lte);
    if above || below {
        return if above == keeps_low { Test::Exists } else { Test::Never };
    }
    // Between two integers: `< 2.5` and `<= 2.5` keep up to 2, `> 2.5` and `>= 2.5` keep from 3.
    let Ok(floor) = i64::try_from(number.floor()) else {
        return Test::Never;
    };
    if keeps_low { Test::Lte(Value::Integer(floor)) } else { Test::Gt(Value::Integer(floor)) }
}
