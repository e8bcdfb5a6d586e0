//! Whether an average meets a test, exactly, in decimals of 38 digits.
//!
//! Nothing is divided that does not divide evenly: the sum, a whole number of millionths, is compared with literal × count. A literal of six
//! decimals at most is multiplied as it is. Of any other the millionths are, and of what is left, `r` millionths with `0 < r < 1`, only the whole
//! ones of `r × count` matter. `count` is below 10^19, so `r` may be replaced by the greatest fraction up to it whose denominator is: no
//! whole number over such a count lies between the two. That fraction's numerator times the count has 38 digits.

use num_bigint::BigInt;

use super::{DIGITS_MAX, SUM_SCALE, decimal};
use crate::decimal::Decimal;
use crate::sql::{self, BinaryOperator, DataType, Expr};

/// Digits of a count.
const COUNT_DIGITS: u32 = 19;
/// Digits before the point up to which a literal times any count still has a place where sums do.
const WHOLE_DIGITS_SAFE: usize = 38 - 6 - 19;

/// A comparison of a sum with literal × count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Compare {
    fn operator(self) -> BinaryOperator {
        match self {
            Compare::Less => BinaryOperator::Lt,
            Compare::LessOrEqual => BinaryOperator::LtEq,
            Compare::Equal => BinaryOperator::Eq,
            Compare::GreaterOrEqual => BinaryOperator::GtEq,
            Compare::Greater => BinaryOperator::Gt,
        }
    }
}

/// Whether the average compares so with the literal; false or NULL over nothing.
pub(super) fn compare(sum: &Expr, count: &Expr, compare: Compare, literal: &Decimal) -> Expr {
    let text = literal.to_string();
    let digits = text.trim_start_matches('-');
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let exact = places.len() <= SUM_SCALE.unsigned_abs() as usize;
    let test = if exact {
        let ty = decimal((whole.len() + places.len()) as u64, places.len() as i64);
        sql::binary(sum.clone(), compare.operator(), times(sql::cast(sql::string(&text), ty), count))
    } else {
        against_parts(sum, count, compare, literal)
    };
    if whole.len() <= WHOLE_DIGITS_SAFE {
        return test;
    }
    // What has no place is further from zero than any sum that has one, on the literal's side.
    let positive = !text.starts_with('-');
    let beyond = match compare {
        Compare::Less | Compare::LessOrEqual => positive,
        Compare::Greater | Compare::GreaterOrEqual => !positive,
        Compare::Equal => false,
    };
    let some = sql::binary(count.clone(), BinaryOperator::Gt, sql::integer(0));
    sql::and(vec![some, sql::call("coalesce", [sql::call("try", [test]), sql::boolean(beyond)])])
}

fn times(literal: Expr, count: &Expr) -> Expr {
    sql::binary(literal, BinaryOperator::Multiply, sql::cast(count.clone(), decimal(COUNT_DIGITS.into(), 0)))
}

fn number(n: &BigInt, ty: DataType) -> Expr {
    sql::cast(sql::string(&n.to_string()), ty)
}

/// Against the literal's millionths and the rest.
fn against_parts(sum: &Expr, count: &Expr, compare: Compare, literal: &Decimal) -> Expr {
    let (rest, unit) = literal.below_micros();
    let fraction = Fraction::up_to(&rest, &unit);
    let counted = decimal(COUNT_DIGITS.into(), 0);
    let denominator = || number(&fraction.denominator, counted.clone());
    let product = || times(number(&fraction.numerator, counted.clone()), count);
    let left_over = || sql::call("mod", [product(), denominator()]);
    let whole = sql::binary(sql::binary(product(), BinaryOperator::Minus, left_over()), BinaryOperator::Divide, denominator());
    let millionth = sql::cast(sql::string("0.000001"), decimal(6, SUM_SCALE.into()));
    let millionths = sql::binary(sql::cast(whole, counted.clone()), BinaryOperator::Multiply, millionth);
    let micros = Decimal::from_micros(&literal.micros_floor()).to_string();
    let floor = times(sql::cast(sql::string(&micros), decimal(DIGITS_MAX.into(), SUM_SCALE.into())), count);
    // Literal × count, down to whole millionths.
    let bound = sql::binary(floor, BinaryOperator::Plus, millionths);
    let against = |op: BinaryOperator| sql::binary(sum.clone(), op, bound.clone());
    let is_bound = |op: BinaryOperator| {
        // Only a product without a rest is its own bound.
        let op = if fraction.exact { op } else { return sql::boolean(op == BinaryOperator::NotEq) };
        sql::binary(left_over(), op, sql::integer(0))
    };
    match compare {
        Compare::Greater => against(BinaryOperator::Gt),
        Compare::LessOrEqual => against(BinaryOperator::LtEq),
        Compare::Equal => sql::and(vec![against(BinaryOperator::Eq), is_bound(BinaryOperator::Eq)]),
        Compare::GreaterOrEqual if fraction.exact => {
            let equal = sql::and(vec![against(BinaryOperator::Eq), is_bound(BinaryOperator::Eq)]);
            sql::or(vec![against(BinaryOperator::Gt), equal])
        }
        Compare::GreaterOrEqual => against(BinaryOperator::Gt),
        Compare::Less if fraction.exact => {
            let below = sql::and(vec![against(BinaryOperator::Eq), is_bound(BinaryOperator::NotEq)]);
            sql::or(vec![against(BinaryOperator::Lt), below])
        }
        Compare::Less => against(BinaryOperator::LtEq),
    }
}

