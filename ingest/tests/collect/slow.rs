//! Senders that take their time, or never come to an end.

use std::time::Duration;

use ingest::collect::http::BodyTimes;
use ingest::collect::http::server::ServerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{BASIC, Reply, Server};

async fn impatient() -> Server {
    let short = Duration::from_millis(200);
    let times = BodyTimes { idle: short, whole: Duration::from_millis(600), stream: Duration::from_millis(600) };
    Server::with(|collector| collector.with_times(times), ServerLimits { connections: 2, head: short, drain: short }).await
}

async fn to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // Ended hard is ended, too.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn heads_that_do_not_end() {
    let server = impatient().await;
    // Twice as many as there may be: the later ones get their turn when the first are given up.
    let mut streams = Vec::new();
    for beginning in ["", "P", "POST /v1/t HTTP/1.1\r\nHost", "POST /v1/t HTTP/1.1\r\nHost: test\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        let answer = to_the_end(stream).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(server.post("/v1/t", r#"{"userId":"u","event":"e"}"#).await.status, 200);
}

#[tokio::test]
async fn bodies_that_do_not_end() {
    let server = impatient().await;
    for path in ["/v1/t", "/v1/b", "/v1/events"] {
        // Silent after its beginning.
        let mut stream = server.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\n{BASIC}Content-Length: 1000\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(Reply::parse(&to_the_end(&mut stream).await).refusal(), (408, "timeout".to_owned()), "{path}");
        // A byte now and then, without end.
        let (mut read, mut write) = server.connect().await.into_split();
        write.write_all(head.as_bytes()).await.unwrap();
        let dripping = tokio::spawn(async move {
            while write.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answer = Vec::new();
        let _ = read.read_to_end(&mut answer).await;
        assert_eq!(Reply::parse(&answer).refusal(), (408, "timeout".to_owned()), "{path}");
        drop(read);
        dripping.abort();
    }
    assert_eq!(server.kept.calls(), 0);
}

#[tokio::test]
async fn senders_that_go_away() {
    let server = impatient().await;
    for _ in 0..20 {
        let mut stream = server.connect().await;
        let head = format!("POST /v1/b HTTP/1.1\r\nHost: test\r\n{BASIC}Content-Length: 1000\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        drop(stream);
    }
    assert_eq!(server.post("/v1/t", r#"{"userId":"u","event":"e"}"#).await.status, 200);
    assert_eq!(server.kept.told(), ["shop u e {}"]);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut server =
        Server::with(|collector| collector, ServerLimits { drain: Duration::from_millis(100), ..ServerLimits::default() }).await;
    let mut stream = server.connect().await;
    let head = format!("POST /v1/b HTTP/1.1\r\nHost: test\r\n{BASIC}Content-Length: 1000\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    // A whole request on another connection: by then the server has taken this one.
    assert_eq!(server.post("/v1/t", r#"{"userId":"u","event":"e"}"#).await.status, 200);
    server.stop().await.unwrap();
    assert_eq!(to_the_end(&mut stream).await, b"");
}
