//! SDKs against the server, unchanged: Segment's for Python and Node, RudderStack's for Node, and a client for Rust. `scripts/sdks` installs them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use ingest::collect::{Entry, Fact, Message, SinkError};
use segment_core::time::format_instant;
use serde_json::Value;
use tokio::process::Command;

use crate::common::{KEY, Server};

/// Where the SDKs are: `MUSTER_SDKS`, or what `scripts/sdks` made.
pub fn folder() -> PathBuf {
    let made = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/muster/sdks");
    let folder = std::env::var_os("MUSTER_SDKS").map_or_else(made, PathBuf::from);
    assert!(folder.join("node_modules").is_dir(), "there is nothing in {}: run scripts/sdks, which installs the SDKs", folder.display());
    folder
}

/// Runs a program with an SDK; the errors that it was told.
async fn run(server: &Server, program: &str, key: &str, more: &[&str]) -> Vec<Value> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/collect/sdks").join(program);
    let mut command = match here.extension().and_then(|extension| extension.to_str()) {
        Some("py") => Command::new(folder().join("venv/bin/python")),
        Some("cjs") => Command::new("node"),
        _ => Command::new(folder().join("rust/debug").join(program)),
    };
    if here.exists() {
        command.arg(here);
    }
    let output = command
        .args([&format!("http://{}", server.address), key])
        .args(more)
        .env("NODE_PATH", folder().join("node_modules"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {err}");
    let last = out.lines().last().unwrap_or_else(|| panic!("{program} said nothing: {err}"));
    serde_json::from_str(last).unwrap_or_else(|e| panic!("{program}: {e}: {out}{err}"))
}

/// The messages, each once, in their order.
pub fn messages(server: &Server) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for entry in server.kept.entries() {
        let Entry::Message(message) = entry else { panic!("{entry:?}") };
        if messages.iter().all(|m| m.message_id != message.message_id) {
            messages.push(message);
        }
    }
    messages
}

