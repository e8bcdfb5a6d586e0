//! Profiles: merging, the columnar form, chunks.

use crate::common::*;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::types::{Fields, Type};
use segment_core::value::Value;
use store::{AttributeWrite, ProfileWrite, Seen, StoreError, Workspace};

fn write(user: &str, at: i64, first_seen_at: Option<i64>, attributes: &[(&str, AttributeWrite)]) -> ProfileWrite {
    let attributes = attributes.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    ProfileWrite { user_id: user.to_owned(), attributes, written_at: at, first_seen_at, of_events: false }
}

fn text(s: &str) -> AttributeWrite {
    AttributeWrite::Value(Value::String(s.to_owned()))
}

fn known(catalog: &Catalog, attributes: &[(&str, Type)]) -> Catalog {
    let mut catalog = catalog.clone();
    for (name, ty) in attributes {
        catalog.set_field(Scope::Attribute, name, ty, Origin::Learned).unwrap();
    }
    catalog
}

async fn import(workspace: &Workspace, attributes: &[(&str, Type)], writes: Vec<ProfileWrite>) -> store::CommitInfo {
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = known(&writer.base().catalog, attributes);
    writer.upsert_profiles(writes).unwrap();
    writer.commit(catalog, serde_json::json!({})).await.unwrap()
}

#[tokio::test]
async fn profiles_and_events_meet_in_the_columns() {
    let (_dir, _store, workspace) = workspace().await;
    let address = Type::Object(Fields::from([("city".to_owned(), Type::String), ("floor".to_owned(), Type::Integer)]));
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = known(&writer.base().catalog, &[("country", Type::String), ("address", address), ("tags", Type::Strings)]);
    let city = Value::Object([("city".to_owned(), Value::String("Ōsaka".to_owned()))].into());
    writer
        .upsert_profiles(vec![
            write("always", 5, None, &[("country", text("JP")), ("address", AttributeWrite::Value(city.clone()))]),
            write("stated", 5, Some(100), &[("country", AttributeWrite::Raw("12".to_owned()))]),
            write("stated", 5, Some(90), &[("tags", AttributeWrite::Value(Value::Strings(vec![])))]),
        ])
        .unwrap();
    let numbers = writer.user_numbers(&["always", "stated", "events", "nobody"]).unwrap();
    assert_eq!(numbers, [0, 1, 2, 3]);
    let seen = |user_no, first, last| Seen { user_no, first, last };
    writer.note_events(&[seen(0, 50, 60), seen(1, 95, 95), seen(2, 7, 7), seen(2, 3, 4), seen(1, 80, 80)]).unwrap();
    assert!(matches!(writer.note_events(&[seen(9, 0, 0)]), Err(StoreError::Invalid(_))));
    let profile = writer.profile("stated").unwrap().unwrap();
    assert_eq!((profile.first_seen_at, profile.last_seen_at, profile.stated_first_seen), (Some(80), Some(95), Some(90)));
    assert_eq!(profile.raw["country"], "12");
    assert_eq!(writer.profile("nobody").unwrap(), None);
    let info = writer.commit(catalog.clone(), serde_json::json!({})).await.unwrap();
    assert_eq!((info.users, info.profile_files, info.event_files), (3, 1, 0));

    let pinned = workspace.pin().await.unwrap();
    let rows = read(&pinned.profiles.files[0].path).remove(0);
    assert_eq!(rows.schema().fields(), pinned.profiles.schema.fields());
    let times = |name: &str| rows[name].as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>();
    assert_eq!(rows["user_id"].as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["always", "stated", "events"]);
    assert_eq!(times("first_seen_at"), [None, Some(80), Some(3)]);
    assert_eq!(times("last_seen_at"), [Some(60), Some(95), Some(7)]);
    let column = |name: &str, path: &[&str]| {
        let column = catalog.attributes[name].columns.iter().find(|c| c.path == path).unwrap();
        rows[column.name.as_str()].clone()
    };
    assert_eq!(column("country", &[]).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("JP"), None, None]);
    assert_eq!(column("address", &[]).as_boolean().iter().collect::<Vec<_>>(), [Some(true), None, None]);
    assert_eq!(column("address", &["city"]).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("Ōsaka"), None, None]);
    assert_eq!(column("address", &["floor"]).null_count(), 3);
    let tags = column("tags", &[]);
    assert_eq!((tags.null_count(), tags.is_valid(1), tags.as_list::<i32>().value_length(1)), (2, true, 0));
    assert_eq!(rows["extra"].as_string::<i32>().iter().collect::<Vec<_>>(), [None, Some("{\"country\":12}"), None]);
}

