//! Columns become fields: by their own names, mapped, set.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field};

use crate::common::{World, values};
use segment_core::value::Value;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

const MAP: [(&str, &str); 3] = [("user_id", "customer"), ("ts", "when"), ("price", "cost")];

async fn check(name: &str, content: &str) {
    let world = World::new().await;
    let mut request = world.request();
    request.events = vec![world.file(name, content)];
    request.map = pairs(&MAP);
    request.set = pairs(&[("event", "purchase"), ("channel", "5")]);
    let report = world.import(request).await.unwrap();
    assert_eq!(report.events.written, 1, "{name}");
    let stored = world.stored().await;
    assert_eq!((stored[0].event.as_str(), stored[0].user_id.as_str()), ("purchase", "c1"), "{name}");
    let mut expected = vec![("price", "9.5"), ("channel", "5"), ("user_id", "other"), ("kind", "x")];
    // A column that something else took the place of is a property like any other.
    expected.extend(content.contains("ignored").then_some(("event", "ignored")));
    assert_eq!(stored[0].values, values(&expected), "{name}");
}

#[tokio::test]
async fn mapped_and_set() {
    check("e.csv", "customer,user_id,when,cost,event,channel,kind\nc1,other,2024-01-01,9.5,ignored,web,x\n").await;
    check("e.ndjson", r#"{"customer":"c1","user_id":"other","when":"2024-01-01","cost":9.5,"event":"ignored","channel":"web","kind":"x"}"#)
        .await;
    check("e.ndjson", r#"{"customer":"c1","user_id":"other","when":"2024-01-01","properties":{"cost":9.5,"channel":"web","kind":"x"}}"#)
        .await;
}

#[tokio::test]
async fn members_inside_win_over_those_beside() {
    let world = World::new().await;
    let lines = r#"{"user_id":"a","event":"e","ts":"2024-01-01","x":1,"properties":{"x":2}}
{"properties":{"x":2,"user_id":"p","x":3},"x":1,"user_id":"b","event":"e","ts":"2024-01-02"}
{"user_id":"c","event":"e","ts":"2024-01-03","x":1,"x":4,"properties":null}"#;
    world.events("e.ndjson", lines).await.unwrap();
    let stored = world.stored().await;
    let of = |user: &str| stored.iter().find(|e| e.user_id == user).unwrap().values.clone();
    assert_eq!((of("a"), of("c")), (values(&[("x", "2")]), values(&[("x", "4")])));
    assert_eq!(of("b"), values(&[("x", "3"), ("user_id", "p")]));
    world.users("u.ndjson", r#"{"user_id":"a","attributes":{"x":2},"x":1}"#).await.unwrap();
    assert_eq!(world.profile("a").await.unwrap().attributes["x"], Value::Integer(2));
}

#[tokio::test]
async fn paths_in_json() {
    let world = World::new().await;
    let mut request = world.request();
    request.events = vec![world.file("e.ndjson", r#"{"user":{"id":12,"plan":"pro"},"type":"e","properties":{"at":"2024-01-01"}}"#)];
    request.map = pairs(&[("user_id", "user.id"), ("event", "type"), ("ts", "at"), ("home.city", "user.plan")]);
    world.import(request).await.unwrap();
    let stored = world.stored().await;
    assert_eq!((stored[0].user_id.as_str(), stored[0].ts.as_str()), ("12", "2024-01-01T00:00:00Z"));
    assert_eq!(stored[0].values["home.city"], "pro");
}

#[tokio::test]
async fn paths_into_the_member_that_holds_the_others() {
    let world = World::new().await;
    let line = r#"{"user_id":"u","event":"e","ts":"2024-01-01","properties":{"amount":9.5,"cart":{"id":7,"size":2},"kept":1}}"#;
    let mut request = world.request();
    request.events = vec![world.file("e.ndjson", line)];
    request.map = pairs(&[("price", "properties.amount"), ("message_id", "properties.cart.id")]);
    world.import(request).await.unwrap();
    let stored = world.stored().await;
    assert_eq!(stored[0].values, values(&[("price", "9.5"), ("cart", "true"), ("cart.size", "2"), ("kept", "1")]));
    assert_eq!(stored[0].message_id, "7");
    let mut request = world.request();
    request.users = vec![world.file("u.ndjson", r#"{"user_id":"u","attributes":{"tier":{"name":"gold"}}}"#)];
    request.map = pairs(&[("plan", "attributes.tier.name")]);
    world.import(request).await.unwrap();
    assert_eq!(world.profile("u").await.unwrap().attributes["plan"], Value::String("gold".to_owned()));
}

#[tokio::test]
async fn paths_into_structs() {
    let world = World::new().await;
    let texts = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let field = |name: &str, ty: &DataType| Arc::new(Field::new(name, ty.clone(), true));
    let geo =
        StructArray::from(vec![(field("lat", &DataType::Utf8), texts(["1.5", "2.5"])), (field("lon", &DataType::Utf8), texts(["x", "y"]))]);
    let user = StructArray::new(
        vec![field("id", &DataType::Utf8), field("plan", &DataType::Utf8), field("geo", geo.data_type())].into(),
        vec![texts(["a", "b"]), texts(["pro", "free"]), Arc::new(geo)],
        Some(vec![true, false].into()),
    );
    let columns = [("user", Arc::new(user) as ArrayRef), ("event", texts(["e", "e"])), ("ts", texts(["2024-01-01", "2024-01-02"]))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut file = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut request = world.request();
    request.events = vec![world.file("e.parquet", file)];
    request.map = pairs(&[("user_id", "user.id"), ("home.lat", "user.geo.lat")]);
    // Where the struct is null there is no user.
    let error = world.import(request.clone()).await.unwrap_err().to_string();
    assert!(error.contains("there is no user id"), "{error}");
    request.max_rejects = 1;
    world.import(request.clone()).await.unwrap();
    let stored = world.stored().await;
    assert_eq!((stored.len(), stored[0].user_id.as_str()), (1, "a"));
    let expected =
        [("user", "true"), ("user.plan", "pro"), ("user.geo", "true"), ("user.geo.lon", "x"), ("home", "true"), ("home.lat", "1.5")];
    assert_eq!(stored[0].values, values(&expected));
    // The row is the same however it is mapped.
    request.map = pairs(&[("user_id", "user.plan")]);
    assert_eq!(world.import(request.clone()).await.unwrap().events.duplicates, 1);
    request.map = pairs(&[("user_id", "user.name")]);
    let error = world.import(request).await.unwrap_err().to_string();
    assert!(error.contains("no column is the field \"user_id\", nor is there a column \"user.name\", which is mapped to it"), "{error}");
}

#[tokio::test]
async fn events_and_users_each_take_their_own() {
    let world = World::new().await;
    let mut request = world.request();
    request.events = vec![world.file("e.csv", "id,when\na,2024-01-02\n")];
    request.users = vec![world.file("u.csv", "id,since,when\na,2024-01-01,noon\n")];
    request.map = pairs(&[("user_id", "id"), ("ts", "when"), ("first_seen_at", "since")]);
    request.set = pairs(&[("event", "e")]);
    world.import(request).await.unwrap();
    let profile = world.profile("a").await.unwrap();
    assert_eq!(profile.first_seen_at, Some(crate::common::instant("2024-01-01")));
    assert_eq!(profile.attributes["when"], Value::String("noon".to_owned()));
    assert_eq!(world.stored().await[0].ts, "2024-01-02T00:00:00Z");
}

#[tokio::test]
async fn contradictions_are_refused() {
    let world = World::new().await;
    let file = world.file("e.csv", "user_id,event,ts\na,e,2024-01-01\n");
    for (map, set, text) in [
        (&[("ts", "when")][..], &[][..], "no input has a column \"when\""),
        (&[("price", "cost")], &[], "no input has a column \"cost\""),
        (&[("price", "a"), ("price", "b")], &[], "mapped or set twice"),
        (&[("price", "a")], &[("price", "5")], "mapped or set twice"),
        (&[], &[("first_seen_at", "2024-01-01")], "no input has such a field"),
        (&[("", "a")], &[], "the field is empty"),
    ] {
        let mut request = world.request();
        request.events = vec![file.clone()];
        (request.map, request.set) = (pairs(map), pairs(set));
        let error = world.import(request).await.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
    let mut request = world.request();
    request.events = vec![file];
    request.timezone = Some("Asia/Tokyo".to_owned());
    assert!(world.import(request).await.unwrap_err().to_string().contains("the workspace's zone is UTC"));
    assert!(world.stored().await.is_empty());
}
