//! A lake on S3 with its catalog in Postgres: what is written here, Trino reads.

use std::collections::BTreeMap;

use crate::common::shared::*;
use crate::common::*;
use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::types::Type;
use segment_core::value::Value;
use sqlx::Connection;
use store::{AttributeWrite, ProfileWrite, Store, StoreConfig, StoreError};

#[tokio::test]
async fn a_directory_remembers_its_lake() {
    let (_dir, store, workspace) = shared_workspace("remembers").await;
    let mut other = lake();
    other.warehouse.push_str("/elsewhere");
    let other = StoreConfig { lake: Some(other), ..StoreConfig::default() };
    let refused = Store::open_existing_with(store.dir(), other).await.unwrap_err().to_string();
    assert!(refused.contains("/warehouse and") && refused.contains("/warehouse/elsewhere"), "{refused}");
    let refused = Store::open(store.dir()).await.unwrap_err().to_string();
    assert!(refused.contains("a lake in the directory"), "{refused}");
    let again = Store::open_existing_with(store.dir(), config()).await.unwrap();
    assert_eq!(again.workspaces().await.unwrap(), [workspace.name()]);

    let (_dir, local, _) = crate::common::workspace().await;
    assert!(matches!(Store::open_existing_with(local.dir(), config()).await, Err(StoreError::Conflict(_))));
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_left_alone() {
    let (_dir, _store, workspace) = shared_workspace("taken").await;
    import_day(&workspace, 10, &[event("view", "a", 5, None)]).await;
    let dir = tempfile::tempdir().unwrap();
    let other = Store::open_with(dir.path(), config()).await.unwrap();
    let refused = other.create_workspace(workspace.name(), "UTC").await.unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict(what) if what.contains("another name")), "{refused}");
    assert!(matches!(other.create_workspace("information_schema", "UTC").await, Err(StoreError::Invalid(_))));
    assert_eq!(events(&workspace.pin().await.unwrap()).await.len(), 1);
}

/// A catalog with attributes or properties of every type, under names that are hard to carry.
fn every_type(catalog: &mut Catalog, scope: Scope) {
    let fields = || BTreeMap::from([("sku".to_owned(), Type::String), ("qty".to_owned(), Type::Integer)]);
    let types = [
        ("SELECT", Type::String),
        ("a\"b'; DROP TABLE x --", Type::Integer),
        ("price", Type::Number),
        ("Price", Type::Number),
        ("日本", Type::Boolean),
        ("ts", Type::Timestamp),
        ("event", Type::Date),
        ("tags", Type::Strings),
        ("address", Type::Object(fields())),
        ("items", Type::Objects(fields())),
        ("position", Type::Map(Box::new(Type::Number))),
    ];
    for (name, ty) in types {
        catalog.set_field(scope, name, &ty, Origin::Declared).unwrap();
    }
}

fn values() -> BTreeMap<&'static str, Value> {
    let item = BTreeMap::from([("sku".to_owned(), Value::String("x\"y".to_owned())), ("qty".to_owned(), Value::Integer(2))]);
    BTreeMap::from([
        ("SELECT", Value::String("O'Hara \u{1F600}".to_owned())),
        ("a\"b'; DROP TABLE x --", Value::Integer(i64::MIN)),
        ("price", Value::Number(0.1)),
        ("Price", Value::Number(-1e300)),
        ("日本", Value::Boolean(true)),
        ("ts", Value::Timestamp(1_600_000_000_123_456)),
        ("event", Value::Date(-1)),
        ("tags", Value::Strings(vec!["a".to_owned(), String::new(), "日".to_owned()])),
        ("address", Value::Object(item.clone())),
        ("items", Value::Objects(vec![item])),
        ("position", Value::Map(BTreeMap::from([("v1".to_owned(), Value::Number(1.5))]))),
    ])
}