#[tokio::test]
async fn later_writes_win_across_commits_and_null_clears() {
    let (_dir, _store, workspace) = workspace().await;
    let country = [("country", Type::String)];
    import(&workspace, &country, vec![write("a", 10, None, &[("country", text("JP"))])]).await;
    assert!(!import(&workspace, &country, vec![write("a", 9, None, &[("country", text("DE"))])]).await.changed);
    assert!(!import(&workspace, &country, vec![write("a", 10, None, &[("country", text("JP"))])]).await.changed);
    assert!(import(&workspace, &country, vec![write("a", 10, None, &[("country", text("FR"))])]).await.changed);
    let mut writer = workspace.begin_write().await.unwrap();
    assert_eq!(writer.profile("a").unwrap().unwrap().attributes["country"], Value::String("FR".to_owned()));
    writer.upsert_profiles(vec![write("a", 11, None, &[("country", AttributeWrite::Null)])]).unwrap();
    assert!(writer.profile("a").unwrap().unwrap().attributes.is_empty());
}

#[tokio::test]
async fn widened_values_move_when_written_again() {
    let (_dir, _store, workspace) = workspace().await;
    let score = |v| vec![("score", AttributeWrite::Value(v))];
    import(&workspace, &[("score", Type::Integer)], vec![write("a", 1, None, &score(Value::Integer(3)))]).await;
    import(&workspace, &[("score", Type::Number)], vec![write("b", 1, None, &score(Value::Number(0.5)))]).await;
    let pinned = workspace.pin().await.unwrap();
    let column = &pinned.catalog.attributes["score"].columns[0];
    let rows = read(&pinned.profiles.files[0].path).remove(0);
    let narrow = &column.before.as_ref().unwrap().name;
    assert_eq!(rows[column.name.as_str()].as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [None, Some(0.5)]);
    assert_eq!(rows[narrow.as_str()].as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(3), None]);
}

#[tokio::test]
async fn values_the_catalog_cannot_hold_are_refused_not_dropped() {
    let (_dir, _store, workspace) = workspace().await;
    for attributes in [vec![], vec![("country", Type::Integer)]] {
        let mut writer = workspace.begin_write().await.unwrap();
        let catalog = known(&writer.base().catalog, &attributes);
        writer.upsert_profiles(vec![write("a", 1, None, &[("country", text("JP"))])]).unwrap();
        assert!(matches!(writer.commit(catalog, serde_json::json!({})).await, Err(StoreError::Invalid(_))));
    }
    assert_eq!(workspace.pin().await.unwrap().profiles.rows, 0);
    assert!(workspace.imports(1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_commit_rewrites_only_chunks_with_changes_and_keeps_the_old_ones() {
    let (_dir, store, workspace) = workspace().await;
    const CHUNK: usize = 1 << 18;
    let ids: Vec<String> = (0..CHUNK + 3).map(|i| format!("u{i}")).collect();
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = (*writer.base().catalog).clone();
    for part in ids.chunks(50_000) {
        let numbers = writer.user_numbers(&part.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        writer.note_events(&numbers.iter().map(|&user_no| Seen { user_no, first: 1, last: 1 }).collect::<Vec<_>>()).unwrap();
    }
    assert_eq!(writer.commit(catalog, serde_json::json!({})).await.unwrap().profile_files, 2);
    let before = workspace.pin().await.unwrap();
    let spans: Vec<_> = before.profiles.files.iter().map(|f| (f.user_no_min, f.user_no_max, f.rows)).collect();
    assert_eq!(spans, [(0, CHUNK as u64 - 1, CHUNK as u64), (CHUNK as u64, CHUNK as u64 + 2, 3)]);

    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = (*writer.base().catalog).clone();
    let last = writer.user_numbers(&[ids[CHUNK + 2].as_str()]).unwrap()[0];
    writer.note_events(&[Seen { user_no: last, first: 2, last: 2 }]).unwrap();
    assert_eq!(writer.commit(catalog, serde_json::json!({})).await.unwrap().profile_files, 1);
    let after = workspace.pin().await.unwrap();
    assert_eq!(after.profiles.files[0], before.profiles.files[0]);
    assert_ne!(after.profiles.files[1].path, before.profiles.files[1].path);
    assert!(before.profiles.files[1].path.exists(), "a pin may read it");

    // Erasing everyone of a chunk leaves no file of it; their numbers are not given again.
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = (*writer.base().catalog).clone();
    assert_eq!(writer.erase(&[ids[CHUNK..].to_vec(), vec!["nobody".to_owned()]].concat()).unwrap(), 3);
    writer.commit(catalog, serde_json::json!({})).await.unwrap();
    let erased = workspace.pin().await.unwrap();
    assert_eq!((erased.profiles.files.len(), erased.profiles.rows), (1, CHUNK as u64));
    assert_eq!(workspace.begin_write().await.unwrap().user_numbers(&[ids[CHUNK].as_str()]).unwrap(), [CHUNK as u64 + 3]);
    assert_eq!(files_below(&store.dir().join("profiles/default/columns")).len(), 3);
}
