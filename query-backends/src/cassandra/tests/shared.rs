//! Profiles in Cassandra beside a lake that Trino reads: the lake's table of them follows within its bound, and whoever reads it says how far it is behind.

use std::time::Duration;

use store::cassandra::CassandraProfiles;
use store::{AttributeWrite, ProfileStore, ProfileWrite};

use super::*;
use crate::router::{ProfilesRead, Rate, Router, RouterConfig, Verdict};
use crate::trino::{TrinoBackend, TrinoConfig};

const ELSEWHERE: &str = r#"{"attribute":"text","op":"is","value":"elsewhere"}"#;

/// Trino, and settings of a store that shares its lake; none, said so, where no engines are started.
fn engines() -> Option<(TrinoBackend, StoreConfig)> {
    let found = TrinoConfig::of_engines().and_then(|trino| Ok((trino, store::engines::lake()?, store::engines::cassandra(prefix())?)));
    let (trino, lake, cassandra) = found.map_err(|error| println!("skipped: {error}")).ok()?;
    Some((TrinoBackend::new(&trino).unwrap(), StoreConfig { lake: Some(lake), cassandra: Some(cassandra), ..StoreConfig::default() }))
}

/// The workspace, with such a bound on how far the lake's table of profiles may be behind.
async fn bounded(folder: &Path, config: &StoreConfig, name: &str, shared_behind_max_s: u64) -> Workspace {
    let cassandra = config.cassandra.clone().map(|c| CassandraConfig { shared_behind_max_s, ..c });
    let store = Store::open_with(folder, StoreConfig { cassandra, ..config.clone() }).await.unwrap();
    store.workspace(name).await.unwrap().unwrap()
}

#[tokio::test]
async fn trino_reads_profiles_within_a_bound() {
    let Some((trino, config)) = engines() else { return };
    let folder = tempfile::tempdir().unwrap();
    let world = World::standard();
    let name = format!("cassandra-shared-{:x}", std::process::id());
    let store = Store::open_with(folder.path(), config.clone()).await.unwrap();
    let workspace = store.create_workspace(&name, &world.catalog.timezone).await.unwrap();
    lake::write(&workspace, &world).await.unwrap();
    let imported = workspace.pin().await.unwrap();
    assert_eq!(imported.shared.as_ref().unwrap().profiles_as_of, imported.profiles.as_of);

    // Another machine writes.
    let cassandra = Cassandra::connect(config.cassandra.as_ref().unwrap()).await.unwrap();
    let owner = std::fs::read_to_string(folder.path().join("profiles").join(&name).join("cassandra.owner")).unwrap();
    let mirror = tempfile::tempdir().unwrap();
    let mut handle = CassandraProfiles::open(&cassandra, &name, &owner, &world.catalog, mirror.path()).await.unwrap();
    let mut elsewhere = async |user: &str| {
        let attributes = vec![("text".to_owned(), AttributeWrite::Value(segment_core::value::Value::String("elsewhere".to_owned())))];
        let write = ProfileWrite { user_id: user.to_owned(), attributes, written_at: 1_000_000, first_seen_at: None, of_events: false };
        handle.upsert(vec![write]).await.unwrap();
    };
    elsewhere("new one").await;

    // Within the bound Trino reads the table that there is, and says as of when.
    let pinned = Arc::new(bounded(folder.path(), &config, &name, 3600).await.pin_shared().await.unwrap());
    let asked = query(&world, &pinned, ELSEWHERE);
    assert_eq!(found(&MemoryBackend::new(), &asked).await, ["new one"]);
    assert_eq!(found(&trino, &asked).await, Vec::<String>::new());
    assert_eq!(pinned.version, imported.version, "nothing was made anew");
    let table_as_of = pinned.shared.as_ref().unwrap().profiles_as_of;
    assert!(table_as_of.is_some() && table_as_of < pinned.profiles.as_of);
    assert_eq!(trino.explain(&asked).await.unwrap().profiles_as_of, table_as_of);

    // Beyond it, not: the router takes another, and says why.
    let strict = bounded(folder.path(), &config, &name, 0).await;
    let pinned = Arc::new(strict.pin().await.unwrap());
    assert!(pinned.shared.is_none() && pinned.not_shared.as_ref().unwrap().contains("shared_behind_max_s"));
    let asked = query(&world, &pinned, ELSEWHERE);
    let error = trino.run(&asked, RunOptions::default()).await.err().unwrap();
    assert!(error.kind.is_retryable(), "{}", chain(&error));
    let rate = |start_ms, profiles| Rate { start: Duration::from_millis(start_ms), bytes_per_s: 1 << 30, reads_all: false, profiles };
    let members: Vec<(Arc<dyn Backend>, Rate)> =
        vec![(Arc::new(trino.clone()), rate(0, ProfilesRead::Shared)), (Arc::new(MemoryBackend::new()), rate(9000, ProfilesRead::Pinned))];
    let router = Router::new(members, Vec::new(), RouterConfig::default());
    assert!(router.reads_shared());
    let (mut run, routing) = router.run_routed(&asked, RunOptions::default()).await.unwrap();
    assert_eq!(run.sorted_ids().await.unwrap(), ["new one"]);
    let verdicts: Vec<_> = routing.choices.iter().map(|c| (c.backend, c.verdict)).collect();
    assert_eq!(verdicts, [("trino", Verdict::Down), ("memory", Verdict::Chosen)], "{routing:?}");

    // Whoever asks for it has the table made anew: the same members, and no import that nobody made.
    let imports = workspace.imports(9).await.unwrap().len();
    let pinned = Arc::new(strict.pin_shared().await.unwrap());
    let asked = query(&world, &pinned, ELSEWHERE);
    assert_eq!(found(&trino, &asked).await, ["new one"]);
    assert_eq!(found(&MemoryBackend::new(), &asked).await, ["new one"]);
    let everyone = query(&world, &pinned, r#"{"everyone":true}"#);
    assert_eq!(found(&trino, &everyone).await, found(&MemoryBackend::new(), &everyone).await);
    assert_eq!((workspace.imports(9).await.unwrap().len(), pinned.version), (imports, imported.version + 1));

    // While an import holds the lock that cannot be; it says so, and does not fail.
    elsewhere("newer one").await;
    let writer = workspace.begin_write().await.unwrap();
    let busy = strict.pin_shared().await.unwrap();
    assert!(busy.shared.is_none() && busy.not_shared.as_ref().unwrap().contains("another import"), "{:?}", busy.not_shared);
    drop(writer);
    let pinned = Arc::new(strict.pin_shared().await.unwrap());
    assert_eq!(found(&trino, &query(&world, &pinned, ELSEWHERE)).await, ["new one", "newer one"]);
    drop_keyspace(config.cassandra.as_ref().unwrap(), &name).await;
}
