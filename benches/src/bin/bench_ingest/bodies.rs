//! Requests, as bytes.

use std::fmt::Write;

use muster_benches::random::Random;

/// What a request holds.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// One event: `POST /v1/track`.
    Single,
    /// So many: `POST /v1/batch`.
    Batch(usize),
    /// So many lines: `POST /v1/events`.
    Lines(usize),
}

impl Shape {
    /// Events of a request.
    pub fn events(self) -> u64 {
        match self {
            Shape::Single => 1,
            Shape::Batch(n) | Shape::Lines(n) => n as u64,
        }
    }
}

/// Names of the events.
const NAMES: [&str; 8] = ["view", "search", "add to cart", "purchase", "login", "share", "rate", "logout"];

/// Makes requests whose events have ids that no other maker's have.
pub struct Maker {
    shape: Shape,
    head: String,
    random: Random,
    users: u64,
    run: u64,
    maker: u64,
    made: u64,
}

impl Maker {
    /// The maker of that number in that run.
    pub fn new(shape: Shape, host: &str, authorization: &str, users: u64, run: u64, maker: u64) -> Self {
        let path = match shape {
            Shape::Single => "/v1/track",
            Shape::Batch(_) => "/v1/batch",
            Shape::Lines(_) => "/v1/events",
        };
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Basic {authorization}\r\ncontent-type: application/json\r\n");
        Self { shape, head, random: Random::new(run, maker), users, run, maker, made: 0 }
    }

    /// The next request, at the instant `now` as RFC 3339 text.
    pub fn next(&mut self, now: &str, out: &mut Vec<u8>) {
        let mut body = String::new();
        match self.shape {
            Shape::Single => self.event(now, "userId", "event", "timestamp", "messageId", &mut body),
            Shape::Batch(n) => {
                body.push_str("{\"batch\":[");
                for i in 0..n {
                    body.push_str(if i == 0 { "" } else { "," });
                    self.event(now, "userId", "event", "timestamp", "messageId", &mut body);
                }
                body.push_str("]}");
            }
            Shape::Lines(n) => {
                for _ in 0..n {
                    self.event(now, "user_id", "event", "ts", "message_id", &mut body);
                    body.push('\n');
                }
            }
        }
        out.clear();
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        out.extend_from_slice(body.as_bytes());
    }

    fn event(&mut self, now: &str, user: &str, event: &str, ts: &str, id: &str, out: &mut String) {
        let who = self.random.below(self.users);
        let name = NAMES[self.random.below(NAMES.len() as u64) as usize];
        let price = self.random.below(100_000) as f64 / 100.0;
        let (run, maker, made) = (self.run, self.maker, self.made);
        self.made += 1;
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "{{\"type\":\"track\",\"{user}\":\"user-{who}\",\"{event}\":\"{name}\",\"{ts}\":\"{now}\",\"{id}\":\"{run:x}-{maker}-{made}\",\
             \"properties\":{{\"price\":{price},\"sku\":\"sku-{}\",\"page\":\"/products/{}\",\"first\":{}}}}}",
            who % 977,
            made % 4_099,
            made % 2 == 0,
        );
    }
}
