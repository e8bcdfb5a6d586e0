//! A JSON value that loses nothing, and its reader.
//!
//! In: RFC 8259 text (a byte order mark in front is passed over). Out: `Json`, with numbers as they were written, members
//! in their order, and keys given twice kept, so that the stages after can refuse them or report on them.
//!
//! Invariants: nesting is at most `limits::JSON_DEPTH_MAX`; a `Number` that was read is a JSON number; `BadString` stands
//! for text that holds an unpaired surrogate escape, which no Rust string can. In a key such a surrogate is read as U+FFFD.
//! Deliberately absent: comments, trailing commas, NaN, and reading from a stream.

mod read;

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use self::read::{error_at, number_len, plain_len, read};

/// The message of `JsonError` for bytes that are not UTF-8.
pub const NOT_UTF8: &str = "the text is not UTF-8";

/// A JSON value; its texts are strings of its own, or parts of the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json<S = String> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(S),
    /// Text.
    String(S),
    /// Text that holds an unpaired surrogate.
    BadString,
    /// A list.
    Array(Vec<Json<S>>),
    /// An object: its members in their order, keys given twice among them.
    Object(Vec<(S, Json<S>)>),
}

/// A value that keeps to the text that it was read from, so that nearly none of its texts is copied.
pub(crate) type Borrowed<'a> = Json<Cow<'a, str>>;

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct JsonError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl Json {
    /// Reads one value that is the whole text.
    ///
    /// # Errors
    ///
    /// The text is not JSON, is nested too deeply, or goes on after the value.
    pub fn parse(text: &str) -> Result<Json, JsonError> {
        read(text)
    }

    /// The same from bytes.
    ///
    /// # Errors
    ///
    /// As `parse`; also bytes that are not UTF-8, with `NOT_UTF8` for the message.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Json, JsonError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Json::parse(text),
            Err(error) => Err(error_at(bytes, error.valid_up_to(), NOT_UTF8)),
        }
    }

    /// The same value without copies of its texts.
    pub(crate) fn borrowed(&self) -> Borrowed<'_> {
        self.with_texts(&|text: &String| Cow::Borrowed(text.as_str()))
    }

    /// Compact JSON text, numbers as they were written; `BadString` is `"\ud800"`.
    pub fn to_text(&self) -> String {
        self.to_string()
    }
}

impl<'a> Borrowed<'a> {
    /// [`Json::parse`].
    pub(crate) fn read(text: &'a str) -> Result<Self, JsonError> {
        read(text)
    }

    /// The same value with texts of its own.
    pub(crate) fn owned(&self) -> Json {
        self.with_texts(&|text: &Cow<'a, str>| text.clone().into_owned())
    }
}

impl<S> Json<S> {
    /// The same value with other texts.
    fn with_texts<'a, T>(&'a self, text: &impl Fn(&'a S) -> T) -> Json<T> {
        match self {
            Json::Null => Json::Null,
            Json::Bool(value) => Json::Bool(*value),
            Json::Number(number) => Json::Number(text(number)),
            Json::String(string) => Json::String(text(string)),
            Json::BadString => Json::BadString,
            Json::Array(items) => Json::Array(items.iter().map(|item| item.with_texts(text)).collect()),
            Json::Object(members) => Json::Object(members.iter().map(|(key, value)| (text(key), value.with_texts(text))).collect()),
        }
    }
}

impl<S: AsRef<str>> Json<S> {
    /// The first member of that name, of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.iter().find(|(k, _)| k.as_ref() == key).map(|(_, value)| value)
    }

    /// Text.
    pub fn as_str(&self) -> Option<&str> {
        if let Json::String(text) = self { Some(text.as_ref()) } else { None }
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Json::Bool(value) = self { Some(*value) } else { None }
    }

    /// A number's text.
    pub fn as_number(&self) -> Option<&str> {
        if let Json::Number(text) = self { Some(text.as_ref()) } else { None }
    }

