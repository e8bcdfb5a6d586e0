//! What is published while profiles are in Cassandra, or the lake is on S3 with its catalog in Postgres: the same as embedded, whatever stops in between.

use std::time::{Duration, Instant};

use ingest::collect::{Message, Sink};
use ingest::publish::PublishOptions;
use segment_core::value::Value;
use store::cassandra::{Cassandra, Keyspace};
use store::{AttributeWrite, CassandraConfig, StoreConfig};

use crate::common::{NOW, World};
use crate::stream::{PATIENCE, check, entries, facts, open_with, read};

/// Messages of a stream over Cassandra, where a commit takes some tenths of a second, and over a shared lake, where it takes a second.
const MESSAGES: u64 = 200;
const MESSAGES_OF_A_LAKE: u64 = 100;
/// Writes that another server is to see.
const WRITES: u64 = 30;

/// A name that no other test has, of the characters that a keyspace may have.
pub fn unique(what: &str) -> String {
    format!("{what}{}", &uuid::Uuid::new_v4().simple().to_string()[..8])
}

/// What the engines are; where they are not started, that is said.
fn engines<T>(found: Result<T, String>) -> Option<T> {
    found.map_err(|error| println!("skipped: {error}")).ok()
}

fn cassandra() -> Option<CassandraConfig> {
    engines(store::engines::cassandra(unique("ingest_")))
}

/// Removes the keyspace of a workspace.
async fn forget(config: &CassandraConfig, workspace: &str) {
    let cassandra = Cassandra::connect(config).await.unwrap();
    Keyspace::open(&cassandra, workspace).await.unwrap().drop_all().await.unwrap();
}

fn check_all(config: &StoreConfig, seeds: std::ops::Range<u64>, count: u64) {
    for seed in seeds {
        let name = unique("ingest_");
        check(config, &name, seed, count);
        if let Some(cassandra) = &config.cassandra {
            tokio::runtime::Runtime::new().unwrap().block_on(forget(cassandra, &name));
        }
    }
}

#[test]
fn profiles_in_cassandra_are_what_an_import_makes() {
    let Some(cassandra) = cassandra() else { return };
    check_all(&StoreConfig { cassandra: Some(cassandra), ..StoreConfig::default() }, 100..108, MESSAGES);
}

#[test]
fn a_shared_lake_is_what_an_import_makes() {
    let Some(lake) = engines(store::engines::lake()) else { return };
    check_all(&StoreConfig { lake: Some(lake), ..StoreConfig::default() }, 200..202, MESSAGES_OF_A_LAKE);
}

#[test]
fn a_shared_lake_beside_cassandra_is_what_an_import_makes() {
    let (Some(cassandra), Some(lake)) = (cassandra(), engines(store::engines::lake())) else { return };
    check_all(&StoreConfig { cassandra: Some(cassandra), lake: Some(lake), ..StoreConfig::default() }, 300..302, MESSAGES_OF_A_LAKE);
}

