//! JSON → [`Condition`], with every fault of form.

use std::fmt::Display;

use super::{
    Comparison, Condition, EventCondition, EventSelector, FieldCondition, MeasureName, MeasureSpec, Operand, Parsed, SampleCondition,
    WindowSpec,
};
use crate::decimal::Decimal;
use crate::diagnostics::{Code, Diagnostic, Pointer};
use crate::json::{Json, JsonError};
use crate::limits;
use crate::names;
use crate::ops::Op;
use crate::time::{Duration, Unit, Window};

/// The keys of which a condition has exactly one, and the other members that go with each.
const FORMS: [(&str, &[&str]); 11] = [
    ("all", &[]),
    ("any", &[]),
    ("not", &[]),
    ("everyone", &[]),
    ("attribute", &["op", "value", "ignore_case"]),
    ("event", &["where", "measure", "op", "value", "ignore_case", "window"]),
    ("sequence", &[]),
    ("segment", &[]),
    ("list", &[]),
    ("sample", &[]),
    ("sql", &[]),
];

/// The same for the trees of `where` and `any_item`.
const FIELD_FORMS: [(&str, &[&str]); 4] = [("all", &[]), ("any", &[]), ("not", &[]), ("property", &["op", "value", "ignore_case"])];

pub(super) fn not_json(error: &JsonError) -> Parsed {
    Parsed {
        condition: Condition::Invalid,
        diagnostics: vec![Diagnostic::new(Code::InvalidJson, "", format!("this is not JSON: {error}"))],
    }
}

pub(super) fn condition(json: &Json) -> Parsed {
    let mut reader = Reader { diagnostics: Vec::new(), nodes: 0, too_deep: false };
    let condition = reader.condition(json, &Pointer::ROOT, 1);
    if reader.nodes > limits::NODES_MAX {
        reader.fault(
            Code::TooManyNodes,
            &Pointer::ROOT,
            format!("the tree has {} nodes; {} are allowed. Save parts of it as segments of their own", reader.nodes, limits::NODES_MAX),
        );
    }
    Parsed { condition, diagnostics: reader.diagnostics }
}

struct Reader {
    diagnostics: Vec<Diagnostic>,
    nodes: usize,
    too_deep: bool,
}

impl Reader {
    fn fault(&mut self, code: Code, pointer: &Pointer<'_>, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(code, pointer, message));
    }

    fn fault_hint(&mut self, code: Code, pointer: &Pointer<'_>, message: impl Into<String>, hint: Option<String>) {
        let mut diagnostic = Diagnostic::new(code, pointer, message);
        diagnostic.hint = hint;
        self.diagnostics.push(diagnostic);
    }

    /// Counts a node and holds the depth; false where the node is too deep to be read.
    fn enter(&mut self, pointer: &Pointer<'_>, depth: usize) -> bool {
        self.nodes += 1;
        if depth <= limits::DEPTH_MAX {
            return true;
        }
        if !self.too_deep {
            self.too_deep = true;
            self.fault(Code::TooDeep, pointer, format!("the tree is deeper than {} levels", limits::DEPTH_MAX));
        }
        false
    }

