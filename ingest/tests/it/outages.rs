//! Cassandra, S3 and Postgres killed, suspended, and away from the start while messages come in: they are acknowledged, users are read right or not at
//! all, and in the end everything is as if nothing had been.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ingest::collect::{Message, Sink};
use ingest::publish::{LaneStats, PublishOptions, Publishing};
use store::StoreConfig;
use tokio::task::JoinHandle;

use crate::common::World;
use crate::elsewhere::unique;
use crate::stream::{Notes, PATIENCE, Random, compare, entries, meant, open_with};

/// How long an engine is suspended.
const SUSPENDED: Duration = Duration::from_secs(20);
/// How long one that was killed is left alone.
const AWAY: Duration = Duration::from_secs(5);
/// Messages of a request, and how far apart requests are.
const SENT: usize = 10;
const PAUSE: Duration = Duration::from_millis(50);
/// The most messages that are sent in all.
const MESSAGES: usize = 100_000;
/// How long acknowledging a request may take, whatever is away, on a machine with other things to do.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(15);
/// How long it may take until a user is read, or refused: for what is not published, and for Cassandra.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Engines of the test's own, which it may suspend and kill.
struct Own {
    folder: tempfile::TempDir,
    only: &'static str,
}

impl Own {
    fn start(only: &'static str) -> Self {
        let own = Self { folder: tempfile::tempdir().unwrap(), only };
        own.engines("start");
        own
    }

    fn engines(&self, verb: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/engines");
        let mut command = Command::new(script);
        command.args([verb, "--only", self.only, "--dir"]).arg(self.folder.path()).env_remove("MUSTER_ENGINES_DIR");
        // What Cassandra acknowledged is there after it was killed.
        let done = command.env("MUSTER_ENGINES_CASSANDRA_SYNC", "batch").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A setting, as the script writes it for shells.
    fn setting(&self, name: &str) -> Result<String, String> {
        let env = std::fs::read_to_string(self.folder.path().join("env")).unwrap();
        let line = env.lines().find_map(|line| line.strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches('\'').to_owned()).ok_or_else(|| format!("{name} is not in {env}"))
    }

    /// Sends a signal to an engine, and to the processes that serve its connections.
    fn signal(&self, engine: &str, signal: &str) {
        let record = std::fs::read_to_string(self.folder.path().join(engine).join("pid")).unwrap();
        let pid = record.split_whitespace().next().unwrap();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        assert!(Command::new("kill").args(["-s", signal, pid]).status().unwrap().success());
        for child in children.split_whitespace() {
            // It may have ended by itself.
            let _ = Command::new("kill").args(["-s", signal, child]).output().unwrap();
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.engines("stop");
    }
}

/// Somebody who sends messages of a stream, in their order, until told to stop.
struct Sending {
    stop: Arc<AtomicBool>,
    /// Messages that were acknowledged.
    acknowledged: Arc<AtomicUsize>,
    task: JoinHandle<Duration>,
}

impl Sending {
    fn start(publishing: &Arc<Publishing>, messages: &Arc<Vec<Message>>, from: usize) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(from)));
        let (publishing, messages, stopped, counted) = (publishing.clone(), messages.clone(), stop.clone(), acknowledged.clone());
        let task = tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !stopped.load(Ordering::Acquire) {
                let from = counted.load(Ordering::Acquire);
                let began = Instant::now();
                publishing.store(entries(&messages[from..from + SENT])).await.unwrap();
                longest = longest.max(began.elapsed());
                counted.store(from + SENT, Ordering::Release);
                tokio::time::sleep(PAUSE).await;
            }
            longest
        });
        Self { stop, acknowledged, task }
    }

    /// How many were acknowledged.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Release);
        let longest = self.task.await.unwrap();
        assert!(longest < ACKNOWLEDGED_WITHIN, "{longest:?}");
        println!("acknowledged within {longest:?}");
        self.acknowledged.load(Ordering::Acquire)
    }
}

/// A server, and who sends to it while engines go away.
struct Scene {
    own: Own,
    world: World,
    publishing: Arc<Publishing>,
    notes: Arc<Notes>,
    messages: Arc<Vec<Message>>,
    sending: Sending,
}

impl Scene {
    async fn begin(own: Own, config: StoreConfig) -> Self {
        let name = unique("outage_");
        let mut random = Random(7);
        let messages: Arc<Vec<Message>> = Arc::new((0..MESSAGES as u64).map(|n| random.message(n, &name)).collect());
        let world = crate::stream::world(config, &name).await;
        let notes: Arc<Notes> = Arc::default();
        let publishing = open_with(&world.store, PublishOptions::default(), notes.clone()).await;
        let sending = Sending::start(&publishing, &messages, 0);
        let scene = Self { own, world, publishing, notes, messages, sending };
        scene.until("something is published", |stats| stats.events > 0 && stats.users == 12).await;
        scene
    }

