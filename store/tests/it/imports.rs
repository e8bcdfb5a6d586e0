//! Imports: what a commit shows, what a crash leaves.

use std::time::{Duration, Instant};

use crate::common::*;
use segment_core::types::Type;
use sqlx::Connection;
use store::{Store, StoreError, Workspace};

#[tokio::test]
async fn two_commits_add_up_and_a_pin_stays() {
    let (_dir, store, workspace) = workspace().await;
    let first = import_day(&workspace, 10, &[event("view", "a", 5, None), event("buy", "b", 7, Some(3))]).await;
    assert_eq!((first.version, first.changed, first.event_rows, first.users), (2, true, 2, 2));
    let pinned = workspace.pin().await.unwrap();
    let second = import_day(&workspace, 11, &[event("buy", "a", 1, Some(4)), event("buy", "c", 2, None)]).await;
    assert_eq!((second.version, second.event_files, second.users), (3, 1, 3));

    assert_eq!(events(&pinned).await.len(), 2);
    assert_eq!(users(&pinned), [(0, "a".to_owned()), (1, "b".to_owned())]);
    // Another process would see this.
    let now = Store::open_existing(store.dir()).await.unwrap().workspace("default").await.unwrap().unwrap().pin().await.unwrap();
    assert_eq!(events(&now).await.len(), 4);
    assert_eq!(users(&now), [(0, "a".to_owned()), (1, "b".to_owned()), (2, "c".to_owned())]);
    let imports = workspace.imports(10).await.unwrap();
    assert_eq!(imports.iter().map(|i| i.version).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(imports[0].record, serde_json::json!({"day": 11}));
}

#[tokio::test]
async fn an_import_of_nothing_new_changes_nothing() {
    let (_dir, _store, workspace) = workspace().await;
    import_day(&workspace, 10, &[event("view", "a", 5, None)]).await;
    let before = workspace.pin().await.unwrap();
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = (*writer.base().catalog).clone();
    assert_eq!(writer.user_numbers(&["a", "never seen"]).unwrap(), [0, 1]);
    let info = writer.commit(catalog, serde_json::json!({})).await.unwrap();
    assert!(!info.changed);
    let after = workspace.pin().await.unwrap();
    assert_eq!((after.version, &after.profiles), (before.version, &before.profiles));
    assert_eq!(workspace.imports(10).await.unwrap().len(), 2);
    // The number was given to nobody.
    assert_eq!(workspace.begin_write().await.unwrap().user_numbers(&["other"]).unwrap(), [1]);
}

#[tokio::test]
async fn one_writer_at_a_time() {
    let (_dir, store, workspace) = workspace().await;
    let writer = workspace.begin_write().await.unwrap();
    let other = Store::open_existing(store.dir()).await.unwrap().workspace("default").await.unwrap().unwrap();
    let error = other.begin_write().await.err().unwrap();
    assert!(matches!(&error, StoreError::Busy(what) if what.contains("another import is running")), "{error}");
    other.pin().await.unwrap();
    drop(writer);
    other.begin_write().await.unwrap();
}

/// A commit that nobody waits for any more is whole or not at all, wherever it was, for whoever writes next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_given_up_is_all_or_nothing() {
    let (_dir, _store, workspace) = workspace().await;
    let (mut took, mut committed, mut tries) = (Duration::ZERO, 0, 0_u32);
    while tries < 200 {
        let mut writer = workspace.begin_write().await.unwrap();
        let (before, user) = (writer.base().version, format!("u{tries}"));
        let catalog = priced(&writer.base().catalog, &Type::Integer);
        writer.set_catalog(&catalog).await.unwrap();
        write_day(&mut writer, &catalog, 10, &[event("view", &user, i64::from(tries), None)]);
        let began = Instant::now();
        // The last of what a commit does, a little later each time, and now and then all of it.
        let given_up = took.mul_f64(0.7 + 0.3 * f64::from(tries % 50) / 50.0);
        let wait = if tries % 50 == 0 { Duration::MAX } else { given_up };
        let done = tokio::time::timeout(wait, writer.commit(catalog, serde_json::json!({}))).await;
        if wait == Duration::MAX {
            took = began.elapsed();
        }
        let mut next = workspace.begin_write().await.unwrap();
        let (version, profile) = (next.base().version, next.profile(&user).unwrap());
        assert!(done.is_err() || version == before + 1);
        assert_eq!(profile.is_some(), version > before, "try {tries}: of {before}, {version} after {given_up:?} of {took:?}");
        drop(next);
        // And it stays so.
        assert_eq!(workspace.begin_write().await.unwrap().base().version, version);
        (tries, committed) = (tries + 1, committed + usize::from(version > before));
    }
    assert!(committed > 6, "{committed}");
}

