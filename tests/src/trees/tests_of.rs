//! Operators and values that fit a type.

use segment_core::json::Json;
use segment_core::types::Type;
use segment_core::value::Value;

use super::{Members, Trees};
use crate::json::text;
use crate::world::{Target, item_targets};

impl Trees<'_> {
    /// `op`, `value` and `ignore_case` for a value of the type, drawn from values that are there.
    pub(super) fn comparison(&mut self, ty: &Type, pool: &[Value], target: &Target, depth: usize, members: &mut Members) {
        let mut ops: Vec<&str> = vec!["exists", "not_exists"];
        if ty.is_scalar() {
            ops.extend(["is", "is_not", "in", "not_in"].repeat(2));
        }
        if ty.is_ordered() {
            ops.extend(["lt", "lte", "gt", "gte", "between"].repeat(2));
        }
        match ty {
            Type::Timestamp | Type::Date => ops.extend(["before", "after", "in_window", "in_window"]),
            Type::String => ops.extend(["contains", "not_contains", "starts_with", "ends_with", "matches", "matches"]),
            Type::Strings => ops.extend(["has", "has_any", "has_all", "is_empty", "is_not_empty"].repeat(2)),
            Type::Objects(_) => ops.extend(["any_item", "any_item", "any_item", "any_item", "is_empty", "is_not_empty"]),
            Type::Integer | Type::Number | Type::Boolean | Type::Object(_) | Type::Map(_) => {}
        }
        let op = *self.random.pick(&ops);
        members.push(("op".to_owned(), text(op)));
        let value = match op {
            "exists" | "not_exists" | "is_empty" | "is_not_empty" => return,
            "in" | "not_in" => {
                let count = if self.random.chance(5) { 0 } else { self.random.between(1, 5) };
                Json::Array((0..count).map(|_| self.literal(ty, pool, false)).collect())
            }
            "between" => {
                let ends = vec![self.literal(ty, pool, true), self.literal(ty, pool, true)];
                Json::Array(self.mostly_in_order(ends))
            }
            "in_window" => self.window(true),
            "any_item" => {
                let items = item_targets(target);
                self.filter(&items, depth + 1)
            }
            "has" => self.item(pool),
            "has_any" | "has_all" => {
                let count = if self.random.chance(6) { 0 } else { self.random.between(1, 3) };
                Json::Array((0..count).map(|_| self.item(pool)).collect())
            }
            "matches" => text(self.pattern(pool)),
            "contains" | "not_contains" | "starts_with" | "ends_with" => text(self.part(pool)),
            "lt" | "lte" | "gt" | "gte" | "before" | "after" => self.literal(ty, pool, true),
            _ => self.literal(ty, pool, false),
        };
        members.push(("value".to_owned(), value));
        let cased = matches!(op, "is" | "is_not" | "in" | "not_in" | "contains" | "not_contains" | "starts_with" | "ends_with" | "matches");
        if *ty == Type::String && cased && self.random.chance(40) {
            members.push(("ignore_case".to_owned(), Json::Bool(self.random.chance(85))));
        }
    }

    /// The same for a sum or an average of the target.
    pub(super) fn exact(&mut self, target: &Target, members: &mut Members) {
        let ops = ["is", "is_not", "in", "not_in", "lt", "lte", "gt", "gte", "between", "exists", "not_exists"];
        let op = *self.random.pick(&ops);
        members.push(("op".to_owned(), text(op)));
        let value = match op {
            "exists" | "not_exists" => return,
            "in" | "not_in" => Json::Array((0..self.random.between(1, 4)).map(|_| self.total(target)).collect()),
            "between" => {
                let ends = vec![self.total(target), self.total(target)];
                Json::Array(self.mostly_in_order(ends))
            }
            _ => self.total(target),
        };
        members.push(("value".to_owned(), value));
    }

    fn mostly_in_order(&mut self, mut ends: Vec<Json>) -> Vec<Json> {
        let rank = |end: &Json| match end {
            Json::Number(n) => n.parse::<f64>().unwrap_or_default(),
            Json::String(s) => segment_core::time::parse_instant(s, &self.world.zone).unwrap_or_default() as f64,
            _ => 0.0,
        };
        if ends.len() == 2 && rank(&ends[0]) > rank(&ends[1]) && self.random.chance(90) {
            ends.swap(0, 1);
        }
        ends
    }
}
