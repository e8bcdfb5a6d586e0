//! Tests of sums whose literal is further from zero than any sum that the engine holds.

use crate::decimal::Decimal;
use crate::plan::Test;
use crate::value::Value;

/// The same test with literals that the engine holds too. It is the same for every sum that fits there, and still reads the
/// sum, so that one which does not fit stays the error that it is.
pub(super) fn fitting(test: Test, max: &Decimal) -> Test {
    let min = max.negated();
    let above = |v: &Value| matches!(v, Value::Decimal(d) if d > max);
    let below = |v: &Value| matches!(v, Value::Decimal(d) if *d < min);
    let greatest = || Value::Decimal(max.clone());
    let least = || Value::Decimal(min.clone());
    let never = || Test::Gt(greatest());
    match test {
        Test::Lt(v) | Test::Lte(v) if above(&v) => Test::Lte(greatest()),
        Test::Lt(v) | Test::Lte(v) if below(&v) => Test::Lt(least()),
        Test::Gt(v) | Test::Gte(v) if above(&v) => never(),
        Test::Gt(v) | Test::Gte(v) if below(&v) => Test::Gte(least()),
        Test::Is(v, _) if above(&v) || below(&v) => never(),
        Test::In(values, case) => {
            let held: Vec<Value> = values.into_iter().filter(|v| !above(v) && !below(v)).collect();
            if held.is_empty() { never() } else { Test::In(held, case) }
        }
        Test::Between(low, high) if above(&low) || below(&high) => never(),
        Test::Between(low, high) => Test::Between(if below(&low) { least() } else { low }, if above(&high) { greatest() } else { high }),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Case;

    fn decimal(text: &str) -> Value {
        Value::Decimal(Decimal::parse(text).unwrap())
    }

    /// The rewritten test has no literal beyond ±99.9, and says the same of every sum up to there.
    fn check(test: Test) {
        let max = Decimal::greatest(3, 1);
        let fitted = fitting(test.clone(), &max);
        for literal in fitted.literals() {
            assert!(matches!(literal, Value::Decimal(d) if *d <= max && *d >= max.negated()), "{test:?} {fitted:?}");
        }
        for sum in ["-99.9", "-99.8", "0", "5", "99.8", "99.9"] {
            let sum = decimal(sum);
            assert_eq!(fitted.holds(Some(&sum)), test.holds(Some(&sum)), "{test:?} {fitted:?} {sum:?}");
        }
    }

    #[test]
    fn the_same_for_every_sum_that_fits() {
        for literal in ["-100", "-99.9", "5", "99.9", "100", "1e45", "-1e45"] {
            for made in [Test::Lt, Test::Lte, Test::Gt, Test::Gte] {
                check(made(decimal(literal)));
            }
            check(Test::Is(decimal(literal), Case::Exact));
            check(Test::In(vec![decimal(literal)], Case::Exact));
            let mut several = vec![decimal("5"), decimal(literal)];
            several.sort_by(|a, b| a.compare(b).unwrap());
            check(Test::In(several, Case::Exact));
            for high in ["-100", "0", "99.9", "1e45"] {
                check(Test::Between(decimal(literal), decimal(high)));
            }
        }
    }
}
