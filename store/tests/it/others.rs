//! A lake that others change: what Trino deletes, compacts and inserts is what is read next, and what a crash leaves is undone or finished.

use crate::common::shared::*;
use crate::common::*;
use sqlx::Connection;
use store::{Pinned, Store, StoreError, Workspace};

fn table(workspace: &Workspace) -> String {
    format!("lake.{}.events", quoted(workspace.name()))
}

/// What Trino and this crate read of a pinned state's events, which has to be the same: name, user and message.
async fn both(pinned: &Pinned) -> Vec<String> {
    let tables = pinned.shared.clone().unwrap();
    let sql = fill("SELECT event, user_id, message_id FROM {}", &[&as_of(&tables.namespace, &tables.events)]);
    let mut theirs = trino_column(&sql).await;
    let mut ours = Vec::new();
    let plan = pinned.events.plan(&[everything()]).await.unwrap();
    assert!(plan.unsupported.is_empty(), "{:?}", plan.unsupported);
    for file in &plan.files {
        let text = |batch: &arrow::record_batch::RecordBatch, name: &str, row: usize| {
            arrow::array::AsArray::as_string::<i32>(&batch[name]).value(row).to_owned()
        };
        let batches = read_planned(pinned, file);
        let rows = batches.iter().flat_map(|b| (0..b.num_rows()).map(move |row| (b, row)));
        ours.extend(rows.map(|(b, row)| format!("{}|{}|{}", text(b, "event", row), text(b, "user_id", row), text(b, "message_id", row))));
    }
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);
    ours
}

async fn keys(workspace: &Workspace, day: i32) -> usize {
    let writer = workspace.begin_write().await.unwrap();
    writer.day_keys(day).await.unwrap().map(|b| b.unwrap().num_rows()).sum()
}

#[tokio::test]
async fn deleted_compacted_and_inserted_by_trino() {
    let (_dir, _store, workspace) = shared_workspace("others").await;
    let many: Vec<Event> = (0..5000).map(|i| event(["buy", "view"][i % 2], &format!("u{}", i % 7), i as i64, Some(i as i64))).collect();
    import_day(&workspace, 10, &many).await;
    import_day(&workspace, 11, &[event("view", "u1", 5, None), event("buy", "x", 6, None)]).await;
    let before = workspace.pin().await.unwrap();
    assert_eq!(both(&before).await.len(), 5002);

    trino(&fill("DELETE FROM {} WHERE user_id = 'u3' OR message_id LIKE '%-77-%'", &[&table(&workspace)])).await;
    let deleted = workspace.pin().await.unwrap();
    let expected = 5002 - many.iter().filter(|e| e.user == "u3").count() - 1;
    assert_eq!(both(&deleted).await.len(), expected);
    let plan = deleted.events.plan(&[everything()]).await.unwrap();
    assert!(plan.files.iter().any(|f| f.deleted.rows() > 700), "these are merged on reading");
    assert_eq!(deleted.version, before.version);
    assert_eq!(both(&before).await.len(), 5002, "what was pinned before stays");
    assert_eq!(keys(&workspace, 10).await, expected - 2, "what was deleted is not a duplicate of anything");

    // An import commits on top, and does not bring back what was deleted.
    import_day(&workspace, 12, &[event("view", "u3", 5, None)]).await;
    assert_eq!(both(&workspace.pin().await.unwrap()).await.len(), expected + 1);

    trino(&fill("ALTER TABLE {} EXECUTE optimize", &[&table(&workspace)])).await;
    let compacted = workspace.pin().await.unwrap();
    assert_eq!(both(&compacted).await.len(), expected + 1);
    let plan = compacted.events.plan(&[everything()]).await.unwrap();
    assert!(plan.files.iter().all(|f| f.deleted.is_empty()), "{plan:?}");
    let copied = "event, user_no, user_id, ts, message_id || '-again', received_at, log_shard, log_offset, extra";
    let columns = "event, user_no, user_id, ts, message_id, received_at, log_shard, log_offset, extra";
    let insert =
        fill("INSERT INTO {} ({}) SELECT {} FROM {} WHERE user_id = 'u1'", &[&table(&workspace), &columns, &copied, &table(&workspace)]);
    trino(&insert).await;
    let ones = many.iter().filter(|e| e.user == "u1").count() + 1;
    let inserted = workspace.pin().await.unwrap();
    assert_eq!(both(&inserted).await.len(), expected + 1 + ones);

    // A deletion of whole partitions, and one under way while an import is.
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = (*writer.base().catalog).clone();
    write_day(&mut writer, &catalog, 13, &[event("late", "u9", 1, None)]);
    trino(&fill(
        "DELETE FROM {} WHERE ts >= TIMESTAMP '1970-01-11 00:00:00 UTC' AND ts < TIMESTAMP '1970-01-12 00:00:00 UTC'",
        &[&table(&workspace)],
    ))
    .await;
    writer.commit(catalog, serde_json::json!({})).await.unwrap();
    let left = both(&workspace.pin().await.unwrap()).await;
    assert_eq!(
        left,
        [
            "buy|x|11-buy-x-6-0",
            "late|u9|13-late-u9-1-0",
            "view|u1|11-view-u1-5-1",
            "view|u1|11-view-u1-5-1-again",
            "view|u3|12-view-u3-5-0"
        ]
    );
    assert_eq!(users(&workspace.pin().await.unwrap()).len(), 9, "profiles know nothing of it");

    let mut writer = workspace.begin_write().await.unwrap();
    assert_eq!(writer.erase(&["u1".to_owned()]).unwrap(), 1);
    let catalog = (*writer.base().catalog).clone();
    writer.commit(catalog, serde_json::json!({})).await.unwrap();
    let erased = workspace.pin().await.unwrap();
    assert_eq!((users(&erased).len(), both(&erased).await.len()), (8, 5));
}

