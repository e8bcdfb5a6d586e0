//! Advisory locks on files, which the kernel releases however a process ends.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::error::{Result, StoreError};

/// How often a lock held for moments is tried again, and how many times.
const RETRY: Duration = Duration::from_millis(20);
const RETRIES_MAX: u32 = 1500;

/// An exclusive lock, held while it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or nothing if somebody has it.
    pub(crate) fn try_take(path: &Path) -> Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| StoreError::io("make", folder, e))?;
        }
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(|e| StoreError::io("open", path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(StoreError::io("lock", path, e)),
        }
    }

    /// Takes the lock of whoever makes a database or tables in it: SQLite cannot wait for another process that does.
    pub(crate) async fn take_making(database: &Path) -> Result<Self> {
        Self::take(&database.with_extension("lock")).await
    }

    /// Takes the lock, waiting for whoever holds it for moments.
    pub(crate) async fn take(path: &Path) -> Result<Self> {
        for _ in 0..RETRIES_MAX {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            tokio::time::sleep(RETRY).await;
        }
        Err(StoreError::Busy(format!("{} stays locked by another process", path.display())))
    }
}
