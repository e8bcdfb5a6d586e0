//! What JSON says of a user's attribute: the one way from it to what a store merges, for imports, publishing, and reading back alike.

use segment_core::convert::{TextSource, convert, convert_entries};
use segment_core::json::Json;
use segment_core::time::Zone;
use segment_core::types::Type;
use store::AttributeWrite;

/// What is said of an attribute of that type, or of none yet. Null clears. Of a map each key is set or, by null or by what does not convert, removed,
/// and others stay.
pub(crate) fn said(json: &Json, ty: Option<&Type>, zone: &Zone, source: TextSource) -> AttributeWrite {
    if json.is_null() {
        return AttributeWrite::Null;
    }
    let said = match ty {
        Some(Type::Map(values)) => convert_entries(json, values, zone, source).map(AttributeWrite::Entries),
        Some(ty) => convert(json, ty, zone, source).map(AttributeWrite::Value),
        None => None,
    };
    said.unwrap_or_else(|| AttributeWrite::Raw(json.to_text()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use segment_core::value::Value;

    use super::*;

    fn check(ty: Option<&Type>, text: &str, expected: AttributeWrite) {
        assert_eq!(said(&Json::parse(text).unwrap(), ty, &Zone::utc(), TextSource::Json), expected, "{text}");
    }

    #[test]
    fn by_type() {
        let map = Type::Map(Box::new(Type::Number));
        let entries = BTreeMap::from([("a".to_owned(), Some(Value::Number(1.0))), ("b".to_owned(), None), ("c".to_owned(), None)]);
        check(Some(&map), r#"{"a":1,"b":null,"c":"x"}"#, AttributeWrite::Entries(entries));
        check(Some(&map), "5", AttributeWrite::Raw("5".to_owned()));
        check(Some(&map), "null", AttributeWrite::Null);
        check(Some(&Type::Number), "5", AttributeWrite::Value(Value::Number(5.0)));
        check(None, "{}", AttributeWrite::Raw("{}".to_owned()));
    }
}
