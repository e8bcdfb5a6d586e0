//! Decimals as they are written, compared and summed.

use super::*;
use proptest::prelude::*;

fn dec(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

#[test]
fn equal_however_written() {
    for (a, b) in [("1.50e3", "1500"), ("0.0", "-0e99999999999999999999"), ("100e-2", "1"), ("-0.10", "-1E-1"), ("1e400", "10e399")] {
        assert_eq!(dec(a), dec(b));
        assert_eq!(dec(a).cmp(&dec(b)), Ordering::Equal);
    }
    assert_eq!(Decimal::from(-1200), dec("-1.2e3"));
    assert_eq!(Decimal::from_f64_shortest(0.1), Some(dec("0.1")));
    assert_eq!(Decimal::from_f64_shortest(5e-324), Some(dec("5e-324")));
    assert_eq!(Decimal::from_f64_shortest(f64::NAN), None);
    assert_eq!(Decimal::from_micros(&BigInt::from(-2_500_000)), dec("-2.5"));
}

#[test]
fn bounds() {
    assert_eq!(Decimal::parse("1e401"), Err(DecimalError::Exponent));
    assert_eq!(Decimal::parse("1e-401"), Err(DecimalError::Exponent));
    assert_eq!(Decimal::parse("1e99999999999999999999"), Err(DecimalError::Exponent));
    assert_eq!(Decimal::parse("1e-99999999999999999999"), Err(DecimalError::Exponent));
    assert_eq!(Decimal::parse(&format!("0.{}", "1".repeat(1_001))), Err(DecimalError::Digits));
    assert_eq!(dec(&format!("5.{}", "0".repeat(5_000))), dec("5"));
    for text in ["", "1 ", "+1", "0x1", "NaN", "1_0", "01", ".5"] {
        assert_eq!(Decimal::parse(text), Err(DecimalError::NotANumber), "{text:?}");
    }
}

#[test]
fn literals() {
    let literal = |text: &str| Decimal::literal(text);
    assert_eq!(literal("1.5e300"), Ok(dec("15e299")));
    for text in ["1e309", "-1e400", "1e999", "1e99999999999999999999"] {
        assert_eq!(literal(text), Err(DecimalError::Exponent), "{text}");
    }
    for text in ["1e-401", "1e-500", "0.1e-99999999999999999999"] {
        assert_eq!(literal(text), Ok(dec("1e-400")), "{text}");
        assert_eq!(literal(&format!("-{text}")), Ok(dec("-1e-400")), "{text}");
    }
    assert_eq!(literal("0e-500"), Ok(dec("0")));
    assert_eq!(literal(&format!("1.{}", "1".repeat(1_000))), Err(DecimalError::Digits));
    assert_eq!(Decimal::greatest(38, 6), dec("99999999999999999999999999999999.999999"));
    assert_eq!(Decimal::power_of_ten(30), dec("1e30"));
}

#[test]
fn order() {
    let sorted = ["-1e400", "-2.5", "-2.49", "-1e-400", "0", "1e-400", "0.1", "0.10000000000000000001", "9", "10", "1e400"];
    for (i, a) in sorted.iter().enumerate() {
        for (j, b) in sorted.iter().enumerate() {
            assert_eq!(dec(a).cmp(&dec(b)), i.cmp(&j), "{a} {b}");
        }
    }
}

#[test]
fn display_is_canonical() {
    let (large, tiny) = (format!("15{}", "0".repeat(44)), format!("-0.{}1", "0".repeat(40)));
    for (text, shown) in
        [("1.50e3", "1500"), ("-0.0500", "-0.05"), ("-0", "0"), ("12.34", "12.34"), ("1.5e45", large.as_str()), ("-1e-41", tiny.as_str())]
    {
        assert_eq!(dec(text).to_string(), shown);
        assert_eq!(dec(shown), dec(text));
    }
}

#[test]
fn integers_and_rounding() {
    assert_eq!((dec("-2.5").floor(), dec("-2.5").ceil()), (BigInt::from(-3), BigInt::from(-2)));
    assert_eq!((dec("2.5").floor(), dec("2.5").ceil()), (BigInt::from(2), BigInt::from(3)));
    assert_eq!((dec("-2").floor(), dec("-2e1").ceil()), (BigInt::from(-2), BigInt::from(-20)));
    assert_eq!(dec("9223372036854775807.0").to_i64_exact(), Some(i64::MAX));
    assert_eq!(dec("-9223372036854775808").to_i64_exact(), Some(i64::MIN));
    assert_eq!(dec("9223372036854775808").to_i64_exact(), None);
    assert_eq!(dec("1e400").to_i64_exact(), None);
    assert_eq!(dec("1.5").to_i64_exact(), None);
    assert!(dec("1e2").is_integer() && dec("5.0").is_integer() && !dec("0.5").is_integer());
    for (text, micros) in
        [("0.0000005", 1), ("-0.0000005", -1), ("0.00000049999", 0), ("1.2345675", 1_234_568), ("-1.2345674", -1_234_567), ("3", 3_000_000)]
    {
        assert_eq!(dec(text).round6(), BigInt::from(micros), "{text}");
    }
    assert_eq!(dec("0.0000001").micros_floor(), BigInt::from(0));
    assert_eq!(dec("0.0000001").micros_ceil(), BigInt::from(1));
    assert_eq!(dec("-0.0000001").micros_floor(), BigInt::from(-1));
    assert_eq!(dec("0.0000001").micros_exact(), None);
    assert_eq!(dec("2.5").micros_exact(), Some(BigInt::from(2_500_000)));
}

#[test]
fn doubles() {
    assert_eq!(dec("0.1").to_f64(), 0.1);
    assert_eq!(dec("9007199254740993").to_f64(), 9007199254740992.0);
    assert_eq!(dec("1e400").to_f64(), f64::INFINITY);
    assert_eq!(dec("1e-400").to_f64(), 0.0);
}

#[test]
fn summed_values() {
    assert_eq!(micros_of_f64(0.1), Some(100_000));
    assert_eq!(micros_of_f64(-19.99), Some(-19_990_000));
    assert_eq!(micros_of_f64(-0.0), Some(0));
    assert_eq!(micros_of_f64(0.0000005), Some(1));
    assert_eq!(micros_of_f64(-0.0000005), Some(-1));
    assert_eq!(micros_of_f64(0.00000049), Some(0));
    assert_eq!(micros_of_f64(5e-324), Some(0));
    // The double is a little below the decimal it was written as; the rule goes by the decimal.
    assert_eq!(micros_of_f64(1.0000005), Some(1_000_001));
    assert_eq!(micros_of_f64(1e30), Some(10i128.pow(36)));
    assert_eq!(micros_of_f64(-1e30), Some(-(10i128.pow(36))));
    assert_eq!(micros_of_f64(1e30_f64.next_up()), None);
    assert_eq!(micros_of_f64(f64::INFINITY), None);
    assert_eq!(micros_of_f64(f64::NAN), None);
    assert_eq!(micros_of_i64(i64::MIN), i128::from(i64::MIN) * 1_000_000);
}

#[test]
fn averages() {
    let third = BigInt::from(10_000_000);
    assert_eq!(compare_avg(&third, 3, &dec("3.333333")), Ordering::Greater);
    assert_eq!(compare_avg(&third, 3, &dec("3.3333333333333333333334")), Ordering::Less);
    assert_eq!(compare_avg(&third, 4, &dec("2.5")), Ordering::Equal);
    assert_eq!(compare_avg(&BigInt::from(-1), 1, &dec("0")), Ordering::Less);
    assert_eq!(compare_avg(&third, u64::MAX, &dec("1e-400")), Ordering::Greater);
}

fn doubles_of_all_sizes() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        (any::<i64>(), 0..12i32).prop_map(|(m, e)| m as f64 / 10f64.powi(e)),
        (-1_000_000_000i64..1_000_000_000, 0..9i32).prop_map(|(m, e)| m as f64 / 10f64.powi(e)),
        (-9_999_999i64..9_999_999).prop_map(|m| (m as f64 + 0.5) / 1e6),
    ]
}

