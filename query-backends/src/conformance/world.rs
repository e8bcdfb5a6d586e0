//! A small world of plain rows: every type, null, empty, extreme and hostile values, equal timestamps, users without events.

use std::collections::{BTreeMap, BTreeSet};

use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::eval::{Event, Lists, User};
use segment_core::time::{Zone, parse_instant};
use segment_core::types::{Fields, Type};
use segment_core::value::Value;

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;
/// Users of the standard world.
const USERS: usize = 60;
/// Zone of the standard world; its clocks change on 2024-03-31.
const ZONE: &str = "Europe/London";
/// Its instant, in the summer half.
const AS_OF: &str = "2024-04-02T10:30:00Z";

/// Text that has gone wrong somewhere before.
pub const HOSTILE: [&str; 16] =
    ["", "'", "''", "\"", "\\", "\\'", "%", "_", "a%b_c", "--x", "/*", "$1", "{}", "İstanbul", "e\u{301}", "😀 \u{10ffff}"];

/// Rows, and everything needed to ask about them.
#[derive(Debug, Clone)]
pub struct World {
    /// Names, types and columns as they are now.
    pub catalog: Catalog,
    /// The catalog before some types widened; rows whose values fit it may be stored under it first.
    pub narrow: Catalog,
    /// Users, by id.
    pub users: Vec<User>,
    /// Lists' members, by key; some are nobody.
    pub lists: Lists,
    /// Saved segments' conditions, by key.
    pub segments: BTreeMap<String, String>,
    /// The instant of evaluation.
    pub as_of: i64,
}

/// Attributes (and properties) of the standard world: name, type.
fn fields() -> Vec<(&'static str, Type)> {
    let object = |fields: &[(&str, Type)]| fields.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect::<Fields>();
    let mut out = vec![
        ("text", Type::String),
        ("Text", Type::String),
        ("select", Type::Integer),
        ("ts", Type::Number),
        ("event", Type::Boolean),
        ("at", Type::Timestamp),
        ("on", Type::Date),
        ("tags", Type::Strings),
        ("wide", Type::Number),
        ("later", Type::Timestamp),
        ("address", Type::Object(object(&[("city", Type::String), ("geo", Type::Object(object(&[("lat", Type::Number)])))]))),
        ("items", Type::Objects(object(&[("sku", Type::String), ("n", Type::Integer), ("on", Type::Date)]))),
    ];
    for (name, ty) in [
        ("map_s", Type::String),
        ("map_i", Type::Integer),
        ("map_n", Type::Number),
        ("map_b", Type::Boolean),
        ("map_t", Type::Timestamp),
        ("map_d", Type::Date),
    ] {
        out.push((name, Type::Map(Box::new(ty))));
    }
    out
}

fn narrow_catalog() -> Catalog {
    let mut catalog = Catalog::new(ZONE);
    set_fields(&mut catalog, true);
    for event in EVENTS {
        catalog.set_event(event, [], Origin::Declared);
    }
    catalog
}

/// Declares the fields, as they were before or as they are now.
fn set_fields(catalog: &mut Catalog, narrow: bool) {
    for scope in [Scope::Attribute, Scope::Property] {
        for (name, ty) in fields() {
            let ty = match name {
                "wide" if narrow => Type::Integer,
                "later" if narrow => Type::Date,
                _ => ty,
            };
            // Names and types are this file's own, and fit.
            let _ = catalog.set_field(scope, name, &ty, Origin::Declared);
        }
    }
}

/// Names of events; the last never happens.
pub(super) const EVENTS: [&str; 6] = ["buy", "view", "view_x", "O'Brien \"%\\", "rare", "never"];

/// Numbers that look like chance, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % n.max(1)
    }

    fn pick<'v, T>(&mut self, from: &'v [T]) -> Option<&'v T> {
        let i = self.below(from.len());
        from.get(i)
    }
}

