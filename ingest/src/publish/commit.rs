//! One batch of the log into one commit of a workspace.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use roaring::RoaringTreemap;
use segment_core::time::Zone;
use store::{CommitInfo, LogPosition, Publication, Quarantine, Workspace, Writer};

use super::batch::{self, Batch};
use super::error::PublishError;
use super::imported::Imported;
use crate::error::ImportError;
use crate::request::{ImportRequest, NoProgress};
use crate::steps::{Read, Steps};
use crate::users::Ledger;

/// Memory for sorting a batch, in bytes.
const SORT_BYTES: usize = 128 << 20;

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Published {
    /// The offset up to which the workspace's state holds the log.
    pub(crate) next: u64,
    /// Events that are there now and were not before.
    pub(crate) events: u64,
    /// Rows that were merged into profiles.
    pub(crate) facts: u64,
    /// Events that were there already.
    pub(crate) duplicates: u64,
    /// Messages put into quarantine.
    pub(crate) quarantined: u64,
    /// Users there are.
    pub(crate) users: u64,
    /// Bytes of profiles in columnar form that were written.
    pub(crate) profile_bytes: u64,
    /// Whether that form lacks changes.
    pub(crate) is_stale: bool,
}

impl Published {
    fn note(&mut self, info: &CommitInfo) {
        (self.users, self.profile_bytes, self.is_stale) = (info.users, info.profile_bytes, info.is_stale);
    }
}

/// Brings the profiles' columnar form up to date, about so many bytes of it.
pub(crate) async fn refresh(workspace: &Workspace, imported: &mut Imported, bytes: u64) -> Result<Published, PublishError> {
    let writer = workspace.begin_write().await?;
    // What else was committed since is looked at by the next who publishes.
    let ours = imported.is_at(writer.base().version);
    let info = writer.refresh(bytes).await?;
    if ours {
        imported.committed(info.version);
    }
    let mut published = Published::default();
    published.note(&info);
    Ok(published)
}

/// Publishes what was read of the log with this id. What the state holds already is passed over.
///
/// `refresh_bytes` is about how much of the profiles' columnar form may be rewritten.
pub(crate) async fn publish(
    workspace: &Workspace,
    log: &str,
    imported: &mut Imported,
    mut batch: Batch,
    refresh_bytes: u64,
) -> Result<Published, PublishError> {
    let mut writer = workspace.begin_write().await?;
    let held = writer.position().filter(|p| p.log == log).map_or(0, |p| p.next);
    if batch.next <= held {
        return Ok(Published { next: held, ..Published::default() });
    }
    batch.beyond(held);
    if let Some(table) = &writer.base().catalog.events_table {
        batch.set_events_aside(&table.location);
    }
    writer.keep_recent();
    let now = batch.messages.iter().map(|(_, m)| m.received_at).min().unwrap_or(i64::MAX);
    imported.follow(workspace, &writer, now).await?;
    let mut stored = Vec::new();
    if !writer.base().events.is_empty() {
        for day in batch.late_days() {
            stored.push(writer.day_keys(day).await?);
        }
    }
    let quarantine = Quarantine { added: std::mem::take(&mut batch.unusable).into_iter().map(|(_, u)| u).collect() };
    let mut published = Published { next: batch.next, quarantined: quarantine.added.len() as u64, ..Published::default() };
    let position = LogPosition { log: log.to_owned(), next: batch.next };
    let (writer, catalog) = if batch.messages.is_empty() {
        let catalog = writer.base().catalog.as_ref().clone();
        (writer, catalog)
    } else {
        written(writer, batch, imported, stored, &mut published).await?
    };
    let info = writer.publish(catalog, Publication { position, quarantine }, refresh_bytes).await?;
    imported.committed(info.version);
    published.note(&info);
    Ok(published)
}

/// Writes events and merges profiles; the catalog that they teach.
async fn written(
    writer: Writer,
    batch: Batch,
    imported: &Imported,
    stored: Vec<store::KeyBatches>,
    published: &mut Published,
) -> Result<(Writer, segment_core::catalog::Catalog), PublishError> {
    let catalog = writer.base().catalog.as_ref().clone();
    let zone = Zone::parse(&catalog.timezone).map_err(ImportError::Invalid)?;
    let found = batch::duplicates(&batch, imported, stored)?;
    let duplicates = found.len() as u64;
    let scratch = writer.scratch_dir()?;
    let mut request = ImportRequest::new(0, "");
    request.memory_bytes = SORT_BYTES;
    let steps = move |logged| {
        let (ledger, progress, cancelled) = (Ledger::default(), Arc::new(NoProgress), Arc::new(AtomicBool::new(false)));
        Arc::new(Steps { request, sources: Vec::new(), zone, ledger, scratch, progress, cancelled, logged })
    };
    let before = steps.clone()(None);
    let rules = catalog.rules.clone();
    let (writer, rows) = before.blocking(writer, move |steps, writer| batch::rows(&batch, &rules, &steps.zone, &found, writer)).await?;
    let batch::Rows { gathered, days, users, origins } = rows;
    published.duplicates = duplicates;
    let steps = steps(Some(origins));
    let read = Read::new(gathered, days, users, RoaringTreemap::new());
    let (mut writer, (read, catalog)) = steps.blocking(writer, |steps, _| steps.learn(read, catalog)).await?;
    writer.set_catalog(&catalog).await?;
    let write = |steps: &Steps, writer: &mut Writer| {
        writer.tend_recent()?;
        steps.write(writer, read, catalog)
    };
    let (writer, written) = steps.blocking(writer, write).await?;
    (published.events, published.facts) = (written.report.events.written, written.report.users.merged);
    Ok((writer, written.catalog))
}
