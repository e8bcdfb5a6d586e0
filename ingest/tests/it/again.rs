//! Importing again changes nothing, and one message id is one event.

use crate::common::{HOUR, NOW, World};
use segment_core::types::Type;
use segment_core::value::Value;

fn line(user: &str, event: &str, ts: &str, message: &str) -> String {
    format!(r#"{{"user_id":"{user}","event":"{event}","ts":"{ts}","message_id":"{message}"}}"#)
}

#[tokio::test]
async fn the_same_file_changes_nothing() {
    for (name, content) in [
        ("e.csv", "user_id,event,ts,x\na,e,2024-01-01,1\na,e,2024-01-01,1\nb,f,2024-02-01,2.5\n".to_owned()),
        ("e.ndjson", "{\"user_id\":\"a\",\"event\":\"e\",\"ts\":\"2024-01-01\"}\n".repeat(3)),
    ] {
        for hours in [1, 23, 25, 24 * 400] {
            let mut world = World::new().await;
            let first = world.events(name, &content).await.unwrap();
            // Equal rows in different places are different events.
            assert_eq!((first.events.written, first.changed), (3, true));
            let before = (world.stored().await, world.catalog().await, world.workspace.pin().await.unwrap().version);
            world.now = NOW + hours * HOUR;
            // Neither the name nor the folder matters, nor how it is compressed.
            let again = world.events(&format!("other_{name}.gz"), crate::common::gzip(content.as_bytes())).await.unwrap();
            assert_eq!((again.events.written, again.events.duplicates, again.changed), (0, 3, false), "{name} {hours}");
            assert_eq!((world.stored().await, world.catalog().await, world.workspace.pin().await.unwrap().version), before);
        }
    }
}

#[tokio::test]
async fn a_longer_file_adds_its_end() {
    let world = World::new().await;
    let start = "user_id,event,ts\na,e,2024-01-01\n";
    world.events("e.csv", start).await.unwrap();
    let report = world.events("e.csv", format!("{start}b,e,2024-01-01\n")).await.unwrap();
    assert_eq!((report.events.written, report.events.duplicates), (1, 1));
}

#[tokio::test]
async fn one_message_id_is_one_event_within_the_horizon() {
    let mut world = World::new().await;
    let both = [line("a", "e", "2024-01-01", "m"), line("b", "f", "2024-01-02", "m"), line("a", "e", "2024-01-01", "n")].join("\n");
    let report = world.events("e.ndjson", both).await.unwrap();
    assert_eq!((report.events.written, report.events.duplicates), (2, 1));
    assert!(world.profile("b").await.is_none());
    assert!(!world.catalog().await.events.contains_key("f"));
    world.now = NOW + 23 * HOUR;
    let report = world.events("f.ndjson", line("c", "g", "2024-03-01", "m")).await.unwrap();
    assert_eq!((report.events.written, report.events.duplicates), (0, 1));
    // Beyond it, only an event that is the same in all that identifies it is one.
    world.now = NOW + 25 * HOUR;
    let report = world.events("g.ndjson", line("a", "e", "2024-01-01", "m")).await.unwrap();
    assert_eq!((report.events.written, report.events.duplicates), (0, 1));
    let report = world.events("h.ndjson", line("a", "e", "2024-01-01T00:00:01Z", "m")).await.unwrap();
    assert_eq!((report.events.written, report.events.duplicates), (1, 0));
}

#[tokio::test]
async fn duplicates_teach_nothing() {
    let world = World::new().await;
    world.events("e.ndjson", r#"{"user_id":"a","event":"e","ts":"2024-01-01","message_id":"m","x":1}"#).await.unwrap();
    world.events("f.ndjson", r#"{"user_id":"a","event":"e","ts":"2024-01-01","message_id":"m","x":1.5,"y":1}"#).await.unwrap();
    assert_eq!((world.property("x").await, world.property("y").await), (Some(Type::Integer), None));
}

#[tokio::test]
async fn mapping_does_not_change_what_a_row_is() {
    let world = World::new().await;
    world.events("e.csv", "user_id,event,ts,x\na,e,2024-01-01,1\n").await.unwrap();
    let mut request = world.request();
    request.events = vec![world.path("e.csv")];
    request.set = vec![("event".to_owned(), "f".to_owned())];
    assert_eq!(world.import(request).await.unwrap().events.duplicates, 1);
}

#[tokio::test]
async fn a_user_file_applied_before_does_not_come_back() {
    let mut world = World::new().await;
    let (a, b) = ("user_id,country\nu,FR\nv,FR\n", "user_id,country\nu,DE\n");
    world.users("a.csv", a).await.unwrap();
    world.now += HOUR;
    world.users("b.csv", b).await.unwrap();
    world.now += HOUR;
    let again = world.users("renamed.csv", a).await.unwrap();
    assert_eq!((again.users.rows, again.users.merged, again.users.applied_before, again.changed), (2, 0, 2, false));
    let country = |profile: store::Profile| profile.attributes["country"].clone();
    assert_eq!(country(world.profile("u").await.unwrap()), Value::String("DE".to_owned()));
    // A file that grew: its new rows count.
    world.now += HOUR;
    let grown = world.users("a.csv", format!("{a}w,IT\nu,AT\n")).await.unwrap();
    assert_eq!((grown.users.merged, grown.users.applied_before), (2, 2));
    assert_eq!(country(world.profile("u").await.unwrap()), Value::String("AT".to_owned()));
    assert_eq!(country(world.profile("w").await.unwrap()), Value::String("IT".to_owned()));
    // Read in another way it is another file.
    let mut request = world.request();
    request.users = vec![world.path("a.csv")];
    request.map = vec![("land".to_owned(), "country".to_owned())];
    assert_eq!(world.import(request).await.unwrap().users.merged, 4);
}

#[tokio::test]
async fn the_later_line_wins() {
    let world = World::new().await;
    let lines: String = (0..50_000).map(|i| format!("u{},{i}\n", i % 10)).collect();
    world.users("u.csv", format!("user_id,n\n{lines}")).await.unwrap();
    for i in 0..10 {
        assert_eq!(world.profile(&format!("u{i}")).await.unwrap().attributes["n"], Value::Integer(49_990 + i));
    }
}
