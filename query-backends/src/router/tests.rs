//! Routing and falling back, over the oracle and wrappers of it that fail where they are told to.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, stream};

use super::*;
use crate::conformance::lake::LakeFixture;
use crate::conformance::{Fixture, Loaded, World, conformance, expected, plan};
use crate::memory::MemoryBackend;

/// When a [`Failing`] fails.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// As it is asked.
    Asked,
    /// After an empty batch.
    BeforeMembers,
    /// After the first member.
    AmongMembers,
    Never,
}

/// The oracle, failing.
struct Failing {
    name: &'static str,
    when: When,
    kind: ErrorKind,
    asked: AtomicUsize,
    inner: MemoryBackend,
}

impl Failing {
    fn new(name: &'static str, when: When, kind: ErrorKind) -> Arc<Self> {
        Self::over(MemoryBackend::new(), name, when, kind)
    }

    fn over(inner: MemoryBackend, name: &'static str, when: When, kind: ErrorKind) -> Arc<Self> {
        Arc::new(Self { name, when, kind, asked: AtomicUsize::new(0), inner })
    }

    fn error(&self) -> BackendError {
        BackendError::new(self.kind, format!("{} breaks", self.name))
    }
}

#[async_trait]
impl Backend for Failing {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn explain(&self, query: &Query) -> Result<Explanation> {
        if self.when == When::Asked { Err(self.error()) } else { self.inner.explain(query).await }
    }

    async fn run(&self, query: &Query, options: RunOptions) -> Result<Run> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.when == When::Asked {
            return Err(self.error());
        }
        let Run { users, .. } = self.inner.run(query, options.clone()).await?;
        if self.when == When::Never {
            return self.inner.run(query, options).await;
        }
        let some = users.map(|b| b.map(|b| crate::Users { numbers: b.numbers.slice(0, 1), ids: b.ids.map(|i| i.slice(0, 1)) }));
        let empty = crate::Users { numbers: Vec::<i64>::new().into(), ids: None };
        let head = if self.when == When::AmongMembers { some.take(1).boxed() } else { stream::iter([Ok(empty)]).boxed() };
        let users = head.chain(stream::iter([Err(self.error())])).boxed();
        Ok(Run::new(users, options.progress, Arc::default()))
    }
}

fn rate(start_ms: u64) -> Rate {
    Rate { start: Duration::from_millis(start_ms), bytes_per_s: 1 << 30, reads_all: false, profiles: ProfilesRead::Pinned }
}

/// A router over these, the first being the cheapest.
fn router(members: &[Arc<Failing>]) -> Router {
    let members = members.iter().zip(1..).map(|(m, ms)| (m.clone() as Arc<dyn Backend>, rate(ms)));
    Router::new(members.collect(), vec![("trino", "it is not configured".to_owned())], RouterConfig::default())
}