/// Where a commit ends: each an SQLite trigger that refuses one of its steps.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    AfterUploads,
    BeforeAppend,
    BeforeSwitch,
}

async fn database(store: &Store) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store.dir().join("muster.db"));
    sqlx::SqliteConnection::connect_with(&options).await.unwrap()
}

/// An import that ends there.
async fn interrupted(store: &Store, workspace: &Workspace, end: End) {
    let trigger = match end {
        End::AfterUploads => "UPDATE ON workspaces WHEN NEW.next_list > OLD.next_list",
        End::BeforeAppend => "INSERT ON prepared",
        End::BeforeSwitch => "UPDATE ON workspaces WHEN NEW.version > OLD.version",
    };
    let mut db = database(store).await;
    let sql = fill("CREATE TRIGGER crash BEFORE {} BEGIN SELECT RAISE(ABORT, 'crash'); END", &[&trigger]);
    sqlx::query(&sql).execute(&mut db).await.unwrap();
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = (*writer.base().catalog).clone();
    write_day(&mut writer, &catalog, 11, &[event("view", "a", 9, None), event("buy", "b", 7, None)]);
    let error = writer.commit(catalog, serde_json::json!({"interrupted": true})).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    sqlx::query("DROP TRIGGER crash").execute(&mut db).await.unwrap();
}

async fn objects(workspace: &Workspace, pinned: &Pinned) -> usize {
    let (client, path) = pinned.events.objects().unwrap().at(&format!("{}/{}", lake().warehouse, workspace.name())).unwrap();
    let all: Vec<_> = futures::TryStreamExt::try_collect(client.list(Some(&path))).await.unwrap();
    all.iter().filter(|o| o.location.as_ref().ends_with(".parquet")).count()
}

async fn crash(end: End) {
    let (_dir, store, workspace) = shared_workspace("crash").await;
    import_day(&workspace, 10, &[event("view", "a", 5, None)]).await;
    let before = workspace.pin().await.unwrap();
    let files = objects(&workspace, &before).await;
    interrupted(&store, &workspace, end).await;

    let crashed = workspace.pin().await.unwrap();
    assert_eq!((crashed.version, &crashed.profiles, &crashed.shared), (before.version, &before.profiles, &before.shared));
    assert_eq!(both(&crashed).await.len(), 1);
    {
        let mut writer = workspace.begin_write().await.unwrap();
        assert_eq!(writer.profile("b").unwrap(), None);
        assert_eq!(writer.user_numbers(&["z"]).unwrap(), [1]);
        assert_eq!(objects(&workspace, &before).await, files, "what was uploaded is removed");
        let now = trino_column(&fill("SELECT count(*) FROM {}", &[&table(&workspace)])).await;
        assert_eq!(now, ["1"], "the table went back as well");
        let tables = trino_column(&format!("SHOW TABLES FROM lake.{}", quoted(workspace.name()))).await;
        assert_eq!(tables.iter().filter(|t| t.starts_with("profiles_")).count(), 2, "{tables:?}");
    }
    import_day(&workspace, 11, &[event("view", "a", 9, None), event("buy", "b", 7, Some(3))]).await;
    let now = workspace.pin().await.unwrap();
    assert_eq!(both(&now).await.len(), 3);
    assert_eq!(users(&now), [(0, "a".to_owned()), (1, "b".to_owned())]);
    assert_eq!(now.events.plan(&[]).await.unwrap().rows_total, 3);
}

#[tokio::test]
async fn a_crash_after_the_uploads_is_undone() {
    crash(End::AfterUploads).await;
}

#[tokio::test]
async fn a_crash_before_the_append_is_undone() {
    crash(End::BeforeAppend).await;
}

#[tokio::test]
async fn a_crash_before_the_switch_is_undone() {
    crash(End::BeforeSwitch).await;
}

