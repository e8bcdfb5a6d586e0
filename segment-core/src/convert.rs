//! Conversion of data to the catalog's types, and the canonical JSON text of values that are stored as JSON.
//!
//! In: JSON as it came (CSV cells as `Json::String`), a type, the workspace's zone. Out: `Some` value of exactly that type,
//! or `None`, which is missing.
//!
//! Invariants: a `Value::Number` is finite and never `-0.0`; `from_json_column(&to_json(v), ty)` is `v` for every value of
//! the type; nothing here rejects a row but `is_integer_overflow` and `canonical_user_id`, which say so. Of a key given twice
//! in one object the last counts. Deliberately absent: what happens to values that do not convert (ingest keeps and counts).

use std::collections::BTreeMap;

use crate::decimal::Decimal;
use crate::json::{self, Json, write_string};
use crate::limits::JSON_DEPTH_MAX;
use crate::time::{Zone, format_date, format_instant, parse_date, parse_instant};
use crate::types::{Fields, Type};
use crate::value::Value;

/// What kind of file a value stood in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextSource {
    /// JSON, where numbers and text differ.
    Json,
    /// CSV, where everything is text: `5.0` is an integer there as it is in JSON.
    Csv,
}

/// The value as one of that type, or `None` if it does not convert. `null` never does.
///
/// Numbers come from JSON numbers and from text that is wholly one. Integers come from JSON numbers without a fraction,
/// however written (`5.0`, `1e3`), and from text that is wholly an integer, within 64 bits. Instants come from text that
/// `parse_instant` takes. Of lists the elements, and of objects and maps the members, that do not convert are left out.
pub fn convert(json: &Json, ty: &Type, zone: &Zone, source: TextSource) -> Option<Value> {
    match ty {
        Type::String => json.as_str().map(|text| Value::String(text.to_owned())),
        Type::Integer => to_integer(json, source).map(Value::Integer),
        Type::Number => to_number(json).map(Value::Number),
        Type::Boolean => to_boolean(json).map(Value::Boolean),
        Type::Timestamp => parse_instant(json.as_str()?, zone).map(Value::Timestamp),
        Type::Date => parse_date(json.as_str()?).map(Value::Date),
        Type::Strings => {
            let texts = json.as_array()?.iter().filter_map(Json::as_str);
            Some(Value::Strings(texts.map(str::to_owned).collect()))
        }
        Type::Object(fields) => to_fields(json, fields, zone, source).map(Value::Object),
        Type::Objects(fields) => {
            let items = json.as_array()?.iter();
            Some(Value::Objects(items.filter_map(|item| to_fields(item, fields, zone, source)).collect()))
        }
        Type::Map(values) => {
            let entries = convert_entries(json, values, zone, source)?.into_iter();
            Some(Value::Map(entries.filter_map(|(key, value)| Some((key, value?))).collect()))
        }
    }
}

/// What an object says of the keys of a map whose values are of that type: a value, or `None` for null and for what does not convert. `None`
/// for what is no object.
pub fn convert_entries(json: &Json, values: &Type, zone: &Zone, source: TextSource) -> Option<BTreeMap<String, Option<Value>>> {
    let mut entries = BTreeMap::new();
    add_entries(json.as_object()?, values, zone, source, &mut String::new(), &mut entries);
    Some(entries)
}

fn to_number(json: &Json) -> Option<f64> {
    let text = match json {
        Json::Number(text) => text,
        Json::String(text) if json::is_number(text) => text,
        Json::String(_) | Json::Null | Json::Bool(_) | Json::BadString | Json::Array(_) | Json::Object(_) => return None,
    };
    let value: f64 = text.parse().ok()?;
    // Adding zero makes -0.0 into 0.0 and changes nothing else.
    value.is_finite().then_some(value + 0.0)
}

fn to_integer(json: &Json, source: TextSource) -> Option<i64> {
    let (text, point_allowed) = match json {
        Json::Number(text) => (text, true),
        Json::String(text) if json::is_number(text) => (text, source == TextSource::Csv),
        Json::String(_) | Json::Null | Json::Bool(_) | Json::BadString | Json::Array(_) | Json::Object(_) => return None,
    };
    match text.parse() {
        Ok(value) => Some(value),
        Err(_) if point_allowed => Decimal::parse(text).ok()?.to_i64_exact(),
        Err(_) => None,
    }
}

