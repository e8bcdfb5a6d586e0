//! DuckDB's SQL (2.0).
//!
//! Links are to <https://duckdb.org/docs/stable/sql/functions/>. One function comes from the driver: `compare_avg(total, count, literal)`,
//! -1, 0 or 1; NULL over nothing.

use query_backends::Capabilities;
use segment_core::condition::MeasureName;
use segment_core::decimal::Decimal;
use segment_core::dialect::{Dialect, Support, sample_bound};
use segment_core::lower::{self, Strategy};
use segment_core::ops::Op;
use segment_core::plan::{Case, FieldRef, Filter, Sample, Test};
use segment_core::re2::Pattern;
use segment_core::sql::{self, Aggregate, BinaryOperator, DataType, Expr, Lambda};
use segment_core::time::{self, Zone};
use segment_core::types::Type;
use segment_core::value::Value;

/// What the backend can do.
pub(crate) const CAPABILITIES: Capabilities =
    Capabilities { dialect: Some("duckdb"), strategies: &Strategy::ALL, sorted: false, events_max: None, events: true, bound: false };

/// Digits of a decimal at most.
const DIGITS_MAX: u32 = 38;
/// Decimals of a sum.
const SUM_SCALE: u32 = 6;
/// Beyond this a value counts as missing for sums.
const SUM_VALUE_MAX: f64 = 1e30;
/// An instant: microseconds, UTC.
const INSTANT: DataType = DataType::Named("TIMESTAMPTZ");
/// What a clock shows.
const CLOCK: DataType = DataType::Named("TIMESTAMP");

/// DuckDB.
#[derive(Debug, Default)]
pub struct DuckDb;

impl Dialect for DuckDb {
    fn name(&self) -> &'static str {
        "duckdb"
    }

    /// Never far from the fastest, while one scan takes up to three times as long (docs/benchmarks.md, All shapes of duckdb).
    fn strategy(&self) -> Strategy {
        Strategy::Arms
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
            Value::Timestamp(micros) => sql::call("make_timestamptz", [sql::integer(*micros)]),
            Value::Date(day) => sql::typed(DataType::Date, &time::format_date(*day)),
            Value::Decimal(d) => self.sum_literal(d),
            Value::Strings(_) | Value::Object(_) | Value::Objects(_) | Value::Map(_) => sql::null(),
        }
    }

    fn cased(&self, text: Expr, case: Case) -> Expr {
        match case {
            Case::Exact => text,
            // Code point by code point, by utf8proc's simple mapping.
            Case::Ignore => sql::call("lower", [text]),
        }
    }

    fn contains(&self, text: Expr, needle: &str) -> Expr {
        sql::call("contains", [text, sql::string(needle)])
    }

    fn starts_with(&self, text: Expr, prefix: &str) -> Expr {
        sql::call("starts_with", [text, sql::string(prefix)])
    }

    fn ends_with(&self, text: Expr, suffix: &str) -> Expr {
        sql::call("ends_with", [text, sql::string(suffix)])
    }

    fn matches(&self, text: Expr, pattern: &Pattern) -> Expr {
        sql::call("regexp_matches", [text, sql::string(pattern.portable_re2())])
    }

    fn has(&self, list: Expr, item: &str) -> Expr {
        sql::call("list_contains", [list, sql::string(item)])
    }

    fn has_any(&self, list: Expr, items: &[String]) -> Expr {
        sql::call("list_has_any", [list, strings(items)])
    }

    fn has_all(&self, list: Expr, items: &[String]) -> Expr {
        sql::call("list_has_all", [list, strings(items)])
    }

    fn no_items(&self, list: Expr, ty: &Type) -> Expr {
        let length = match ty {
            Type::Objects(_) => "json_array_length",
            _ => "len",
        };
        sql::binary(sql::call(length, [list]), BinaryOperator::Eq, sql::integer(0))
    }

    fn any_item(&self, list: Expr, _: &Type, filter: &Filter) -> Expr {
        let body = lower::filter(filter, &item_field, self);
        let items = sql::cast(list, DataType::List(Box::new(DataType::Json)));
        let lambda = sql::lambda(Lambda::Keyword, "item", sql::coalesce_false(body));
        let met = sql::call("list_filter", [items, lambda]);
        sql::binary(sql::call("len", [met]), BinaryOperator::Gt, sql::integer(0))
    }

    fn map_value(&self, map: Expr, key: &str, ty: &Type) -> Expr {
        at_path(map, std::slice::from_ref(&key), ty)
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
        sql::cast(sql::string(&literal.to_string()), decimal())
    }

    fn sum_max(&self) -> Decimal {
        Decimal::greatest(DIGITS_MAX, SUM_SCALE as i32)
    }

    fn avg_support(&self, _: &Test) -> Support {
        // `compare_avg` reads a literal of any length.
        Support::Exact
    }

    fn avg_test(&self, sum: Expr, count: Expr, test: &Test) -> Expr {
        let against = |literal: &Value, op: BinaryOperator| match literal {
            Value::Decimal(d) => {
                let total = sql::cast(sum.clone(), DataType::Varchar);
                let compared = sql::call("compare_avg", [total, count.clone(), sql::string(&d.to_string())]);
                sql::binary(compared, op, sql::integer(0))
            }
            _ => sql::boolean(false),
        };
        match test {
            Test::Exists => sql::binary(count, BinaryOperator::Gt, sql::integer(0)),
            Test::Is(v, _) => against(v, BinaryOperator::Eq),
            Test::In(values, _) => sql::or(values.iter().map(|v| against(v, BinaryOperator::Eq)).collect()),
            Test::Lt(v) => against(v, BinaryOperator::Lt),
            Test::Lte(v) => against(v, BinaryOperator::LtEq),
            Test::Gt(v) => against(v, BinaryOperator::Gt),
            Test::Gte(v) => against(v, BinaryOperator::GtEq),
            Test::Between(low, high) => sql::and(vec![against(low, BinaryOperator::GtEq), against(high, BinaryOperator::LtEq)]),
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
        // Plain `arg_min` passes over events without the value.
        let order = sql::call("row", [sql::column("ts"), sql::column("message_id")]);
        Aggregate::new(if ascending { "arg_min_null" } else { "arg_max_null" }, [value, order]).filtered(filter).expr()
    }

    fn in_sample(&self, id: Expr, ty: &Type, sample: &Sample) -> Expr {
        let Some(bound) = sample_bound(sample) else {
            return sql::is_not_null(id);
        };
        let text = match ty {
            Type::String => id,
            _ => sql::cast(id, DataType::Varchar),
        };
        // Not `concat`, which takes NULL for nothing.
        let salted = sql::binary(sql::string(&format!("{}:", sample.salt)), BinaryOperator::StringConcat, text);
        sql::binary(sql::call("md5", [salted]), BinaryOperator::Lt, sql::string(&bound))
    }

    fn has_bit(&self, bits: Expr, bit: i64) -> Expr {
        let own = sql::binary(bits, BinaryOperator::BitwiseAnd, sql::integer(bit));
        sql::binary(own, BinaryOperator::NotEq, sql::integer(0))
    }

    fn null_integer(&self) -> Expr {
        sql::cast(sql::null(), DataType::BigInt)
    }
}