/// Values of a type that are picked from.
pub(super) fn values(ty: &Type, zone: &Zone, as_of: i64) -> Vec<Value> {
    match ty {
        Type::String => HOSTILE
            .iter()
            .chain(&["apple", "Apple", "ÀPFEL", "pineapple", "a\nb", "ſ", "K"])
            .map(|s| Value::String((*s).to_owned()))
            .collect(),
        Type::Integer => [0, 1, 2, 3, -1, 100, i64::MIN, i64::MAX, 9_007_199_254_740_993].map(Value::Integer).to_vec(),
        Type::Number => {
            [0.0, 0.1, 0.2, 2.5, -2.5, 3.0, 1e30, 1e31, -1e300, 5e-324, 1e-7, 9_007_199_254_740_992.0].map(Value::Number).to_vec()
        }
        Type::Boolean => vec![Value::Boolean(true), Value::Boolean(false)],
        Type::Timestamp => [0, 1, -1, HOUR, -24 * HOUR, -48 * HOUR, 24 * HOUR, -7_000 * HOUR].map(|d| Value::Timestamp(as_of + d)).to_vec(),
        Type::Date => {
            let today = zone.local_day(as_of);
            [0, -1, 1, -30, 30, -10_000].map(|d| Value::Date(today + d)).to_vec()
        }
        Type::Strings => {
            let texts = |items: &[&str]| Value::Strings(items.iter().map(|s| (*s).to_owned()).collect());
            vec![texts(&[]), texts(&["a"]), texts(&["a", "b"]), texts(&["b", "a", "a"]), texts(&["", "'"]), texts(&["A"])]
        }
        Type::Object(_) | Type::Objects(_) | Type::Map(_) => Vec::new(),
    }
}

struct Maker {
    chance: Chance,
    zone: Zone,
    as_of: i64,
}

impl Maker {
    fn value(&mut self, ty: &Type) -> Option<Value> {
        if self.chance.below(5) == 0 {
            return None;
        }
        match ty {
            Type::Object(fields) => Some(Value::Object(self.members(fields))),
            Type::Objects(fields) => {
                let items = self.chance.below(4);
                Some(Value::Objects((0..items).map(|_| self.members(fields)).collect()))
            }
            Type::Map(ty) => {
                let keys = ["v1", "a.b", "", "'"].map(str::to_owned);
                let members = keys.into_iter().filter_map(|key| self.value(ty).map(|v| (key, v)));
                Some(Value::Map(members.collect()))
            }
            scalar => {
                let values = values(scalar, &self.zone, self.as_of);
                self.chance.pick(&values).cloned()
            }
        }
    }

    fn members(&mut self, fields: &Fields) -> BTreeMap<String, Value> {
        fields.iter().filter_map(|(name, ty)| self.value(ty).map(|v| (name.clone(), v))).collect()
    }

    fn row(&mut self) -> BTreeMap<String, Value> {
        let mut row = BTreeMap::new();
        for (name, ty) in fields() {
            let value = match name {
                // Half of these fit the narrower type.
                "wide" if self.chance.below(2) == 0 => Some(Value::Number(self.chance.below(7) as f64)),
                "later" if self.chance.below(2) == 0 => {
                    let day = self.zone.local_day(self.as_of) - i32::try_from(self.chance.below(9)).unwrap_or(0);
                    Some(Value::Timestamp(self.zone.midnight(day)))
                }
                _ => self.value(&ty),
            };
            row.extend(value.map(|v| (name.to_owned(), v)));
        }
        row
    }

    /// Hours that are picked from for events' ages; edges of the windows of the cases.
    fn ts(&mut self) -> i64 {
        let edges = [0, 1, 2, 24, 25, 37, 48, 7 * 24, 30 * 24, 31 * 24, 365 * 24];
        let hours = if self.chance.below(2) == 0 { self.chance.pick(&edges).copied().unwrap_or(0) } else { self.chance.below(900) as i64 };
        self.as_of - hours * HOUR + self.chance.pick(&[0, 0, -1, 1]).copied().unwrap_or(0)
    }

