//! Workspaces from outside: making, pinning, segments, lists, declarations.

use crate::common::*;
use segment_core::catalog::{Origin, Scope};
use segment_core::types::Type;
use store::{SegmentDraft, Store, StoreError};

#[tokio::test]
async fn a_workspace_is_made_once_and_found_again() {
    let (_dir, store, workspace) = workspace().await;
    assert!(matches!(store.create_workspace("default", "UTC").await, Err(StoreError::Conflict(_))));
    assert!(matches!(store.create_workspace("No", "UTC").await, Err(StoreError::Invalid(_))));
    assert!(matches!(store.workspace("../x").await, Err(StoreError::Invalid(_))));
    store.create_workspace("another-1", "UTC").await.unwrap();

    let again = Store::open_existing(store.dir()).await.unwrap();
    assert_eq!(again.workspaces().await.unwrap(), ["another-1", "default"]);
    assert!(again.workspace("none").await.unwrap().is_none());
    let pinned = again.workspace("default").await.unwrap().unwrap().pin().await.unwrap();
    assert_eq!((pinned.version, pinned.catalog.timezone.as_str()), (1, "Europe/London"));
    assert_eq!((pinned.events.id(), pinned.profiles.rows), (None, 0));
    assert!(pinned.events.plan(&[everything()]).await.unwrap().files.is_empty());
    assert_eq!(workspace.pin().await.unwrap().version, 1);
}

#[tokio::test]
async fn a_directory_that_is_not_there_says_how_it_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open_existing(dir.path().join("none")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(_)) && error.to_string().contains("muster import"), "{error}");
}

