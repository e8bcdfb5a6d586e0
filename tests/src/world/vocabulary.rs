//! The values of a world: few of each type, so that conditions and data meet, and among them the ones that break things.

use segment_core::time::{self, Zone};

use super::times::Times;
use crate::random::Random;

/// Text without NUL. Most of it has broken somebody's escaping, folding or matching before.
pub const STRINGS: [&str; 58] = [
    "",
    " ",
    "a",
    "A",
    "ab",
    "aB",
    "abc",
    "b\na",
    "a\n",
    "tab\there",
    "'",
    "''",
    "O'Brien",
    "\\",
    "\\'",
    "\\\\",
    "it\\'s",
    "\"",
    "\"quoted\"",
    "--",
    "x'; DROP TABLE events; --",
    "/*",
    "*/",
    "/* c */",
    "$$",
    "$1",
    "${x}",
    "%",
    "_",
    "%_",
    "100%",
    "a_b",
    "axb",
    "[a-z]",
    "a.b",
    "a*b",
    "^a$",
    "(",
    "?",
    ":p",
    "NULL",
    "null",
    "true",
    "0",
    "1",
    "1.5",
    "2024-03-31",
    "é",
    "e\u{301}",
    "İ",
    "i",
    "ı",
    "ẞ",
    "ß",
    "\u{212a}",
    "ΟΔΟΣ",
    "日本",
    "😀👍🏽",
];

/// Doubles around every edge that sums, averages and literals have.
const NUMBERS: [f64; 40] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    2.5,
    -2.5,
    3.0,
    0.1,
    0.2,
    0.1 + 0.2,
    0.3,
    0.7,
    1.1,
    2.675,
    0.5e-6,
    -0.5e-6,
    1.5e-6,
    2.5e-6,
    0.4999999e-6,
    1e-6,
    1e-7,
    123_456.789_012_5,
    -123_456.789_012_5,
    99.99,
    19.99,
    1e15,
    1e15 + 0.3,
    9_007_199_254_740_992.0,
    9_007_199_254_740_994.0,
    1e18,
    1e29,
    1e30,
    -1e30,
    1.000_000_000_000_000_1e30,
    9.999_999_999_999_999e29,
    1e300,
    f64::MAX,
    5e-324,
    1.0 / 3.0,
];

const INTEGERS: [i64; 16] = [
    0,
    1,
    2,
    3,
    5,
    10,
    -1,
    -2,
    100,
    i64::MIN,
    i64::MAX,
    i64::MIN + 1,
    i64::MAX - 1,
    9_007_199_254_740_993,
    -9_007_199_254_740_993,
    1_000_000,
];

/// Keys of maps. None is the start of another up to a dot: `a` beside `a.b` cannot both be paths.
pub const MAP_KEYS: [&str; 8] = ["v1", "V1", "a.b", "it's", "select", "日本", "x y", "\"q\""];

/// The values that a world's fields draw from.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// Text.
    pub strings: Vec<String>,
    /// Whole numbers.
    pub integers: Vec<i64>,
    /// Doubles.
    pub numbers: Vec<f64>,
    /// Instants.
    pub instants: Vec<i64>,
    /// Days.
    pub dates: Vec<i32>,
}

impl Vocabulary {
    /// Draws one.
    pub fn new(random: &mut Random, times: &Times, zone: &Zone) -> Self {
        let mut strings: Vec<String> = (0..9).map(|_| (*random.pick(&STRINGS)).to_owned()).collect();
        for _ in 0..4 {
            let joined = format!("{}{}{}", random.pick(&STRINGS), random.pick(&STRINGS), random.pick(&STRINGS));
            strings.push(joined);
        }
        strings.push(String::new());
        let mut integers: Vec<i64> = (0..6).map(|_| *random.pick(&INTEGERS)).collect();
        integers.extend([1, 2, 3, 5]);
        let mut numbers: Vec<f64> = (0..8).map(|_| *random.pick(&NUMBERS)).collect();
        numbers.extend([1.0, 2.5, 0.1]);
        for _ in 0..3 {
            // As many decimals as prices and weights have, and some more.
            let places = random.between(0, 9);
            numbers.push(random.between(-99_999_999, 99_999_999) as f64 / 10f64.powi(places as i32));
        }
        let mut instants = times.instants.clone();
        if random.chance(50) {
            instants.extend([time::INSTANT_MIN, time::INSTANT_MAX, -1, 0]);
        }
        let today = zone.local_day(times.as_of);
        let mut dates: Vec<i32> = (0..5).map(|_| today + random.between(-3, 3) as i32).collect();
        dates.extend((0..2).map(|_| today + random.between(-400, 400) as i32));
        if random.chance(50) {
            dates.extend([-719_162, 2_932_896, -1, 0]);
        }
        Self { strings, integers, numbers, instants, dates }
    }
}
