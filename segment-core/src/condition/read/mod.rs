//! JSON → [`Condition`], with every fault of form.

mod event;
mod window;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use super::{Comparison, Condition, FieldCondition, Operand, Parsed};
use crate::diagnostics::{Code, Diagnostic, Pointer};
use crate::json::{Borrowed, Json, JsonError};
use crate::limits;
use crate::names;
use crate::ops::Op;

/// The members of an object.
type Members<'a> = [(Cow<'a, str>, Borrowed<'a>)];

/// A key that makes a form, and the other members that go with it.
type Form = (&'static str, &'static [&'static str]);

/// The keys of which a condition has exactly one.
const FORMS: [Form; 11] = [
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
const FIELD_FORMS: [Form; 4] = [("all", &[]), ("any", &[]), ("not", &[]), ("property", &["op", "value", "ignore_case"])];

/// Keys that a window has.
const WINDOW_FORMS: [&str; 5] = ["last", "ago", "from", "to", "next"];

/// Members up to which keys are compared with each other to find repeats; those of more, which no faultless form has, are hashed.
const COMPARED_MAX: usize = 16;

/// Keys of the one kind of tree, and what stands for each in the other.
const TWINS: [(&str, &str); 2] = [("attribute", "property"), ("property", "attribute")];

pub(super) fn not_json(error: &JsonError) -> Parsed {
    Parsed {
        condition: Condition::Invalid,
        diagnostics: vec![Diagnostic::new(Code::InvalidJson, "", format!("this is not JSON: {error}"))],
    }
}

pub(super) fn condition(json: &Borrowed<'_>) -> Parsed {
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
        json: &'a Borrowed<'a>,
        pointer: &Pointer<'_>,
        forms: &[Form],
        what: &str,
    ) -> Option<(&'static str, &'a Members<'a>)> {
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
        let mut given = members.iter().filter_map(|(key, _)| forms.iter().find(|f| f.0 == key));
        let Some(first @ (form, _)) = given.next() else {
            self.no_form(members, pointer, forms, what);
            return None;
        };
        if given.all(|f| f.0 == *form) {
            self.unknown(members, pointer, members_of(first), format_args!("\"{form}\""));
            return Some((form, members));
        }
        let given: Vec<&Form> = distinct(members).into_iter().filter_map(|key| forms.iter().find(|f| f.0 == key)).collect();
        let keys: Vec<&str> = given.iter().map(|f| f.0).collect();
        self.fault(Code::InvalidCondition, pointer, format!("{what} has one of these keys alone: {}", keys.join(", ")));
        self.unknown(members, pointer, given.into_iter().flat_map(members_of), format_args!("\"{form}\""));
        Some((form, members))
    }

    /// Reports an object that is none of the forms: its unknown members, and what it lacks unless one of them is meant to be it.
    fn no_form(&mut self, members: &Members<'_>, pointer: &Pointer<'_>, forms: &[Form], what: &str) {
        let mut known: Vec<&str> = forms.iter().flat_map(members_of).collect();
        known.sort_unstable();
        known.dedup();
        let mut meant = false;
        for key in distinct(members).into_iter().filter(|key| !known.contains(key)) {
            // Users have attributes, events and items have properties: the one is there where the other is written.
            let twin = TWINS.iter().find(|t| t.0 == key).map(|t| t.1).filter(|twin| known.contains(twin));
            let near = names::near(twin.unwrap_or(key), known.iter().copied());
            meant |= near.first().is_some_and(|name| forms.iter().any(|f| f.0 == *name));
            let message = format!("{what} has no member \"{key}\"");
            self.fault_hint(Code::UnknownField, &pointer.key(key), message, names::hint(&near));
        }
        if !meant {
            let keys: Vec<&str> = forms.iter().map(|f| f.0).collect();
            self.fault(Code::InvalidCondition, pointer, format!("{what} needs exactly one of the keys {}", keys.join(", ")));
        }
    }

    fn doubled(&mut self, members: &Members<'_>, pointer: &Pointer<'_>) {
        if members.len() <= COMPARED_MAX && !members.iter().enumerate().any(|(i, (key, _))| member(&members[..i], key).is_some()) {
            return;
        }
        let mut given: HashMap<&str, usize> = HashMap::with_capacity(members.len());
        for (key, _) in members {
            let times = given.entry(key).or_default();
            *times += 1;
            if *times == 2 {
                self.fault(Code::DuplicateField, &pointer.key(key), format!("\"{key}\" is given twice"));
            }
        }
    }

    fn unknown<'a>(
        &mut self,
        members: &Members<'_>,
        pointer: &Pointer<'_>,
        known: impl Iterator<Item = &'a str> + Clone,
        what: impl Display,
    ) {
        let is_known = |key: &str| known.clone().any(|k| k == key);
        if members.iter().all(|(key, _)| is_known(key)) {
            return;
        }
        for key in distinct(members).into_iter().filter(|key| !is_known(key)) {
            let hint = names::nearest(key, known.clone());
            self.fault_hint(Code::UnknownField, &pointer.key(key), format!("{what} has no member \"{key}\""), hint);
        }
    }

    fn condition(&mut self, json: &Borrowed<'_>, pointer: &Pointer<'_>, depth: usize) -> Condition {
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
                match name {
                    Some(name) => Condition::Attribute(name, comparison),
                    None => Condition::Unnamed(comparison),
                }
            }
            "event" => self.event(value, members, pointer, depth),
            "segment" => self.text(value, &at, "a segment's key").map_or(Condition::Invalid, Condition::Segment),
            "list" => self.text(value, &at, "a list's key").map_or(Condition::Invalid, Condition::List),
            "sample" => self.sample(value, &at),
            "sequence" => self.later(&at, "sequences", Condition::Sequence(value.owned())),
            _ => self.later(&at, "SQL conditions", Condition::Sql(value.owned())),
        }
    }

    fn later(&mut self, at: &Pointer<'_>, what: &str, condition: Condition) -> Condition {
        self.fault(Code::NotSupported, at, format!("{what} are not supported yet"));
        condition
    }

    fn children(&mut self, value: &Borrowed<'_>, at: &Pointer<'_>, depth: usize) -> Option<Vec<Condition>> {
        let Json::Array(items) = value else {
            self.fault(Code::InvalidValue, at, format!("a list of conditions is needed; this is {}", value.kind()));
            return None;
        };
        Some(items.iter().enumerate().map(|(i, c)| self.condition(c, &at.index(i), depth + 1)).collect())
    }

    fn text(&mut self, json: &Borrowed<'_>, pointer: &Pointer<'_>, what: &str) -> Option<String> {
        self.text_in(json, pointer, what).map(str::to_owned)
    }

    fn text_in<'a>(&mut self, json: &'a Borrowed<'a>, pointer: &Pointer<'_>, what: &str) -> Option<&'a str> {
        match json {
            Json::String(s) if s.contains('\0') => {
                self.fault(Code::InvalidString, pointer, "the text holds a NUL character");
                None
            }
            Json::BadString => {
                self.fault(Code::InvalidString, pointer, "the text holds an unpaired surrogate");
                None
            }
            Json::String(s) => Some(s),
            other => {
                self.fault(Code::InvalidValue, pointer, format!("{what} is text; this is {}", other.kind()));
                None
            }
        }
    }

    /// `op`, `value` and `ignore_case`. `None` where there is neither `op` nor `value` and they are not required.
    fn comparison(&mut self, members: &Members<'_>, pointer: &Pointer<'_>, depth: usize, required: bool) -> Option<Comparison> {
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
                return Some(self.unasked(value, ignore_case, pointer, depth));
            }
            return None;
        };
        let at = pointer.key("op");
        let Some(name) = self.text_in(op, &at, "an operator") else {
            return Some(self.unasked(value, ignore_case, pointer, depth));
        };
        let Some(op) = Op::named(name) else {
            let hint = names::nearest(name, Op::ALL.iter().map(|o| o.name()));
            self.fault_hint(Code::UnknownOperator, &at, format!("there is no operator \"{name}\""), hint);
            return Some(self.unasked(value, ignore_case, pointer, depth));
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
                _ => Operand::Literal(json.owned()),
            },
        };
        Some(Comparison { op: Some(op), operand, ignore_case })
    }

    /// A comparison without an operator. Only `any_item` takes a tree and only `in_window` a window, so an object says which it is.
    fn unasked(&mut self, value: Option<&Borrowed<'_>>, ignore_case: Option<bool>, pointer: &Pointer<'_>, depth: usize) -> Comparison {
        let at = pointer.key("value");
        let has = |keys: &[&str]| value.and_then(Borrowed::as_object).is_some_and(|o| o.iter().any(|(k, _)| keys.contains(&k.as_ref())));
        let operand = match value {
            None => Operand::None,
            Some(json) if has(&FIELD_FORMS.map(|form| form.0)) => {
                Operand::Items(Box::new(self.field(json, &at, depth + 1, "an item's condition")))
            }
            Some(json) if has(&WINDOW_FORMS) => self.window(json, &at, true).map_or(Operand::Invalid, Operand::Window),
            Some(json) => Operand::Literal(json.owned()),
        };
        Comparison { op: None, operand, ignore_case }
    }

    fn field(&mut self, json: &Borrowed<'_>, pointer: &Pointer<'_>, depth: usize, what: &str) -> FieldCondition {
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
                match name {
                    Some(name) => FieldCondition::Property(name, comparison),
                    None => FieldCondition::Unnamed(comparison),
                }
            }
        }
    }
}

const INVALID: Comparison = Comparison { op: None, operand: Operand::Invalid, ignore_case: None };

/// All members that a form has.
fn members_of(form: &Form) -> impl Iterator<Item = &'static str> + Clone + use<> {
    std::iter::once(form.0).chain(form.1.iter().copied())
}

/// The keys in their order, each once.
fn distinct<'a>(members: &'a Members<'_>) -> Vec<&'a str> {
    let mut seen = HashSet::with_capacity(members.len());
    members.iter().map(|(key, _)| key.as_ref()).filter(|key| seen.insert(*key)).collect()
}

fn member<'a>(members: &'a Members<'a>, key: &str) -> Option<&'a Borrowed<'a>> {
    members.iter().find(|(k, _)| k == key).map(|(_, v)| v)
}
