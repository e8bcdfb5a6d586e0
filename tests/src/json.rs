//! Small constructors for JSON, and edits of it.

use segment_core::json::Json;

/// An object.
pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Json)>) -> Json {
    Json::Object(members.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

/// Text.
pub fn text(s: impl Into<String>) -> Json {
    Json::String(s.into())
}

/// A whole number.
pub fn integer(n: i64) -> Json {
    Json::Number(n.to_string())
}

/// The value at a JSON pointer.
pub fn at<'j>(json: &'j Json, pointer: &str) -> Option<&'j Json> {
    let mut found = json;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        found = match found {
            Json::Object(members) => &members.iter().find(|(k, _)| *k == step)?.1,
            Json::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(found)
}

/// The same JSON with the value of one member of an object replaced.
pub fn with(json: &Json, key: &str, value: Json) -> Json {
    match json {
        Json::Object(members) => {
            Json::Object(members.iter().map(|(k, v)| (k.clone(), if k == key { value.clone() } else { v.clone() })).collect())
        }
        other => other.clone(),
    }
}
