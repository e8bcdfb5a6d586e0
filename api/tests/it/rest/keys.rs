//! Who may do what: keys, their scopes, their workspaces, and how often they may ask.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Rest, document, operations, world};
use crate::common::World;
use crate::serve::{Server, key};

/// A path of an operation, for a segment and a list of that key.
fn filled(form: &str, key: &str) -> String {
    form.replace("{version}", "1").replace("{key}", key).replace("{name}", key)
}

#[test]
fn every_operation_needs_its_scope_and_no_other() {
    let world = world();
    let server = Server::start_with(&world, &["--setting", "serve.key_requests_per_s=10000"]);
    let scopes = ["ingest", "read", "run", "export", "manage"];
    let nobody = Rest::new(&world, &server, "default", "");
    let with: Vec<Rest<'_>> = scopes.iter().map(|scope| Rest::new(&world, &server, "default", scope)).collect();
    let all = operations(&document());
    assert!(all.len() > 10);
    for operation in &all {
        let needed = operation.told["security"][0]["key"][0].as_str().unwrap();
        let path = filled(&operation.path, "none");
        nobody.send(&operation.method, &path, &[], "").refused(401, "unauthenticated");
        nobody.with_key("mk_wrong").send(&operation.method, &path, &[], "").refused(401, "unauthenticated");
        for (scope, rest) in scopes.iter().zip(&with) {
            let answer = rest.send(&operation.method, &path, &[], "");
            if *scope == needed {
                assert!(![401, 403].contains(&answer.status), "{} {path} with {scope}: {}", operation.method, answer.text);
            } else {
                let told = answer.refused(403, "forbidden").json();
                assert!(told["detail"].as_str().unwrap().contains(&format!("--scope {needed}")), "{told}");
            }
        }
    }
}

#[test]
fn nobody_sees_another_workspace() {
    let world = world();
    let server = Server::start_with(&world, &["--setting", "serve.key_requests_per_s=10000"]);
    let mine = Rest::new(&world, &server, "default", "read,run,manage");
    let theirs = Rest::new(&world, &server, "other", "read,run,manage");
    mine.make("secret", json!({"attribute": "n", "op": "exists"}));
    for operation in operations(&document()).iter().filter(|o| o.path.contains("/segments/{key}")) {
        let path = filled(&operation.path, "secret");
        let path = if path.ends_with("/sql") { format!("{path}?dialect=trino") } else { path };
        let headers = [("If-Match", "*"), ("Content-Type", "application/json")];
        theirs.send(&operation.method, &path, &headers, "{}").refused(404, "not_found");
    }
    assert_eq!(theirs.get("/segments?archived=any").is(200).json()["items"], json!([]));
    // Nor do conditions reach over: neither its segments nor what its users have.
    let told =
        theirs.post("/segments/validate", &json!({"condition": {"all": [{"segment": "secret"}, {"attribute": "n", "op": "exists"}]}}));
    let codes: Vec<String> =
        told.json()["diagnostics"].as_array().unwrap().iter().map(|d| d["code"].as_str().unwrap().to_owned()).collect();
    assert_eq!(codes, ["unknown_segment", "unknown_attribute"]);
    assert_eq!(theirs.post("/segments/count", &json!({"condition": {"everyone": true}})).is(200).json()["count"], 1);
    // The same key there is another segment.
    theirs.make("secret", json!({"everyone": true}));
    theirs.send("DELETE", "/segments/secret", &[], "").is(204);
    mine.get("/segments/secret").is(200);
}

#[test]
fn keys_expire_and_are_revoked() {
    let world = World::new();
    let made = |more: &[&str]| world.run(&[&["key", "create", "--data", "data", "--output", "json"], more].concat()).fine().value();
    let plain = made(&[]);
    assert_eq!((&plain["scopes"], &plain["expires_at"]), (&json!(["ingest"]), &json!(null)));
    assert_eq!(made(&["--kind", "read"])["scopes"], json!(["read"]));
    assert_eq!(made(&["--scope", "run", "--scope", "read,manage"])["scopes"], json!(["read", "run", "manage"]));
    for (wrong, code) in [
        (&["--expires", "2020-01-01"][..], 2),
        (&["--expires", "soon"], 2),
        (&["--scope", "all"], 2),
        (&["--scope", "read", "--kind", "read"], 2),
    ] {
        assert_eq!(world.run(&[&["key", "create", "--data", "data"], wrong].concat()).code, code, "{wrong:?}");
    }
    let server = Server::start(&world);
    let rest = Rest::new(&world, &server, "default", "read");
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap() + Duration::from_secs(6);
    let until = segment_core::time::format_instant(until.as_micros() as i64);
    let short = rest.with_key(&key(&world, &["--scope", "read", "--expires", &until]));
    let began = Instant::now();
    let became = |status: u16| {
        while short.get("/segments").status != status {
            assert!(began.elapsed() < super::PATIENCE);
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    became(200);
    became(401);
    let keys = world.run(&["key", "list", "--data", "data", "--output", "json"]).fine().value();
    let read = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|k| k["scopes"] == json!(["read"]) && k["expires_at"].is_null() && k["name"] == "")
        .unwrap();
    assert!(read["id"].is_string());
    for id in keys["keys"].as_array().unwrap().iter().map(|k| k["id"].as_str().unwrap()) {
        world.run(&["key", "revoke", id, "--data", "data"]).fine();
    }
    while rest.get("/segments").status != 401 {
        assert!(began.elapsed() < super::PATIENCE);
    }
}

#[test]
fn who_asks_too_often_is_told_to_wait() {
    let world = world();
    let server = Server::start_with(&world, &["--setting", "serve.key_requests_per_s=1"]);
    let (eager, other) = (key(&world, &["--scope", "read"]), key(&world, &["--scope", "read"]));
    let rest = Rest::new(&world, &server, "default", "");
    let (eager, other) = (rest.with_key(&eager), rest.with_key(&other));
    while other.get("/segments").status == 401 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let began = Instant::now();
    let refused = loop {
        let answer = eager.get("/segments");
        if answer.status == 429 {
            break answer.refused(429, "rate_limited");
        }
        assert!(began.elapsed() < super::PATIENCE);
    };
    assert_eq!(refused.headers["retry-after"], "1");
    std::thread::sleep(Duration::from_millis(1100));
    eager.get("/segments").is(200);
}
