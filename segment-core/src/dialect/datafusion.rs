//! DataFusion's SQL, with the functions that the embedded backend registers for what the engine lacks.
//!
//! The functions (`query-backends`, `parquet/functions.rs`): `simple_lower(text)`, `re2_match(text, pattern)`,
//! `local_day(ts, zone)`, `local_midnight(date, zone)`, `map_value_<type>(json, key)`, `no_items(json)`,
//! `any_item(json, n)` (the n-th of [`DataFusion::into_filters`]), `exact_decimal(number)` (decimal(76,6); NULL beyond
//! ±10^30), `compare_avg(sum, count, literal)` (-1, 0 or 1; NULL over nothing), `md5_hex(text)`. Each gives NULL for NULL.

use std::cell::RefCell;
use std::sync::LazyLock;

use super::{Dialect, Support, sample_bound};
use crate::condition::MeasureName;
use crate::decimal::Decimal;
use crate::lower::Strategy;
use crate::ops::Op;
use crate::plan::{Case, Filter, Sample, Test};
use crate::re2::Pattern;
use crate::sql::{self, Aggregate, BinaryOperator, DataType, Expr};
use crate::time::{self, Zone};
use crate::types::Type;
use crate::value::Value;

/// A filter over the items of a list, bound to the query by its number.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemFilter {
    /// The type of the list: `objects`.
    pub ty: Type,
    /// Its fields are `Source::Item`.
    pub filter: Filter,
}

/// DataFusion.
#[derive(Debug, Default)]
pub struct DataFusion {
    filters: RefCell<Vec<ItemFilter>>,
}

impl DataFusion {
    /// The item filters that the SQL refers to by number.
    pub fn into_filters(self) -> Vec<ItemFilter> {
        self.filters.into_inner()
    }
}

/// Wide enough for any number of values up to 10^30 with six decimals.
const SUM_PRECISION: u64 = 76;
const SUM_SCALE: i64 = 6;

