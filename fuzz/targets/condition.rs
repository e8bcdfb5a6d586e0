//! A condition's text: read, resolved, lowered by every strategy for every dialect, and read back; evaluated over somebody.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use muster_tests::sqltext::check_reparses;
use segment_core::catalog::Catalog;
use segment_core::condition::Condition;
use segment_core::declare::declare;
use segment_core::eval::{Event, Lists, User, is_member};
use segment_core::json::Json;
use segment_core::lower::{Strategy, Tables};
use segment_core::resolve::Library;
use segment_core::value::Value;
use segment_core::{compile, dialect};

/// 2026-03-29, when clocks change in Berlin.
const AS_OF: i64 = 1_774_746_000_000_000;

const DECLARED: &str = r#"{
    "attributes": {"s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"}, "t": {"type": "timestamp"},
        "d": {"type": "date"}, "ss": {"type": "strings"}, "m": {"type": "map", "values": "number"}},
    "properties": {"s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"}, "t": {"type": "timestamp"},
        "o": {"type": "object", "fields": {"x": {"type": "number"}, "y.z": {"type": "string"}}},
        "os": {"type": "objects", "fields": {"x": {"type": "number"}, "y": {"type": "string"}}}},
    "events": {"a": {}, "b": {}, "a b": {}}}"#;

struct World {
    catalog: Catalog,
    library: Library,
    tables: Tables,
    user: User,
    lists: Lists,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let catalog = declare(&Catalog::new("Europe/Berlin"), &Json::parse(DECLARED).unwrap()).unwrap();
    let segment = |key: &str, condition: &str| (key.to_owned(), condition.to_owned());
    let segments = BTreeMap::from([
        segment("saved", r#"{"event": "a", "op": "gte", "value": 2}"#),
        segment("nested", r#"{"not": {"segment": "saved"}}"#),
        segment("broken", "{"),
    ]);
    let library = Library { segments, lists: ["l".to_owned()].into() };
    let tables = Tables { lists: BTreeMap::from([("l".to_owned(), vec!["l".to_owned()])]), ..Tables::default() };
    let event = |i: i64| Event {
        name: if i % 2 == 0 { "a" } else { "b" }.to_owned(),
        ts: AS_OF - i * 3_600_000_000,
        message_id: i.to_string(),
        properties: BTreeMap::from([("n".to_owned(), Value::Number(i as f64)), ("s".to_owned(), Value::String(i.to_string()))]),
    };
    let user = User {
        user_id: "somebody".to_owned(),
        first_seen_at: None,
        last_seen_at: Some(AS_OF - 3_600_000_000),
        attributes: BTreeMap::from([("s".to_owned(), Value::String("Ünï".to_owned())), ("i".to_owned(), Value::Integer(-1))]),
        events: (1..9).map(event).collect(),
    };
    World { catalog, library, tables, user, lists: Lists::from([("l".to_owned(), ["somebody".to_owned()].into())]) }
});

fuzz_target!(|text: &str| {
    let world = &*WORLD;
    let checked = compile::check(text, &world.catalog, &world.library, AS_OF);
    let Some(plan) = checked.plan else {
        assert!(!checked.diagnostics.is_empty(), "neither a plan nor a diagnostic");
        return;
    };
    assert!(checked.diagnostics.is_empty());
    // What was read is written so that it is read alike.
    let condition = Condition::parse(text).condition;
    let again = condition.to_json().to_text();
    assert_eq!(Condition::parse(&again).condition, condition, "{again}");
    let _ = is_member(&plan, &world.user, &world.lists);
    for name in dialect::NAMES {
        let dialect = dialect::named(name).unwrap();
        for strategy in Strategy::ALL {
            if let Ok(lowered) = compile::lowered(&plan, dialect.as_ref(), &world.tables, strategy) {
                check_reparses(name, &lowered.ast()).unwrap();
            }
        }
    }
});
