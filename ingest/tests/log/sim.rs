//! A disk in memory that keeps after a crash what was synced, and of the rest what chance leaves: whole writes or parts of them.
//! It fails and waits when told to. After a failed sync it forgets that there was something to sync, as Linux does.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use ingest::log::disk::{Disk, DiskFile};

/// Bytes that are written whole or not at all.
const SECTOR: usize = 32;

#[derive(Default)]
struct Inode {
    /// What a reader sees.
    now: Vec<u8>,
    /// What a crash leaves.
    durable: Vec<u8>,
    /// What a sync would make durable.
    pending: Vec<Change>,
    syncs_failed: u32,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, bytes) => {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Change::Size(size) => content.resize(*size, 0),
    }
}

type Names = BTreeMap<PathBuf, usize>;

/// What goes wrong next.
#[derive(Default)]
pub struct Faults {
    pub write: Option<io::ErrorKind>,
    pub sync: Option<io::ErrorKind>,
    /// Syncs wait while this is set.
    pub stuck: bool,
    /// Bytes of all files together.
    pub bytes_max: Option<usize>,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    faults: Faults,
    /// Counts crashes: who held something before has nothing after.
    life: u64,
    locked: bool,
    chance: u64,
    /// A file was written or synced again after a sync of it had failed.
    retried: bool,
}

impl State {
    fn chance(&mut self) -> bool {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.chance >> 63 == 1
    }

    /// Of what was not synced, what chance leaves, in no order.
    fn half(&mut self, inode: usize) {
        for change in std::mem::take(&mut self.inodes[inode].pending) {
            match change {
                Change::Write(at, bytes) if self.chance() => {
                    for (n, sector) in bytes.chunks(SECTOR).enumerate() {
                        if self.chance() {
                            apply(&mut self.inodes[inode].durable, &Change::Write(at + n * SECTOR, sector.to_vec()));
                        }
                    }
                }
                whole @ Change::Size(_) | whole @ Change::Write(..) => {
                    if self.chance() {
                        apply(&mut self.inodes[inode].durable, &whole);
                    }
                }
            }
        }
    }
}

/// The disk. Clones are one and the same.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<(Mutex<State>, Condvar)>);

impl SimDisk {
    pub fn faults(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.0.0.lock().unwrap().faults);
        self.0.1.notify_all();
    }

    /// The power goes.
    pub fn crash(&self, chance: u64) {
        let state = &mut *self.0.0.lock().unwrap();
        state.chance = chance;
        for inode in 0..state.inodes.len() {
            state.half(inode);
            let inode = &mut state.inodes[inode];
            inode.now = inode.durable.clone();
            inode.syncs_failed = 0;
        }
        if state.chance() {
            // What a folder holds may have become durable by itself.
            state.durable_names = state.names.clone();
        }
        state.names = state.durable_names.clone();
        state.faults = Faults::default();
        state.life += 1;
        state.locked = false;
    }

    /// Whether a file was synced again after that had failed.
    pub fn retried(&self) -> bool {
        self.0.0.lock().unwrap().retried
    }

    /// Bytes that a reader of a file sees.
    pub fn bytes(&self, path: &Path) -> usize {
        let state = self.0.0.lock().unwrap();
        state.names.get(path).map_or(0, |inode| state.inodes[*inode].now.len())
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
    life: u64,
}

impl SimFile {
    fn with<T>(&self, work: impl FnOnce(&mut State, usize) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.0.0.lock().unwrap();
        if state.life != self.life {
            return Err(io::Error::other("the machine is off"));
        }
        work(&mut state, self.inode)
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        self.with(|state, inode| Ok(state.inodes[inode].now.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.with(|state, inode| {
            let rest = state.inodes[inode].now.get(at as usize..).unwrap_or_default();
            let length = rest.len().min(buffer.len()).min(1_000);
            buffer[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        })
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.with(|state, inode| {
            let mut bytes = bytes.to_vec();
            let taken: usize = state.names.values().map(|inode| state.inodes[*inode].now.len()).sum();
            let more = (at as usize + bytes.len()).saturating_sub(state.inodes[inode].now.len());
            let full = state.faults.bytes_max.is_some_and(|max| more > 0 && taken + more > max);
            let failed = full.then_some(io::ErrorKind::StorageFull).or(state.faults.write.take());
            if failed.is_some() {
                bytes.truncate(bytes.len() / 2);
            }
            state.retried |= state.inodes[inode].syncs_failed > 0;
            let change = Change::Write(at as usize, bytes);
            apply(&mut state.inodes[inode].now, &change);
            state.inodes[inode].pending.push(change);
            failed.map_or(Ok(()), |kind| Err(kind.into()))
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.0.lock().unwrap();
        while state.faults.stuck && state.life == self.life {
            state = self.disk.0.1.wait(state).unwrap();
        }
        drop(state);
        self.with(|state, inode| {
            state.retried |= state.inodes[inode].syncs_failed > 0;
            if let Some(kind) = state.faults.sync.take() {
                state.inodes[inode].syncs_failed += 1;
                state.half(inode);
                return Err(kind.into());
            }
            let inode = &mut state.inodes[inode];
            for change in inode.pending.drain(..) {
                apply(&mut inode.durable, &change);
            }
            Ok(())
        })
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.with(|state, inode| {
            let change = Change::Size(bytes as usize);
            apply(&mut state.inodes[inode].now, &change);
            state.inodes[inode].pending.push(change);
            Ok(())
        })
    }
}

/// Given back when it is dropped.
struct SimLock(SimDisk, u64);

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.0.0.0.lock().unwrap();
        if state.life == self.1 {
            state.locked = false;
        }
    }
}

/// The disk as one life of a program sees it: after a crash it has nothing more.
pub struct Life(SimDisk, u64);

impl SimDisk {
    /// Opening writes anew whatever it syncs, so that it may: only pages that nobody wrote again are forgotten.
    pub fn life(&self) -> Box<dyn Disk> {
        let mut state = self.0.0.lock().unwrap();
        state.inodes.iter_mut().for_each(|inode| inode.syncs_failed = 0);
        Box::new(Life(self.clone(), state.life))
    }
}

impl Life {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.0.0.lock().unwrap();
        if state.life != self.1 {
            return Err(io::Error::other("the machine is off"));
        }
        work(&mut state)
    }

    fn file(&self, inode: usize) -> Box<dyn DiskFile> {
        Box::new(SimFile { disk: self.0.clone(), inode, life: self.1 })
    }
}

impl Disk for Life {
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.with(|state| {
            let here = state.names.keys().filter(|path| path.parent() == Some(folder));
            Ok(here.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.with(|state| {
            state.inodes.push(Inode::default());
            let inode = state.inodes.len() - 1;
            state.names.insert(path.to_owned(), inode);
            Ok(inode)
        })?;
        Ok(self.file(inode))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(self.with(|state| state.names.get(path).copied().ok_or(io::ErrorKind::NotFound.into()))?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|state| {
            let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.names.insert(to.to_owned(), inode);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with(|state| state.names.remove(path).map(|_| ()).ok_or(io::ErrorKind::NotFound.into()))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.with(|state| {
            let elsewhere = |path: &PathBuf| path.parent() != Some(folder);
            state.durable_names.retain(|path, _| elsewhere(path));
            let here: Vec<_> = state.names.iter().filter(|(path, _)| !elsewhere(path)).map(|(p, i)| (p.clone(), *i)).collect();
            state.durable_names.extend(here);
            Ok(())
        })
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.with(|state| match std::mem::replace(&mut state.locked, true) {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        })?;
        Ok(Box::new(SimLock(self.0.clone(), self.1)))
    }
}