/// Writes users and events with values of every type and with none.
async fn write_every_type(workspace: &store::Workspace) -> Catalog {
    let mut writer = workspace.begin_write().await.unwrap();
    let mut catalog = (*writer.base().catalog).clone();
    every_type(&mut catalog, Scope::Attribute);
    every_type(&mut catalog, Scope::Property);
    writer.set_catalog(&catalog).await.unwrap();
    let attributes = values().into_iter().map(|(name, value)| (name.to_owned(), AttributeWrite::Value(value))).collect();
    let nobody = ProfileWrite { user_id: "plain".to_owned(), attributes: Vec::new(), written_at: 0, first_seen_at: None, of_events: false };
    let raw = vec![("tags".to_owned(), AttributeWrite::Raw("{\"no\": \"list\"}".to_owned()))];
    writer
        .upsert_profiles(vec![
            ProfileWrite { user_id: "full".to_owned(), attributes, written_at: 0, first_seen_at: Some(5), of_events: false },
            ProfileWrite { user_id: "raw".to_owned(), attributes: raw, ..nobody.clone() },
            nobody,
        ])
        .unwrap();
    let mut file = writer.event_file(10).unwrap();
    let mut bare = batch(&mut writer, &file.schema().clone(), &catalog, 10, &[event("buy", "full", 7, None), event("view", "x", 8, None)]);
    let mut columns = store::ColumnsBuilder::new(&catalog, Scope::Property);
    let all = values();
    columns.append(|name| all.get(name)).unwrap();
    columns.append(|_| None).unwrap();
    let mut arrays = bare.columns()[..9].to_vec();
    arrays.extend(columns.finish());
    bare = arrow::record_batch::RecordBatch::try_new(bare.schema(), arrays).unwrap();
    file.write(&bare).unwrap();
    writer.add_event_files(file.finish().unwrap());
    writer.commit(catalog.clone(), serde_json::json!({})).await.unwrap();
    catalog
}

#[tokio::test]
async fn trino_reads_every_type_in_all_three_tables() {
    let (_dir, _store, workspace) = shared_workspace("types").await;
    let empty = workspace.pin().await.unwrap().shared.unwrap();
    assert_eq!(trino_column(&fill("SELECT count(*) FROM {}", &[&as_of(&empty.namespace, &empty.events)])).await, ["0"]);
    assert_eq!(trino_column(&fill("SELECT count(*) FROM {}", &[&as_of(&empty.namespace, &empty.profiles)])).await, ["0"]);

    let catalog = write_every_type(&workspace).await;
    workspace.replace_list("VIP.1", vec!["full".to_owned(), "it's".to_owned()], serde_json::json!({})).await.unwrap();
    workspace.replace_list("none", Vec::new(), serde_json::json!({})).await.unwrap();

    let pinned = workspace.pin().await.unwrap();
    let tables = pinned.shared.clone().unwrap();
    for (table, schema, order) in
        [(&tables.events, pinned.events.schema(), "event"), (&tables.profiles, &pinned.profiles.schema, "user_no")]
    {
        let names: Vec<String> = schema.fields().iter().map(|f| quoted(f.name())).collect();
        let sql = fill("SELECT {} FROM {} ORDER BY {}", &[&names.join(", "), &as_of(&tables.namespace, table), &order]);
        let rows = trino(&sql).await;
        let cell = |row: usize, scope: Scope, name: &str, path: usize| {
            let column = &catalog.fields(scope)[name].columns[path].name;
            rows[row][schema.index_of(column).unwrap()].clone()
        };
        let scope = if order == "event" { Scope::Property } else { Scope::Attribute };
        assert_eq!(cell(0, scope, "SELECT", 0), "O'Hara \u{1F600}");
        assert_eq!(cell(0, scope, "a\"b'; DROP TABLE x --", 0), i64::MIN);
        assert_eq!(cell(0, scope, "price", 0), 0.1);
        assert_eq!(cell(0, scope, "Price", 0), -1e300);
        assert_eq!(cell(0, scope, "日本", 0), true);
        assert_eq!(cell(0, scope, "ts", 0), "2020-09-13 12:26:40.123456 UTC");
        assert_eq!(cell(0, scope, "event", 0), "1969-12-31");
        assert_eq!(cell(0, scope, "tags", 0), serde_json::json!(["a", "", "日"]));
        assert!(cell(1, scope, "tags", 0).is_null() && cell(1, scope, "price", 0).is_null());
        let items = cell(0, scope, "items", 0);
        assert_eq!(
            items.as_str().map(|t| serde_json::from_str::<serde_json::Value>(t).unwrap()),
            Some(serde_json::json!([{"qty": 2, "sku": "x\"y"}]))
        );
        for path in 0..catalog.fields(scope)["address"].columns.len() {
            assert!(!cell(0, scope, "address", path).is_null());
        }
        assert!(cell(0, scope, "position", 0).as_str().unwrap().contains("1.5"));
    }
    let extra = trino_column(&fill("SELECT extra FROM {} WHERE user_id = 'raw'", &[&as_of(&tables.namespace, &tables.profiles)])).await;
    assert!(extra[0].contains("\\\"no\\\"") || extra[0].contains("\"no\""), "{extra:?}");
    let list = |key: &str| fill("SELECT user_id FROM {} ORDER BY 1", &[&as_of(&tables.namespace, &tables.lists[key])]);
    assert_eq!(trino_column(&list("VIP.1")).await, ["full", "it's"]);
    assert!(trino(&list("none")).await.is_empty());
    // Partitions and statistics prune: nothing is read of another day.
    let day = fill(
        "SELECT count(*) FROM {} WHERE ts >= from_unixtime(0) AND ts < from_unixtime(86400)",
        &[&as_of(&tables.namespace, &tables.events)],
    );
    assert_eq!(trino_column(&day).await, ["0"]);
    assert_eq!(events(&pinned).await.len(), 2);
}

