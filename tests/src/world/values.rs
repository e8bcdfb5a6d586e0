//! Values of a type, and the JSON in which an import may find them.

use std::collections::BTreeMap;

use segment_core::json::Json;
use segment_core::time::{INSTANT_MAX, INSTANT_MIN, Zone, format_date, format_instant};
use segment_core::types::Type;
use segment_core::value::Value;

use super::vocabulary::{MAP_KEYS, Vocabulary};
use crate::json::{integer, object, text};
use crate::random::Random;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1_440 * MINUTE;

/// A value of the type.
pub fn value(random: &mut Random, ty: &Type, words: &Vocabulary) -> Value {
    match ty {
        Type::String => Value::String(random.pick(&words.strings).clone()),
        Type::Integer => Value::Integer(*random.pick(&words.integers)),
        // What is stored has no negative zero.
        Type::Number if random.chance(15) => Value::Number(*random.pick(&words.integers) as f64),
        Type::Number => Value::Number(*random.pick(&words.numbers) + 0.0),
        Type::Boolean => Value::Boolean(random.chance(50)),
        Type::Timestamp => Value::Timestamp(*random.pick(&words.instants)),
        Type::Date => Value::Date(*random.pick(&words.dates)),
        Type::Strings => Value::Strings((0..random.below(4)).map(|_| random.pick(&words.strings).clone()).collect()),
        Type::Object(fields) => Value::Object(members(random, fields, words)),
        Type::Objects(fields) => Value::Objects((0..random.below(4)).map(|_| members(random, fields, words)).collect()),
        Type::Map(values) => Value::Map(
            (0..random.below(4)).map(|_| ((*random.pick(&MAP_KEYS)).to_owned(), value(random, values, words))).collect::<BTreeMap<_, _>>(),
        ),
    }
}

fn members(random: &mut Random, fields: &BTreeMap<String, Type>, words: &Vocabulary) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    for (name, ty) in fields {
        if random.chance(75) {
            out.insert(name.clone(), value(random, ty, words));
        }
    }
    out
}

/// A type that widens to this one, or the same.
pub fn narrowed(random: &mut Random, ty: &Type) -> Type {
    match ty {
        Type::Number if random.chance(70) => Type::Integer,
        Type::Timestamp if random.chance(70) => Type::Date,
        Type::Object(fields) => Type::Object(fields.iter().map(|(n, t)| (n.clone(), narrowed(random, t))).collect()),
        Type::Objects(fields) => Type::Objects(fields.iter().map(|(n, t)| (n.clone(), narrowed_in_json(random, t))).collect()),
        Type::Map(values) => Type::Map(Box::new(narrowed_in_json(random, values))),
        other => other.clone(),
    }
}

/// The same inside lists of objects and maps, where dates do not widen: what was stored as a date there is read as midnight
/// UTC, not midnight in the zone (docs/semantics.md, known gaps).
fn narrowed_in_json(random: &mut Random, ty: &Type) -> Type {
    match ty {
        Type::Timestamp => ty.clone(),
        Type::Object(fields) => Type::Object(fields.iter().map(|(n, t)| (n.clone(), narrowed_in_json(random, t))).collect()),
        other => narrowed(random, other),
    }
}

/// A value of the narrow type as one of the wide type: what it means once the field is wide.
pub fn widened(value: &Value, wide: &Type, zone: &Zone) -> Value {
    let fields_of = |members: &BTreeMap<String, Value>, fields: &BTreeMap<String, Type>| {
        members.iter().map(|(n, v)| (n.clone(), fields.get(n).map_or_else(|| v.clone(), |t| widened(v, t, zone)))).collect()
    };
    match (value, wide) {
        (Value::Integer(n), Type::Number) => Value::Number(*n as f64),
        (Value::Date(day), Type::Timestamp) => Value::Timestamp(zone.midnight(*day)),
        (Value::Object(members), Type::Object(fields)) => Value::Object(fields_of(members, fields)),
        (Value::Objects(items), Type::Objects(fields)) => Value::Objects(items.iter().map(|m| fields_of(m, fields)).collect()),
        (Value::Map(members), Type::Map(values)) => {
            Value::Map(members.iter().map(|(k, v)| (k.clone(), widened(v, values, zone))).collect())
        }
        (other, _) => other.clone(),
    }
}

