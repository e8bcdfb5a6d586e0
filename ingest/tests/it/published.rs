//! From the log into a workspace: what is published is what importing the same would have made, whatever stops in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use ingest::collect::{Entry, Fact, Form, Message, Quarantined, Raw, Reason, Sink, Unfit};
use ingest::publish::{PublishError, PublishOptions, Publishing, Reported};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use store::{EventRead, Profile, Store};

use crate::common::{HOUR, NOW, World};

const PATIENCE: Duration = Duration::from_secs(120);

/// Keeps what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Reported for Notes {
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

fn options() -> PublishOptions {
    PublishOptions { interval: Duration::from_millis(1), ..PublishOptions::default() }
}

/// Opens it; one that was dropped may have the log for a moment more.
async fn open(store: &Store) -> Arc<Publishing> {
    let began = Instant::now();
    loop {
        match Publishing::open(store.clone(), options(), Arc::new(Notes::default())).await {
            Ok(publishing) => return publishing,
            Err(PublishError::Log(ingest::log::LogError::InUse { .. })) if began.elapsed() < PATIENCE => {}
            Err(e) => panic!("{}", e.told()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn event(n: u64, user: &str, name: &str, ts: i64, received_at: i64, properties: &str) -> Message {
    let fact = Fact::Event { name: name.to_owned(), properties: properties.to_owned() };
    Message { workspace: "w".into(), user_id: user.into(), ts, received_at, message_id: format!("m{n}"), fact }
}

fn facts(n: u64, user: &str, ts: i64, received_at: i64, attributes: &str) -> Message {
    Message { fact: Fact::Attributes { attributes: attributes.to_owned() }, ..event(n, user, "", ts, received_at, "") }
}

fn entries(messages: &[Message]) -> Vec<Entry> {
    messages.iter().cloned().map(Entry::Message).collect()
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A message of a random stream: late, early, with nulls.
fn random_message(random: &mut Random, n: u64) -> Message {
    let received_at = NOW + n as i64 * 1_000_000;
    let late = [0, 0, 0, 1, 30, 24 * 40][random.below(6) as usize];
    let ts = received_at - late * HOUR - random.below(1_000_000) as i64;
    let user = format!("u{}", random.below(12));
    let number = random.below(5);
    if random.below(3) == 0 {
        let attributes = ["{\"n\":1}", "{\"n\":null,\"city\":\"x\"}", "{\"city\":null}", "{\"n\":7,\"city\":\"y\"}", "{}"];
        return facts(n, &user, ts, received_at, attributes[number as usize]);
    }
    let name = ["buy", "visit"][random.below(2) as usize];
    event(n, &user, name, ts, received_at, &format!("{{\"price\":{number},\"from\":\"p{number}\",\"odd\":null}}"))
}

/// Everything that is known, by user; without numbers, which depend on who came first.
async fn profiles(world: &World) -> BTreeMap<String, Profile> {
    let mut writer = world.workspace.begin_write().await.unwrap();
    let found = (0..12).filter_map(|n| writer.profile(&format!("u{n}")).unwrap());
    found.map(|p| (p.user_id.clone(), Profile { user_no: 0, ..p })).collect()
}

/// The users of the columnar form, in its files' order.
async fn shown(world: &World) -> Vec<String> {
    let pinned = world.workspace.pin().await.unwrap();
    assert_eq!(pinned.profiles.as_of, None, "the columnar form lacks changes");
    pinned.profiles.files.iter().flat_map(|f| ids(&f.path)).collect()
}

fn ids(path: &Path) -> Vec<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap().build().unwrap();
    let column =
        |b: &arrow::record_batch::RecordBatch| b["user_id"].as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>();
    reader.map(Result::unwrap).flat_map(|b| column(&b)).collect()
}

/// Imports what the messages mean: events as they are, facts in the order of their times.
async fn imported(messages: &[Message]) -> World {
    let mut world = World::new().await;
    world.now = NOW + 100 * 24 * HOUR;
    let time = segment_core::time::format_instant;
    let (mut events, mut users) = (String::new(), Vec::new());
    for m in messages {
        match &m.fact {
            Fact::Event { name, properties } => events.push_str(&format!(
                "{{\"user_id\":\"{}\",\"event\":\"{name}\",\"ts\":\"{}\",\"message_id\":\"{}\",\"properties\":{properties}}}\n",
                m.user_id,
                time(m.ts),
                m.message_id
            )),
            Fact::Attributes { attributes } => users.push((
                m.ts,
                format!("{{\"user_id\":\"{}\",\"first_seen_at\":\"{}\",\"attributes\":{attributes}}}\n", m.user_id, time(m.ts)),
            )),
        }
    }
    users.sort_by_key(|(ts, _)| *ts);
    world.events("e.ndjson", events).await.unwrap();
    world.users("u.ndjson", users.into_iter().map(|(_, line)| line).collect::<String>()).await.unwrap();
    world
}

/// Sends a stream, some of it twice, to a server that is dropped wherever it is, again and again.
fn check(seed: u64, count: u64) {
    let mut random = Random(seed);
    let messages: Vec<Message> = (0..count).map(|n| random_message(&mut random, n)).collect();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outer = runtime();
    let world = outer.block_on(World::new());
    let mut sent = 0;
    while sent < messages.len() {
        // Its tasks end where they are when the runtime does.
        let inner = runtime();
        let data = world.path("data");
        let (from, lives) = (sent, 1 + random.below(6));
        let mut steps = Vec::new();
        for _ in 0..lives {
            let next = (sent + random.below(40) as usize).min(messages.len());
            // Some that were stored before are sent again with them.
            let again = next.saturating_sub(random.below(60) as usize);
            steps.push((again.min(sent)..next, random.below(30)));
            sent = next;
        }
        assert!(from <= sent);
        inner.block_on(async {
            // Of its own, as of another process: connections of one runtime are no good in the next.
            let publishing = open(&Store::open(data).await.unwrap()).await;
            for (range, pause) in steps {
                publishing.store(entries(&messages[range])).await.unwrap();
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        });
        inner.shutdown_timeout(Duration::from_millis(1));
    }
    outer.block_on(async {
        let publishing = open(&world.store).await;
        publishing.store(entries(&messages)).await.unwrap();
        publishing.published().await;
        let began = Instant::now();
        while world.workspace.pin().await.unwrap().profiles.as_of.is_some() {
            assert!(began.elapsed() < PATIENCE, "the columnar form stays behind");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(publishing.close().await);
        let model = imported(&messages).await;
        let sorted = |mut events: Vec<crate::common::Event>| {
            events.sort();
            events
        };
        assert_eq!(sorted(world.stored().await), sorted(model.stored().await), "seed {seed}");
        assert_eq!(profiles(&world).await, profiles(&model).await, "seed {seed}");
        let users = shown(&world).await;
        assert_eq!(users.iter().cloned().collect::<BTreeSet<_>>(), profiles(&model).await.into_keys().collect(), "seed {seed}");
        assert_eq!(users.len(), users.iter().collect::<BTreeSet<_>>().len(), "seed {seed}: a user is in two files");
    });
}

#[test]
fn what_is_published_is_what_an_import_makes() {
    for seed in 0..12 {
        check(seed, 400);
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
