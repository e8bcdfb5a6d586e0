//! The catalog and lists.

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Answer, Rest, world};
use crate::common::World;
use crate::serve::{Server, key};

fn names(page: &Answer) -> Vec<String> {
    page.json()["items"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn names_are_looked_up_by_their_beginning() {
    let world = world();
    let catalog = r#"{"attributes": {"address": {"type": "object", "fields": {"city": {"type": "string"}}}, "m": {"type": "map", "values": "number"}},
        "properties": {"price": {"type": "number"}, "items": {"type": "objects", "fields": {"sku": {"type": "string"}}}},
        "events": {"buy": {"properties": ["price", "items"]}, "buy/now": {"properties": []}, "view": {"properties": []}}}"#;
    world.file("catalog.json", catalog);
    world.run(&["catalog", "--data", "data", "--set", "catalog.json"]).fine();
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", "read");
    let whole = world.run(&["catalog", "--data", "data", "--output", "json"]).fine().value();
    assert_eq!(rest.get("/catalog").is(200).json(), whole);
    assert_eq!(names(&rest.get("/catalog/events?prefix=bu").is(200)), ["buy", "buy/now"]);
    let first = rest.get("/catalog/events?limit=1").is(200).json();
    assert_eq!(first["items"], json!([{"name": "buy", "properties": 2, "learned": false, "seen": false}]));
    let next = format!("/catalog/events?limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(names(&rest.get(&next).is(200)), ["buy/now", "view"]);

    let all = ["address", "address.city", "first_seen_at", "last_seen_at", "m", "n", "user_id"];
    assert_eq!(names(&rest.get("/catalog/attributes").is(200)), all);
    let learned = json!({"name": "n", "type": "integer", "learned": true, "seen": true, "builtin": false});
    assert_eq!(rest.get("/catalog/attributes?prefix=n").is(200).json()["items"], json!([learned]));
    let map = rest.get("/catalog/attributes?prefix=m").is(200).json()["items"][0].clone();
    assert_eq!((&map["type"], &map["values"]), (&json!("map"), &json!("number")));

    let carried = rest.get("/catalog/events/buy/properties").is(200);
    assert_eq!(names(&carried), ["items", "price"]);
    assert_eq!(carried.json()["items"][0]["fields"], json!({"sku": {"type": "string"}}));
    assert_eq!(names(&rest.get("/catalog/events/buy%2Fnow/properties").is(200)), Vec::<String>::new());
    rest.get("/catalog/events/none/properties").refused(404, "not_found");
    for path in ["/catalog/events", "/catalog/attributes", "/catalog/events/buy/properties"] {
        rest.get(&format!("{path}?limit=0")).refused(400, "invalid_parameter");
    }
    // Another workspace has other names.
    let theirs = Rest::new(&world, &server, "other", "read");
    assert_eq!(names(&theirs.get("/catalog/attributes?prefix=m").is(200)), ["m"]);
    assert_eq!(theirs.get("/catalog/events").is(200).json()["items"], json!([]));
    theirs.get("/catalog/events/buy/properties").refused(404, "not_found");
}

fn put(rest: &Rest<'_>, path: &str, media: &str, body: &str) -> Answer {
    rest.send("PUT", path, &[("Content-Type", media)], body)
}

#[test]
fn lists_are_uploaded_used_and_deleted() {
    let world = world();
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", "read,run,manage");
    let lines = "\u{feff}user_id\r\nu000000\r\n\r\nu000001\r\nu000000\r\nghost\r\n";
    let report = |answer: Answer| {
        let told = answer.is(200).json();
        ["users", "rows", "matched", "duplicate", "blank", "unknown"].map(|n| told[n].as_u64().unwrap())
    };
    for (key, media, body) in [
        ("plain", "text/plain; charset=utf-8", lines.to_owned()),
        ("csv", "text/csv", lines.replace("\r\n", ",x\r\n").replace("user_id,x", "user_id,n")),
        ("ndjson", "application/x-ndjson", "\"u000000\"\n\n{\"user_id\":\"u000001\"}\n\"u000000\"\n\"ghost\"\n".to_owned()),
    ] {
        assert_eq!(report(put(&rest, &format!("/lists/{key}"), media, &body)), [3, 5, 2, 1, 1, 1], "{key}");
        let counted = rest.post("/segments/count", &json!({"condition": {"list": key}})).is(200).json();
        assert_eq!(counted["count"], 2, "{key}");
    }
    world.file("list.txt", lines);
    world.run(&["list", "import", "cli", "list.txt", "--data", "data"]).fine();
    let (mut one, mut other) = (rest.get("/lists/cli").is(200).json(), rest.get("/lists/plain").is(200).json());
    assert_eq!(one, world.run(&["list", "show", "cli", "--data", "data", "--output", "json"]).fine().value());
    for list in [&mut one, &mut other] {
        list["key"] = Value::Null;
        list["updated_at"] = Value::Null;
    }
    assert_eq!(one, other);
    // An upload replaces.
    assert_eq!(report(put(&rest, "/lists/plain", "text/plain", "u000002\n")), [1, 1, 1, 0, 0, 0]);
    let page = rest.get("/lists?limit=2").is(200).json();
    let keys = |page: &Value| page["items"].as_array().unwrap().iter().map(|l| l["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(&page), ["cli", "csv"]);
    let next = rest.get(&format!("/lists?limit=2&cursor={}", page["next_cursor"].as_str().unwrap())).is(200).json();
    assert_eq!(keys(&next), ["ndjson", "plain"]);

    put(&rest, "/lists/a%20b", "text/plain", "u").refused(422, "invalid_value");
    put(&rest, "/lists/a", "application/json", "[]").refused(415, "unsupported_media_type");
    put(&rest, "/lists/a", "application/x-ndjson", &format!("\"{}\"", "x".repeat(100_000))).refused(400, "malformed");
    rest.get("/lists/a").refused(404, "not_found");
    rest.get("/lists?limit=0").refused(400, "invalid_parameter");

    rest.make("friends", json!({"list": "plain"}));
    assert_eq!(rest.send("DELETE", "/lists/plain", &[], "").refused(409, "in_use").json()["dependents"], json!(["friends"]));
    rest.send("DELETE", "/segments/friends", &[], "").is(204);
    rest.send("DELETE", "/lists/plain", &[], "").is(204);
    rest.send("DELETE", "/lists/plain", &[], "").refused(404, "not_found");
    // Another workspace has lists of its own.
    let theirs = Rest::new(&world, &server, "other", "read,manage");
    assert_eq!(theirs.get("/lists").is(200).json()["items"], json!([]));
    theirs.get("/lists/csv").refused(404, "not_found");
    theirs.send("DELETE", "/lists/csv", &[], "").refused(404, "not_found");
    put(&theirs, "/lists/csv", "text/csv", "o\n").is(200);
    assert_eq!(rest.get("/lists/csv").is(200).json()["rows"], 5);
}

#[test]
fn an_upload_that_breaks_off_changes_nothing() {
    let world = World::with_users(2);
    let key = key(&world, &["--scope", "manage"]);
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", "read,manage");
    put(&rest, "/lists/l", "text/plain", "u000000\n").is(200);
    let before = rest.get("/lists/l").json();
    for sent in ["", "u000001\n", "u000001\nu0000"] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let head = format!(
            "PUT /api/v1/lists/l HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {key}\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n"
        );
        stream.write_all((head + sent).as_bytes()).unwrap();
        drop(stream);
    }
    // Both places for uploads are free again, and the list is what it was.
    let began = std::time::Instant::now();
    while put(&rest, "/lists/m", "text/plain", "u000001\n").status != 200 {
        assert!(began.elapsed() < super::PATIENCE);
    }
    assert_eq!(rest.get("/lists/l").json(), before);
}
