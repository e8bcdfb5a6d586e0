//! What one workspace has: its log, its memory of ids, its counts.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use store::Workspace;
use tokio::sync::watch;

use super::error::PublishError;
use super::overlay::Overlay;
use super::service::PublishOptions;
use super::stats::{Counters, LaneStats, Reported, add};
use crate::collect::{Entry, Message, codec};
use crate::log::disk::RealDisk;
use crate::log::{LocalLog, Log, LogError, LogResult, Record};
use crate::seen::{self, Intake, Outcome};

/// The consumer of the log that publishes.
pub(crate) const CONSUMER: &str = "publish";
/// The file with the log's id.
const ID: &str = "id";
/// What the ids of what is in quarantine are apart by from those of messages.
const QUARANTINE: &str = "\0quarantine";

/// A workspace that is collected for.
pub(crate) struct Lane {
    pub(crate) workspace: Workspace,
    /// The log's id.
    pub(crate) id: String,
    pub(crate) log: Arc<LocalLog>,
    pub(crate) intake: Intake,
    pub(crate) counters: Counters,
    overlay: Mutex<Overlay>,
    /// The offset below which all is published.
    pub(crate) published: watch::Sender<u64>,
    /// The same, in the log's own memory.
    pub(crate) checkpointed: AtomicU64,
    pub(crate) folder: PathBuf,
}

impl Lane {
    /// Opens the log of a workspace, and makes it if there is none.
    pub(crate) async fn open(
        workspace: Workspace,
        folder: PathBuf,
        options: &PublishOptions,
        reported: &dyn Reported,
    ) -> Result<Self, PublishError> {
        let segments = folder.join("segments");
        let (log, opened) = LocalLog::open(&segments, options.log.clone()).await?;
        let name = workspace.name().to_owned();
        let state = log.state();
        let id = id(&folder, state.next)?;
        if opened.cut_bytes > 0 {
            reported.note(&format!("{name}: {} bytes at the log's end were never acknowledged and are cut off", opened.cut_bytes));
        }
        for gap in &opened.gaps {
            let lost = format!("offsets {} to {} of the log are lost: {}: {}", gap.from, gap.next, gap.file.display(), gap.reason);
            reported.note(&format!("{name}: {lost}"));
        }
        let position = workspace.position().await?.filter(|p| p.log == id).map_or(0, |p| p.next);
        if position > state.next {
            let what = format!(
                "workspace \"{name}\" holds the log {} up to offset {position}, and it ends at {}: it lost its end; move the folder away, so that a \
                 new log begins",
                folder.display(),
                state.next
            );
            return Err(PublishError::Astray(what));
        }
        log.register(CONSUMER).await?;
        let log = Arc::new(log);
        let (intake, lost) =
            Intake::open(Arc::clone(&log) as Arc<dyn Log>, &folder.join("seen"), options.seen.clone(), Arc::new(RealDisk)).await?;
        for what in lost {
            reported.note(&format!("{name}: some copies of messages will not be recognised: {what}"));
        }
        let counters = Counters::default();
        if position < state.next {
            counters.oldest.store(state.oldest_received_at.unwrap_or(0), Ordering::Relaxed);
        }
        let held = position.max(state.first);
        let published = watch::Sender::new(held);
        let overlay = Mutex::new(Overlay::of_log(log.as_ref(), held, state.next).await);
        Ok(Self { workspace, id, log, intake, counters, overlay, published, checkpointed: AtomicU64::new(0), folder })
    }

