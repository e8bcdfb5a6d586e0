//! The wire form of a condition: what the REST API, the CLI and saved segments carry.
//!
//! In: JSON. Out: a [`Condition`] tree and every fault of form in it, each with its JSON pointer. A faulty part becomes
//! [`Condition::Invalid`] (or `FieldCondition::Invalid`), so that the rest is still looked at and every fault is
//! reported at once. Faults of meaning (unknown names, wrong types) are `resolve`'s.

mod read;
mod write;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::diagnostics::Diagnostic;
use crate::json::{Borrowed, Json};
use crate::ops::Op;
use crate::time::Window;

/// A condition about a user.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Intersection.
    All(Vec<Condition>),
    /// Union.
    Any(Vec<Condition>),
    /// Complement within the universe.
    Not(Box<Condition>),
    /// The universe.
    Everyone,
    /// A current profile attribute, by its dotted name.
    Attribute(String, Comparison),
    /// The same with a name at fault, which was reported when it was read; its comparison is still looked at.
    Unnamed(Comparison),
    /// How often, or how much, of an event.
    Event(Box<EventCondition>),
    /// Members of another segment.
    Segment(String),
    /// Members of a list.
    List(String),
    /// A stable random share.
    Sample(SampleCondition),
    /// Events in order. Not supported yet: kept as it came.
    Sequence(Json),
    /// An expert's query. Not supported yet: kept as it came.
    Sql(Json),
    /// A part whose form is at fault; its diagnostics were reported when it was read.
    Invalid,
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The operator; `None` where it is missing or its name is unknown (reported when read).
    pub op: Option<Op>,
    /// What it compares with.
    pub operand: Operand,
    /// `ignore_case`, where given.
    pub ignore_case: Option<bool>,
}

/// The `value` of a comparison. Its form follows from the operator, and where that is unknown from what it looks like.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// No `value`.
    None,
    /// A literal or a list of them.
    Literal(Json),
    /// For `in_window`.
    Window(Window),
    /// For `any_item`.
    Items(Box<FieldCondition>),
    /// At fault; reported when read.
    Invalid,
}

/// A condition about one event's properties, or about one item's fields.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldCondition {
    /// All hold.
    All(Vec<FieldCondition>),
    /// One at least holds.
    Any(Vec<FieldCondition>),
    /// It does not hold.
    Not(Box<FieldCondition>),
    /// A test of one property, by its dotted name.
    Property(String, Comparison),
    /// The same with a name at fault, which was reported when it was read.
    Unnamed(Comparison),
    /// At fault; reported when read.
    Invalid,
}

/// How often, or how much, of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventCondition {
    /// Which events.
    pub event: EventSelector,
    /// Which of them, by their properties.
    pub filter: Option<FieldCondition>,
    /// What is measured; count where left out.
    pub measure: Option<MeasureSpec>,
    /// What the measure is compared with; left out for a count: `gte 1`.
    pub comparison: Option<Comparison>,
    /// When; always where left out.
    pub window: Option<WindowSpec>,
}

/// The window of an event condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowSpec {
    /// As written.
    Given(Window),
    /// At fault; reported when read.
    Invalid,
}

/// A choice of event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventSelector {
    /// One name.
    Name(String),
    /// Several names, counted together; `None` for one at fault, reported when read.
    Names(Vec<Option<String>>),
    /// Names that start so.
    Prefix(String),
    /// `"*"`.
    Any,
    /// At fault; reported when read.
    Invalid,
}

/// A measure, by its wire name and, where it takes one, its property's dotted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeasureSpec {
    /// `{"count": true}` and the like.
    Plain(MeasureName),
    /// `{"sum": "price"}` and the like.
    Of(MeasureName, String),
    /// At fault; reported when read.
    Invalid,
}

/// The measures' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeasureName {
    /// How many.
    Count,
    /// Distinct calendar days.
    Days,
    /// Exact sum.
    Sum,
    /// Exact average.
    Avg,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// How many different values.
    Distinct,
    /// The first event's.
    First,
    /// The last event's.
    Last,
    /// The first event's time.
    FirstTime,
    /// The last event's time.
    LastTime,
}

impl MeasureName {
    /// Every measure, in the contract's order.
    pub const ALL: [MeasureName; 11] = [
        Self::Count,
        Self::Days,
        Self::Sum,
        Self::Avg,
        Self::Min,
        Self::Max,
        Self::Distinct,
        Self::First,
        Self::Last,
        Self::FirstTime,
        Self::LastTime,
    ];

    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Days => "days",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Distinct => "distinct",
            Self::First => "first",
            Self::Last => "last",
            Self::FirstTime => "first_time",
            Self::LastTime => "last_time",
        }
    }

    /// Whether its value is `true` rather than a property.
    pub fn is_plain(self) -> bool {
        matches!(self, Self::Count | Self::Days | Self::FirstTime | Self::LastTime)
    }
}

/// A stable random share.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleCondition {
    /// Number text, as written; `None` where it was at fault, which was reported when read.
    pub percent: Option<String>,
    /// Put before the id; `None` where it was at fault, which was reported when read.
    pub salt: Option<String>,
    /// The attribute hashed; the user id where left out.
    pub by: Option<String>,
}

/// What reading a condition gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The tree; parts at fault are `Invalid`.
    pub condition: Condition,
    /// Every fault of form.
    pub diagnostics: Vec<Diagnostic>,
}

impl Condition {
    /// Reads a condition from JSON text.
    pub fn parse(text: &str) -> Parsed {
        match Borrowed::read(text) {
            Ok(json) => read::condition(&json),
            Err(error) => read::not_json(&error),
        }
    }

    /// Reads a condition from JSON.
    pub fn from_json(json: &Json) -> Parsed {
        read::condition(&json.borrowed())
    }

    /// The wire form. A part at fault, which no faultless tree has, becomes null, or lacks its name.
    pub fn to_json(&self) -> Json {
        write::condition(self)
    }

    /// The keys of the segments that the tree refers to, in order, with repeats.
    pub fn segments(&self) -> Vec<&str> {
        let mut out = Vec::new();
        self.visit(&mut |c| {
            if let Condition::Segment(key) = c {
                out.push(key.as_str());
            }
        });
        out
    }

    /// The keys of the lists that the tree refers to, in order, with repeats.
    pub fn lists(&self) -> Vec<&str> {
        let mut out = Vec::new();
        self.visit(&mut |c| {
            if let Condition::List(key) = c {
                out.push(key.as_str());
            }
        });
        out
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Condition)) {
        see(self);
        match self {
            Condition::All(children) | Condition::Any(children) => children.iter().for_each(|c| c.visit(see)),
            Condition::Not(child) => child.visit(see),
            Condition::Everyone
            | Condition::Attribute(..)
            | Condition::Unnamed(_)
            | Condition::Event(_)
            | Condition::Segment(_)
            | Condition::List(_)
            | Condition::Sample(_)
            | Condition::Sequence(_)
            | Condition::Sql(_)
            | Condition::Invalid => {}
        }
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        let parsed = Self::from_json(&json);
        match parsed.diagnostics.first() {
            None => Ok(parsed.condition),
            Some(d) => Err(serde::de::Error::custom(format!("{}: {}", if d.pointer.is_empty() { "/" } else { &d.pointer }, d.message))),
        }
    }
}
