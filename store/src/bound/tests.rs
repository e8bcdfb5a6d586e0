//! Files as others write them: types of their own, partitions, and what happens when files change.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{Field, Float64Type, Int64Type, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use segment_core::catalog::Catalog;
use segment_core::declare::declare;
use segment_core::json::Json;

use super::{BoundEvents, Listings};
use crate::error::{Result, StoreError};

const CATALOG: &str = r#"{"properties": {"price": {"type": "number"}, "at": {"type": "timestamp"}, "qty": {"type": "integer"}}}"#;

/// A binding of `folder` by `dt`, with `more` members.
fn catalog(folder: &Path, more: &str) -> Arc<Catalog> {
    let table = format!(
        r#"{{"events_table": {{"format": "hive-parquet", "location": "{}", "partitions": [{{"column": "dt", "format": "date"}}], "slack_seconds": 3600,
            "user_id": "who.id", "event": {{"constant": "view"}}, {more}}}}}"#,
        folder.display()
    );
    let declared = declare(&Catalog::new("Asia/Tokyo"), &Json::parse(CATALOG).unwrap()).unwrap();
    Arc::new(declare(&declared, &Json::parse(&table).unwrap()).unwrap())
}

const EPOCH: &str = r#""ts": {"column": "t", "type": "epoch_ms"}, "properties": {"price": "price", "at": "at", "qty": "qty"}"#;

async fn pin(catalog: &Arc<Catalog>, listings: &Arc<Listings>) -> Result<BoundEvents> {
    let table = catalog.events_table.as_ref().unwrap();
    BoundEvents::pin("w", catalog, table, None, listings, &Arc::default(), &Arc::default()).await
}

