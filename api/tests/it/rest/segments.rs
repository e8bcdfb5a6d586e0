//! Segments: made, read, changed, archived, deleted; their versions; what is evaluated.

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Answer, Rest, world};
use crate::common::World;
use crate::serve::{Server, key};

const ALL: &str = "read,run,manage";

fn keys(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|s| s["key"].as_str().unwrap()).collect()
}

#[test]
fn a_segment_lives() {
    let world = world();
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", ALL);
    let body = r#"{"key":"vip","name":"Very","tags":["a","b c"],"condition":{"attribute":"n","op":"gte","value":1.50}}"#;
    let made = rest.send("POST", "/segments", &[("Content-Type", "application/json; charset=utf-8")], body).is(201);
    assert_eq!((made.headers["location"].as_str(), &made.json()["warnings"]), ("/api/v1/segments/vip", &json!([])));
    rest.post("/segments", &json!({"key":"vip","condition":{"everyone":true}})).refused(409, "exists");
    let read = rest.get("/segments/vip").is(200);
    assert!(read.etag() == made.etag() && read.text.contains(r#""value":1.50}"#), "{}", read.text);
    assert_eq!(read.json()["tags"], json!(["a", "b c"]));

    // Edits need to know what they change.
    let name = json!({"name": "Important"});
    rest.send("PATCH", "/segments/vip", &[("Content-Type", "application/json")], "{}").refused(428, "precondition_required");
    let second = rest.patch("/segments/vip", &read.etag(), &name).is(200);
    assert_eq!((second.json()["version"].as_u64(), &second.json()["tags"]), (Some(2), &json!(["a", "b c"])));
    rest.patch("/segments/vip", &read.etag(), &name).refused(412, "changed");
    let third = rest.patch("/segments/vip", "*", &json!({"condition":{"everyone":true},"tags":[]})).is(200);
    assert_ne!(third.etag(), second.etag());
    rest.patch("/segments/none", "*", &name).refused(404, "not_found");

    // What was there before.
    let page = rest.get("/segments/vip/versions?limit=2").is(200).json();
    assert_eq!((page["items"][0]["version"].as_u64(), page["items"][1]["version"].as_u64()), (Some(3), Some(2)));
    let next = format!("/segments/vip/versions?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
    let last = rest.get(&next).is(200).json();
    assert_eq!((last["items"][0]["version"].as_u64(), &last["next_cursor"]), (Some(1), &Value::Null));
    assert!(rest.get("/segments/vip/versions/1").is(200).text.contains(r#""value":1.50}"#));
    for none in ["/segments/vip/versions/4", "/segments/vip/versions/0", "/segments/vip/versions/x", "/segments/none/versions"] {
        rest.get(none).refused(404, "not_found");
    }
    rest.send("POST", "/segments/vip/versions/1/restore", &[], "").refused(428, "precondition_required");
    rest.send("POST", "/segments/vip/versions/1/restore", &[("If-Match", &second.etag())], "").refused(412, "changed");
    rest.send("POST", "/segments/vip/versions/9/restore", &[("If-Match", "*")], "").refused(404, "not_found");
    let fourth = rest.send("POST", "/segments/vip/versions/1/restore", &[("If-Match", &third.etag())], "").is(200).json();
    assert_eq!((fourth["version"].as_u64(), &fourth["name"], &fourth["tags"]), (Some(4), &json!("Very"), &json!(["a", "b c"])));
}

#[test]
fn what_others_refer_to_stays_and_what_is_archived_stays_as_it_is() {
    let world = world();
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", ALL);
    let body = json!({"key": "vip", "name": "Very", "tags": ["b c"], "condition": {"attribute": "n", "op": "gte", "value": 2}});
    rest.post("/segments", &body).is(201);
    let name = json!({"name": "Important"});

    // Who refers to whom.
    rest.make("rest", json!({"not": {"segment": "vip"}}));
    assert_eq!(rest.get("/segments/vip/dependents").is(200).json(), json!({"segments": ["rest"]}));
    let refused = rest.send("DELETE", "/segments/vip", &[], "").refused(409, "in_use").json();
    assert_eq!(refused["dependents"], json!(["rest"]));
    let circle = rest.patch("/segments/vip", "*", &json!({"condition":{"any":[{"segment":"rest"}]}})).refused(422, "invalid_condition");
    assert_eq!(
        (&circle.json()["errors"][0]["code"], &circle.json()["errors"][0]["pointer"]),
        (&json!("segment_cycle"), &json!("/condition/any/0/segment"))
    );

    // What is archived stays as it is, and is referred to.
    let before = rest.get("/segments/vip").etag();
    rest.send("POST", "/segments/vip/archive", &[("If-Match", "\"0-0\"")], "").refused(412, "changed");
    let archived = rest.send("POST", "/segments/vip/archive", &[("If-Match", &before)], "").is(200);
    assert!(archived.json()["archived_at"].is_string() && archived.etag() != before);
    rest.patch("/segments/vip", "*", &name).refused(409, "archived");
    rest.send("POST", "/segments/vip/versions/1/restore", &[("If-Match", "*")], "").refused(409, "archived");
    world.file("c.json", r#"{"everyone":true}"#);
    let saved = world.run(&["segment", "save", "vip", "--data", "data", "--condition", "c.json"]);
    assert!(saved.code == 1 && saved.err.contains("is archived"), "{} {}", saved.code, saved.err);
    assert_eq!(rest.get("/segments/rest/count").is(200).json()["count"], 2);
    assert_eq!(keys(&rest.get("/segments").json()), ["rest"]);
    assert_eq!(keys(&rest.get("/segments?archived=true").json()), ["vip"]);
    assert_eq!(keys(&rest.get("/segments?archived=any&tag=b%20c").json()), ["vip"]);
    let ran = world.run(&["segment", "run", "--data", "data", "--backend", "memory", "--output", "json"]).fine().value();
    assert_eq!((ran["segments"].as_array().unwrap().len(), &ran["segments"][0]["segment"]), (1, &json!("rest")));
    assert!(rest.send("POST", "/segments/vip/unarchive", &[], "").is(200).json()["archived_at"].is_null());

    // The command line has the same segments, and keeps what it does not know of.
    world.run(&["segment", "save", "vip", "--data", "data", "--condition", "c.json"]).fine();
    let second = rest.get("/segments/vip").is(200).json();
    assert_eq!((second["version"].as_u64(), &second["name"], &second["condition"]), (Some(2), &json!("Very"), &json!({"everyone": true})));
    world.run(&["segment", "delete", "rest", "--data", "data"]).fine();
    rest.send("DELETE", "/segments/vip", &[("If-Match", &before)], "").refused(412, "changed");
    assert_eq!(rest.send("DELETE", "/segments/vip", &[("If-Match", "*")], "").is(204).text, "");
    rest.send("DELETE", "/segments/vip", &[], "").refused(404, "not_found");
    rest.get("/segments/vip").refused(404, "not_found");
}

#[test]
fn a_repeated_request_makes_nothing_and_is_answered_again() {
    let world = world();
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", ALL);
    let create = |rest: &Rest<'_>, token: &str, body: &Value| {
        rest.send("POST", "/segments", &[("Content-Type", "application/json"), ("Idempotency-Key", token)], &body.to_string())
    };
    let body = json!({"key": "a", "condition": {"everyone": true}});
    let first = create(&rest, "t1", &body).is(201);
    rest.patch("/segments/a", "*", &json!({"name": "later"})).is(200);
    let again = create(&rest, "t1", &body).is(201);
    assert_eq!((&again.text, again.etag(), &again.headers["location"]), (&first.text, first.etag(), &first.headers["location"]));
    create(&rest, "t1", &json!({"key": "b", "condition": {"everyone": true}})).refused(422, "idempotency_key_reused");
    create(&rest, "t2", &body).refused(409, "exists");
    // What was refused is not kept; and another key's requests are its own.
    create(&rest, "t2", &json!({"key": "c", "condition": {"everyone": true}})).is(201);
    let second = Rest::new(&world, &server, "default", ALL);
    create(&second, "t1", &body).refused(409, "exists");
    create(&rest, "", &body).refused(400, "malformed");
    // It holds over a restart.
    let held = rest.key.clone();
    drop(server);
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", "").with_key(&held);
    assert_eq!(create(&rest, "t1", &body).is(201).text, first.text);
}

#[test]
fn of_those_who_write_at_once_one_does() {
    const WRITERS: usize = 8;
    let world = world();
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", ALL);
    let at_once = |write: &(dyn Fn(usize) -> Answer + Sync)| -> Vec<Answer> {
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|i| scope.spawn(move || write(i))).collect();
            writers.into_iter().map(|w| w.join().unwrap()).collect()
        })
    };
    let body = json!({"key": "a", "condition": {"everyone": true}}).to_string();
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "t")];
    let made = at_once(&|_| rest.send("POST", "/segments", &headers, &body));
    assert!(made.iter().all(|a| a.status == 201 && a.text == made[0].text));
    let tag = made[0].etag();
    let edited = at_once(&|i| rest.patch("/segments/a", &tag, &json!({"name": format!("by {i}")})));
    let mut statuses: Vec<u16> = edited.iter().map(|a| a.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [&[200][..], &[412; WRITERS - 1]].concat());
    let won = edited.iter().find(|a| a.status == 200).unwrap();
    assert_eq!((rest.get("/segments/a").etag(), won.json()["version"].as_u64()), (won.etag(), Some(2)));
    // Of two references that would close a circle one is saved.
    rest.make("b", json!({"everyone": true}));
    let closing = [("a", "b"), ("b", "a")];
    let closed = at_once(&|i| {
        let (from, to) = closing[i % 2];
        rest.patch(&format!("/segments/{from}"), "*", &json!({"condition": {"segment": to}}))
    });
    assert!(closed.iter().any(|a| a.status == 200) && closed.iter().any(|a| a.status == 422));
    let conditions = ["a", "b"].map(|key| rest.get(&format!("/segments/{key}")).json()["condition"].to_string());
    assert_eq!(conditions.iter().filter(|c| c.contains("segment")).count(), 1, "{conditions:?}");
}