#[tokio::test]
async fn tables_follow_states_and_pins_outlive_them() {
    let (_dir, store, workspace) = shared_workspace("states").await;
    import_day(&workspace, 10, &[event("view", "a", 5, None), event("buy", "b", 7, Some(3))]).await;
    let first = workspace.pin().await.unwrap();
    import_day(&workspace, 11, &[event("buy", "c", 1, Some(4))]).await;
    let mut writer = workspace.begin_write().await.unwrap();
    writer.erase(&["b".to_owned()]).unwrap();
    let catalog = (*writer.base().catalog).clone();
    writer.commit(catalog, serde_json::json!({})).await.unwrap();
    let last = workspace.pin().await.unwrap();
    let ids = |pinned: &store::Pinned| {
        let tables = pinned.shared.clone().unwrap();
        fill("SELECT user_id FROM {} ORDER BY 1", &[&as_of(&tables.namespace, &tables.profiles)])
    };
    assert_eq!(trino_column(&ids(&first)).await, ["a", "b"]);
    assert_eq!(trino_column(&ids(&last)).await, ["a", "c"]);
    let count = |pinned: &store::Pinned| {
        let tables = pinned.shared.clone().unwrap();
        fill("SELECT count(*) FROM {}", &[&as_of(&tables.namespace, &tables.events)])
    };
    assert_eq!(trino_column(&count(&first)).await, ["2"]);
    assert_eq!(trino_column(&count(&last)).await, ["3"]);
    assert!(files_below(&store.dir().join("profiles").join(workspace.name()).join("staging")).is_empty(), "uploaded and gone");

    // A declaration shows in Trino at once, in the very snapshot that is pinned.
    let mut catalog = (*last.catalog).clone();
    catalog.set_field(Scope::Property, "colour", &Type::String, Origin::Declared).unwrap();
    catalog.set_field(Scope::Attribute, "age", &Type::Integer, Origin::Declared).unwrap();
    workspace.set_catalog(last.version, &catalog).await.unwrap();
    let declared = workspace.pin().await.unwrap();
    let tables = declared.shared.clone().unwrap();
    let (colour, age) = (&catalog.properties["colour"].columns[0].name, &catalog.attributes["age"].columns[0].name);
    assert_eq!(
        trino_column(&fill("SELECT count({}), count(*) FROM {}", &[&colour, &as_of(&tables.namespace, &tables.events)])).await,
        ["0|3"]
    );
    assert_eq!(
        trino_column(&fill("SELECT count({}), count(*) FROM {}", &[&age, &as_of(&tables.namespace, &tables.profiles)])).await,
        ["0|2"]
    );

    // Old tables and objects go once they are old enough, those in use stay.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store.dir().join("muster.db"));
    let mut db = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE garbage SET at = 0").execute(&mut db).await.unwrap();
    import_day(&workspace, 12, &[event("view", "d", 5, None)]).await;
    assert!(try_trino(&ids(&first)).await.is_err());
    assert_eq!(trino_column(&ids(&declared)).await, ["a", "c"]);
    assert_eq!(trino_column(&ids(&workspace.pin().await.unwrap())).await, ["a", "c", "d"]);
    let tables = trino_column(&format!("SHOW TABLES FROM lake.{}", quoted(workspace.name()))).await;
    assert_eq!(tables, ["events", "profiles_3", "profiles_4", "profiles_5"], "the latest, and those of two states before");
}