#[tokio::test]
async fn an_interrupted_import_that_trino_built_on_is_finished() {
    let (_dir, store, workspace) = shared_workspace("finish").await;
    import_day(&workspace, 10, &[event("view", "a", 5, None)]).await;
    trino(&fill("DELETE FROM {} WHERE event = 'none'", &[&table(&workspace)])).await;
    let before = workspace.pin().await.unwrap();
    interrupted(&store, &workspace, End::BeforeSwitch).await;
    trino(&fill("ALTER TABLE {} EXECUTE optimize", &[&table(&workspace)])).await;
    trino(&fill("DELETE FROM {} WHERE user_id = 'a' AND ts > TIMESTAMP '1970-01-12 00:00:00 UTC'", &[&table(&workspace)])).await;
    // Readers see what there was before it.
    let meanwhile = workspace.pin().await.unwrap();
    assert_eq!((meanwhile.version, both(&meanwhile).await.len()), (before.version, 1));

    drop(workspace.begin_write().await.unwrap());
    let finished = workspace.pin().await.unwrap();
    assert_eq!(finished.version, before.version + 1);
    assert_eq!(both(&finished).await, ["buy|b|11-buy-b-7-0", "view|a|10-view-a-5-0"]);
    assert_eq!(users(&finished), [(0, "a".to_owned()), (1, "b".to_owned())]);
    assert_eq!(workspace.imports(1).await.unwrap()[0].record, serde_json::json!({"interrupted": true}));
    let tables = finished.shared.clone().unwrap();
    let ids = fill("SELECT user_id FROM {} ORDER BY 1", &[&as_of(&tables.namespace, &tables.profiles)]);
    assert_eq!(trino_column(&ids).await, ["a", "b"]);
}

#[tokio::test]
async fn dropped_columns_and_rolled_back_tables_are_refused() {
    let (_dir, _store, workspace) = shared_workspace("drift").await;
    import_day(&workspace, 10, &[event("buy", "a", 5, Some(1))]).await;
    let first = workspace.pin().await.unwrap();
    let price = first.catalog.properties["price"].columns[0].name.clone();
    trino(&fill("ALTER TABLE {} ADD COLUMN other varchar", &[&table(&workspace)])).await;
    assert_eq!(both(&workspace.pin().await.unwrap()).await.len(), 1);
    trino(&fill("ALTER TABLE {} DROP COLUMN {}", &[&table(&workspace), &price])).await;
    for refused in [workspace.pin().await.err(), workspace.begin_write().await.err()] {
        assert!(matches!(&refused, Some(StoreError::Corrupt { what, .. }) if what.contains(&price)), "{refused:?}");
    }
    trino(&fill("ALTER TABLE {} ADD COLUMN {} bigint", &[&table(&workspace), &price])).await;
    assert!(
        matches!(workspace.pin().await, Err(StoreError::Corrupt { .. })),
        "it is another column, and old files have the old one's values"
    );

    let (_dir, _store, workspace) = shared_workspace("rolled").await;
    import_day(&workspace, 10, &[event("buy", "a", 5, None)]).await;
    let first = workspace.pin().await.unwrap().events.id().unwrap();
    import_day(&workspace, 11, &[event("buy", "a", 5, None)]).await;
    trino(&fill("ALTER TABLE {} EXECUTE rollback_to_snapshot({})", &[&table(&workspace), &first])).await;
    assert!(matches!(workspace.pin().await, Err(StoreError::Conflict(_))));
    assert!(matches!(workspace.begin_write().await, Err(StoreError::Conflict(_))));
}

#[tokio::test]
async fn snapshots_that_expired() {
    let (_dir, _store, workspace) = shared_workspace("expired").await;
    import_day(&workspace, 10, &[event("buy", "a", 5, None), event("buy", "b", 5, None)]).await;
    let old = workspace.pin().await.unwrap();
    trino(&fill("DELETE FROM {} WHERE user_id = 'a'", &[&table(&workspace)])).await;
    trino(&fill("ALTER TABLE {} EXECUTE optimize", &[&table(&workspace)])).await;
    trino(&fill("ALTER TABLE {} EXECUTE expire_snapshots(retention_threshold => '0s')", &[&table(&workspace)])).await;
    // The state's own snapshot is gone; what followed it is there.
    let now = workspace.pin().await.unwrap();
    assert_eq!(both(&now).await, ["buy|b|10-buy-b-5-1"]);
    let error = old.events.plan(&[everything()]).await;
    let gone = match error {
        Err(e) => matches!(e, StoreError::Unavailable { .. }),
        Ok(plan) => {
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(old.events.open(&plan.files[0]).unwrap()).is_err()
        }
    };
    assert!(gone, "an expired snapshot fails, and says so");
    import_day(&workspace, 11, &[event("buy", "c", 5, None)]).await;
    assert_eq!(both(&workspace.pin().await.unwrap()).await.len(), 2);
}
