//! The router over Trino and the oracle, with Trino there, away, and silent.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::proxy::Proxy;
use crate::world::{World, engine};

const CONDITION: &str = r#"{"any": [
    {"event": "buy", "measure": {"sum": "price"}, "op": "gte", "value": 10.5, "window": {"last": {"n": 30, "unit": "day"}}},
    {"all": [{"attribute": "country", "op": "is", "value": "JP"}, {"not": {"event": "buy"}}]}
]}"#;
const AS_OF: &str = "2026-03-01T00:00:00Z";
const MEMBERS: [&str; 3] = ["ann", "cyd", "d'or"];

/// A world in the lake, Trino's way to which is the proxy.
fn world(name: &str, trino: &str, cassandra: bool) -> (World, String) {
    let world = World::new(trino, cassandra);
    let event = |user: &str, day: u32, price: f64| {
        format!(r#"{{"user_id": "{user}", "event": "buy", "ts": "2026-02-{day:02}T10:00:00Z", "properties": {{"price": {price}}}}}"#)
    };
    let events = [event("ann", 10, 10.25), event("ann", 11, 0.25), event("bob", 10, 10.25), event("d'or", 20, 99.0)];
    world.file("events.ndjson", &events.join("\n"));
    let user = |user: &str, country: &str| format!(r#"{{"user_id": "{user}", "attributes": {{"country": "{country}"}}}}"#);
    world.file("users.ndjson", &[user("ann", "DE"), user("bob", "JP"), user("cyd", "JP"), user("eve", "FR")].join("\n"));
    world.file("condition.json", CONDITION);
    let workspace = format!("router_{name}_{}", std::process::id());
    let import = ["import", "--workspace", &workspace, "--events", "events.ndjson", "--users", "users.ndjson"];
    world.run(&import, &[]).fine();
    (world, workspace)
}

/// The verdicts by backend, and why.
fn verdicts(report: &Value) -> Vec<(&str, &str)> {
    let choices = report["routing"].as_array().unwrap().iter();
    choices.map(|c| (c["backend"].as_str().unwrap(), c["verdict"].as_str().unwrap())).collect()
}

#[test]
fn whoever_answers_the_answer_is_the_same() {
    let proxy = Proxy::before(&engine("MUSTER_TRINO_URL"));
    let (world, workspace) = world("same", &proxy.url, false);
    let query = |extra: &[&str], settings: &[&str]| {
        let base = ["query", "--workspace", &workspace, "--condition", "condition.json", "--as-of", AS_OF, "--output", "json"];
        world.run(&[&base, extra].concat(), settings)
    };
    let answered = |settings: &[&str], backend: &str, expected: &[(&str, &str)]| {
        let found = query(&[], settings).fine().value();
        assert_eq!((&found["users"], &found["backend"]), (&Value::from(&MEMBERS[..]), &Value::from(backend)), "{found:#}");
        let verdicts: Vec<_> = verdicts(&found).into_iter().filter(|(b, _)| ["trino", "memory"].contains(b)).collect();
        assert_eq!(verdicts, expected, "{found:#}");
    };
    answered(&[], "trino", &[("trino", "chosen"), ("memory", "spare")]);
    answered(&["router.memory_start_ms=0", "router.trino_start_ms=9000"], "memory", &[("memory", "chosen"), ("trino", "spare")]);
    // Away: nobody listens there.
    answered(&["trino.url=http://127.0.0.1:1"], "memory", &[("trino", "down"), ("memory", "chosen")]);
    // It has no such catalog: not a matter for anybody to stand in for.
    assert_eq!(query(&[], &["trino.catalog=nothing"]).code, 5);
    // Named, nobody stands in for it.
    let named = query(&["--backend", "trino"], &["trino.url=http://127.0.0.1:1"]);
    assert_eq!((named.code, named.out.as_str()), (5, ""), "{}", named.err);
    assert_eq!(query(&["--backend", "memory"], &["trino.url=http://127.0.0.1:1"]).fine().value()["users"], Value::from(&MEMBERS[..]));
    assert_eq!(query(&["--backend", "presto"], &[]).code, 2);
    // Silent: it takes connections, and never says anything.
    proxy.go_silent();
    let started = Instant::now();
    answered(&["trino.request_timeout_s=2", "trino.retry_for_s=2"], "memory", &[("trino", "down"), ("memory", "chosen")]);
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}

#[test]
fn fresher_profiles_come_first() {
    let (world, workspace) = world("fresh", &engine("MUSTER_TRINO_URL"), true);
    world.file("attribute.json", r#"{"attribute": "country", "op": "is", "value": "JP"}"#);
    let answered = |condition: &str, settings: &[&str], expected: &[(&str, &str)]| {
        let base = ["query", "--workspace", &workspace, "--condition", condition, "--as-of", AS_OF, "--output", "json"];
        let settings = [&["router.backends=memory,cassandra", "router.memory_start_ms=0"], settings].concat();
        let found = world.run(&base, &settings).fine().value();
        let verdicts: Vec<_> = verdicts(&found).into_iter().filter(|(b, _)| ["cassandra", "memory"].contains(b)).collect();
        assert_eq!(verdicts, expected, "{found:#}");
        found["users"].clone()
    };
    let members = Value::from(&["bob", "cyd"][..]);
    // The mirror is fresh enough, so what is cheaper comes first.
    assert_eq!(answered("attribute.json", &[], &[("memory", "chosen"), ("cassandra", "spare")]), members);
    // Not so here, where it is not followed either.
    let strict = ["router.fresh_within_s=0", "cassandra.mirror_age_max_s=3600"];
    assert_eq!(answered("attribute.json", &strict, &[("cassandra", "chosen"), ("memory", "spare")]), members);
    let away = [&strict[..], &["cassandra.contact_points=127.0.0.1:1"]].concat();
    assert_eq!(answered("attribute.json", &away, &[("cassandra", "down"), ("memory", "chosen")]), members);
    // It says whose profiles those are; and beyond the bound there is no answer.
    let query = ["query", "--workspace", &workspace, "--condition", "attribute.json", "--as-of", AS_OF, "--output", "json"];
    let away = [&["router.backends=memory,cassandra", "router.memory_start_ms=0"], &away[..]].concat();
    let found = world.run(&query, &away).fine().value();
    let why = found["routing"].as_array().unwrap().iter().find(|c| c["backend"] == "memory").unwrap()["why"].clone();
    assert!(why.as_str().unwrap().starts_with("it stands in for cassandra, with profiles that are "), "{found:#}");
    assert!(found["profiles_as_of"].is_string(), "{found:#}");
    let refused = world.run(&query, &[&away[..], &["cassandra.mirror_age_max_s=0", "cassandra.mirror_behind_max_s=0"]].concat());
    assert!(refused.code == 5 && refused.out.is_empty() && refused.err.contains("mirror_behind_max_s"), "{} {}", refused.code, refused.err);
    assert_eq!(answered("condition.json", &strict, &[("memory", "chosen"), ("cassandra", "unable")]), Value::from(&MEMBERS[..]));
}

#[test]
fn explaining_says_who_and_why() {
    let (world, workspace) = world("explained", &engine("MUSTER_TRINO_URL"), false);
    let base = ["explain", "--workspace", &workspace, "--condition", "condition.json", "--as-of", AS_OF];
    let found = world.run(&[&base[..], &["--output", "json"]].concat(), &[]).fine().value();
    assert_eq!(found["backend"], "trino");
    assert!(found["sql"].as_str().unwrap().contains("SELECT"), "{found:#}");
    let why = |backend: &str| {
        let choices = found["routing"].as_array().unwrap();
        choices.iter().find(|c| c["backend"] == backend).and_then(|c| c["why"].as_str()).unwrap_or_else(|| panic!("{backend}: {found:#}"))
    };
    assert!(why("trino").starts_with("it costs least of those that are fresh"), "{found:#}");
    assert!(why("memory").starts_with("it costs more, about 60."), "{found:#}");
    assert_eq!(why("cassandra"), "router.backends does not name it");
    let text = world.run(&base, &["trino.url=http://127.0.0.1:1"]).fine();
    assert!(text.out.contains("it stands in for trino"), "{}", text.out);
    // What is printed is what Trino finds: the names are those of its catalog.
    let sql = world.run(&[&["sql", "--dialect", "trino"], &base[1..]].concat(), &[]).fine().out;
    assert!(sql.contains(&workspace) && sql.contains("lake"), "{sql}");
}
