//! Every format is read, and gives the same events.

use std::sync::Arc;

use crate::common::{World, gzip, instant, values};
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type};
use ingest::{ImportError, Reason};
use parquet::arrow::ArrowWriter;
use segment_core::types::Type;
use segment_core::value::Value;

const NDJSON: &str = r#"{"user_id":"a","event":"view","ts":"2024-01-02T03:04:05Z","message_id":"m1","properties":{"price":1.5,"n":2,"ok":true}}

{"user_id":7,"event":"buy","ts":"2024-01-02 03:04:05.25","message_id":"m2","price":2,"n":3}
"#;
const CSV: &str =
    "message_id,user_id,event,ts,price,n,ok\r\nm1,a,view,2024-01-02T03:04:05Z,1.5,2,true\r\n\r\nm2,7,buy,2024-01-02 03:04:05.25,2,3,\r\n";

async fn check(name: &str, content: &[u8]) {
    let world = World::new().await;
    let report = world.events(name, content).await.unwrap();
    assert_eq!((report.events.written, report.rejected.count, report.rows_read), (2, 0, 2), "{name}");
    let stored = world.stored().await;
    let (buy, view) = (&stored[0], &stored[1]);
    assert_eq!((buy.event.as_str(), buy.user_id.as_str(), buy.ts.as_str()), ("buy", "7", "2024-01-02T03:04:05.25Z"), "{name}");
    assert_eq!(buy.values, values(&[("price", "2.0"), ("n", "3")]), "{name}");
    assert_eq!(view.values, values(&[("price", "1.5"), ("n", "2"), ("ok", "true")]), "{name}");
    assert_eq!(view.message_id, "m1");
    assert_eq!(world.property("price").await, Some(Type::Number), "{name}");
    assert_eq!(world.property("n").await, Some(Type::Integer), "{name}");
    assert_eq!(world.property("ok").await, Some(Type::Boolean), "{name}");
    let catalog = world.catalog().await;
    assert!(catalog.events["view"].seen && catalog.events["view"].properties.contains("ok"));
    assert!(!catalog.events["buy"].properties.contains("ok") && catalog.properties["ok"].seen);
    let profile = world.profile("7").await.unwrap();
    assert_eq!((profile.first_seen_at, profile.has_profile), (Some(instant("2024-01-02T03:04:05.25Z")), false));
}

#[tokio::test]
async fn text_plain_and_compressed() {
    check("e.ndjson", NDJSON.as_bytes()).await;
    check("e.jsonl", NDJSON.as_bytes()).await;
    check("sniffed", NDJSON.as_bytes()).await;
    check("e.csv", CSV.as_bytes()).await;
    check("bom.csv", format!("\u{feff}{CSV}").as_bytes()).await;
    check("sniffed.txt", CSV.as_bytes()).await;
    check("e.tsv", CSV.replace(',', "\t").as_bytes()).await;
    check("e.csv.gz", &gzip(CSV.as_bytes())).await;
    // The bytes tell of compression, whatever the name.
    check("named_wrongly.csv", &gzip(CSV.as_bytes())).await;
    check("plain.csv.gz", CSV.as_bytes()).await;
    check("plain.ndjson.zst", NDJSON.as_bytes()).await;
    check("gzip.csv.zst", &gzip(CSV.as_bytes())).await;
    check("sniffed.gz", CSV.as_bytes()).await;
    check("e.ndjson.zst", &zstd::encode_all(NDJSON.as_bytes(), 3).unwrap()).await;
    let (first, second) = NDJSON.split_once('\n').unwrap();
    check("members.ndjson.gz", &[gzip(first.as_bytes()), gzip(format!("\n{second}").as_bytes())].concat()).await;
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    out
}

#[tokio::test]
async fn parquet_like_text() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(StringArray::from(vec!["a", "7"]))),
        ("event", Arc::new(["view", "buy"].into_iter().collect::<DictionaryArray<Int32Type>>())),
        ("ts", Arc::new(TimestampMillisecondArray::from(vec![1_704_164_645_000, 1_704_164_645_250]).with_timezone("+02:00"))),
        ("message_id", Arc::new(StringArray::from(vec!["m1", "m2"]))),
        ("price", Arc::new(Float64Array::from(vec![1.5, 2.0]))),
        ("n", Arc::new(Int32Array::from(vec![2, 3]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), None]))),
    ];
    check("e.parquet", &parquet(columns.clone())).await;
    check("named_wrongly.csv", &parquet(columns)).await;
}

