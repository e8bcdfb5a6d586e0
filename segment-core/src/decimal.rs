//! Exact decimal numbers: the literals that sums and averages are compared with, and the values that are summed.
//!
//! In: the text of a JSON number, an integer, or a double (read as the shortest decimal that is that double). Out: exact
//! comparison, and whole micro-units (10^-6) for engines that add integers.
//!
//! Invariants: two decimals are equal, and hash alike, where their numeric values are equal. Text has at most `DIGITS_MAX`
//! significant digits, its first one within `EXPONENT_MAX` places of the point, so no arithmetic is without bound.
//! Deliberately absent: division, which would have to round.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};

use crate::json;

/// Places between the point and the first significant digit of a decimal's text, either way.
pub const EXPONENT_MAX: i64 = 400;
const EXPONENT_LEAST: i32 = -(EXPONENT_MAX as i32);
/// Significant digits of a decimal's text.
pub const DIGITS_MAX: usize = 1_000;
/// Decimal places that a value counts with in a sum or an average.
pub const SUM_PLACES: i32 = 6;
/// Values beyond this, either way, are missing in sums and averages.
pub const SUM_VALUE_MAX: f64 = 1e30;

/// Power of ten that no average is beyond, either way: the averaged values are not.
pub const AVG_EXPONENT_MAX: i32 = 30;
/// Power of ten that no sum is beyond, either way: each value adds 10^30 at most, and nobody has 10^20 events.
pub const SUM_EXPONENT_MAX: i32 = 50;

/// An exact decimal number, `mantissa × 10^exponent`, the mantissa without trailing zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: BigInt,
    exponent: i32,
}

/// Why a text is not a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not the text of a JSON number.
    #[error("not a number")]
    NotANumber,
    /// Too large or too near zero.
    #[error("the number's exponent is beyond {EXPONENT_MAX}")]
    Exponent,
    /// More significant digits than `DIGITS_MAX`.
    #[error("the number has more than {DIGITS_MAX} digits")]
    Digits,
}

impl Decimal {
    /// Reads the text of a JSON number.
    ///
    /// # Errors
    ///
    /// The text is not wholly a JSON number, or it is beyond the bounds.
    pub fn parse(text: &str) -> Result<Decimal, DecimalError> {
        if !json::is_number(text) {
            return Err(DecimalError::NotANumber);
        }
        let (number, exponent) = match text.find(['e', 'E']) {
            // An exponent that no i64 holds is out of bounds all the same, unless the number is zero.
            Some(at) => (&text[..at], i64::from_str(&text[at + 1..]).unwrap_or(i64::MAX / 2)),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = [whole, fraction].concat();
        let significant = digits.trim_end_matches('0');
        let dropped = digits.len() - significant.len();
        let significant = significant.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(Decimal::from(0));
        }
        let exponent = exponent.saturating_add(dropped as i64 - fraction.len() as i64);
        if exponent.saturating_add(significant.len() as i64 - 1).abs() > EXPONENT_MAX {
            return Err(DecimalError::Exponent);
        }
        if significant.len() > DIGITS_MAX {
            return Err(DecimalError::Digits);
        }
        let magnitude = match significant.parse::<u64>() {
            Ok(magnitude) => BigInt::from(magnitude),
            Err(_) => BigInt::from_str(significant).map_err(|_| DecimalError::NotANumber)?,
        };
        let mantissa = if negative { -magnitude } else { magnitude };
        Ok(Decimal { mantissa, exponent: i32::try_from(exponent).map_err(|_| DecimalError::Exponent)? })
    }

    /// Reads a literal that values, sums or averages are compared with: as `parse`, but what is nearer to zero than any of
    /// those can be without being zero, is the number of its sign that is as near as `EXPONENT_MAX` allows. All comparisons
    /// come out the same.
    ///
    /// # Errors
    ///
    /// As for `parse`; `Exponent` is for what is beyond every double, and for that alone.
    pub fn literal(text: &str) -> Result<Decimal, DecimalError> {
        let finite = text.parse::<f64>().is_ok_and(f64::is_finite);
        match Decimal::parse(text) {
            Ok(_) if !finite => Err(DecimalError::Exponent),
            Err(DecimalError::Exponent) if finite => {
                let sign = if text.starts_with('-') { -1 } else { 1 };
                Ok(Decimal { mantissa: BigInt::from(sign), exponent: EXPONENT_LEAST })
            }
            read => read,
        }
    }

    /// Ten to that power.
    pub fn power_of_ten(exponent: i32) -> Decimal {
        Decimal { mantissa: BigInt::from(1), exponent }
    }

    /// The greatest number with so many digits, that many of them after the point.
    pub fn greatest(digits: u32, places: i32) -> Decimal {
        Decimal { mantissa: BigInt::from(10u8).pow(digits) - 1, exponent: -places }
    }

