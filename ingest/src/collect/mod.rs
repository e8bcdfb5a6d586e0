//! Collecting: what senders say over HTTP, into messages for the log.
//!
//! In: bodies of Segment's tracking API, lines of NDJSON, queries of the beacon (docs/collect.md). Out: [`Entry`]s, each a
//! [`Message`] or, for what cannot be one, a [`Quarantined`] with the bytes it came in; `http` hands them to a [`Sink`].
//!
//! Invariants: everything outside `http` is pure: the time of receiving and the ids of events that have none are given. The same bytes read again
//! with the same [`Arrival`] are the same message, so that what is in quarantine can be replayed. Deliberately absent: the log, recognising events
//! sent twice, and learning types.

pub mod check;
mod clock;
pub mod codec;
mod draft;
mod envelope;
mod gzip;
pub mod http;
pub mod keys;
pub mod limits;
mod line;
pub mod message;
mod pixel;
pub mod quarantine;
mod read;
pub mod rules;
mod segment;
pub mod sink;
#[cfg(test)]
mod tests;

pub use keys::{KeyHash, KeyTable, Keys, Workspace};
pub use message::{Entry, Fact, Message};
pub use quarantine::{Call, Form, Quarantined, Raw, Reason, Unfit};
pub use read::{Arrival, take};
pub use sink::{Sink, SinkError};
