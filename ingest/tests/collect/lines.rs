//! `POST /v1/events`: many lines, each by itself.

use std::time::Duration;

use ingest::collect::{Entry, SinkError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{BASIC, Reply, Server, gzip};

fn event(n: usize) -> String {
    format!(r#"{{"user_id":"u{n}","event":"buy","ts":"2026-01-01T00:00:00Z","properties":{{"n":{n}}}}}"#)
}

#[tokio::test]
async fn each_line_by_itself() {
    let server = Server::start().await;
    let body = format!("{}\r\n\n{{\"user_id\":\"u\"}}\nnot json\n{}", event(1), event(2));
    let reply = server.post("/v1/events", &body).await;
    assert_eq!(reply.status, 200);
    let json = reply.json();
    assert_eq!((&json["success"], &json["accepted"], &json["quarantined"]), (&true.into(), &2.into(), &2.into()));
    let errors: Vec<(u64, &str)> =
        json["errors"].as_array().unwrap().iter().map(|e| (e["line"].as_u64().unwrap(), e["code"].as_str().unwrap())).collect();
    assert_eq!(errors, [(3, "no_event"), (4, "malformed_json")]);
    assert_eq!(server.kept.told(), [r#"shop u1 buy {"n":1}"#, "shop no_event", "shop malformed_json", r#"shop u2 buy {"n":2}"#]);
    let reply = server.post("/v1/events", "").await;
    assert_eq!((reply.status, &reply.json()["accepted"]), (200, &0.into()));
}

#[tokio::test]
async fn keys() {
    let server = Server::start().await;
    for (path, headers, status) in [
        ("/v1/events?writeKey=shop-key", "", 200),
        ("/v1/events", "Authorization: Bearer shop-key\r\n", 200),
        ("/v1/events?writeKey=nobody", "", 401),
        ("/v1/events", "", 401),
    ] {
        assert_eq!(server.send("POST", path, headers, event(1).as_bytes()).await.status, status, "{path}");
    }
    assert_eq!(server.kept.told().len(), 2);
}

#[tokio::test]
async fn thousands_are_stored_as_they_come() {
    let server = Server::start().await;
    let body: String = (0..5_500).map(|n| event(n) + "\n").collect();
    for headers in [BASIC.to_owned(), format!("{BASIC}Content-Encoding: gzip\r\n")] {
        let bytes = if headers == BASIC { body.clone().into_bytes() } else { gzip(body.as_bytes()) };
        let before = server.kept.calls();
        let reply = server.send("POST", "/v1/events", &headers, &bytes).await;
        assert_eq!((reply.status, &reply.json()["accepted"]), (200, &5_500.into()));
        assert_eq!(server.kept.calls() - before, 6);
        let expected: Vec<String> = (0..5_500).map(|n| format!(r#"shop u{n} buy {{"n":{n}}}"#)).collect();
        assert_eq!(server.kept.told(), expected);
    }
    // The list of errors ends, the count does not.
    let reply = server.post("/v1/events", &"x\n".repeat(1_234)).await;
    assert_eq!((&reply.json()["quarantined"], reply.json()["errors"].as_array().unwrap().len()), (&1_234.into(), 100));
}

#[tokio::test]
async fn lines_are_stored_before_the_body_ends() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    let head = format!("POST /v1/events HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{BASIC}Transfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // Cut anywhere, also inside a line.
    let body: String = (0..1_500).map(|n| event(n) + "\n").collect();
    for piece in body.as_bytes().chunks(777) {
        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.unwrap();
        stream.write_all(piece).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    while server.kept.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.kept.entries().len(), 1_000);
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Reply::parse(&answer).json()["accepted"], 1_500);
    assert_eq!(server.kept.entries().len(), 1_500);
}

/// A stream that failed is sent again as it was: its lines have the ids that they had.
#[tokio::test]
async fn sent_again_the_ids_are_the_same() {
    let server = Server::start().await;
    let body: String = (0..2_500).map(|n| event(n) + "\n").collect();
    server.kept.fail(&[None, Some(SinkError::Unavailable)]);
    let reply = server.post("/v1/events", &body).await;
    assert_eq!(reply.refusal(), (503, "unavailable".to_owned()));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(server.post("/v1/events", &body).await.status, 200);
    let ids: Vec<String> = server
        .kept
        .entries()
        .into_iter()
        .map(|entry| match entry {
            Entry::Message(message) => message.message_id,
            Entry::Quarantined(quarantined) => panic!("{:?}", quarantined.unfit),
        })
        .collect();
    assert_eq!(ids.len(), 3_500);
    assert_eq!(ids[..1_000], ids[1_000..2_000]);
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 2_500);
    assert!(ids[0].starts_with("row:"));
}
