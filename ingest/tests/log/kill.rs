//! `kill -9` under load, again and again: what was acknowledged is stored, each message once.
//!
//! The killed process is this test binary, started once more with [`FOLDER`] set. It sends all messages from the first one on each time, some of them
//! twice at once, and prints which are acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use ingest::log::disk::RealDisk;
use ingest::log::{Log, Record};
use ingest::seen::{Intake, SeenOptions, key};
use tokio::task::JoinSet;

use crate::common::{all, reopened};

const FOLDER: &str = "MUSTER_LOG_TEST_FOLDER";
const KILLS: u64 = 50;

async fn open(folder: &Path) -> (Arc<ingest::log::LocalLog>, Intake) {
    let (log, opened) = reopened(&folder.join("log")).await;
    assert_eq!((opened.gaps, opened.positions_lost), (vec![], false));
    let log = Arc::new(log);
    let options = SeenOptions { memory_ids: 100, ..SeenOptions::default() };
    let (intake, lost) = Intake::open(Arc::clone(&log) as Arc<dyn Log>, &folder.join("seen"), options, Arc::new(RealDisk)).await.unwrap();
    assert_eq!(lost, Vec::<String>::new());
    (log, intake)
}

async fn child(folder: &Path) {
    let (_log, intake) = open(folder).await;
    let mut senders = JoinSet::new();
    for sender in 0..6u64 {
        let intake = intake.clone();
        senders.spawn(async move {
            let mut next = 0;
            loop {
                // Two senders send the same messages, in batches of their own sizes.
                let ids: Vec<String> = (next..next + 1 + sender).map(|n| format!("{}-{n}", sender / 2)).collect();
                let record = |id: &String| Record { received_at: 1, key: key("w", id), bytes: Bytes::from(id.clone()) };
                intake.append(ids.iter().map(record).collect()).await.unwrap();
                let lines: String = ids.iter().map(|id| format!("stored {id}\n")).collect();
                std::io::stdout().lock().write_all(lines.as_bytes()).unwrap();
                next += 1 + sender;
            }
        });
    }
    // They run until the process is killed, unless one panics.
    senders.join_next().await.unwrap().unwrap();
}

/// Runs it until so many new messages are acknowledged, and kills it.
fn killed(folder: &Path, acked: &mut BTreeSet<String>, more: usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::what_is_acknowledged_survives_kill_nine", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let until = acked.len() + more;
    let mut take = |line: String| {
        acked.extend(line.strip_prefix("stored ").map(str::to_owned));
        acked.len() < until
    };
    while lines.next().is_some_and(|line| take(line.unwrap())) {}
    child.kill().unwrap();
    // What it had said by then counts as well, but for a line that was cut off.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    for line in rest.iter().take(rest.len().saturating_sub(1)) {
        take(line.clone());
    }
    assert!(!child.wait().unwrap().success());
}

#[test]
fn what_is_acknowledged_survives_kill_nine() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Ok(folder) = std::env::var(FOLDER) {
        return runtime.block_on(child(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acked = BTreeSet::new();
    for n in 0..KILLS {
        killed(folder.path(), &mut acked, (n * 37 % 90) as usize);
        runtime.block_on(async {
            let (log, intake) = open(folder.path()).await;
            let mut stored = BTreeMap::new();
            for entry in all(&log).await.0 {
                *stored.entry(String::from_utf8(entry.record.bytes.to_vec()).unwrap()).or_insert(0) += 1;
            }
            assert_eq!(stored.iter().find(|(_, times)| **times > 1), None);
            assert_eq!(acked.iter().find(|id| !stored.contains_key(*id)), None);
            drop(intake);
            log.close().await;
        });
    }
    assert!(acked.len() > 1_000, "{}", acked.len());
}
