//! Unusable rows are set aside; too many of them stop the import with nothing half-done.

use crate::common::World;
use ingest::{ImportError, Place, Reason};

const GOOD: &str = r#"{"user_id":"u","event":"e","ts":"2024-01-01"}"#;

async fn check(line: impl AsRef<[u8]>, reason: Reason, place: Option<Place>) {
    let line = line.as_ref();
    let world = World::new().await;
    let content = [GOOD.as_bytes(), b"\n\n", line, b"\n"].concat();
    let error = world.events("e.ndjson", &content).await.unwrap_err();
    let text = String::from_utf8_lossy(line).into_owned();
    let ImportError::TooManyRejects { count, max, first, file, stopped } = error else { panic!("{text}: {error}") };
    assert_eq!((count, max, stopped), (1, 0, false), "{text}");
    assert_eq!((first[0].line, first[0].reason, &first[0].column), (3, reason, &place), "{text}: {}", first[0].message);
    assert_eq!(file.unwrap(), world.path("rejects.ndjson"));
    assert_eq!((world.stored().await.len(), world.catalog().await.events.len()), (0, 0));
    assert!(world.profile("u").await.is_none());
    // Put up with, the other row is imported.
    let mut request = world.request();
    request.events = vec![world.path("e.ndjson")];
    request.max_rejects = 1;
    let report = world.import(request).await.unwrap();
    assert_eq!((report.rows_read, report.events.written, report.rejected.count), (2, 1, 1), "{text}");
    assert_eq!(report.rejected.reasons[reason.name()], 1);
    let rejects = world.rejects();
    assert_eq!((rejects.len(), rejects[0]["line"].as_u64(), rejects[0]["raw"].as_str()), (1, Some(3), Some(text.as_str())));
}

fn field(name: &str) -> Option<Place> {
    Some(Place::Field(name.to_owned()))
}