fn ids(ids: &[Option<&str>]) -> ArrayRef {
    let array: ArrayRef = Arc::new(StringArray::from(ids.to_vec()));
    Arc::new(StructArray::from(vec![(Arc::new(Field::new("id", array.data_type().clone(), true)), array)]))
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn rows(events: &BoundEvents, wanted: &[&str]) -> Result<Vec<RecordBatch>> {
    let mut out = Vec::new();
    for file in events.files() {
        for batch in events.rows(file, wanted)? {
            out.push(batch?);
        }
    }
    Ok(out)
}

/// Users and times of all rows.
fn events(events: &BoundEvents) -> Result<Vec<(String, i64)>> {
    let mut out = Vec::new();
    for batch in rows(events, &["user_id", "ts"])? {
        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        out.extend(batch.column(0).as_string::<i32>().iter().zip(times).map(|(id, ts)| (id.unwrap().to_owned(), ts.unwrap())));
    }
    Ok(out)
}

fn corrupt(result: Result<impl std::fmt::Debug>) -> String {
    match result {
        Err(StoreError::Corrupt { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn rows_that_are_events() {
    let dir = tempfile::tempdir().unwrap();
    let hour = DAY_MS / 24;
    let times = [DAY_MS - hour, DAY_MS - hour - 1, 2 * DAY_MS + hour - 1, 2 * DAY_MS + hour, DAY_MS, DAY_MS, DAY_MS];
    let users = [Some("first"), Some("early"), Some("last"), Some("late"), None, Some(""), Some("a\u{0}")];
    write(&dir.path().join("dt=1970-01-02/a.parquet"), vec![("who", ids(&users)), ("t", Arc::new(Int64Array::from(times.to_vec())))]);
    write(
        &dir.path().join("dt=__HIVE_DEFAULT_PARTITION__/a.parquet"),
        vec![("who", ids(&[Some("no day")])), ("t", Arc::new(Int64Array::from(vec![0])))],
    );
    fs::write(dir.path().join("dt=1970-01-02/_SUCCESS"), "").unwrap();
    fs::write(dir.path().join("dt=1970-01-02/.a.parquet.crc"), "x").unwrap();
    let events_found = events(&pin(&catalog(dir.path(), EPOCH), &Arc::default()).await.unwrap()).unwrap();
    assert_eq!(events_found, [("first".to_owned(), (DAY_MS - hour) * 1000), ("last".to_owned(), (2 * DAY_MS + hour - 1) * 1000)]);
}

#[tokio::test]
async fn types_that_hold_the_values() {
    let dir = tempfile::tempdir().unwrap();
    let file = |i: usize| dir.path().join(format!("dt=1970-01-02/{i}.parquet"));
    let base = |more: Vec<(&'static str, ArrayRef)>| {
        let mut columns: Vec<(&str, ArrayRef)> = vec![("who", ids(&[Some("u")])), ("t", Arc::new(Int64Array::from(vec![DAY_MS])))];
        columns.extend(more);
        columns
    };
    let cents = Decimal128Array::from(vec![1999]).with_precision_and_scale(10, 2).unwrap();
    write(&file(0), base(vec![("price", Arc::new(cents)), ("qty", Arc::new(Int32Array::from(vec![7])))]));
    write(&file(1), base(vec![("price", Arc::new(Float32Array::from(vec![f32::NAN])))]));
    write(
        &file(2),
        base(vec![("price", Arc::new(Int32Array::from(vec![-3]))), ("at", Arc::new(TimestampMillisecondArray::from(vec![0])))]),
    );
    let instants = TimestampNanosecondArray::from(vec![-1]).with_timezone("UTC");
    write(&file(3), base(vec![("at", Arc::new(instants))]));
    let catalog = catalog(dir.path(), EPOCH);
    let column = |name: &str| catalog.properties[name].columns[0].name.clone();
    let names = [column("price"), column("qty"), column("at")];
    let pinned = pin(&catalog, &Arc::default()).await.unwrap();
    let batches = rows(&pinned, &[&names[0], &names[1], &names[2]]).unwrap();
    let found: Vec<_> = batches
        .iter()
        .map(|b| {
            let at = b.column(2).as_primitive::<TimestampMicrosecondType>().iter().next().unwrap();
            let quantity = b.column(1).as_primitive::<Int64Type>().iter().next().unwrap();
            (b.column(0).as_primitive::<Float64Type>().iter().next().unwrap(), quantity, at)
        })
        .collect();
    // Without an offset, midnight is in Tokyo; an instant is cut off to the microsecond before it.
    let midnight = Some(-9 * 3_600_000_000);
    assert_eq!(found, [(Some(19.99), Some(7), None), (None, None, None), (Some(-3.0), None, midnight), (None, None, Some(-1))]);

    write(&file(4), base(vec![("price", Arc::new(StringArray::from(vec!["19.99"])))]));
    let what = corrupt(rows(&pin(&catalog, &Arc::default()).await.unwrap(), &[&names[0]]));
    assert!(what.contains("4.parquet") && what.contains("\"price\"") && what.contains("Utf8") && what.contains("a float"), "{what}");
}

#[tokio::test]
async fn times_as_they_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dt=1970-01-02/a.parquet");
    let texts = StringArray::from(vec!["1970-01-02T12:00:00Z", "1970-01-02 12:00", "1970-01-02", "soon"]);
    write(&path, vec![("who", ids(&[Some("a"), Some("b"), Some("c"), Some("d")])), ("t", Arc::new(texts))]);
    let ts = |zone: &str| format!(r#""ts": {{"column": "t", "type": "string"{zone}}}"#);
    let found = events(&pin(&catalog(dir.path(), &ts("")), &Arc::default()).await.unwrap()).unwrap();
    let hours = |h: i64| h * 3_600_000_000;
    // A bare date in Tokyo is nine hours before the partition's day, which is more than the slack.
    assert_eq!(found, [("a".to_owned(), hours(36)), ("b".to_owned(), hours(27))]);
    let found = events(&pin(&catalog(dir.path(), &ts(r#", "zone": "UTC""#)), &Arc::default()).await.unwrap()).unwrap();
    assert_eq!(found, [("a".to_owned(), hours(36)), ("b".to_owned(), hours(36)), ("c".to_owned(), hours(24))]);
    let wrong = r#""ts": {"column": "t", "type": "epoch_s"}"#;
    let what = corrupt(events(&pin(&catalog(dir.path(), wrong), &Arc::default()).await.unwrap()));
    assert!(what.contains("an integer"), "{what}");
}

#[tokio::test]
async fn files_that_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(format!("dt=1970-01-02/{name}.parquet"));
    let file = |name: &str| write(&path(name), vec![("who", ids(&[Some("u")])), ("t", Arc::new(Int64Array::from(vec![DAY_MS])))]);
    file("a");
    let (catalog, listings) = (catalog(dir.path(), EPOCH), Arc::default());
    let first = pin(&catalog, &listings).await.unwrap();
    file("b");
    // Not yet seen, as the last look is not old enough; a look anew sees it.
    assert_eq!(pin(&catalog, &listings).await.unwrap().files().len(), 1);
    assert_eq!(first.look_again().await.unwrap().files().len(), 2);
    let both = pin(&catalog, &listings).await.unwrap();
    assert_eq!(events(&both).unwrap().len(), 2);

    // A file that is gone is an error, after which files are looked for anew.
    fs::remove_file(path("b")).unwrap();
    assert!(matches!(events(&both), Err(StoreError::Io { .. })));
    assert_eq!(events(&pin(&catalog, &listings).await.unwrap()).unwrap().len(), 1);

    // One that is cut off is an error, never fewer rows.
    let bytes = fs::read(path("a")).unwrap();
    fs::write(path("a"), &bytes[..bytes.len() / 2]).unwrap();
    let what = corrupt(events(&pin(&catalog, &Arc::default()).await.unwrap()));
    assert!(what.contains("a.parquet") && what.contains("whole"), "{what}");
    fs::write(path("a"), "").unwrap();
    assert!(corrupt(events(&pin(&catalog, &Arc::default()).await.unwrap())).contains("a.parquet"));
}

#[tokio::test]
async fn places_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = catalog(dir.path(), EPOCH);
    for bad in ["a.parquet", "dt=tomorrow/a.parquet", "day=1970-01-02/a.parquet", "dt=1970-01-02/x/a.parquet"] {
        let path = dir.path().join(bad);
        write(&path, vec![("t", Arc::new(Int64Array::from(vec![0])))]);
        let error = pin(&catalog, &Arc::default()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Invalid(what) if what.contains(bad)), "{bad}: {error}");
        fs::remove_file(path).unwrap();
    }
}
