//! `muster serve`: what it acknowledges is there, once, whatever ends it; keys, health, measurements, quarantine.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::{World, code};

const PATIENCE: Duration = Duration::from_secs(120);
/// Times that the server is killed.
const KILLS: usize = 20;
/// Events of a request.
const BATCH: usize = 5;

/// A running server.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    pub fn start(world: &World) -> Self {
        Self::start_with(world, &[])
    }

    /// One with more arguments.
    pub fn start_with(world: &World, more: &[&str]) -> Self {
        let mut arguments = vec!["serve", "--data", "data", "--listen", "127.0.0.1:0"];
        arguments.extend(more);
        let mut child = world.start(&arguments);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on ").map(str::to_owned) else {
            panic!("{line:?} {:?}", child.wait_with_output())
        };
        Self { child, address }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Status and body of a request.
    pub fn send(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, String) {
        request(&self.address, method, path, key, body).unwrap()
    }

    /// Waits until a measurement is so.
    pub fn until(&self, metric: &str, value: &str) {
        let began = Instant::now();
        let line = format!("{metric} {value}");
        while !self.send("GET", "/metrics", "", "").1.lines().any(|l| l == line) {
            assert!(began.elapsed() < PATIENCE, "{line}: {}", self.send("GET", "/metrics", "", "").1);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(address: &str, method: &str, path: &str, key: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}

pub fn key(world: &World, more: &[&str]) -> String {
    let mut arguments = vec!["key", "create", "--data", "data"];
    arguments.extend(more);
    world.run(&arguments).fine().out.trim().to_owned()
}

/// One batch of events of users who have the numbers of their messages.
fn batch(from: usize) -> String {
    let event = |n| format!(r#"{{"type":"track","userId":"u{n}","event":"e","messageId":"m{n}","properties":{{"n":{n}}}}}"#);
    format!(r#"{{"batch":[{}]}}"#, (from..from + BATCH).map(event).collect::<Vec<_>>().join(","))
}

#[test]
fn what_is_acknowledged_is_there_once_whatever_is_killed() {
    let world = World::new();
    let key = key(&world, &[]);
    let (next, acked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(BTreeSet::new())));
    for kill in 0..KILLS {
        let mut server = Server::start(&world);
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..3)
            .map(|_| {
                let (next, acked, stop, key, address) = (next.clone(), acked.clone(), stop.clone(), key.clone(), server.address.clone());
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let from = next.fetch_add(BATCH, Ordering::Relaxed);
                        // Some are sent twice, whatever came of the first.
                        for _ in 0..=(from / BATCH % 2) {
                            if let Ok((200, _)) = request(&address, "POST", "/v1/batch", &key, &batch(from)) {
                                acked.lock().unwrap().insert(from);
                            }
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(150 + (kill as u64 * 97) % 700));
        server.signal("-KILL");
        assert_eq!(server.child.wait().unwrap().code(), None);
        stop.store(true, Ordering::Relaxed);
        senders.into_iter().for_each(|s| s.join().unwrap());
    }
    // Once more, all that was not acknowledged; and then an orderly end.
    let server = Server::start(&world);
    let sent = next.load(Ordering::Relaxed);
    let acked = acked.lock().unwrap().clone();
    assert!(acked.len() > KILLS, "{}", acked.len());
    let ids = |query: &str| -> BTreeSet<String> {
        let ran = world.query(query, &["--output", "ids"]).fine();
        ran.out.lines().map(str::to_owned).collect()
    };
    let mut server = server;
    server.signal("-TERM");
    assert_eq!(code(&mut server.child), Some(0));
    let stored = ids(r#"{"event":"e"}"#);
    let expected = |from: &usize| (*from..from + BATCH).map(|n| format!("u{n}")).collect::<Vec<_>>();
    let missing: Vec<String> = acked.iter().flat_map(expected).filter(|id| !stored.contains(id)).collect();
    assert_eq!(missing, Vec::<String>::new());
    assert!(stored.iter().all(|id| id[1..].parse::<usize>().unwrap() < sent));
    assert_eq!(ids(r#"{"event":"e","op":"gte","value":2}"#), BTreeSet::new(), "events that are there twice");
    assert_eq!(ids(r#"{"everyone":true}"#), stored);
}

#[test]
fn facts_events_and_what_is_unusable_arrive() {
    let world = World::new();
    world.file("catalog.json", r#"{"rules":{"last_price":{"event":"buy","last":"price"},"first_price":{"event":"buy","first":"price"}}}"#);
    world.run(&["catalog", "--data", "data", "--set", "catalog.json"]).fine();
    let key = key(&world, &["--name", "shop"]);
    let reader = self::key(&world, &["--kind", "read"]);
    let mut server = Server::start(&world);
    let second = world.run(&["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
    assert!(second.code == 5 && second.out.is_empty() && second.err.contains("serve.lock is in use"), "{} {}", second.code, second.err);
    let post = |path: &str, body: &str| server.send("POST", path, &key, body);
    assert_eq!(post("/v1/identify", r#"{"userId":"ann","traits":{"plan":"pro","age":30}}"#).0, 200);
    assert_eq!(
        post("/v1/identify", r#"{"userId":"ann","timestamp":"2020-01-01T00:00:00Z","traits":{"plan":"free","city":"Rome"}}"#).0,
        200
    );
    assert_eq!(post("/v1/identify", r#"{"userId":"bob","traits":{"age":31,"plan":null}}"#).0, 200);
    for (price, time) in [(7, "2024-02-01"), (5, "2024-01-01"), (6, "2024-03-01")] {
        let body = format!(r#"{{"userId":"ann","event":"buy","timestamp":"{time}T00:00:00Z","properties":{{"price":{price}}}}}"#);
        assert_eq!(post("/v1/track", &body).0, 200);
    }
    // What was acknowledged is read at once.
    let read = |id: &str| server.send("GET", &format!("/api/v1/users/{id}"), &reader, "");
    let (status, body) = read("ann");
    let user: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &user["user_id"], &user["first_seen_at"]), (200, &"ann".into(), &"2020-01-01T00:00:00Z".into()));
    let attributes = serde_json::json!({"plan": "pro", "age": 30, "city": "Rome", "last_price": 6, "first_price": 5});
    assert_eq!(user["attributes"], attributes);
    assert_eq!((read("nobody").0, server.send("GET", "/api/v1/users/ann", &key, "").0), (404, 401));
    assert_eq!(post("/v1/track", r#"{"event":"buy"}"#).0, 400);
    assert_eq!(server.send("POST", "/v1/track", "wrong", "{}").0, 401);
    server.until(r#"muster_lag_records{workspace="default"}"#, "0");
    server.until(r#"muster_commit_failures_total{workspace="default"}"#, "0");
    let ids = |query: &str| world.query(query, &["--output", "ids"]).fine().out;
    for (query, expected) in [
        (r#"{"attribute":"plan","op":"is","value":"pro"}"#, "ann\n"),
        (r#"{"attribute":"city","op":"is","value":"Rome"}"#, "ann\n"),
        (r#"{"attribute":"age","op":"gt","value":30}"#, "bob\n"),
        (r#"{"event":"buy","op":"is","value":3}"#, "ann\n"),
        (r#"{"attribute":"last_price","op":"is","value":6}"#, "ann\n"),
        (r#"{"attribute":"first_price","op":"is","value":5}"#, "ann\n"),
    ] {
        assert_eq!(ids(query), expected, "{query}");
    }
    let listed = world.run(&["quarantine", "list", "--data", "data", "--output", "json"]).fine().value();
    assert_eq!((&listed["count"], &listed["messages"][0]["code"]), (&1.into(), &"no_user_id".into()));
    assert_eq!((server.send("GET", "/livez", "", "").0, server.send("GET", "/readyz", "", "").0), (200, 200));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&read("ann").1).unwrap()["attributes"], attributes);
    // An import has the workspace in between, and both go on.
    world.file("more.ndjson", r#"{"user_id":"cid","attributes":{"age":32}}"#);
    world.run(&["import", "--data", "data", "--users", "more.ndjson"]).fine();
    assert_eq!(post("/v1/identify", r#"{"userId":"cid","traits":{"plan":"pro"}}"#).0, 200);
    let user: serde_json::Value = serde_json::from_str(&read("cid").1).unwrap();
    assert_eq!(user["attributes"], serde_json::json!({"age": 32, "plan": "pro"}));
    a_replay_leaves_what_nobody_mended(&world);
    a_revoked_key_opens_nothing(&world, &server, &key);
    server.signal("-TERM");
    assert_eq!(code(&mut server.child), Some(0));
}

fn a_replay_leaves_what_nobody_mended(world: &World) {
    world.run(&["quarantine", "replay", "--data", "data"]).fine();
    let left = || world.run(&["quarantine", "list", "--data", "data", "--output", "json"]).fine().value();
    let began = Instant::now();
    while left()["messages"][0]["replay"] == true {
        assert!(began.elapsed() < PATIENCE);
    }
    assert_eq!(left()["count"], 1);
}

/// After a moment, as keys are read now and then.
fn a_revoked_key_opens_nothing(world: &World, server: &Server, key: &str) {
    let keys = world.run(&["key", "list", "--data", "data", "--output", "json"]).fine().value();
    assert_eq!(keys["keys"][0]["name"], "shop");
    world.run(&["key", "revoke", keys["keys"][0]["id"].as_str().unwrap(), "--data", "data"]).fine();
    let began = Instant::now();
    while server.send("POST", "/v1/track", key, "{}").0 != 401 {
        assert!(began.elapsed() < PATIENCE);
    }
}

#[test]
fn positions_are_set_and_read_by_key() {
    let world = World::new();
    world.file("catalog.json", r#"{"attributes":{"position":{"type":"map","values":"number"}}}"#);
    world.run(&["catalog", "--data", "data", "--set", "catalog.json"]).fine();
    let (key, reader) = (key(&world, &[]), self::key(&world, &["--kind", "read"]));
    let mut server = Server::start(&world);
    let position = || -> serde_json::Value {
        let (status, body) = server.send("GET", "/api/v1/users/ann", &reader, "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["attributes"]["position"].take()
    };
    let set = |at: &str, traits: serde_json::Value| {
        let body = serde_json::json!({"userId": "ann", "timestamp": at, "traits": traits}).to_string();
        assert_eq!(server.send("POST", "/v1/identify", &key, &body).0, 200);
    };
    let published = || server.until(r#"muster_lag_records{workspace="default"}"#, "0");
    let ids = |query: &str| world.query(query, &["--output", "ids"]).fine().out;
    for round in 0..2 {
        // The second time all of it comes once more, over what is published, and nothing changes.
        set("2024-05-01T10:00:00Z", serde_json::json!({"position": {"v42": 120}}));
        set("2024-05-01T10:00:05Z", serde_json::json!({"position.ep.1": 7.5, "plan": "pro"}));
        set("2024-05-01T09:00:00Z", serde_json::json!({"position": {"v42": 60, "v7": 3}}));
        let expected = serde_json::json!({"v42": 120.0, "ep.1": 7.5, "v7": 3.0});
        assert_eq!(position(), expected, "round {round}");
        published();
        assert_eq!(position(), expected, "round {round}");
    }
    assert_eq!(ids(r#"{"attribute":"position.v42","op":"is","value":120}"#), "ann\n");
    // A key goes, and an older value of it does not bring it back, published or not.
    set("2024-05-01T10:01:00Z", serde_json::json!({"position": {"v42": null}}));
    set("2024-05-01T10:00:30Z", serde_json::json!({"position.v42": 150}));
    assert_eq!(position(), serde_json::json!({"ep.1": 7.5, "v7": 3.0}));
    published();
    set("2024-05-01T10:00:31Z", serde_json::json!({"position.v42": 151}));
    assert_eq!(position(), serde_json::json!({"ep.1": 7.5, "v7": 3.0}));
    // An import says something of keys too.
    world.file("more.ndjson", r#"{"user_id":"ann","attributes":{"position":{"v7":null,"v8":1}}}"#);
    world.run(&["import", "--data", "data", "--users", "more.ndjson"]).fine();
    assert_eq!(position(), serde_json::json!({"ep.1": 7.5, "v8": 1.0}));
    assert_eq!(ids(r#"{"attribute":"position.v42","op":"exists"}"#), "");
    // Null takes all that is older: what the import said a moment ago is not.
    set("2024-05-01T11:00:00Z", serde_json::json!({"position": null}));
    assert_eq!(position(), serde_json::json!({"v8": 1.0}));
    published();
    assert_eq!(position(), serde_json::json!({"v8": 1.0}));
    server.signal("-TERM");
    assert_eq!(code(&mut server.child), Some(0));
    assert_eq!(ids(r#"{"attribute":"position.v8","op":"is","value":1}"#), "ann\n");
}
