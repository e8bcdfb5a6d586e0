//! The lake: row groups, pruning, new columns, reading back.

use std::fs::File;

use crate::common::*;
use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use segment_core::types::Type;
use segment_core::value::Value;
use store::lake::file_writer::{ROW_GROUP_ROWS_MAX, ROW_GROUP_ROWS_MIN};
use store::{EventRead, StoreError};

/// Rows of each row group, with its least and greatest event name.
fn groups(path: &std::path::Path) -> Vec<(usize, String, String)> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let groups = reader.metadata().row_groups().iter().map(|g| match g.column(0).statistics() {
        Some(Statistics::ByteArray(s)) => (g.num_rows() as usize, text(s.min_opt().unwrap().data()), text(s.max_opt().unwrap().data())),
        other => panic!("{other:?}"),
    });
    groups.collect()
}

#[tokio::test]
async fn row_groups_end_where_a_name_ends() {
    let (_dir, _store, workspace) = workspace().await;
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = priced(&writer.base().catalog, &Type::Integer);
    writer.set_catalog(&catalog).await.unwrap();
    let counts = [("a", 10), ("b", 20), ("c", 3 * ROW_GROUP_ROWS_MIN), ("d", 5), ("e", ROW_GROUP_ROWS_MIN), ("f", 7)];
    let all: Vec<Event> =
        counts.iter().flat_map(|(name, n)| (0..*n).map(move |i| event(name, &format!("u{}", i % 50), i as i64, None))).collect();
    let mut file = writer.event_file(3).unwrap();
    let schema = file.schema().clone();
    let whole = batch(&mut writer, &schema, &catalog, 3, &all);
    // Batches that end anywhere make the same file.
    for start in (0..whole.num_rows()).step_by(777) {
        file.write(&whole.slice(start, 777.min(whole.num_rows() - start))).unwrap();
    }
    writer.add_event_files(file.finish().unwrap());
    writer.commit(catalog, serde_json::json!({})).await.unwrap();
    let plan = workspace.pin().await.unwrap().events.plan(&[everything()]).await.unwrap();
    let owned = |n, a: &str, b: &str| (n, a.to_owned(), b.to_owned());
    assert_eq!(
        groups(local(&plan.files[0])),
        [
            owned(30, "a", "b"),
            owned(3 * ROW_GROUP_ROWS_MIN, "c", "c"),
            owned(5, "d", "d"),
            owned(ROW_GROUP_ROWS_MIN, "e", "e"),
            owned(7, "f", "f")
        ]
    );
    let reader = SerializedFileReader::new(File::open(local(&plan.files[0])).unwrap()).unwrap();
    let group = reader.metadata().row_group(1);
    assert_eq!(group.sorting_columns().unwrap().iter().map(|s| s.column_idx).collect::<Vec<_>>(), [0, 1, 3]);
    let ids: Vec<i32> = reader.metadata().file_metadata().schema().get_fields().iter().map(|f| f.get_basic_info().id()).collect();
    assert_eq!(ids, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_name_with_very_many_rows_has_several_row_groups() {
    let (_dir, _store, workspace) = workspace().await;
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = (*writer.base().catalog).clone();
    let mut file = writer.event_file(0).unwrap();
    let schema = file.schema().clone();
    let events: Vec<Event> = (0..ROW_GROUP_ROWS_MAX as i64 + 9).map(|i| event("a", "u", i, None)).collect();
    file.write(&batch(&mut writer, &schema, &catalog, 0, &events)).unwrap();
    let files = file.finish().unwrap();
    assert_eq!(files.iter().map(|f| f.rows()).sum::<u64>(), ROW_GROUP_ROWS_MAX as u64 + 9);
    writer.add_event_files(files);
    writer.commit(catalog, serde_json::json!({})).await.unwrap();
    let plan = workspace.pin().await.unwrap().events.plan(&[everything()]).await.unwrap();
    assert_eq!(groups(local(&plan.files[0])).iter().map(|g| g.0).collect::<Vec<_>>(), [ROW_GROUP_ROWS_MAX, 9]);
}

#[tokio::test]
async fn rows_out_of_place_are_refused() {
    let (_dir, _store, workspace) = workspace().await;
    let mut writer = workspace.begin_write().await.unwrap();
    let catalog = (*writer.base().catalog).clone();
    let schema = writer.events_schema().clone();
    let good = batch(&mut writer, &schema, &catalog, 1, &[event("a", "u", 1, None), event("b", "u", 0, None), event("b", "u", 2, None)]);
    let refused = |batches: &[arrow::record_batch::RecordBatch], day| {
        let mut file = writer.event_file(day).unwrap();
        batches.iter().map(|b| file.write(b)).find_map(Result::err)
    };
    assert!(refused(std::slice::from_ref(&good), 1).is_none());
    assert!(matches!(refused(std::slice::from_ref(&good), 2), Some(StoreError::Invalid(_))), "another day");
    assert!(matches!(refused(&[good.slice(1, 2), good.slice(0, 1)], 1), Some(StoreError::Invalid(_))), "names backwards");
    assert!(matches!(refused(&[good.slice(2, 1), good.slice(1, 1)], 1), Some(StoreError::Invalid(_))), "times backwards");
    assert!(matches!(refused(&[good.project(&[0, 1, 2]).unwrap()], 1), Some(StoreError::Invalid(_))), "columns missing");
}

#[tokio::test]
async fn plans_prune_by_day_and_by_name() {
    let (_dir, _store, workspace) = workspace().await;
    import_day(&workspace, 10, &[event("apple", "a", 0, None), event("berry", "a", 7, None)]).await;
    import_day(&workspace, 11, &[event("mango", "a", 0, None), event("melon", "b", 7, None)]).await;
    import_day(&workspace, -3, &[event("apple", "a", DAY_US - 1, None)]).await;
    let snapshot = workspace.pin().await.unwrap().events;
    let days = async |reads: &[EventRead]| -> Vec<i32> {
        let plan = snapshot.plan(reads).await.unwrap();
        assert_eq!((plan.files_total, plan.rows_total, plan.unsupported.len()), (3, 5, 0));
        assert!(plan.bytes_total > 0);
        plan.files.iter().map(|f| f.day).collect()
    };
    let named = |names: &[&str], start: Option<i64>, end: i64| EventRead {
        names: Some(names.iter().map(|n| (*n).to_owned()).collect()),
        prefix: None,
        start,
        end,
    };
    assert_eq!(days(&[everything()]).await, [-3, 10, 11]);
    assert_eq!(days(&[]).await, [0i32; 0]);
    assert_eq!(days(&[named(&[], None, i64::MAX)]).await, [0i32; 0]);
    assert_eq!(days(&[named(&["apple"], None, i64::MAX)]).await, [-3, 10]);
    assert_eq!(days(&[named(&["apple", "nothing"], None, i64::MAX)]).await, [-3, 10, 11], "statistics are ranges");
    assert_eq!(days(&[named(&["mango"], None, i64::MAX), named(&["apple"], None, 0)]).await, [-3, 11]);
    assert_eq!(days(&[EventRead { prefix: Some("me".to_owned()), ..everything() }]).await, [11]);
    assert_eq!(days(&[EventRead { start: Some(10 * DAY_US), end: 11 * DAY_US, ..everything() }]).await, [10]);
    assert_eq!(days(&[EventRead { start: Some(10 * DAY_US + 7), end: 10 * DAY_US + 8, ..everything() }]).await, [10]);
    assert_eq!(days(&[EventRead { start: Some(10 * DAY_US + 8), ..everything() }]).await, [11]);
    assert_eq!(days(&[EventRead { end: 10 * DAY_US, ..everything() }]).await, [-3]);
    assert_eq!(days(&[EventRead { start: Some(5), end: 5, ..everything() }]).await, [0i32; 0]);
    let many: Vec<EventRead> = (0..700).map(|i| named(&["apple"], Some(i), 11 * DAY_US)).collect();
    assert_eq!(days(&many).await, [10]);
}

#[tokio::test]
async fn columns_are_added_and_widened() {
    let (_dir, _store, workspace) = workspace().await;
    import_day(&workspace, 10, &[event("buy", "a", 0, Some(3))]).await;
    let mut writer = workspace.begin_write().await.unwrap();
    let mut catalog = priced(&writer.base().catalog, &Type::Number);
    let tags = Type::Strings;
    catalog.set_field(segment_core::catalog::Scope::Property, "tags", &tags, segment_core::catalog::Origin::Learned).unwrap();
    writer.set_catalog(&catalog).await.unwrap();
    let mut wide = event("buy", "a", 0, None);
    wide.price = Some(Value::Number(2.5));
    write_day(&mut writer, &catalog, 11, &[wide, event("buy", "b", 0, Some(4))]);
    writer.commit(catalog.clone(), serde_json::json!({})).await.unwrap();

    let pinned = workspace.pin().await.unwrap();
    let price = &catalog.properties["price"].columns[0];
    let narrow = price.before.as_ref().unwrap();
    let plan = pinned.events.plan(&[everything()]).await.unwrap();
    let (old, new) = (read_planned(&pinned, &plan.files[0]).remove(0), read_planned(&pinned, &plan.files[1]).remove(0));
    assert!(old.column_by_name(&price.name).is_none());
    assert_eq!(old[narrow.name.as_str()].as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(3)]);
    assert_eq!(new[price.name.as_str()].as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(2.5), None]);
    assert_eq!(new[narrow.name.as_str()].as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [None, Some(4)]);
    assert_eq!(new.schema().fields(), pinned.events.schema().fields());
}

#[tokio::test]
async fn keys_are_read_back_for_deduplication() {
    let (_dir, _store, workspace) = workspace().await;
    import_day(&workspace, 10, &[event("view", "a", 5, None), event("buy", "b", 7, Some(3))]).await;
    import_day(&workspace, 11, &[event("view", "c", 5, None)]).await;
    let writer = workspace.begin_write().await.unwrap();
    assert_eq!(writer.existing_event_files(10).await.unwrap().len(), 1);
    assert!(writer.existing_event_files(9).await.unwrap().is_empty());
    let keys: Vec<_> = writer.day_keys(10).await.unwrap().map(Result::unwrap).collect();
    let names: Vec<_> = keys[0].schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["message_id", "user_id", "event", "ts"]);
    assert_eq!(keys[0].column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["10-buy-b-7-0", "10-view-a-5-1"]);
    let since = |t: i64| writer.message_ids_since(t);
    let count = |batches: store::KeyBatches| batches.map(|b| b.unwrap().num_rows()).sum::<usize>();
    assert_eq!(count(since(0).await.unwrap()), 3);
    assert_eq!(count(since(11 * DAY_US + 1).await.unwrap()), 1);
    assert_eq!(count(since(12 * DAY_US + 1).await.unwrap()), 0);
}