#[test]
fn pages_have_every_segment_once() {
    let world = world();
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", ALL);
    let expected: Vec<String> = (0..7).map(|i| format!("s{i}")).collect();
    expected.iter().for_each(|key| drop(rest.make(key, json!({"everyone": true}))));
    let (mut seen, mut query) = (Vec::new(), "limit=3".to_owned());
    loop {
        let page = rest.get(&format!("/segments?{query}")).is(200).json();
        seen.extend(keys(&page).into_iter().map(str::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=3&cursor={cursor}");
    }
    assert_eq!(seen, expected);
    for wrong in ["limit=0", "limit=201", "limit=x", "limit=1&limit=2", "cursor=%25", "archived=maybe", "sort=name"] {
        rest.get(&format!("/segments?{wrong}")).refused(400, "invalid_parameter");
    }
    rest.get("/segments/s0/versions?cursor=eA").refused(400, "invalid_parameter");
}

/// A backend that every build has, and no other.
const MEMORY: [&str; 2] = ["--setting", "router.backends=memory"];

#[test]
fn conditions_are_looked_at_and_evaluated() {
    let world = world();
    let server = Server::start_with(&world, &MEMORY);
    let rest = Rest::new(&world, &server, "default", ALL);
    let wrong = json!({"any": [{"attribute": "n", "op": "contains", "value": 1}, {"event": "never"}]});
    let told = rest.post("/segments/validate", &json!({ "condition": wrong })).is(200).json();
    let pointers: Vec<&str> = told["diagnostics"].as_array().unwrap().iter().map(|d| d["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/any/0/op", "/any/1/event"]);
    for path in ["/segments/count", "/segments/explain"] {
        let problem = rest.post(path, &json!({ "condition": wrong })).refused(422, "invalid_condition").json();
        assert_eq!(problem["errors"][1]["pointer"], "/condition/any/1/event");
        rest.post(path, &json!({"condition": {"everyone": true}, "backend": "parquet"})).refused(400, "invalid_parameter");
        rest.post(path, &json!({"condition": {"everyone": true}, "as_of": "tomorrow"})).refused(400, "invalid_parameter");
    }
    let some = json!({"attribute": "n", "op": "gte", "value": 1});
    let counted = rest.post("/segments/count", &json!({"condition": some, "backend": "memory", "as_of": "2030-01-01"})).is(200).json();
    assert_eq!((&counted["count"], &counted["backend"], &counted["as_of"]), (&json!(2), &json!("memory"), &json!("2030-01-01T00:00:00Z")));
    let explained = rest.post("/segments/explain", &json!({"condition": {"all": []}})).is(200).json();
    assert_eq!((&explained["users"], &explained["warnings"][0]["code"]), (&json!(3), &json!("empty_group")));
    rest.post("/segments/sql", &json!({"condition": some, "dialect": "oracle"})).refused(400, "invalid_parameter");
    rest.post("/segments/sql", &json!({"condition": wrong, "dialect": "trino"})).refused(422, "invalid_condition");
    world.file("c.json", some.to_string());
    for dialect in ["trino", "datafusion"] {
        let written = rest.post("/segments/sql", &json!({"condition": some, "dialect": dialect, "as_of": "2030-01-01"})).is(200).json();
        let arguments =
            ["sql", "--data", "data", "--condition", "c.json", "--dialect", dialect, "--as-of", "2030-01-01", "--output", "json"];
        assert_eq!(written, world.run(&arguments).fine().value());
    }

    // The same by key; and a saved condition is checked against what there is now.
    rest.make("some", some);
    assert_eq!(rest.get("/segments/some/count?backend=memory").is(200).json()["count"], 2);
    assert_eq!(rest.get("/segments/some/explain").is(200).json()["users"], 3);
    assert!(rest.get("/segments/some/sql?dialect=trino").is(200).json()["sql"].as_str().unwrap().starts_with("SELECT"));
    assert_eq!(rest.get("/segments/some/validate").is(200).json(), json!({"diagnostics": [], "warnings": []}));
    for what in ["count", "explain", "validate", "sql?dialect=trino"] {
        rest.get(&format!("/segments/none/{what}")).refused(404, "not_found");
    }
    rest.get("/segments/some/sql").refused(400, "invalid_parameter");
    rest.get("/segments/some/count?backend=none").refused(400, "invalid_parameter");
    rest.get("/segments/some/count?as_of=x").refused(400, "invalid_parameter");
    rest.get("/segments/some/explain?as_of=x").refused(400, "invalid_parameter");
    rest.get("/segments/some/validate?as_of=x").refused(400, "invalid_parameter");
}

#[test]
fn who_goes_away_stops_the_count_and_only_so_many_run() {
    /// Enough that counting them takes far longer than noticing that nobody waits.
    const USERS: usize = 200_000;
    /// Evaluations that a server takes at once.
    const QUERIES_MAX: usize = 8;
    let world = World::with_users(USERS);
    let key = key(&world, &["--scope", "run"]);
    let server = Server::start_with(&world, &MEMORY);
    let rest = Rest::new(&world, &server, "default", "").with_key(&key);
    // Nobody's, so that everybody is asked each of them.
    let part = |i: u32| json!({"attribute": "n", "op": "between", "value": [1_000_000_000 + i, 1_000_000_000 + i]});
    let condition = json!({"condition": {"any": (0..900).map(part).collect::<Vec<Value>>()}});
    let body = condition.to_string();
    let head = format!(
        "POST /api/v1/segments/count HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let waiting: Vec<TcpStream> = (0..QUERIES_MAX)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            stream
        })
        .collect();
    server.until("muster_queries_running", &QUERIES_MAX.to_string());
    for path in ["/segments/count", "/segments/explain"] {
        assert_eq!(rest.post(path, &condition).refused(503, "busy").headers["retry-after"], "1");
    }
    drop(waiting);
    server.until("muster_queries_running", "0");
    // They came to no answer.
    let measured = server.send("GET", "/metrics", "", "").1;
    assert!(!measured.contains(r#"path="/api/v1/segments",status="2xx""#), "{measured}");
}
