//! The attributes that an event sets, by the catalog's rules.
//!
//! In: a message, and the rules. Out: what each of them makes of it, with the time of the write. Which of many writes counts is not decided here but by
//! whoever stores them: of all writes of an attribute that with the greatest time, in whatever order they come and however often. What `identify` states
//! is one of these writes: it stands against `last` and `last_time` by its time, and before any `first`, whose time is below all that is stated.
//!
//! Deliberately absent: converting values to the attributes' types, and making a profile. An event sets attributes of a user and states nothing of their
//! `first_seen_at`.

use std::collections::BTreeMap;

use segment_core::json::Json;
use segment_core::rules::{Rule, Take};
use segment_core::time::format_instant;

use super::message::{Fact, Message};

/// What an event sets one attribute to.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The attribute.
    pub attribute: String,
    /// Its value, not null; not yet converted to the attribute's type.
    pub value: Json,
    /// What a store takes for the time of the write, in microseconds, of which the greatest counts: the event's `ts`, or for `first` less than nothing
    /// by as much, so that the least `ts` has the greatest.
    pub written_at: i64,
}

/// What a message sets. Facts about a user set nothing by rules, nor do events without the property.
pub fn derive(rules: &BTreeMap<String, Rule>, message: &Message) -> Vec<Derived> {
    let Fact::Event { name, properties } = &message.fact else { return Vec::new() };
    let mut rules = rules.iter().filter(|(_, rule)| rule.event == *name).peekable();
    if rules.peek().is_none() {
        return Vec::new();
    }
    let properties = Json::parse(properties).unwrap_or(Json::Null);
    let derived = rules.filter_map(|(attribute, rule)| {
        let (value, written_at) = match &rule.take {
            Take::Last(path) => (find(&properties, path)?.clone(), message.ts),
            Take::First(path) => (find(&properties, path)?.clone(), message.ts.saturating_neg()),
            Take::LastTime => (Json::String(format_instant(message.ts)), message.ts),
        };
        Some(Derived { attribute: attribute.clone(), value, written_at })
    });
    derived.collect()
}

