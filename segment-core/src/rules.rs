//! Rules: attributes that events set.
//!
//! `"rules": {"last_price": {"event": "purchase", "last": "price"}}`: the attribute is the property's value in the user's last
//! (`first`) such event that has one, or with `"last_time": true` the time of the last such event. In: declarations, as a part of the catalog's. Out: `Rule`s, which
//! ingest applies. What `identify` or an import states of such an attribute counts too: against `last` and `last_time` the later, against `first` whatever is stated.

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, CatalogError, Scope, check_name};
use crate::declare::{malformed, members};
use crate::diagnostics::Pointer;
use crate::json::Json;
use crate::types::Type;

/// Where an attribute's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The event's name.
    pub event: String,
    /// What of it.
    pub take: Take,
}

/// What of an event a rule takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// A property's value in the last event that has one; the property may be a dotted path.
    Last(String),
    /// The same in the first.
    First(String),
    /// The time of the last event.
    LastTime,
}

/// Declares rules; null in place of a rule takes it away.
///
/// # Errors
///
/// The first thing wrong.
pub(crate) fn declare(catalog: &mut Catalog, json: &Json, at: &Pointer<'_>) -> Result<(), CatalogError> {
    for (attribute, spec) in members(json, at, None)? {
        let at = at.key(attribute);
        if spec.is_null() {
            catalog.rules.remove(attribute);
            continue;
        }
        let rule = read(spec, &at)?;
        check_name(Scope::Attribute, attribute).map_err(|e| malformed(&at, e.to_string()))?;
        // One that is not known yet may be declared later, or learned.
        let ty = catalog.attributes.get(attribute).map(|field| &field.ty);
        if let Some(ty) = ty.filter(|ty| rule.take == Take::LastTime && **ty != Type::Timestamp) {
            let message = format!("\"last_time\" makes a timestamp, and \"{attribute}\" is {}", ty.name());
            return Err(malformed(&at.key("last_time"), message));
        }
        // Writes of the first are ordered below all others, so none would ever take the place of what the other rule has set.
        let before = catalog.rules.get(attribute).map(|rule| &rule.take);
        if let (Take::First(_), Some(Take::Last(_) | Take::LastTime)) = (&rule.take, before) {
            let message =
                format!("\"first\" cannot take over \"{attribute}\", which the last event has set: declare another attribute for it");
            return Err(malformed(&at.key("first"), message));
        }
        catalog.rules.insert(attribute.clone(), rule);
    }
    Ok(())
}

