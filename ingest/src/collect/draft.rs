//! A message whose values are still a tree, to be checked.

use segment_core::catalog::Scope;
use segment_core::json::Json;

use super::message::{Fact, Message};
use super::read::Arrival;

/// A message that has everything a message needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) user_id: String,
    pub(crate) ts: i64,
    pub(crate) message_id: String,
    /// The event's name; none for facts about the user.
    pub(crate) event: Option<String>,
    /// Properties or attributes, without dotted keys.
    pub(crate) members: Vec<(String, Json)>,
    /// Where `members` stand in what came: `/properties`, `/traits`.
    pub(crate) place: &'static str,
    /// Names of the members that were made of other parts of the event.
    pub(crate) made: Vec<&'static str>,
}

impl Draft {
    /// Which half of the catalog its names belong to.
    pub(crate) fn scope(&self) -> Scope {
        if self.event.is_some() { Scope::Property } else { Scope::Attribute }
    }

    pub(crate) fn into_message(self, at: &Arrival<'_>) -> Message {
        let text = Json::Object(self.members).to_text();
        let fact = match self.event {
            Some(name) => Fact::Event { name, properties: text },
            None => Fact::Attributes { attributes: text },
        };
        Message {
            workspace: at.workspace.id.clone(),
            user_id: self.user_id,
            ts: self.ts,
            received_at: at.received_at,
            message_id: self.message_id,
            fact,
        }
    }
}