/// There is one server to a directory. What else reads its users is a process with the directory's settings and a connection of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_cassandra_sees_it_within_a_second() {
    let Some(cassandra) = cassandra() else { return };
    let config = StoreConfig { cassandra: Some(CassandraConfig { mirror_age_max_s: 5, ..cassandra.clone() }), ..StoreConfig::default() };
    let world = World::over(config, "w", "UTC").await;
    let publishing = open_with(&world.store, PublishOptions::default(), std::sync::Arc::default()).await;
    let other = world.another_store().await.workspace("w").await.unwrap().unwrap();
    assert_eq!(other.user("u0").await.unwrap(), None, "nothing was ever written");
    let mut sent: Vec<Message> = Vec::new();
    let mut took = Vec::new();
    for n in 0..WRITES {
        let (user, at) = (format!("u{}", n % 3), NOW + n as i64);
        sent.push(facts(n, &user, at, at, &format!("{{\"n\":{n}}}")));
        publishing.store(entries(&sent[n as usize..])).await.unwrap();
        let began = Instant::now();
        // This one sees it at once.
        assert!(read(&publishing, &sent, "w", &user).await);
        loop {
            let found = other.user(&user).await.unwrap().and_then(|facts| facts.attributes.get("n").cloned());
            match found.map(|facts| (facts.written_at(), facts.into_said())) {
                Some((time, AttributeWrite::Value(Value::Integer(seen)))) if seen.unsigned_abs() == n => {
                    assert_eq!(time, at);
                    break;
                }
                Some((_, AttributeWrite::Value(Value::Integer(seen)))) if seen.unsigned_abs() + 3 == n => {}
                None if n < 3 => {}
                found => panic!("{found:?} of {user} before write {n} is seen"),
            }
            assert!(began.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        took.push(began.elapsed());
    }
    took.sort_unstable();
    println!("seen by another after {:?} in the middle, {:?} at most", took[took.len() / 2], took[took.len() - 1]);
    assert!(publishing.close().await);
    forget(&cassandra, "w").await;
}

/// Cassandra does not tell when something was cleared, and yet what was so before stays hidden.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cleared_stays_so_for_what_comes_late() {
    let Some(cassandra) = cassandra() else { return };
    let config = StoreConfig { cassandra: Some(cassandra.clone()), ..StoreConfig::default() };
    let world = crate::stream::world(config, "w").await;
    // Commits so far apart that what is sent later is not published while it is read.
    let options = PublishOptions { interval: Duration::from_secs(30), ..PublishOptions::default() };
    let publishing = open_with(&world.store, options, std::sync::Arc::default()).await;
    let hour = |n: i64| NOW + n * crate::common::HOUR;
    let mut sent = vec![
        facts(4, "u1", hour(1), hour(9), r#"{"n":5}"#),
        facts(5, "u1", hour(2), hour(9), r#"{"n":6}"#),
        facts(0, "u0", hour(1), hour(9), r#"{"n":1,"city":"x","tags":["a"],"home":{"city":"y"}}"#),
        facts(1, "u0", hour(3), hour(9), r#"{"n":null,"home":null,"never":null}"#),
        facts(2, "u0", hour(4), hour(9), r#"{"n":"no number"}"#),
        facts(6, "u2", hour(1), hour(9), r#"{"positions":{"a":1,"b":1}}"#),
        facts(7, "u2", hour(3), hour(9), r#"{"positions":{"a":null}}"#),
        facts(8, "u3", hour(3), hour(9), r#"{"positions":null}"#),
        facts(9, "u3", hour(4), hour(9), r#"{"positions":{"c":4}}"#),
    ];
    publishing.store(entries(&sent)).await.unwrap();
    publishing.published().await;
    let committed = world.workspace.user("u0").await.unwrap().unwrap();
    let said: Vec<_> = committed.attributes.iter().map(|(name, facts)| (name.as_str(), facts.written_at(), facts.said().clone())).collect();
    let text = |s: &str| Value::String(s.to_owned());
    assert_eq!(
        said,
        [
            ("city", hour(1), AttributeWrite::Value(text("x"))),
            ("home", hour(3), AttributeWrite::Null),
            ("n", hour(4), AttributeWrite::Raw("\"no number\"".to_owned())),
            ("never", hour(3), AttributeWrite::Null),
            ("tags", hour(1), AttributeWrite::Value(Value::Strings(vec!["a".to_owned()]))),
        ]
    );
    assert_eq!((committed.stated_first_seen, committed.seen), (Some(hour(1)), None));
    // Older than what it is about, and newer.
    sent.push(facts(3, "u0", hour(2), hour(9), r#"{"n":2,"home":{"city":"z"},"never":1,"city":"late","tags":null}"#));
    // Keys of a map: of one that was removed, of one that was set, of a map that was cleared.
    sent.push(facts(10, "u2", hour(2), hour(9), r#"{"positions":{"a":2,"b":2}}"#));
    sent.push(facts(11, "u3", hour(2), hour(9), r#"{"positions":{"c":2,"d":2}}"#));
    publishing.store(entries(&sent[sent.len() - 3..])).await.unwrap();
    for user in ["u0", "u2", "u3"] {
        assert!(read(&publishing, &sent, "w", user).await);
    }
    assert_eq!(publishing.stats().await[0].lag, 3);
    publishing.stop().await;
    forget(&cassandra, "w").await;
}
