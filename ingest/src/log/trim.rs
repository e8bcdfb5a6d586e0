//! Consumers' positions, and giving up what all of them have passed.

use super::segments::{Shared, aside};
use super::{CONSUMER_BYTES_MAX, CONSUMERS_MAX, LogError, LogResult};

fn refused(name: &str, message: impl Into<String>) -> LogError {
    LogError::Consumer { name: name.to_owned(), message: message.into() }
}

/// See [`super::Log::register`].
pub(crate) fn register(shared: &Shared, name: &str) -> LogResult<u64> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.is_empty() || name.len() > CONSUMER_BYTES_MAX || !name.chars().all(plain) {
        return Err(refused(name, format!("a name has 1 to {CONSUMER_BYTES_MAX} of a-z, 0-9, '-', '_' and '.'")));
    }
    let mut file = shared.positions();
    if let Some(position) = file.now().consumers.get(name) {
        return Ok(*position);
    }
    let mut positions = file.now().clone();
    if positions.consumers.len() >= CONSUMERS_MAX {
        return Err(refused(name, format!("there are {CONSUMERS_MAX} already: forget one")));
    }
    let first = positions.first;
    positions.consumers.insert(name.to_owned(), first);
    file.store(&*shared.disk, positions).map_err(|e| LogError::now("remember a consumer", shared.options.pause, e))?;
    Ok(first)
}

/// See [`super::Log::checkpoint`].
pub(crate) fn checkpoint(shared: &Shared, name: &str, below: u64) -> LogResult<()> {
    let next = shared.segments().next;
    if below > next {
        return Err(LogError::Beyond { from: below, next });
    }
    let mut file = shared.positions();
    let mut positions = file.now().clone();
    match positions.consumers.get_mut(name) {
        None => return Err(refused(name, "is not registered")),
        Some(position) if *position >= below => return Ok(()),
        Some(position) => *position = below,
    }
    file.store(&*shared.disk, positions).map_err(|e| LogError::now("remember a position", shared.options.pause, e))
}

/// See [`super::Log::forget`].
pub(crate) fn forget(shared: &Shared, name: &str) -> LogResult<()> {
    let mut file = shared.positions();
    let mut positions = file.now().clone();
    match positions.consumers.remove(name) {
        None => Ok(()),
        Some(_) => file.store(&*shared.disk, positions).map_err(|e| LogError::now("forget a consumer", shared.options.pause, e)),
    }
}

/// See [`super::Log::trim`]. First it is remembered, then files go: a crash in between leaves files, which go when the log is opened.
pub(crate) fn trim(shared: &Shared, below: u64) -> LogResult<u64> {
    let next = shared.segments().next;
    let first = {
        let mut file = shared.positions();
        let held = file.now().consumers.values().copied().min().unwrap_or(u64::MAX);
        let first = below.min(held).min(next);
        if first > file.now().first {
            let mut positions = file.now().clone();
            positions.first = first;
            file.store(&*shared.disk, positions).map_err(|e| LogError::now("remember a position", shared.options.pause, e))?;
        }
        file.now().first
    };
    let mut gone = Vec::new();
    {
        let mut segments = shared.segments();
        segments.first = segments.first.max(first);
        while segments.list.get(1).is_some_and(|follower| follower.first <= first) {
            gone.extend(segments.list.pop_front());
        }
    }
    for segment in gone {
        remove(shared, segment.first, segment.damaged).map_err(|e| LogError::now("remove a file", shared.options.pause, e))?;
    }
    Ok(first)
}

/// Removes a segment's file, or keeps it aside if it is damaged.
fn remove(shared: &Shared, first: u64, damaged: bool) -> std::io::Result<()> {
    let path = shared.path(first);
    let done = match path.file_name().filter(|_| damaged) {
        Some(name) => shared.disk.rename(&path, &aside(&shared.folder).join(name)),
        None => shared.disk.remove(&path),
    };
    match done {
        // Somebody was there before.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
