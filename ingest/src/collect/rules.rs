//! The attributes that an event sets, by the catalog's rules.
//!
//! In: a message, and the rules. Out: what each of them makes of it. Which of many events counts is not decided here: every write says by which time it
//! is ordered and which end wins, so that writing it again, or in another order, changes nothing.

use std::collections::BTreeMap;

use segment_core::json::Json;
use segment_core::rules::{Rule, Take};
use segment_core::time::format_instant;

use super::message::{Fact, Message};

/// Which of the writes of one attribute counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wins {
    /// That with the greatest `(at, message id)`.
    Latest,
    /// That with the least.
    Earliest,
}

/// What an event sets one attribute to.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The attribute.
    pub attribute: String,
    /// Its value, not null; not yet converted to the attribute's type.
    pub value: Json,
    /// The event's `ts`, in microseconds.
    pub at: i64,
    /// Which one counts, of those of several events.
    pub wins: Wins,
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
        let (value, wins) = match &rule.take {
            Take::Last(path) => (find(&properties, path)?.clone(), Wins::Latest),
            Take::First(path) => (find(&properties, path)?.clone(), Wins::Earliest),
            Take::LastTime => (Json::String(format_instant(message.ts)), Wins::Latest),
        };
        Some(Derived { attribute: attribute.clone(), value, at: message.ts, wins })
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

    fn check(take: Take, event: &str, properties: &str, expected: Option<(&str, Wins)>) {
        let rules = BTreeMap::from([("a".to_owned(), Rule { event: "buy".to_owned(), take })]);
        let fact = Fact::Event { name: event.to_owned(), properties: properties.to_owned() };
        let message =
            Message { workspace: "w".into(), user_id: "u".into(), ts: 1_500_000, received_at: 2_000_000, message_id: "m".into(), fact };
        let derived = derive(&rules, &message);
        let found: Vec<(String, Wins)> = derived.iter().map(|d| (d.value.to_text(), d.wins)).collect();
        assert_eq!(found, expected.map(|(value, wins)| (value.to_owned(), wins)).into_iter().collect::<Vec<_>>(), "{properties}");
        assert!(derived.iter().all(|d| d.at == 1_500_000 && d.attribute == "a"));
    }

    #[test]
    fn rules() {
        let last = |path: &str| Take::Last(path.to_owned());
        let first = |path: &str| Take::First(path.to_owned());
        check(last("price"), "buy", r#"{"price":9.50}"#, Some(("9.50", Wins::Latest)));
        check(last("price"), "buy", r#"{"price":1,"price":2}"#, Some(("2", Wins::Latest)));
        check(first("item.price"), "buy", r#"{"item":{"price":"x"}}"#, Some(("\"x\"", Wins::Earliest)));
        check(Take::LastTime, "buy", "{}", Some(("\"1970-01-01T00:00:01.5Z\"", Wins::Latest)));
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
        let message = Message { workspace: "w".into(), user_id: "u".into(), ts: 1, received_at: 2, message_id: "m".into(), fact };
        assert_eq!(derive(&rules, &message), []);
    }
}
