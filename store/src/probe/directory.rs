//! The data directory.

use std::io::Write;
use std::path::Path;

use uuid::Uuid;

use super::Fault;
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::store::Store;

/// Whether a data directory can be written to and read, and what is in it; one that is not there yet must be makeable.
///
/// # Errors
///
/// What is wrong with it.
pub async fn directory(dir: &Path, config: StoreConfig) -> Result<String, Fault> {
    let shown = dir.display();
    if !dir.exists() {
        let parent = dir.ancestors().skip(1).find(|p| p.exists() || p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        writable(parent)?;
        return Ok(format!("{shown} is not there; the first import makes it"));
    }
    writable(dir)?;
    if !dir.join("muster.db").is_file() {
        return Ok(format!("{shown} can be written to, and holds nothing yet"));
    }
    let store = Store::open_existing_with(dir, config).await;
    let names = match store {
        Ok(store) => store.workspaces().await,
        Err(e) => Err(e),
    };
    let names = names.map_err(|e| {
        let todo = match e {
            StoreError::Conflict(_) => "configure the lake that it was made with, or take another data directory".to_owned(),
            _ => format!("see whether {shown}/muster.db is readable and whole"),
        };
        Fault::new(crate::error::chain(&e), todo)
    })?;
    let workspaces = if names.is_empty() { "no workspace yet".to_owned() } else { format!("workspaces {}", names.join(", ")) };
    Ok(format!("{shown} can be written to; {workspaces}"))
}

/// Makes a file and removes it.
fn writable(dir: &Path) -> Result<(), Fault> {
    let path = dir.join(format!(".muster-check-{}", Uuid::new_v4().simple()));
    let written = std::fs::File::create_new(&path).and_then(|mut f| {
        f.write_all(b"muster")?;
        f.sync_all()
    });
    // The first error is the one to report.
    let removed = std::fs::remove_file(&path);
    written.and(removed).map_err(|e| {
        Fault::new(
            format!("cannot write to {}: {e}", dir.display()),
            "give Muster's user a directory it may write to, on a disk with room (--data)",
        )
    })
}