proptest! {
    #[test]
    fn micros_follow_the_rule(x in doubles_of_all_sizes()) {
        let rule = Decimal::from_f64_shortest(x)
            .filter(|d| *d <= dec("1e30") && *d >= dec("-1e30"))
            .map(|d| d.round6());
        prop_assert_eq!(micros_of_f64(x).map(BigInt::from), rule);
    }

    #[test]
    fn fast_path_is_the_slow_path(m in -999_999_999_999_999i64..=999_999_999_999_999, shift in 0..4i32) {
        let x = m as f64 / 10f64.powi(6 + shift);
        prop_assert_eq!(micros_of_f64(x), micros_of_shortest(x));
    }

    #[test]
    fn doubles_round_trip(x in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
        let d = Decimal::from_f64_shortest(x).unwrap();
        prop_assert_eq!(d.to_f64(), x);
        prop_assert_eq!(Decimal::parse(&d.to_string()).unwrap(), d);
    }

    #[test]
    fn thresholds(sum in any::<i64>(), m in any::<i64>(), e in -25..3i32) {
        let literal = Decimal::normal(BigInt::from(m), e);
        let exact = Decimal::from_micros(&BigInt::from(sum)).cmp(&literal);
        let sum = BigInt::from(sum);
        prop_assert_eq!(sum <= literal.micros_floor(), exact != Ordering::Greater);
        prop_assert_eq!(sum >= literal.micros_ceil(), exact != Ordering::Less);
        prop_assert_eq!(literal.micros_exact() == Some(sum.clone()), exact == Ordering::Equal);
        prop_assert_eq!(compare_avg(&sum, 1, &literal), exact);
    }

    #[test]
    fn order_is_that_of_integers(a in any::<i64>(), b in any::<i64>()) {
        prop_assert_eq!(Decimal::from(a).cmp(&Decimal::from(b)), a.cmp(&b));
    }
}