    /// A list's elements.
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Json::Array(items) = self { Some(items) } else { None }
    }

    /// An object's members.
    pub fn as_object(&self) -> Option<&[(S, Self)]> {
        if let Json::Object(members) = self { Some(members) } else { None }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    /// What it is, for messages: `an object`, `text`.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "text",
            Json::BadString => "text with an unpaired surrogate",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Number(text) => f.write_str(text),
            Json::String(text) => write_string(f, text),
            Json::BadString => f.write_str("\"\\ud800\""),
            Json::Array(items) => {
                f.write_char('[')?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_char(']')
            }
            Json::Object(members) => {
                f.write_char('{')?;
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    write_string(f, key)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Writes text as a JSON string, escaping what RFC 8259 demands and nothing else.
pub fn write_string(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut rest = text;
    loop {
        let plain = plain_len(rest.as_bytes());
        out.write_str(&rest[..plain])?;
        let Some(&special) = rest.as_bytes().get(plain) else { break };
        match special {
            b'"' => out.write_str("\\\"")?,
            b'\\' => out.write_str("\\\\")?,
            b'\n' => out.write_str("\\n")?,
            b'\r' => out.write_str("\\r")?,
            b'\t' => out.write_str("\\t")?,
            0x08 => out.write_str("\\b")?,
            0x0c => out.write_str("\\f")?,
            other => write!(out, "\\u{other:04x}")?,
        }
        rest = &rest[plain + 1..];
    }
    out.write_char('"')
}

/// Whether the text is wholly a JSON number.
pub fn is_number(text: &str) -> bool {
    number_len(text.as_bytes()).is_ok_and(|len| len == text.len())
}

/// Whether the text is wholly a JSON number without a point and an exponent.
pub fn is_integer(text: &str) -> bool {
    is_number(text) && !text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E'))
}

/// Numbers are written as integers or doubles, so that any format takes them, a decimal thus as the double nearest to it;
/// one that neither holds, as its text. As they were written they are in `to_text`.
/// `BadString` is U+FFFD.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Number(text) => match (text.parse::<i64>(), text.parse::<u64>(), text.parse::<f64>()) {
                (Ok(value), ..) => serializer.serialize_i64(value),
                (_, Ok(value), _) => serializer.serialize_u64(value),
                (.., Ok(value)) if value.is_finite() => serializer.serialize_f64(value),
                _ => serializer.serialize_str(text),
            },
            Json::String(text) => serializer.serialize_str(text),
            Json::BadString => serializer.serialize_str("\u{fffd}"),
            Json::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Json::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        if !value.is_finite() {
            return Err(E::custom("a number is not finite"));
        }
        Ok(Json::Number(ryu::Buffer::new().format_finite(value).to_owned()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        Json::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Json>().map_err(A::Error::custom)? {
            members.push((key, value));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::JSON_DEPTH_MAX;
    use proptest::prelude::*;

    fn check(text: &str, compact: &str) {
        let value = Json::parse(text).unwrap();
        assert_eq!(value.to_text(), compact);
        assert_eq!(Json::parse(compact).unwrap(), value);
    }

    fn refused(text: &str, line: usize, column: usize) {
        let error = Json::parse(text).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{text:?}: {}", error.message);
    }

    #[test]
    fn keeps_what_was_written() {
        check(" { \"a\" : 1.50e3 , \"a\" : [ true , null , -0 ] } ", r#"{"a":1.50e3,"a":[true,null,-0]}"#);
        check("\u{feff}[]", "[]");
        check("{}", "{}");
        check(r#""\u00e9\ud83d\ude00\/\b\f\n\r\t\u0001 plain text""#, "\"é😀/\\b\\f\\n\\r\\t\\u0001 plain text\"");
        check("12345678901234567890123", "12345678901234567890123");
    }

    #[test]
    fn unpaired_surrogates_are_bad_strings() {
        for text in [r#""\ud800""#, r#""a\udc00b""#, r#""\ud800\ud800""#, r#""\ud800A""#, r#""\ud83dx""#] {
            assert_eq!(Json::parse(text).unwrap(), Json::BadString, "{text}");
        }
        assert_eq!(Json::parse(r#""\ud800\ud83d\ude00""#).unwrap(), Json::BadString);
        assert_eq!(Json::parse(r#"{"\ud800":1}"#).unwrap().as_object().unwrap()[0].0, "\u{fffd}");
        assert_eq!(Json::parse(&Json::BadString.to_text()).unwrap(), Json::BadString);
    }

    #[test]
    fn refuses_what_is_not_json() {
        refused("", 1, 1);
        refused("[1,]", 1, 4);
        refused("{\"a\":1,}", 1, 8);
        refused("{\n \"é\": tru}", 2, 7);
        refused("1 2", 1, 3);
        refused("01", 1, 2);
        refused("1.", 1, 3);
        refused("-", 1, 2);
        refused("1e+", 1, 4);
        refused(".5", 1, 1);
        refused("+1", 1, 1);
        refused("NaN", 1, 1);
        refused("\"a\nb\"", 1, 3);
        refused("\"abc", 1, 5);
        refused(r#""\x""#, 1, 2);
        refused(r#""\u12g4""#, 1, 2);
        refused("'a'", 1, 1);
        refused("{a:1}", 1, 2);
        refused("nulls", 1, 5);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Json::parse(&nested(JSON_DEPTH_MAX)).is_ok());
        let error = Json::parse(&nested(JSON_DEPTH_MAX + 1)).unwrap_err();
        assert_eq!((error.line, error.column), (1, JSON_DEPTH_MAX + 1));
        assert!(Json::parse(&"[{\"a\":".repeat(100_000)).is_err());
    }

    #[test]
    fn bytes_must_be_utf8() {
        assert_eq!(Json::parse_bytes(b"[1]").unwrap().kind(), "a list");
        let error = Json::parse_bytes(b"{\n\"\xff\":1}").unwrap_err();
        assert_eq!(error, JsonError { line: 2, column: 2, message: NOT_UTF8.to_owned() });
    }

    #[test]
    fn accessors() {
        let value = Json::parse(r#"{"a":"x","a":"y","n":null}"#).unwrap();
        assert_eq!(value.get("a").and_then(Json::as_str), Some("x"));
        assert!(value.get("n").is_some_and(Json::is_null));
        assert_eq!(value.get("b"), None);
        assert!(is_number("-1.5E-3") && !is_number("1 ") && !is_number("007"));
        assert!(is_integer("-7") && !is_integer("7.0") && !is_integer("7e0"));
    }

    #[test]
    fn serde_keeps_doubled_keys() {
        let text = r#"{"a":1,"a":[null,-2,18446744073709551615,0.1,"é"]}"#;
        let value: Json = serde_json::from_str(text).unwrap();
        assert_eq!(value, Json::parse(text).unwrap());
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
        assert_eq!(serde_json::to_string(&Json::Number("1e999".to_owned())).unwrap(), "\"1e999\"");
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            any::<i64>().prop_map(|n| Json::Number(n.to_string())),
            any::<String>().prop_map(Json::String),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Json::Array),
                prop::collection::vec((any::<String>(), inner), 0..8).prop_map(Json::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn round_trips(value in any_json()) {
            prop_assert_eq!(&Json::parse(&value.to_text()).unwrap(), &value);
            prop_assert_eq!(&serde_json::from_str::<Json>(&value.to_text()).unwrap(), &value);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}\",:\\\\u0-9a-fe.+-]{0,40}") {
            let _ = Json::parse_bytes(&bytes);
            prop_assert_eq!(Json::parse(&text).is_ok(), serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        }

        #[test]
        fn plain_runs(text in "[a\"\\\\\u{1f}\u{20}é]{0,40}") {
            let slow = text.bytes().take_while(|&b| b != b'"' && b != b'\\' && b >= 0x20).count();
            prop_assert_eq!(plain_len(text.as_bytes()), slow);
        }
    }
}
