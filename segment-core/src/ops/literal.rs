//! What the operators' files share: the subject of a comparison, and the reading of its literals.

use crate::condition::{Comparison, Operand};
use crate::convert;
use crate::decimal::Decimal;
use crate::diagnostics::{Code, Pointer};
use crate::json::Json;
use crate::limits;
use crate::plan::{Case, Test};
use crate::resolve::Cx;
use crate::time;
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
}

impl<'a> Subject<'a> {
    /// The catalog type, where it is of one.
    pub(crate) fn ty(self) -> Option<&'a Type> {
        match self {
            Subject::Of(ty) => Some(ty),
            Subject::Sum | Subject::Avg => None,
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
                cx.fault(
                    Code::TooManyValues,
                    &self.value_at(),
                    format!("{} values are listed; {} are allowed. Upload them as a list instead", items.len(), limits::LIST_VALUES_MAX),
                );
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
            Some(_) if !self.subject.is_string() => {
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
    let finite = text.parse::<f64>().is_ok_and(f64::is_finite);
    match Decimal::parse(text) {
        Ok(number) if finite => Some(number),
        _ => {
            cx.fault(Code::NonFinite, at, format!("{text} is beyond what a number can be"));
            None
        }
    }
}

/// A number that is written as a whole one of 64 bits, which needs no decimal.
fn whole(json: &Json) -> Option<i64> {
    json.as_number()?.parse().ok()
}

/// A literal for equality. `Ok(None)`: a value of the kind, but one that the subject never has (an integer that is 2.5).
pub(crate) fn exact(cx: &mut Cx<'_>, subject: Subject<'_>, json: &Json, at: &Pointer<'_>) -> Option<Option<Value>> {
    match subject {
        Subject::Sum => {
            let number = number(cx, json, at)?;
            Some(number.micros_exact().map(|_| Value::Decimal(number)).filter(|_| true))
        }
        Subject::Avg => Some(Some(Value::Decimal(number(cx, json, at)?))),
        Subject::Of(ty) => match ty {
            Type::String => Some(Some(Value::String(text(cx, json, at)?.to_owned()))),
            Type::Integer => Some(match whole(json) {
                Some(n) => Some(Value::Integer(n)),
                None => number(cx, json, at)?.to_i64_exact().map(Value::Integer),
            }),
            Type::Number => Some(Some(Value::Number(double(&number(cx, json, at)?)))),
            Type::Boolean => match json {
                Json::Bool(b) => Some(Some(Value::Boolean(*b))),
                other => {
                    cx.fault(Code::InvalidValue, at, format!("true or false is needed; this is {}", other.kind()));
                    None
                }
            },
            Type::Timestamp => Some(Some(Value::Timestamp(instant(cx, json, at)?))),
            Type::Date => {
                let written = text(cx, json, at)?;
                match time::parse_date(written) {
                    Some(day) => Some(Some(Value::Date(day))),
                    None => {
                        cx.fault(Code::InvalidValue, at, format!("a date such as 2026-01-31 is needed; this is \"{written}\""));
                        None
                    }
                }
            }
            Type::Strings | Type::Object(_) | Type::Objects(_) | Type::Map(_) => None,
        },
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

/// Reads the literal of an order operator and makes the test, moving a bound that the subject never has to its neighbour.
pub(crate) fn bound(cx: &mut Cx<'_>, subject: Subject<'_>, json: &Json, at: &Pointer<'_>, side: Side) -> Option<Test> {
    match subject {
        Subject::Sum | Subject::Avg => {
            let number = number(cx, json, at)?;
            Some(made(Value::Decimal(number), side))
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
            // A date is its midnight: the first day whose midnight is at the instant or after divides the days.
            let day = first_midnight_from(cx, at);
            if day > DATE_MAX {
                return Some(if matches!(side, Side::Lt | Side::Lte) { Test::Exists } else { Test::Never });
            }
            let exact = cx.zone.midnight(day) == at;
            Some(match side {
                Side::Lt => Test::Lt(Value::Date(day)),
                Side::Gte => Test::Gte(Value::Date(day)),
                Side::Lte if exact => Test::Lte(Value::Date(day)),
                Side::Lte => Test::Lt(Value::Date(day)),
                Side::Gt if exact => Test::Gt(Value::Date(day)),
                Side::Gt => Test::Gte(Value::Date(day)),
            })
        }
        Subject::Of(Type::String | Type::Boolean | Type::Strings | Type::Object(_) | Type::Objects(_) | Type::Map(_)) => None,
    }
}

/// The last day there is, 9999-12-31, in days since 1970-01-01.
pub(crate) const DATE_MAX: i32 = 2_932_896;

/// The first day whose midnight in the zone is not before the instant; it may be past `DATE_MAX`.
pub(crate) fn first_midnight_from(cx: &Cx<'_>, at: i64) -> i32 {
    let day = cx.zone.local_day(at);
    if cx.zone.midnight(day) >= at { day } else { day.saturating_add(1) }
}

fn made(value: Value, side: Side) -> Test {
    match side {
        Side::Lt => Test::Lt(value),
        Side::Lte => Test::Lte(value),
        Side::Gt => Test::Gt(value),
        Side::Gte => Test::Gte(value),
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
