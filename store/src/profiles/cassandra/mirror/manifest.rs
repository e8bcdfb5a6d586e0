//! Which files a mirror consists of, and up to when it has all changes.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Result, StoreError};
use crate::profiles::ProfileFile;

/// The version of what is written here.
const FORMAT: u32 = 1;

/// A mirror's state, in a file that is replaced whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// The keyspace that it mirrors.
    pub(super) keyspace: String,
    /// All changes until then are in it, microseconds.
    pub(super) as_of: i64,
    /// The file of the notes that will be read again and whose changes are in it; none for no notes.
    pub(super) seen: Option<PathBuf>,
    /// Its files, by number.
    pub(super) files: Vec<ProfileFile>,
    /// Files that were replaced, and when; somebody may be reading them.
    pub(super) replaced: Vec<(PathBuf, i64)>,
    /// Files that the workspace's state names or is about to: a shared lake has copies that are described by them.
    pub(super) kept: Vec<PathBuf>,
}

impl Manifest {
    /// One that nothing is replaced in yet.
    pub(super) fn new(keyspace: &str, as_of: i64, files: Vec<ProfileFile>) -> Self {
        Self { format: FORMAT, keyspace: keyspace.to_owned(), as_of, seen: None, files, replaced: Vec::new(), kept: Vec::new() }
    }

    /// The one that takes this one's place.
    pub(super) fn followed_by(self, as_of: i64, files: Vec<ProfileFile>) -> Self {
        let gone = self.files.iter().filter(|old| !files.iter().any(|f| f.path == old.path)).map(|f| (f.path.clone(), as_of));
        let mut replaced = self.replaced;
        replaced.extend(gone);
        Self { as_of, files, replaced, ..self }
    }

    /// Whether it names a file.
    pub(super) fn names(&self, path: &Path) -> bool {
        self.seen.as_deref() == Some(path)
            || self.files.iter().any(|f| f.path == path)
            || self.replaced.iter().any(|(p, _)| p == path)
            || self.kept.iter().any(|p| p == path)
    }

    /// The one in a folder; `None` where there is none of this keyspace and format.
    pub(super) fn read(folder: &Path, keyspace: &str) -> Result<Option<Self>> {
        let path = path(folder);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io("read", &path, e)),
        };
        let manifest: Self =
            serde_json::from_str(&text).map_err(|e| StoreError::corrupt(format!("{} does not decode", path.display()), e))?;
        Ok(Some(manifest).filter(|m| m.format == FORMAT && m.keyspace == keyspace))
    }

    /// Replaces the one in a folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let (path, fresh) = (path(folder), folder.join("mirror.json.new"));
        let text = serde_json::to_string(self).map_err(|e| StoreError::Invalid(format!("a mirror's state has no JSON: {e}")))?;
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|e| StoreError::io("write", &path, e))
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("mirror.json")
}
