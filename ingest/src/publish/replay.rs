//! Reading again what is in quarantine.

use store::QuarantinedRow;

use super::error::PublishError;
use super::service::Publishing;
use crate::collect::{Arrival, Entry, Workspace, codec, take};

/// Messages read again at a time.
const ROWS_MAX: u32 = 100;

impl Publishing {
    /// Reads messages again that somebody asked for: what fits now is stored, the rest stays in quarantine. `now` is when they are accepted; their
    /// own times are by when they came. Returns how many were stored.
    ///
    /// # Errors
    ///
    /// Those of storing and of the metadata; what was asked for is asked for still, and nothing is stored twice.
    pub async fn replay(&self, collecting: &Workspace, now: i64) -> Result<u64, PublishError> {
        let Some(workspace) = self.workspace(&collecting.id).await? else { return Ok(0) };
        let mut stored = 0;
        loop {
            let asked = workspace.asked_replays(ROWS_MAX).await?;
            if asked.is_empty() {
                return Ok(stored);
            }
            let (mut taken, mut left, mut entries) = (Vec::new(), Vec::new(), Vec::new());
            for row in asked {
                match again(&row, collecting, now) {
                    Some(entry) => {
                        taken.push(row.id);
                        entries.push(entry);
                    }
                    None => left.push(row.id),
                }
            }
            if !entries.is_empty() {
                self.append(&collecting.id, &entries).await?;
            }
            stored += entries.len() as u64;
            workspace.end_replay(&taken, &left).await?;
        }
    }
}

/// The message that a row is by now, if it is one.
fn again(row: &QuarantinedRow, collecting: &Workspace, now: i64) -> Option<Entry> {
    let Ok(Entry::Quarantined(quarantined)) = codec::decode(&row.unusable.entry) else { return None };
    match take(quarantined.raw, &Arrival { workspace: collecting, received_at: quarantined.received_at }) {
        // It is accepted now: that begins the time in which another with its id is a copy.
        Entry::Message(mut message) => {
            message.received_at = now.max(message.received_at);
            Some(Entry::Message(message))
        }
        Entry::Quarantined(_) => None,
    }
}
