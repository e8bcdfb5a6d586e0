//! What a world's events, attributes, properties and fields are called, and of which types they are.

use std::collections::BTreeMap;

use segment_core::catalog::Builtin;
use segment_core::json::Json;
use segment_core::types::Type;

use super::values::narrowed;
use crate::json::{object, text};
use crate::random::Random;

/// Names that differ by case only, are SQL keywords, are called as the lake's own columns are, or hold what SQL quotes with.
const NAMES: [&str; 40] = [
    "country",
    "Country",
    "COUNTRY",
    "select",
    "order",
    "group",
    "null",
    "true",
    "from",
    "user_id",
    "ts",
    "event",
    "message_id",
    "user_no",
    "extra",
    "received_at",
    "first_seen_at",
    "last_seen_at",
    "m0",
    "e",
    "p",
    "price",
    "Price",
    "items",
    "tags",
    "it's",
    "say \"hi\"",
    "back\\slash",
    "a b",
    "--",
    "/*x*/",
    "%_",
    "$$",
    "価格",
    "naïve",
    "İ",
    "😀",
    "p1_x",
    "1",
    "~/",
];

/// Event names. `cart_%` and `cartXadd` tell a prefix from a pattern.
const EVENTS: [&str; 16] = [
    "purchase",
    "Purchase",
    "view",
    "cart_add",
    "cart_remove",
    "cartXadd",
    "cart_",
    "cart_%",
    "select",
    "it's",
    "x--",
    "日本",
    "event",
    "\\",
    "a b",
    "😀",
];

/// A field of a world.
#[derive(Debug, Clone)]
pub struct FieldPlan {
    /// Its name.
    pub name: String,
    /// Its type in the end.
    pub ty: Type,
    /// Its type in the first import.
    pub first: Type,
}

/// The names of a world.
#[derive(Debug, Clone)]
pub struct NamesPlan {
    /// Attributes.
    pub attributes: Vec<FieldPlan>,
    /// Properties.
    pub properties: Vec<FieldPlan>,
    /// Events.
    pub events: Vec<String>,
}

fn scalar(random: &mut Random) -> Type {
    random.pick(&[Type::String, Type::Integer, Type::Number, Type::Boolean, Type::Timestamp, Type::Date]).clone()
}

fn fields(random: &mut Random, depth: usize) -> BTreeMap<String, Type> {
    (0..random.between(2, 5)).map(|_| ((*random.pick(&NAMES)).to_owned(), any_type(random, depth + 1))).collect()
}

fn any_type(random: &mut Random, depth: usize) -> Type {
    match random.below(if depth < 2 { 20 } else { 16 }) {
        0..12 => scalar(random),
        12 | 13 => Type::Strings,
        14 | 15 => Type::Map(Box::new(scalar(random))),
        16 | 17 => Type::Object(fields(random, depth)),
        _ => Type::Objects(fields(random, depth)),
    }
}

fn plan(random: &mut Random, builtin_taken: bool, widens: bool) -> Vec<FieldPlan> {
    let mut names: Vec<&str> = NAMES.to_vec();
    if builtin_taken {
        names.retain(|n| Builtin::named(n).is_none());
    }
    random.shuffle(&mut names);
    // Every type once, then whatever comes.
    let mut types = vec![Type::String, Type::Integer, Type::Number, Type::Boolean, Type::Timestamp, Type::Date, Type::Strings];
    types.push(Type::Object(fields(random, 0)));
    types.push(Type::Objects(fields(random, 0)));
    types.push(Type::Map(Box::new(scalar(random))));
    for _ in 0..random.below(5) {
        types.push(any_type(random, 0));
    }
    names
        .into_iter()
        .zip(types)
        .map(|(name, ty)| {
            let first = if widens && random.chance(40) { narrowed(random, &ty) } else { ty.clone() };
            FieldPlan { name: name.to_owned(), ty, first }
        })
        .collect()
}

/// Draws the names of a world. If `widens`, some fields are of a narrower type at first.
pub fn generate(random: &mut Random, widens: bool) -> NamesPlan {
    let mut events: Vec<&str> = EVENTS.to_vec();
    random.shuffle(&mut events);
    events.truncate(random.between(2, 5) as usize);
    NamesPlan {
        attributes: plan(random, true, widens),
        properties: plan(random, false, widens),
        events: events.into_iter().map(str::to_owned).collect(),
    }
}

impl NamesPlan {
    /// The declaration, with the types of the first import or of the last one.
    pub fn declaration(&self, timezone: &str, first: bool) -> Json {
        let declared =
            |fields: &[FieldPlan]| object(fields.iter().map(|f| (f.name.clone(), declared_type(if first { &f.first } else { &f.ty }))));
        let properties = || Json::Array(self.properties.iter().map(|p| text(p.name.clone())).collect());
        object([
            ("timezone", text(timezone)),
            ("attributes", declared(&self.attributes)),
            ("properties", declared(&self.properties)),
            ("events", object(self.events.iter().map(|e| (e.clone(), object([("properties", properties())]))))),
        ])
    }
}

fn declared_type(ty: &Type) -> Json {
    let mut members = vec![("type", text(ty.name()))];
    match ty {
        Type::Object(fields) | Type::Objects(fields) => {
            members.push(("fields", object(fields.iter().map(|(n, t)| (n.clone(), declared_type(t))))));
        }
        Type::Map(values) => members.push(("values", text(values.name()))),
        Type::String | Type::Integer | Type::Number | Type::Boolean | Type::Timestamp | Type::Date | Type::Strings => {}
    }
    object(members)
}
