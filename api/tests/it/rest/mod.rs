//! `/api/v1` of the running binary. Every answer is checked against docs/openapi.json: an operation answers nothing that it does not state.

mod catalog;
mod keys;
mod problems;
mod segments;
mod walk;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::World;
use crate::serve::{Server, key};

const PATIENCE: Duration = Duration::from_secs(120);

/// What was answered.
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, self.text))
    }

    /// It has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// It is the problem of that code, told as RFC 9457 has it.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let told = self.json();
        assert_eq!(
            (self.status, told["code"].as_str(), told["status"].as_u64()),
            (status, Some(code), Some(status.into())),
            "{}",
            self.text
        );
        assert_eq!(told["type"], format!("urn:muster:problem:{code}"));
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(told["request_id"], self.headers["x-request-id"]);
        assert!(told["title"].is_string() && told["detail"].as_str().is_some_and(|d| !d.is_empty()), "{}", self.text);
        self
    }

    pub fn etag(&self) -> String {
        self.headers["etag"].clone()
    }
}

/// A server, its description, and a key for it.
pub struct Rest<'a> {
    server: &'a Server,
    document: Value,
    key: String,
}

impl<'a> Rest<'a> {
    /// With a key of these scopes in a workspace.
    pub fn new(world: &World, server: &'a Server, workspace: &str, scopes: &str) -> Self {
        let key = if scopes.is_empty() { String::new() } else { key(world, &["--workspace", workspace, "--scope", scopes]) };
        let rest = Self { server, document: document(), key };
        // A new key is known within a moment.
        while !rest.key.is_empty() && rest.get("/catalog").status == 401 {
            std::thread::sleep(Duration::from_millis(50));
        }
        rest
    }

    /// The same server with another key.
    pub fn with_key(&self, key: &str) -> Rest<'a> {
        Rest { server: self.server, document: self.document.clone(), key: key.to_owned() }
    }

    /// A request as it is.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut head = format!("{method} /api/v1{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !self.key.is_empty() {
            head += &format!("Authorization: Bearer {}\r\n", self.key);
        }
        headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        let mut stream = TcpStream::connect(&self.server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|l| l.split_once(": ").unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let answer = Answer { status, headers, text: text.to_owned() };
        self.check(method, path, &answer);
        answer
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("Content-Type", "application/json")], &body.to_string())
    }

    pub fn patch(&self, path: &str, tag: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[("Content-Type", "application/json"), ("If-Match", tag)], &body.to_string())
    }

    /// Makes a segment.
    pub fn make(&self, key: &str, condition: Value) -> Answer {
        self.post("/segments", &json!({ "key": key, "condition": condition })).is(201)
    }

    /// The answer is one that the description states.
    fn check(&self, method: &str, path: &str, answer: &Answer) {
        let path = path.split('?').next().unwrap();
        let Some(operation) = operations(&self.document).into_iter().find(|o| o.method == method && fits(&o.path, path)) else {
            assert!([401, 404, 405, 400].contains(&answer.status) || path == "/openapi.json", "{method} {path}: {}", answer.status);
            return;
        };
        let stated = &operation.told["responses"][answer.status.to_string()];
        assert!(stated.is_object(), "{method} {path} answered {}, which is not stated: {}", answer.status, answer.text);
        if answer.status >= 400 {
            let code = answer.json()["code"].as_str().unwrap().to_owned();
            let what = stated["description"].as_str().unwrap();
            // What is wrong with headers is so everywhere.
            let everywhere = code == "malformed";
            assert!(what.contains(&code) || everywhere, "{method} {path}: {} is stated for {what:?}, not {code}", answer.status);
        }
    }
}

/// The description.
pub fn document() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// An operation of the description.
pub struct Operation {
    pub method: String,
    pub path: String,
    pub told: Value,
}

/// All operations, those at fixed paths first.
pub fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().unwrap();
    let mut operations: Vec<Operation> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter().filter(|(_, told)| told["responses"].is_object());
            methods.map(|(method, told)| Operation { method: method.to_ascii_uppercase(), path: path.clone(), told: told.clone() })
        })
        .collect();
    operations.sort_by_key(|o| o.path.matches('{').count());
    operations
}

/// Whether a path is of that form.
fn fits(form: &str, path: &str) -> bool {
    let (form, path): (Vec<&str>, Vec<&str>) = (form.split('/').collect(), path.split('/').collect());
    form.len() == path.len() && form.iter().zip(&path).all(|(f, p)| f.starts_with('{') || f == p)
}

/// Three users in the workspace `default`, one in `other`.
pub fn world() -> World {
    let world = World::with_users(3);
    world.file("one.ndjson", r#"{"user_id":"o","attributes":{"m":1}}"#);
    world.run(&["import", "--data", "data", "--workspace", "other", "--users", "one.ndjson"]).fine();
    world
}

#[test]
fn the_description_that_is_served_is_the_committed_one() {
    let world = World::new();
    let server = Server::start(&world);
    let served = Rest::new(&world, &server, "default", "").get("/openapi.json").is(200);
    assert_eq!(served.json(), document());
}
