//! The notes of changes that a mirror has seen and will read again: pairs of a number and an instant, little-endian, one after another.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::super::changes::Note;
use crate::error::{Result, StoreError};

/// How the files are called.
pub(super) const EXTENSION: &str = "seen";
/// Bytes of a note.
const NOTE_BYTES: usize = 16;

/// Reads a file of notes.
pub(super) fn read(path: &Path) -> Result<HashSet<Note>> {
    let bytes = std::fs::read(path).map_err(|e| StoreError::io("read", path, e))?;
    let word = |bytes: &[u8]| <[u8; 8]>::try_from(bytes).unwrap_or_default();
    let note = |pair: &[u8]| (u64::from_le_bytes(word(&pair[..8])), i64::from_le_bytes(word(&pair[8..])));
    Ok(bytes.chunks_exact(NOTE_BYTES).map(note).collect())
}

/// Writes a new file of notes; `None` for none.
pub(super) fn write(folder: &Path, notes: impl Iterator<Item = Note>) -> Result<Option<PathBuf>> {
    let mut bytes = Vec::new();
    for (number, at) in notes {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&at.to_le_bytes());
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    let path = folder.join(format!("{}.{EXTENSION}", Uuid::new_v4().simple()));
    let write = || -> std::io::Result<()> {
        std::fs::write(&path, &bytes)?;
        std::fs::File::open(&path)?.sync_all()
    };
    write().map_err(|e| StoreError::io("write", &path, e))?;
    Ok(Some(path))
}
