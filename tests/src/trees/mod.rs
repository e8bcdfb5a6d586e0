//! Random condition trees over a world, as wire JSON: every operator on every type it fits, every measure, every form of
//! window. None has a fault; a diagnostic on one is a failure of the test that asked for it.

mod literals;
mod tests_of;
mod windows;

use segment_core::json::Json;
use segment_core::types::Type;

use crate::json::{integer, object, text};
use crate::random::Random;
use crate::world::{Target, World};

/// Levels of groups above the leaves.
const DEPTH_MAX: usize = 5;

/// Makes trees.
pub struct Trees<'w> {
    world: &'w World,
    random: Random,
    events: bool,
}

/// Members of an object in the making.
type Members = Vec<(String, Json)>;

impl<'w> Trees<'w> {
    /// For a world, from a seed's generator.
    pub fn new(world: &'w World, random: Random) -> Self {
        Self { world, random, events: true }
    }

    /// Without predicates over events; saved segments may still have some.
    pub fn without_events(mut self) -> Self {
        self.events = false;
        self
    }

    /// Heads or tails.
    pub fn coin(&mut self) -> bool {
        self.random.chance(50)
    }

    /// A tree of about so many leaves.
    pub fn tree(&mut self, leaves: usize) -> Json {
        let most = self.random.between(1, leaves.max(1) as i64);
        let leaves = self.random.between(1, most) as usize;
        self.node(leaves, 0)
    }

    /// So many predicates over events, or a few more, in groups of three.
    pub fn wide(&mut self, leaves: usize) -> Json {
        let (outer, inner) = if self.coin() { ("all", "any") } else { ("any", "all") };
        let groups = (0..leaves.div_ceil(3)).map(|_| object([(inner, Json::Array((0..3).map(|_| self.event()).collect()))])).collect();
        object([(outer, Json::Array(groups))])
    }

    /// A tree for comparisons of one and the same value, which contradict each other or leave nothing out.
    pub fn contradiction(&mut self) -> Json {
        let count = self.random.between(2, 4);
        let key = if self.random.chance(50) { "all" } else { "any" };
        let first = if self.random.chance(60) || !self.events { self.attribute() } else { self.event() };
        let Json::Object(members) = &first else { return first };
        let subject: Members = members.iter().filter(|(k, _)| !matches!(k.as_str(), "op" | "value" | "ignore_case")).cloned().collect();
        let mut children = vec![first.clone()];
        for _ in 1..count {
            let mut child = subject.clone();
            match first.get("attribute").and_then(Json::as_str) {
                Some(name) => {
                    let target = self.world.attributes.iter().find(|t| t.name == name);
                    let Some(target) = target.cloned() else { continue };
                    self.comparison(&target.ty, &target.pool, &target, 0, &mut child);
                }
                None => self.measured(first.get("measure").cloned(), &mut child),
            }
            let child = Json::Object(child);
            children.push(if self.random.chance(30) { object([("not", child)]) } else { child });
        }
        object([(key, Json::Array(children))])
    }

    fn node(&mut self, leaves: usize, depth: usize) -> Json {
        if depth >= DEPTH_MAX || leaves <= 1 && self.random.chance(80) {
            return self.leaf();
        }
        match self.random.below(10) {
            0..3 => object([("not", self.node(leaves, depth + 1))]),
            n => {
                let key = if n < 6 { "all" } else { "any" };
                let count = match self.random.below(20) {
                    0 => 0,
                    1 => 1,
                    _ => self.random.between(2, 4) as usize,
                };
                let children = (0..count).map(|_| self.node(leaves / count.max(1), depth + 1)).collect();
                object([(key, Json::Array(children))])
            }
        }
    }

    fn leaf(&mut self) -> Json {
        match self.random.below(100) {
            0..38 => self.attribute(),
            38..84 if self.events => self.event(),
            38..84 => self.attribute(),
            84..89 if !self.world.library.segments.is_empty() => {
                let keys: Vec<&String> = self.world.library.segments.keys().collect();
                object([("segment", text((*self.random.pick(&keys)).clone()))])
            }
            84..94 => {
                let keys: Vec<&String> = self.world.lists.keys().collect();
                object([("list", text((*self.random.pick(&keys)).clone()))])
            }
            94..98 => self.sample(),
            _ => object([("everyone", Json::Bool(true))]),
        }
    }