fn decimal() -> DataType {
    DataType::Decimal(DIGITS_MAX.into(), SUM_SCALE.into())
}

/// The value as a decimal with six decimals, halves away from zero; NULL beyond what sums take.
///
/// The text of a double is its shortest decimal, and the cast from text rounds halves away from zero.
fn exact(value: Expr, ty: &Type) -> Expr {
    match ty {
        Type::Integer => sql::cast(value, decimal()),
        _ => {
            let in_range = sql::binary(sql::call("abs", [value.clone()]), BinaryOperator::LtEq, sql::double(SUM_VALUE_MAX));
            sql::case_when(in_range, sql::cast(sql::cast(value, DataType::Varchar), decimal()), None)
        }
    }
}

/// The first instant at which the zone's clock shows the date's midnight.
///
/// `AT TIME ZONE` takes the second of two. Where the clock shows the same so much earlier, that is the first.
fn midnight(date: Expr, zone: &Zone) -> Expr {
    let shown = sql::cast(date, CLOCK);
    let found = sql::at_time_zone(shown.clone(), zone.name());
    let earlier = |seconds: i64| sql::binary(found.clone(), BinaryOperator::Minus, sql::call("to_seconds", [sql::integer(seconds)]));
    let when = |seconds: i64| {
        let clock = sql::at_time_zone(earlier(seconds), zone.name());
        (sql::binary(clock, BinaryOperator::Eq, shown.clone()), earlier(seconds))
    };
    let whens: Vec<(Expr, Expr)> = zone.folded_midnights().into_iter().map(when).collect();
    sql::case_else(whens, found)
}

fn strings(items: &[String]) -> Expr {
    sql::call("list_value", items.iter().map(|s| sql::string(s)))
}

/// A field of the lambda's `item`, a JSON object.
fn item_field(field: &FieldRef) -> Expr {
    let path: Vec<&str> = field.path.iter().map(String::as_str).collect();
    at_path(sql::column("item"), &path, &field.ty)
}

/// A value inside JSON, as its type.
///
/// The path is a JSON pointer: in `$.a` paths some keys are wildcards. See <https://duckdb.org/docs/stable/data/json/json_functions>.
fn at_path(json: Expr, path: &[&str], ty: &Type) -> Expr {
    let pointer: String = path.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
    let function = match ty {
        Type::String | Type::Timestamp | Type::Date => "json_extract_string",
        Type::Integer | Type::Number | Type::Boolean | Type::Strings | Type::Object(_) | Type::Objects(_) | Type::Map(_) => "json_extract",
    };
    let value = sql::call(function, [json, sql::string(&pointer)]);
    match ty {
        Type::Integer => sql::cast(value, DataType::BigInt),
        Type::Number => sql::cast(value, DataType::Double),
        Type::Boolean => sql::cast(value, DataType::Boolean),
        Type::Timestamp => sql::cast(value, INSTANT),
        Type::Date => sql::cast(value, DataType::Date),
        Type::Strings => sql::cast(value, DataType::List(Box::new(DataType::Varchar))),
        // The list operators read JSON themselves.
        Type::String | Type::Object(_) | Type::Objects(_) | Type::Map(_) => value,
    }
}
