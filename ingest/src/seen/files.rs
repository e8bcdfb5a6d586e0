//! The folder of runs: which there are, from which of the log's records they were made, and when they go.
//!
//! `manifest` is JSON with a check before it, replaced as a whole. A file that it does not name is none of ours and is removed on opening; one
//! that it names and that cannot be read is reported.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::run::{self, Entry, Run};
use crate::log::disk::{Disk, read_full};

/// Runs of one level that are merged into one of the next.
pub(crate) const MERGE_RUNS: usize = 8;
/// The level that is not merged any more.
const LEVEL_MAX: u8 = 2;
/// What the name of a run ends with.
const EXTENSION: &str = "ids";

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Named {
    number: u64,
    level: u8,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    covered: u64,
    next: u64,
    runs: Vec<Named>,
}

/// A run with its name.
#[derive(Clone)]
pub(crate) struct Placed {
    number: u64,
    level: u8,
    pub(crate) run: Arc<Run>,
}

/// The runs, older ones first.
pub(crate) type Runs = Arc<Vec<Placed>>;

/// The folder. Changed by one at a time.
pub(crate) struct Files {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    next: u64,
    /// Offsets of the log below which ids are in runs.
    pub(crate) covered: u64,
    pub(crate) runs: Runs,
}

impl Files {
    /// Opens it, or makes it. Also what cannot be read.
    pub(crate) fn open(disk: Arc<dyn Disk>, folder: &Path) -> io::Result<(Self, Vec<String>)> {
        disk.make_folder(folder)?;
        let mut lost = Vec::new();
        let manifest = match read_manifest(&*disk, &folder.join("manifest")) {
            Ok(manifest) => manifest,
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                lost.push(format!("{}: {e}", folder.join("manifest").display()));
                Manifest::default()
            }
            Err(e) => return Err(e),
        };
        let mut files = Self { disk, folder: folder.to_owned(), next: manifest.next, covered: manifest.covered, runs: Runs::default() };
        let mut runs = Vec::new();
        for Named { number, level } in &manifest.runs {
            let path = files.path(*number);
            match Run::open(&*files.disk, &path) {
                Ok(run) => runs.push(Placed { number: *number, level: *level, run: Arc::new(run) }),
                Err(e) if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound) => {
                    lost.push(format!("{}: {e}", path.display()));
                }
                Err(e) => return Err(e),
            }
        }
        for name in files.disk.list(folder)? {
            let number = name.strip_suffix(EXTENSION).and_then(|name| name.strip_suffix('.')?.parse::<u64>().ok());
            if number.is_some_and(|number| !manifest.runs.iter().any(|named| named.number == number)) {
                files.disk.remove(&folder.join(name))?;
            }
        }
        files.runs = Arc::new(runs);
        Ok((files, lost))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.{EXTENSION}"))
    }

    /// Adds ids that stood in memory, sorted, and says which of the log's records they go up to.
    pub(crate) fn add(&mut self, entries: &[Entry], covered: u64) -> io::Result<()> {
        let mut runs = self.runs.to_vec();
        let number = self.next;
        if !entries.is_empty() {
            let run = run::write(&*self.disk, &self.path(number), entries.len() as u64, entries.iter().map(|entry| Ok(*entry)))?;
            runs.push(Placed { number, level: 0, run: Arc::new(run) });
        }
        self.next = number + 1;
        self.put(runs, covered)
    }

    /// A number for a run that is to be made, and its file.
    pub(crate) fn number(&mut self) -> (u64, PathBuf) {
        self.next += 1;
        (self.next - 1, self.path(self.next - 1))
    }

    /// The oldest runs that are to become one: neighbours of one level that are many enough, and do not span more than a time.
    pub(crate) fn mergeable(&self, span_max: i64) -> Option<Vec<Placed>> {
        self.runs.chunk_by(|a, b| a.level == b.level).find_map(|same| {
            let chosen = same.get(..MERGE_RUNS).filter(|_| same.first().is_some_and(|placed| placed.level < LEVEL_MAX))?;
            let first = chosen.iter().map(|placed| placed.run.first_received).min()?;
            let last = chosen.iter().map(|placed| placed.run.last_received).max()?;
            (last.saturating_sub(first) <= span_max).then(|| chosen.to_vec())
        })
    }

    /// Puts a merged run in the place of those it was made of.
    pub(crate) fn replace(&mut self, merged: &[Placed], number: u64, run: Run) -> io::Result<()> {
        let level = merged.first().map_or(0, |placed| placed.level) + 1;
        let gone = |placed: &Placed| merged.iter().any(|old| old.number == placed.number);
        let place = self.runs.iter().position(gone).unwrap_or(0);
        let mut runs: Vec<Placed> = self.runs.iter().filter(|placed| !gone(placed)).cloned().collect();
        if run.entries > 0 {
            runs.insert(place.min(runs.len()), Placed { number, level, run: Arc::new(run) });
        }
        self.put(runs, self.covered)?;
        self.remove(merged)
    }

    /// Gives up runs of which nothing was received after a time.
    pub(crate) fn expire(&mut self, after: i64) -> io::Result<()> {
        let (gone, kept): (Vec<Placed>, Vec<Placed>) = self.runs.iter().cloned().partition(|placed| placed.run.last_received <= after);
        if gone.is_empty() {
            return Ok(());
        }
        self.put(kept, self.covered)?;
        self.remove(&gone)
    }

    fn remove(&self, runs: &[Placed]) -> io::Result<()> {
        runs.iter().try_for_each(|placed| self.disk.remove(&self.path(placed.number)))
    }

    /// The disk, for who makes a run.
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    fn put(&mut self, runs: Vec<Placed>, covered: u64) -> io::Result<()> {
        let names = runs.iter().map(|placed| Named { number: placed.number, level: placed.level }).collect();
        let json = serde_json::to_vec(&Manifest { version: 1, covered, next: self.next, runs: names })?;
        let mut bytes = xxh3_64(&json).to_le_bytes().to_vec();
        bytes.extend_from_slice(&json);
        let (path, temporary) = (self.folder.join("manifest"), self.folder.join("manifest.tmp"));
        let file = self.disk.create(&temporary)?;
        file.write_all_at(&bytes, 0)?;
        file.sync()?;
        self.disk.rename(&temporary, &path)?;
        self.disk.sync_folder(&self.folder)?;
        (self.covered, self.runs) = (covered, Arc::new(runs));
        Ok(())
    }
}

fn read_manifest(disk: &dyn Disk, path: &Path) -> io::Result<Manifest> {
    let broken = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message.to_owned());
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Manifest { version: 1, ..Manifest::default() }),
        Err(e) => return Err(e),
    };
    let mut bytes = vec![0; file.size()? as usize];
    read_full(&*file, &mut bytes, 0)?;
    let (check, json) = bytes.split_first_chunk().ok_or_else(|| broken("it is empty"))?;
    if xxh3_64(json) != u64::from_le_bytes(*check) {
        return Err(broken("its check does not fit"));
    }
    let manifest: Manifest = serde_json::from_slice(json)?;
    match manifest.version {
        1 => Ok(manifest),
        version => Err(io::Error::other(format!("{} is of version {version}, and this program knows 1", path.display()))),
    }
}
