//! What is wrong with requests, and how that is told.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Rest, world};
use crate::serve::{Server, key};

#[test]
fn what_is_wrong_is_told_where_it_is() {
    let world = world();
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", "read,run,manage");
    let create = |body: &str| rest.send("POST", "/segments", &[("Content-Type", "application/json")], body);
    let at = |problem: super::Answer| problem.json()["errors"][0]["pointer"].as_str().unwrap().to_owned();
    for (body, pointer) in [
        ("", ""),
        ("[]", ""),
        (r#"{"key":"a"}"#, ""),
        (r#"{"key":"a","condition":{"everyone":true}} 1"#, ""),
        (r#"{"key":"a","condition":{"everyone":true},"owner":"me"}"#, "/owner"),
        (r#"{"key":"a","key":"b","condition":{"everyone":true}}"#, ""),
        (r#"{"key":1,"condition":{"everyone":true}}"#, "/key"),
        (r#"{"key":"a","condition":{"everyone":true},"tags":["b",2]}"#, "/tags/1"),
    ] {
        assert_eq!(at(create(body).refused(400, "malformed")), pointer, "{body}");
    }
    // Of what is read, every fault at once.
    let body =
        json!({"key": "a b", "name": "\u{7}", "tags": ["a,b", "c", "c"], "description": "x".repeat(5000), "condition": {"everyone": true}});
    let told = rest.post("/segments", &body).refused(422, "invalid_value").json();
    let pointers: Vec<&str> = told["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/key", "/name", "/description", "/tags/0", "/tags/2"]);
    for reserved in ["validate", "sql", "explain", "count"] {
        rest.post("/segments", &json!({"key": reserved, "condition": {"everyone": true}})).refused(422, "invalid_value");
    }
    for (condition, pointer) in [
        (r#"{"everyone":true,"everyone":true}"#, "/condition/everyone"),
        (r#"{"everyone":false}"#, "/condition/everyone"),
        (r#"{"all":[{"list":"none"}]}"#, "/condition/all/0/list"),
        (r#""\ud800""#, "/condition"),
        ("null", "/condition"),
    ] {
        let problem = create(&format!(r#"{{"key":"a","condition":{condition}}}"#)).refused(422, "invalid_condition");
        assert_eq!(at(problem), pointer, "{condition}");
    }
    rest.send("POST", "/segments", &[], "{}").refused(415, "unsupported_media_type");
    let zipped = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    rest.send("POST", "/segments", &zipped, "{}").refused(415, "unsupported_media_type");
    create(&format!(r#"{{"key":"{}"}}"#, "k".repeat(9 << 20))).refused(413, "too_large");
    // Deep nesting is a fault like others, and harms nobody.
    let deep = format!(r#"{{"key":"a","condition":{}1{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    create(&deep).refused(422, "invalid_condition");
    assert_eq!(rest.get("/segments").is(200).json()["items"], Value::Array(Vec::new()));
}

#[test]
fn paths_methods_and_ids() {
    let world = world();
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", "read");
    rest.get("/nothing").refused(404, "not_found");
    rest.get("/segments/%ff").refused(404, "not_found");
    let refused = rest.send("PUT", "/segments/a", &[], "").refused(405, "method_not_allowed");
    assert!(refused.headers["allow"].contains("PATCH"), "{:?}", refused.headers);
    // Ids are the caller's where they can be.
    let id = |given: &str| rest.send("GET", "/segments", &[("X-Request-Id", given)], "");
    assert_eq!(id("job-7:a.b_c").is(200).headers["x-request-id"], "job-7:a.b_c");
    for wrong in ["a b".to_owned(), "é".to_owned(), "x".repeat(129)] {
        assert_ne!(id(&wrong).refused(400, "malformed").headers["x-request-id"], wrong);
    }
    let (one, two) = (rest.get("/segments"), rest.get("/segments"));
    assert!(one.headers["x-request-id"].len() == 32 && one.headers["x-request-id"] != two.headers["x-request-id"]);
}

/// What waits for half a minute before it gives up: all at once.
#[test]
fn nobody_waits_for_ever() {
    let world = world();
    let key = key(&world, &["--scope", "manage"]);
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", "read,manage");
    // Bodies that do not arrive.
    let silent: Vec<TcpStream> = [("POST", "segments", "application/json"), ("PUT", "lists/a", "text/plain")]
        .map(|(method, path, media)| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
            let head = format!("{method} /api/v1/{path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {key}\r\nContent-Type: {media}\r\n");
            stream.write_all(format!("{head}Connection: close\r\nContent-Length: 9\r\n\r\n").as_bytes()).unwrap();
            stream
        })
        .into();
    // Somebody who holds what refers to what.
    let lock = File::options().write(true).create(true).truncate(false).open(world.path("data/profiles/default/references.lock")).unwrap();
    lock.lock().unwrap();
    let refused = rest.post("/segments", &json!({"key": "a", "condition": {"everyone": true}})).refused(503, "unavailable");
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(!refused.text.contains("references.lock"), "{}", refused.text);
    lock.unlock().unwrap();
    rest.make("a", json!({"everyone": true}));
    for mut stream in silent {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""code":"timeout""#), "{answer}");
    }
    rest.get("/lists/a").refused(404, "not_found");
}
