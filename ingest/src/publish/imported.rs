//! The ids of imported events, which the log's own memory of ids does not have.
//!
//! An import finds what was collected before it in the lake. A message that was in the log while an import committed one with its id, or came
//! later, is found here: sorted files with filters, made when an import has committed since the last look.

use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use store::{KeyBatches, Workspace, Writer};

use crate::collect::Message;
use crate::error::{ImportError, Result};
use crate::hash;
use crate::limits::DEDUP_HORIZON;
use crate::log::disk::RealDisk;
use crate::seen::{Entry, Run, write_run};

/// Ids sorted in memory at a time, 32 bytes each.
const SORTED_MAX: usize = 1 << 22;
/// Entries of the ledger among which the last import is looked for: publishing makes some as well where the lake is shared.
const LEDGER_ROWS: u32 = 64;

/// Ids of events that were imported within the horizon.
pub(crate) struct Imported {
    folder: PathBuf,
    /// The version of the state that was looked at.
    version: Option<u64>,
    /// The last import then.
    last: Option<String>,
    runs: Vec<Run>,
}

impl Imported {
    /// Nothing was looked at yet; files go into a folder of their own.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, version: None, last: None, runs: Vec::new() }
    }

    /// Takes up what was imported since the last look.
    pub(crate) async fn follow(&mut self, workspace: &Workspace, writer: &Writer, now: i64) -> Result<()> {
        let version = writer.base().version;
        if self.version == Some(version) {
            return Ok(());
        }
        let ledger = workspace.imports(LEDGER_ROWS).await?;
        let last = ledger.iter().find(|import| import.record.get("report").is_some()).map(|import| import.id.clone());
        let unclear = last.is_none() && ledger.len() >= LEDGER_ROWS as usize;
        if self.version.is_none() || unclear || last != self.last {
            self.runs = Vec::new();
            if last.is_some() || unclear {
                let horizon = i64::try_from(DEDUP_HORIZON.as_micros()).unwrap_or(i64::MAX);
                let batches = writer.imported_ids_since(now.saturating_sub(horizon)).await?;
                let folder = self.folder.clone();
                let runs = tokio::task::spawn_blocking(move || runs(&folder, batches)).await;
                self.runs = runs.map_err(|_| ImportError::Cancelled)??;
            }
        }
        (self.version, self.last) = (Some(version), last);
        Ok(())
    }

    /// Whether that is the version that was looked at.
    pub(crate) fn is_at(&self, version: u64) -> bool {
        self.version == Some(version)
    }

    /// A state of our own was committed.
    pub(crate) fn committed(&mut self, version: u64) {
        self.version = Some(version);
    }

    /// Whether an event with the id of this one was imported within the horizon.
    pub(crate) fn has(&self, message: &Message) -> Result<bool> {
        if self.runs.is_empty() {
            return Ok(false);
        }
        let horizon = i64::try_from(DEDUP_HORIZON.as_micros()).unwrap_or(i64::MAX);
        let (key, after) = (hash::message(&message.message_id), message.received_at.saturating_sub(horizon));
        for run in self.runs.iter().filter(|run| run.may_have(key)) {
            if run.has(key, after).map_err(|e| ImportError::scratch("look for the ids of imports", e))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Writes the ids of imported events to sorted files.
fn runs(folder: &Path, batches: KeyBatches) -> Result<Vec<Run>> {
    let failed = |e: std::io::Error| ImportError::scratch("write the ids of imports", e);
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => std::fs::create_dir_all(folder).map_err(failed)?,
    }
    let (mut runs, mut held): (Vec<Run>, Vec<Entry>) = (Vec::new(), Vec::new());
    let mut end = |held: &mut Vec<Entry>| -> Result<()> {
        held.sort_unstable();
        let path = folder.join(format!("{}.ids", runs.len()));
        runs.push(write_run(&RealDisk, &path, held.len() as u64, held.drain(..).map(Ok)).map_err(failed)?);
        Ok(())
    };
    for batch in batches {
        let batch = batch?;
        let columns = (|| {
            let ids = batch.columns().first()?.as_string_opt::<i32>()?;
            Some((ids, batch.columns().get(1)?.as_primitive_opt::<TimestampMicrosecondType>()?, batch.columns().get(2)?))
        })();
        let Some((ids, times, offsets)) = columns else {
            return Err(ImportError::scratch("read stored events", "columns of another type than expected"));
        };
        for row in (0..batch.num_rows()).filter(|row| offsets.is_null(*row)) {
            held.push((hash::message(ids.value(row)), times.value(row)));
        }
        if held.len() >= SORTED_MAX {
            end(&mut held)?;
        }
    }
    if !held.is_empty() {
        end(&mut held)?;
    }
    Ok(runs)
}