/// What every program sends arrived, as it was meant.
pub fn check(server: &Server, prefix: &str) {
    let messages = messages(server);
    let event = |name: &str| {
        let found = messages.iter().find_map(|m| match &m.fact {
            Fact::Event { name: n, properties } if n == name => Some((m, serde_json::from_str::<Value>(properties).unwrap())),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("there is no {name}"))
    };
    let user = format!("{prefix}-1");
    let facts = messages.iter().find_map(|m| match &m.fact {
        Fact::Attributes { attributes } => Some((m, serde_json::from_str::<Value>(attributes).unwrap())),
        Fact::Event { .. } => None,
    });
    let (identify, attributes) = facts.unwrap();
    assert_eq!(identify.user_id, user);
    assert_eq!((&attributes["plan"], &attributes["seats"]), (&"pro".into(), &3.into()));
    let (bought, properties) = event("bought");
    assert_eq!((bought.user_id.as_str(), bought.message_id.as_str()), (user.as_str(), format!("{prefix}-bought").as_str()));
    assert_eq!((&properties["price"], &properties["tags"][1], &properties["é"]), (&9.5.into(), &"b".into(), &"日本".into()));
    assert!(properties["context"]["library"]["name"].is_string());
    // Both were stated to be of one instant, and are corrected by what passed between sending and receiving.
    for stated in [identify, bought] {
        let ts = format_instant(stated.ts);
        assert!(ts.starts_with("2026-01-31T0") && stated.ts < stated.received_at, "{ts}");
    }
    assert_eq!(event("looked").0.user_id, format!("{prefix}-anonymous"));
    let (page, properties) = event("page");
    assert_eq!(page.user_id, user);
    assert_eq!((&properties["name"], &properties["category"], &properties["path"]), (&"Start".into(), &"Docs".into(), &"/start".into()));
    assert_eq!(event("screen").1["name"], "Home");
    let (_, properties) = event("group");
    assert_eq!((&properties["group_id"], &properties["traits"]["size"]), (&"acme".into(), &12.into()));
    assert_eq!(event("alias").1["previous_id"], format!("{prefix}-anonymous"));
    let mut many: Vec<u64> = messages
        .iter()
        .filter_map(|m| match &m.fact {
            Fact::Event { name, properties } if name == "many" => {
                assert!(m.ts <= m.received_at);
                serde_json::from_str::<Value>(properties).unwrap()["n"].as_u64()
            }
            _ => None,
        })
        .collect();
    many.sort_unstable();
    assert_eq!(many, (0..250).collect::<Vec<_>>());
    assert_eq!(messages.len(), 257);
}

#[tokio::test]
async fn python() {
    for more in [&[][..], &["gzip"]] {
        let server = Server::start().await;
        assert_eq!(run(&server, "send.py", KEY, more).await, [Value::Null; 0]);
        check(&server, "py");
    }
}

#[tokio::test]
async fn python_sends_again_what_was_not_stored() {
    let server = Server::start().await;
    server.kept.fail(&[Some(SinkError::Unavailable), None, Some(SinkError::Full)]);
    assert_eq!(run(&server, "send.py", KEY, &["gzip"]).await, [Value::Null; 0]);
    check(&server, "py");
}

#[tokio::test]
async fn python_is_told_of_a_bad_key() {
    let server = Server::start().await;
    let errors = run(&server, "send.py", "nobody", &[]).await;
    assert!(!errors.is_empty());
    for error in &errors {
        let text = error["error"].as_str().unwrap();
        assert!(text.contains("bad_write_key") && text.contains("401"), "{text}");
    }
    assert_eq!(errors.iter().map(|e| e["items"].as_u64().unwrap()).sum::<u64>(), 257);
    assert_eq!(server.kept.calls(), 0);
}

#[tokio::test]
async fn node() {
    let server = Server::start().await;
    assert_eq!(run(&server, "send.cjs", KEY, &[]).await, [Value::Null; 0]);
    check(&server, "js");
}

#[tokio::test]
async fn node_sends_again_what_was_not_stored() {
    let server = Server::start().await;
    server.kept.fail(&[Some(SinkError::Unavailable), None, Some(SinkError::Full)]);
    assert_eq!(run(&server, "send.cjs", KEY, &[]).await, [Value::Null; 0]);
    check(&server, "js");
}

#[tokio::test]
async fn node_is_told_of_a_bad_key() {
    let server = Server::start().await;
    let errors = run(&server, "send.cjs", "nobody", &[]).await;
    assert!(!errors.is_empty());
    assert!(errors.iter().all(|e| e["reason"].as_str().unwrap().contains("401")), "{errors:?}");
    assert_eq!(server.kept.calls(), 0);
}

#[tokio::test]
async fn rudderstack() {
    for more in [&[][..], &["plain"]] {
        let server = Server::start().await;
        assert_eq!(run(&server, "send.rudder.cjs", KEY, more).await, [Value::Null; 0]);
        check(&server, "rudder");
    }
}

#[tokio::test]
async fn rudderstack_sends_again_what_was_not_stored() {
    let server = Server::start().await;
    server.kept.fail(&[Some(SinkError::Unavailable), None, Some(SinkError::Full)]);
    assert_eq!(run(&server, "send.rudder.cjs", KEY, &[]).await, [Value::Null; 0]);
    check(&server, "rudder");
}

#[tokio::test]
async fn rudderstack_is_told_of_a_bad_key() {
    let server = Server::start().await;
    let errors = run(&server, "send.rudder.cjs", "nobody", &[]).await;
    assert!(!errors.is_empty());
    assert!(errors.iter().all(|e| e["reason"].as_str().unwrap().contains("401")), "{errors:?}");
    assert_eq!(server.kept.calls(), 0);
}

#[tokio::test]
async fn rust() {
    let server = Server::start().await;
    assert_eq!(run(&server, "send", KEY, &[]).await, [Value::Null; 0]);
    check(&server, "rs");
}

#[tokio::test]
async fn what_the_client_for_rust_is_told_can_be_sent_again() {
    let server = Server::start().await;
    server.kept.fail(&[Some(SinkError::Unavailable), None, Some(SinkError::Full)]);
    assert_eq!(run(&server, "send", KEY, &[]).await, [Value::Null; 0]);
    check(&server, "rs");
}

#[tokio::test]
async fn the_client_for_rust_is_told_of_a_bad_key() {
    let server = Server::start().await;
    let errors = run(&server, "send", "nobody", &[]).await;
    // Two alone, and three batches.
    assert_eq!(errors.iter().map(|e| e["status"].as_u64()).collect::<Vec<_>>(), [Some(401); 5]);
    assert_eq!(server.kept.calls(), 0);
}