    async fn stats(&self) -> LaneStats {
        self.publishing.stats().await.pop().unwrap_or_default()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&LaneStats) -> bool) {
        let began = Instant::now();
        while !is_so(&self.stats().await) {
            assert!(began.elapsed() < PATIENCE, "{what}: {:?}", self.stats().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Reads a user in bounded time: as it is after all that was acknowledged before, or not at all. Whether it was told.
    async fn is_read(&self) -> bool {
        let (workspace, began) = (self.world.workspace.name(), Instant::now());
        let before = self.sending.acknowledged.load(Ordering::Acquire);
        let told = tokio::time::timeout(ANSWERED_WITHIN, self.publishing.user(workspace, "u0")).await;
        let told = told.unwrap_or_else(|_| panic!("a user is not read within {ANSWERED_WITHIN:?}"));
        // One request may be stored and not acknowledged yet.
        let after = self.sending.acknowledged.load(Ordering::Acquire) + SENT;
        println!("a user is {} after {:?}", if told.is_ok() { "read" } else { "refused" }, began.elapsed());
        if let Ok(user) = &told {
            assert!(
                (before..=after).any(|end| meant(&self.messages[..end], "u0") == *user),
                "{user:?} is not of {before} to {after} messages"
            );
        }
        told.is_ok()
    }

    /// What waits is published: how long that took, and how many messages those were.
    async fn catches_up(&self, what: &str) {
        let (waiting, began) = (self.stats().await.lag, Instant::now());
        tokio::time::timeout(PATIENCE, self.publishing.published()).await.unwrap_or_else(|_| panic!("{what}: it does not catch up"));
        println!("{what}: {waiting} messages that waited were published after {:?}", began.elapsed());
        assert!(self.is_read().await, "{what}: it is over");
    }

    /// Kills an engine, looks, and starts it again.
    async fn killed(&self, engine: &str, reads: bool) {
        let before = self.stats().await;
        self.own.signal(engine, "KILL");
        tokio::time::sleep(AWAY).await;
        self.until("it is tried", |stats| stats.failures > before.failures && stats.lag > 0).await;
        let stats = self.stats().await;
        assert!(stats.oldest_received_at.is_some() && stats.accepted > before.accepted, "{stats:?}");
        assert!(self.notes.has("publishing waits, and what is collected is kept"));
        assert_eq!(self.is_read().await, reads, "{engine} is away");
        self.own.engines("start");
        self.catches_up(&format!("{engine} was killed")).await;
        self.until("it is told", |_| self.notes.has("publishing goes on")).await;
    }

    /// Suspends an engine for a while.
    async fn suspended(&self, engine: &str, reads: bool) {
        let accepted = self.stats().await.accepted;
        self.own.signal(engine, "STOP");
        let began = Instant::now();
        tokio::time::sleep(AWAY).await;
        assert_eq!(self.is_read().await, reads, "{engine} is suspended");
        assert_eq!(self.is_read().await, reads, "{engine} is suspended");
        let stats = self.stats().await;
        assert!(stats.lag > 0 && stats.oldest_received_at.is_some() && stats.accepted > accepted, "{stats:?}");
        tokio::time::sleep(SUSPENDED.saturating_sub(began.elapsed())).await;
        self.own.signal(engine, "CONT");
        self.catches_up(&format!("{engine} was suspended")).await;
    }

    /// Starts the server anew while an engine is away.
    async fn away_from_the_start(self, engine: &str, reads: bool) -> Self {
        let Self { own, mut world, publishing, messages, sending, .. } = self;
        let sent = sending.end().await;
        publishing.stop().await;
        drop(publishing);
        own.signal(engine, "KILL");
        // Without the connections that the one before had.
        world.store = world.another_store().await;
        world.workspace = world.store.workspace(world.workspace.name()).await.unwrap().unwrap();
        let notes: Arc<Notes> = Arc::default();
        let publishing = open_with(&world.store, PublishOptions::default(), notes.clone()).await;
        let sending = Sending::start(&publishing, &messages, sent);
        let scene = Self { own, world, publishing, notes, messages, sending };
        scene.until("it is tried", |stats| stats.failures > 0 && stats.lag > 0).await;
        assert_eq!(scene.is_read().await, reads, "{engine} is away");
        scene.own.engines("start");
        scene.catches_up(&format!("{engine} was away from the start")).await;
        scene
    }

    /// In the end it is as if nothing had been.
    async fn end(self) {
        let sent = self.sending.end().await;
        self.publishing.published().await;
        println!("{sent} messages in all");
        compare(&self.world, &self.publishing, &self.messages[..sent], "after all outages").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_goes_away_and_comes_back() {
    let own = Own::start("cassandra");
    let cassandra = store::engines::cassandra_of(unique("outage_"), |name| own.setting(name)).unwrap();
    let scene = Scene::begin(own, StoreConfig { cassandra: Some(cassandra), ..StoreConfig::default() }).await;
    scene.killed("cassandra", false).await;
    scene.suspended("cassandra", false).await;
    let scene = scene.away_from_the_start("cassandra", false).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lake_goes_away_and_comes_back() {
    let own = Own::start("s3,postgres");
    let lake = store::engines::lake_of(|name| own.setting(name)).unwrap();
    let scene = Scene::begin(own, StoreConfig { lake: Some(lake), ..StoreConfig::default() }).await;
    // Profiles are on this machine.
    scene.killed("s3", true).await;
    scene.suspended("s3", true).await;
    scene.killed("postgres", true).await;
    scene.suspended("postgres", true).await;
    let scene = scene.away_from_the_start("s3", true).await;
    let scene = scene.away_from_the_start("postgres", true).await;
    scene.end().await;
}
