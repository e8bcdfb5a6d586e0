//! What the log holds: messages, and what could not become one.

use super::quarantine::Quarantined;

/// An accepted message: something a user did, or what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The workspace that the write key belongs to.
    pub workspace: String,
    /// The canonical user id.
    pub user_id: String,
    /// When it was so, in microseconds; never after `received_at`.
    pub ts: i64,
    /// When the server received it, in microseconds.
    pub received_at: i64,
    /// The sender's id of the message, or one that was made. Not empty.
    pub message_id: String,
    /// What it says.
    pub fact: Fact,
}

/// What a message says of its user.
///
/// # Shape
///
/// `properties` and `attributes` are the compact text of a JSON object without dotted keys (`a.b` is a path); values are as they
/// came, whether they convert to their types or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An event.
    Event {
        /// Its name. Not empty.
        name: String,
        /// Its properties. A null is the same as none.
        properties: String,
    },
    /// Current facts, which also state `first_seen_at`: the message's `ts`.
    Attributes {
        /// By name. A null clears.
        attributes: String,
    },
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// What counts.
    Message(Message),
    /// What is set aside, to be read and replayed.
    Quarantined(Quarantined),
}

impl Entry {
    /// The workspace that it was sent to.
    pub fn workspace(&self) -> &str {
        match self {
            Self::Message(message) => &message.workspace,
            Self::Quarantined(quarantined) => &quarantined.workspace,
        }
    }
}
