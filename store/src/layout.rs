//! Where things are in a data directory.

use std::path::{Path, PathBuf};

/// The paths of a data directory; its root is absolute.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// A layout below an absolute path.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The data directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The SQLite file.
    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("muster.db")
    }

    /// The folder of all Iceberg tables.
    pub(crate) fn warehouse(&self) -> PathBuf {
        self.root.join("warehouse")
    }

    /// The folder of one Iceberg table.
    pub(crate) fn table(&self, workspace: &str, table: &str) -> PathBuf {
        self.warehouse().join(workspace).join(table)
    }

    /// The folder of a workspace's profiles.
    pub(crate) fn profiles(&self, workspace: &str) -> PathBuf {
        self.root.join("profiles").join(workspace)
    }

    /// The key-value store of profiles.
    pub(crate) fn users(&self, workspace: &str) -> PathBuf {
        self.profiles(workspace).join("users.redb")
    }

    /// The folder of the profiles' columnar form.
    pub(crate) fn columns(&self, workspace: &str) -> PathBuf {
        self.profiles(workspace).join("columns")
    }

    /// The folder of collected events that are not in the lake yet.
    pub(crate) fn recent(&self, workspace: &str) -> PathBuf {
        self.root.join("recent").join(workspace)
    }

    /// Where event files are until they are uploaded to a shared lake.
    pub(crate) fn staging(&self, workspace: &str) -> PathBuf {
        self.profiles(workspace).join("staging")
    }

    /// The lock of the one writer.
    pub(crate) fn write_lock(&self, workspace: &str) -> PathBuf {
        self.profiles(workspace).join("write.lock")
    }

    /// The lock of whoever checks what refers to what, and then changes it.
    pub(crate) fn references_lock(&self, workspace: &str) -> PathBuf {
        self.profiles(workspace).join("references.lock")
    }

    /// The lock of whoever changes lists.
    pub(crate) fn lists_lock(&self, workspace: &str) -> PathBuf {
        self.profiles(workspace).join("lists.lock")
    }
}
