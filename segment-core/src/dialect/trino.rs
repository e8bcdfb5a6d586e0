//! Trino's SQL (476).

mod avg;
mod bound;

use std::collections::BTreeSet;
use std::sync::LazyLock;

pub use self::bound::{FROM, PartitionValues, UNTIL, external};

use self::avg::Compare;
use super::{Dialect, Support, sample_bound};
use crate::condition::MeasureName;
use crate::decimal::Decimal;
use crate::lower::{self, Strategy};
use crate::ops::Op;
use crate::plan::{Case, FieldRef, Filter, Sample, Test};
use crate::re2::Pattern;
use crate::sql::{self, Aggregate, BinaryOperator, DataType, Expr, Lambda};
use crate::time::{self, Zone};
use crate::types::Type;
use crate::value::Value;

/// Trino.
#[derive(Debug, Default)]
pub struct Trino;

/// Digits of a decimal at most.
const DIGITS_MAX: u32 = 38;
/// Decimals of a sum.
const SUM_SCALE: i32 = 6;
/// Beyond this a value counts as missing for sums: it no longer fits 38 digits with six decimals.
const SUM_VALUE_MAX: f64 = 1e30;

impl Dialect for Trino {
    fn name(&self) -> &'static str {
        "trino"
    }

    /// Each scan plans and opens its files anew, and so one scan of several events takes half the processor time of one for each
    /// (docs/adr/0016-one-scan-of-alike-windows.md).
    fn strategy(&self) -> Strategy {
        Strategy::WideArms
    }

    fn support(&self, op: Op) -> Support {
        match op {
            Op::Is
            | Op::IsNot
            | Op::In
            | Op::NotIn
            | Op::Exists
            | Op::NotExists
            | Op::Lt
            | Op::Lte
            | Op::Gt
            | Op::Gte
            | Op::Between
            | Op::Contains
            | Op::NotContains
            | Op::StartsWith
            | Op::EndsWith
            | Op::Matches
            | Op::Has
            | Op::HasAny
            | Op::HasAll
            | Op::IsEmpty
            | Op::IsNotEmpty
            | Op::AnyItem
            | Op::Before
            | Op::After
            | Op::InWindow => Support::Exact,
        }
    }

    fn measure_support(&self, measure: MeasureName) -> Support {
        match measure {
            MeasureName::Count
            | MeasureName::Days
            | MeasureName::Sum
            | MeasureName::Avg
            | MeasureName::Min
            | MeasureName::Max
            | MeasureName::Distinct
            | MeasureName::First
            | MeasureName::Last
            | MeasureName::FirstTime
            | MeasureName::LastTime => Support::Exact,
        }
    }

    fn value(&self, value: &Value) -> Expr {
        match value {
            Value::String(s) => sql::string(s),
            Value::Integer(n) => sql::integer(*n),
            Value::Number(x) => sql::double(*x),
            Value::Boolean(b) => sql::boolean(*b),
            Value::Timestamp(micros) => sql::cast(sql::string(&time::instant_text(*micros, ' ', " UTC")), timestamp()),
            Value::Date(day) => sql::typed(DataType::Date, &time::format_date(*day)),
            Value::Decimal(d) => self.sum_literal(d),
            Value::Strings(_) | Value::Object(_) | Value::Objects(_) | Value::Map(_) => sql::null(),
        }
    }

    fn cased(&self, text: Expr, case: Case) -> Expr {
        match case {
            Case::Exact => text,
            // Code point by code point, by the simple mapping: what the contract asks for.
            Case::Ignore => sql::call("lower", [text]),
        }
    }

    fn contains(&self, text: Expr, needle: &str) -> Expr {
        sql::binary(sql::call("strpos", [text, sql::string(needle)]), BinaryOperator::Gt, sql::integer(0))
    }

    fn starts_with(&self, text: Expr, prefix: &str) -> Expr {
        sql::call("starts_with", [text, sql::string(prefix)])
    }

    fn ends_with(&self, text: Expr, suffix: &str) -> Expr {
        let length = i64::try_from(suffix.chars().count()).unwrap_or(i64::MAX);
        sql::binary(sql::call("substr", [text, sql::integer(-length)]), BinaryOperator::Eq, sql::string(suffix))
    }

    fn matches(&self, text: Expr, pattern: &Pattern) -> Expr {
        sql::call("regexp_like", [text, sql::string(pattern.portable_java())])
    }

    fn has(&self, list: Expr, item: &str) -> Expr {
        sql::call("contains", [list, sql::string(item)])
    }

    fn has_any(&self, list: Expr, items: &[String]) -> Expr {
        sql::call("arrays_overlap", [list, strings(items)])
    }

    fn has_all(&self, list: Expr, items: &[String]) -> Expr {
        let lacking = sql::call("array_except", [strings(items), list]);
        sql::binary(sql::call("cardinality", [lacking]), BinaryOperator::Eq, sql::integer(0))
    }

    fn no_items(&self, list: Expr, ty: &Type) -> Expr {
        let list = match ty {
            Type::Objects(_) => sql::cast(sql::call("json_parse", [list]), array_of(DataType::Json)),
            _ => list,
        };
        sql::binary(sql::call("cardinality", [list]), BinaryOperator::Eq, sql::integer(0))
    }

    fn any_item(&self, list: Expr, _: &Type, filter: &Filter) -> Expr {
        let items = sql::cast(sql::call("json_parse", [list]), array_of(map_of(DataType::Json)));
        let body = lower::filter(filter, &|field| item_field(field), self);
        let lambda = sql::lambda(Lambda::Arrow, "item", sql::coalesce_false(body));
        sql::call("any_match", [items, lambda])
    }

    fn map_value(&self, map: Expr, key: &str, ty: &Type) -> Expr {
        let map = sql::cast(sql::call("json_parse", [map]), map_of(json_type(ty)));
        from_json(sql::call("element_at", [map, sql::string(key)]), ty)
    }

    fn widened(&self, value: Expr, to: &Type, zone: &Zone) -> Expr {
        match to {
            Type::Timestamp => midnight(value, zone),
            _ => sql::cast(value, DataType::Double),
        }
    }

    fn local_day(&self, instant: Expr, zone: &Zone) -> Expr {
        sql::cast(sql::at_time_zone(instant, zone.name()), DataType::Date)
    }

    fn sum(&self, value: Expr, ty: &Type, filter: Option<Expr>) -> Expr {
        Aggregate::new("sum", [exact(value, ty)]).filtered(filter).expr()
    }

    fn sum_count(&self, value: Expr, ty: &Type, filter: Option<Expr>) -> Expr {
        Aggregate::new("count", [exact(value, ty)]).filtered(filter).expr()
    }

    fn sum_literal(&self, literal: &Decimal) -> Expr {
        sql::cast(sql::string(&literal.to_string()), decimal(DIGITS_MAX.into(), SUM_SCALE.into()))
    }

    fn sum_max(&self) -> Decimal {
        static MAX: LazyLock<Decimal> = LazyLock::new(|| Decimal::greatest(DIGITS_MAX, SUM_SCALE));
        MAX.clone()
    }

    fn avg_support(&self, _: &Test) -> Support {
        Support::Exact
    }

    fn avg_test(&self, sum: Expr, count: Expr, test: &Test) -> Expr {
        let against = |literal: &Value, compare: Compare| match literal {
            Value::Decimal(d) => avg::compare(&sum, &count, compare, d),
            // Resolving leaves no others.
            _ => sql::null(),
        };
        match test {
            Test::Exists => sql::binary(count.clone(), BinaryOperator::Gt, sql::integer(0)),
            Test::Is(v, _) => against(v, Compare::Equal),
            Test::In(values, _) => sql::or(values.iter().map(|v| against(v, Compare::Equal)).collect()),
            Test::Lt(v) => against(v, Compare::Less),
            Test::Lte(v) => against(v, Compare::LessOrEqual),
            Test::Gt(v) => against(v, Compare::Greater),
            Test::Gte(v) => against(v, Compare::GreaterOrEqual),
            Test::Between(low, high) => sql::and(vec![against(low, Compare::GreaterOrEqual), against(high, Compare::LessOrEqual)]),
            Test::Never
            | Test::InWindow(_)
            | Test::InDates(..)
            | Test::Contains(..)
            | Test::StartsWith(..)
            | Test::EndsWith(..)
            | Test::Matches(_)
            | Test::Has(_)
            | Test::HasAny(_)
            | Test::HasAll(_)
            | Test::IsEmpty
            | Test::AnyItem(_) => sql::boolean(false),
        }
    }

    fn at_end(&self, value: Expr, ascending: bool, filter: Option<Expr>) -> Expr {
        let order = sql::call("row", [sql::column("ts"), sql::column("message_id")]);
        Aggregate::new(if ascending { "min_by" } else { "max_by" }, [value, order]).filtered(filter).expr()
    }

    fn in_sample(&self, id: Expr, ty: &Type, sample: &Sample) -> Expr {
        let Some(bound) = sample_bound(sample) else {
            return sql::is_not_null(id);
        };
        let text = match ty {
            Type::String => id,
            _ => sql::cast(id, DataType::Varchar),
        };
        let salted = sql::call("concat", [sql::string(&format!("{}:", sample.salt)), text]);
        let md5 = sql::call("to_hex", [sql::call("md5", [sql::call("to_utf8", [salted])])]);
        sql::binary(md5, BinaryOperator::Lt, sql::string(&bound.to_uppercase()))
    }

    fn has_bit(&self, bits: Expr, bit: i64) -> Expr {
        sql::binary(sql::call("bitwise_and", [bits, sql::integer(bit)]), BinaryOperator::NotEq, sql::integer(0))
    }

    fn null_integer(&self) -> Expr {
        sql::cast(sql::null(), DataType::BigInt)
    }
}

