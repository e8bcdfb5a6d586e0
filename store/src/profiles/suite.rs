//! What every store of profiles does, tried on each of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use segment_core::catalog::{Catalog, Origin, Scope};
use segment_core::types::{Fields, Type};
use segment_core::value::Value;

use super::embedded::EmbeddedProfiles;
use super::{AttributeWrite, ProfileStore, ProfileWrite, ProfilesSnapshot, Seen};
use crate::error::StoreError;

/// Text that has gone wrong somewhere before.
const HOSTILE: [&str; 12] = ["", "'", "''", "\"", "\\", "$$", "--x", "/*", "a\0b", "\n", "e\u{301}", "😀\u{10ffff}\u{feff}"];

fn fields(list: &[(&str, Type)]) -> Fields {
    list.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect()
}

/// Every kind of column, names that need quoting, two types that widened.
fn catalog() -> Catalog {
    let geo = Type::Object(fields(&[("lat", Type::Number), ("at", Type::Timestamp)]));
    let types = [
        ("text", Type::String),
        ("Text", Type::String),
        ("select", Type::Integer),
        ("x", Type::Number),
        ("flag", Type::Boolean),
        ("at", Type::Timestamp),
        ("on", Type::Date),
        ("tags", Type::Strings),
        ("wide", Type::Integer),
        ("later", Type::Date),
        ("address", Type::Object(fields(&[("city", Type::String), ("geo", geo)]))),
        ("items", Type::Objects(fields(&[("sku", Type::String), ("n", Type::Integer)]))),
        ("map", Type::Map(Box::new(Type::Number))),
    ];
    let mut catalog = Catalog::new("Europe/London");
    for (name, ty) in types {
        catalog.set_field(Scope::Attribute, name, &ty, Origin::Declared).unwrap();
    }
    for (name, ty) in [("wide", Type::Number), ("later", Type::Timestamp)] {
        catalog.set_field(Scope::Attribute, name, &ty, Origin::Declared).unwrap();
    }
    catalog
}

