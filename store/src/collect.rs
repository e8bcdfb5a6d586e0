//! Removing what no state names any more, once nobody can be reading it.

use crate::error::Result;
use crate::lake::GARBAGE_AGE;
use crate::meta::{Garbage, remove};
use crate::store::Shared;

/// Removes old garbage of a workspace.
pub(crate) async fn collect(shared: &Shared, workspace: &str) -> Result<()> {
    let old = shared.meta.old_garbage(workspace, GARBAGE_AGE).await?;
    for entry in &old {
        match (entry, &shared.lake) {
            (Garbage::Path(path), _) => remove(path)?,
            (Garbage::Object(uri), Some(lake)) => lake.objects().delete(uri).await?,
            (Garbage::Table(table), Some(_)) => remove_table(shared, workspace, table).await?,
            // The directory remembers which lake it has, so these cannot be there without one.
            (Garbage::Object(_) | Garbage::Table(_), None) => {}
        }
    }
    if old.is_empty() { Ok(()) } else { shared.meta.forget_garbage(workspace, &old).await }
}

/// Removes a table of a shared lake with its files. The catalog forgets it last, so that it is found again if this is interrupted.
pub(crate) async fn remove_table(shared: &Shared, workspace: &str, table: &str) -> Result<()> {
    if let Some(lake) = &shared.lake {
        lake.objects().delete_below(&lake.table(workspace, table)).await?;
    }
    shared.tables().await?.drop(workspace, table).await
}