    fn events(&mut self, user: usize) -> Vec<Event> {
        let n = if user % 7 == 5 { 0 } else { self.chance.below(9) };
        let mut events = Vec::new();
        for i in 0..n {
            let name = match self.chance.pick(&EVENTS).copied() {
                Some("rare") if user % 20 == 3 => "rare",
                Some("rare" | "never") | None => "buy",
                Some(name) => name,
            };
            let message_id = format!("{}-{user}-{i}", self.chance.below(9));
            events.push(Event { name: name.to_owned(), ts: self.ts(), message_id, properties: self.row() });
            // Two at one instant, told apart by their ids.
            if self.chance.below(3) == 0
                && let Some(last) = events.last().cloned()
            {
                events.push(Event { message_id: format!("{}-{user}-{i}b", self.chance.below(9)), properties: self.row(), ..last });
            }
        }
        events
    }

    fn user(&mut self, i: usize) -> User {
        let user_id = match HOSTILE.get(i).filter(|s| !s.is_empty()) {
            Some(hostile) => (*hostile).to_owned(),
            None => format!("user-{i}"),
        };
        let events = self.events(i);
        let first_event = events.iter().map(|e| e.ts).min();
        // Some have a profile that states no time, some one that states one (in the future, even), some no profile.
        let (first_seen_at, profile) = match i % 4 {
            0 => (None, true),
            1 => {
                let stated = self.ts() + 30 * HOUR;
                (Some(first_event.map_or(stated, |e| e.min(stated))), true)
            }
            _ if first_event.is_none() => (None, true),
            _ => (first_event, false),
        };
        let attributes = if profile { self.row() } else { BTreeMap::new() };
        User { user_id, first_seen_at, last_seen_at: events.iter().map(|e| e.ts).max(), attributes, events }
    }
}

impl World {
    /// The standard world.
    pub fn standard() -> Self {
        Self::made(7, 0)
    }

    /// Everything called as in the standard world, users' ids too, and other data.
    pub fn look_alike() -> Self {
        let mut world = Self::made(11, 1);
        world.segments.insert("buyers".to_owned(), r#"{"event": "view"}"#.to_owned());
        world
    }

    /// A world by chance; lists hold every other user, from a place on.
    fn made(seed: u64, from: usize) -> Self {
        let zone = Zone::parse(ZONE).unwrap_or_else(|_| Zone::utc());
        let as_of = parse_instant(AS_OF, &zone).unwrap_or_default();
        let mut maker = Maker { chance: Chance(seed), zone, as_of };
        let mut users: Vec<User> = (0..USERS).map(|i| maker.user(i)).collect();
        users.sort_by(|a, b| a.user_id.cmp(&b.user_id));
        let half =
            users.iter().skip(from).step_by(2).map(|u| u.user_id.clone()).chain(["nobody".to_owned(), "no'body".to_owned()]).collect();
        let lists = Lists::from([("half".to_owned(), half), ("none".to_owned(), BTreeSet::new())]);
        let segments = [
            ("buyers", r#"{"event": "buy"}"#),
            ("quiet", r#"{"not": {"segment": "buyers"}}"#),
            ("both", r#"{"any": [{"segment": "quiet"}, {"all": [{"segment": "buyers"}, {"list": "half"}]}]}"#),
        ];
        let segments = segments.into_iter().map(|(key, condition)| (key.to_owned(), condition.to_owned())).collect();
        let narrow = narrow_catalog();
        let mut catalog = narrow.clone();
        set_fields(&mut catalog, false);
        Self { catalog, narrow, users, lists, segments, as_of }
    }

    /// The same names, and nobody.
    pub fn empty() -> Self {
        let standard = Self::standard();
        Self { users: Vec::new(), lists: standard.lists.keys().map(|k| (k.clone(), BTreeSet::new())).collect(), ..standard }
    }

    /// The zone of its catalog.
    pub fn zone(&self) -> Zone {
        Zone::parse(&self.catalog.timezone).unwrap_or_else(|_| Zone::utc())
    }
}
