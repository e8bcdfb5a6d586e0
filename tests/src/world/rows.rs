//! Users and events: as an import finds them, and as the rows that they mean.

use std::collections::{BTreeMap, BTreeSet};

use segment_core::eval::{Event, User};
use segment_core::json::Json;
use segment_core::time::Zone;
use segment_core::value::Value;

use super::names::{FieldPlan, NamesPlan};
use super::times::Times;
use super::values;
use super::vocabulary::Vocabulary;
use crate::json::{object, text};
use crate::random::Random;

/// User ids: not empty, without control characters, otherwise as hostile as can be.
const IDS: [&str; 44] = [
    "u1",
    "U1",
    "u2",
    "u10",
    "1",
    "01",
    "42",
    "-7",
    "9223372036854775807",
    "1.0",
    "true",
    "null",
    "NULL",
    " lead",
    "trail ",
    "a b",
    "O'Brien",
    "''",
    "\"",
    "\\",
    "\\'",
    "--",
    "/*",
    "*/",
    "$$",
    "%",
    "_",
    "%_",
    "; DROP",
    "(",
    "é",
    "e\u{301}",
    "İ",
    "i",
    "ẞ",
    "ss",
    "\u{212a}",
    "K",
    "日本",
    "😀",
    "👍🏽",
    "\u{200b}",
    "user_id",
    "~/",
];

/// Starts of message ids, so that their order by bytes is not that in which they came.
const MESSAGES: [&str; 8] = ["a", "B", "é", "10", "9", "~", "'", "日"];

/// One import: rows of users, then rows of events.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Native user rows.
    pub users: Vec<Json>,
    /// Native event rows.
    pub events: Vec<Json>,
}

/// What two imports bring, and what it all means.
pub struct Generated {
    /// The imports; the first is made while the catalog has its first types.
    pub imports: [Rows; 2],
    /// Every user, in no order.
    pub users: Vec<User>,
}

struct Profile {
    stated: Option<i64>,
    attributes: BTreeMap<String, Value>,
}

/// Draws the users of a world, about as many as asked.
pub fn generate(random: &mut Random, names: &NamesPlan, words: &Vocabulary, times: &Times, zone: &Zone, users: usize) -> Generated {
    let mut ids: Vec<String> = IDS.iter().map(|s| (*s).to_owned()).collect();
    random.shuffle(&mut ids);
    ids.truncate(users);
    ids.extend((ids.len()..users).map(|i| format!("user-{i}")));
    let mut cx = Cx { random, words, times, zone, imports: [Rows::default(), Rows::default()] };
    let mut profiles: BTreeMap<String, Profile> = BTreeMap::new();
    let mut accepted: BTreeSet<String> = BTreeSet::new();
    let mut events: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for import in 0..2 {
        for id in &ids {
            if cx.random.chance(if import == 0 { 60 } else { 35 }) {
                cx.profile(import, id, &names.attributes, &mut profiles);
            }
        }
        let mut rows = Vec::new();
        for id in &ids {
            let count = match cx.random.below(10) {
                0..4 => 0,
                4..6 => cx.random.between(1, 3),
                6..9 => cx.random.between(3, 8),
                _ => cx.random.between(8, 16),
            };
            rows.extend((0..count).map(|_| id));
        }
        cx.random.shuffle(&mut rows);
        for id in rows {
            cx.event(import, id, names, &mut accepted, &mut events);
        }
    }
    let mut out = BTreeMap::new();
    for (id, events) in events {
        let first = events.iter().map(|e| e.ts).min();
        let last_seen_at = events.iter().map(|e| e.ts).max();
        out.insert(id.clone(), User { user_id: id, first_seen_at: first, last_seen_at, attributes: BTreeMap::new(), events });
    }
    for (id, profile) in profiles {
        let user = out.entry(id.clone()).or_insert_with(|| User { user_id: id, ..User::default() });
        // A profile that states no time has always been there; else the earlier of the two counts.
        user.first_seen_at = profile.stated.map(|t| user.first_seen_at.map_or(t, |first| first.min(t)));
        user.attributes = profile.attributes;
    }
    Generated { imports: cx.imports, users: out.into_values().collect() }
}

struct Cx<'a> {
    random: &'a mut Random,
    words: &'a Vocabulary,
    times: &'a Times,
    zone: &'a Zone,
    imports: [Rows; 2],
}

