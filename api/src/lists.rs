//! Lists of user ids: what the command line and REST do with them.

use ingest::{ListFile, ListReport};
use segment_core::time::format_instant;
use serde::Serialize;
use store::{ListInfo, Workspace};
use utoipa::ToSchema;

use crate::commands::import::failure;
use crate::failure::Failure;
use crate::segments;

/// A list as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List {
    /// Its key.
    pub(crate) key: String,
    /// Distinct ids in it.
    pub(crate) users: u64,
    /// When it was replaced last.
    pub(crate) updated_at: String,
    #[serde(flatten)]
    pub(crate) report: Option<Report>,
}

/// What became of the rows of an upload: `rows` is the sum of the others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Report {
    /// Rows without the header.
    pub(crate) rows: u64,
    /// Distinct ids of users that there were.
    pub(crate) matched: u64,
    /// Rows whose id came before.
    pub(crate) duplicate: u64,
    /// Rows without an id.
    pub(crate) blank: u64,
    /// Distinct ids that were no users, and rows that can be no id.
    pub(crate) unknown: u64,
}

impl List {
    pub(crate) fn of(info: &ListInfo) -> Self {
        let report: Option<ListReport> = serde_json::from_value(info.report.clone()).ok();
        let report =
            report.map(|r| Report { rows: r.rows, matched: r.matched, duplicate: r.duplicate, blank: r.blank, unknown: r.unknown });
        Self { key: info.key.clone(), users: info.rows, updated_at: format_instant(info.updated_at), report }
    }
}

/// A list that is there.
pub(crate) async fn read(workspace: &Workspace, key: &str) -> Result<ListInfo, Failure> {
    workspace.list(key).await?.ok_or_else(|| unknown(key))
}

/// Makes a list of what was read, in place of the one that has the key.
pub(crate) async fn replace(workspace: &Workspace, key: &str, list: ListFile) -> Result<ListInfo, Failure> {
    let pinned = workspace.pin().await?;
    let counted = tokio::task::spawn_blocking(move || list.matched(&pinned.profiles).map(|matched| (list.report(matched), list)));
    let (report, list) = counted.await.map_err(|e| Failure::Broken(e.to_string()))?.map_err(failure)?;
    let report = serde_json::to_value(report).map_err(|e| Failure::Broken(e.to_string()))?;
    Ok(workspace.replace_list(key, list.ids.into_iter().collect(), report).await?)
}

/// Deletes a list that no segment refers to.
pub(crate) async fn delete(workspace: &Workspace, key: &str) -> Result<(), Failure> {
    let _held = workspace.hold_references().await?;
    let by = segments::referring(workspace, |condition| condition.lists().contains(&key)).await?;
    if !by.is_empty() {
        return Err(Failure::Used { what: format!("list \"{key}\""), by });
    }
    if workspace.delete_list(key).await? { Ok(()) } else { Err(unknown(key)) }
}

fn unknown(key: &str) -> Failure {
    Failure::NotFound(format!("there is no list \"{key}\""))
}
