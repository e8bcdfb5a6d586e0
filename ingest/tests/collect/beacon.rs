//! The beacon: an image whatever happens, and an event only where one is meant.

use ingest::collect::SinkError;

use crate::common::{Reply, Server};

const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

fn check(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status);
    assert_eq!(reply.body, GIF);
    assert_eq!(reply.body.len(), 43);
    assert_eq!(reply.header("content-type"), Some("image/gif"));
    assert_eq!(reply.header("content-length"), Some("43"));
    assert!(reply.header("cache-control").unwrap().contains("no-store"));
}

#[tokio::test]
async fn an_image_whatever_happens() {
    let server = Server::start().await;
    let get = async |path: &str| server.send("GET", path, "", b"").await;
    check(&get("/v1/pixel.gif?writeKey=shop-key&event=open&anonymousId=a&mail=spring").await, 200);
    assert_eq!(server.kept.told(), [r#"shop a open {"mail":"spring"}"#]);
    check(&get("/v1/pixel.gif?data=%7B%22writeKey%22%3A%22shop-key%22%2C%22userId%22%3A%22u%22%2C%22type%22%3A%22page%22%7D").await, 200);
    assert_eq!(server.kept.told(), ["shop u page {}"]);
    check(&get("/v1/pixel.gif").await, 401);
    check(&get("/v1/pixel.gif?writeKey=nobody&event=e&userId=u").await, 401);
    assert_eq!(server.kept.told(), [""; 0]);
    check(&get("/v1/pixel.gif?writeKey=shop-key&event=open").await, 400);
    assert_eq!(server.kept.told(), ["shop no_user_id"]);
    server.kept.fail(&[Some(SinkError::Full)]);
    let reply = get("/v1/pixel.gif?writeKey=shop-key&event=open&userId=u").await;
    check(&reply, 503);
    assert!(reply.header("retry-after").is_some());
}

#[tokio::test]
async fn a_look_is_no_event() {
    let server = Server::start().await;
    let reply = server.send("HEAD", "/v1/pixel.gif?writeKey=shop-key&event=open&userId=u", "", b"").await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!((reply.header("content-type"), reply.header("content-length")), (Some("image/gif"), Some("43")));
    let reply = server.send("POST", "/v1/pixel.gif?writeKey=shop-key&event=open&userId=u", "", b"").await;
    assert_eq!(reply.refusal(), (405, "method_not_allowed".to_owned()));
    assert_eq!(server.kept.calls(), 0);
}

/// What `navigator.sendBeacon` posts: text, with no header that would need a preflight.
#[tokio::test]
async fn send_beacon() {
    let server = Server::start().await;
    let headers = "Origin: https://shop.example\r\nContent-Type: text/plain;charset=UTF-8\r\n";
    for (path, body) in [
        ("/v1/t", r#"{"writeKey":"shop-key","userId":"u","event":"e"}"#),
        ("/v1/b", r#"{"writeKey":"shop-key","batch":[{"type":"track","userId":"u","event":"e"}],"sentAt":"2026-01-01T00:00:00.000Z"}"#),
    ] {
        let reply = server.send("POST", path, headers, body.as_bytes()).await;
        assert_eq!((reply.status, reply.header("access-control-allow-credentials")), (200, Some("true")));
        assert_eq!(server.kept.told(), ["shop u e {}"]);
    }
}
