//! The backend over a shared lake.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use segment_core::lower::Strategy;
use store::{Pinned, StoreConfig};

use super::{HANGS, config, running, session, store_config, unique};
use crate::backend::{Backend, Query, RunOptions};
use crate::conformance::lake::LakeFixture;
use crate::conformance::{Extent, Fixture, Loaded, Report, World, chain, conformance_of, expected, hostile_of, isolation, plan};
use crate::error::ErrorKind;
use crate::trino::client::{Client, Session};
use crate::trino::{TrinoBackend, TrinoConfig};

/// Queries at a time.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_suite() {
    let (Some(config), Some(store_config)) = (config(), store_config()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(TrinoBackend::new(&config).unwrap());
    let mut fixture = LakeFixture::new(dir.path(), backend).shared(store_config, unique("suite"));
    passed(&conformance_of(&mut fixture, extent()).await);
}

fn extent() -> Extent {
    Extent { at_once: AT_ONCE, every_strategy: std::env::var_os("MUSTER_EVERY_STRATEGY").is_some() }
}

fn passed(report: &Report) {
    println!("{} runs, {} told users apart, {} refused for their size", report.runs, report.told_apart, report.refused);
    assert!(report.passed(), "{} failures of {} runs:\n{}", report.failures.len(), report.runs, report.failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_trees() {
    let (Some(config), Some(store_config)) = (config(), store_config()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(TrinoBackend::new(&config).unwrap());
    passed(&hostile_of(&mut LakeFixture::new(dir.path(), backend).shared(store_config, unique("hostile")), extent()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_apart() {
    let (Some(config), Some(store_config)) = (config(), store_config()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(TrinoBackend::new(&config).unwrap());
    let name = unique("apart");
    let report = isolation(&mut LakeFixture::new(dir.path(), backend).shared(store_config, name.clone())).await;
    passed(&report);
    // Trino's own log: each query names tables of one workspace alone, and asks for the events that its condition names.
    let sql = "SELECT query FROM system.runtime.queries WHERE source = 'muster'";
    let log = Client::new(&config).unwrap().texts(sql, &session()).await.unwrap();
    let log: Vec<&String> = log.iter().filter(|query| query.contains(&name)).collect();
    assert_eq!(log.len(), report.runs);
    for query in &log {
        let schemas: BTreeSet<&str> = query.split("\"lake\".\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let tables = query.matches("FOR VERSION AS OF").count();
        assert!(schemas.len() == 1 && schemas.iter().all(|s| s.starts_with(&name)), "{query}");
        assert_eq!(query.matches(&name).count(), tables, "{query}");
    }
    let asks = |predicate: &str| log.iter().filter(|query| query.contains(predicate)).count();
    assert!(asks("\"event\" = 'buy'") > 0 && asks("\"event\" = 'view'") > 0, "{log:?}");
}

/// The standard world in a workspace of its own.
pub(super) async fn loaded(folder: &Path, config: &TrinoConfig, store_config: StoreConfig, name: &str) -> (TrinoBackend, Loaded) {
    let backend = TrinoBackend::new(config).unwrap();
    let mut fixture = LakeFixture::new(folder, Arc::new(backend.clone())).shared(store_config, unique(name));
    (backend, fixture.load(&World::standard()).await.unwrap())
}

pub(super) fn query(loaded: &Loaded, condition: &str) -> Query {
    Query::new(Arc::new(plan(&loaded.world, condition).unwrap()), loaded.pinned.clone().unwrap())
}

/// Two windows of one event, of which one is older than some days of the lake.
const BUYERS: &str = r#"{"any":[{"event":"buy","window":{"from":"2024-03-20","to":"2024-03-25"}},{"event":"buy","op":"gte","value":3}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn explains_by_the_engines_own_estimate() {
    let (Some(config), Some(store_config)) = (config(), store_config()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (backend, loaded) = loaded(dir.path(), &config, store_config, "explain").await;
    let windowed = r#"{"event":"buy","window":{"from":"2024-03-20","to":"2024-03-25"}}"#;
    let explanation = backend.explain(&query(&loaded, windowed)).await.unwrap();
    let [scan] = explanation.scans.as_slice() else { panic!("{:?}", explanation.scans) };
    assert!(scan.what.contains("event: buy") && scan.what.contains("2024-03-20"), "{}", scan.what);
    assert!(scan.read.files > 0 && scan.files_skipped > 0 && scan.read.files + scan.files_skipped == explanation.events.files, "{scan:?}");
    assert!(scan.read.rows > 0 && scan.read.rows < explanation.events.rows, "{scan:?} of {:?}", explanation.events);
    assert!(explanation.profiles.rows > 0, "{:?}", explanation.profiles);
    assert!(explanation.plan.contains("Fragment 0"), "{}", explanation.plan);
    let sql = explanation.sql.unwrap();
    assert!(sql.starts_with("WITH \"profiles\" AS (SELECT * FROM \"lake\".") && sql.contains("FOR VERSION AS OF"), "{sql}");
    for strategy in Strategy::ALL {
        let explanation = backend.explain(&query(&loaded, BUYERS).with_strategy(strategy)).await.unwrap();
        assert!(!explanation.scans.is_empty(), "{}", strategy.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_stays_in_the_lake() {
    let (Some(config), Some(store_config)) = (config(), store_config()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (backend, loaded) = loaded(dir.path(), &config, store_config, "result").await;
    let query = query(&loaded, BUYERS);
    let members = expected(&loaded.world, &query.plan);
    let namespace = loaded.pinned.as_ref().unwrap().shared.as_ref().unwrap().namespace.clone();
    let rows = backend.materialise(&query, &namespace, "audience \"1\"", RunOptions::default()).await.unwrap();
    assert_eq!(rows, members.len() as u64);
    let (client, at) =
        (Client::new(&config).unwrap(), Session { catalog: "lake".to_owned(), schema: Some(namespace.clone()), ..Session::default() });
    let found = client.texts("SELECT user_id FROM \"audience \"\"1\"\"\" WHERE user_no >= 0", &at).await.unwrap();
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), members);

    // One that is there stays as it is.
    let again = backend.materialise(&query, &namespace, "audience \"1\"", RunOptions::default()).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Rejected, "{again:?}");
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'audience%' AND table_schema = current_schema";
    let tables = tables.replace("current_schema", &format!("'{namespace}'"));
    assert_eq!(client.texts(&tables, &at).await.unwrap(), ["audience \"1\""]);

    // Cancelled or dropped at any moment, it leaves nothing, then or later.
    let mut kept = vec!["audience \"1\"".to_owned()];
    for millis in [0, 50, 150, 300, 400, 600, 900] {
        let name = format!("audience cancelled {millis}");
        let options = RunOptions::default();
        let cancel = options.cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            cancel.cancel();
        });
        match backend.materialise(&query, &namespace, &name, options).await {
            Ok(_) => kept.push(name),
            Err(e) => {
                assert_eq!(e.kind, ErrorKind::Cancelled, "{e:?}");
                assert!(!client.texts(&tables, &at).await.unwrap().contains(&name), "after {millis} ms");
            }
        }
        let name = format!("audience dropped {millis}");
        let making = backend.materialise(&query, &namespace, &name, RunOptions::default());
        if let Ok(made) = tokio::time::timeout(Duration::from_millis(millis), making).await {
            made.unwrap();
            kept.push(name);
        }
    }
    kept.sort_unstable();
    let started = Instant::now();
    loop {
        let mut found = client.texts(&tables, &at).await.unwrap();
        found.sort_unstable();
        if found == kept && running(&client, &namespace).await == 0 {
            break;
        }
        assert!(started.elapsed() < HANGS, "{found:?} instead of {kept:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let nowhere = backend.materialise(&query, "no such namespace", "audience", RunOptions::default()).await.unwrap_err();
    assert_eq!(nowhere.kind, ErrorKind::Rejected, "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_are_not_there() {
    let (Some(config), Some(store_config)) = (config(), store_config()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (backend, loaded) = loaded(dir.path(), &config, store_config, "states").await;
    let kind = async |changed: &dyn Fn(&mut Pinned)| {
        let mut pinned = loaded.pinned.as_deref().unwrap().clone();
        changed(&mut pinned);
        let query = Query { pinned: Some(Arc::new(pinned)), ..query(&loaded, BUYERS) };
        let error = match backend.run(&query, RunOptions::default()).await {
            Ok(mut run) => run.count().await.unwrap_err(),
            Err(e) => e,
        };
        (error.kind, chain(&error))
    };
    let (rejected, what) = kind(&|pinned| pinned.shared = None).await;
    assert!(rejected == ErrorKind::Rejected && what.contains("[postgres]"), "{what}");
    // It has expired: who pins again finds one.
    let (expired, what) = kind(&|pinned| pinned.shared.as_mut().unwrap().events.snapshot_id = Some(9_000_000_000_012_345)).await;
    assert_eq!(expired, ErrorKind::Unavailable, "{what}");
    let (gone, what) = kind(&|pinned| pinned.shared.as_mut().unwrap().events.table = "gone".to_owned()).await;
    assert_eq!(gone, ErrorKind::SchemaDrift, "{what}");
}
