//! Learning the type of a name from the values that an import has for it.
//!
//! In: values as they came, one by one, counted in `Votes` that several readers can merge. Out: the type most of them have, or
//! how a type that the name has already must widen.
//!
//! `null` and `[]` do not vote. Integers with any decimal among them are one vote group, `number`; text is `date` if all of it
//! is, `timestamp` if all of it is one or the other, and `string` otherwise. The largest group wins; with two equally large it
//! is `string`. In CSV, text that is wholly a finite number, `true` or `false` votes as that, an integer beyond 64 bits as text.
//! Lists of objects are `objects`, other lists `strings`. Never learned: maps, lists of objects inside objects, and fields that
//! no path could name. An empty CSV cell is for the caller to leave out.
//!
//! Invariants: the order of values and of merging does not matter while names stay within `FIELDS_MAX`; memory is bounded by it.

use std::collections::BTreeMap;

use crate::json::{self, Json};
use crate::time::{is_instant, parse_date};
use crate::types::{Fields, Type};

/// Fields that one name's votes tell apart, those inside fields included; values of further ones are not counted.
pub const FIELDS_MAX: usize = 4_096;
/// Levels of objects inside a value that are looked at.
pub const LEVELS_MAX: usize = 16;

/// What the values of one name are, so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Votes {
    tally: Tally,
    fields: usize,
    truncated: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally {
    integers: u64,
    decimals: u64,
    booleans: u64,
    dates: u64,
    instants: u64,
    texts: u64,
    lists: u64,
    object_lists: u64,
    objects: u64,
    /// Of the objects.
    object_fields: BTreeMap<String, Tally>,
    /// Of the objects in lists.
    item_fields: BTreeMap<String, Tally>,
}

/// How many more fields may be told apart.
struct Budget {
    left: usize,
    exceeded: bool,
}

impl Votes {
    /// Counts a value; `csv` if it is the text of a cell.
    pub fn add(&mut self, value: &Json, csv: bool) {
        self.within_budget(|tally, budget| tally.add(value, csv, 0, budget));
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Votes) {
        self.within_budget(|tally, budget| tally.merge(&other.tally, budget));
        self.truncated |= other.truncated;
    }

    fn within_budget(&mut self, count: impl FnOnce(&mut Tally, &mut Budget)) {
        let mut budget = Budget { left: FIELDS_MAX - self.fields, exceeded: false };
        count(&mut self.tally, &mut budget);
        self.fields = FIELDS_MAX - budget.left;
        self.truncated |= budget.exceeded;
    }

    /// Whether there were more fields than `FIELDS_MAX`, or deeper ones than `LEVELS_MAX`, so that some were not learned.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Whether no value voted.
    pub fn is_empty(&self) -> bool {
        self.tally.decide().is_none()
    }

    /// The type of a name that has none yet; `None` if no value voted.
    pub fn decide(&self) -> Option<Type> {
        self.tally.decide()
    }

    /// What the type that the name has must become: an integer with any decimal a number, a date with any instant a timestamp,
    /// objects with the fields that are new. `None` if it stays.
    pub fn widen(&self, existing: &Type) -> Option<Type> {
        self.tally.widen(existing)
    }
}

impl Tally {
    fn add(&mut self, value: &Json, csv: bool, level: usize, budget: &mut Budget) {
        match value {
            Json::Null => {}
            Json::Bool(_) => self.booleans += 1,
            Json::Number(text) => self.add_number(text),
            Json::String(text) if csv => self.add_cell(text),
            Json::String(text) => self.add_text(text),
            Json::BadString => self.texts += 1,
            Json::Array(items) if items.is_empty() => {}
            Json::Array(items) if items.iter().all(|item| item.as_object().is_some()) => {
                self.object_lists += 1;
                for members in items.iter().filter_map(Json::as_object) {
                    add_fields(&mut self.item_fields, members, csv, level, budget);
                }
            }
            Json::Array(_) => self.lists += 1,
            Json::Object(members) => {
                self.objects += 1;
                add_fields(&mut self.object_fields, members, csv, level, budget);
            }
        }
    }

