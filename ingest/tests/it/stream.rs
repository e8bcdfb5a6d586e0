//! Random streams of messages, a server to send them to, and what they come to: by importing the same, and by plain thinking.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use ingest::collect::{Entry, Fact, Message, Sink};
use ingest::publish::{PublishError, PublishOptions, Publishing, Reported, UserNow};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use segment_core::json::Json;
use store::{Profile, Store, StoreConfig, StoreError};

use crate::common::{Event, HOUR, NOW, World};

/// How long anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Users of a random stream.
const USERS: u64 = 12;

/// Keeps what it is told.
#[derive(Default)]
pub struct Notes(Mutex<Vec<String>>);

impl Reported for Notes {
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

impl Notes {
    /// Whether it was told something with these words.
    pub fn has(&self, words: &str) -> bool {
        self.0.lock().unwrap().iter().any(|note| note.contains(words))
    }
}

fn options() -> PublishOptions {
    PublishOptions { interval: Duration::from_millis(1), ..PublishOptions::default() }
}

/// Opens it; one that was dropped may have the log for a moment more.
pub async fn open(store: &Store) -> Arc<Publishing> {
    open_with(store, options(), Arc::default()).await
}

pub async fn open_with(store: &Store, options: PublishOptions, notes: Arc<Notes>) -> Arc<Publishing> {
    let began = Instant::now();
    loop {
        match Publishing::open(store.clone(), options.clone(), notes.clone()).await {
            Ok(publishing) => return publishing,
            Err(PublishError::Log(ingest::log::LogError::InUse { .. })) if began.elapsed() < PATIENCE => {}
            Err(e) => panic!("{}", e.told()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn event(n: u64, user: &str, name: &str, ts: i64, received_at: i64, properties: &str) -> Message {
    let fact = Fact::Event { name: name.to_owned(), properties: properties.to_owned() };
    Message { workspace: "w".into(), user_id: user.into(), ts, received_at, message_id: format!("m{n}"), fact }
}

pub fn facts(n: u64, user: &str, ts: i64, received_at: i64, attributes: &str) -> Message {
    Message { fact: Fact::Attributes { attributes: attributes.to_owned() }, ..event(n, user, "", ts, received_at, "") }
}

pub fn entries(messages: &[Message]) -> Vec<Entry> {
    messages.iter().cloned().map(Entry::Message).collect()
}

/// The attribute that is a map.
const POSITIONS: &str = "positions";

/// A world in which it is declared.
pub async fn world(config: StoreConfig, name: &str) -> World {
    let world = World::over(config, name, "UTC").await;
    world.declare(&format!("{{\"attributes\":{{\"{POSITIONS}\":{{\"type\":\"map\",\"values\":\"integer\"}}}}}}")).await;
    world
}

/// Numbers that look random.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    /// A message of a random stream: late, early, with nulls.
    pub fn message(&mut self, n: u64, workspace: &str) -> Message {
        let received_at = NOW + n as i64 * 1_000_000;
        let late = [0, 0, 0, 1, 30, 24 * 40][self.below(6) as usize];
        let ts = received_at - late * HOUR - self.below(1_000_000) as i64;
        let user = format!("u{}", self.below(USERS));
        let number = self.below(5);
        let message = if self.below(3) == 0 {
            let attributes = ["{\"n\":1}", "{\"n\":null,\"city\":\"x\"}", "{\"city\":null}", "{\"n\":7,\"city\":\"y\"}", "{}"];
            // A map, some of whose keys are set or removed, or all of them.
            let positions = ["{\"a\":1}", "{\"a\":null,\"b\":2}", "{\"c\":5,\"b\":3}", "{\"c\":null}", "null"][self.below(5) as usize];
            match self.below(2) {
                0 => facts(n, &user, ts, received_at, attributes[number as usize]),
                _ => facts(n, &user, ts, received_at, &format!("{{\"{POSITIONS}\":{positions}}}")),
            }
        } else {
            let name = ["buy", "visit"][self.below(2) as usize];
            event(n, &user, name, ts, received_at, &format!("{{\"price\":{number},\"from\":\"p{number}\",\"odd\":null}}"))
        };
        Message { workspace: workspace.to_owned(), ..message }
    }
}

/// A user after these messages, by plain thinking.
pub fn meant(messages: &[Message], user: &str) -> Option<UserNow> {
    let mut now = UserNow { first_seen_at: None, last_seen_at: None, attributes: Vec::new() };
    let mut said: BTreeMap<String, (i64, Json)> = BTreeMap::new();
    let (mut positions, mut cleared): (BTreeMap<String, (i64, Json)>, _) = (BTreeMap::new(), i64::MIN);
    for message in messages.iter().filter(|m| m.user_id == user) {
        now.first_seen_at = Some(now.first_seen_at.map_or(message.ts, |first| first.min(message.ts)));
        match &message.fact {
            Fact::Event { .. } => now.last_seen_at = now.last_seen_at.max(Some(message.ts)),
            Fact::Attributes { attributes } => {
                let Json::Object(members) = Json::parse(attributes).unwrap() else { panic!("{attributes}") };
                for (name, value) in members {
                    if name == POSITIONS && value.is_null() {
                        cleared = cleared.max(message.ts);
                    }
                    let entries = match &value {
                        Json::Object(entries) if name == POSITIONS => entries,
                        _ => &Vec::new(),
                    };
                    for (key, value) in entries {
                        if positions.get(key).is_none_or(|(at, _)| *at <= message.ts) {
                            positions.insert(key.clone(), (message.ts, value.clone()));
                        }
                    }
                    if said.get(&name).is_none_or(|(at, _)| *at <= message.ts) {
                        said.insert(name, (message.ts, value));
                    }
                }
            }
        }
    }
    if let Some((_, Json::Object(entries))) = said.get_mut(POSITIONS) {
        let present = positions.into_iter().filter(|(_, (at, value))| *at >= cleared && !value.is_null());
        *entries = present.map(|(key, (_, value))| (key, value)).collect();
    }
    now.attributes = said.into_iter().filter(|(_, (_, value))| !value.is_null()).map(|(name, (_, value))| (name, value)).collect();
    now.first_seen_at.map(|_| now)
}

/// Reads a user of whom these messages were acknowledged: as they say, or not now. Whether it was read.
pub async fn read(publishing: &Publishing, acknowledged: &[Message], workspace: &str, user: &str) -> bool {
    match publishing.user(workspace, user).await {
        Ok(found) => assert_eq!(found, meant(acknowledged, user), "{user} after {} messages", acknowledged.len()),
        Err(PublishError::Store(StoreError::Busy(_) | StoreError::Unavailable { .. })) => return false,
        Err(e) => panic!("{}", e.told()),
    }
    true
}

/// Everything that is known, by user; without numbers, which depend on who came first.
async fn profiles(world: &World) -> BTreeMap<String, Profile> {
    let mut writer = world.workspace.begin_write().await.unwrap();
    let found = (0..USERS).filter_map(|n| writer.profile(&format!("u{n}")).unwrap());
    found.map(|p| (p.user_id.clone(), Profile { user_no: 0, ..p })).collect()
}

/// The users of the columnar form, in its files' order.
async fn shown(world: &World) -> Vec<String> {
    let began = Instant::now();
    let pinned = loop {
        let pinned = world.workspace.pin().await.unwrap();
        // The mirror of Cassandra follows when it is asked.
        if pinned.profiles.as_of.is_none() || world.config.cassandra.is_some() {
            break pinned;
        }
        assert!(began.elapsed() < PATIENCE, "the columnar form stays behind");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut out = Vec::new();
    for file in &pinned.profiles.files {
        let file = std::fs::File::open(&file.path).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            out.extend(batch.unwrap()["user_id"].as_string::<i32>().iter().flatten().map(str::to_owned));
        }
    }
    out
}

/// Imports what the messages mean: events as they are, facts in the order of their times.
async fn imported(messages: &[Message]) -> World {
    let mut world = world(StoreConfig::default(), "w").await;
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

/// Compares what a server came to, all of it published, with what importing the same makes; and closes it.
pub async fn compare(world: &World, publishing: &Publishing, messages: &[Message], what: &str) {
    let users = shown(world).await;
    for n in 0..=USERS {
        let user = format!("u{n}");
        assert!(read(publishing, messages, world.workspace.name(), &user).await, "{what}: {user} is not read");
    }
    assert!(publishing.close().await, "{what}: not all is published");
    let model = imported(messages).await;
    let sorted = |mut events: Vec<Event>| {
        events.sort();
        events
    };
    assert_eq!(sorted(world.stored().await), sorted(model.stored().await), "{what}");
    let expected = profiles(&model).await;
    assert_eq!(profiles(world).await, expected, "{what}");
    assert_eq!(users.iter().cloned().collect::<BTreeSet<_>>(), expected.into_keys().collect(), "{what}");
    assert_eq!(users.len(), users.iter().collect::<BTreeSet<_>>().len(), "{what}: a user is in two files");
}

/// Sends a stream, some of it twice, to a server that is dropped wherever it is, again and again; and reads users meanwhile.
pub fn check(config: &StoreConfig, name: &str, seed: u64, count: u64) {
    let mut random = Random(seed);
    let messages: Vec<Message> = (0..count).map(|n| random.message(n, name)).collect();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outer = runtime();
    let world = outer.block_on(self::world(config.clone(), name));
    let (mut sent, mut reads) = (0, 0);
    while sent < messages.len() {
        // Its tasks end where they are when the runtime does.
        let inner = runtime();
        let lives = 1 + random.below(6);
        let mut steps = Vec::new();
        for _ in 0..lives {
            let next = (sent + random.below(40) as usize).min(messages.len());
            // Some that were stored before are sent again with them.
            let again = next.saturating_sub(random.below(60) as usize);
            steps.push((again.min(sent)..next, random.below(30)));
            sent = next;
        }
        inner.block_on(async {
            // Of its own, as of another process: connections of one runtime are no good in the next.
            let publishing = open(&world.another_store().await).await;
            for (range, pause) in steps {
                let acknowledged = &messages[..range.end];
                publishing.store(entries(&messages[range])).await.unwrap();
                if let Some(last) = acknowledged.last() {
                    reads += usize::from(read(&publishing, acknowledged, name, &last.user_id).await);
                }
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        });
        inner.shutdown_timeout(Duration::from_millis(1));
    }
    assert!(reads > 0, "seed {seed}: nobody was read");
    outer.block_on(async {
        let publishing = open(&world.store).await;
        publishing.store(entries(&messages)).await.unwrap();
        publishing.published().await;
        compare(&world, &publishing, &messages, &format!("seed {seed}")).await;
    });
}
