//! What nobody means well by.

use ingest::collect::http::server::ServerLimits;

use crate::common::{BASIC, Server, gzip};

/// A batch of these events.
fn batch(events: &[&str]) -> String {
    format!(r#"{{"batch":[{}]}}"#, events.join(","))
}

const GOOD: &str = r#"{"type":"track","userId":"u","event":"e"}"#;

#[tokio::test]
async fn too_large() {
    let server = Server::start().await;
    let event = format!(r#"{{"userId":"u","event":"{}"}}"#, "e".repeat(33_000));
    assert_eq!(server.post("/v1/track", &event).await.refusal(), (413, "too_large".to_owned()));
    let large = batch(&vec![GOOD; 20_000]);
    assert!(large.len() > 512_000);
    assert_eq!(server.post("/v1/batch", &large).await.refusal(), (413, "too_large".to_owned()));
    // In pieces, without saying how much there will be.
    let head = format!("POST /v1/batch HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{BASIC}Transfer-Encoding: chunked\r\n\r\n");
    let mut request = head.into_bytes();
    for piece in large.as_bytes().chunks(10_000) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(crate::common::Reply::parse(&server.raw(&request).await).refusal(), (413, "too_large".to_owned()));
    // A length that nobody could send.
    let lies = format!("POST /v1/batch HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{BASIC}Content-Length: 18446744073709551615\r\n\r\n");
    assert!(server.raw(lies.as_bytes()).await.starts_with(b"HTTP/1.1 4"));
    assert_eq!(server.kept.calls(), 0);
    // One event of a batch: it alone.
    let long = format!(r#"{{"type":"track","userId":"u","event":"{}"}}"#, "e".repeat(33_000));
    assert_eq!(server.post("/v1/batch", &batch(&[GOOD, &long, GOOD])).await.status, 200);
    assert_eq!(server.kept.told(), ["shop u e {}", "shop too_large", "shop u e {}"]);
    // The largest that are taken.
    let frame = GOOD.len() - 1;
    let largest = format!(r#"{{"type":"track","userId":"u","event":"{}"}}"#, "e".repeat((32 << 10) - frame));
    assert_eq!(largest.len(), 32 << 10);
    assert_eq!(server.post("/v1/track", &largest).await.status, 200);
}

#[tokio::test]
async fn gzip_bombs() {
    let server = Server::start().await;
    let headers = format!("{BASIC}Content-Encoding: gzip\r\n");
    let bomb = gzip(&vec![b' '; 32 << 20]);
    assert!(bomb.len() < 500 << 10);
    for path in ["/v1/track", "/v1/batch"] {
        let reply = server.send("POST", path, &headers, &bomb).await;
        assert_eq!(reply.refusal(), (413, "too_large".to_owned()), "{path}");
    }
    // A line of any length takes no more memory than an event.
    let reply = server.send("POST", "/v1/events", &headers, &gzip(&vec![b'a'; 32 << 20])).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["code"]), (200, &"too_large".into()));
    assert_eq!(server.kept.told(), ["shop too_large"]);
}

#[tokio::test]
async fn deep_json() {
    let server = Server::start().await;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for body in [nested(100_000), format!(r#"{{"batch":{}}}"#, nested(100_000)), "[".repeat(400_000), r#"{"a":"#.repeat(80_000)] {
        assert_eq!(server.post("/v1/batch", &body).await.status, if body.starts_with(r#"{"batch"#) { 200 } else { 400 });
    }
    server.kept.told();
    let deep = format!(r#"{{"type":"track","userId":"u","event":"e","properties":{{"a":{}}}}}"#, nested(100_000));
    assert_eq!(server.post("/v1/batch", &batch(&[GOOD, &deep])).await.status, 200);
    assert_eq!(server.kept.told(), ["shop u e {}", "shop too_large"]);
    let deep = deep.replace(&nested(100_000), &nested(10_000));
    assert_eq!(server.post("/v1/batch", &batch(&[GOOD, &deep])).await.status, 200);
    assert_eq!(server.post("/v1/track", &deep).await.refusal(), (400, "malformed_json".to_owned()));
    assert_eq!(server.kept.told(), ["shop u e {}", "shop malformed_json", "shop malformed_json"]);
    // A context of the batch that no event can have.
    let body = format!(r#"{{"batch":[{GOOD}],"context":{}}}"#, nested(100_000));
    assert_eq!(server.post("/v1/batch", &body).await.refusal(), (400, "malformed".to_owned()));
    assert_eq!(server.kept.told(), [""; 0]);
}

/// Every event of a batch gets its context: a small request must not become a large one by that.
#[tokio::test]
async fn a_context_for_thousands() {
    let server = Server::start().await;
    let with_context = |bytes: usize, events: usize| {
        format!(r#"{{"batch":[{}],"context":{{"a":"{}"}}}}"#, vec![GOOD; events].join(","), "x".repeat(bytes))
    };
    assert_eq!(server.post("/v1/batch", &with_context(30_000, 10_000)).await.refusal(), (400, "malformed".to_owned()));
    assert_eq!(server.post("/v1/batch", &with_context(400, 10_000)).await.status, 200);
    assert_eq!(server.kept.told().len(), 10_000);
}

#[tokio::test]
async fn text_that_is_none() {
    let server = Server::start().await;
    for body in [&b"{\"userId\":\"u\",\"event\":\"\xff\"}"[..], b"\xff", b"\0", b"", b"{\"userId\":\"u\xed\xa0\x80\"}"] {
        assert_eq!(server.send("POST", "/v1/track", BASIC, body).await.refusal(), (400, "malformed".to_owned()));
    }
    assert_eq!(server.kept.calls(), 0);
    for (body, code) in [
        (r#"{"userId":"\ud800","event":"e"}"#, "bad_user_id"),
        (r#"{"userId":"u\u0000","event":"e"}"#, "bad_user_id"),
        (r#"{"userId":"u","event":"\udfff"}"#, "no_event"),
    ] {
        assert_eq!(server.post("/v1/track", body).await.refusal(), (400, code.to_owned()));
    }
    server.kept.told();
    // Text that is odd and right.
    let reply =
        server.post("/v1/track", r#"{"userId":"u","event":"e","properties":{"":1,"\u0000":"\u0000","'; --":"\ud83d\ude00"}}"#).await;
    assert_eq!(reply.status, 200);
    assert_eq!(server.kept.told(), ["shop u e {\"\":1,\"\\u0000\":\"\\u0000\",\"'; --\":\"😀\"}"]);
}

#[tokio::test]
async fn many_names_and_names_given_twice() {
    let server = Server::start().await;
    let members = |n: usize| (0..n).map(|i| format!("\"{i}\":1")).collect::<Vec<_>>().join(",");
    // A hundred thousand keys do not fit into an event, nor into a batch.
    assert_eq!(server.post("/v1/batch", &format!("{{{}}}", members(100_000))).await.status, 413);
    let many = format!(r#"{{"userId":"u","event":"e","properties":{{{}}}}}"#, members(3_000));
    assert_eq!(server.post("/v1/track", &many).await.refusal(), (400, "too_many_names".to_owned()));
    let beside = format!(r#"{{"batch":[{GOOD}],{}}}"#, members(40_000));
    assert_eq!(server.post("/v1/batch", &beside).await.status, 200);
    let twice = r#"{"userId":"a","userId":"u","event":"x","event":"e","properties":{"p":0},"properties":{"p":1,"p":2},"writeKey":"nobody","writeKey":"shop-key"}"#;
    assert_eq!(server.send("POST", "/v1/track", "", twice.as_bytes()).await.status, 200);
    assert_eq!(server.kept.told(), ["shop too_many_names", "shop u e {}", r#"shop u e {"p":1,"p":2}"#]);
}

/// Senders who make names of data: a hundred thousand event names in one request, and attribute names in many.
#[tokio::test]
async fn names_without_end() {
    let server = Server::start().await;
    let lines: Vec<String> = (0..100_000).map(|i| format!(r#"{{"user_id":"u","event":"e{i}","ts":"2026-01-01"}}"#)).collect();
    let reply = server.post("/v1/events", &lines.join("\n")).await.json();
    // One name is in the catalog.
    assert_eq!((&reply["accepted"], &reply["quarantined"]), (&65_535.into(), &34_465.into()));
    let error = &reply["errors"][0];
    assert_eq!((&error["line"], &error["code"], &error["pointer"]), (&65_536.into(), &"too_many_names".into(), &"/event".into()));
    assert!(error["message"].as_str().unwrap().contains("declared as a map"), "{error}");
    assert_eq!(reply["errors"].as_array().unwrap().len(), 100);
    server.kept.told();
    let (mut taken, mut refused) = (0, 0);
    for request in 0..10 {
        let facts = (0..20).map(|i| {
            let traits: Vec<String> = (0..500).map(|n| format!("\"a{request}-{i}-{n}\":1")).collect();
            format!(r#"{{"type":"identify","userId":"u","traits":{{{}}}}}"#, traits.join(","))
        });
        let facts: Vec<String> = facts.collect();
        assert_eq!(server.post("/v1/batch", &batch(&facts.iter().map(String::as_str).collect::<Vec<_>>())).await.status, 200);
        for told in server.kept.told() {
            if told == "shop too_many_names" { refused += 1 } else { taken += 1 }
        }
    }
    assert_eq!((taken, refused), (8, 192));
    // What is known still comes in.
    assert_eq!(server.post("/v1/identify", r#"{"userId":"u","traits":{"a0-0-0":2}}"#).await.status, 200);
    assert_eq!(server.post("/v1/track", r#"{"userId":"u","event":"e5"}"#).await.status, 200);
}

#[tokio::test]
async fn heads_too_large() {
    let server = Server::start().await;
    let filler = format!("X-Filler: {}\r\n", "x".repeat(400_000));
    let answer = server.raw(format!("POST /v1/track HTTP/1.1\r\nHost: test\r\n{filler}{BASIC}\r\n").as_bytes()).await;
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    let many = (0..1_000).map(|i| format!("X-{i}: 1\r\n")).collect::<String>();
    let answer = server.raw(format!("POST /v1/track HTTP/1.1\r\nHost: test\r\n{many}{BASIC}\r\n").as_bytes()).await;
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    let answer = server.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await;
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 400") || answer.is_empty());
    assert_eq!(server.kept.calls(), 0);
}

#[tokio::test]
async fn bodies_share_a_bound() {
    let server = Server::with(|collector| collector.with_bodies(64 << 10), ServerLimits::default()).await;
    let small = batch(&[GOOD; 100]);
    assert_eq!(server.post("/v1/batch", &small).await.status, 200);
    let reply = server.post("/v1/batch", &batch(&vec![GOOD; 3_000])).await;
    assert_eq!(reply.refusal(), (503, "busy".to_owned()));
    assert_eq!(reply.header("retry-after"), Some("1"));
    // What was held is free again.
    assert_eq!(server.post("/v1/batch", &small).await.status, 200);
    assert_eq!(server.kept.calls(), 2);
}
