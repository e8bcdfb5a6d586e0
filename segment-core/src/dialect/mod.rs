//! The engines' SQL. A dialect answers questions; nothing outside its file asks which one it is.
//!
//! There are no default answers: a dialect that forgets one does not compile, and [`Dialect::support`] is an exhaustive
//! match over the operators in every dialect.

mod datafusion;
pub mod trino;

pub use datafusion::{DataFusion, ItemFilter};
pub use trino::Trino;

use crate::condition::MeasureName;
use crate::decimal::Decimal;
use crate::lower::Strategy;
use crate::ops::Op;
use crate::plan::{Case, Filter, Sample, Test};
use crate::re2::Pattern;
use crate::sql::Expr;
use crate::time::Zone;
use crate::types::Type;
use crate::value::Value;

/// How well an engine's SQL can say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It says exactly what the contract says.
    Exact,
    /// It cannot; core evaluates it on what the engine returns.
    Residual,
    /// It cannot, and nothing else can on its behalf.
    Unsupported,
}

/// An engine's SQL.
pub trait Dialect {
    /// The name that `muster sql --dialect` takes.
    fn name(&self) -> &'static str;
    /// How event leaves are read best, by measurement.
    fn strategy(&self) -> Strategy;
    /// What it can say of an operator.
    fn support(&self, op: Op) -> Support;
    /// What it can say of a measure.
    fn measure_support(&self, measure: MeasureName) -> Support;
    /// A literal. Never a list or an object.
    fn value(&self, value: &Value) -> Expr;
    /// The text as it is, or by simple lower case.
    fn cased(&self, text: Expr, case: Case) -> Expr;
    /// Whether the text has the needle in it.
    fn contains(&self, text: Expr, needle: &str) -> Expr;
    /// Whether the text starts with the prefix.
    fn starts_with(&self, text: Expr, prefix: &str) -> Expr;
    /// Whether the text ends with the suffix.
    fn ends_with(&self, text: Expr, suffix: &str) -> Expr;
    /// Whether the pattern is found in the text.
    fn matches(&self, text: Expr, pattern: &Pattern) -> Expr;
    /// Whether the list of strings has the item.
    fn has(&self, list: Expr, item: &str) -> Expr;
    /// Whether the list of strings has one of the items.
    fn has_any(&self, list: Expr, items: &[String]) -> Expr;
    /// Whether the list of strings has all of the items.
    fn has_all(&self, list: Expr, items: &[String]) -> Expr;
    /// Whether the list has no items; NULL or true where it is missing.
    fn no_items(&self, list: Expr, ty: &Type) -> Expr;
    /// Whether one item of the list of objects, a JSON column, meets the filter.
    fn any_item(&self, list: Expr, ty: &Type, filter: &Filter) -> Expr;
    /// The value at a key of a map, a JSON column whose values are of type `ty`.
    fn map_value(&self, map: Expr, key: &str, ty: &Type) -> Expr;
    /// A value of a narrower column, as the wider type: integer to number, date to timestamp (its midnight in the zone).
    fn widened(&self, value: Expr, to: &Type, zone: &Zone) -> Expr;
    /// The calendar day of an instant in the zone.
    fn local_day(&self, instant: Expr, zone: &Zone) -> Expr;
    /// The exact sum of a number or integer, a decimal with six decimals; NULL over nothing.
    fn sum(&self, value: Expr, ty: &Type, filter: Option<Expr>) -> Expr;
    /// How many values `sum` adds.
    fn sum_count(&self, value: Expr, ty: &Type, filter: Option<Expr>) -> Expr;
    /// A literal to compare a sum with; it has six decimals at most.
    fn sum_literal(&self, literal: &Decimal) -> Expr;
    /// The greatest sum that the engine holds; one that is further from zero is an error there.
    fn sum_max(&self) -> Decimal;
    /// What it can say of a test of an average, whose literals are decimals.
    fn avg_support(&self, test: &Test) -> Support;
    /// Whether an average, as sum and count, meets a test whose literals are decimals.
    fn avg_test(&self, sum: Expr, count: Expr, test: &Test) -> Expr;
    /// The value of the first event (the last, if not ascending) by `(ts, message_id)`; NULL if that event lacks it.
    fn at_end(&self, value: Expr, ascending: bool, filter: Option<Expr>) -> Expr;
    /// Whether the id, as text, is in the sample; `id` is of type `ty`.
    fn in_sample(&self, id: Expr, ty: &Type, sample: &Sample) -> Expr;
    /// Whether a bit is set in a bigint; NULL where that is.
    fn has_bit(&self, bits: Expr, bit: i64) -> Expr;
    /// A typed NULL of SQL's bigint.
    fn null_integer(&self) -> Expr;
}

/// The dialect of that name.
pub fn named(name: &str) -> Option<Box<dyn Dialect>> {
    match name {
        "datafusion" => Some(Box::new(DataFusion::default())),
        "trino" => Some(Box::new(Trino)),
        _ => None,
    }
}

/// The names `named` knows.
pub const NAMES: [&str; 2] = ["datafusion", "trino"];

/// The first sixteen digits (lower-case hex) of the md5 below which a sample lies; `None` where it is everyone.
pub fn sample_bound(sample: &Sample) -> Option<String> {
    u64::try_from(sample.threshold).ok().map(|t| format!("{t:016x}"))
}
