//! Merging, against a model that sorts all writes by time.

use super::*;

fn keys(list: &[(&str, Option<i64>)]) -> AttributeWrite {
    AttributeWrite::Entries(list.iter().map(|(key, value)| ((*key).to_owned(), value.map(Value::Integer))).collect())
}

fn map(list: &[(&str, i64)]) -> AttributeWrite {
    AttributeWrite::Value(Value::Map(list.iter().map(|(key, n)| ((*key).to_owned(), Value::Integer(*n))).collect()))
}

fn raw() -> AttributeWrite {
    AttributeWrite::Raw("5".to_owned())
}

fn merged(writes: &[(i64, AttributeWrite)]) -> AttributeFacts {
    let mut attributes = BTreeMap::new();
    for (at, said) in writes {
        merge(&mut attributes, "m".to_owned(), *at, said.clone());
    }
    attributes.remove("m").unwrap()
}

fn check(writes: &[(i64, AttributeWrite)], expected: &AttributeWrite) {
    let facts = merged(writes);
    assert_eq!(facts.said(), expected, "{writes:?}");
    let mut bytes = Vec::new();
    facts.encode(&mut bytes).unwrap();
    let mut reader = Reader::new(&bytes);
    assert_eq!(AttributeFacts::decode(&mut reader).unwrap(), facts, "{writes:?}");
    assert!(reader.is_empty());
    for end in 0..bytes.len() {
        assert!(AttributeFacts::decode(&mut Reader::new(&bytes[..end])).is_err(), "{writes:?} cut at {end}");
    }
    assert_eq!(merged(&facts.writes()), facts, "{writes:?}");
}

#[test]
fn each_key_has_its_own_time() {
    let a = (10, keys(&[("a", Some(1))]));
    check(&[a.clone(), (20, keys(&[("b", Some(2))]))], &map(&[("a", 1), ("b", 2)]));
    check(&[a.clone(), (9, keys(&[("a", Some(3)), ("b", Some(4))]))], &map(&[("a", 1), ("b", 4)]));
    check(&[a.clone(), (10, map(&[("a", 5)]))], &map(&[("a", 5)]));
    check(&[a.clone(), (11, keys(&[("a", None)])), (10, keys(&[("a", Some(6))]))], &map(&[]));
    check(&[a.clone(), (11, AttributeWrite::Null), (10, keys(&[("b", Some(7))]))], &AttributeWrite::Null);
    check(&[a.clone(), (11, AttributeWrite::Null), (11, keys(&[("b", Some(7))]))], &map(&[("b", 7)]));
    check(&[(12, keys(&[("b", Some(7))])), (11, AttributeWrite::Null), a.clone()], &map(&[("b", 7)]));
    check(&[a.clone(), (11, raw())], &raw());
    check(&[(12, keys(&[])), (11, raw()), a.clone()], &map(&[]));
    check(&[(11, raw()), (12, keys(&[])), a], &map(&[]));
}

#[test]
fn maps_of_before_are_read() {
    let mut bytes = 7i64.to_le_bytes().to_vec();
    bytes.push(VALUE);
    put_value(&mut bytes, &Value::Map(BTreeMap::from([("a".to_owned(), Value::Integer(1)), ("b".to_owned(), Value::Integer(2))]))).unwrap();
    let mut facts = AttributeFacts::decode(&mut Reader::new(&bytes)).unwrap();
    assert_eq!((facts.said(), facts.written_at()), (&map(&[("a", 1), ("b", 2)]), 7));
    facts.merge(6, keys(&[("a", Some(9)), ("c", Some(3))]));
    facts.merge(8, keys(&[("b", None)]));
    assert_eq!(facts.said(), &map(&[("a", 1), ("c", 3)]));
}

/// Numbers that look like chance, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

fn any_write(chance: &mut Chance) -> AttributeWrite {
    match chance.below(8) {
        0 => AttributeWrite::Null,
        1 => raw(),
        2 => map(&[("a", chance.below(9) as i64), ("c", 1)]),
        _ => {
            let mut entries = Vec::new();
            for key in ["a", "b", "c"] {
                match chance.below(4) {
                    0 => entries.push((key, None)),
                    1 => entries.push((key, Some(chance.below(9) as i64))),
                    _ => {}
                }
            }
            keys(&entries)
        }
    }
}

/// What the writes come to in the order of their times.
fn model(writes: &[(i64, AttributeWrite)]) -> AttributeWrite {
    let mut sorted = writes.to_vec();
    sorted.sort_by_key(|(at, _)| *at);
    let mut now: std::result::Result<BTreeMap<String, Value>, AttributeWrite> = Err(AttributeWrite::Null);
    for (_, said) in sorted {
        match entries(said) {
            Err(whole) => now = Err(whole),
            Ok(entries) => {
                let mut map = now.unwrap_or_default();
                for (key, value) in entries {
                    match value {
                        Some(value) => map.insert(key, value),
                        None => map.remove(&key),
                    };
                }
                now = Ok(map);
            }
        }
    }
    now.map_or_else(|whole| whole, |map| AttributeWrite::Value(Value::Map(map)))
}

/// All orders of so many things.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(n - 1);
    shorter.iter().flat_map(|order| (0..n).map(|at| [&order[..at], &[n - 1], &order[at..]].concat())).collect()
}

#[test]
fn every_order_comes_to_the_same_and_so_do_replays() {
    let (mut chance, orders) = (Chance(1), orders(6));
    for _ in 0..60 {
        let writes: Vec<(i64, AttributeWrite)> = (0..6).map(|at| (at * 10, any_write(&mut chance))).collect();
        let expected = merged(&writes);
        check(&writes, &model(&writes));
        for order in &orders {
            let mut arriving: Vec<_> = order.iter().map(|&at| writes[at].clone()).collect();
            arriving.push(writes[chance.below(6)].clone());
            arriving.insert(chance.below(6), writes[chance.below(6)].clone());
            assert_eq!(merged(&arriving), expected, "{arriving:?}");
        }
    }
}

#[test]
fn of_one_instant_the_later_call_counts() {
    let mut chance = Chance(2);
    for _ in 0..2000 {
        let writes: Vec<(i64, AttributeWrite)> = (0..8).map(|_| (chance.below(3) as i64, any_write(&mut chance))).collect();
        check(&writes, &model(&writes));
    }
}

#[test]
fn the_keys_written_last_are_kept_in_any_order() {
    let write = |n: usize| {
        let value = (!n.is_multiple_of(5)).then_some(Value::Integer(n as i64));
        // Some keys are written again, and some at the same instant as others.
        (n as i64 / 2 * 10, AttributeWrite::Entries(BTreeMap::from([(format!("{:05}", n % (MAP_KEYS_MAX + 500)), value)])))
    };
    let mut writes: Vec<_> = (0..MAP_KEYS_MAX + 900).map(write).collect();
    writes.push((3005, AttributeWrite::Null));
    let expected = merged(&writes);
    assert_eq!(expected.times.as_ref().unwrap().keys.len(), MAP_KEYS_MAX);
    let mut chance = Chance(3);
    for _ in 0..3 {
        for i in (1..writes.len()).rev() {
            writes.swap(i, chance.below(i + 1));
        }
        assert_eq!(merged(&writes), expected);
    }
}