    fn add_number(&mut self, text: &str) {
        if json::is_integer(text) {
            self.integers += 1;
        } else {
            self.decimals += 1;
        }
    }

    fn add_cell(&mut self, text: &str) {
        if text == "true" || text == "false" {
            self.booleans += 1;
        } else if json::is_integer(text) {
            match text.parse::<i64>() {
                Ok(_) => self.integers += 1,
                Err(_) => self.texts += 1,
            }
        } else if json::is_number(text) && text.parse::<f64>().is_ok_and(f64::is_finite) {
            self.decimals += 1;
        } else {
            self.add_text(text);
        }
    }

    fn add_text(&mut self, text: &str) {
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            self.texts += 1;
        } else if parse_date(text).is_some() {
            self.dates += 1;
        } else if is_instant(text) {
            self.instants += 1;
        } else {
            self.texts += 1;
        }
    }

    fn merge(&mut self, other: &Tally, budget: &mut Budget) {
        self.integers += other.integers;
        self.decimals += other.decimals;
        self.booleans += other.booleans;
        self.dates += other.dates;
        self.instants += other.instants;
        self.texts += other.texts;
        self.lists += other.lists;
        self.object_lists += other.object_lists;
        self.objects += other.objects;
        merge_fields(&mut self.object_fields, &other.object_fields, budget);
        merge_fields(&mut self.item_fields, &other.item_fields, budget);
    }

    fn decide(&self) -> Option<Type> {
        let text = match (self.texts, self.instants) {
            (0, 0) => Type::Date,
            (0, _) => Type::Timestamp,
            _ => Type::String,
        };
        let groups = [
            (self.integers + self.decimals, if self.decimals > 0 { Type::Number } else { Type::Integer }),
            (self.dates + self.instants + self.texts, text),
            (self.booleans, Type::Boolean),
            (self.lists, Type::Strings),
            (self.object_lists, Type::Objects(decide_fields(&self.item_fields))),
            (self.objects, Type::Object(decide_fields(&self.object_fields))),
        ];
        let most = groups.iter().map(|(votes, _)| *votes).max().filter(|&most| most > 0)?;
        let mut winners = groups.into_iter().filter(|(votes, _)| *votes == most).map(|(_, ty)| ty);
        match (winners.next(), winners.next()) {
            (Some(only), None) => Some(only),
            _ => Some(Type::String),
        }
    }

    fn widen(&self, existing: &Type) -> Option<Type> {
        match existing {
            Type::Integer => (self.decimals > 0).then_some(Type::Number),
            Type::Date => (self.instants > 0).then_some(Type::Timestamp),
            Type::Object(fields) => widen_fields(&self.object_fields, fields).map(Type::Object),
            Type::Objects(fields) => widen_fields(&self.item_fields, fields).map(Type::Objects),
            Type::String | Type::Number | Type::Boolean | Type::Timestamp | Type::Strings | Type::Map(_) => None,
        }
    }
}

fn add_fields(fields: &mut BTreeMap<String, Tally>, members: &[(String, Json)], csv: bool, level: usize, budget: &mut Budget) {
    if level == LEVELS_MAX {
        budget.exceeded |= !members.is_empty();
        return;
    }
    for (name, value) in members {
        if value.is_null() || !is_field_name(name) {
            continue;
        }
        if let Some(tally) = field(fields, name, budget) {
            tally.add(value, csv, level + 1, budget);
        }
    }
}

fn merge_fields(fields: &mut BTreeMap<String, Tally>, others: &BTreeMap<String, Tally>, budget: &mut Budget) {
    for (name, other) in others {
        if let Some(tally) = field(fields, name, budget) {
            tally.merge(other, budget);
        }
    }
}

fn field<'a>(fields: &'a mut BTreeMap<String, Tally>, name: &str, budget: &mut Budget) -> Option<&'a mut Tally> {
    if !fields.contains_key(name) {
        if budget.left == 0 {
            budget.exceeded = true;
            return None;
        }
        budget.left -= 1;
        fields.insert(name.to_owned(), Tally::default());
    }
    fields.get_mut(name)
}