fn to_boolean(json: &Json) -> Option<bool> {
    match json {
        Json::Bool(value) => Some(*value),
        Json::String(text) if text == "true" => Some(true),
        Json::String(text) if text == "false" => Some(false),
        Json::String(_) | Json::Null | Json::Number(_) | Json::BadString | Json::Array(_) | Json::Object(_) => None,
    }
}

fn to_fields(json: &Json, fields: &Fields, zone: &Zone, source: TextSource) -> Option<BTreeMap<String, Value>> {
    let mut out = BTreeMap::new();
    for (name, value) in json.as_object()? {
        let Some(ty) = fields.get(name) else { continue };
        match convert(value, ty, zone, source) {
            Some(value) => out.insert(name.clone(), value),
            None => out.remove(name),
        };
    }
    Some(out)
}

/// Adds a map's entries. Its values are scalars, so an object among them stands for keys with a dot that `normalize_dotted`
/// split: they are put together again.
fn add_entries(
    members: &[(String, Json)],
    values: &Type,
    zone: &Zone,
    source: TextSource,
    key: &mut String,
    out: &mut BTreeMap<String, Option<Value>>,
) {
    let prefix = key.len();
    for (name, value) in members {
        key.push_str(name);
        if let Json::Object(inner) = value {
            key.push('.');
            add_entries(inner, values, zone, source, key, out);
        } else {
            out.insert(key.clone(), convert(value, values, zone, source));
        }
        key.truncate(prefix);
    }
}

/// The same with every key `a.b` turned into a path: `{"a.b": 1, "a": {"c": 2}}` is `{"a": {"b": 1, "c": 2}}`.
///
/// Objects that come together this way are merged, what is later winning. Keys with an empty step (`.a`, `a..b`) stay as they
/// are, as do those that would nest deeper than `limits::JSON_DEPTH_MAX`.
pub fn normalize_dotted(json: Json) -> Json {
    if has_dotted_key(&json) { nest(json, 0) } else { json }
}

fn has_dotted_key(json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().any(has_dotted_key),
        Json::Object(members) => members.iter().any(|(key, value)| key.contains('.') || has_dotted_key(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::BadString => false,
    }
}

/// `depth` counts the objects and lists around the value in what comes out.
fn nest(json: Json, depth: usize) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.into_iter().map(|item| nest(item, depth + 1)).collect()),
        Json::Object(members) => {
            let mut object = Merged::default();
            for (key, value) in members {
                let steps = key.split('.').count();
                if steps == 1 || key.split('.').any(str::is_empty) || depth + steps > JSON_DEPTH_MAX {
                    object.put(key, nest(value, depth + 1));
                } else {
                    let value = nest(value, depth + steps);
                    let (first, rest) = key.split_once('.').unwrap_or((&key, ""));
                    let nested = rest.rsplit('.').fold(value, |value, step| Json::Object(vec![(step.to_owned(), value)]));
                    object.put(first.to_owned(), nested);
                }
            }
            Json::Object(object.members)
        }
        scalar @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::BadString) => scalar,
    }
}

/// An object being put together, without doubled keys.
#[derive(Default)]
struct Merged {
    members: Vec<(String, Json)>,
    places: BTreeMap<String, usize>,
}

impl Merged {
    fn put(&mut self, key: String, value: Json) {
        match self.places.get(&key).and_then(|&place| self.members.get_mut(place)) {
            Some((_, present)) => merge(present, value),
            None => {
                self.places.insert(key.clone(), self.members.len());
                self.members.push((key, value));
            }
        }
    }
}

/// Two objects become one; otherwise the later value stays.
fn merge(present: &mut Json, later: Json) {
    match (present, later) {
        (Json::Object(present), Json::Object(later)) => {
            let mut merged = Merged::default();
            for (key, value) in std::mem::take(present).into_iter().chain(later) {
                merged.put(key, value);
            }
            *present = merged.members;
        }
        (present, later) => *present = later,
    }
}

/// Canonical JSON text: no white space, keys in the order of their bytes, instants in UTC, numbers as short as they can be.
pub fn to_json(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => write_text(out, text),
        Value::Integer(value) => out.push_str(&value.to_string()),
        Value::Number(value) => out.push_str(ryu::Buffer::new().format(*value)),
        Value::Decimal(value) => out.push_str(&value.to_string()),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Timestamp(micros) => write_text(out, &format_instant(*micros)),
        Value::Date(days) => write_text(out, &format_date(*days)),
        Value::Strings(texts) => write_list(out, texts, |out, text| write_text(out, text)),
        Value::Object(fields) | Value::Map(fields) => write_fields(out, fields),
        Value::Objects(items) => write_list(out, items, write_fields),
    }
}

