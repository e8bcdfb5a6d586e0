//! From the log into a workspace: what is published is what importing the same would have made, whatever stops in between.

use ingest::collect::{Entry, Form, Message, Quarantined, Raw, Reason, Sink, Unfit};
use store::{EventRead, StoreConfig};

use crate::common::{HOUR, NOW, World};
use crate::stream::{check, entries, event, open};

#[test]
fn what_is_published_is_what_an_import_makes() {
    for seed in 0..12 {
        check(&StoreConfig::default(), "w", seed, 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_imported_is_not_collected_again() {
    let world = World::new().await;
    let line = |n: u64| format!("{{\"user_id\":\"u0\",\"event\":\"buy\",\"ts\":\"2024-05-31T20:00:00Z\",\"message_id\":\"m{n}\"}}\n");
    world.events("e.ndjson", line(0) + &line(1)).await.unwrap();
    let publishing = open(&world.store).await;
    // Whatever else the second one carries; and beyond the horizon it is another event.
    let (now, later) = (NOW + HOUR, NOW + 25 * HOUR);
    let messages = [event(0, "u1", "visit", now, now, "{}"), event(2, "u1", "visit", now, now, "{}")];
    publishing.store(entries(&messages)).await.unwrap();
    publishing.published().await;
    publishing.store(entries(&[event(1, "u2", "visit", later, later, "{}")])).await.unwrap();
    publishing.published().await;
    assert_eq!(publishing.stats().await[0].duplicates, 1);
    assert!(publishing.close().await);
    // The other way round.
    let mut again = world;
    again.now = NOW + 2 * HOUR;
    again.events("f.ndjson", line(2) + &line(3)).await.unwrap();
    let stored: Vec<(String, String)> = again.stored().await.into_iter().map(|e| (e.message_id, e.user_id)).collect();
    let mut stored: Vec<(&str, &str)> = stored.iter().map(|(m, u)| (m.as_str(), u.as_str())).collect();
    stored.sort_unstable();
    assert_eq!(stored, [("m0", "u0"), ("m1", "u0"), ("m1", "u2"), ("m2", "u1"), ("m3", "u0")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_beyond_the_horizon_is_one_if_all_is_the_same() {
    let world = World::new().await;
    let publishing = open(&world.store).await;
    let later = NOW + 30 * HOUR;
    for messages in [
        [event(0, "u1", "buy", NOW, NOW, "{}"), event(1, "u1", "buy", NOW, NOW, "{}")],
        [event(0, "u1", "buy", NOW, later, "{}"), event(1, "u2", "buy", NOW, later, "{}")],
    ] {
        publishing.store(entries(&messages)).await.unwrap();
        publishing.published().await;
    }
    assert!(publishing.close().await);
    let mut stored: Vec<String> = world.stored().await.into_iter().map(|e| format!("{} {}", e.message_id, e.user_id)).collect();
    stored.sort_unstable();
    assert_eq!(stored, ["m0 u1", "m1 u1", "m1 u2"]);
    assert_eq!(world.profile("u2").await.unwrap().first_seen_at, Some(NOW));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unusable_is_in_quarantine_once() {
    let world = World::new().await;
    let unfit = |bytes: &[u8]| {
        let raw = Raw { form: Form::Line, sent_at: None, context: None, id: "i".into(), bytes: bytes.to_vec().into() };
        let unfit = Unfit { reason: Reason::NoTime, pointer: "/ts".to_owned(), message: "there is no time".to_owned() };
        Entry::Quarantined(Quarantined { workspace: "w".to_owned(), received_at: NOW, unfit, raw })
    };
    let publishing = open(&world.store).await;
    let mut sent = vec![unfit(b"{}"), Entry::Message(event(0, "u1", "buy", NOW, NOW, "{}")), unfit(b"[1]")];
    publishing.store(sent.clone()).await.unwrap();
    publishing.published().await;
    sent.push(unfit(b"{}"));
    publishing.store(sent).await.unwrap();
    publishing.published().await;
    assert!(publishing.close().await);
    let (rows, count, dropped) = world.workspace.quarantine(10).await.unwrap();
    assert_eq!((rows.len(), count, dropped), (2, 2, 0));
    assert_eq!((rows[0].unusable.reason.as_str(), rows[0].unusable.pointer.as_str()), ("no_time", "/ts"));
    assert_eq!(world.workspace.ask_replay(Some("no_event")).await.unwrap(), 0);
    assert_eq!(world.workspace.ask_replay(None).await.unwrap(), 2);
    let asked = world.workspace.asked_replays(10).await.unwrap();
    world.workspace.end_replay(&[asked[0].id], &[asked[1].id]).await.unwrap();
    let (rows, ..) = world.workspace.quarantine(10).await.unwrap();
    assert_eq!(rows.iter().map(|r| (r.id, r.replay)).collect::<Vec<_>>(), [(asked[1].id, false)]);
    assert_eq!(world.stored().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recent_files_stay_few_and_go_into_the_table() {
    let world = World::new().await;
    let publishing = open(&world.store).await;
    for n in 0..40 {
        // A new property now and then, so that files differ in their columns.
        let properties = format!("{{\"p{}\":{n}}}", n / 10);
        publishing.store(entries(&[event(n, "u1", "buy", NOW, NOW, &properties)])).await.unwrap();
        publishing.published().await;
    }
    let all = EventRead { names: None, prefix: None, start: None, end: i64::MAX };
    let pinned = world.workspace.pin().await.unwrap();
    let plan = pinned.events.plan(std::slice::from_ref(&all)).await.unwrap();
    assert!(plan.files.len() <= 17 && plan.rows_total == 40 && pinned.events.id().is_none(), "{}", plan.files.len());
    // Of many days there are many files, until they go into the table.
    let days: Vec<Message> = (0..1_030).map(|n| event(100 + n, "u2", "buy", NOW - n as i64 * 24 * HOUR, NOW, "{}")).collect();
    publishing.store(entries(&days)).await.unwrap();
    publishing.published().await;
    publishing.store(entries(&[event(50, "u1", "buy", NOW, NOW, "{}")])).await.unwrap();
    publishing.published().await;
    assert!(publishing.close().await);
    let pinned = world.workspace.pin().await.unwrap();
    let plan = pinned.events.plan(&[all]).await.unwrap();
    assert!(pinned.events.id().is_some());
    assert_eq!((plan.rows_total, plan.files.len()), (1_071, 1_031));
    let stored = world.stored().await;
    assert_eq!(stored.iter().filter(|e| e.user_id == "u1").count(), 41);
    assert_eq!(stored.iter().filter(|e| e.values.contains_key("p3")).count(), 10);
    // An import that finds them in the table does not write them again.
    let line = "{\"user_id\":\"u1\",\"event\":\"buy\",\"ts\":\"2024-06-01T00:00:00Z\",\"message_id\":\"m3\"}\n";
    assert_eq!(world.events("e.ndjson", line).await.unwrap().events.duplicates, 1);
}
