//! Saved segments: what the command line and REST do with them. The one place that holds references together.
//!
//! Invariants: whoever changes a segment holds the references of its workspace from the look at what is there to the change; a segment is saved
//! without faults and without a circle, and deleted without dependents; what is archived stays as it is.

use segment_core::compile;
use segment_core::condition::Condition;
use segment_core::diagnostics::Diagnostic;
use store::{Lock, SegmentDraft, SegmentInfo, Workspace};

use crate::context;
use crate::failure::Failure;

/// Keys that no segment is saved under for the first time: below a workspace's segments these words are something else.
const RESERVED: [&str; 4] = ["validate", "sql", "explain", "count"];

/// A workspace's segments while nobody else changes them.
pub(crate) struct Held<'a> {
    workspace: &'a Workspace,
    _lock: Lock,
}

/// Keeps others from changing segments while it is held.
pub(crate) async fn hold(workspace: &Workspace) -> Result<Held<'_>, Failure> {
    Ok(Held { workspace, _lock: workspace.hold_references().await? })
}

/// There is no such segment.
pub(crate) fn unknown(key: &str) -> Failure {
    Failure::NotFound(format!("there is no segment \"{key}\""))
}

/// A segment that is there.
pub(crate) async fn read(workspace: &Workspace, key: &str) -> Result<SegmentInfo, Failure> {
    workspace.segment(key).await?.ok_or_else(|| unknown(key))
}

/// The keys of the saved segments that refer to a segment.
pub(crate) async fn dependents(workspace: &Workspace, key: &str) -> Result<Vec<String>, Failure> {
    referring(workspace, |condition| condition.segments().contains(&key)).await
}

/// The keys of the saved segments whose conditions refer to something.
pub(crate) async fn referring(workspace: &Workspace, refers: impl Fn(&Condition) -> bool) -> Result<Vec<String>, Failure> {
    let segments = workspace.segments().await?;
    let refers = |s: &&SegmentInfo| refers(&Condition::parse(&s.saved.condition).condition);
    Ok(segments.iter().filter(refers).map(|s| s.key.clone()).collect())
}

impl Held<'_> {
    /// A segment that is there and is as expected.
    pub(crate) async fn expected(&self, key: &str, as_expected: impl Fn(&SegmentInfo) -> bool) -> Result<SegmentInfo, Failure> {
        let segment = read(self.workspace, key).await?;
        if as_expected(&segment) {
            return Ok(segment);
        }
        Err(Failure::Changed(format!("segment \"{key}\" is at version {} now, not what it was taken for: read it again", segment.version)))
    }

    /// Refuses a key that is taken, and one that no new segment may have.
    pub(crate) async fn free(&self, key: &str) -> Result<(), Failure> {
        if self.workspace.segment(key).await?.is_some() {
            return Err(Failure::Exists(format!("there is a segment \"{key}\" already: edit that, or take another key")));
        }
        reserved(key)
    }

    /// What is suspicious about a condition that is to be saved.
    ///
    /// # Errors
    ///
    /// `Condition` with everything wrong with it, a reference that leads back to the segment among it.
    pub(crate) async fn check(&self, key: &str, condition: &str) -> Result<Vec<Diagnostic>, Failure> {
        let pinned = self.workspace.pin().await?;
        let checked = compile::check_to_save(key, condition, &pinned.catalog, &context::library(&pinned), context::now_us());
        if checked.diagnostics.is_empty() {
            return Ok(checked.warnings);
        }
        Err(Failure::Condition { diagnostics: checked.diagnostics, warnings: checked.warnings })
    }

    /// Saves a condition under a key, new or not; what else was said of the segment stays.
    pub(crate) async fn save(&self, key: &str, condition: &str) -> Result<(SegmentInfo, Vec<Diagnostic>), Failure> {
        let before = self.workspace.segment(key).await?;
        match &before {
            Some(before) => open(before)?,
            None => reserved(key)?,
        }
        let warnings = self.check(key, condition).await?;
        let draft = SegmentDraft { condition: condition.to_owned(), ..before.map(|b| b.saved).unwrap_or_default() };
        Ok((self.workspace.save_segment(key, draft).await?, warnings))
    }

    /// Deletes a segment that nothing refers to.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), Failure> {
        let by = dependents(self.workspace, key).await?;
        if !by.is_empty() {
            return Err(Failure::Used { what: format!("segment \"{key}\""), by });
        }
        if self.workspace.delete_segment(key).await? { Ok(()) } else { Err(unknown(key)) }
    }
}

fn reserved(key: &str) -> Result<(), Failure> {
    if RESERVED.contains(&key) {
        return Err(Failure::Refused(format!("no segment can have the key \"{key}\": take another one")));
    }
    Ok(())
}

/// Refuses to change what is archived.
pub(crate) fn open(segment: &SegmentInfo) -> Result<(), Failure> {
    match segment.archived_at {
        None => Ok(()),
        Some(_) => Err(Failure::Archived(format!("segment \"{}\" is archived: take it back before it is changed", segment.key))),
    }
}