#[tokio::test]
async fn lists_are_replaced_and_the_old_ones_stay_for_a_while() {
    let (_dir, _store, workspace) = shared_workspace("lists").await;
    workspace.replace_list("vip", vec!["a".to_owned()], serde_json::json!({})).await.unwrap();
    let before = workspace.pin().await.unwrap().shared.unwrap();
    workspace.replace_list("vip", vec!["b".to_owned()], serde_json::json!({})).await.unwrap();
    let after = workspace.pin().await.unwrap().shared.unwrap();
    let ids = |tables: &store::SharedTables| fill("SELECT user_id FROM {}", &[&as_of(&tables.namespace, &tables.lists["vip"])]);
    assert_eq!((trino_column(&ids(&before)).await, trino_column(&ids(&after)).await), (vec!["a".to_owned()], vec!["b".to_owned()]));
    assert!(workspace.delete_list("vip").await.unwrap());
    assert!(workspace.pin().await.unwrap().shared.unwrap().lists.is_empty());
}

#[tokio::test]
async fn large_files_are_uploaded_in_parts_and_keys_are_read_back() {
    let (_dir, _store, workspace) = shared_workspace("parts").await;
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = (*writer.base().catalog).clone();
    // Ids that do not compress: about 40 MB in one file.
    let many: Vec<Event> = (0..400_000)
        .map(|i: u64| {
            event(
                "view",
                &format!("{:032x}", u128::from(i).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
                (i % 86_400) as i64,
                None,
            )
        })
        .collect();
    write_day(&mut writer, &catalog, 10, &many);
    let info = writer.commit(catalog, serde_json::json!({})).await.unwrap();
    assert_eq!(info.event_rows, 400_000);
    let pinned = workspace.pin().await.unwrap();
    let plan = pinned.events.plan(&[everything()]).await.unwrap();
    assert!(plan.files.iter().any(|f| f.size_bytes > 17 << 20), "{:?}", plan.files);
    let tables = pinned.shared.clone().unwrap();
    let sql = fill("SELECT count(*), count(DISTINCT user_id) FROM {}", &[&as_of(&tables.namespace, &tables.events)]);
    assert_eq!(trino_column(&sql).await, ["400000|400000"]);
    let writer = workspace.begin_write().await.unwrap();
    let keys = writer.day_keys(10).await.unwrap();
    assert_eq!(keys.map(|b| b.unwrap().num_rows()).sum::<usize>(), 400_000);
    let recent = writer.message_ids_since(11 * DAY_US + 1).await.unwrap();
    assert_eq!(recent.count(), 0);
}