fn timestamp() -> DataType {
    DataType::TimestampWithTimeZone(6)
}

fn decimal(precision: u64, scale: i64) -> DataType {
    DataType::Decimal(precision, scale)
}

/// The first instant at which the zone's clock shows the date's midnight.
fn midnight(date: Expr, zone: &Zone) -> Expr {
    first_instant(sql::cast(date, DataType::Timestamp(6)), zone, zone.folded_midnights())
}

/// The first instant at which the zone's clock shows a time, of which it may have shown some twice, so many seconds apart.
///
/// `with_timezone` takes the second of two. Where the clock shows the same so much earlier, that is the first.
fn first_instant(shown: Expr, zone: &Zone, folds: BTreeSet<i64>) -> Expr {
    let found = sql::call("with_timezone", vec![shown.clone(), sql::string(zone.name())]);
    let earlier = |seconds: i64| sql::call("date_add", vec![sql::string("second"), sql::integer(-seconds), found.clone()]);
    let same = |seconds: i64| sql::binary(sql::cast(earlier(seconds), DataType::Timestamp(6)), BinaryOperator::Eq, shown.clone());
    let whens: Vec<(Expr, Expr)> = folds.into_iter().map(|seconds| (same(seconds), earlier(seconds))).collect();
    sql::case_else(whens, found)
}