fn object(list: &[(&str, Value)]) -> BTreeMap<String, Value> {
    list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Values by attribute, extremes and hostile ones among them.
fn values() -> Vec<(&'static str, Value)> {
    let mut out: Vec<(&str, Value)> = HOSTILE.iter().map(|s| ("text", Value::String((*s).to_owned()))).collect();
    out.push(("Text", Value::String("x".repeat(100_000))));
    out.extend([i64::MIN, i64::MAX, 0, -1, 9_007_199_254_740_993].map(|n| ("select", Value::Integer(n))));
    out.extend([0.0, 0.1, -1e300, 5e-324, f64::MAX].map(|x| ("x", Value::Number(x))));
    out.extend([true, false].map(|b| ("flag", Value::Boolean(b))));
    out.extend([segment_core::time::INSTANT_MIN, segment_core::time::INSTANT_MAX, 0, -1, 1].map(|t| ("at", Value::Timestamp(t))));
    out.extend([-719_162, 2_932_896, 0, -1].map(|d| ("on", Value::Date(d))));
    for items in [vec![], vec![""], vec!["a", "b", "a"], HOSTILE.to_vec()] {
        out.push(("tags", Value::Strings(items.into_iter().map(str::to_owned).collect())));
    }
    out.extend([("wide", Value::Integer(7)), ("wide", Value::Number(0.5)), ("later", Value::Date(3)), ("later", Value::Timestamp(5))]);
    let geo = |list: &[(&str, Value)]| Value::Object(object(list));
    out.push(("address", Value::Object(BTreeMap::new())));
    out.push(("address", geo(&[("city", Value::String("Ōsaka".to_owned()))])));
    out.push(("address", geo(&[("geo", geo(&[("lat", Value::Number(1.5)), ("at", Value::Timestamp(1))]))])));
    out.push(("address", geo(&[("geo", geo(&[]))])));
    let item = object(&[("sku", Value::String("'\0".to_owned())), ("n", Value::Integer(i64::MIN))]);
    out.push(("items", Value::Objects(vec![])));
    out.push(("items", Value::Objects(vec![item, BTreeMap::new()])));
    out.push(("map", Value::Map(BTreeMap::new())));
    out.push(("map", Value::Map(object(&[("a.b", Value::Number(1.0)), ("", Value::Number(2.5)), ("'\"", Value::Number(-0.1))]))));
    out
}

fn write(user: &str, at: i64, stated: Option<i64>, attributes: &[(&str, AttributeWrite)]) -> ProfileWrite {
    let attributes = attributes.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    ProfileWrite { user_id: user.to_owned(), attributes, written_at: at, first_seen_at: stated, of_events: false }
}

fn text(s: &str) -> AttributeWrite {
    AttributeWrite::Value(Value::String(s.to_owned()))
}

fn raw(json: &str) -> AttributeWrite {
    AttributeWrite::Raw(json.to_owned())
}

async fn merging(store: &mut dyn ProfileStore) {
    let mut upsert = async |at, said: AttributeWrite| {
        store.upsert(vec![write("a", at, None, &[("text", said)])]).await.unwrap();
        let profile = store.get("a").await.unwrap().unwrap();
        profile.attributes.get("text").cloned().or_else(|| profile.raw.get("text").map(|json| Value::String(format!("raw {json}"))))
    };
    let value = |s: &str| Some(Value::String(s.to_owned()));
    assert_eq!(upsert(10, text("JP")).await, value("JP"));
    assert_eq!(upsert(9, text("DE")).await, value("JP"), "an older value comes late");
    assert_eq!(upsert(10, text("AA")).await, value("AA"), "the later call wins");
    assert_eq!(upsert(10, text("ZZ")).await, value("ZZ"), "the later call wins");
    assert_eq!(upsert(10, raw("5")).await, value("raw 5"), "the later call wins");
    assert_eq!(upsert(10, text("FR")).await, value("FR"), "the later call wins");
    assert_eq!(upsert(12, AttributeWrite::Null).await, None);
    assert_eq!(upsert(11, text("ES")).await, None, "null is remembered");
    assert_eq!(upsert(11, raw("6")).await, None, "null is remembered");
    assert_eq!(upsert(12, text("SE")).await, value("SE"), "the later call wins");
    assert_eq!(upsert(20, raw("[7]")).await, value("raw [7]"));
    assert_eq!(upsert(19, text("NO")).await, value("raw [7]"));
    assert_eq!(upsert(21, text("NO")).await, value("NO"));
    // In one call, too.
    let both = [text("first"), text("second")].map(|said| write("b", 5, None, &[("text", said)]));
    store.upsert(both.to_vec()).await.unwrap();
    assert_eq!(store.get("b").await.unwrap().unwrap().attributes["text"], Value::String("second".to_owned()));
    let bytes = store.upsert(vec![write("b", 6, None, &[("nowhere", raw("{\"x\":1}"))])]).await;
    bytes.unwrap();
    assert_eq!(store.get("b").await.unwrap().unwrap().raw["nowhere"], "{\"x\":1}");
}

/// What is said of keys of the map: a number, or that it has none.
fn entries(list: &[(&str, Option<f64>)]) -> AttributeWrite {
    AttributeWrite::Entries(list.iter().map(|(key, value)| ((*key).to_owned(), value.map(Value::Number))).collect())
}

async fn maps(store: &mut dyn ProfileStore) {
    let mut upsert = async |at, said: AttributeWrite| {
        store.upsert(vec![write("m", at, None, &[("map", said)])]).await.unwrap();
        let profile = store.get("m").await.unwrap().unwrap();
        let map = profile.attributes.get("map").map(segment_core::convert::to_json);
        map.or_else(|| profile.raw.get("map").map(|json| format!("raw {json}")))
    };
    let json = |text: &str| Some(text.to_owned());
    assert_eq!(upsert(10, entries(&[("v42", Some(120.0))])).await, json(r#"{"v42":120.0}"#));
    assert_eq!(upsert(20, entries(&[("a.b", Some(5.5))])).await, json(r#"{"a.b":5.5,"v42":120.0}"#));
    assert_eq!(upsert(9, entries(&[("v42", Some(7.0)), ("'", Some(1.0))])).await, json(r#"{"'":1.0,"a.b":5.5,"v42":120.0}"#));
    assert_eq!(upsert(10, entries(&[("v42", Some(3.0))])).await, json(r#"{"'":1.0,"a.b":5.5,"v42":3.0}"#), "the later call wins");
    assert_eq!(upsert(12, entries(&[("v42", None), ("none", None)])).await, json(r#"{"'":1.0,"a.b":5.5}"#));
    assert_eq!(upsert(11, entries(&[("v42", Some(4.0))])).await, json(r#"{"'":1.0,"a.b":5.5}"#), "a removed key is remembered");
    assert_eq!(upsert(12, entries(&[("v42", Some(5.0))])).await, json(r#"{"'":1.0,"a.b":5.5,"v42":5.0}"#), "the later call wins");
    assert_eq!(upsert(12, AttributeWrite::Null).await, json(r#"{"a.b":5.5}"#), "null takes what is no later");
    assert_eq!(upsert(11, entries(&[("v42", Some(6.0))])).await, json(r#"{"a.b":5.5}"#), "null is remembered");
    assert_eq!(upsert(12, entries(&[("v42", Some(6.0))])).await, json(r#"{"a.b":5.5,"v42":6.0}"#), "the later call wins");
    assert_eq!(upsert(20, entries(&[("a.b", None), ("v42", None)])).await, json("{}"), "a map without keys is there");
    assert_eq!(upsert(19, AttributeWrite::Null).await, json("{}"));
    assert_eq!(upsert(20, AttributeWrite::Null).await, None);
    assert_eq!(upsert(20, entries(&[])).await, json("{}"));
    assert_eq!(upsert(30, raw("5")).await, json("raw 5"));
    assert_eq!(upsert(29, entries(&[("v42", Some(8.0))])).await, json("raw 5"));
    assert_eq!(upsert(31, entries(&[("", Some(9.0))])).await, json(r#"{"":9.0}"#));
    // In one call, too: a map that is cleared and has a key again.
    let both = [AttributeWrite::Null, entries(&[("k", Some(1.0))])].map(|said| write("m", 40, None, &[("map", said)]));
    store.upsert(both.to_vec()).await.unwrap();
    let map = BTreeMap::from([("k".to_owned(), Value::Number(1.0))]);
    assert_eq!(store.get("m").await.unwrap().unwrap().attributes["map"], Value::Map(map));
}

/// More keys than a map has, each five hundred of one instant, the latest first.
async fn many_keys(store: &mut dyn ProfileStore) {
    let key = |i: i64, n: usize| format!("{i}-{n:03}");
    for i in (0..9).rev() {
        let keys = (0..500).map(|n| (key(i, n), Some(Value::Number(n as f64)).filter(|_| n > 0))).collect();
        store.upsert(vec![write("many", 100 + i, None, &[("map", AttributeWrite::Entries(keys))])]).await.unwrap();
    }
    let found = store.get("many").await.unwrap().unwrap();
    let Value::Map(map) = &found.attributes["map"] else { panic!("{found:?}") };
    let first = 4500 - crate::MAP_KEYS_MAX;
    let expected = (0..9).flat_map(|i| (1..500).map(move |n| (i, n))).filter(|&(i, n)| i > 0 || n >= first).map(|(i, n)| key(i, n));
    assert_eq!(map.keys().cloned().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

async fn beginnings(store: &mut dyn ProfileStore) {
    let times = async |store: &mut dyn ProfileStore, id: &str| {
        let p = store.get(id).await.unwrap().unwrap();
        (p.first_seen_at, p.last_seen_at, p.stated_first_seen, p.has_profile)
    };
    store.upsert(vec![write("u", 5, None, &[])]).await.unwrap();
    assert_eq!(times(store, "u").await, (None, None, None, true));
    let user_no = store.get("u").await.unwrap().unwrap().user_no;
    let seen = |first, last| Seen { user_no, first, last };
    store.note_events(&[seen(50, 60), seen(70, 70)]).await.unwrap();
    assert_eq!(times(store, "u").await, (None, Some(70), None, true), "a profile that states no time has always existed");
    store.upsert(vec![write("u", 4, Some(90), &[])]).await.unwrap();
    assert_eq!(times(store, "u").await, (Some(50), Some(70), Some(90), true));
    store.upsert(vec![write("u", 6, Some(-5), &[]), write("u", 6, Some(95), &[])]).await.unwrap();
    assert_eq!(times(store, "u").await, (Some(-5), Some(70), Some(-5), true));
    store.note_events(&[seen(-9, -9)]).await.unwrap();
    assert_eq!(times(store, "u").await, (Some(-9), Some(70), Some(-5), true));
    // What events set says nothing of it.
    store.upsert(vec![write("i", 5, None, &[])]).await.unwrap();
    store.upsert(vec![ProfileWrite { of_events: true, ..write("i", 50, None, &[("text", text("y"))]) }]).await.unwrap();
    assert_eq!(times(store, "i").await, (None, None, None, true));
    assert_eq!(store.get("i").await.unwrap().unwrap().attributes["text"], Value::String("y".to_owned()));
    assert!(matches!(store.note_events(&[Seen { user_no: 1 << 40, first: 0, last: 0 }]).await, Err(StoreError::Invalid(_))));
    assert!(matches!(store.note_events(&[seen(2, 1)]).await, Err(StoreError::Invalid(_))));
    assert_eq!(store.get("nobody").await.unwrap(), None);
    assert!(matches!(store.upsert(vec![write("", 5, None, &[])]).await, Err(StoreError::Invalid(_))));
}

async fn round_trips(store: &mut dyn ProfileStore) {
    // One user, so that each value replaces another of its attribute; then a user for each value.
    for (i, (name, value)) in values().into_iter().enumerate() {
        let said = AttributeWrite::Value(value.clone());
        let at = i64::try_from(i).unwrap();
        let alone = format!("user {i} {name} '\"\\");
        store.upsert(vec![write("one", at, None, &[(name, said.clone())]), write(&alone, at, None, &[(name, said)])]).await.unwrap();
        assert_eq!(store.get("one").await.unwrap().unwrap().attributes[name], value);
        assert_eq!(store.get(&alone).await.unwrap().unwrap().attributes, object(&[(name, value)]));
    }
}

async fn erasing(store: &mut dyn ProfileStore) {
    let country = [("text", text("JP"))];
    store.upsert(vec![write("a", 5, Some(100), &country), write("b", 5, None, &country)]).await.unwrap();
    let before = store.get("a").await.unwrap().unwrap();
    store.note_events(&[Seen { user_no: before.user_no, first: 50, last: 60 }]).await.unwrap();
    assert_eq!(store.erase(&["a".to_owned(), "nobody".to_owned()]).await.unwrap(), 1);
    assert_eq!(store.get("a").await.unwrap(), None);
    assert_eq!(store.erase(&["a".to_owned()]).await.unwrap(), 0);
    assert!(store.get("b").await.unwrap().is_some());
    // Who comes back begins anew, whatever the times.
    store.upsert(vec![write("a", 4, Some(200), &[("x", AttributeWrite::Value(Value::Number(1.0)))])]).await.unwrap();
    let after = store.get("a").await.unwrap().unwrap();
    assert!(after.user_no > before.user_no);
    assert_eq!((after.first_seen_at, after.last_seen_at), (Some(200), None));
    assert_eq!(after.attributes, object(&[("x", Value::Number(1.0))]));
}

/// Numbers that look like chance, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// What is said of a few of the map's keys.
fn some_entries(chance: &mut Chance) -> AttributeWrite {
    let mut said = Vec::new();
    for key in ["v1", "a.b", ""] {
        match chance.below(3) {
            0 => said.push((key, None)),
            1 => said.push((key, Some(chance.below(100) as f64))),
            _ => {}
        }
    }
    entries(&said)
}

/// Rows of a snapshot by user, without their numbers: two stores number differently.
fn rows(snapshot: &ProfilesSnapshot) -> BTreeMap<String, Vec<Option<String>>> {
    let (mut out, mut last) = (BTreeMap::new(), -1);
    for file in &snapshot.files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&file.path).unwrap()).unwrap();
        for batch in reader.build().unwrap().map(Result::unwrap) {
            for row in 0..batch.num_rows() {
                let number = batch.column(0).as_primitive::<Int64Type>().value(row);
                assert!(number > last, "numbers are sorted, across files too");
                assert!((file.user_no_min..=file.user_no_max).contains(&number.unsigned_abs()));
                last = number;
                let fields = snapshot.schema.fields().iter().skip(2);
                let cells = fields.map(|f| {
                    let column = batch.column_by_name(f.name()).filter(|c| c.is_valid(row))?;
                    Some(array_value_to_string(column, row).unwrap())
                });
                let before = out.insert(batch.column(1).as_string::<i32>().value(row).to_owned(), cells.collect());
                assert_eq!(before, None);
            }
        }
    }
    assert_eq!(out.len() as u64, snapshot.rows);
    out
}

async fn seen_between(store: &mut dyn ProfileStore, user: &str, first: i64, last: i64) {
    if let Some(profile) = store.get(user).await.unwrap() {
        store.note_events(&[Seen { user_no: profile.user_no, first, last }]).await.unwrap();
    }
}

/// The same writes to both, at few instants, so that most of them meet others: the same profiles and the same columns.
async fn same(model: &mut dyn ProfileStore, store: &mut dyn ProfileStore, seed: u64) {
    let (mut chance, catalog, values) = (Chance(seed), catalog(), values());
    let users: Vec<String> = (0..12).map(|i| format!("u{i}")).collect();
    for round in 0..40 {
        match chance.below(10) {
            0 => {
                let gone = [users[chance.below(users.len())].clone(), users[chance.below(users.len())].clone()];
                let gone = if gone[0] == gone[1] { &gone[..1] } else { &gone[..] };
                assert_eq!(model.erase(gone).await.unwrap(), store.erase(gone).await.unwrap(), "round {round}");
            }
            1 | 2 => {
                let user = &users[chance.below(users.len())];
                let (a, b) = (chance.below(1000) as i64 - 500, chance.below(1000) as i64 - 500);
                seen_between(model, user, a.min(b), a.max(b)).await;
                seen_between(store, user, a.min(b), a.max(b)).await;
            }
            _ => {
                let writes: Vec<ProfileWrite> = (0..chance.below(6) + 1)
                    .map(|_| {
                        let mut attributes: BTreeMap<String, AttributeWrite> = BTreeMap::new();
                        for _ in 0..chance.below(4) {
                            let (name, value) = match chance.below(3) {
                                0 => values.last().unwrap(),
                                _ => &values[chance.below(values.len())],
                            };
                            let said = match chance.below(6) {
                                0 => AttributeWrite::Null,
                                1 => raw("{\"no\":[1,null]}"),
                                2.. if *name == "map" => some_entries(&mut chance),
                                _ => AttributeWrite::Value(value.clone()),
                            };
                            attributes.insert((*name).to_owned(), said);
                        }
                        let stated = (chance.below(3) == 0).then(|| chance.below(1000) as i64);
                        let user_id = users[chance.below(users.len())].clone();
                        let written_at = chance.below(6) as i64;
                        ProfileWrite {
                            user_id,
                            attributes: attributes.into_iter().collect(),
                            written_at,
                            first_seen_at: stated,
                            of_events: false,
                        }
                    })
                    .collect();
                model.upsert(writes.clone()).await.unwrap();
                store.upsert(writes).await.unwrap();
            }
        }
        for user in &users {
            let (mut expected, found) = (model.get(user).await.unwrap(), store.get(user).await.unwrap());
            if let (Some(expected), Some(found)) = (&mut expected, &found) {
                expected.user_no = found.user_no;
            }
            assert_eq!(found, expected, "seed {seed}, round {round}");
        }
        if round % 8 == 7 {
            assert_eq!(
                rows(&store.snapshot(&catalog).await.unwrap()),
                rows(&model.snapshot(&catalog).await.unwrap()),
                "seed {seed}, round {round}"
            );
        }
    }
}

fn embedded(folder: &Path) -> EmbeddedProfiles {
    let columns = folder.join("columns");
    std::fs::create_dir_all(&columns).unwrap();
    EmbeddedProfiles::open(&folder.join("users.redb"), &columns, crate::meta::ProfilesState::default()).unwrap()
}

#[tokio::test]
async fn the_embedded_store() {
    for i in 0..7 {
        let folder = tempfile::tempdir().unwrap();
        let mut store = embedded(folder.path());
        match i {
            0 => merging(&mut store).await,
            1 => beginnings(&mut store).await,
            2 => round_trips(&mut store).await,
            3 => erasing(&mut store).await,
            4 => maps(&mut store).await,
            5 => many_keys(&mut store).await,
            _ => {
                let other = tempfile::tempdir().unwrap();
                same(&mut embedded(other.path()), &mut store, 1).await;
            }
        }
    }
}

#[cfg(feature = "cassandra")]
mod on_cassandra {
    use super::*;
    use crate::cassandra::{Cassandra, CassandraProfiles};
    use crate::profiles::cassandra::testing::{connected, fresh_name};

    async fn opened(cassandra: &Arc<Cassandra>, folder: &Path) -> CassandraProfiles {
        CassandraProfiles::open(cassandra, &fresh_name("suite"), "the suite", &catalog(), folder).await.unwrap()
    }

    #[tokio::test]
    async fn the_store_on_cassandra() {
        let Some(cassandra) = connected().await else { return };
        let folder = tempfile::tempdir().unwrap();
        let mut store = opened(&cassandra, folder.path()).await;
        merging(&mut store).await;
        maps(&mut store).await;
        many_keys(&mut store).await;
        store.erase(&["a".to_owned(), "b".to_owned(), "u".to_owned()]).await.unwrap();
        beginnings(&mut store).await;
        round_trips(&mut store).await;
        store.erase(&["a".to_owned(), "b".to_owned()]).await.unwrap();
        erasing(&mut store).await;
        store.keyspace().drop_all().await.unwrap();
    }

    #[tokio::test]
    async fn both_stores_say_the_same() {
        let Some(cassandra) = connected().await else { return };
        let (folder, mirror) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut store = opened(&cassandra, mirror.path()).await;
        for seed in 0..6 {
            let model = folder.path().join(seed.to_string());
            std::fs::create_dir_all(&model).unwrap();
            let everyone: Vec<String> = (0..12).map(|i| format!("u{i}")).collect();
            store.erase(&everyone).await.unwrap();
            same(&mut embedded(&model), &mut store, seed).await;
        }
        store.keyspace().drop_all().await.unwrap();
    }
}