impl Dialect for DataFusion {
    fn name(&self) -> &'static str {
        "datafusion"
    }

    /// Each arm is grouped in one step through a table by users' numbers (docs/adr/0007-grouping-by-number.md), so that further arms cost little.
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
            // Not TIMESTAMP '…': that is nanoseconds here, and ends in 2262.
            Value::Timestamp(micros) => {
                sql::call("arrow_cast", [sql::integer(*micros), sql::string("Timestamp(Microsecond, Some(\"+00:00\"))")])
            }
            Value::Date(day) => sql::cast(sql::string(&time::format_date(*day)), DataType::Date),
            Value::Decimal(d) => self.sum_literal(d),
            Value::Strings(_) | Value::Object(_) | Value::Objects(_) | Value::Map(_) => sql::null(),
        }
    }

    fn cased(&self, text: Expr, case: Case) -> Expr {
        match case {
            Case::Exact => text,
            Case::Ignore => sql::call("simple_lower", [text]),
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
        sql::call("re2_match", [text, sql::string(pattern.portable())])
    }

    fn has(&self, list: Expr, item: &str) -> Expr {
        sql::call("array_has", [list, sql::string(item)])
    }

    fn has_any(&self, list: Expr, items: &[String]) -> Expr {
        sql::call("array_has_any", [list, strings(items)])
    }

    fn has_all(&self, list: Expr, items: &[String]) -> Expr {
        sql::call("array_has_all", [list, strings(items)])
    }

    fn no_items(&self, list: Expr, ty: &Type) -> Expr {
        match ty {
            Type::Objects(_) => sql::call("no_items", [list]),
            _ => sql::binary(sql::call("cardinality", [list]), BinaryOperator::Eq, sql::integer(0)),
        }
    }

    fn any_item(&self, list: Expr, ty: &Type, filter: &Filter) -> Expr {
        let mut filters = self.filters.borrow_mut();
        let bound = ItemFilter { ty: ty.clone(), filter: filter.clone() };
        let n = filters.iter().position(|f| *f == bound).unwrap_or_else(|| {
            filters.push(bound);
            filters.len() - 1
        });
        sql::call("any_item", [list, sql::integer(i64::try_from(n).unwrap_or(i64::MAX))])
    }

    fn map_value(&self, map: Expr, key: &str, ty: &Type) -> Expr {
        let function = match ty {
            Type::Integer => "map_value_integer",
            Type::Number => "map_value_number",
            Type::Boolean => "map_value_boolean",
            Type::Timestamp => "map_value_timestamp",
            Type::Date => "map_value_date",
            Type::String | Type::Strings | Type::Object(_) | Type::Objects(_) | Type::Map(_) => "map_value_string",
        };
        sql::call(function, [map, sql::string(key)])
    }

    fn widened(&self, value: Expr, to: &Type, zone: &Zone) -> Expr {
        match to {
            Type::Timestamp => sql::call("local_midnight", [value, sql::string(zone.name())]),
            _ => sql::cast(value, DataType::Double),
        }
    }

    fn local_day(&self, instant: Expr, zone: &Zone) -> Expr {
        sql::call("local_day", [instant, sql::string(zone.name())])
    }

    fn sum(&self, value: Expr, _: &Type, filter: Option<Expr>) -> Expr {
        Aggregate::new("sum", [sql::call("exact_decimal", [value])]).filtered(filter).expr()
    }

    fn sum_count(&self, value: Expr, _: &Type, filter: Option<Expr>) -> Expr {
        Aggregate::new("count", [sql::call("exact_decimal", [value])]).filtered(filter).expr()
    }

    fn sum_literal(&self, literal: &Decimal) -> Expr {
        sql::cast(sql::string(&literal.to_string()), DataType::Decimal(SUM_PRECISION, SUM_SCALE))
    }

    fn sum_max(&self) -> Decimal {
        static MAX: LazyLock<Decimal> = LazyLock::new(|| Decimal::greatest(SUM_PRECISION as u32, SUM_SCALE as i32));
        MAX.clone()
    }

    fn avg_support(&self, _: &Test) -> Support {
        // `compare_avg` reads a literal of any length.
        Support::Exact
    }

    fn avg_test(&self, sum: Expr, count: Expr, test: &Test) -> Expr {
        let compared = |literal: &Value| match literal {
            Value::Decimal(d) => sql::call("compare_avg", [sum.clone(), count.clone(), sql::string(&d.to_string())]),
            _ => sql::null(),
        };
        let against = |literal: &Value, op: BinaryOperator| sql::binary(compared(literal), op, sql::integer(0));
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
        Aggregate::new("first_value", [value])
            .ordered(vec![sql::column("ts"), sql::column("message_id")], ascending)
            .filtered(filter)
            .expr()
    }

    fn in_sample(&self, id: Expr, ty: &Type, sample: &Sample) -> Expr {
        let Some(bound) = sample_bound(sample) else {
            return sql::is_not_null(id);
        };
        let text = match ty {
            Type::String => id,
            _ => sql::cast(id, DataType::Varchar),
        };
        let salted = sql::binary(sql::string(&format!("{}:", sample.salt)), BinaryOperator::StringConcat, text);
        sql::binary(sql::call("md5_hex", [salted]), BinaryOperator::Lt, sql::string(&bound))
    }

    fn has_bit(&self, bits: Expr, bit: i64) -> Expr {
        let own = sql::binary(bits, BinaryOperator::BitwiseAnd, sql::integer(bit));
        sql::binary(own, BinaryOperator::NotEq, sql::integer(0))
    }

    fn null_integer(&self) -> Expr {
        sql::cast(sql::null(), DataType::BigInt)
    }
}

fn strings(items: &[String]) -> Expr {
    sql::call("make_array", items.iter().map(|s| sql::string(s)))
}
