//! What a writer looks up among the events that are there.

use iceberg::expr::Reference;
use iceberg::spec::Datum;

use crate::error::{Result, StoreError};
use crate::lake::keys::KeyBatches;
use crate::lake::order::DAY_US;
use crate::lake::snapshot::{DataFileInfo, EventRead, EventsPlan};
use crate::writer::Writer;

impl Writer {
    /// Committed files of one UTC day.
    pub async fn existing_event_files(&self, day: i32) -> Result<Vec<DataFileInfo>> {
        let start = i64::from(day) * DAY_US;
        let read = EventRead { names: None, prefix: None, start: Some(start), end: start + DAY_US };
        let plan = readable(self.base().events.plan(&[read]).await?)?;
        Ok(plan.files.into_iter().filter(|f| f.day == day).collect())
    }

    /// Committed events of one UTC day: batches of `message_id`, `user_id`, `event`, `ts`, in that order.
    pub async fn day_keys(&self, day: i32) -> Result<KeyBatches> {
        let files = self.existing_event_files(day).await?;
        Ok(KeyBatches::new(files, self.base().events.objects().cloned(), &["message_id", "user_id", "event", "ts"]))
    }

    /// Committed events with `received_at >= received_after`: batches of `message_id`, `received_at`; may also hold earlier ones.
    pub async fn message_ids_since(&self, received_after: i64) -> Result<KeyBatches> {
        let recent = Reference::new("received_at").greater_than_or_equal_to(Datum::timestamptz_micros(received_after));
        let plan = readable(self.base().events.plan_where(recent).await?)?;
        Ok(KeyBatches::new(plan.files, self.base().events.objects().cloned(), &["message_id", "received_at"]))
    }

    /// Committed events of imports with `received_at >= received_after`: batches of `message_id`, `received_at`, `log_offset`; may also hold
    /// earlier ones, and collected ones, which have an offset.
    pub async fn imported_ids_since(&self, received_after: i64) -> Result<KeyBatches> {
        let recent = Reference::new("received_at").greater_than_or_equal_to(Datum::timestamptz_micros(received_after));
        let imported = recent.and(Reference::new("log_offset").is_null());
        let plan = readable(self.base().events.plan_where(imported).await?)?;
        Ok(KeyBatches::new(plan.files, self.base().events.objects().cloned(), &["message_id", "received_at", "log_offset"]))
    }
}

/// Refuses a plan of which something cannot be read rightly.
fn readable(plan: EventsPlan) -> Result<EventsPlan> {
    match plan.unsupported.first() {
        Some(what) => Err(StoreError::Conflict(what.clone())),
        None => Ok(plan),
    }
}