#[tokio::test]
async fn parquet_types() {
    let world = World::in_zone("Europe/London").await;
    let strings = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![Some(vec![Some(1.0)]), None]);
    let fields = vec![
        (Arc::new(Field::new("city", DataType::Utf8, true)), Arc::new(StringArray::from(vec![Some("Ulm"), None])) as ArrayRef),
        (Arc::new(Field::new("zip", DataType::Int64, true)), Arc::new(Int64Array::from(vec![Some(89073), None])) as ArrayRef),
    ];
    let object = StructArray::from(fields);
    let items = ListArray::new(
        Arc::new(Field::new("item", object.data_type().clone(), true)),
        arrow::buffer::OffsetBuffer::new(vec![0, 2, 2].into()),
        Arc::new(object.clone()),
        None,
    );
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.append(true).unwrap();
    map.append(false).unwrap();
    let names = ["x", "y"].iter().map(|s| Some(vec![Some(*s), None]));
    let mut texts = arrow::array::ListBuilder::new(StringBuilder::new());
    names.for_each(|list| texts.append_option(list));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(UInt64Array::from(vec![5, 6]))),
        ("event", Arc::new(StringArray::from(vec!["e", "f"]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![instant("2024-07-01T12:00:00Z"), instant("2024-12-01T12:00:00Z")]))),
        ("f32", Arc::new(Float32Array::from(vec![0.1, f32::NAN]))),
        ("dec", Arc::new(Decimal128Array::from(vec![Some(500), None]).with_precision_and_scale(10, 2).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![Some(19_723), None]))),
        ("at", Arc::new(TimestampNanosecondArray::from(vec![Some(1_719_835_200_000_000_999), None]))),
        ("bin", Arc::new(BinaryArray::from(vec![Some("é".as_bytes()), None]))),
        ("nums", Arc::new(strings)),
        ("texts", Arc::new(texts.finish())),
        ("home", Arc::new(object)),
        ("items", Arc::new(items)),
        ("map", Arc::new(map.finish())),
        ("geo.lat", Arc::new(Float64Array::from(vec![Some(1.25), None]))),
        ("geo.lon", Arc::new(Float64Array::from(vec![Some(2.0), None]))),
    ];
    let mut request = world.request();
    request.events = vec![world.file("e.parquet", parquet(columns))];
    let report = world.import(request).await.unwrap();
    assert_eq!(report.events.written, 2);
    let stored = world.stored().await;
    let expected = values(&[
        ("f32", "0.1"),
        ("dec", "5.0"),
        ("day", "2024-01-01"),
        ("at", "2024-07-01T11:00:00Z"),
        ("bin", "é"),
        ("nums", "[]"),
        ("texts", "[x]"),
        ("home", "true"),
        ("home.city", "Ulm"),
        ("home.zip", "89073"),
        ("items", r#"[{"city":"Ulm","zip":89073},{}]"#),
        ("map", "true"),
        ("map.k", "v"),
        ("geo", "true"),
        ("geo.lat", "1.25"),
        ("geo.lon", "2.0"),
    ]);
    let first = stored.iter().find(|e| e.user_id == "5").unwrap();
    assert_eq!(first.values, expected);
    assert_eq!(first.extra.as_deref(), Some(r#"{"nums":[1.0]}"#));
    // Wall-clock times of the zone: an hour earlier in summer.
    assert_eq!(first.ts, "2024-07-01T11:00:00Z");
    assert_eq!(stored.iter().find(|e| e.user_id == "6").unwrap().ts, "2024-12-01T12:00:00Z");
    assert_eq!(report.properties["nums"].partial, 1);
}

#[tokio::test]
async fn parquet_rejects() {
    let world = World::new().await;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ("event", Arc::new(StringArray::from(vec!["e", "e", "e"]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None, Some(1)]))),
        ("big", Arc::new(UInt64Array::from(vec![u64::MAX, 1, 2]))),
        ("bin", Arc::new(BinaryArray::from(vec![b"a" as &[u8], b"b", b"\xff"]))),
    ];
    let error = world.events("e.parquet", parquet(columns)).await.unwrap_err();
    let ImportError::TooManyRejects { count, first, .. } = error else { panic!("{error}") };
    let reasons: Vec<_> = first.iter().map(|r| (r.line, r.reason)).collect();
    assert_eq!((count, reasons), (3, vec![(1, Reason::IntegerOverflow), (2, Reason::NoTime), (3, Reason::NotUtf8)]));
}