fn read(json: &Json, at: &Pointer<'_>) -> Result<Rule, CatalogError> {
    members(json, at, Some(&["event", "last", "first", "last_time"]))?;
    let text = |key: &str| match json.get(key) {
        None => Ok(None),
        Some(Json::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(malformed(&at.key(key), "a name is needed")),
    };
    let event = text("event")?.ok_or_else(|| malformed(at, "\"event\" is missing: the name of the event that sets the attribute"))?;
    let last_time = match json.get("last_time") {
        None => false,
        Some(Json::Bool(true)) => true,
        Some(_) => return Err(malformed(&at.key("last_time"), "only true can stand here")),
    };
    let take = match (text("last")?, text("first")?, last_time) {
        (Some(property), None, false) => Take::Last(property),
        (None, Some(property), false) => Take::First(property),
        (None, None, true) => Take::LastTime,
        _ => return Err(malformed(at, "one of \"last\", \"first\" (each a property) and \"last_time\": true is needed")),
    };
    Ok(Rule { event, take })
}

/// A rule as it is declared.
pub(crate) fn shown(rule: &Rule) -> Json {
    let (key, value) = match &rule.take {
        Take::Last(property) => ("last", Json::String(property.clone())),
        Take::First(property) => ("first", Json::String(property.clone())),
        Take::LastTime => ("last_time", Json::Bool(true)),
    };
    Json::Object(vec![("event".to_owned(), Json::String(rule.event.clone())), (key.to_owned(), value)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare;

    fn declared(rules: &str) -> Result<Catalog, CatalogError> {
        let text = format!(r#"{{"attributes": {{"price": {{"type": "number"}}, "at": {{"type": "timestamp"}}}}, "rules": {rules}}}"#);
        declare::declare(&Catalog::new("UTC"), &Json::parse(&text).unwrap())
    }

    #[test]
    fn declarations_read_back() {
        let rules = r#"{"at":{"event":"buy","last_time":true},"price":{"event":"buy","first":"item.price"}}"#;
        let catalog = declared(rules).unwrap();
        let shown = declare::shown(&catalog);
        assert_eq!(shown.get("rules").unwrap().to_text(), rules);
        assert_eq!(declare::declare(&Catalog::new("UTC"), &shown).unwrap().rules, catalog.rules);
        let json = serde_json::to_string(&catalog).unwrap();
        assert_eq!(serde_json::from_str::<Catalog>(&json).unwrap(), catalog);
        let without = declare::declare(&catalog, &Json::parse(r#"{"rules": {"at": null}}"#).unwrap()).unwrap();
        assert_eq!(without.rules.keys().collect::<Vec<_>>(), ["price"]);
    }

    #[test]
    fn an_attribute_may_come_later() {
        let rules = r#"{"later":{"event":"buy","last_time":true}}"#;
        let catalog = declared(rules).unwrap();
        assert_eq!(declare::shown(&catalog).get("rules").unwrap().to_text(), rules);
        assert!(!catalog.attributes.contains_key("later"));
    }

    #[test]
    fn a_catalog_from_before_there_were_rules_has_none() {
        let mut json: serde_json::Value = serde_json::to_value(Catalog::new("UTC")).unwrap();
        json.as_object_mut().unwrap().remove("rules");
        assert_eq!(serde_json::from_value::<Catalog>(json).unwrap(), Catalog::new("UTC"));
    }

    #[test]
    fn first_cannot_take_over() {
        let again = |before: &str, rule: &str| {
            let rules = format!(r#"{{"rules": {{"price": {rule}}}}}"#);
            declare::declare(&declared(&format!(r#"{{"price": {before}}}"#)).unwrap(), &Json::parse(&rules).unwrap()).is_ok()
        };
        let (last, first) = (r#"{"event": "buy", "last": "price"}"#, r#"{"event": "buy", "first": "price"}"#);
        assert!(!again(last, first));
        assert!(again(first, last) && again(first, first) && again(last, last));
    }

    #[test]
    fn refused() {
        for (rules, pointer) in [
            (r#"{"price": {"last": "price"}}"#, "/rules/price"),
            (r#"{"price": {"event": "", "last": "price"}}"#, "/rules/price/event"),
            (r#"{"price": {"event": "buy"}}"#, "/rules/price"),
            (r#"{"price": {"event": "buy", "last": "a", "first": "b"}}"#, "/rules/price"),
            (r#"{"price": {"event": "buy", "last": 5}}"#, "/rules/price/last"),
            (r#"{"price": {"event": "buy", "last_time": true}}"#, "/rules/price/last_time"),
            (r#"{"at": {"event": "buy", "last_time": false}}"#, "/rules/at/last_time"),
            (r#"{"a.b": {"event": "buy", "last": "price"}}"#, "/rules/a.b"),
            (r#"{"": {"event": "buy", "last": "price"}}"#, "/rules/"),
            (r#"{"price": {"event": "buy", "last": "price", "x": 1}}"#, "/rules/price/x"),
            (r#"{"user_id": {"event": "buy", "last": "price"}}"#, "/rules/user_id"),
            (r#"[]"#, "/rules"),
        ] {
            match declared(rules) {
                Err(CatalogError::Malformed { pointer: found, .. }) => assert_eq!(found, pointer, "{rules}"),
                other => panic!("{rules}: {other:?}"),
            }
        }
    }
}