/// What a dotted path leads to, unless it is null; of a key given twice the later.
fn find<'j>(json: &'j Json, path: &str) -> Option<&'j Json> {
    path.split('.')
        .try_fold(json, |json, step| json.as_object()?.iter().rev().find(|(name, _)| name == step).map(|(_, value)| value))
        .filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(ts: i64, message_id: &str, fact: Fact) -> Message {
        Message { workspace: "w".into(), user_id: "u".into(), ts, received_at: 2_000_000, message_id: message_id.into(), fact }
    }

    fn event(name: &str, properties: &str) -> Fact {
        Fact::Event { name: name.to_owned(), properties: properties.to_owned() }
    }

    fn check(take: Take, name: &str, properties: &str, expected: Option<&str>) {
        let written_at = if matches!(take, Take::First(_)) { -1_500_000 } else { 1_500_000 };
        let rules = BTreeMap::from([("a".to_owned(), Rule { event: "buy".to_owned(), take })]);
        let derived = derive(&rules, &message(1_500_000, "m", event(name, properties)));
        let found: Vec<String> = derived.iter().map(|d| d.value.to_text()).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{properties}");
        assert!(derived.iter().all(|d| d.written_at == written_at && d.attribute == "a"));
    }

    #[test]
    fn rules() {
        let last = |path: &str| Take::Last(path.to_owned());
        let first = |path: &str| Take::First(path.to_owned());
        check(last("price"), "buy", r#"{"price":9.50}"#, Some("9.50"));
        check(last("price"), "buy", r#"{"price":1,"price":2}"#, Some("2"));
        check(first("item.price"), "buy", r#"{"item":{"price":"x"}}"#, Some("\"x\""));
        check(Take::LastTime, "buy", "{}", Some("\"1970-01-01T00:00:01.5Z\""));
        check(last("price"), "buy", r#"{"price":null}"#, None);
        check(last("price.a"), "buy", r#"{"price":1}"#, None);
        check(last("price"), "buy", "{}", None);
        check(last("price"), "sell", r#"{"price":1}"#, None);
        check(Take::LastTime, "Buy", "{}", None);
    }

    #[test]
    fn facts_set_nothing_by_rules() {
        let rules = BTreeMap::from([("a".to_owned(), Rule { event: "identify".to_owned(), take: Take::LastTime })]);
        let fact = Fact::Attributes { attributes: r#"{"a":1}"#.to_owned() };
        assert_eq!(derive(&rules, &message(1, "m", fact)), []);
    }

    fn declared() -> BTreeMap<String, Rule> {
        let rule = |event: &str, take| Rule { event: event.to_owned(), take };
        BTreeMap::from([
            ("last".to_owned(), rule("buy", Take::Last("p".to_owned()))),
            ("first".to_owned(), rule("buy", Take::First("in.p".to_owned()))),
            ("time".to_owned(), rule("see", Take::LastTime)),
        ])
    }

    /// Messages with ids and instants of their own.
    fn messages() -> impl Strategy<Value = Vec<Message>> {
        let value = prop_oneof![Just("null".to_owned()), (0u8..100).prop_map(|n| n.to_string()), Just("[1]".to_owned())];
        let fact = prop_oneof![
            3 => value.clone().prop_map(|v| event("buy", &format!(r#"{{"p":{v}}}"#))),
            3 => value.clone().prop_map(|v| event("buy", &format!(r#"{{"in":{{"p":{v}}}}}"#))),
            2 => Just(event("see", "{}")),
            1 => value.prop_map(|v| Fact::Attributes { attributes: format!(r#"{{"last":{v},"first":{v}}}"#) }),
        ];
        prop::collection::vec(fact, 0..20).prop_map(|all| {
            let message = |(i, fact)| message(i, &format!("id-{i}"), fact);
            (1..).zip(all).map(message).collect()
        })
    }

    /// What a message states of an attribute.
    fn stated(message: &Message, attribute: &str) -> Option<Json> {
        let Fact::Attributes { attributes } = &message.fact else { return None };
        Json::parse(attributes).unwrap().get(attribute).cloned()
    }

    /// What an event has at a path, or its time.
    fn had(message: &Message, name: &str, path: Option<&[&str]>) -> Option<Json> {
        let Fact::Event { name: found, properties } = &message.fact else { return None };
        let properties = Json::parse(properties).unwrap();
        match path {
            _ if found != name => None,
            None => Some(Json::String(format_instant(message.ts))),
            Some(path) => path.iter().try_fold(&properties, |json, step| json.get(step)).filter(|json| !json.is_null()).cloned(),
        }
    }

    /// All at hand and in their order: plainly the last, the first, or what was stated.
    fn oracle(messages: &[Message]) -> BTreeMap<&'static str, Json> {
        let mut sorted: Vec<&Message> = messages.iter().collect();
        sorted.sort_by_key(|m| m.ts);
        let last = sorted.iter().rev().find_map(|m| had(m, "buy", Some(&["p"])).or_else(|| stated(m, "last")));
        let first = sorted.iter().rev().find_map(|m| stated(m, "first"));
        let first = first.or_else(|| sorted.iter().find_map(|m| had(m, "buy", Some(&["in", "p"]))));
        let time = sorted.iter().rev().find_map(|m| had(m, "see", None));
        let all = [("last", last), ("first", first), ("time", time)];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    proptest! {
        #[test]
        fn in_any_order_and_however_often(
            (messages, arriving) in messages().prop_flat_map(|messages| {
                let again = prop::collection::vec(any::<prop::sample::Index>(), 0..10);
                let arriving = again.prop_map({
                    let messages = messages.clone();
                    move |again| {
                        let twice = again.iter().filter(|_| !messages.is_empty()).map(|i| i.get(&messages).clone());
                        messages.iter().cloned().chain(twice).collect::<Vec<_>>()
                    }
                });
                (Just(messages), arriving.prop_shuffle())
            })
        ) {
            let rules = declared();
            let mut store: BTreeMap<String, (i64, Json)> = BTreeMap::new();
            for message in &arriving {
                let stated = ["last", "first"].into_iter().filter_map(|name| {
                    Some(Derived { attribute: name.to_owned(), value: stated(message, name)?, written_at: message.ts })
                });
                for write in derive(&rules, message).into_iter().chain(stated) {
                    if store.get(&write.attribute).is_none_or(|(at, _)| *at <= write.written_at) {
                        store.insert(write.attribute, (write.written_at, write.value));
                    }
                }
            }
            let found: BTreeMap<&str, Json> = store.iter().map(|(name, (_, value))| (name.as_str(), value.clone())).collect();
            prop_assert_eq!(found, oracle(&messages));
        }
    }
}