#[tokio::test]
async fn json_lines() {
    check(r#"{"event":"e","ts":"2024-01-01"}"#, Reason::NoUserId, field("user_id")).await;
    check(r#"{"user_id":null,"event":"e","ts":"2024-01-01"}"#, Reason::NoUserId, field("user_id")).await;
    check(r#"{"user_id":"","event":"e","ts":"2024-01-01"}"#, Reason::NoUserId, field("user_id")).await;
    check(r#"{"user_id":"a\u0007","event":"e","ts":"2024-01-01"}"#, Reason::BadUserId, field("user_id")).await;
    check(r#"{"user_id":1.5,"event":"e","ts":"2024-01-01"}"#, Reason::BadUserId, field("user_id")).await;
    check(r#"{"user_id":"u","ts":"2024-01-01"}"#, Reason::NoEvent, field("event")).await;
    check(r#"{"user_id":"u","event":"","ts":"2024-01-01"}"#, Reason::NoEvent, field("event")).await;
    check(r#"{"user_id":"u","event":5,"ts":"2024-01-01"}"#, Reason::NoEvent, field("event")).await;
    check(r#"{"user_id":"u","event":"e"}"#, Reason::NoTime, field("ts")).await;
    check(r#"{"user_id":"u","event":"e","ts":"yesterday"}"#, Reason::NoTime, field("ts")).await;
    check(r#"{"user_id":"u","event":"e","ts":1704067200}"#, Reason::NoTime, field("ts")).await;
    check(r#"{"user_id":"u","event":"e","ts":"2024-01-01","x":[{"y":9223372036854775808}]}"#, Reason::IntegerOverflow, field("x")).await;
    check(r#"{"user_id":"u",}"#, Reason::MalformedJson, Some(Place::Byte(16))).await;
    check(r#"{"é":"é", no}"#, Reason::MalformedJson, Some(Place::Byte(13))).await;
    check(r#"[1]"#, Reason::MalformedJson, Some(Place::Byte(1))).await;
    check(b"{\"user_id\":\"\xff\"}", Reason::NotUtf8, Some(Place::Byte(13))).await;
}

#[tokio::test]
async fn csv_rows() {
    let world = World::new().await;
    let csv: &[u8] = b"user_id,event,ts,x\nu,e,2024-01-01,\"two\nlines\"\nu,e,2024-01-01\nu,e,2024-01-01,1,2\n,e,2024-01-01,\nu,,2024-01-01,\nu,e,,\nu,e,2024-01-01,\xff\n";
    let mut request = world.request();
    request.events = vec![world.file("e.csv", csv)];
    request.max_rejects = 6;
    let report = world.import(request).await.unwrap();
    assert_eq!((report.events.written, report.rejected.count), (1, 6));
    let rejects = world.rejects();
    let told: Vec<_> = rejects.iter().map(|r| (r["line"].as_u64().unwrap(), r["reason"].as_str().unwrap())).collect();
    let expected = [(4, "wrong_width"), (5, "wrong_width"), (6, "no_user_id"), (7, "no_event"), (8, "no_time"), (9, "not_utf8")];
    assert_eq!(told, expected);
    assert_eq!(rejects[5]["column"], "x");
    assert_eq!(world.stored().await[0].values["x"], "two\nlines");
}

#[tokio::test]
async fn user_rows() {
    let world = World::new().await;
    let mut request = world.request();
    request.users = vec![world.file("u.csv", "user_id,first_seen_at\nu,soon\nv,\n")];
    let error = world.import(request.clone()).await.unwrap_err();
    assert!(error.to_string().contains("u.csv:2: first_seen_at: \"soon\" is no time"), "{error}");
    assert!(error.to_string().contains("1 row is unusable and 0 allowed; nothing was imported"), "{error}");
    assert!(world.profile("v").await.is_none());
    request.max_rejects = 1;
    world.import(request).await.unwrap();
    assert!(world.profile("v").await.is_some());
}

#[tokio::test]
async fn integers_that_csv_writes_are_text() {
    let world = World::new().await;
    world.events("e.csv", "user_id,event,ts,order\nu,e,2024-01-01,99999999999999999999\n").await.unwrap();
    assert_eq!(world.stored().await[0].values["order"], "99999999999999999999");
}

#[tokio::test]
async fn reading_stops_when_it_is_hopeless() {
    let world = World::new().await;
    let error = world.events("e.ndjson", "{}\n".repeat(100_000)).await.unwrap_err();
    let ImportError::TooManyRejects { count, stopped, first, .. } = error else { panic!("{error}") };
    assert!(stopped && count >= 1_000 && first.len() == 5);
    assert_eq!(world.rejects().len() as u64, count);
}

#[tokio::test]
async fn csv_lines_are_those_of_the_file() {
    let world = World::new().await;
    for (name, text, line) in [
        ("crlf", "user_id,event,ts\r\nu,e,2024-01-01\r\nu,e,bad\r\n", 3),
        ("blank", "user_id,event,ts\n\n\nu,e,2024-01-01\n\r\n\nu,e,bad\n", 7),
        ("quoted", "\u{feff}\"user_id\",event,ts\n\"u\",\"e\n\"\"e\"\"\r\n\",2024-01-01\nu,e,bad", 5),
    ] {
        let error = world.events(&format!("{name}.csv"), text).await.unwrap_err();
        let ImportError::TooManyRejects { first, .. } = error else { panic!("{name}: {error}") };
        assert_eq!((first.len(), first[0].line, first[0].reason), (1, line, Reason::NoTime), "{name}");
    }
}

#[tokio::test]
async fn a_quote_that_is_never_closed_loses_no_row_in_silence() {
    let world = World::new().await;
    let text = "user_id,event,ts,n\nu,e,2024-01-01,a \"quote\" inside\nu,e,2024-01-01,\"oops\nu,e,2024-01-01,x\n";
    let error = world.events("open.csv", text).await.unwrap_err();
    let causes = format!("{error:?}");
    assert!(causes.contains("the quote opened in line 3 is never closed"), "{causes}");
    assert_eq!(world.stored().await, []);
}