impl Cx<'_> {
    /// A row of a user; a second one merges into the first attribute by attribute, and maps key by key.
    fn profile(&mut self, import: usize, id: &str, fields: &[FieldPlan], profiles: &mut BTreeMap<String, Profile>) {
        let mut written = Vec::new();
        // Whether a time may be stated is settled by the user's first row.
        let states = match profiles.get(id) {
            None => self.random.chance(55),
            Some(profile) => profile.stated.is_some() && self.random.chance(50),
        };
        let known = profiles.contains_key(id);
        let profile = profiles.entry(id.to_owned()).or_insert_with(|| Profile { stated: None, attributes: BTreeMap::new() });
        for field in fields {
            if self.random.chance(if known { 60 } else { 25 }) {
                continue;
            }
            if self.random.chance(20) {
                let missing = if known { Json::Null } else { values::unusable(self.random, &field.ty) };
                written.push((field.name.clone(), missing));
                profile.attributes.remove(&field.name);
                continue;
            }
            let (json, value) = self.field(import, field);
            let (json, value) = match (profile.attributes.remove(&field.name), json, value) {
                (Some(Value::Map(present)), Json::Object(said), Value::Map(value)) => self.merged(present, said, value),
                (_, json, value) => (json, value),
            };
            written.push((field.name.clone(), json));
            profile.attributes.insert(field.name.clone(), value);
        }
        self.random.shuffle(&mut written);
        let mut row = vec![("user_id", self.user_id(id)), ("attributes", object(written))];
        if states {
            let at = profile.stated.unwrap_or_else(|| *self.random.pick(&self.times.instants));
            profile.stated = Some(at);
            row.push(("first_seen_at", text(values::instant(self.random, at, self.zone))));
        }
        self.random.shuffle(&mut row);
        self.imports[import].users.push(object(row));
    }

    /// A map that a user has, after a second row that says something of its keys and may remove one that there is.
    fn merged(
        &mut self,
        mut present: BTreeMap<String, Value>,
        mut said: Vec<(String, Json)>,
        value: BTreeMap<String, Value>,
    ) -> (Json, Value) {
        let gone = present.keys().find(|key| !value.contains_key(*key)).filter(|_| self.random.chance(50)).cloned();
        if let Some(key) = gone {
            present.remove(&key);
            said.push((key, Json::Null));
        }
        present.extend(value);
        (Json::Object(said), Value::Map(present))
    }

    fn event(
        &mut self,
        import: usize,
        id: &str,
        names: &NamesPlan,
        accepted: &mut BTreeSet<String>,
        events: &mut BTreeMap<String, Vec<Event>>,
    ) {
        let again = if self.random.chance(4) { accepted.iter().nth(self.random.below(accepted.len())).cloned() } else { None };
        let message_id = again.unwrap_or_else(|| {
            let prefix = *self.random.pick(&MESSAGES);
            format!("{prefix}{}-{import}{}", self.random.below(4), self.imports[import].events.len())
        });
        let name = self.random.pick(&names.events).clone();
        let ts = *self.random.pick(&self.times.instants);
        let mut written = Vec::new();
        let mut properties = BTreeMap::new();
        for field in &names.properties {
            match self.random.below(10) {
                0..4 => {}
                4 => written.push((field.name.clone(), values::unusable(self.random, &field.ty))),
                _ => {
                    let (json, value) = self.field(import, field);
                    written.push((field.name.clone(), json));
                    properties.insert(field.name.clone(), value);
                }
            }
        }
        self.random.shuffle(&mut written);
        let mut row = vec![
            ("user_id", self.user_id(id)),
            ("event", text(name.clone())),
            ("ts", text(values::instant(self.random, ts, self.zone))),
            ("message_id", text(message_id.clone())),
        ];
        if !written.is_empty() || self.random.chance(50) {
            row.push(("properties", object(written)));
        }
        self.random.shuffle(&mut row);
        self.imports[import].events.push(object(row));
        // Of events with one message id the first accepted counts, whatever the others carry.
        if accepted.insert(message_id.clone()) {
            events.entry(id.to_owned()).or_default().push(Event { name, ts, message_id, properties });
        }
    }

    /// A value of the field's type at the time of the import, as written and as what it means in the end.
    fn field(&mut self, import: usize, field: &FieldPlan) -> (Json, Value) {
        let ty = if import == 0 { &field.first } else { &field.ty };
        let value = values::value(self.random, ty, self.words);
        let json = values::written(self.random, &value, ty, self.zone);
        (json, values::widened(&value, &field.ty, self.zone))
    }

    fn user_id(&mut self, id: &str) -> Json {
        match id.parse::<i64>() {
            Ok(n) if n.to_string() == id && self.random.chance(50) => Json::Number(id.to_owned()),
            _ => text(id),
        }
    }
}
