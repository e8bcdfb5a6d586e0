//! Types are learned in the first import, widen later, and values that do not convert stay.

use crate::common::{World, values};
use ingest::Change;
use segment_core::types::Type;
use segment_core::value::Value;

fn events(property: &[&str]) -> String {
    let line =
        |(i, value): (usize, &&str)| format!(r#"{{"user_id":"u","event":"e","ts":"2024-01-01","message_id":"{value}{i}","x":{value}}}"#);
    // A message id may not hold the quotes of a value.
    let lines = property.iter().enumerate().map(line).map(|l| {
        let (head, rest) = l.split_once(r#""message_id":""#).unwrap();
        let (id, tail) = rest.split_once(r#","x":"#).unwrap();
        format!(r#"{head}"message_id":"{}","x":{tail}"#, id.replace(['"', '{', '}', '[', ']'], ""))
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn check(property: &[&str], expected: Option<Type>) {
    let world = World::new().await;
    world.events("e.ndjson", events(property)).await.unwrap();
    assert_eq!(world.property("x").await, expected, "{property:?}");
}

#[tokio::test]
async fn learned() {
    check(&["1", "2", "null", "[]"], Some(Type::Integer)).await;
    check(&["1", "2.5", "3"], Some(Type::Number)).await;
    check(&["true", "false"], Some(Type::Boolean)).await;
    check(&[r#""2024-01-01""#], Some(Type::Date)).await;
    check(&[r#""2024-01-01""#, r#""2024-01-01T00:00:00Z""#], Some(Type::Timestamp)).await;
    check(&[r#""2024-01-01""#, r#""x""#], Some(Type::String)).await;
    check(&[r#""1""#, r#""2""#], Some(Type::String)).await;
    check(&["1", "2", r#""x""#], Some(Type::Integer)).await;
    check(&["1", r#""x""#], Some(Type::String)).await;
    check(&[r#"["a"]"#], Some(Type::Strings)).await;
    check(&[r#"{"a":1}"#], Some(Type::Object([("a".to_owned(), Type::Integer)].into()))).await;
    check(&[r#"[{"a":1}]"#], Some(Type::Objects([("a".to_owned(), Type::Integer)].into()))).await;
    check(&["null", "[]"], None).await;
}

#[tokio::test]
async fn csv_text_votes_as_what_it_writes() {
    let world = World::new().await;
    let csv = "user_id,event,ts,n,x,b,d,s,mixed\n1,e,2024-01-01,1,1,true,2024-01-01,a,1\n2,e,2024-01-01,2,1.5,false,2024-01-02,1,x\n";
    world.events("e.csv", csv).await.unwrap();
    for (name, ty) in
        [("n", Type::Integer), ("x", Type::Number), ("b", Type::Boolean), ("d", Type::Date), ("s", Type::String), ("mixed", Type::String)]
    {
        assert_eq!(world.property(name).await, Some(ty), "{name}");
    }
    assert_eq!(world.stored().await[0].user_id, "1");
}

#[tokio::test]
async fn later_imports_widen_and_nothing_else() {
    let world = World::new().await;
    world.events("a.ndjson", events(&["1", "2"])).await.unwrap();
    let report = world.events("b.ndjson", events(&["1.5", r#""x""#, "7"])).await.unwrap();
    let x = &report.properties["x"];
    assert_eq!((x.ty, x.change, x.values, x.unconverted), (Some("number"), Change::Widened, 3, 1));
    assert_eq!(x.examples, [r#""x""#]);
    let stored = world.stored().await;
    assert_eq!(stored.iter().filter(|e| e.extra.as_deref() == Some(r#"{"x":"x"}"#)).count(), 1);
    assert_eq!(stored.iter().filter(|e| e.values == values(&[("x", "1.5")])).count(), 1);
    assert_eq!(stored.iter().filter(|e| e.values.keys().any(|k| k.starts_with("before:"))).count(), 2);
    // Back to integers: the type stays.
    let report = world.events("c.ndjson", events(&["5", "6", r#""y""#, r#""z""#])).await.unwrap();
    assert_eq!((report.properties["x"].ty, report.properties["x"].change), (Some("number"), Change::Same));
}

#[tokio::test]
async fn declared_types_stay() {
    let world = World::new().await;
    world
        .declare(r#"{"properties":{"x":{"type":"integer"},"m":{"type":"map","values":"number"}},"attributes":{"plan":{"type":"string"}}}"#)
        .await;
    let lines = r#"{"user_id":"u","event":"e","ts":"2024-01-01","x":1.5,"m":{"a.b":1,"c":2}}
{"user_id":"u","event":"e","ts":"2024-01-02","x":"12","m":{"a":"no"}}"#;
    let report = world.events("e.ndjson", lines).await.unwrap();
    assert_eq!((report.properties["x"].ty, report.properties["x"].unconverted, report.properties["m"].partial), (Some("integer"), 1, 1));
    assert!(report.properties["x"].declared);
    let stored = world.stored().await;
    assert_eq!(stored[0].values, values(&[("m", r#"{"a.b":1.0,"c":2.0}"#)]));
    assert_eq!(stored[0].extra.as_deref(), Some(r#"{"x":1.5}"#));
    assert_eq!(stored[1].values["x"], "12");
    assert_eq!(stored[1].extra.as_deref(), Some(r#"{"m":{"a":"no"}}"#));
    world.users("u.ndjson", r#"{"user_id":"u","attributes":{"plan":5,"user_id":"x"}}"#).await.unwrap();
    let profile = world.profile("u").await.unwrap();
    assert_eq!((profile.raw["plan"].as_str(), profile.raw["user_id"].as_str()), ("5", r#""x""#));
}

#[tokio::test]
async fn dotted_names_are_paths() {
    let world = World::new().await;
    let line = r#"{"user_id":"u","event":"e","ts":"2024-01-01","a.b":1,"properties":{"a":{"c":"x"},"d":{"e.f":true},"..":1,"":2}}"#;
    let report = world.events("e.ndjson", line).await.unwrap();
    let stored = world.stored().await;
    let expected = [("a", "true"), ("a.b", "1"), ("a.c", "x"), ("d", "true"), ("d.e", "true"), ("d.e.f", "true")];
    assert_eq!(stored[0].values, values(&expected));
    assert_eq!(stored[0].extra.as_deref(), Some(r#"{"":2,"..":1}"#));
    assert_eq!((report.properties[".."].ty, report.properties[".."].unconverted), (None, 1));
    let csv = World::new().await;
    csv.events("e.csv", "user_id,event,ts,a.b,a.c.d\nu,e,2024-01-01,1,x\nv,e,2024-01-01,,\n").await.unwrap();
    let stored = csv.stored().await;
    assert_eq!(stored[0].values, values(&[("a", "true"), ("a.b", "1"), ("a.c", "true"), ("a.c.d", "x")]));
    assert_eq!(stored[1].values, values(&[]));
}

#[tokio::test]
async fn names_may_be_anything_that_can_be_referred_to() {
    let world = World::new().await;
    let line = r#"{"user_id":"u","event":"e","ts":"2024-01-01","properties":{"user_id":"p","event":1,"ts":true,"select":1,"Price":1,"price":2,"é ü":3}}"#;
    world.events("e.ndjson", line).await.unwrap();
    let expected = [("user_id", "p"), ("event", "1"), ("ts", "true"), ("select", "1"), ("Price", "1"), ("price", "2"), ("é ü", "3")];
    assert_eq!(world.stored().await[0].values, values(&expected));
}

#[tokio::test]
async fn of_a_member_given_twice_the_later_counts() {
    let world = World::new().await;
    let line = r#"{"user_id":"u","event":"e","ts":"2024-01-01","a":1,"a":2,"b":1,"c":5,"properties":{"b":3,"c":null}}"#;
    world.events("e.ndjson", line).await.unwrap();
    assert_eq!(world.stored().await[0].values, values(&[("a", "2"), ("b", "3")]));
}

#[tokio::test]
async fn attributes_keep_their_types() {
    let world = World::new().await;
    world.users("u.ndjson", "{\"user_id\":\"a\",\"attributes\":{\"n\":1}}\n{\"user_id\":\"b\",\"attributes\":{\"n\":2}}\n").await.unwrap();
    world.users("v.ndjson", r#"{"user_id":"b","attributes":{"n":2.5,"tags":["x","y"]}}"#).await.unwrap();
    assert_eq!(world.attribute("n").await, Some(Type::Number));
    assert_eq!(world.profile("a").await.unwrap().attributes["n"], Value::Integer(1));
    let b = world.profile("b").await.unwrap();
    assert_eq!(b.attributes["n"], Value::Number(2.5));
    assert_eq!(b.attributes["tags"], Value::Strings(vec!["x".to_owned(), "y".to_owned()]));
}

/// Objects with more fields than are learned say so, and keep what converted.
#[tokio::test]
async fn too_many_fields_are_told_of() {
    let world = World::new().await;
    let wide = |from: usize| (from..from + 3_000).map(|i| format!(r#""k{i}":1"#)).collect::<Vec<_>>().join(",");
    let users = format!("{{\"user_id\":\"a\",\"prefs\":{{{}}}}}\n{{\"user_id\":\"b\",\"prefs\":{{{}}}}}\n", wide(0), wide(3_000));
    let report = world.users("u.ndjson", &users).await.unwrap();
    let prefs = &report.attributes["prefs"];
    assert_eq!((prefs.ty, prefs.values, prefs.unconverted, prefs.partial, prefs.truncated), (Some("object"), 2, 0, 1, true));
    assert_eq!(serde_json::to_value(prefs).unwrap()["truncated"], true);
    let Value::Object(kept) = world.profile("b").await.unwrap().attributes["prefs"].clone() else { panic!() };
    assert_eq!(kept.len(), 1_096);
    let report = world.events("e.ndjson", r#"{"user_id":"a","event":"e","ts":"2024-01-01","x":{"a":1},"y":2}"#).await.unwrap();
    assert!(!report.properties["x"].truncated && !report.properties["y"].truncated);
    // A declared type is what was declared.
    let world = World::new().await;
    world.declare(r#"{"attributes":{"prefs":{"type":"map","values":"integer"}}}"#).await;
    let report = world.users("u.ndjson", &users).await.unwrap();
    assert_eq!((report.attributes["prefs"].partial, report.attributes["prefs"].truncated), (0, false));
}
