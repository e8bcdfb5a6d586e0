//! `muster serve` with profiles in Cassandra and a shared lake: users are read back at once, by others from Cassandra, and not at all if it is away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(120);
/// How long a request about a user may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

struct Server {
    child: Child,
    address: String,
}

/// What was answered.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Server {
    fn start(world: &World, settings: &[&str]) -> Self {
        let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"], settings);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, address }
    }

    fn send(&self, method: &str, path: &str, key: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// A user, in bounded time.
    fn user(&self, id: &str, key: &str) -> Answer {
        let began = Instant::now();
        let answer = self.send("GET", &format!("/api/v1/users/{id}"), key, "");
        assert!(began.elapsed() < ANSWERED_WITHIN, "{:?}", began.elapsed());
        answer
    }

    /// A measurement of the workspace.
    fn metric(&self, name: &str) -> f64 {
        let text = self.send("GET", "/metrics", "", "").body;
        let line = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "{what}: {}", self.send("GET", "/metrics", "", "").body);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it in an orderly way; what it wrote to standard error.
    fn end(mut self) -> String {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{told}");
        told
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn attributes(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str::<Value>(&answer.body).unwrap()["attributes"].clone()
}

#[test]
fn users_are_read_from_cassandra() {
    let world = World::new("http://127.0.0.1:1", true);
    let workspace = format!("serve_{}", std::process::id());
    world.file("users.ndjson", r#"{"user_id": "ann", "attributes": {"plan": "free", "age": 30}}"#);
    world.run(&["import", "--workspace", &workspace, "--users", "users.ndjson"], &[]).fine();
    let key = |kind: &str| world.run(&["key", "create", "--workspace", &workspace, "--kind", kind], &[]).fine().out.trim().to_owned();
    let (write, read) = (key("write"), key("read"));
    // So slow that what is sent is not published when it is read.
    let slow = "serve.publish_ms=3000";
    let server = Server::start(&world, &[slow]);
    let identify = |server: &Server, user: &str, traits: &str| {
        let body = format!(r#"{{"userId": "{user}", "traits": {traits}}}"#);
        assert_eq!(server.send("POST", "/v1/identify", &write, &body).status, 200);
    };
    assert_eq!(attributes(&server.user("ann", &read)), json!({"plan": "free", "age": 30}));
    for n in 0..5 {
        identify(&server, "ann", &format!(r#"{{"plan": "pro", "n": {n}}}"#));
        assert_eq!(attributes(&server.user("ann", &read)), json!({"plan": "pro", "age": 30, "n": n}));
    }
    identify(&server, "bob", r#"{"plan": "pro"}"#);
    assert_eq!(attributes(&server.user("bob", &read)), json!({"plan": "pro"}));
    assert_eq!((server.user("nobody", &read).status, server.user("ann", &write).status), (404, 401));
    server.until("it is published", || server.metric("muster_lag_records") == 0.0);
    assert_eq!(attributes(&server.user("ann", &read)), json!({"plan": "pro", "age": 30, "n": 4}));
    // Another process sees it in Cassandra.
    world.file("pro.json", r#"{"all": [{"attribute": "plan", "op": "is", "value": "pro"}, {"attribute": "n", "op": "is", "value": 4}]}"#);
    let query = ["query", "--workspace", &workspace, "--condition", "pro.json", "--backend", "cassandra", "--output", "ids"];
    assert_eq!(world.run(&query, &["router.backends=memory,cassandra"]).fine().out, "ann\n");
    server.end();

    // Where it cannot be reached from the start, messages are taken, and nobody is told a part.
    let away = Server::start(&world, &[slow, "cassandra.contact_points=127.0.0.1:1"]);
    identify(&away, "ann", r#"{"plan": "gold"}"#);
    for _ in 0..2 {
        let refused = away.user("ann", &read);
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert!(refused.head.contains("\r\nretry-after: 1"), "{}", refused.head);
    }
    away.until("it is tried", || away.metric("muster_commit_failures_total") > 0.0);
    assert!(away.metric("muster_lag_records") > 0.0 && away.metric("muster_oldest_unpublished_seconds") > 0.0);
    let told = away.end();
    assert!(told.contains("publishing waits, and what is collected is kept") && told.contains("not all of what was collected"), "{told}");

    let server = Server::start(&world, &[]);
    server.until("it is published", || server.metric("muster_lag_records") == 0.0);
    assert_eq!(attributes(&server.user("ann", &read)), json!({"plan": "gold", "age": 30, "n": 4}));
    server.end();
}