fn array_of(element: DataType) -> DataType {
    DataType::Array(Box::new(element))
}

fn map_of(values: DataType) -> DataType {
    DataType::Map(Box::new(DataType::Varchar), Box::new(values))
}

/// The type a value has in a JSON column: times are text there.
fn json_type(ty: &Type) -> DataType {
    match ty {
        Type::Integer => DataType::BigInt,
        Type::Number => DataType::Double,
        Type::Boolean => DataType::Boolean,
        Type::Strings => array_of(DataType::Varchar),
        Type::String | Type::Timestamp | Type::Date => DataType::Varchar,
        Type::Object(_) | Type::Objects(_) | Type::Map(_) => DataType::Json,
    }
}

fn from_json(value: Expr, ty: &Type) -> Expr {
    match ty {
        Type::Timestamp => sql::cast(sql::call("from_iso8601_timestamp_nanos", [value]), timestamp()),
        Type::Date => sql::call("from_iso8601_date", [value]),
        Type::String | Type::Integer | Type::Number | Type::Boolean | Type::Strings | Type::Object(_) | Type::Objects(_) | Type::Map(_) => {
            value
        }
    }
}

/// A field of the lambda's `item`, a map of names to JSON.
fn item_field(field: &FieldRef) -> Expr {
    let mut value = sql::column("item");
    for (i, step) in field.path.iter().enumerate() {
        if i > 0 {
            value = sql::cast(value, map_of(DataType::Json));
        }
        value = sql::call("element_at", [value, sql::string(step)]);
    }
    match field.ty {
        // The list operators read JSON text themselves.
        Type::Objects(_) => sql::call("json_format", [value]),
        _ => from_json(sql::cast(value, json_type(&field.ty)), &field.ty),
    }
}

/// The value as a decimal with six decimals, halves away from zero; NULL beyond what sums take.
///
/// As JSON a double is its shortest decimal, which as varchar it is not always (1e23 is 9.999999999999999E22 there). The cast from text
/// rounds halves away from zero.
fn exact(value: Expr, ty: &Type) -> Expr {
    match ty {
        Type::Integer => sql::cast(value, decimal(38, 6)),
        _ => {
            let in_range = sql::binary(sql::call("abs", [value.clone()]), BinaryOperator::LtEq, sql::double(SUM_VALUE_MAX));
            sql::case_when(in_range, sql::cast(sql::call("json_format", [sql::cast(value, DataType::Json)]), decimal(38, 6)), None)
        }
    }
}

fn strings(items: &[String]) -> Expr {
    sql::array(items.iter().map(|s| sql::string(s)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widened(zone: &str) -> String {
        Trino.widened(sql::column("d"), &Type::Timestamp, &Zone::parse(zone).unwrap()).to_string()
    }

    #[test]
    fn a_date_is_the_first_of_two_midnights() {
        assert_eq!(widened("Europe/London"), r#"with_timezone(CAST("d" AS TIMESTAMP(6)), 'Europe/London')"#);
        let found = r#"with_timezone(CAST("d" AS TIMESTAMP(6)), 'America/Havana')"#;
        let earlier = format!("date_add('second', -3600, {found})");
        let same = format!(r#"CAST({earlier} AS TIMESTAMP(6)) = CAST("d" AS TIMESTAMP(6))"#);
        assert_eq!(widened("America/Havana"), format!("CASE WHEN {same} THEN {earlier} ELSE {found} END"));
        assert_eq!(widened("America/St_Johns").matches("WHEN").count(), 2);
    }
}
