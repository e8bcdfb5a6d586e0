//! One user at a time, workspaces beside each other, changes that others make.

use std::collections::BTreeMap;

use segment_core::value::Value;
use store::cassandra::CassandraProfiles;
use store::{AttributeWrite, ProfileStore, ProfileWrite};

use super::*;
use crate::error::ErrorKind;

/// Conditions that tell the users of the standard world apart.
const CONDITIONS: [&str; 5] = [
    r#"{"attribute":"text","op":"contains","value":"a"}"#,
    r#"{"not":{"attribute":"wide","op":"gte","value":3}}"#,
    r#"{"all":[{"list":"half"},{"attribute":"tags","op":"has","value":"a"}]}"#,
    r#"{"sample":{"percent":40,"salt":"x"}}"#,
    r#"{"attribute":"first_seen_at","op":"exists"}"#,
];

#[tokio::test]
async fn one_user_is_decided_by_one_read() {
    let Some(config) = config() else { return };
    let folder = tempfile::tempdir().unwrap();
    let world = World::standard();
    let (_, pinned) = loaded(folder.path(), &config, &world).await;
    let backend = CassandraBackend::new(&config);
    for condition in CONDITIONS {
        let query = query(&world, &pinned, condition);
        let members = expected(&world, &query);
        assert!(!members.is_empty() && members.len() < world.users.len());
        let evaluator = backend.evaluator(&query).await.unwrap();
        for user in &world.users {
            let is_member = members.binary_search(&user.user_id).is_ok();
            assert_eq!(evaluator.evaluate(&user.user_id).await.unwrap(), is_member, "{condition}, {}", user.user_id);
        }
        assert!(!backend.evaluate(&query, "nobody").await.unwrap());
    }
    let events = backend.evaluator(&query(&world, &pinned, r#"{"event":"buy"}"#)).await;
    assert_eq!(events.err().unwrap().kind, ErrorKind::Unsupported);
    drop_keyspace(&config, "default").await;
}

fn country(user: &str, value: &str) -> ProfileWrite {
    let attributes = vec![("text".to_owned(), AttributeWrite::Value(Value::String(value.to_owned())))];
    ProfileWrite { user_id: user.to_owned(), attributes, written_at: 1, first_seen_at: None, of_events: false }
}

async fn import(workspace: &Workspace, world: &World, writes: Vec<ProfileWrite>) -> Arc<Pinned> {
    let mut writer = workspace.begin_write().await.unwrap();
    writer.upsert_profiles(writes).unwrap();
    writer.commit(world.catalog.clone(), serde_json::Value::Null).await.unwrap();
    Arc::new(workspace.pin().await.unwrap())
}

#[tokio::test]
async fn workspaces_never_see_each_other() {
    let Some(config) = config() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (world, store) = (World::empty(), store(folder.path(), &config).await);
    let names = ["look-alike", "look_alike", "look_dalike"];
    let mut pinned = BTreeMap::new();
    for name in names {
        let workspace = store.create_workspace(name, &world.catalog.timezone).await.unwrap();
        pinned.insert(name, import(&workspace, &world, vec![country("same", name), country(name, "here")]).await);
    }
    let backend = CassandraBackend::new(&config);
    for (name, pinned) in &pinned {
        let query = query(&world, pinned, r#"{"attribute":"text","op":"exists"}"#);
        let mut both = vec!["same".to_owned(), (*name).to_owned()];
        both.sort();
        assert_eq!(found(&backend, &query).await, both);
        assert_eq!(found(&MemoryBackend::new(), &query).await, both);
        let own = format!(r#"{{"attribute":"text","op":"is","value":"{name}"}}"#);
        assert_eq!(found(&backend, &super::query(&world, pinned, &own)).await, ["same"]);
    }
    // The same name in another directory is another workspace, and does not get at this one's keyspace.
    let other = tempfile::tempdir().unwrap();
    let workspace = super::store(other.path(), &config).await.create_workspace("look-alike", &world.catalog.timezone).await.unwrap();
    assert!(matches!(workspace.begin_write().await, Err(store::StoreError::Conflict(_))));
    // And a directory's profiles stay where they are.
    let embedded = Store::open(folder.path()).await.unwrap().workspace("look-alike").await.unwrap().unwrap();
    assert!(matches!(embedded.pin().await, Err(store::StoreError::Conflict(_))));
    for name in names {
        drop_keyspace(&config, name).await;
    }
}

#[tokio::test]
async fn the_mirror_follows_writers_elsewhere() {
    let Some(config) = config() else { return };
    let folder = tempfile::tempdir().unwrap();
    let world = World::standard();
    let (workspace, pinned) = loaded(folder.path(), &config, &world).await;
    let everyone = pinned.profiles.rows;
    let query_of = |pinned: &Arc<Pinned>| query(&world, pinned, r#"{"attribute":"text","op":"is","value":"elsewhere"}"#);
    assert!(found(&MemoryBackend::new(), &query_of(&pinned)).await.is_empty());

    // Another process, on another machine for all that this one knows: its own connection, no lock of this directory's.
    let cassandra = Cassandra::connect(&config).await.unwrap();
    let owner = std::fs::read_to_string(folder.path().join("profiles/default/cassandra.owner")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut handle = CassandraProfiles::open(&cassandra, "default", &owner, &world.catalog, elsewhere.path()).await.unwrap();
    let known = world.users[7].user_id.clone();
    let write = |user: &str| ProfileWrite { written_at: 1_000_000, ..country(user, "elsewhere") };
    handle.upsert(vec![write(&known), write("new one")]).await.unwrap();
    handle.erase(&[world.users[8].user_id.clone()]).await.unwrap();

    let mut members = vec![known, "new one".to_owned()];
    members.sort();
    let now = Arc::new(workspace.pin().await.unwrap());
    assert_eq!(found(&MemoryBackend::new(), &query_of(&now)).await, members);
    assert_eq!(found(&CassandraBackend::over(&cassandra), &query_of(&now)).await, members);
    assert_eq!((now.profiles.rows, now.version), (everyone, pinned.version), "one came, one went, and no import was made");
    assert!(now.profiles.as_of > pinned.profiles.as_of);
    let explained = MemoryBackend::new().explain(&query_of(&now)).await.unwrap();
    assert_eq!(explained.profiles_as_of, now.profiles.as_of);
    // Who pinned before reads what was then.
    assert!(found(&MemoryBackend::new(), &query_of(&pinned)).await.is_empty());
    drop_keyspace(&config, "default").await;
}

#[tokio::test]
async fn columns_that_are_not_there_yet_or_no_more() {
    let Some(config) = config() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::standard();
    let (workspace, pinned) = loaded(folder.path(), &config, &world).await;
    // Declared, and nobody has imported since: missing for everyone.
    use segment_core::catalog::{Origin, Scope};
    world.catalog.set_field(Scope::Attribute, "fresh", &segment_core::types::Type::String, Origin::Declared).unwrap();
    workspace.set_catalog(pinned.version, &world.catalog).await.unwrap();
    let pinned = Arc::new(workspace.pin().await.unwrap());
    let backend = CassandraBackend::new(&config);
    let all = query(&world, &pinned, r#"{"attribute":"fresh","op":"not_exists"}"#);
    assert_eq!(found(&backend, &all).await, expected(&world, &all));
    assert_eq!(found(&MemoryBackend::new(), &all).await, expected(&world, &all));
    // Changed by somebody else: never read as what it is not, nor as nothing.
    let session = scylla::client::session_builder::SessionBuilder::new().known_nodes(&config.contact_points).build().await.unwrap();
    let (table, column) = (format!("{}default.profiles", config.keyspace_prefix), &world.catalog.attributes["text"].columns[0].name);
    for change in [["ALTER TABLE ", &table, " DROP ", column, ""], ["ALTER TABLE ", &table, " ADD ", column, " blob"]] {
        session.query_unpaged(change.concat(), ()).await.unwrap();
        let query = query(&world, &pinned, r#"{"attribute":"text","op":"exists"}"#);
        let error = backend.run(&query, RunOptions::default()).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::SchemaDrift, "{}", chain(&error));
        assert!(chain(&error).contains(column), "{}", chain(&error));
    }
    drop_keyspace(&config, "default").await;
}
