//! What could not be accepted: why, and everything that it takes to read it again.

use std::borrow::Cow;

use super::keys::Workspace;
use super::message::Entry;
use super::read::{Arrival, take};

/// A call of Segment's tracking API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Something a user did.
    Track,
    /// What is known of a user.
    Identify,
    /// A page was seen.
    Page,
    /// A screen of an app was seen.
    Screen,
    /// A user belongs to a group.
    Group,
    /// A user had another id before.
    Alias,
}

impl Call {
    /// Every call.
    pub const ALL: [Call; 6] = [Call::Track, Call::Identify, Call::Page, Call::Screen, Call::Group, Call::Alias];

    /// Its name: the path's, the `type` in a batch, and, but for `track` and `identify`, the name of the event.
    pub fn name(self) -> &'static str {
        match self {
            Call::Track => "track",
            Call::Identify => "identify",
            Call::Page => "page",
            Call::Screen => "screen",
            Call::Group => "group",
            Call::Alias => "alias",
        }
    }

    /// The call of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.name() == name)
    }
}

/// How the bytes of a [`Raw`] are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An object of that call.
    Call(Call),
    /// An object of the call that its `type` names.
    Typed,
    /// A line of `POST /v1/events`.
    Line,
}

/// An event as it came, with everything of its request that it takes to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw<'a> {
    /// How to read it.
    pub form: Form,
    /// When the sender sent the batch, by the sender's clock, in microseconds.
    pub sent_at: Option<i64>,
    /// The batch's own `context`, as JSON text.
    pub context: Option<Cow<'a, str>>,
    /// The message id that it has if it states none.
    pub id: Cow<'a, str>,
    /// Its bytes, cut to [`super::limits::EVENT_BYTES_MAX`].
    pub bytes: Cow<'a, [u8]>,
}

impl Raw<'_> {
    /// The same, owning all of it.
    pub fn into_owned(self) -> Raw<'static> {
        Raw {
            form: self.form,
            sent_at: self.sent_at,
            context: self.context.map(|text| Cow::Owned(text.into_owned())),
            id: Cow::Owned(self.id.into_owned()),
            bytes: Cow::Owned(self.bytes.into_owned()),
        }
    }
}

/// An event that could not be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The workspace that the write key belongs to.
    pub workspace: String,
    /// When the server received it, in microseconds.
    pub received_at: i64,
    /// Why.
    pub unfit: Unfit,
    /// What came.
    pub raw: Raw<'static>,
}

impl Quarantined {
    /// Reads and checks it again: a message, if its workspace's catalog is such by now that it fits, with the time of receiving and the ids that it had.
    ///
    /// One that was too large is not whole, and stays; so does one of another workspace.
    pub fn replay(self, workspace: &Workspace) -> Entry {
        if self.unfit.reason == Reason::TooLarge || self.workspace != workspace.id {
            return Entry::Quarantined(self);
        }
        take(self.raw, &Arrival { workspace, received_at: self.received_at })
    }
}

/// Why an event cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The kind of fault.
    pub reason: Reason,
    /// JSON pointer into the event; empty for the whole of it.
    pub pointer: String,
    /// What is wrong, for people.
    pub message: String,
}

impl Unfit {
    pub(crate) fn new(reason: Reason, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, pointer: pointer.into(), message: message.into() }
    }
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is larger than an event may be.
    TooLarge,
    /// It is not UTF-8.
    NotUtf8,
    /// It is not a JSON object, or a member of it that has to be an object is none.
    MalformedJson,
    /// An integer of more than 64 bits.
    IntegerOverflow,
    /// Its `type` names no call.
    UnknownType,
    /// No user id.
    NoUserId,
    /// A user id that none can have.
    BadUserId,
    /// No event name.
    NoEvent,
    /// A time that cannot be read, or none where one is needed.
    NoTime,
    /// A message id that is too long, or neither text nor a number.
    BadMessageId,
    /// More names than one event, or a workspace, may have.
    TooManyNames,
    /// Its properties do not fit the JSON Schema of the event.
    SchemaMismatch,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 12] = [
        Reason::TooLarge,
        Reason::NotUtf8,
        Reason::MalformedJson,
        Reason::IntegerOverflow,
        Reason::UnknownType,
        Reason::NoUserId,
        Reason::BadUserId,
        Reason::NoEvent,
        Reason::NoTime,
        Reason::BadMessageId,
        Reason::TooManyNames,
        Reason::SchemaMismatch,
    ];

    /// Its name in answers, reports and the log.
    pub fn name(self) -> &'static str {
        match self {
            Reason::TooLarge => "too_large",
            Reason::NotUtf8 => "not_utf8",
            Reason::MalformedJson => "malformed_json",
            Reason::IntegerOverflow => "integer_overflow",
            Reason::UnknownType => "unknown_type",
            Reason::NoUserId => "no_user_id",
            Reason::BadUserId => "bad_user_id",
            Reason::NoEvent => "no_event",
            Reason::NoTime => "no_time",
            Reason::BadMessageId => "bad_message_id",
            Reason::TooManyNames => "too_many_names",
            Reason::SchemaMismatch => "schema_mismatch",
        }
    }

    /// The reason of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}