#[tokio::test]
async fn parquet_times_beyond_the_years_are_kept_unconverted() {
    let world = World::new().await;
    world.declare(r#"{"properties":{"when":{"type":"timestamp"},"day":{"type":"date"}}}"#).await;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(StringArray::from(vec!["a", "b", "c", "d"]))),
        ("event", Arc::new(StringArray::from(vec!["e", "e", "e", "e"]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![0, 1, 2, 3]))),
        ("when", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(i64::MAX), None, Some(1)]))),
        ("day", Arc::new(arrow::array::Date32Array::from(vec![Some(0), Some(i32::MAX), None, Some(1)]))),
    ];
    let report = world.events("e.parquet", parquet(columns)).await.unwrap();
    assert_eq!((report.events.written, report.rejected.count), (4, 0));
    for name in ["when", "day"] {
        assert_eq!(report.properties[name].unconverted, 1, "{name}");
    }
}

#[tokio::test]
async fn parquet_times_beyond_the_years_vote_as_times() {
    let world = World::new().await;
    let day = Arc::new(Date32Array::from(vec![Some(i32::MAX), Some(0), None])) as ArrayRef;
    let inside = StructArray::from(vec![(Arc::new(Field::new("day", DataType::Date32, true)), day)]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ("event", Arc::new(StringArray::from(vec!["e", "e", "e"]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![0, 1, 2]))),
        ("when", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(i64::MAX), Some(i64::MIN)]))),
        ("day", Arc::new(Date32Array::from(vec![Some(0), Some(i32::MAX), None]))),
        ("never", Arc::new(TimestampMillisecondArray::from(vec![None, Some(i64::MAX), None]))),
        ("inside", Arc::new(inside)),
    ];
    let report = world.events("e.parquet", parquet(columns)).await.unwrap();
    assert_eq!((report.events.written, report.rejected.count), (3, 0));
    for (name, ty, values, unconverted) in [("when", Type::Timestamp, 3, 2), ("day", Type::Date, 2, 1), ("never", Type::Timestamp, 1, 1)] {
        assert_eq!(world.property(name).await, Some(ty), "{name}");
        assert_eq!((report.properties[name].values, report.properties[name].unconverted), (values, unconverted), "{name}");
    }
    assert_eq!(world.property("inside").await, Some(Type::Object([("day".to_owned(), Type::Date)].into())));
    assert_eq!(report.properties["inside"].partial, 1);
    let beyond = world.stored().await.into_iter().find(|e| e.user_id == "c").unwrap();
    assert_eq!(beyond.values, values(&[("inside", "true")]));
    assert_eq!(beyond.extra.as_deref(), Some(r#"{"when":"-9223372036854775808 µs since 1970-01-01"}"#));
}

#[tokio::test]
async fn parquet_times_beyond_the_years_are_no_times_of_events() {
    let world = World::new().await;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(StringArray::from(vec!["a"]))),
        ("event", Arc::new(StringArray::from(vec!["e"]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX]))),
    ];
    let error = world.events("e.parquet", parquet(columns)).await.unwrap_err().to_string();
    assert!(error.contains("not within the years 1 to 9999"), "{error}");
}