fn write_text(out: &mut String, text: &str) {
    // Writing into a String never fails.
    let _ = write_string(out, text);
}

fn write_list<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn write_fields(out: &mut String, fields: &BTreeMap<String, Value>) {
    out.push('{');
    for (i, (name, value)) in fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

/// Reads what `to_json` wrote of a value of that type.
pub fn from_json_column(text: &str, ty: &Type) -> Option<Value> {
    convert(&Json::parse(text).ok()?, ty, &Zone::utc(), TextSource::Json)
}

/// Whether there is, anywhere inside, a JSON integer that 64 bits with a sign do not hold. Its row is rejected.
pub fn is_integer_overflow(json: &Json) -> bool {
    match json {
        // 18 digits always fit.
        Json::Number(text) => text.len() > 18 && json::is_integer(text) && text.parse::<i64>().is_err(),
        Json::Array(items) => items.iter().any(is_integer_overflow),
        Json::Object(members) => members.iter().any(|(_, value)| is_integer_overflow(value)),
        Json::Null | Json::Bool(_) | Json::String(_) | Json::BadString => false,
    }
}

/// The canonical form of a user id: its text, or a JSON integer's decimal text.
///
/// # Errors
///
/// What makes it unusable, for people.
pub fn canonical_user_id(json: &Json) -> Result<String, &'static str> {
    match json {
        Json::String(text) if text.is_empty() => Err("the user id is empty"),
        Json::String(text) if text.chars().any(char::is_control) => Err("the user id has a control character"),
        Json::String(text) => Ok(text.clone()),
        Json::Number(text) if !json::is_integer(text) => Err("the user id is a number that is not written as an integer"),
        Json::Number(text) => match text.parse::<i64>() {
            Ok(id) => Ok(id.to_string()),
            Err(_) => Err("the user id is an integer of more than 64 bits"),
        },
        Json::Null => Err("there is no user id"),
        Json::BadString => Err("the user id has an unpaired surrogate"),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => Err("the user id is neither text nor an integer"),
    }
}

/// Each code point by Unicode's simple lower case.
pub fn simple_lower(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().map(simple_lower_char).collect() }
}