    /// Stores entries, each once.
    pub(crate) async fn store(&self, entries: &[Entry]) -> LogResult<()> {
        let records: Vec<Record> = entries.iter().map(record).collect();
        let oldest = records.first().map_or(0, |record| record.received_at);
        let outcomes = self.intake.append(records).await;
        if outcomes.is_err() {
            add(&self.counters.refused, 1);
        }
        let outcomes = outcomes?;
        self.hold(entries, &outcomes);
        for (entry, outcome) in entries.iter().zip(outcomes) {
            let counter = match (outcome, entry) {
                (Outcome::Duplicate, _) => &self.counters.duplicates,
                (Outcome::Stored(_), Entry::Message(_)) => &self.counters.accepted,
                (Outcome::Stored(_), Entry::Quarantined(_)) => &self.counters.quarantined,
            };
            add(counter, 1);
        }
        let idle = self.counters.oldest.compare_exchange(0, oldest, Ordering::Relaxed, Ordering::Relaxed);
        if idle.is_ok() && *self.published.borrow() >= self.log.state().next {
            self.counters.oldest.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Holds messages that are in the log until they are published.
    fn hold(&self, entries: &[Entry], outcomes: &[Outcome]) {
        let mut overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        let published = *self.published.borrow();
        for (entry, outcome) in entries.iter().zip(outcomes) {
            if let (Entry::Message(message), Outcome::Stored(offset)) = (entry, outcome)
                && *offset >= published
            {
                overlay.insert(*offset, message);
            }
        }
    }

    /// All below an offset is published.
    pub(crate) fn publish(&self, below: u64) {
        let mut overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        self.published.send_replace(below);
        overlay.publish(below);
    }

    /// Messages of a user that are not published, in their order; none if it cannot be told.
    pub(crate) fn pending(&self, user_id: &str) -> Option<Vec<Message>> {
        let overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        overlay.of(user_id, *self.published.borrow())
    }

    /// Lets the log give up what is published.
    pub(crate) async fn checkpoint(&self) -> LogResult<()> {
        let published = *self.published.borrow();
        if self.checkpointed.load(Ordering::Relaxed) < published {
            self.log.checkpoint(CONSUMER, published).await?;
            self.log.trim(published).await?;
            self.checkpointed.store(published, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(crate) fn stats(&self) -> LaneStats {
        let (counters, log, seen) = (&self.counters, self.log.state(), self.intake.state());
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LaneStats {
            workspace: self.workspace.name().to_owned(),
            accepted: count(&counters.accepted),
            duplicates: count(&counters.duplicates),
            quarantined: count(&counters.quarantined),
            refused: count(&counters.refused),
            events: count(&counters.events),
            facts: count(&counters.facts),
            users: count(&counters.users),
            commits: count(&counters.commits),
            commit_us: count(&counters.commit_us),
            failures: count(&counters.failures),
            lag: log.next.saturating_sub(*self.published.borrow()),
            oldest_received_at: Some(counters.oldest.load(Ordering::Relaxed)).filter(|at| *at != 0),
            log_bytes: log.bytes,
            log_commits: log.commits,
            log_sync_us: log.sync_us,
            lost: count(&counters.lost),
            ids: seen.memory_ids + seen.file_ids,
        }
    }
}

/// An entry for the log.
fn record(entry: &Entry) -> Record {
    let bytes = Bytes::from(codec::encode(entry));
    match entry {
        Entry::Message(message) => {
            Record { received_at: message.received_at, key: seen::key(&message.workspace, &message.message_id), bytes }
        }
        // The same bytes sent again, as in a batch that is repeated, are in quarantine once.
        Entry::Quarantined(quarantined) => {
            let content = String::from_utf8_lossy(&quarantined.raw.bytes);
            let key = seen::key(&format!("{}{QUARANTINE}", quarantined.workspace), &content);
            Record { received_at: quarantined.received_at, key, bytes }
        }
    }
}

/// The log's id, which the workspace's state names: made with the log, so that the offsets of another log are not taken for this one's.
fn id(folder: &Path, next: u64) -> Result<String, PublishError> {
    let path = folder.join(ID);
    match std::fs::read_to_string(&path) {
        Ok(id) => return Ok(id.trim().to_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && next == 0 => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let what =
                format!("{} is gone, which says what the offsets of this log are of: restore it, or move the folder away", path.display());
            return Err(PublishError::Astray(what));
        }
        Err(e) => return Err(LogError::io("read", &path, e).into()),
    }
    let id = uuid::Uuid::new_v4().simple().to_string();
    let write = || {
        let fresh = path.with_extension("new");
        let mut file = std::fs::File::create(&fresh)?;
        std::io::Write::write_all(&mut file, id.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(|e| LogError::io("write", &path, e))?;
    Ok(id)
}