/// One of the forms in which the value may be written in data.
pub fn written(random: &mut Random, value: &Value, ty: &Type, zone: &Zone) -> Json {
    match (value, ty) {
        (Value::String(s), _) => text(s.clone()),
        (Value::Integer(n), _) if random.chance(85) => integer(*n),
        (Value::Integer(n), _) => text(n.to_string()),
        (Value::Number(x), _) => {
            // A whole number beyond 64 bits would reject its row, so it is written with an exponent or a point.
            let whole = x.fract() == 0.0 && x.abs() < 1e15;
            let number = if whole && random.chance(60) { format!("{x:.0}") } else { format!("{x:?}") };
            if random.chance(85) { Json::Number(number) } else { text(number) }
        }
        (Value::Boolean(b), _) if random.chance(85) => Json::Bool(*b),
        (Value::Boolean(b), _) => text(b.to_string()),
        (Value::Timestamp(at), _) => text(instant(random, *at, zone)),
        (Value::Date(day), _) => text(format_date(*day)),
        (Value::Strings(list), _) => {
            let mut items: Vec<Json> = list.iter().map(|s| text(s.clone())).collect();
            if random.chance(20) {
                // Elements that are no text are dropped.
                let place = random.below(items.len() + 1);
                items.insert(place, random.pick(&[Json::Null, integer(7), Json::Bool(true), Json::Array(Vec::new())]).clone());
            }
            Json::Array(items)
        }
        (Value::Object(members), Type::Object(fields)) => written_members(random, members, fields, zone),
        (Value::Objects(items), Type::Objects(fields)) => {
            Json::Array(items.iter().map(|members| written_members(random, members, fields, zone)).collect())
        }
        (Value::Map(members), Type::Map(values)) => {
            let mut out: Vec<(String, Json)> = members.iter().map(|(k, v)| (k.clone(), written(random, v, values, zone))).collect();
            if random.chance(10) && !members.contains_key("absent") {
                out.push(("absent".to_owned(), Json::Null));
            }
            Json::Object(out)
        }
        (other, ty) => panic!("{other:?} is no {}", ty.name()),
    }
}

fn written_members(random: &mut Random, members: &BTreeMap<String, Value>, fields: &BTreeMap<String, Type>, zone: &Zone) -> Json {
    let mut out = Vec::new();
    for (name, ty) in fields {
        match members.get(name) {
            Some(value) => out.push((name.clone(), written(random, value, ty, zone))),
            None if random.chance(30) => out.push((name.clone(), unusable(random, ty))),
            None => {}
        }
    }
    random.shuffle(&mut out);
    object(out)
}

/// An instant as people write them: with `Z`, with an offset, by the wall clock of the workspace, as a date.
pub fn instant(random: &mut Random, at: i64, zone: &Zone) -> String {
    let plain = format_instant(at);
    if !(INSTANT_MIN + 2 * DAY..=INSTANT_MAX - 2 * DAY).contains(&at) {
        return plain;
    }
    match random.below(5) {
        0 | 1 => plain,
        2 => {
            let minutes = *random.pick(&[0, 60, -180, 345, 630, 840, -720]);
            let sign = if minutes < 0 { '-' } else { '+' };
            let local = format_instant(at + minutes * MINUTE);
            format!("{}{sign}{:02}:{:02}", local.trim_end_matches('Z'), minutes.abs() / 60, minutes.abs() % 60)
        }
        form => {
            let local = at + zone.offset_at(at);
            if zone.instant_of_local(local) != at {
                return plain;
            }
            if local.rem_euclid(DAY) == 0 && form == 3 {
                return format_date((local / DAY) as i32);
            }
            let wall = format_instant(local);
            let wall = wall.trim_end_matches('Z');
            if random.chance(50) { wall.to_owned() } else { wall.replace('T', " ") }
        }
    }
}

/// What an import may find where a value is missing: null, or something that does not convert to the type.
///
/// Nothing that would make a later import widen the type: no decimals for integers, no instants for dates.
pub fn unusable(random: &mut Random, ty: &Type) -> Json {
    if random.chance(50) {
        return Json::Null;
    }
    let empty = || Json::Array(Vec::new());
    let choices = match ty {
        Type::String => vec![integer(5), Json::Bool(true), empty()],
        Type::Integer | Type::Number => vec![text("abc"), Json::Bool(true), text("")],
        Type::Boolean => vec![text("yes"), integer(1), text("TRUE")],
        Type::Timestamp | Type::Date => vec![text("soon"), text("2024-02-30"), integer(5), text("")],
        Type::Strings | Type::Objects(_) => vec![text("a"), integer(5), Json::Bool(false)],
        Type::Object(_) | Type::Map(_) => vec![text("a"), integer(5), empty()],
    };
    random.pick(&choices).clone()
}
