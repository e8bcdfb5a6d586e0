//! What is wrong with a tree, or suspicious in it: all faults at once, each with a stable code and a JSON pointer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One fault or one warning about a condition tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable and machine-readable, such as `unknown_event`.
    pub code: Code,
    /// JSON pointer (RFC 6901) to the member at fault, or to the object that lacks a member.
    pub pointer: String,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it: the nearest known names, for example.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without a hint.
    pub fn new(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, pointer: pointer.into(), message: message.into(), hint: None }
    }

    /// The same with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Every code a tree can be refused or warned with. Codes are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    // Faults of form.
    /// The text is not JSON.
    InvalidJson,
    /// A string holds NUL or an unpaired surrogate.
    InvalidString,
    /// A member that the form does not have.
    UnknownField,
    /// A key given twice in one object.
    DuplicateField,
    /// A member that the form needs.
    MissingField,
    /// An object with none, or more than one, of the keys that make a condition.
    InvalidCondition,
    /// Deeper than `limits::DEPTH_MAX`.
    TooDeep,
    /// More nodes than `limits::NODES_MAX`.
    TooManyNodes,
    /// More values in a list than `limits::LIST_VALUES_MAX`.
    TooManyValues,
    /// The form has its place but is not built yet.
    NotSupported,
    // Faults of meaning.
    /// An event neither declared nor ever seen.
    UnknownEvent,
    /// An attribute neither declared nor ever seen.
    UnknownAttribute,
    /// A property neither declared nor ever seen.
    UnknownProperty,
    /// A segment that does not exist.
    UnknownSegment,
    /// A list that does not exist.
    UnknownList,
    /// A segment that refers to itself, directly or through others.
    SegmentCycle,
    /// A word that is no operator.
    UnknownOperator,
    /// An operator that does not fit the type.
    OperatorMismatch,
    /// A measure that does not fit the property's type.
    MeasureMismatch,
    /// A value of the wrong type or outside what is allowed.
    InvalidValue,
    /// A number that is not finite.
    NonFinite,
    /// A pattern that does not compile as RE2.
    InvalidPattern,
    /// A window that is malformed.
    InvalidWindow,
    /// A window that is empty at every instant.
    EmptyWindow,
    /// An aligned `ago` with two units.
    MixedUnits,
    /// `within` both on a sequence and on its steps.
    ConflictingWithin,
    // Warnings.
    /// `all` or `any` of nothing.
    EmptyGroup,
    /// A list of values that is empty.
    EmptyList,
    /// The node holds for every user.
    AlwaysTrue,
    /// The node holds for no user.
    NeverTrue,
    /// Declared, but no data has it.
    NeverSeen,
    /// The window starts before the data's retention does.
    WindowExceedsRetention,
}

/// A JSON pointer in the making: one step, and the pointer that it goes on from.
///
/// Most are never shown, so the text is written only where one is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pointer<'a> {
    before: Option<&'a Pointer<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl Pointer<'_> {
    /// The whole document.
    pub(crate) const ROOT: Pointer<'static> = Pointer { before: None, step: Step::Index(0) };

    /// The member of that name.
    pub(crate) fn key<'a>(&'a self, name: &'a str) -> Pointer<'a> {
        Pointer { before: Some(self), step: Step::Key(name) }
    }

    fn put(&self, text: &mut String) {
        let Some(before) = self.before else { return };
        before.put(text);
        text.push('/');
        match self.step {
            Step::Key(name) if name.contains(['~', '/']) => text.push_str(&name.replace('~', "~0").replace('/', "~1")),
            Step::Key(name) => text.push_str(name),
            Step::Index(position) => text.push_str(itoa::Buffer::new().format(position)),
        }
    }

    /// The element at that position.
    pub(crate) fn index(&self, position: usize) -> Pointer<'_> {
        Pointer { before: Some(self), step: Step::Index(position) }
    }
}

/// Room for the text of a pointer into a tree that is not deep.
const POINTER_BYTES: usize = 40;

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(self))
    }
}

impl From<&Pointer<'_>> for String {
    fn from(pointer: &Pointer<'_>) -> String {
        let mut text = String::with_capacity(POINTER_BYTES);
        pointer.put(&mut text);
        text
    }
}