#[tokio::test]
async fn segments_are_versioned() {
    let (_dir, _store, workspace) = workspace().await;
    let draft = |condition: &str| SegmentDraft { condition: condition.to_owned(), tags: vec!["t".to_owned()], ..SegmentDraft::default() };
    let first = workspace.save_segment("b", draft("{\"everyone\":true}")).await.unwrap();
    assert_eq!(first.version, 1);
    workspace.save_segment("a", SegmentDraft { tags: Vec::new(), ..draft("{}") }).await.unwrap();
    let second = workspace.save_segment("b", draft("{ \"any\": [] }")).await.unwrap();
    assert_eq!((second.version, second.saved.condition.as_str(), second.created_at), (2, "{ \"any\": [] }", first.created_at));
    assert!(second.updated_at > first.updated_at);
    let versions = workspace.segment_versions("b", u64::MAX, 10).await.unwrap();
    assert_eq!(versions.iter().map(|v| (v.version, &v.saved)).collect::<Vec<_>>(), [(2, &second.saved), (1, &first.saved)]);
    assert_eq!(workspace.segment("b").await.unwrap().unwrap(), second);
    assert_eq!(workspace.segments().await.unwrap().iter().map(|s| s.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(workspace.pin().await.unwrap().segments["b"], "{ \"any\": [] }");
    let keys = async |after: &str, archived, tag| {
        workspace.segments_after(after, archived, tag, 10).await.unwrap().into_iter().map(|s| s.key).collect::<Vec<_>>()
    };
    assert_eq!((keys("", None, None).await.len(), keys("a", None, None).await), (2, vec!["b".to_owned()]));
    assert_eq!(keys("", None, Some("t")).await, ["b"]);
    let archived = workspace.archive_segment("a", true).await.unwrap().unwrap();
    assert_eq!(workspace.archive_segment("a", true).await.unwrap().unwrap(), archived);
    assert_eq!((keys("", Some(true), None).await, keys("", Some(false), None).await), (vec!["a".to_owned()], vec!["b".to_owned()]));
    assert_eq!(workspace.archive_segment("a", false).await.unwrap().unwrap().archived_at, None);
    assert_eq!(workspace.archive_segment("c", false).await.unwrap(), None);
    assert!(workspace.delete_segment("b").await.unwrap());
    assert_eq!(workspace.segment_versions("b", u64::MAX, 10).await.unwrap(), []);
    assert!(!workspace.delete_segment("b").await.unwrap());
    assert!(matches!(workspace.save_segment("a b", draft("{}")).await, Err(StoreError::Invalid(_))));
}

#[tokio::test]
async fn a_list_is_replaced_and_its_old_files_outlive_a_pin() {
    let (_dir, store, workspace) = workspace().await;
    let ids = |ids: &[&str]| ids.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let first = workspace.replace_list("vip", ids(&["b", "a", "b", "é", "Z"]), serde_json::json!({"rows": 5})).await.unwrap();
    assert_eq!((first.rows, first.table.as_str()), (4, "list_1"));
    let pinned = workspace.pin().await.unwrap();
    let second = workspace.replace_list("vip", ids(&["c"]), serde_json::json!({})).await.unwrap();
    let empty = workspace.replace_list("none", Vec::new(), serde_json::json!({})).await.unwrap();
    assert_eq!((empty.rows, empty.files.len()), (0, 0));

    let read_ids = |info: &store::ListInfo| -> Vec<String> {
        let columns = info.files.iter().flat_map(|f| read(f));
        columns
            .flat_map(|b| arrow::array::AsArray::as_string::<i32>(b.column(0)).iter().flatten().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    assert_eq!(read_ids(&pinned.lists["vip"]), ["Z", "a", "b", "é"]);
    assert_eq!(read_ids(&workspace.list("vip").await.unwrap().unwrap()), ["c"]);
    assert_eq!(workspace.list("vip").await.unwrap().unwrap(), second);
    assert_eq!(workspace.lists().await.unwrap().len(), 2);

    // What an interrupted replacement leaves is removed by the next; what a pin may hold stays.
    let folder = store.dir().join("warehouse/default");
    std::fs::create_dir_all(folder.join("list_77/data")).unwrap();
    assert!(workspace.delete_list("none").await.unwrap());
    assert!(!workspace.delete_list("none").await.unwrap());
    workspace.replace_list("other", ids(&["x"]), serde_json::json!({})).await.unwrap();
    assert_eq!(files_below(&folder), ["events", "list_1", "list_2", "list_3", "list_4"]);
    assert!(matches!(workspace.replace_list("x", ids(&[""]), serde_json::json!({})).await, Err(StoreError::Invalid(_))));
}

#[tokio::test]
async fn declarations_need_the_version_they_were_made_on() {
    let (_dir, _store, workspace) = workspace().await;
    let mut catalog = (*workspace.pin().await.unwrap().catalog).clone();
    catalog.set_field(Scope::Property, "price", &Type::Number, Origin::Declared).unwrap();
    assert_eq!(workspace.set_catalog(1, &catalog).await.unwrap(), 2);
    assert!(matches!(workspace.set_catalog(1, &catalog).await, Err(StoreError::Conflict(_))));
    let pinned = workspace.pin().await.unwrap();
    assert_eq!((pinned.version, &*pinned.catalog), (2, &catalog));
    let lost = segment_core::catalog::Catalog::new("Europe/London");
    assert!(matches!(workspace.set_catalog(2, &lost).await, Err(StoreError::Invalid(_))));

    // The declared column is there for the next import without more ado.
    let writer = workspace.begin_write().await.unwrap();
    assert!(matches!(workspace.set_catalog(2, &catalog).await, Err(StoreError::Busy(_))));
    let name = &catalog.properties["price"].columns[0].name;
    assert!(writer.event_file(0).unwrap().schema().field_with_name(name).is_ok());
}

/// Whoever makes the database and its tables has them to itself; the others wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn first_openings_at_once() {
    for round in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let opening = (0..16).map(|i| {
            let path = folder.path().to_owned();
            tokio::spawn(async move {
                let store = Store::open(&path).await.map_err(|e| format!("{e:?}"))?;
                store.create_workspace(&format!("w{i}"), "UTC").await.map_err(|e| format!("{e:?}")).map(drop)
            })
        });
        for (i, opened) in opening.collect::<Vec<_>>().into_iter().enumerate() {
            opened.await.unwrap().unwrap_or_else(|e| panic!("round {round}, {i}: {e}"));
        }
        assert_eq!(Store::open(folder.path()).await.unwrap().workspaces().await.unwrap().len(), 16);
    }
}
