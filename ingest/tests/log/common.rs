//! Small logs.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ingest::log::disk::RealDisk;
use ingest::log::{Entry, Gap, LocalLog, Log, LogError, LogOptions, Opened, Read, Record};

pub fn options() -> LogOptions {
    LogOptions { bytes_max: 1 << 20, segment_bytes: 2_000, queue_bytes: 1 << 20, pause: Duration::ZERO }
}

pub fn record(text: &str) -> Record {
    Record { received_at: 1_000_000 + text.len() as i64, key: 7, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

pub async fn open(folder: &Path) -> (LocalLog, Opened) {
    LocalLog::open_on(folder, options(), Box::new(RealDisk)).await.unwrap()
}

/// All there is, from the first offset on.
pub async fn all(log: &LocalLog) -> (Vec<Entry>, Vec<Gap>) {
    let (mut entries, mut gaps) = (Vec::new(), Vec::new());
    let mut from = log.state().first;
    while from < log.state().next {
        let read = log.read(from, 300).await.unwrap();
        assert!(read.next(from) > from);
        from = read.next(from);
        match read {
            Read::Entries(more) => entries.extend(more),
            Read::Gap(gap) => gaps.push(gap),
        }
    }
    (entries, gaps)
}

/// Appends `record 0` and so on, one by one.
pub async fn filled(folder: &Path, records: u64) {
    let (log, _) = open(folder).await;
    for n in 0..records {
        assert_eq!(log.append(vec![record(&format!("record {n}"))]).await.unwrap(), n..n + 1);
    }
    log.close().await;
}

/// Segment files, in order.
pub fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    files
}

/// Checks that every entry is `record n` at offset n, and that entries and gaps cover all offsets once.
pub fn check(entries: &[Entry], gaps: &[Gap], offsets: std::ops::Range<u64>) {
    let mut covered: Vec<(u64, u64)> = gaps.iter().map(|gap| (gap.from, gap.next)).collect();
    for entry in entries {
        assert_eq!(entry.record, record(&format!("record {}", entry.offset)));
        covered.push((entry.offset, entry.offset + 1));
    }
    covered.sort_unstable();
    let mut at = offsets.start;
    for (from, next) in covered {
        assert_eq!(from, at, "{gaps:?}");
        at = next;
    }
    assert_eq!(at, offsets.end, "{gaps:?}");
}

pub async fn try_open(folder: &Path) -> ingest::log::LogResult<(LocalLog, Opened)> {
    LocalLog::open_on(folder, options(), Box::new(RealDisk)).await
}

/// Opens it as soon as who had it lets go of it.
pub async fn reopened(folder: &Path) -> (LocalLog, Opened) {
    loop {
        match try_open(folder).await {
            Err(LogError::InUse { .. }) => tokio::task::yield_now().await,
            opened => return opened.unwrap(),
        }
    }
}