    /// The members of an object that is one of `forms`: the key that makes the form, and a look-up for the others.
    /// Reports doubled and unknown members, and an object that is none of the forms.
    fn form<'a>(
        &mut self,
        json: &'a Json,
        pointer: &Pointer<'_>,
        forms: &[(&'static str, &[&'static str])],
        what: &str,
    ) -> Option<(&'static str, &'a [(String, Json)])> {
        let Json::Object(members) = json else {
            let keys: Vec<&str> = forms.iter().map(|f| f.0).collect();
            self.fault(
                Code::InvalidCondition,
                pointer,
                format!("{what} is an object with one of the keys {}; this is {}", keys.join(", "), json.kind()),
            );
            return None;
        };
        self.doubled(members, pointer);
        let found = members.iter().find_map(|(key, _)| forms.iter().find(|f| f.0 == key));
        let Some((form, others)) = found else {
            let known: Vec<&str> = forms.iter().flat_map(|f| std::iter::once(f.0).chain(f.1.iter().copied())).collect();
            let before = self.diagnostics.len();
            for (key, _) in members {
                if !known.contains(&key.as_str()) {
                    let hint = names::nearest(key, forms.iter().map(|f| f.0));
                    self.fault_hint(Code::UnknownField, &pointer.key(key), format!("{what} has no member \"{key}\""), hint);
                }
            }
            if self.diagnostics.len() == before {
                let keys: Vec<&str> = forms.iter().map(|f| f.0).collect();
                self.fault(Code::InvalidCondition, pointer, format!("{what} needs exactly one of the keys {}", keys.join(", ")));
            }
            return None;
        };
        self.unknown(members, pointer, std::iter::once(*form).chain(others.iter().copied()), format_args!("\"{form}\""));
        Some((form, members))
    }

    fn doubled(&mut self, members: &[(String, Json)], pointer: &Pointer<'_>) {
        for (i, (key, _)) in members.iter().enumerate() {
            if members.iter().take(i).filter(|(k, _)| k == key).count() == 1 {
                self.fault(Code::DuplicateField, &pointer.key(key), format!("\"{key}\" is given twice"));
            }
        }
    }

    fn unknown<'a>(
        &mut self,
        members: &[(String, Json)],
        pointer: &Pointer<'_>,
        known: impl Iterator<Item = &'a str> + Clone,
        what: impl Display,
    ) {
        for (i, (key, _)) in members.iter().enumerate() {
            if !known.clone().any(|k| k == key) && !members.iter().take(i).any(|(k, _)| k == key) {
                let hint = names::nearest(key, known.clone());
                self.fault_hint(Code::UnknownField, &pointer.key(key), format!("{what} has no member \"{key}\""), hint);
            }
        }
    }

    fn condition(&mut self, json: &Json, pointer: &Pointer<'_>, depth: usize) -> Condition {
        if !self.enter(pointer, depth) {
            return Condition::Invalid;
        }
        let Some((form, members)) = self.form(json, pointer, &FORMS, "a condition") else {
            return Condition::Invalid;
        };
        let Some(value) = member(members, form) else {
            return Condition::Invalid;
        };
        let at = pointer.key(form);
        match form {
            "all" => self.children(value, &at, depth).map_or(Condition::Invalid, Condition::All),
            "any" => self.children(value, &at, depth).map_or(Condition::Invalid, Condition::Any),
            "not" => Condition::Not(Box::new(self.condition(value, &at, depth + 1))),
            "everyone" => {
                if value != &Json::Bool(true) {
                    self.fault(Code::InvalidValue, &at, "\"everyone\" is true");
                }
                Condition::Everyone
            }
            "attribute" => {
                let name = self.text(value, &at, "an attribute's name");
                let comparison = self.comparison(members, pointer, depth, true).unwrap_or(INVALID);
                name.map_or(Condition::Invalid, |name| Condition::Attribute(name, comparison))
            }
            "event" => self.event(value, members, pointer, depth),
            "segment" => self.text(value, &at, "a segment's key").map_or(Condition::Invalid, Condition::Segment),
            "list" => self.text(value, &at, "a list's key").map_or(Condition::Invalid, Condition::List),
            "sample" => self.sample(value, &at),
            "sequence" => self.later(&at, "sequences", Condition::Sequence(value.clone())),
            _ => self.later(&at, "SQL conditions", Condition::Sql(value.clone())),
        }
    }

    fn later(&mut self, at: &Pointer<'_>, what: &str, condition: Condition) -> Condition {
        self.fault(Code::NotSupported, at, format!("{what} are not supported yet"));
        condition
    }

    fn children(&mut self, value: &Json, at: &Pointer<'_>, depth: usize) -> Option<Vec<Condition>> {
        let Json::Array(items) = value else {
            self.fault(Code::InvalidValue, at, format!("a list of conditions is needed; this is {}", value.kind()));
            return None;
        };
        Some(items.iter().enumerate().map(|(i, c)| self.condition(c, &at.index(i), depth + 1)).collect())
    }

    fn text(&mut self, json: &Json, pointer: &Pointer<'_>, what: &str) -> Option<String> {
        match json {
            Json::String(s) if s.contains('\0') => {
                self.fault(Code::InvalidString, pointer, "the text holds a NUL character");
                None
            }
            Json::BadString => {
                self.fault(Code::InvalidString, pointer, "the text holds an unpaired surrogate");
                None
            }
            Json::String(s) => Some(s.clone()),
            other => {
                self.fault(Code::InvalidValue, pointer, format!("{what} is text; this is {}", other.kind()));
                None
            }
        }
    }

    /// `op`, `value` and `ignore_case`. `None` where there is neither `op` nor `value` and they are not required.
    fn comparison(&mut self, members: &[(String, Json)], pointer: &Pointer<'_>, depth: usize, required: bool) -> Option<Comparison> {
        let ignore_case = match member(members, "ignore_case") {
            None => None,
            Some(Json::Bool(b)) => Some(*b),
            Some(other) => {
                self.fault(Code::InvalidValue, &pointer.key("ignore_case"), format!("true or false is needed; this is {}", other.kind()));
                None
            }
        };
        let value = member(members, "value");
        let Some(op) = member(members, "op") else {
            if required || value.is_some() || ignore_case.is_some() {
                self.fault(Code::MissingField, pointer, "\"op\" is missing");
                return Some(INVALID);
            }
            return None;
        };
        let at = pointer.key("op");
        let Some(name) = self.text(op, &at, "an operator") else {
            return Some(INVALID);
        };
        let Some(op) = Op::named(&name) else {
            let hint = names::nearest(&name, Op::ALL.iter().map(|o| o.name()));
            self.fault_hint(Code::UnknownOperator, &at, format!("there is no operator \"{name}\""), hint);
            return Some(INVALID);
        };
        if ignore_case.is_some() && !op.takes_case() {
            self.fault(
                Code::UnknownField,
                &pointer.key("ignore_case"),
                format!("\"{}\" has no \"ignore_case\": it goes with is, is_not, in, not_in and the operators on text", op.name()),
            );
        }
        let at = pointer.key("value");
        let operand = match (value, op.takes_value()) {
            (None, false) => Operand::None,
            (Some(_), false) => {
                self.fault(Code::UnknownField, &at, format!("\"{}\" takes no value", op.name()));
                Operand::None
            }
            (None, true) => {
                self.fault(Code::MissingField, pointer, format!("\"value\" is missing: \"{}\" needs one", op.name()));
                Operand::Invalid
            }
            (Some(json), true) => match op {
                Op::InWindow => self.window(json, &at, true).map_or(Operand::Invalid, Operand::Window),
                Op::AnyItem => Operand::Items(Box::new(self.field(json, &at, depth + 1, "an item's condition"))),
                _ => Operand::Literal(json.clone()),
            },
        };
        Some(Comparison { op: Some(op), operand, ignore_case })
    }

    fn field(&mut self, json: &Json, pointer: &Pointer<'_>, depth: usize, what: &str) -> FieldCondition {
        if !self.enter(pointer, depth) {
            return FieldCondition::Invalid;
        }
        let Some((form, members)) = self.form(json, pointer, &FIELD_FORMS, what) else {
            return FieldCondition::Invalid;
        };
        let Some(value) = member(members, form) else {
            return FieldCondition::Invalid;
        };
        let at = pointer.key(form);
        match form {
            "all" | "any" => {
                let Json::Array(items) = value else {
                    self.fault(Code::InvalidValue, &at, format!("a list of conditions is needed; this is {}", value.kind()));
                    return FieldCondition::Invalid;
                };
                let children = items.iter().enumerate().map(|(i, c)| self.field(c, &at.index(i), depth + 1, what)).collect();
                if form == "all" { FieldCondition::All(children) } else { FieldCondition::Any(children) }
            }
            "not" => FieldCondition::Not(Box::new(self.field(value, &at, depth + 1, what))),
            _ => {
                let name = self.text(value, &at, "a property's name");
                let comparison = self.comparison(members, pointer, depth, true).unwrap_or(INVALID);
                name.map_or(FieldCondition::Invalid, |name| FieldCondition::Property(name, comparison))
            }
        }
    }

    fn event(&mut self, value: &Json, members: &[(String, Json)], pointer: &Pointer<'_>, depth: usize) -> Condition {
        let event = self.selector(value, &pointer.key("event"));
        let filter = member(members, "where").map(|json| self.field(json, &pointer.key("where"), depth + 1, "a property's condition"));
        let measure = member(members, "measure").map(|json| self.measure(json, &pointer.key("measure")));
        let counts = matches!(&measure, None | Some(MeasureSpec::Plain(MeasureName::Count) | MeasureSpec::Invalid));
        let comparison = self.comparison(members, pointer, depth, !counts);
        let window = member(members, "window")
            .map(|json| self.window(json, &pointer.key("window"), false).map_or(WindowSpec::Invalid, WindowSpec::Given));
        Condition::Event(Box::new(EventCondition { event, filter, measure, comparison, window }))
    }

    fn selector(&mut self, json: &Json, at: &Pointer<'_>) -> EventSelector {
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
                let before = self.diagnostics.len();
                let names: Vec<String> =
                    items.iter().enumerate().filter_map(|(i, n)| self.text(n, &at.index(i), "an event's name")).collect();
                if self.diagnostics.len() > before { EventSelector::Invalid } else { EventSelector::Names(names) }
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

    fn measure(&mut self, json: &Json, at: &Pointer<'_>) -> MeasureSpec {
        let Json::Object(members) = json else {
            self.fault(Code::InvalidValue, at, format!("a measure is an object such as {{\"sum\": \"price\"}}; this is {}", json.kind()));
            return MeasureSpec::Invalid;
        };
        self.doubled(members, at);
        let found = members.iter().find_map(|(key, value)| MeasureName::ALL.iter().find(|m| m.name() == key).map(|m| (*m, value)));
        let Some((measure, value)) = found else {
            match members.first() {
                Some((key, _)) => {
                    let hint = names::nearest(key, MeasureName::ALL.iter().map(|m| m.name()));
                    self.fault_hint(Code::UnknownField, &at.key(key), format!("there is no measure \"{key}\""), hint);
                }
                None => self.fault(
                    Code::MissingField,
                    at,
                    "the measure is missing: count, days, sum, avg, min, max, distinct, first, last, first_time or last_time",
                ),
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

    fn sample(&mut self, json: &Json, at: &Pointer<'_>) -> Condition {
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
            Some(Json::Number(text)) => Some(text.clone()),
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

    fn window(&mut self, json: &Json, at: &Pointer<'_>, next_allowed: bool) -> Option<Window> {
        let Json::Object(members) = json else {
            self.fault(
                Code::InvalidWindow,
                at,
                format!("a window is an object such as {{\"last\": {{\"n\": 30, \"unit\": \"day\"}}}}; this is {}", json.kind()),
            );
            return None;
        };
        let before = self.diagnostics.len();
        self.doubled(members, at);
        let has = |key: &str| member(members, key).is_some();
        let window = if let Some(json) = member(members, "last") {
            self.unknown(members, at, ["last", "aligned"].into_iter(), "a \"last\" window");
            let d = self.duration(json, &at.key("last"), false);
            let aligned = self.aligned(members, at);
            d.map(|d| Window::Last { d, aligned })
        } else if let Some(json) = member(members, "ago") {
            self.unknown(members, at, ["ago", "aligned"].into_iter(), "an \"ago\" window");
            let aligned = self.aligned(members, at);
            self.ago(json, &at.key("ago")).map(|(from, to)| Window::Ago { from, to, aligned })
        } else if has("from") || has("to") {
            self.unknown(members, at, ["from", "to"].into_iter(), "a window between two instants");
            let from = member(members, "from").and_then(|j| self.text(j, &at.key("from"), "an instant or a date"));
            let to = member(members, "to").and_then(|j| self.text(j, &at.key("to"), "an instant or a date"));
            Some(Window::Between { from, to })
        } else if next_allowed && has("next") {
            self.unknown(members, at, ["next"].into_iter(), "a \"next\" window");
            member(members, "next").and_then(|json| self.duration(json, &at.key("next"), false)).map(Window::Next)
        } else if members.is_empty() {
            self.fault(Code::EmptyWindow, at, "the window is empty: leave it out for all time");
            None
        } else {
            let known: &[&str] = if next_allowed { &["last", "ago", "from", "to", "next"] } else { &["last", "ago", "from", "to"] };
            self.unknown(members, at, known.iter().copied().chain(["aligned"]), "a window");
            if self.diagnostics.len() == before {
                self.fault(Code::MissingField, at, format!("a window has one of {}", known.join(", ")));
            }
            None
        };
        if self.diagnostics.len() > before { None } else { window }
    }

    fn aligned(&mut self, members: &[(String, Json)], at: &Pointer<'_>) -> bool {
        match member(members, "aligned") {
            None => false,
            Some(Json::Bool(b)) => *b,
            Some(other) => {
                self.fault(Code::InvalidValue, &at.key("aligned"), format!("true or false is needed; this is {}", other.kind()));
                false
            }
        }
    }

    fn ago(&mut self, json: &Json, at: &Pointer<'_>) -> Option<(Duration, Duration)> {
        let Json::Object(members) = json else {
            self.fault(Code::InvalidWindow, at, format!("\"ago\" is an object with \"from\" and \"to\"; this is {}", json.kind()));
            return None;
        };
        self.doubled(members, at);
        self.unknown(members, at, ["from", "to"].into_iter(), "\"ago\"");
        let mut end = |key: &str, zero: bool| match member(members, key) {
            Some(json) => self.duration(json, &at.key(key), zero),
            None => {
                self.fault(Code::MissingField, at, format!("\"{key}\" is missing"));
                None
            }
        };
        let from = end("from", false);
        let to = end("to", true);
        Some((from?, to?))
    }

    fn duration(&mut self, json: &Json, at: &Pointer<'_>, zero: bool) -> Option<Duration> {
        let Json::Object(members) = json else {
            self.fault(
                Code::InvalidWindow,
                at,
                format!("a duration is an object such as {{\"n\": 30, \"unit\": \"day\"}}; this is {}", json.kind()),
            );
            return None;
        };
        self.doubled(members, at);
        self.unknown(members, at, ["n", "unit"].into_iter(), "a duration");
        let least = u32::from(!zero);
        let n = match member(members, "n") {
            None => {
                self.fault(Code::MissingField, at, "\"n\" is missing");
                None
            }
            Some(json) => {
                let n = match json {
                    Json::Number(text) => text.parse().ok().or_else(|| Decimal::parse(text).ok().and_then(|d| d.to_i64_exact())),
                    _ => None,
                };
                let n = n.and_then(|n| u32::try_from(n).ok()).filter(|n| (least..=limits::DURATION_N_MAX).contains(n));
                if n.is_none() {
                    self.fault(
                        Code::InvalidWindow,
                        &at.key("n"),
                        format!("\"n\" is a whole number from {least} to {}", limits::DURATION_N_MAX),
                    );
                }
                n
            }
        };
        let unit = match member(members, "unit") {
            None => {
                self.fault(Code::MissingField, at, "\"unit\" is missing");
                None
            }
            Some(json) => {
                let unit = json.as_str().and_then(Unit::parse);
                if unit.is_none() {
                    let hint = json.as_str().and_then(|s| names::nearest(s, Unit::ALL.iter().map(|u| u.name())));
                    self.fault_hint(
                        Code::InvalidWindow,
                        &at.key("unit"),
                        "\"unit\" is second, minute, hour, day, week, month or year",
                        hint,
                    );
                }
                unit
            }
        };
        Some(Duration { n: n?, unit: unit? })
    }
}

const INVALID: Comparison = Comparison { op: None, operand: Operand::Invalid, ignore_case: None };

fn member<'a>(members: &'a [(String, Json)], key: &str) -> Option<&'a Json> {
    members.iter().find(|(k, _)| k == key).map(|(_, v)| v)
}
