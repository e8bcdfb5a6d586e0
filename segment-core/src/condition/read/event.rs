//! Event predicates and samples.

use super::{Members, Reader, member};
use crate::condition::{Condition, EventCondition, EventSelector, MeasureName, MeasureSpec, SampleCondition, WindowSpec};
use crate::decimal::{Decimal, DecimalError};
use crate::diagnostics::{Code, Pointer};
use crate::json::{Borrowed, Json};
use crate::limits;

impl Reader {
    pub(super) fn event(&mut self, value: &Borrowed<'_>, members: &Members<'_>, pointer: &Pointer<'_>, depth: usize) -> Condition {
        let event = self.selector(value, &pointer.key("event"));
        let filter = member(members, "where").map(|json| self.field(json, &pointer.key("where"), depth + 1, "a property's condition"));
        let measure = member(members, "measure").map(|json| self.measure(json, &pointer.key("measure")));
        let counts = matches!(&measure, None | Some(MeasureSpec::Plain(MeasureName::Count) | MeasureSpec::Invalid));
        let comparison = self.comparison(members, pointer, depth, !counts);
        let window = member(members, "window")
            .map(|json| self.window(json, &pointer.key("window"), false).map_or(WindowSpec::Invalid, WindowSpec::Given));
        Condition::Event(Box::new(EventCondition { event, filter, measure, comparison, window }))
    }

    fn selector(&mut self, json: &Borrowed<'_>, at: &Pointer<'_>) -> EventSelector {
        match json {
            Json::String(s) if s == "*" => EventSelector::Any,
            Json::String(_) | Json::BadString => self.text(json, at, "an event's name").map_or(EventSelector::Invalid, EventSelector::Name),
            Json::Array(items) if items.is_empty() => {
                self.fault(Code::InvalidValue, at, "the list of events is empty: name one at least, or \"*\" for any");
                EventSelector::Invalid
            }
            Json::Array(items) if items.len() > limits::LIST_VALUES_MAX => {
                self.fault(Code::TooManyValues, at, format!("{} events are listed; {} are allowed", items.len(), limits::LIST_VALUES_MAX));
                EventSelector::Invalid
            }
            Json::Array(items) => {
                EventSelector::Names(items.iter().enumerate().map(|(i, n)| self.text(n, &at.index(i), "an event's name")).collect())
            }
            Json::Object(members) => {
                let before = self.diagnostics.len();
                self.doubled(members, at);
                self.unknown(members, at, ["prefix"].into_iter(), "a choice of events");
                let Some(prefix) = member(members, "prefix") else {
                    if self.diagnostics.len() == before {
                        self.fault(Code::MissingField, at, "\"prefix\" is missing");
                    }
                    return EventSelector::Invalid;
                };
                self.text(prefix, &at.key("prefix"), "a prefix").map_or(EventSelector::Invalid, EventSelector::Prefix)
            }
            other => {
                self.fault(
                    Code::InvalidValue,
                    at,
                    format!("an event is a name, a list of names, {{\"prefix\": …}} or \"*\"; this is {}", other.kind()),
                );
                EventSelector::Invalid
            }
        }
    }

    fn measure(&mut self, json: &Borrowed<'_>, at: &Pointer<'_>) -> MeasureSpec {
        let Json::Object(members) = json else {
            self.fault(Code::InvalidValue, at, format!("a measure is an object such as {{\"sum\": \"price\"}}; this is {}", json.kind()));
            return MeasureSpec::Invalid;
        };
        self.doubled(members, at);
        let found = members.iter().find_map(|(key, value)| MeasureName::ALL.iter().find(|m| m.name() == key).map(|m| (*m, value)));
        let Some((measure, value)) = found else {
            self.unknown(members, at, MeasureName::ALL.iter().map(|m| m.name()), "a measure");
            if members.is_empty() {
                let names: Vec<&str> = MeasureName::ALL.iter().map(|m| m.name()).collect();
                self.fault(Code::MissingField, at, format!("the measure is missing, one of {}", names.join(", ")));
            }
            return MeasureSpec::Invalid;
        };
        self.unknown(members, at, std::iter::once(measure.name()), "this measure");
        let at = at.key(measure.name());
        if measure.is_plain() {
            if value != &Json::Bool(true) {
                self.fault(Code::InvalidValue, &at, format!("\"{}\" is true", measure.name()));
            }
            return MeasureSpec::Plain(measure);
        }
        self.text(value, &at, "a property's name").map_or(MeasureSpec::Invalid, |name| MeasureSpec::Of(measure, name))
    }

    pub(super) fn sample(&mut self, json: &Borrowed<'_>, at: &Pointer<'_>) -> Condition {
        let Json::Object(members) = json else {
            self.fault(Code::InvalidValue, at, format!("a sample is an object with \"percent\" and \"salt\"; this is {}", json.kind()));
            return Condition::Invalid;
        };
        self.doubled(members, at);
        self.unknown(members, at, ["percent", "salt", "by"].into_iter(), "a sample");
        let percent = match member(members, "percent") {
            None => {
                self.fault(Code::MissingField, at, "\"percent\" is missing");
                None
            }
            Some(Json::Number(text)) => self.percent(text, &at.key("percent")),
            Some(other) => {
                self.fault(Code::InvalidValue, &at.key("percent"), format!("a number from 0 to 100 is needed; this is {}", other.kind()));
                None
            }
        };
        let salt = match member(members, "salt") {
            None => {
                self.fault(Code::MissingField, at, "\"salt\" is missing: samples with different salts are independent of each other");
                None
            }
            Some(json) => self.text(json, &at.key("salt"), "a salt"),
        };
        let by = match member(members, "by") {
            None => Some(None),
            Some(json) => self.text(json, &at.key("by"), "an attribute's name").map(Some),
        };
        by.map_or(Condition::Invalid, |by| Condition::Sample(SampleCondition { percent, salt, by }))
    }

    fn percent(&mut self, text: &str, at: &Pointer<'_>) -> Option<String> {
        match Decimal::literal(text) {
            Ok(percent) if (Decimal::from(0)..=Decimal::from(100)).contains(&percent) => Some(text.to_owned()),
            Err(DecimalError::Exponent) => {
                self.fault(Code::NonFinite, at, "the number is beyond what a number can be");
                None
            }
            Ok(_) | Err(DecimalError::Digits | DecimalError::NotANumber) => {
                self.fault(Code::InvalidValue, at, "\"percent\" is a number from 0 to 100");
                None
            }
        }
    }
}
