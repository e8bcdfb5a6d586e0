//! Indexes decide what is read, and never who is a member.

use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use segment_core::catalog::Catalog;

use super::*;

/// How long building an index of a few rows may take on a busy machine.
const BUILT_WITHIN: Duration = Duration::from_secs(60);

/// Each with how many indexes answer a part of it.
const CONDITIONS: [(&str, usize); 14] = [
    (r#"{"attribute":"text","op":"is","value":"apple"}"#, 1),
    (r#"{"attribute":"text","op":"is","value":"'"}"#, 1),
    (r#"{"attribute":"text","op":"is","value":""}"#, 1),
    (r#"{"attribute":"text","op":"is","value":"apple","ignore_case":true}"#, 0),
    (r#"{"attribute":"select","op":"gte","value":2}"#, 1),
    (r#"{"attribute":"select","op":"between","value":[-1,100]}"#, 1),
    (r#"{"attribute":"ts","op":"lt","value":0.2}"#, 1),
    (r#"{"attribute":"ts","op":"is","value":0}"#, 0),
    (r#"{"attribute":"event","op":"is","value":true}"#, 1),
    (r#"{"attribute":"at","op":"in_window","value":{"last":{"n":30,"unit":"day"}}}"#, 1),
    (r#"{"attribute":"on","op":"gt","value":"2024-03-31"}"#, 1),
    (r#"{"all":[{"attribute":"select","op":"lte","value":3},{"all":[{"attribute":"event","op":"is","value":false},{"list":"half"}]}]}"#, 2),
    (r#"{"any":[{"attribute":"select","op":"lte","value":3},{"attribute":"event","op":"is","value":false}]}"#, 0),
    (r#"{"not":{"attribute":"select","op":"lte","value":3}}"#, 0),
];

async fn session(config: &CassandraConfig) -> Session {
    SessionBuilder::new().known_nodes(&config.contact_points).build().await.unwrap()
}

fn column<'c>(catalog: &'c Catalog, attribute: &str) -> &'c str {
    &catalog.attributes[attribute].columns[0].name
}

/// Makes an index as an operator would.
async fn index(session: &Session, keyspace: &str, column: &str, options: &str) {
    let cql = ["CREATE INDEX ", column, "_index ON ", keyspace, ".profiles (", column, ") USING 'sai'", options].concat();
    session.query_unpaged(cql, ()).await.unwrap();
}

#[tokio::test]
async fn members_are_the_same_with_indexes() {
    let Some(config) = config() else { return };
    let folder = tempfile::tempdir().unwrap();
    let world = World::standard();
    let (_, pinned) = loaded(folder.path(), &config, &world).await;
    let keyspace = format!("{}default", config.keyspace_prefix);
    let session = session(&config).await;
    let names = ["text", "select", "ts", "event", "at", "on"];
    for name in names {
        index(&session, &keyspace, column(&world.catalog, name), "").await;
    }
    // These are not used: one folds case, one is of a column that another came before.
    index(&session, &keyspace, column(&world.catalog, "Text"), " WITH OPTIONS = {'case_sensitive': 'false'}").await;
    index(&session, &keyspace, column(&world.catalog, "wide"), "").await;

    let backend = CassandraBackend::new(&config);
    let started = Instant::now();
    loop {
        let cassandra = Cassandra::connect(&config).await.unwrap();
        let indexes = store::cassandra::indexes(&Keyspace::open(&cassandra, "default").await.unwrap()).await.unwrap();
        assert_eq!(indexes.len(), names.len() + 1);
        if indexes.iter().all(|i| i.is_queryable) {
            break;
        }
        // Until they are built they are ignored, and members are the same.
        let query = query(&world, &pinned, CONDITIONS[0].0);
        assert_eq!(found(&backend, &query).await, expected(&world, &query));
        assert!(started.elapsed() < BUILT_WITHIN, "indexes are not built");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (condition, used) in CONDITIONS {
        let query = query(&world, &pinned, condition);
        assert_eq!(found(&backend, &query).await, expected(&world, &query), "{condition}");
        let explained = backend.explain(&query).await.unwrap().plan;
        assert_eq!(explained.matches("Read through index").count(), used, "{condition}\n{explained}");
        assert!(explained.contains("Residual"));
    }
    for condition in [r#"{"attribute":"Text","op":"is","value":"apple"}"#, r#"{"attribute":"wide","op":"gte","value":1}"#] {
        let query = query(&world, &pinned, condition);
        assert_eq!(found(&backend, &query).await, expected(&world, &query), "{condition}");
        assert!(!backend.explain(&query).await.unwrap().plan.contains("Read through index"));
    }
    drop_keyspace(&config, "default").await;
}
