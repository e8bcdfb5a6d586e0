//! The tracking API: paths, keys, answers.

use ingest::collect::{Call, Entry, SinkError};

use crate::common::{BASIC, KEY, OTHER_KEY, Server, gzip};

const EVENT: &str = r#"{"userId":"u","event":"e"}"#;

#[tokio::test]
async fn every_path_stores_and_answers_200() {
    let server = Server::start().await;
    for call in Call::ALL {
        let name = call.name();
        for path in [format!("/v1/{name}"), format!("/v1/{}", &name[..1])] {
            let reply = server.post(&path, EVENT).await;
            assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"success":true}"#), "{path}");
            assert_eq!(reply.header("content-type"), Some("application/json"));
            let expected = match call {
                Call::Track => "shop u e {}".to_owned(),
                Call::Identify => "shop u {}".to_owned(),
                _ => format!("shop u {name} {{}}"),
            };
            assert_eq!(server.kept.told(), [expected], "{path}");
        }
    }
    for path in ["/v1/batch", "/v1/import", "/v1/b"] {
        let body = r#"{"batch":[{"type":"track","userId":"u","event":"e"},{"type":"identify","userId":"u","traits":{"a":1}}]}"#;
        let reply = server.post(path, body).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"success":true}"#), "{path}");
        assert_eq!(server.kept.told(), ["shop u e {}", r#"shop u {"a":1}"#]);
    }
    assert_eq!(server.post("/v1/batch", r#"{"batch":[]}"#).await.status, 200);
    assert_eq!(server.kept.told(), [""; 0]);
}

#[tokio::test]
async fn keys_open_their_own_workspace() {
    let server = Server::start().await;
    let in_body = |key: &str| format!(r#"{{"userId":"u","event":"e","writeKey":"{key}"}}"#);
    for (headers, body, workspace) in [
        (BASIC, EVENT.to_owned(), "shop"),
        ("Authorization: Basic b3RoZXIta2V5Og==\r\n", EVENT.to_owned(), "other"),
        // Without the colon, and with a password.
        ("authorization: basic b3RoZXIta2V5\r\n", EVENT.to_owned(), "other"),
        ("Authorization: Basic b3RoZXIta2V5OnB3\r\n", EVENT.to_owned(), "other"),
        ("Authorization: Bearer other-key\r\n", EVENT.to_owned(), "other"),
        ("", in_body(KEY), "shop"),
        ("Content-Type: text/plain;charset=UTF-8\r\n", in_body(OTHER_KEY), "other"),
        // The headers' key counts.
        (BASIC, in_body(OTHER_KEY), "shop"),
        ("Authorization: Digest x\r\n", in_body(OTHER_KEY), "other"),
    ] {
        let reply = server.send("POST", "/v1/track", headers, body.as_bytes()).await;
        assert_eq!(reply.status, 200, "{headers}{body}");
        assert_eq!(server.kept.told(), [format!("{workspace} u e {{}}")], "{headers}{body}");
    }
    let batch = format!(r#"{{"batch":[{{"type":"track","userId":"u","event":"e","writeKey":"{KEY}"}}],"writeKey":"{OTHER_KEY}"}}"#);
    assert_eq!(server.send("POST", "/v1/b", "", batch.as_bytes()).await.status, 200);
    assert_eq!(server.kept.told(), ["other u e {}"]);

    for (headers, body, code) in [
        ("", EVENT.to_owned(), "no_write_key"),
        ("", in_body(""), "no_write_key"),
        ("", r#"{"writeKey":5}"#.to_owned(), "no_write_key"),
        ("", in_body("nobody"), "bad_write_key"),
        ("", in_body(&"k".repeat(1_000)), "bad_write_key"),
        ("Authorization: Basic bm9ib2R5Og==\r\n", in_body(KEY), "bad_write_key"),
        ("Authorization: Bearer nobody\r\n", EVENT.to_owned(), "bad_write_key"),
        ("Authorization: Basic ???\r\n", EVENT.to_owned(), "no_write_key"),
    ] {
        let reply = server.send("POST", "/v1/track", headers, body.as_bytes()).await;
        assert_eq!(reply.refusal(), (401, code.to_owned()), "{headers}{body}");
        // Which would make browsers ask people for a password.
        assert_eq!(reply.header("www-authenticate"), None);
    }
    assert_eq!(server.kept.calls(), 10);
}

#[tokio::test]
async fn a_single_event_that_is_none_is_told_and_kept() {
    let server = Server::start().await;
    let reply = server.post("/v1/track", r#"{"event":"e"}"#).await;
    assert_eq!(reply.refusal(), (400, "no_user_id".to_owned()));
    let reply = server.post("/v1/identify", r#"{"userId":"u","traits":5}"#).await;
    assert_eq!(reply.refusal(), (400, "malformed_json".to_owned()));
    assert_eq!(reply.json()["pointer"], "/traits");
    assert_eq!(server.kept.told(), ["shop no_user_id", "shop malformed_json"]);
    // If it can't be kept either, it is to be sent again.
    server.kept.fail(&[Some(SinkError::Unavailable)]);
    assert_eq!(server.post("/v1/track", r#"{"event":"e"}"#).await.status, 503);
}

#[tokio::test]
async fn one_bad_event_does_not_spoil_a_batch() {
    let server = Server::start().await;
    let body = r#"{"batch":[{"type":"track","userId":"u","event":"e"},{"type":"track","event":"e"},{"type":"page","userId":"u"}]}"#;
    let reply = server.post("/v1/batch", body).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"success":true}"#));
    let Entry::Quarantined(bad) = server.kept.entries().remove(1) else { panic!("it is unfit") };
    assert_eq!(bad.raw.bytes.as_ref(), br#"{"type":"track","event":"e"}"#);
    assert_eq!(server.kept.told(), ["shop u e {}", "shop no_user_id", "shop u page {}"]);
    for (body, message) in [("{}", "\"batch\""), (r#"{"batch":1}"#, "\"batch\""), ("[]", "object"), ("{", "object")] {
        let reply = server.post("/v1/batch", body).await;
        assert_eq!(reply.refusal(), (400, "malformed".to_owned()));
        assert!(reply.text().contains(&message.replace('"', "\\\"")), "{}", reply.text());
    }
}

#[tokio::test]
async fn events_that_do_not_fit_their_schema() {
    let server = Server::start().await;
    let reply = server.post("/v1/track", r#"{"userId":"u","event":"strict","properties":{"price":"9"}}"#).await;
    assert_eq!(reply.refusal(), (400, "schema_mismatch".to_owned()));
    assert_eq!(reply.json()["pointer"], "/properties/price");
    assert_eq!(reply.json()["message"], r#"the schema of "strict" does not allow it: "9" is not of type "number""#);
    let good = r#"{"type":"track","userId":"u","event":"strict","properties":{"price":9}}"#;
    let body = format!(r#"{{"batch":[{good},{}],"context":{{"ip":"::1"}}}}"#, good.replace("price", "cost"));
    assert_eq!(server.post("/v1/batch", &body).await.status, 200);
    let lines = "{\"user_id\":\"u\",\"event\":\"strict\",\"ts\":\"2026-01-01\",\"price\":[]}\n{\"user_id\":\"u\",\"event\":\"strict\",\"ts\":\"2026-01-01\",\"price\":1}";
    let reply = server.post("/v1/events", lines).await;
    assert_eq!((reply.status, &reply.json()["accepted"], &reply.json()["errors"][0]["pointer"]), (200, &1.into(), &"/price".into()));
    let told = server.kept.told();
    assert_eq!(told[0], "shop schema_mismatch");
    assert_eq!(told[1..3], [r#"shop u strict {"price":9,"context":{"ip":"::1"}}"#, "shop schema_mismatch"]);
    assert_eq!(told[3..], ["shop schema_mismatch", r#"shop u strict {"price":1}"#]);
}

#[tokio::test]
async fn compressed_bodies() {
    let server = Server::start().await;
    for encoding in ["gzip", "GZIP", "x-gzip", "identity, gzip"] {
        let headers = format!("{BASIC}Content-Encoding: {encoding}\r\n");
        let reply = server.send("POST", "/v1/track", &headers, &gzip(EVENT.as_bytes())).await;
        assert_eq!(reply.status, 200, "{encoding}");
        assert_eq!(server.kept.told(), ["shop u e {}"]);
    }
    let headers = format!("{BASIC}Content-Encoding: gzip\r\n");
    let reply = server.send("POST", "/v1/track", &headers, EVENT.as_bytes()).await;
    assert_eq!(reply.refusal(), (400, "malformed".to_owned()));
    let cut = gzip(EVENT.as_bytes());
    let reply = server.send("POST", "/v1/track", &headers, &cut[..cut.len() - 4]).await;
    assert_eq!(reply.refusal(), (400, "malformed".to_owned()));
    for encoding in ["br", "gzip, gzip"] {
        let headers = format!("{BASIC}Content-Encoding: {encoding}\r\n");
        let reply = server.send("POST", "/v1/track", &headers, EVENT.as_bytes()).await;
        assert_eq!(reply.refusal(), (415, "unsupported_encoding".to_owned()));
    }
}

#[tokio::test]
async fn what_is_not_stored_is_sent_again() {
    let server = Server::start().await;
    for (failure, code) in [(SinkError::Full, "full"), (SinkError::Unavailable, "unavailable")] {
        server.kept.fail(&[Some(failure)]);
        let reply = server.post("/v1/track", EVENT).await;
        assert_eq!(reply.refusal(), (503, code.to_owned()));
        assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
        assert_eq!(server.kept.told(), [""; 0]);
        assert_eq!(server.post("/v1/track", EVENT).await.status, 200);
        assert_eq!(server.kept.told(), ["shop u e {}"]);
    }
}

#[tokio::test]
async fn pages_of_any_origin_may_call() {
    let server = Server::start().await;
    let page = "Origin: https://shop.example\r\n";
    let asks = format!("{page}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n");
    for path in ["/v1/track", "/v1/b", "/v1/events", "/v1/pixel.gif"] {
        let reply = server.send("OPTIONS", path, &asks, b"").await;
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://shop.example"));
        assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
        assert!(reply.header("access-control-allow-headers").unwrap().contains("content-type"));
        assert!(reply.header("access-control-allow-methods").unwrap().contains(if path.ends_with("gif") { "GET" } else { "POST" }));
        assert_eq!(reply.header("vary"), Some("origin"));
    }
    // Refusals too can be read by the page.
    for (body, status) in [(EVENT, 401), ("{", 400), (r#"{"userId":"u","event":"e","writeKey":"shop-key"}"#, 200)] {
        let reply = server.send("POST", "/v1/t", page, body.as_bytes()).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (status, Some("https://shop.example")));
    }
    assert_eq!(server.post("/v1/t", EVENT).await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn other_methods_and_paths() {
    let server = Server::start().await;
    for method in ["GET", "PUT", "DELETE"] {
        let reply = server.send(method, "/v1/track", BASIC, b"").await;
        assert_eq!(reply.refusal(), (405, "method_not_allowed".to_owned()));
        assert_eq!(reply.header("allow"), Some("POST, OPTIONS"));
    }
    let reply = server.send("HEAD", "/v1/track", BASIC, b"").await;
    assert_eq!((reply.status, reply.body.len()), (405, 0));
    for path in ["/v1/nope", "/v1/track/", "/v1/batch/x"] {
        assert_eq!(server.post(path, EVENT).await.refusal(), (404, "not_found".to_owned()), "{path}");
    }
    assert_eq!(server.kept.calls(), 0);
}

#[tokio::test]
async fn one_connection_has_many_requests() {
    let server = Server::start().await;
    let request = format!("POST /v1/t HTTP/1.1\r\nHost: test\r\n{BASIC}Content-Length: {}\r\n\r\n{EVENT}", EVENT.len());
    let last = request.replace("Host: test\r\n", "Host: test\r\nConnection: close\r\n");
    let answer = server.raw(format!("{request}{request}{last}").as_bytes()).await;
    assert_eq!(String::from_utf8(answer).unwrap().matches("HTTP/1.1 200 OK").count(), 3);
    assert_eq!(server.kept.told().len(), 3);
}

#[tokio::test]
async fn a_server_that_stops_ends_what_it_began() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut server = Server::start().await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    let head = format!("POST /v1/t HTTP/1.1\r\nHost: test\r\n{BASIC}Content-Length: {}\r\n\r\n", EVENT.len());
    // A first request shows that the connection has been taken.
    busy.write_all(format!("{head}{EVENT}{head}{}", &EVENT[..5]).as_bytes()).await.unwrap();
    let mut first = [0; 15];
    busy.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    let stopped = server.stop();
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).await.unwrap();
    assert_eq!(nothing, b"");
    busy.write_all(&EVENT.as_bytes()[5..]).await.unwrap();
    let mut rest = Vec::new();
    busy.read_to_end(&mut rest).await.unwrap();
    assert!(String::from_utf8(rest).unwrap().contains("HTTP/1.1 200 OK"));
    stopped.await.unwrap();
    assert_eq!(server.kept.told().len(), 2);
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}