/// A code point's simple lower case: always a single code point.
pub fn simple_lower_char(c: char) -> char {
    // The one code point whose full lower case is longer is U+0130, İ: its simple one is a plain i, with which that starts.
    c.to_lowercase().next().unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    fn as_type(text: &str, ty: &Type, source: TextSource) -> Option<String> {
        let zone = Zone::parse("Asia/Tokyo").unwrap();
        convert(&json(text), ty, &zone, source).map(|value| to_json(&value))
    }

    fn check(ty: Type, text: &str, expected: &str) {
        assert_eq!(as_type(text, &ty, TextSource::Json).as_deref(), Some(expected), "{text} as {}", ty.name());
    }

    fn missing(ty: Type, texts: &[&str]) {
        for text in texts {
            assert_eq!(as_type(text, &ty, TextSource::Json), None, "{text} as {}", ty.name());
        }
    }

    fn fields(list: &[(&str, Type)]) -> Fields {
        list.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect()
    }

    #[test]
    fn scalars() {
        check(Type::String, "\"5\"", "\"5\"");
        check(Type::String, "\"\"", "\"\"");
        missing(Type::String, &["5", "true", "null", "[]", "{}", "\"\\ud800\""]);
        check(Type::Boolean, "true", "true");
        check(Type::Boolean, "\"false\"", "false");
        missing(Type::Boolean, &["1", "\"True\"", "\"\"", "null"]);
        check(Type::Date, "\"2024-02-29\"", "\"2024-02-29\"");
        missing(Type::Date, &["\"2024-02-29T00:00:00Z\"", "\"2023-02-29\"", "20240229"]);
        check(Type::Timestamp, "\"2024-02-29\"", "\"2024-02-28T15:00:00Z\"");
        check(Type::Timestamp, "\"2024-02-29 12:00:00\"", "\"2024-02-29T03:00:00Z\"");
        check(Type::Timestamp, "\"2024-02-29T12:00:00.5+01:00\"", "\"2024-02-29T11:00:00.5Z\"");
        missing(Type::Timestamp, &["1709164800", "\"soon\"", "\"1709164800\""]);
    }

    #[test]
    fn numbers() {
        check(Type::Number, "2.50", "2.5");
        check(Type::Number, "\"1e3\"", "1000.0");
        check(Type::Number, "-0.0", "0.0");
        check(Type::Number, "\"-0\"", "0.0");
        check(Type::Number, "\"100000000000000000000\"", "1e20");
        missing(Type::Number, &["1e999", "\"NaN\"", "\"inf\"", "\"Infinity\"", "\" 1\"", "\"+1\"", "\"007\"", "\"\"", "true"]);
        check(Type::Integer, "5", "5");
        check(Type::Integer, "5.0", "5");
        check(Type::Integer, "1e3", "1000");
        check(Type::Integer, "-0", "0");
        check(Type::Integer, "9223372036854775807.0", "9223372036854775807");
        check(Type::Integer, "\"-9223372036854775808\"", "-9223372036854775808");
        missing(Type::Integer, &["5.5", "9223372036854775808", "1e19", "1e999", "\"5.0\"", "\"1e3\"", "\"+5\"", "\"007\"", "true"]);
        assert_eq!(as_type("\"5.0\"", &Type::Integer, TextSource::Csv).as_deref(), Some("5"));
        assert_eq!(as_type("\"5.5\"", &Type::Integer, TextSource::Csv), None);
    }

    #[test]
    fn lists_and_objects() {
        check(Type::Strings, r#"["a",1,null,"b",["c"],"\ud800"]"#, r#"["a","b"]"#);
        check(Type::Strings, "[]", "[]");
        missing(Type::Strings, &["\"a\"", "{}", "null"]);
        let ty = fields(&[("n", Type::Number), ("o", Type::Object(fields(&[("s", Type::String)])))]);
        check(Type::Object(ty.clone()), r#"{"o":{"s":"x","t":1},"n":"oops","u":2}"#, r#"{"o":{"s":"x"}}"#);
        check(Type::Object(ty.clone()), r#"{"n":1,"n":2}"#, r#"{"n":2.0}"#);
        check(Type::Object(ty.clone()), r#"{"n":1,"n":null}"#, "{}");
        missing(Type::Object(ty.clone()), &["[]", "null", "\"{}\""]);
        check(Type::Objects(ty.clone()), r#"[{"n":1},2,{}]"#, r#"[{"n":1.0},{}]"#);
        missing(Type::Objects(ty), &["{}", "null"]);
        let map = Type::Map(Box::new(Type::Integer));
        check(map.clone(), r#"{"b":2,"a":1,"c":"x"}"#, r#"{"a":1,"b":2}"#);
        missing(map, &["[]", "null"]);
    }

    #[test]
    fn a_map_keeps_its_dotted_keys() {
        let ty = Type::Map(Box::new(Type::Integer));
        let split = normalize_dotted(json(r#"{"v1.2":5,"v1":{"3":6},"w":7}"#));
        let value = convert(&split, &ty, &Zone::utc(), TextSource::Json).unwrap();
        assert_eq!(to_json(&value), r#"{"v1.2":5,"v1.3":6,"w":7}"#);
        assert_eq!(from_json_column(&to_json(&value), &ty), Some(value));
    }

    #[test]
    fn a_map_says_of_a_null_key_that_it_has_none() {
        let said = normalize_dotted(json(r#"{"a":1,"b":null,"c":"x","d.e":null,"f":{},"a":2}"#));
        let entries = convert_entries(&said, &Type::Integer, &Zone::utc(), TextSource::Json).unwrap();
        let entries: Vec<(&str, Option<&Value>)> = entries.iter().map(|(key, value)| (key.as_str(), value.as_ref())).collect();
        assert_eq!(entries, [("a", Some(&Value::Integer(2))), ("b", None), ("c", None), ("d.e", None)]);
        assert_eq!(convert_entries(&json("[]"), &Type::Integer, &Zone::utc(), TextSource::Json), None);
    }

    #[test]
    fn dotted_keys() {
        for (text, expected) in [
            (r#"{"a.b":1,"a":{"c":2}}"#, r#"{"a":{"b":1,"c":2}}"#),
            (r#"{"a":{"c":2},"x":0,"a.b.d":1}"#, r#"{"a":{"c":2,"b":{"d":1}},"x":0}"#),
            (r#"{"a.b":1,"a.b":2}"#, r#"{"a":{"b":2}}"#),
            (r#"{"a.b":1,"a":5}"#, r#"{"a":5}"#),
            (r#"{"a":5,"a.b":1}"#, r#"{"a":{"b":1}}"#),
            (r#"[{"a":[{"b.c":1}]}]"#, r#"[{"a":[{"b":{"c":1}}]}]"#),
            (r#"{".a":1,"a..b":2,"a.":3,".":4}"#, r#"{".a":1,"a..b":2,"a.":3,".":4}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
        ] {
            assert_eq!(normalize_dotted(json(text)).to_text(), expected, "{text}");
        }
        let deep = Json::Object(vec![(vec!["a"; 100_000].join("."), Json::Null)]);
        assert_eq!(normalize_dotted(deep.clone()), deep);
    }

    #[test]
    fn overflow() {
        for text in ["9223372036854775808", "-9223372036854775809", r#"[{"a":[1e3,99999999999999999999]}]"#] {
            assert!(is_integer_overflow(&json(text)), "{text}");
        }
        for text in ["9223372036854775807", "-9223372036854775808", "1e30", "99999999999999999999.0", "\"99999999999999999999\"", "[{}]"] {
            assert!(!is_integer_overflow(&json(text)), "{text}");
        }
    }

    #[test]
    fn user_ids() {
        for (text, id) in [("\"u 1\"", "u 1"), ("42", "42"), ("-0", "0"), ("\"007\"", "007"), ("\"é\"", "é"), ("\" \"", " ")] {
            assert_eq!(canonical_user_id(&json(text)).as_deref(), Ok(id));
        }
        for text in
            ["\"\"", "\"a\\n\"", "\"\\u0000\"", "\"\\u0085\"", "1.0", "1e3", "9223372036854775808", "null", "true", "[]", "\"\\ud800\""]
        {
            assert!(canonical_user_id(&json(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn lower_case() {
        assert_eq!(simple_lower("ABC xyz"), "abc xyz");
        assert_eq!(simple_lower("İIıΣΟΣẞÀ"), "iiıσοσßà");
        for c in ('\0'..=char::MAX).filter(|&c| c != '\u{130}') {
            assert_eq!(c.to_lowercase().count(), 1, "{c:?}");
        }
    }

    fn scalar(ty: Type) -> BoxedStrategy<Value> {
        match ty {
            Type::Integer => any::<i64>().prop_map(Value::Integer).boxed(),
            Type::Number => any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| Value::Number(x + 0.0)).boxed(),
            Type::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
            Type::Timestamp => (crate::time::INSTANT_MIN..=crate::time::INSTANT_MAX).prop_map(Value::Timestamp).boxed(),
            Type::Date => (-719_162..=2_932_896i32).prop_map(Value::Date).boxed(),
            Type::Strings => any::<Vec<String>>().prop_map(Value::Strings).boxed(),
            Type::String | Type::Object(_) | Type::Objects(_) | Type::Map(_) => any::<String>().prop_map(Value::String).boxed(),
        }
    }

    fn typed() -> impl Strategy<Value = (Type, Value)> {
        let types = [Type::String, Type::Integer, Type::Number, Type::Boolean, Type::Timestamp, Type::Date, Type::Strings];
        let field = prop::sample::select(types.to_vec()).prop_flat_map(|ty| (Just(ty.clone()), prop::option::of(scalar(ty))));
        prop::collection::btree_map("[a-z\"\\\\é]{1,4}", field, 0..6).prop_map(|list| {
            let fields: Fields = list.iter().map(|(name, (ty, _))| (name.clone(), ty.clone())).collect();
            let item: BTreeMap<String, Value> = list.into_iter().filter_map(|(name, (_, value))| Some((name, value?))).collect();
            (Type::Objects(fields), Value::Objects(vec![item.clone(), BTreeMap::new(), item]))
        })
    }

    proptest! {
        #[test]
        fn columns_read_back((ty, value) in typed()) {
            prop_assert_eq!(from_json_column(&to_json(&value), &ty), Some(value));
        }

        #[test]
        fn maps_read_back(map in prop::collection::btree_map(any::<String>(), any::<f64>().prop_filter("finite", |x| x.is_finite()), 0..6)) {
            let value = Value::Map(map.into_iter().map(|(key, x)| (key, Value::Number(x + 0.0))).collect());
            prop_assert_eq!(from_json_column(&to_json(&value), &Type::Map(Box::new(Type::Number))), Some(value));
        }
    }
}
