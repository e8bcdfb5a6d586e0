//! A random workspace: catalog, times, users, events, lists, saved segments.

#[cfg(feature = "lake")]
pub mod hive;
pub mod names;
pub mod rows;
pub mod times;
pub mod values;
pub mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};

use segment_core::catalog::{Catalog, Scope};
use segment_core::declare;
use segment_core::eval::{self, User};
use segment_core::json::Json;
use segment_core::resolve::Library;
use segment_core::time::Zone;
use segment_core::types::Type;
use segment_core::value::Value;

use self::names::NamesPlan;
use self::rows::Rows;
use self::times::Times;
use self::vocabulary::Vocabulary;
use crate::random::Random;
use crate::trees::Trees;

/// Something that a condition can test: a dotted name, its type, and values that are there.
#[derive(Debug, Clone)]
pub struct Target {
    /// As conditions name it.
    pub name: String,
    /// The type of its values.
    pub ty: Type,
    /// Values that users or events have, with repeats.
    pub pool: Vec<Value>,
}

/// A random workspace.
#[derive(Debug)]
pub struct World {
    /// What it was made from.
    pub seed: u64,
    /// The catalog in the end, as declared.
    pub catalog: Catalog,
    /// The declarations before the first and before the second import.
    pub declarations: [Json; 2],
    /// The imports, in native form.
    pub imports: [Rows; 2],
    /// What they mean.
    pub users: Vec<User>,
    /// Members of the lists.
    pub lists: eval::Lists,
    /// Saved segments, and the lists' keys.
    pub library: Library,
    /// The workspace's zone.
    pub zone: Zone,
    /// When conditions are evaluated, and what else can be hit.
    pub times: Times,
    /// Values to write conditions with.
    pub words: Vocabulary,
    /// Event names.
    pub events: Vec<String>,
    /// Attributes, built-in ones among them.
    pub attributes: Vec<Target>,
    /// Properties.
    pub properties: Vec<Target>,
}

/// Users of a world, about.
const USERS: usize = 40;

impl World {
    /// The world of a seed.
    pub fn generate(seed: u64) -> World {
        let mut random = Random::new(seed);
        let (zone, times) = times::generate(&mut random.fork());
        let words = Vocabulary::new(&mut random.fork(), &times, &zone);
        let names = names::generate(&mut random.fork(), seed.is_multiple_of(2));
        let generated = rows::generate(&mut random.fork(), &names, &words, &times, &zone, USERS);
        let declarations = [names.declaration(zone.name(), true), names.declaration(zone.name(), false)];
        let mut catalog = Catalog::new(zone.name());
        for declaration in &declarations {
            catalog = declare::declare(&catalog, declaration).unwrap_or_else(|e| panic!("world {seed}: {e}"));
        }
        let lists = lists(&mut random.fork(), &generated.users);
        let library = Library { segments: BTreeMap::new(), lists: lists.keys().cloned().collect() };
        let mut world = World {
            seed,
            attributes: attribute_targets(&names, &generated.users),
            properties: property_targets(&names, &generated.users),
            catalog,
            declarations,
            imports: generated.imports,
            users: generated.users,
            lists,
            library,
            zone,
            times,
            words,
            events: names.events,
        };
        world.add_segments(random.fork());
        world
    }

    /// Saved segments, some of which refer to others, two of them to the same one.
    fn add_segments(&mut self, mut random: Random) {
        for key in ["plain", "nested", "diamond", "it's -- \"odd\""] {
            let tree = Trees::new(self, random.fork()).tree(6);
            self.library.segments.insert(key.to_owned(), tree.to_text());
        }
    }

    /// The targets of one half.
    pub fn targets(&self, scope: Scope) -> &[Target] {
        match scope {
            Scope::Attribute => &self.attributes,
            Scope::Property => &self.properties,
        }
    }
}

fn lists(random: &mut Random, users: &[User]) -> eval::Lists {
    let mut out = BTreeMap::new();
    for (key, percent) in [("some", 40), ("most", 80), ("none", 0), ("Odd.key-1_", 15)] {
        let mut ids: BTreeSet<String> = users.iter().filter(|_| random.chance(percent)).map(|u| u.user_id.clone()).collect();
        if percent > 0 {
            // Unknown ids are kept; they match nobody.
            ids.extend(["nobody".to_owned(), "u1 ".to_owned()]);
        }
        out.insert(key.to_owned(), ids);
    }
    out
}

fn attribute_targets(names: &NamesPlan, users: &[User]) -> Vec<Target> {
    let mut out = Vec::new();
    for field in &names.attributes {
        let values = users.iter().filter_map(|u| u.attributes.get(&field.name)).cloned().collect();
        add_targets(&field.name, &field.ty, values, &mut out);
    }
    let builtin = |name: &str, ty, pool| Target { name: name.to_owned(), ty, pool };
    out.push(builtin("user_id", Type::String, users.iter().map(|u| Value::String(u.user_id.clone())).collect()));
    out.push(builtin("first_seen_at", Type::Timestamp, users.iter().filter_map(|u| u.first_seen_at.map(Value::Timestamp)).collect()));
    out.push(builtin("last_seen_at", Type::Timestamp, users.iter().filter_map(|u| u.last_seen_at.map(Value::Timestamp)).collect()));
    out
}

fn property_targets(names: &NamesPlan, users: &[User]) -> Vec<Target> {
    let mut out = Vec::new();
    for field in &names.properties {
        let values = users.iter().flat_map(|u| &u.events).filter_map(|e| e.properties.get(&field.name)).cloned().collect();
        add_targets(&field.name, &field.ty, values, &mut out);
    }
    out
}

/// The field, and what paths lead to inside it.
pub fn add_targets(name: &str, ty: &Type, values: Vec<Value>, out: &mut Vec<Target>) {
    let inner = |key: &str| -> Vec<Value> {
        let found = values.iter().filter_map(|v| match v {
            Value::Object(members) | Value::Map(members) => members.get(key).cloned(),
            _ => None,
        });
        found.collect()
    };
    match ty {
        Type::Object(fields) => {
            for (field, ty) in fields {
                add_targets(&format!("{name}.{field}"), ty, inner(field), out);
            }
        }
        Type::Map(ty) => {
            for key in vocabulary::MAP_KEYS.iter().chain(&["absent"]) {
                out.push(Target { name: format!("{name}.{key}"), ty: ty.as_ref().clone(), pool: inner(key) });
            }
        }
        _ => {}
    }
    out.push(Target { name: name.to_owned(), ty: ty.clone(), pool: values });
}

/// The targets inside the items of a list of objects.
pub fn item_targets(list: &Target) -> Vec<Target> {
    let Type::Objects(fields) = &list.ty else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (name, ty) in fields {
        let values = list.pool.iter().flat_map(|v| match v {
            Value::Objects(items) => items.iter().filter_map(|m| m.get(name)).cloned().collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        add_targets(name, ty, values.collect(), &mut out);
    }
    out
}