/// Whether a path can name the field.
fn is_field_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('.') && !name.chars().any(char::is_control)
}

fn decide_fields(tallies: &BTreeMap<String, Tally>) -> Fields {
    tallies.iter().filter_map(|(name, tally)| Some((name.clone(), decide_field(tally)?))).collect()
}

fn decide_field(tally: &Tally) -> Option<Type> {
    tally.decide().filter(|ty| !matches!(ty, Type::Objects(_)))
}

fn widen_fields(tallies: &BTreeMap<String, Tally>, existing: &Fields) -> Option<Fields> {
    let mut fields = existing.clone();
    for (name, tally) in tallies {
        let ty = match existing.get(name) {
            Some(ty) => tally.widen(ty),
            None => decide_field(tally),
        };
        if let Some(ty) = ty {
            fields.insert(name.clone(), ty);
        }
    }
    (fields != *existing).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn votes(text: &str, csv: bool) -> Votes {
        let mut votes = Votes::default();
        for value in Json::parse(text).unwrap().as_array().unwrap() {
            votes.add(value, csv);
        }
        votes
    }

    fn fields(list: &[(&str, Type)]) -> Fields {
        list.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect()
    }

    fn check(values: &str, ty: Type) {
        assert_eq!(votes(values, false).decide(), Some(ty), "{values}");
    }

    fn check_csv(values: &str, ty: Type) {
        assert_eq!(votes(values, true).decide(), Some(ty), "{values}");
    }

    #[test]
    fn scalars() {
        check("[1,2,null]", Type::Integer);
        check("[1,2,3.0]", Type::Number);
        check("[true,false]", Type::Boolean);
        check(r#"["a","b"]"#, Type::String);
        check(r#"["2024-01-01"]"#, Type::Date);
        check(r#"["2024-01-01","2024-01-01T00:00:00Z"]"#, Type::Timestamp);
        check(r#"["2024-01-01","2024-01-01 10:00"]"#, Type::Timestamp);
        check(r#"["2024-01-01","2024-01-02","n/a"]"#, Type::String);
        check(r#"["1","2"]"#, Type::String);
        check(r#"["true"]"#, Type::String);
        assert_eq!(votes("[null,[],null]", false).decide(), None);
        assert!(votes("[null,[]]", false).is_empty());
    }

    #[test]
    fn most_values_win_and_equal_is_string() {
        check(r#"[1,2,"a"]"#, Type::Integer);
        check(r#"[1,"a","b"]"#, Type::String);
        check(r#"[1,"a"]"#, Type::String);
        check("[1,true]", Type::String);
        check("[1,2.5,true]", Type::Number);
        check(r#"[1,2,3,"2024-01-01","2024-01-02"]"#, Type::Integer);
        check(r#"[1,"2024-01-01","2024-01-02"]"#, Type::Date);
        check(r#"[1,"2024-01-01","x"]"#, Type::String);
        check("[{},[\"a\"],[\"b\"]]", Type::Strings);
    }

    #[test]
    fn csv_text() {
        check_csv(r#"["1","-2"]"#, Type::Integer);
        check_csv(r#"["1","2.5"]"#, Type::Number);
        check_csv(r#"["true","false"]"#, Type::Boolean);
        check_csv(r#"["True"]"#, Type::String);
        check_csv(r#"["007"]"#, Type::String);
        check_csv(r#"["99999999999999999999"]"#, Type::String);
        check_csv(r#"["1e999"]"#, Type::String);
        check_csv(r#"["2024-01-01"]"#, Type::Date);
        check_csv(r#"["2024-01-01","5","6"]"#, Type::Integer);
    }

    #[test]
    fn lists_and_objects() {
        check(r#"[["a"],[],[1]]"#, Type::Strings);
        check(r#"[[{"a":1}],[]]"#, Type::Objects(fields(&[("a", Type::Integer)])));
        check(r#"[[{"a":1},"x"]]"#, Type::Strings);
        check(
            r#"[{"city":"Oslo","geo":{"lat":1.5}},{"city":"Rome","zip":5,"none":null}]"#,
            Type::Object(fields(&[
                ("city", Type::String),
                ("geo", Type::Object(fields(&[("lat", Type::Number)]))),
                ("zip", Type::Integer),
            ])),
        );
        check("[{}]", Type::Object(Fields::new()));
        check(r#"[{"":1,"a\n":2,"ok":3}]"#, Type::Object(fields(&[("ok", Type::Integer)])));
    }

    #[test]
    fn lists_of_objects_inside_objects_are_left_out() {
        check(r#"[{"a":1,"items":[{"b":2}]}]"#, Type::Object(fields(&[("a", Type::Integer)])));
        check(r#"[[{"a":1,"items":[{"b":2}],"tags":["x"]}]]"#, Type::Objects(fields(&[("a", Type::Integer), ("tags", Type::Strings)])));
    }

    #[test]
    fn widening() {
        assert_eq!(votes("[1,2.5,\"x\"]", false).widen(&Type::Integer), Some(Type::Number));
        assert_eq!(votes("[1]", false).widen(&Type::Integer), None);
        assert_eq!(votes("[\"x\",true]", false).widen(&Type::Integer), None);
        assert_eq!(votes("[\"1.5\"]", true).widen(&Type::Integer), Some(Type::Number));
        assert_eq!(votes(r#"["2024-01-01T00:00:00Z","x"]"#, false).widen(&Type::Date), Some(Type::Timestamp));
        assert_eq!(votes(r#"["2024-01-01"]"#, false).widen(&Type::Date), None);
        assert_eq!(votes("[1,2.5]", false).widen(&Type::String), None);
        assert_eq!(votes("[{\"a\":1.5}]", false).widen(&Type::Map(Box::new(Type::Integer))), None);
        let existing = Type::Object(fields(&[("a", Type::Integer), ("s", Type::String)]));
        let wider = Type::Object(fields(&[("a", Type::Number), ("s", Type::String), ("new", Type::Boolean)]));
        assert_eq!(votes(r#"[{"a":1.5,"s":5,"new":true,"l":[{}]}]"#, false).widen(&existing), Some(wider));
        assert_eq!(votes(r#"[{"a":1,"s":5}]"#, false).widen(&existing), None);
        let items = Type::Objects(fields(&[("a", Type::Date)]));
        let wider = Type::Objects(fields(&[("a", Type::Timestamp)]));
        assert_eq!(votes(r#"[[{"a":"2024-01-01T00:00Z"}]]"#, false).widen(&items), Some(wider));
    }

    #[test]
    fn memory_is_bounded() {
        let mut votes = Votes::default();
        for i in 0..2 * FIELDS_MAX {
            votes.add(&Json::Object(vec![(format!("k{i}"), Json::Bool(true))]), false);
        }
        assert!(votes.is_truncated());
        let Some(Type::Object(fields)) = votes.decide() else { panic!() };
        assert_eq!(fields.len(), FIELDS_MAX);
        let deep = format!("[{}1{}]", "{\"a\":".repeat(100), "}".repeat(100));
        let deep = super::tests::votes(&deep, false);
        assert!(deep.is_truncated());
        assert!(deep.fields <= LEVELS_MAX);
    }

    proptest! {
        #[test]
        fn merging_is_counting(cut in 0..9usize, csv in any::<bool>()) {
            let values = r#"[1,"2024-01-01",2.5,{"a":1},{"a":"x","b":[{}]},[{"c":1}],["s"],null,true]"#;
            let Json::Array(values) = Json::parse(values).unwrap() else { unreachable!() };
            let mut all = Votes::default();
            let (mut left, mut right) = (Votes::default(), Votes::default());
            for (i, value) in values.iter().enumerate() {
                all.add(value, csv);
                if i < cut { left.add(value, csv) } else { right.add(value, csv) }
            }
            right.merge(&left);
            prop_assert_eq!(right, all);
        }
    }
}