#[tokio::test]
async fn dropping_a_writer_leaves_nothing() {
    let (_dir, store, workspace) = workspace().await;
    import_day(&workspace, 10, &[event("view", "a", 5, None)]).await;
    let before = workspace.pin().await.unwrap();
    let data = store.dir().join("warehouse/default/events/data");
    let columns = store.dir().join("profiles/default/columns");
    let files = (files_below(&data), files_below(&columns));
    {
        let mut writer = workspace.begin_write().await.unwrap();
        let catalog = priced(&writer.base().catalog, &Type::Number);
        writer.set_catalog(&catalog).await.unwrap();
        std::fs::write(writer.scratch_dir().unwrap().join("x"), "x").unwrap();
        write_day(&mut writer, &catalog, 12, &[event("view", "b", 5, None)]);
        let mut unfinished = writer.event_file(13).unwrap();
        let schema = unfinished.schema().clone();
        unfinished.write(&batch(&mut writer, &schema, &catalog, 13, &[event("view", "c", 5, None)])).unwrap();
    }
    assert_eq!((files_below(&data), files_below(&columns)), files);
    assert_eq!(files_below(&store.dir().join("profiles/default")), ["columns", "users.redb", "write.lock"]);
    let after = workspace.pin().await.unwrap();
    assert_eq!((after.version, events(&after).await), (before.version, events(&before).await));
    assert_eq!(after.catalog, before.catalog);
    // The lake's schema went back with the rest: the next import learns another type.
    import_day(&workspace, 12, &[event("view", "d", 5, Some(2))]).await;
    assert_eq!(users(&workspace.pin().await.unwrap()), [(0, "a".to_owned()), (1, "d".to_owned())]);
}

/// Takes the metadata back to before the last commit, as if the process had ended just before its commit point.
async fn uncommit(store: &Store, row: (i64, String, String, String), lake_too: Option<String>) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store.dir().join("muster.db"));
    let mut db = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("DELETE FROM imports WHERE version > ?").bind(row.0).execute(&mut db).await.unwrap();
    sqlx::query("DELETE FROM garbage WHERE version > ?").bind(row.0).execute(&mut db).await.unwrap();
    sqlx::query("UPDATE workspaces SET version = ?, catalog = ?, events = ?, profiles = ?")
        .bind(row.0)
        .bind(row.1)
        .bind(row.2)
        .bind(row.3)
        .execute(&mut db)
        .await
        .unwrap();
    if let Some(location) = lake_too {
        sqlx::query("UPDATE iceberg_tables SET metadata_location = ?").bind(location).execute(&mut db).await.unwrap();
    }
}

async fn state_row(store: &Store) -> ((i64, String, String, String), String) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store.dir().join("muster.db"));
    let mut db = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let row = sqlx::query_as("SELECT version, catalog, events, profiles FROM workspaces").fetch_one(&mut db).await.unwrap();
    let location = sqlx::query_scalar("SELECT metadata_location FROM iceberg_tables").fetch_one(&mut db).await.unwrap();
    (row, location)
}

async fn crash_and_import_again(after_append: bool) {
    let (_dir, store, workspace) = workspace().await;
    import_day(&workspace, 10, &[event("view", "a", 5, None)]).await;
    let before = workspace.pin().await.unwrap();
    let (row, location) = state_row(&store).await;
    let second = [event("view", "a", 9, None), event("buy", "b", 7, Some(3))];
    import_day(&workspace, 11, &second).await;
    uncommit(&store, row, (!after_append).then_some(location)).await;

    // Readers see the state before, and all its files.
    let crashed = workspace.pin().await.unwrap();
    assert_eq!((crashed.version, &crashed.profiles), (before.version, &before.profiles));
    assert_eq!(events(&crashed).await, [("view".to_owned(), "a".to_owned())]);
    assert_eq!(users(&crashed), [(0, "a".to_owned())]);

    // An import of something else starts from exactly that: nobody of the crashed one shows.
    {
        let mut writer = workspace.begin_write().await.unwrap();
        assert_eq!(writer.profile("b").unwrap(), None);
        assert_eq!(writer.profile("a").unwrap().unwrap().last_seen_at, Some(10 * DAY_US + 5));
        assert_eq!(writer.user_numbers(&["z"]).unwrap(), [1]);
        assert_eq!(files_below(&store.dir().join("warehouse/default/events/data")).len(), 1);
        assert_eq!(files_below(&store.dir().join("profiles/default/columns")).len(), 1);
    }
    // The same import again completes, once.
    import_day(&workspace, 11, &second).await;
    let now = workspace.pin().await.unwrap();
    assert_eq!(events(&now).await.len(), 3);
    assert_eq!(users(&now), [(0, "a".to_owned()), (1, "b".to_owned())]);
    assert_eq!(now.events.plan(&[]).await.unwrap().rows_total, 3);
}

#[tokio::test]
async fn a_crash_before_the_append_is_undone() {
    crash_and_import_again(false).await;
}

#[tokio::test]
async fn a_crash_between_append_and_switch_is_undone() {
    crash_and_import_again(true).await;
}

#[tokio::test]
async fn what_somebody_else_appended_is_not_undone() {
    let (_dir, store, workspace) = workspace().await;
    import_day(&workspace, 10, &[event("view", "a", 5, None)]).await;
    let (row, _) = state_row(&store).await;
    import_day(&workspace, 11, &[event("view", "a", 5, None)]).await;
    // A state row that went back, with an import in the ledger: not what a crash leaves.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store.dir().join("muster.db"));
    let mut db = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE workspaces SET events = ?").bind(row.2).execute(&mut db).await.unwrap();
    assert!(matches!(workspace.begin_write().await, Err(StoreError::Conflict(_))));
}

fn is_send<T: Send>(_: &T) {}

#[tokio::test]
async fn writers_move_between_threads() {
    let (_dir, _store, workspace) = workspace().await;
    let writer = workspace.begin_write().await.unwrap();
    is_send(&writer);
    let catalog = (*writer.base().catalog).clone();
    let commit = writer.commit(catalog, serde_json::json!({}));
    is_send(&commit);
    commit.await.unwrap();
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared::<Workspace>(&workspace);
    shared(&workspace.pin().await.unwrap());
}