    /// A target, mostly one that has values.
    fn target(&mut self, targets: &'w [Target], fits: impl Fn(&Type) -> bool) -> Option<&'w Target> {
        let fitting: Vec<&Target> = targets.iter().filter(|t| fits(&t.ty)).collect();
        let used: Vec<&Target> = fitting.iter().copied().filter(|t| !t.pool.is_empty()).collect();
        if used.is_empty() || self.random.chance(6) {
            return self.random.pick_any(&fitting).copied();
        }
        // What more users have tells more of them apart.
        let (a, b) = (*self.random.pick(&used), *self.random.pick(&used));
        Some(if a.pool.len() >= b.pool.len() { a } else { b })
    }

    /// A predicate over an attribute.
    pub fn attribute(&mut self) -> Json {
        let Some(target) = self.target(&self.world.attributes, |_| true) else {
            return object([("everyone", Json::Bool(true))]);
        };
        let mut members = vec![("attribute".to_owned(), text(target.name.clone()))];
        self.comparison(&target.ty, &target.pool, target, 0, &mut members);
        Json::Object(members)
    }

    fn sample(&mut self) -> Json {
        let percent = match self.random.below(6) {
            0 => *self.random.pick(&["0", "100", "100.0", "0e5", "1e2"]),
            1 => *self.random.pick(&["33.333333333333333333", "12.5", "0.001", "99.999"]),
            _ => *self.random.pick(&["25", "50", "5e1", "75.5"]),
        };
        let mut members =
            vec![("percent", Json::Number(percent.to_owned())), ("salt", text(self.random.pick(&self.world.words.strings).clone()))];
        let by = |ty: &Type| matches!(ty, Type::String | Type::Integer | Type::Boolean);
        if self.random.chance(50)
            && let Some(target) = self.target(&self.world.attributes, by)
        {
            members.push(("by", text(target.name.clone())));
        }
        object([("sample", object(members))])
    }

    /// A predicate over events.
    pub fn event(&mut self) -> Json {
        let world = self.world;
        let mut members = vec![("event".to_owned(), self.selector())];
        if self.random.chance(35) {
            members.push(("where".to_owned(), self.filter(&world.properties, 0)));
        }
        if self.random.chance(15) {
            // Neither measure nor operator: once at least.
            if self.random.chance(30) {
                members.push(("measure".to_owned(), object([("count", Json::Bool(true))])));
            }
        } else {
            let measure = self.measure();
            if let Some(measure) = &measure {
                members.push(("measure".to_owned(), measure.clone()));
            }
            self.measured(measure, &mut members);
        }
        if self.random.chance(50) {
            members.push(("window".to_owned(), self.window(false)));
        }
        Json::Object(members)
    }

    fn selector(&mut self) -> Json {
        let events = &self.world.events;
        match self.random.below(10) {
            0..5 => text(self.random.pick(events).clone()),
            5 | 6 => Json::Array((0..self.random.between(1, 3)).map(|_| text(self.random.pick(events).clone())).collect()),
            7 => object([("prefix", text(*self.random.pick(&["cart_", "c", "", "P", "cart_%", "it'", "日", "nothing"])))]),
            _ => text("*"),
        }
    }

    fn measure(&mut self) -> Option<Json> {
        let properties = &self.world.properties;
        let plain = |name: &str| Some(object([(name, Json::Bool(true))]));
        let (name, target) = match self.random.below(20) {
            0 | 1 => return None,
            2 => return plain("count"),
            3 | 4 => return plain("days"),
            5 => return plain("first_time"),
            6 => return plain("last_time"),
            7..10 => ("sum", self.target(properties, |t| matches!(t, Type::Integer | Type::Number))),
            10..12 => ("avg", self.target(properties, |t| matches!(t, Type::Integer | Type::Number))),
            12 => ("min", self.target(properties, Type::is_ordered)),
            13 => ("max", self.target(properties, Type::is_ordered)),
            14 | 15 => ("distinct", self.target(properties, Type::is_scalar)),
            16 | 17 => ("first", self.target(properties, |_| true)),
            _ => ("last", self.target(properties, |_| true)),
        };
        target.map(|t| object([(name, text(t.name.clone()))]))
    }

    /// The comparison that goes with a measure.
    fn measured(&mut self, measure: Option<Json>, members: &mut Members) {
        let world = self.world;
        let of = |property: &Json| world.properties.iter().find(|t| Some(t.name.as_str()) == property.as_str());
        let found = measure.as_ref().and_then(Json::as_object).and_then(|m| m.first());
        let small: Vec<_> = (0..5).map(segment_core::value::Value::Integer).collect();
        match found.map(|(name, property)| (name.as_str(), of(property))) {
            Some(("sum" | "avg", Some(target))) => self.exact(target, members),
            Some(("min" | "max" | "first" | "last", Some(target))) => self.comparison(&target.ty, &target.pool, target, 1, members),
            Some(("first_time" | "last_time", _)) => {
                let instants: Vec<_> = world.times.instants.iter().map(|t| segment_core::value::Value::Timestamp(*t)).collect();
                let target = Target { name: String::new(), ty: Type::Timestamp, pool: instants };
                self.comparison(&Type::Timestamp, &target.pool, &target, 1, members);
            }
            _ => {
                let target = Target { name: String::new(), ty: Type::Integer, pool: small };
                self.comparison(&Type::Integer, &target.pool, &target, 1, members);
            }
        }
    }

    /// A tree of `where` or `any_item` over these targets.
    fn filter(&mut self, targets: &[Target], depth: usize) -> Json {
        match self.random.below(if depth < 3 { 10 } else { 6 }) {
            0..6 => {
                let fitting: Vec<&Target> = targets.iter().filter(|t| !t.pool.is_empty() || self.random.chance(10)).collect();
                let Some(target) = self.random.pick_any(&fitting).copied().or(targets.first()) else {
                    return object([("all", Json::Array(Vec::new()))]);
                };
                let mut members = vec![("property".to_owned(), text(target.name.clone()))];
                self.comparison(&target.ty, &target.pool, target, depth + 1, &mut members);
                Json::Object(members)
            }
            6 | 7 => object([("not", self.filter(targets, depth + 1))]),
            n => {
                let count = if self.random.chance(6) { 0 } else { self.random.between(1, 3) };
                let children = (0..count).map(|_| self.filter(targets, depth + 1)).collect();
                object([(if n == 8 { "all" } else { "any" }, Json::Array(children))])
            }
        }
    }

    fn duration(&mut self) -> Json {
        let d = *self.random.pick(&self.world.times.durations);
        object([("n", integer(i64::from(d.n))), ("unit", text(d.unit.name()))])
    }
}
