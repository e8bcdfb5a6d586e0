//! A log whose file was written over in places: it opens, what stands before the damage is read, and what is appended after is there.
#![no_main]

use std::path::Path;

use ingest::log::{LocalLog, Log, LogOptions, Read, Record};
use libfuzzer_sys::fuzz_target;

/// Records before the damage.
const WRITTEN: u64 = 8;

fn record(n: u64) -> Record {
    Record { received_at: n as i64, key: u128::from(n), bytes: vec![n as u8; n as usize * 7].into() }
}

/// Reads from the first offset to the end.
async fn everything(log: &LocalLog) -> Vec<(u64, Record)> {
    let state = log.state();
    let (mut from, mut out) = (state.first, Vec::new());
    while from < state.next {
        let read = log.read(from, 1 << 20).await.unwrap();
        if let Read::Entries(entries) = &read {
            out.extend(entries.iter().map(|e| (e.offset, e.record.clone())));
        }
        let next = read.next(from);
        assert!(next > from, "reading goes on");
        from = next;
    }
    out
}

async fn run(folder: &Path, damage: &[(u16, u8)], cut: u16) {
    let options = || LogOptions { bytes_max: 1 << 20, segment_bytes: 1 << 18, ..LogOptions::default() };
    let (log, _) = LocalLog::open(folder, options()).await.unwrap();
    for n in 0..WRITTEN {
        log.append(vec![record(n)]).await.unwrap();
    }
    log.close().await;
    drop(log);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(mut bytes) = std::fs::read(&path) else { continue };
        if !path.is_file() || bytes.len() < 64 {
            continue;
        }
        for (at, byte) in damage {
            let at = usize::from(*at) % bytes.len();
            bytes[at] ^= byte;
        }
        bytes.truncate(bytes.len().saturating_sub(usize::from(cut) % 128));
        std::fs::write(&path, bytes).unwrap();
    }
    // A header that nobody can read is an error that names the file.
    let Ok((log, _)) = LocalLog::open(folder, options()).await else { return };
    let before = everything(&log).await;
    for (offset, found) in &before {
        assert_eq!(*found, record(*offset), "what is read was written");
    }
    let range = log.append(vec![record(99)]).await.unwrap();
    let after = everything(&log).await;
    assert_eq!(after.last(), Some(&(range.start, record(99))));
    assert_eq!(after.len(), before.len() + 1);
    log.close().await;
}

fuzz_target!(|parts: (Vec<(u16, u8)>, u16)| {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(folder.path(), &parts.0, parts.1));
});