/// The greatest fraction up to a number whose denominator is below 10^19.
#[derive(Debug, PartialEq, Eq)]
struct Fraction {
    numerator: BigInt,
    denominator: BigInt,
    /// Whether it is the number.
    exact: bool,
}

impl Fraction {
    /// Of `p / q`, which is from 0 to 1, 1 left out. Walks the Stern–Brocot tree, a continued fraction's step at a time.
    fn up_to(p: &BigInt, q: &BigInt) -> Self {
        let max = BigInt::from(10).pow(COUNT_DIGITS) - 1;
        let zero = BigInt::ZERO;
        let (mut low, mut low_of) = (zero.clone(), BigInt::from(1));
        let (mut high, mut high_of) = (BigInt::from(1), BigInt::from(1));
        loop {
            let above = q * &high - p * &high_of;
            let below = p * &low_of - q * &low;
            let steps = (&below / &above).min((&max - &low_of) / &high_of);
            low += &steps * &high;
            low_of += &steps * &high_of;
            let below = p * &low_of - q * &low;
            if below == zero {
                return Self { numerator: low, denominator: low_of, exact: true };
            }
            let down = ((&above - BigInt::from(1)) / &below).min((&max - &high_of) / &low_of);
            if steps == zero && down == zero {
                return Self { numerator: low, denominator: low_of, exact: false };
            }
            high += &down * &low;
            high_of += &down * &low_of;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(p: &str, q: &str) -> (String, String, bool) {
        let found = Fraction::up_to(&p.parse().unwrap(), &q.parse().unwrap());
        (found.numerator.to_string(), found.denominator.to_string(), found.exact)
    }

    #[test]
    fn fractions_up_to_a_number() {
        let is = |p: &str, q: &str, n: &str, d: &str, exact: bool| assert_eq!(fraction(p, q), (n.to_owned(), d.to_owned(), exact));
        is("0", "1", "0", "1", true);
        is("5", "10", "1", "2", true);
        is("3", "1000000000000000000", "3", "1000000000000000000", true);
        // Nothing of a count below 10^19 lies between 0 and 10^-19.
        is("1", "10000000000000000000", "0", "1", false);
        is("1", "1000000000000000000000000000000", "0", "1", false);
        // A third has a denominator of its own; just below it, the greatest is that of the largest denominator.
        is(
            "333333333333333333333333333333333333",
            "1000000000000000000000000000000000000",
            "3333333333333333332",
            "9999999999999999997",
            false,
        );
        let (_, denominator, exact) = fraction("999999999999999999999999999999", "1000000000000000000000000000000");
        assert_eq!((denominator.as_str(), exact), ("9999999999999999999", false));
    }

    fn sql(op: Compare, literal: &str) -> String {
        compare(&sql::column("s"), &sql::column("n"), op, &Decimal::parse(literal).unwrap()).to_string()
    }

    #[test]
    fn short_literals_as_they_are() {
        assert_eq!(sql(Compare::Less, "-0.15"), r#""s" < (CAST('-0.15' AS DECIMAL(3,2)) * CAST("n" AS DECIMAL(19,0)))"#);
        let far = r#""n" > 0 AND coalesce(try("s" >= (CAST('100000000000000' AS DECIMAL(15,0)) * CAST("n" AS DECIMAL(19,0)))), false)"#;
        assert_eq!(sql(Compare::GreaterOrEqual, "1e14"), far);
        assert!(sql(Compare::GreaterOrEqual, "-1e14").ends_with("true)"));
        assert!(!sql(Compare::Equal, "9999999999999.999999").contains("try"));
    }

    #[test]
    fn long_literals_in_parts() {
        let tenth = sql(Compare::LessOrEqual, "-0.0000001");
        assert!(tenth.contains("CAST('-0.000001' AS DECIMAL(38,6))") && tenth.contains("CAST('9' AS DECIMAL(19,0))"), "{tenth}");
        assert!(sql(Compare::Equal, "1e-30").ends_with("false"), "{}", sql(Compare::Equal, "1e-30"));
    }
}