    /// The number on the other side of zero.
    pub fn negated(&self) -> Decimal {
        Decimal { mantissa: -&self.mantissa, exponent: self.exponent }
    }

    /// The shortest decimal that is that double; `None` for NaN and the infinities.
    pub fn from_f64_shortest(x: f64) -> Option<Decimal> {
        if !x.is_finite() {
            return None;
        }
        Decimal::parse(ryu::Buffer::new().format_finite(x)).ok()
    }

    /// So many millionths.
    pub fn from_micros(micros: &BigInt) -> Decimal {
        Decimal::normal(micros.clone(), -SUM_PLACES)
    }

    fn normal(mut mantissa: BigInt, mut exponent: i32) -> Decimal {
        if mantissa.sign() == Sign::NoSign {
            return Decimal { mantissa, exponent: 0 };
        }
        let ten = BigInt::from(10u8);
        loop {
            let shorter = &mantissa / &ten;
            if &shorter * &ten != mantissa {
                return Decimal { mantissa, exponent };
            }
            mantissa = shorter;
            exponent += 1;
        }
    }

    /// Whether it has no fraction.
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The least integer not below this percentage of 2^64; 0 for what is negative.
    pub fn share_of_2_64(&self) -> u128 {
        let share = Decimal::normal(&self.mantissa << 64, self.exponent - 2).ceil();
        u128::try_from(share).unwrap_or_default()
    }

    /// The integer that it is, if 64 bits hold it.
    pub fn to_i64_exact(&self) -> Option<i64> {
        // Nothing with an exponent over 18 fits, so no large power is ever made here.
        if self.exponent < 0 || self.exponent > 18 {
            return None;
        }
        i64::try_from(self.scaled_floor(0)).ok()
    }