async fn loaded(folder: &Path, router: &Router) -> (Loaded, Query) {
    let loaded = LakeFixture::new(folder, Arc::new(router.clone())).load(&World::standard()).await.unwrap();
    let plan = Arc::new(plan(&loaded.world, r#"{"event": "buy"}"#).unwrap());
    let query = Query { plan, pinned: loaded.pinned.clone(), strategy: None };
    (loaded, query)
}

fn verdicts(routing: &Routing) -> Vec<(&'static str, Verdict)> {
    routing.choices.iter().map(|c| (c.backend, c.verdict)).collect()
}

/// Worlds as rows, in a backend that fails and one that does not.
struct Rows(When, ErrorKind);

#[async_trait]
impl Fixture for Rows {
    async fn load(&mut self, world: &World) -> std::result::Result<Loaded, String> {
        let rows = MemoryBackend::from_users(world.users.clone(), world.lists.clone());
        let first = Failing::over(rows.clone(), "first", self.0, self.1);
        let backend = Arc::new(router(&[first, Failing::over(rows, "second", When::Never, self.1)]));
        Ok(Loaded { backend, pinned: None, world: world.clone() })
    }
}

#[tokio::test]
async fn a_router_is_a_backend() {
    for (when, kind) in [
        (When::Never, ErrorKind::Internal),
        (When::Asked, ErrorKind::Unavailable),
        (When::BeforeMembers, ErrorKind::Timeout),
        (When::Asked, ErrorKind::Unsupported),
    ] {
        let report = conformance(&mut Rows(when, kind)).await;
        assert!(report.passed(), "{}", report.failures.join("\n"));
    }
}

#[tokio::test]
async fn without_a_state_it_refuses_as_its_backends_do() {
    let dir = tempfile::tempdir().unwrap();
    let router =
        router(&[Failing::new("first", When::Never, ErrorKind::Internal), Failing::new("second", When::Never, ErrorKind::Internal)]);
    let (_, query) = loaded(dir.path(), &router).await;
    let lost = Query { pinned: None, ..query };
    assert_eq!(router.run(&lost, RunOptions::default()).await.unwrap_err().kind, ErrorKind::Rejected);
}

#[tokio::test]
async fn the_next_answers_the_same_and_the_first_rests() {
    for when in [When::Asked, When::BeforeMembers] {
        let dir = tempfile::tempdir().unwrap();
        let members = [Failing::new("first", when, ErrorKind::Unavailable), Failing::new("second", When::Never, ErrorKind::Internal)];
        let router = router(&members);
        let (loaded, query) = loaded(dir.path(), &router).await;
        let (mut run, routing) = router.run_routed(&query, RunOptions::default()).await.unwrap();
        let found = run.sorted_ids().await.unwrap();
        assert_eq!(found, expected(&loaded.world, &query.plan).into_iter().collect::<Vec<_>>());
        assert!(run.metrics().is_some());
        assert_eq!(verdicts(&routing), [("first", Verdict::Down), ("second", Verdict::Chosen), ("trino", Verdict::Absent)]);
        let whys: Vec<&str> = routing.choices.iter().map(|c| c.why.as_str()).collect();
        assert_eq!(whys, ["first breaks", "it stands in for first", "it is not configured"]);
        // Now it is asked last, and not at all as long as the other answers.
        let (_, routing) = router.run_routed(&query, RunOptions::default()).await.unwrap();
        assert_eq!(verdicts(&routing), [("second", Verdict::Chosen), ("first", Verdict::Spare), ("trino", Verdict::Absent)]);
        assert!(routing.choices.get(1).unwrap().why.starts_with("it was down "), "{routing:?}");
        assert_eq!(members.each_ref().map(|m| m.asked.load(Ordering::Relaxed)), [1, 2]);
    }
}

#[tokio::test]
async fn a_rest_ends() {
    let dir = tempfile::tempdir().unwrap();
    let members =
        [Failing::new("first", When::BeforeMembers, ErrorKind::Unavailable), Failing::new("second", When::Never, ErrorKind::Internal)];
    let pairs = members.iter().map(|m| (m.clone() as Arc<dyn Backend>, rate(1))).collect();
    let router = Router::new(pairs, Vec::new(), RouterConfig { rest: Duration::ZERO, ..RouterConfig::default() });
    let (_, query) = loaded(dir.path(), &router).await;
    for _ in 0..2 {
        router.run_routed(&query, RunOptions::default()).await.unwrap();
    }
    assert_eq!(members.each_ref().map(|m| m.asked.load(Ordering::Relaxed)), [2, 2]);
}

#[tokio::test]
async fn nobody_takes_over_once_a_member_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let members =
        [Failing::new("first", When::AmongMembers, ErrorKind::Unavailable), Failing::new("second", When::Never, ErrorKind::Internal)];
    let router = router(&members);
    let (_, query) = loaded(dir.path(), &router).await;
    let (mut run, routing) = router.run_routed(&query, RunOptions::default()).await.unwrap();
    assert_eq!(routing.chosen().map(|c| c.backend), Some("first"));
    assert_eq!(run.count().await.unwrap_err().kind, ErrorKind::Unavailable);
    assert!(run.users.next().await.is_none() && run.metrics().is_none());
    assert_eq!(members.each_ref().map(|m| m.asked.load(Ordering::Relaxed)), [1, 0]);
    // It rests all the same.
    let (_, routing) = router.run_routed(&query, RunOptions::default()).await.unwrap();
    assert_eq!(routing.chosen().map(|c| c.backend), Some("second"));
}

#[tokio::test]
async fn what_is_wrong_with_data_or_rights_is_not_hidden() {
    for kind in [ErrorKind::SchemaDrift, ErrorKind::PermissionDenied, ErrorKind::Internal] {
        let dir = tempfile::tempdir().unwrap();
        let members = [Failing::new("first", When::Asked, kind), Failing::new("second", When::Never, kind)];
        let (_, query) = loaded(dir.path(), &router(&members)).await;
        assert_eq!(router(&members).run_routed(&query, RunOptions::default()).await.unwrap_err().kind, kind);
        assert_eq!(members.each_ref().map(|m| m.asked.load(Ordering::Relaxed)), [1, 0]);
    }
}

#[tokio::test]
async fn when_all_are_down_each_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let router =
        router(&[Failing::new("first", When::Asked, ErrorKind::Unsupported), Failing::new("second", When::Asked, ErrorKind::Overloaded)]);
    let (_, query) = loaded(dir.path(), &router).await;
    let error = router.run_routed(&query, RunOptions::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert!(error.retry_after.is_some());
    assert_eq!(error.to_string(), "no backend can run it; first: first breaks; second: second breaks; trino: it is not configured");
    let error = router.explain_routed(&query).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overloaded);
}

#[tokio::test]
async fn explaining_asks_the_others_too() {
    let dir = tempfile::tempdir().unwrap();
    let router = router(&[
        Failing::new("first", When::Never, ErrorKind::Internal),
        Failing::new("second", When::Asked, ErrorKind::Unsupported),
        Failing::new("third", When::Asked, ErrorKind::Unavailable),
    ]);
    let (_, query) = loaded(dir.path(), &router).await;
    let (_, routing) = router.explain_routed(&query).await.unwrap();
    let expected = [("first", Verdict::Chosen), ("second", Verdict::Unable), ("third", Verdict::Down), ("trino", Verdict::Absent)];
    assert_eq!(verdicts(&routing), expected);
    assert!(routing.chosen().unwrap().why.starts_with("it costs least of those that are fresh"), "{routing:?}");
}

#[tokio::test]
async fn nobody_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let router = router(&[]);
    let (_, query) = loaded(dir.path(), &router).await;
    let error = router.run_routed(&query, RunOptions::default()).await.unwrap_err();
    assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::Unsupported, "no backend can run it; trino: it is not configured"));
}
