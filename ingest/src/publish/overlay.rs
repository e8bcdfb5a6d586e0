//! What was stored and is not published yet, by user: so that whoever reads a user sees what was acknowledged before.
//!
//! Bounded: what has no room is left out, and users cannot be read until that is published.

use std::collections::{BTreeMap, HashMap};

use crate::collect::codec::{self, DecodeError};
use crate::collect::{Entry, Message};
use crate::log::{Log, Read};

/// Bytes of messages that are held.
const BYTES_MAX: usize = 64 << 20;

/// Bytes of the log read at a time.
const READ_BYTES: usize = 4 << 20;

/// Messages by user.
#[derive(Default)]
pub(crate) struct Overlay {
    users: HashMap<String, BTreeMap<u64, Message>>,
    /// Who each message is of.
    offsets: BTreeMap<u64, String>,
    bytes: usize,
    /// Offsets below this may be missing.
    missing_below: u64,
}

impl Overlay {
    /// What a log has from one offset to another; what cannot be read of it, or has no room, may be missing.
    pub(crate) async fn of_log(log: &dyn Log, from: u64, to: u64) -> Self {
        let (mut overlay, mut next) = (Self::default(), from);
        while next < to {
            let Ok(read) = log.read(next, READ_BYTES).await else { break };
            let entries = match read {
                Read::Entries(entries) => entries,
                // What is lost is not published either.
                Read::Gap(gap) => {
                    next = gap.next;
                    continue;
                }
            };
            for crate::log::Entry { offset, record } in entries {
                match codec::decode(&record.bytes) {
                    Ok(Entry::Message(message)) => overlay.insert(offset, &message),
                    Ok(Entry::Quarantined(_)) | Err(DecodeError::Damaged(_)) => {}
                    Err(DecodeError::Version(_)) => overlay.missing_below = to,
                }
                next = offset + 1;
            }
            if overlay.missing_below > 0 {
                break;
            }
        }
        if next < to {
            overlay.missing_below = to;
        }
        overlay
    }

    /// Takes a message that is in the log.
    pub(crate) fn insert(&mut self, offset: u64, message: &Message) {
        let bytes = bytes(message);
        if self.bytes + bytes > BYTES_MAX {
            self.missing_below = self.missing_below.max(offset + 1);
            return;
        }
        self.bytes += bytes;
        self.offsets.insert(offset, message.user_id.clone());
        self.users.entry(message.user_id.clone()).or_default().insert(offset, message.clone());
    }

    /// Gives up what is published.
    pub(crate) fn publish(&mut self, below: u64) {
        while let Some(entry) = self.offsets.first_entry().filter(|entry| *entry.key() < below) {
            let (offset, user) = entry.remove_entry();
            if let Some(messages) = self.users.get_mut(&user) {
                self.bytes = self.bytes.saturating_sub(messages.remove(&offset).map_or(0, |m| bytes(&m)));
                if messages.is_empty() {
                    self.users.remove(&user);
                }
            }
        }
    }

    /// The messages of a user in the order of the log; none if some may be missing while the log is published up to `published`.
    pub(crate) fn of(&self, user_id: &str, published: u64) -> Option<Vec<Message>> {
        if published < self.missing_below {
            return None;
        }
        Some(self.users.get(user_id).map(|messages| messages.values().cloned().collect()).unwrap_or_default())
    }
}

/// About the memory that a message takes.
fn bytes(message: &Message) -> usize {
    let content = match &message.fact {
        crate::collect::Fact::Event { name, properties } => name.len() + properties.len(),
        crate::collect::Fact::Attributes { attributes } => attributes.len(),
    };
    size_of::<Message>() + 2 * message.user_id.len() + message.workspace.len() + message.message_id.len() + content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::Fact;

    fn message(user: &str, length: usize) -> Message {
        let fact = Fact::Attributes { attributes: "x".repeat(length) };
        Message { workspace: "w".into(), user_id: user.into(), ts: 0, received_at: 0, message_id: "m".into(), fact }
    }

    #[test]
    fn what_is_published_goes() {
        let mut overlay = Overlay { missing_below: 3, ..Overlay::default() };
        for (offset, user) in [(4, "a"), (3, "b"), (5, "a")] {
            overlay.insert(offset, &message(user, 10));
        }
        assert_eq!(overlay.of("a", 2), None);
        assert_eq!(overlay.of("a", 3).map(|m| m.len()), Some(2));
        overlay.publish(5);
        assert_eq!((overlay.of("a", 5).map(|m| m.len()), overlay.of("b", 5).map(|m| m.len())), (Some(1), Some(0)));
        overlay.publish(6);
        assert_eq!((overlay.bytes, overlay.users.len()), (0, 0));
    }

    #[test]
    fn without_room_nobody_is_read_until_it_is_published() {
        let mut overlay = Overlay::default();
        overlay.insert(0, &message("a", BYTES_MAX / 2));
        overlay.insert(1, &message("b", BYTES_MAX / 2));
        assert_eq!(overlay.of("a", 0), None);
        assert_eq!(overlay.of("a", 1), None);
        overlay.publish(2);
        assert_eq!(overlay.of("b", 2), Some(Vec::new()));
    }
}