    /// The nearest double, halves to even; infinite beyond the largest one.
    pub fn to_f64(&self) -> f64 {
        format!("{}e{}", self.mantissa, self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// The greatest integer not above it.
    pub fn floor(&self) -> BigInt {
        self.scaled_floor(0)
    }

    /// The least integer not below it.
    pub fn ceil(&self) -> BigInt {
        self.scaled_ceil(0)
    }

    /// Whole micro-units, rounded to the nearest, halves away from zero.
    pub fn round6(&self) -> BigInt {
        let places = self.exponent + SUM_PLACES;
        if places >= 0 {
            return &self.mantissa * pow10(places);
        }
        let unit = pow10(-places);
        let half = &unit / 2;
        match self.mantissa.sign() {
            // The quotient is cut toward zero, so going half a unit further rounds halves away from it.
            Sign::Minus => (&self.mantissa - half) / unit,
            Sign::NoSign | Sign::Plus => (&self.mantissa + half) / unit,
        }
    }

    /// The greatest number of whole micro-units not above it: for an integer `s`, `s/10^6 <= self` is `s <= micros_floor`,
    /// and `s/10^6 > self` is `s > micros_floor`.
    pub fn micros_floor(&self) -> BigInt {
        self.scaled_floor(SUM_PLACES)
    }

    /// Whether it is a number of whole micro-units.
    pub fn is_micros(&self) -> bool {
        self.exponent >= -SUM_PLACES
    }

    /// What it is above `micros_floor`, in micro-units: a fraction, from 0 to 1, 1 left out.
    pub fn below_micros(&self) -> (BigInt, BigInt) {
        let shift = self.exponent + SUM_PLACES;
        if shift >= 0 {
            return (BigInt::ZERO, BigInt::from(1));
        }
        let unit = pow10(-shift);
        (&self.mantissa - self.micros_floor() * &unit, unit)
    }

    /// The least number of whole micro-units not below it: for an integer `s`, `s/10^6 >= self` is `s >= micros_ceil`,
    /// and `s/10^6 < self` is `s < micros_ceil`.
    pub fn micros_ceil(&self) -> BigInt {
        self.scaled_ceil(SUM_PLACES)
    }

    /// Whole micro-units, if it is some number of them: what no sum can equal has none.
    pub fn micros_exact(&self) -> Option<BigInt> {
        self.is_micros().then(|| self.micros_floor())
    }

    fn scaled_floor(&self, places: i32) -> BigInt {
        let shift = self.exponent + places;
        if shift >= 0 {
            return &self.mantissa * pow10(shift);
        }
        let unit = pow10(-shift);
        let cut = &self.mantissa / &unit;
        if self.mantissa.sign() == Sign::Minus && &cut * &unit != self.mantissa { cut - 1 } else { cut }
    }

    fn scaled_ceil(&self, places: i32) -> BigInt {
        -self.negated().scaled_floor(places)
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Decimal::normal(BigInt::from(value), 0)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_scaled(&self.mantissa, self.exponent, &other.mantissa, other.exponent)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Plain notation, without trailing zeros and never with an exponent, which not every engine reads. Always a JSON number.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.exponent.unsigned_abs() as usize;
        if let (Ok(mantissa), Some(unit)) = (i64::try_from(&self.mantissa), 10u64.checked_pow(self.exponent.unsigned_abs())) {
            // Nearly every literal is so short, and needs no large numbers.
            return match self.exponent.cmp(&0) {
                Ordering::Less => {
                    let (sign, magnitude) = (if mantissa < 0 { "-" } else { "" }, mantissa.unsigned_abs());
                    write!(f, "{sign}{}.{:0places$}", magnitude / unit, magnitude % unit)
                }
                Ordering::Equal => f.write_str(itoa::Buffer::new().format(mantissa)),
                Ordering::Greater => write!(f, "{mantissa}{:0places$}", 0),
            };
        }
        if self.exponent >= 0 {
            return write!(f, "{}", &self.mantissa * pow10(self.exponent));
        }
        let digits = format!("{:0>width$}", self.mantissa.magnitude().to_string(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let sign = if self.mantissa.sign() == Sign::Minus { "-" } else { "" };
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// How an average compares with a literal: `sum / 10^6` against `literal × count`, exactly.
pub fn compare_avg(sum_micros: &BigInt, count: u64, literal: &Decimal) -> Ordering {
    compare_scaled(sum_micros, -SUM_PLACES, &(&literal.mantissa * count), literal.exponent)
}

/// The micro-units that a double counts as in a sum or an average: the shortest decimal that is that double, rounded to 6
/// decimals, halves away from zero. `None` beyond ±10^30, for NaN and the infinities.
pub fn micros_of_f64(x: f64) -> Option<i128> {
    // The shortest decimal of the double 1e30 is 10^30 itself, so doubles compare with it as their decimals do.
    if x.is_nan() || x.abs() > SUM_VALUE_MAX {
        return None;
    }
    // With 15 digits at most, the decimal r/10^6 is the only one so short that rounds to x: it is the shortest.
    let r = (x * 1e6).round();
    if r.abs() < 1e15 && r / 1e6 == x {
        return Some(r as i128);
    }
    micros_of_shortest(x)
}

/// The micro-units that an integer counts as.
pub fn micros_of_i64(x: i64) -> i128 {
    i128::from(x) * 1_000_000
}

/// The rule itself, for a double within the bounds: all its numbers stay below 10^37.
fn micros_of_shortest(x: f64) -> Option<i128> {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(x);
    let (number, exponent) = match text.split_once('e') {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut mantissa = 0i128;
    for digit in whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit) {
        mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let shift = exponent - i32::try_from(fraction.len()).ok()? + SUM_PLACES;
    let magnitude = if shift >= 0 {
        mantissa.checked_mul(10i128.checked_pow(shift.unsigned_abs())?)?
    } else {
        match 10i128.checked_pow(shift.unsigned_abs()) {
            Some(unit) => (mantissa + unit / 2) / unit,
            None => 0,
        }
    };
    Some(if x < 0.0 { -magnitude } else { magnitude })
}

fn pow10(exponent: i32) -> BigInt {
    BigInt::from(10u8).pow(exponent.unsigned_abs())
}

/// Bits by which the lengths of two magnitudes have to differ for one to be the greater for certain: 1, and what doubles are inexact by.
const LENGTHS_APART: f64 = 1.125;

fn compare_scaled(a: &BigInt, a_exponent: i32, b: &BigInt, b_exponent: i32) -> Ordering {
    match a.sign().cmp(&b.sign()) {
        Ordering::Equal => {}
        different @ (Ordering::Less | Ordering::Greater) => return different,
    }
    // The logarithm of a magnitude to the base 2 is up to one below this.
    let length = |magnitude: &BigInt, exponent: i32| magnitude.bits() as f64 + f64::from(exponent) * std::f64::consts::LOG2_10;
    let longer = length(a, a_exponent) - length(b, b_exponent);
    if longer.abs() > LENGTHS_APART && a.sign() != Sign::NoSign {
        // So far apart that no power of ten is needed.
        return if (longer > 0.0) == (a.sign() == Sign::Plus) { Ordering::Greater } else { Ordering::Less };
    }
    match a_exponent.cmp(&b_exponent) {
        Ordering::Equal => a.cmp(b),
        Ordering::Greater => (a * pow10(a_exponent - b_exponent)).cmp(b),
        Ordering::Less => a.cmp(&(b * pow10(b_exponent - a_exponent))),
    }
}

#[cfg(test)]
mod tests;
