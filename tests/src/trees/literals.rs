//! Literals: most of them values that the data has, or just beside one.

use segment_core::decimal::{micros_of_f64, micros_of_i64};
use segment_core::json::Json;
use segment_core::time::format_date;
use segment_core::types::Type;
use segment_core::value::Value;

use super::Trees;
use crate::json::{integer, text};
use crate::world::{Target, values};

/// Patterns in RE2's syntax.
const PATTERNS: [&str; 34] = [
    "",
    "a",
    "^a",
    "a$",
    "b$",
    "^$",
    ".",
    "^.$",
    "^..$",
    "\\d",
    "\\w",
    "\\s",
    "\\W",
    "\\bab\\b",
    "\\b",
    "[[:alpha:]]",
    "[^a]",
    "(?i)a",
    "(?i)k",
    "(?i)i",
    "(?s)^.*$",
    "(?m)^a$",
    "İ",
    "ß",
    "\\p{Greek}",
    "\\pL+",
    "[a-z_%]+",
    "'",
    "\\\\",
    "--|/\\*",
    "a|b|c",
    "^(a|b)*$",
    "x{2,}",
    "\\x{1F600}",
];

impl Trees<'_> {
    /// A literal of the type. `bound`: for an order operator, which takes instants for dates too.
    pub(super) fn literal(&mut self, ty: &Type, pool: &[Value], bound: bool) -> Json {
        let world = self.world;
        let drawn = if self.random.chance(85) { self.random.pick_any(pool).cloned() } else { None };
        let value = drawn.unwrap_or_else(|| values::value(&mut self.random, ty, &world.words));
        match &value {
            Value::String(s) => match self.random.below(12) {
                0 => text(s.to_uppercase()),
                1 => text(s.to_lowercase()),
                2 => text(s.chars().take(1).collect::<String>()),
                _ => text(s.clone()),
            },
            Value::Integer(n) => match self.random.below(20) {
                0 => Json::Number(format!("{n}.0")),
                1 => Json::Number(format!("{n}.5")),
                2 => Json::Number(
                    (*self.random.pick(&["1e30", "-1e30", "9223372036854775808", "-9223372036854775809", "1e-5", "-0.0"])).to_owned(),
                ),
                3 => integer(n.saturating_add(1)),
                4 => integer(n.saturating_sub(1)),
                _ => integer(*n),
            },
            Value::Number(x) => match self.random.below(12) {
                0 => Json::Number(format!("{:?}", x + 0.5)).finite(),
                1 => Json::Number("9007199254740993".to_owned()),
                2 if x.fract() == 0.0 && x.abs() < 1e15 => Json::Number(format!("{x:.0}")),
                _ => Json::Number(format!("{x:?}")),
            },
            Value::Boolean(b) => Json::Bool(*b),
            Value::Timestamp(at) => text(values::instant(&mut self.random, *at, &world.zone)),
            Value::Date(_) if bound && self.random.chance(35) => {
                let at = *self.random.pick(&world.words.instants);
                text(values::instant(&mut self.random, at, &world.zone))
            }
            Value::Date(day) => text(format_date(*day)),
            Value::Decimal(_) | Value::Strings(_) | Value::Object(_) | Value::Objects(_) | Value::Map(_) => Json::Null,
        }
    }

    /// Something to compare a sum or an average with: what one, two or three of the values come to.
    pub(super) fn total(&mut self, target: &Target) -> Json {
        if self.random.chance(6) {
            // What no sum or average comes to, or what not every engine can hold.
            let far = ["1e30", "-1e30", "1e31", "1e32", "-1e45", "1e60", "-1e300", "1e-30", "-1e-20"];
            return Json::Number((*self.random.pick(&far)).to_owned());
        }
        let mut micros = 0i128;
        for _ in 0..self.random.below(4) {
            micros += match self.random.pick_any(&target.pool) {
                Some(Value::Number(x)) => micros_of_f64(*x).unwrap_or_default(),
                Some(Value::Integer(n)) => micros_of_i64(*n),
                _ => 0,
            };
        }
        match self.random.below(8) {
            0 => micros /= 2,
            1 => micros /= 3,
            2 => micros += 1,
            _ => {}
        }
        let sign = if micros < 0 { "-" } else { "" };
        let (whole, part) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
        // More decimals than any sum has.
        let more = if self.random.chance(10) { "5" } else { "" };
        Json::Number(format!("{sign}{whole}.{part:06}{more}"))
    }

    /// An element of the lists of strings.
    pub(super) fn item(&mut self, pool: &[Value]) -> Json {
        let list = self.random.pick_any(pool).cloned();
        let found = match &list {
            Some(Value::Strings(items)) if self.random.chance(85) => self.random.pick_any(items).cloned(),
            _ => None,
        };
        text(found.unwrap_or_else(|| self.random.pick(&self.world.words.strings).clone()))
    }

    fn any_text(&mut self, pool: &[Value]) -> String {
        match self.random.pick_any(pool) {
            Some(Value::String(s)) => s.clone(),
            _ => self.random.pick(&self.world.words.strings).clone(),
        }
    }

    /// A piece of a text, of any length.
    pub(super) fn part(&mut self, pool: &[Value]) -> String {
        let whole: Vec<char> = self.any_text(pool).chars().collect();
        let start = if self.random.chance(50) { 0 } else { self.random.below(whole.len() + 1) };
        let end = if self.random.chance(40) { whole.len() } else { start + self.random.below(whole.len() - start + 1) };
        let part: String = whole.get(start..end).unwrap_or_default().iter().collect();
        match self.random.below(8) {
            0 => part.to_uppercase(),
            1 => part.to_lowercase(),
            _ => part,
        }
    }

    pub(super) fn pattern(&mut self, pool: &[Value]) -> String {
        if self.random.chance(60) {
            return (*self.random.pick(&PATTERNS)).to_owned();
        }
        let mut out = String::new();
        for c in self.part(pool).chars() {
            if c.is_ascii_punctuation() {
                out.push('\\');
            }
            out.push(c);
        }
        match self.random.below(4) {
            0 => format!("^{out}"),
            1 => format!("{out}$"),
            2 => format!("^{out}$"),
            _ => out,
        }
    }
}

/// Literals have to be finite.
trait Finite {
    fn finite(self) -> Json;
}

impl Finite for Json {
    fn finite(self) -> Json {
        match &self {
            Json::Number(n) if n.parse::<f64>().is_ok_and(f64::is_finite) => self,
            _ => integer(0),
        }
    }
}
