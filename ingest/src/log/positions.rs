//! Where consumers stand, from where on the log is kept, and which segment is the newest.
//!
//! One file of two slots, written in turn, in place: so that a full disk can still be trimmed, and a write that is cut off leaves the
//! other slot. A slot: `length u32, check u64, JSON`. After a failed write or sync the file is replaced by a new one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::disk::{Disk, DiskFile, read_full};

/// Bytes of a slot: enough for [`super::CONSUMERS_MAX`] names.
const SLOT: usize = 4096;
/// Bytes before its JSON.
const SLOT_HEAD: usize = 12;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Positions {
    /// Counts the writes: the greater one counts.
    sequence: u64,
    /// Offsets below are given up.
    pub(crate) first: u64,
    /// The first offset of the newest segment, so that its loss is noticed.
    pub(crate) newest: Option<u64>,
    /// Consumers, and the offsets below which they are done.
    pub(crate) consumers: BTreeMap<String, u64>,
}

/// The file, and what it says.
pub(crate) struct PositionsFile {
    path: PathBuf,
    /// None after a failure.
    file: Option<Box<dyn DiskFile>>,
    now: Positions,
}

impl PositionsFile {
    /// Opens it, or makes it. Also whether there was one that cannot be read.
    pub(crate) fn open(disk: &dyn Disk, path: PathBuf) -> io::Result<(Self, bool)> {
        let file = match disk.open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut made = Self { path, file: None, now: Positions::default() };
                made.store(disk, Positions::default())?;
                return Ok((made, false));
            }
            Err(e) => return Err(e),
        };
        let mut bytes = vec![0; 2 * SLOT];
        let length = read_full(&*file, &mut bytes, 0)?;
        bytes.truncate(length);
        let found = bytes.chunks(SLOT).filter_map(read_slot).max_by_key(|slot| slot.sequence);
        let lost = found.is_none();
        let mut opened = Self { path, file: Some(file), now: found.unwrap_or_default() };
        if lost {
            opened.file = None;
        }
        Ok((opened, lost))
    }

    /// What it says.
    pub(crate) fn now(&self) -> &Positions {
        &self.now
    }

    /// Changes it, durably or not at all.
    pub(crate) fn store(&mut self, disk: &dyn Disk, mut positions: Positions) -> io::Result<()> {
        positions.sequence = self.now.sequence + 1;
        let slot = write_slot(&positions)?;
        match self.file.take() {
            Some(file) => {
                file.write_all_at(&slot, (positions.sequence % 2) * SLOT as u64)?;
                file.sync()?;
                self.file = Some(file);
            }
            None => self.file = Some(replace(disk, &self.path, &slot)?),
        }
        self.now = positions;
        Ok(())
    }
}

/// A new file with both slots the same.
fn replace(disk: &dyn Disk, path: &Path, slot: &[u8]) -> io::Result<Box<dyn DiskFile>> {
    let temporary = path.with_extension("tmp");
    let file = disk.create(&temporary)?;
    file.write_all_at(slot, 0)?;
    file.write_all_at(slot, SLOT as u64)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        disk.sync_folder(folder)?;
    }
    Ok(file)
}

fn write_slot(positions: &Positions) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(positions)?;
    if json.len() > SLOT - SLOT_HEAD {
        return Err(io::Error::other("more consumers than the file of positions takes"));
    }
    let mut slot = Vec::with_capacity(SLOT);
    slot.extend_from_slice(&(json.len() as u32).to_le_bytes());
    slot.extend_from_slice(&xxh3_64(&json).to_le_bytes());
    slot.extend_from_slice(&json);
    slot.resize(SLOT, 0);
    Ok(slot)
}

fn read_slot(slot: &[u8]) -> Option<Positions> {
    let (length, rest) = slot.split_first_chunk()?;
    let (check, rest) = rest.split_first_chunk()?;
    let json = rest.get(..u32::from_le_bytes(*length) as usize)?;
    (xxh3_64(json) == u64::from_le_bytes(*check)).then(|| serde_json::from_slice(json).ok())?
}