/// A null under a dotted name is a member that is null, in every format, and leaves the object there.
#[tokio::test]
async fn nulls_under_dotted_names() {
    let json = r#"{"user_id":"a","attributes":{"home.city":"Ulm","home.zip":1}}
{"user_id":"b","attributes":{"home.city":"Bonn","home.zip":null}}
{"user_id":"c","attributes":{"home.city":null,"home.zip":null}}
{"user_id":"c2","attributes":{"home":{"city":null,"zip":null}}}
{"user_id":"d","attributes":{"home":null}}"#;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ("home.city", Arc::new(StringArray::from(vec![Some("Ulm"), Some("Bonn"), None]))),
        ("home.zip", Arc::new(Int64Array::from(vec![Some(1), None, None]))),
    ];
    let home = |city: Option<&str>, zip: Option<i64>| {
        let city = city.map(|city| ("city".to_owned(), Value::String(city.to_owned())));
        let zip = zip.map(|zip| ("zip".to_owned(), Value::Integer(zip)));
        Value::Object(city.into_iter().chain(zip).collect())
    };
    for (name, content) in [("u.ndjson", json.as_bytes().to_vec()), ("u.parquet", parquet(columns))] {
        let world = World::new().await;
        // What is stored before is cleared with it.
        world.users("before.csv", "user_id,home.city,home.zip\na,Rome,5\nc,Rome,5\nd,Rome,5\n").await.unwrap();
        world.users(name, content).await.unwrap();
        let mut expected =
            vec![("a", Some(home(Some("Ulm"), Some(1)))), ("b", Some(home(Some("Bonn"), None))), ("c", Some(home(None, None)))];
        if name == "u.ndjson" {
            expected.extend([("c2", Some(home(None, None))), ("d", None)]);
        }
        for (user, home) in expected {
            assert_eq!(world.profile(user).await.unwrap().attributes.get("home"), home.as_ref(), "{name} {user}");
        }
    }
    let lines = r#"{"user_id":"a","event":"e","ts":"2024-01-01","home.city":null}"#;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(StringArray::from(vec!["a"]))),
        ("event", Arc::new(StringArray::from(vec!["e"]))),
        ("ts", Arc::new(StringArray::from(vec!["2024-01-01"]))),
        ("home.city", Arc::new(StringArray::from(vec![None::<&str>]))),
    ];
    for (name, content) in [("e.ndjson", lines.as_bytes().to_vec()), ("e.parquet", parquet(columns))] {
        let world = World::new().await;
        world.events("typed.csv", "user_id,event,ts,home.city\na,e,2024-01-02,Ulm\n").await.unwrap();
        world.events(name, content).await.unwrap();
        let stored = world.stored().await;
        let event = stored.iter().find(|e| e.ts == "2024-01-01T00:00:00Z").unwrap();
        assert_eq!((&event.values, &event.extra), (&values(&[("home", "true")]), &None), "{name}");
    }
}

#[tokio::test]
async fn unusable_files() {
    let world = World::new().await;
    for (name, content, text) in [
        ("e.parquet", "no", "the content is not"),
        ("e.csv", "PAR1....", "no Parquet file that can be read"),
        ("noise", "\u{1}\u{2}", "neither the name nor the content"),
        ("e.json", " [{}]", "one JSON list"),
        ("e.csv.gz", "plain,text\n", "no column is the field"),
        ("e.csv", "user_id,event\na,b\n", "no column is the field \"ts\""),
        ("e.csv", "user_id,event,ts,x,x\n", "two columns have the name \"x\""),
    ] {
        let error = world.events(name, content).await.unwrap_err().to_string();
        assert!(error.contains(text), "{name}: {error}");
    }
    let mut request = world.request();
    request.events = vec![world.path("nowhere.csv")];
    assert!(matches!(world.import(request).await.unwrap_err(), ImportError::Unreadable { .. }));
    assert!(world.import(world.request()).await.unwrap_err().to_string().contains("nothing to import"));
    let cut = &gzip(CSV.as_bytes())[..40];
    assert!(world.events("cut.csv.gz", cut).await.unwrap_err().to_string().contains("cannot"));
    assert_eq!(world.stored().await, []);
}

#[tokio::test]
async fn empty_files_are_no_rows() {
    let world = World::new().await;
    for (name, content) in [("e.ndjson", ""), ("e.csv", "user_id,event,ts\n"), ("f.csv", "")] {
        let report = world.events(name, content).await.unwrap();
        assert_eq!((report.rows_read, report.changed), (0, false), "{name}");
    }
}

#[tokio::test]
async fn users_from_csv_and_json() {
    let world = World::new().await;
    world.users("u.csv", "user_id,first_seen_at,age,address.city\nb,2024-01-01,30,Ulm\nc,,,\n").await.unwrap();
    let b = world.profile("b").await.unwrap();
    assert_eq!((b.has_profile, b.first_seen_at), (true, Some(instant("2024-01-01"))));
    assert_eq!(b.attributes["age"], Value::Integer(30));
    assert_eq!(b.attributes["address"], Value::Object([("city".to_owned(), Value::String("Ulm".to_owned()))].into()));
    let c = world.profile("c").await.unwrap();
    assert_eq!((c.has_profile, c.first_seen_at, c.attributes.len()), (true, None, 0));
    // Null clears, absent leaves, and so does an empty CSV field; a row without a time leaves the stated one.
    world.users("v.ndjson", r#"{"user_id":"b","attributes":{"age":null},"plan":"pro"}"#).await.unwrap();
    world.users("w.csv", "user_id,plan,address.city\nb,,\n").await.unwrap();
    let b = world.profile("b").await.unwrap();
    assert_eq!(b.first_seen_at, Some(instant("2024-01-01")));
    assert_eq!(b.attributes.keys().collect::<Vec<_>>(), ["address", "plan"]);
}
