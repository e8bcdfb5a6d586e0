//! Reading one user back: what is committed, and over it what was acknowledged and is not published yet.

use std::time::Duration;

use segment_core::catalog::Catalog;
use segment_core::convert::{TextSource, normalize_dotted, to_json};
use segment_core::json::Json;
use segment_core::time::Zone;
use store::{AttributeWrite, StoreError, UserFacts};
use tokio::time::timeout;

use super::batch::{Setting, settings};
use super::error::PublishError;
use super::service::Publishing;
use crate::collect::{Fact, Message};
use crate::error::ImportError;
use crate::said::said;

/// How long a reader waits for what it cannot see before it is published.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A user as of now.
#[derive(Debug, Clone, PartialEq)]
pub struct UserNow {
    /// When the user came to be, microseconds; none for one that has always existed.
    pub first_seen_at: Option<i64>,
    /// The last event, microseconds.
    pub last_seen_at: Option<i64>,
    /// Attributes with a value, as JSON; also what does not convert to its type, as it came.
    pub attributes: Vec<(String, Json)>,
}

impl Publishing {
    /// A user with everything that was acknowledged before the call; none if there is no such user.
    ///
    /// # Errors
    ///
    /// `Store(Busy)` while an import has the workspace, or so much is not published that it cannot be told; `Store(NotFound)` without the workspace;
    /// `Store(Unavailable)` if Cassandra does not answer in a few seconds, where profiles are there.
    pub async fn user(&self, workspace: &str, user_id: &str) -> Result<Option<UserNow>, PublishError> {
        let lane = self.lane(workspace).await?;
        let mut published = lane.published.subscribe();
        let pending = loop {
            // Before the store is read: what is published meanwhile is in both, and merging it twice changes nothing.
            if let Some(pending) = lane.pending(user_id) {
                break pending;
            }
            if !matches!(timeout(WAIT_MAX, published.changed()).await, Ok(Ok(()))) {
                return Err(StoreError::Busy(format!("publishing of workspace \"{workspace}\" is behind")).into());
            }
        };
        let committed = lane.workspace.user(user_id).await?;
        if committed.is_none() && pending.is_empty() {
            return Ok(None);
        }
        let (_, catalog) = lane.workspace.catalog().await?;
        let zone = Zone::parse(&catalog.timezone).map_err(ImportError::Invalid)?;
        let mut facts = committed.unwrap_or_default();
        for message in &pending {
            merge(&mut facts, message, &catalog, &zone)?;
        }
        Ok(Some(now(facts)))
    }
}

/// Merges a message as publishing would.
fn merge(facts: &mut UserFacts, message: &Message, catalog: &Catalog, zone: &Zone) -> Result<(), PublishError> {
    if matches!(message.fact, Fact::Event { .. }) {
        let (first, last) = facts.seen.unwrap_or((message.ts, message.ts));
        facts.seen = Some((first.min(message.ts), last.max(message.ts)));
    }
    if matches!(message.fact, Fact::Attributes { .. }) {
        facts.has_profile = true;
        facts.stated_first_seen = Some(facts.stated_first_seen.map_or(message.ts, |stated| stated.min(message.ts)));
    }
    for Setting { members, written_at } in settings(message, &catalog.rules)? {
        let Json::Object(members) = normalize_dotted(Json::Object(members)) else { continue };
        for (name, json) in members {
            let ty = catalog.attributes.get(&name).map(|field| &field.ty);
            let said = said(&json, ty, zone, TextSource::Json);
            facts.merge(name, written_at, said);
        }
    }
    Ok(())
}

fn now(facts: UserFacts) -> UserNow {
    let (first_seen_at, last_seen_at) = (facts.first_seen_at(), facts.seen.map(|s| s.1));
    let json = |text: &str| Json::parse(text).unwrap_or(Json::Null);
    let attributes = facts.attributes.into_iter().filter_map(|(name, facts)| match facts.into_said() {
        AttributeWrite::Value(value) => Some((name, json(&to_json(&value)))),
        AttributeWrite::Raw(text) => Some((name, json(&text))),
        AttributeWrite::Entries(_) | AttributeWrite::Null => None,
    });
    UserNow { first_seen_at, last_seen_at, attributes: attributes.collect() }
}
