//! Duplicates: each message once, answered when it is durable.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingest::log::disk::{Disk, RealDisk};
use ingest::log::{Entry, LocalLog, Log, LogError, Read, Record};
use ingest::seen::{Intake, Outcome, SeenOptions, key};
use proptest::prelude::*;

use crate::common::{options, reopened};
use crate::sim::SimDisk;

const HORIZON_US: i64 = 1_000;

fn small() -> SeenOptions {
    SeenOptions {
        horizon: Duration::from_micros(HORIZON_US as u64),
        memory_ids: 8,
        log_bytes: 1 << 20,
        wait_max: Duration::from_secs(60),
        ..SeenOptions::default()
    }
}

fn message(id: u32, received_at: i64) -> Record {
    Record { received_at, key: key("w", &id.to_string()), bytes: Bytes::from(format!("{id} at {received_at}")) }
}

/// A log and its intake on one simulated disk.
async fn open(disk: &SimDisk, options_of: SeenOptions) -> (Arc<LocalLog>, Intake) {
    let (log, opened) = LocalLog::open_on(Path::new("/log"), options(), disk.life()).await.unwrap();
    assert_eq!(opened.gaps, []);
    let log = Arc::new(log);
    let (intake, lost) =
        Intake::open(Arc::clone(&log) as Arc<dyn Log>, Path::new("/seen"), options_of, Arc::from(disk.life())).await.unwrap();
    assert_eq!(lost, Vec::<String>::new());
    (log, intake)
}

async fn entries(log: &LocalLog) -> Vec<Entry> {
    let (entries, gaps) = crate::common::all(log).await;
    assert_eq!(gaps, []);
    entries
}

/// Sends until there is room: while a file is written, few ids are taken.
async fn patient(intake: &Intake, records: Vec<Record>) -> Vec<Outcome> {
    loop {
        match intake.append(records.clone()).await {
            Err(LogError::Unavailable { .. }) => tokio::task::yield_now().await,
            answer => return answer.unwrap(),
        }
    }
}

#[test]
fn keys_are_of_workspace_and_id() {
    assert_eq!(key("a", "b"), key("a", "b"));
    assert_ne!(key("a", "b"), key("ab", ""));
    assert_ne!(key("a", "b"), key("b", "b"));
}

#[tokio::test]
async fn one_of_a_batch_and_one_of_two_requests() {
    let disk = SimDisk::default();
    let (log, intake) = open(&disk, small()).await;
    let outcomes = intake.append(vec![message(1, 0), message(2, 0), message(1, 5)]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Stored(0), Outcome::Stored(1), Outcome::Duplicate]);
    assert_eq!(intake.append(vec![message(2, 9), message(3, 9)]).await.unwrap(), [Outcome::Duplicate, Outcome::Stored(2)]);
    let nameless = Record { key: 0, ..message(4, 9) };
    assert_eq!(intake.append(vec![nameless.clone(), nameless]).await.unwrap(), [Outcome::Stored(3), Outcome::Stored(4)]);
    assert_eq!((entries(&log).await.len(), intake.state().duplicates), (5, 2));
}

#[tokio::test]
async fn the_horizon_s_edge() {
    let disk = SimDisk::default();
    let (_, intake) = open(&disk, small()).await;
    for (received_at, expected) in [
        (0, Outcome::Stored(0)),
        (HORIZON_US, Outcome::Duplicate),
        // The horizon is of the first that was accepted.
        (HORIZON_US + 1, Outcome::Stored(1)),
        (HORIZON_US + 2, Outcome::Duplicate),
        (2 * HORIZON_US + 1, Outcome::Duplicate),
        (2 * HORIZON_US + 2, Outcome::Stored(2)),
    ] {
        assert_eq!(intake.append(vec![message(1, received_at)]).await.unwrap(), [expected]);
    }
}

#[tokio::test]
async fn a_second_copy_waits_for_the_first_and_shares_its_end() {
    for fails in [false, true] {
        let disk = SimDisk::default();
        let (log, intake) = open(&disk, small()).await;
        intake.append(vec![message(0, 0)]).await.unwrap();
        disk.faults(|faults| faults.stuck = true);
        let send = |records| {
            let intake = intake.clone();
            tokio::spawn(async move { intake.append(records).await })
        };
        let first = send(vec![message(1, 1), message(2, 1)]);
        while intake.state().duplicates == 0 {
            // Comes to nothing as long as the first one is not on its way.
            let second = send(vec![message(2, 1)]);
            tokio::task::yield_now().await;
            assert!(!second.is_finished());
            second.abort();
        }
        let second = send(vec![message(2, 1), message(3, 1)]);
        while intake.state().duplicates < 2 {
            tokio::task::yield_now().await;
        }
        assert!(!first.is_finished() && !second.is_finished());
        disk.faults(|faults| (faults.stuck, faults.sync) = (false, fails.then_some(ErrorKind::Other)));
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        if fails {
            assert!(matches!(first, Err(LogError::Unavailable { .. })));
            assert!(matches!(second, Err(LogError::Unavailable { .. })));
            let again = intake.append(vec![message(1, 2), message(2, 2)]).await.unwrap();
            assert!(again.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
        } else {
            assert_eq!(first.unwrap(), [Outcome::Stored(1), Outcome::Stored(2)]);
            assert_eq!(second.unwrap()[0], Outcome::Duplicate);
        }
        let entries = entries(&log).await;
        assert_eq!(entries.iter().filter(|entry| entry.record.bytes.starts_with(b"2 at")).count(), 1);
    }
}

#[tokio::test]
async fn a_disk_that_stands_still_is_unavailable_and_nothing_is_stored_twice() {
    let disk = SimDisk::default();
    let (log, intake) = open(&disk, SeenOptions { wait_max: Duration::from_millis(50), ..small() }).await;
    intake.append(vec![message(0, 0)]).await.unwrap();
    disk.faults(|faults| faults.stuck = true);
    for _ in 0..3 {
        let refused = intake.append(vec![message(1, 0)]).await.unwrap_err();
        assert!(matches!(refused, LogError::Unavailable { .. }) && refused.retry_after().is_some());
    }
    disk.faults(|faults| faults.stuck = false);
    while intake.append(vec![message(1, 0)]).await.is_err() {}
    assert_eq!(entries(&log).await.len(), 2);
}

#[tokio::test]
async fn files_take_over_merge_expire_and_let_the_log_go() {
    let folder = tempfile::tempdir().unwrap();
    let (log_folder, seen_folder) = (folder.path().join("log"), folder.path().join("seen"));
    let open = async || {
        let log = Arc::new(reopened(&log_folder).await.0);
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (intake, lost) = Intake::open(Arc::clone(&log) as Arc<dyn Log>, &seen_folder, small(), disk).await.unwrap();
        assert_eq!(lost, Vec::<String>::new());
        (log, intake)
    };
    let (mut log, mut intake) = open().await;
    let mut merged = false;
    for n in 0..2_000u32 {
        let at = i64::from(n);
        assert_eq!(patient(&intake, vec![message(n, at)]).await, [Outcome::Stored(u64::from(n))]);
        let old = n.saturating_sub(n % 700);
        let expected = if n - old <= HORIZON_US as u32 { Outcome::Duplicate } else { Outcome::Stored(0) };
        assert_eq!(patient(&intake, vec![message(old, at)]).await, [expected]);
        let state = intake.state();
        merged |= state.files > 1 && state.file_ids / state.files > 12;
        if n % 500 == 499 {
            log.close().await;
            drop((log, intake));
            (log, intake) = open().await;
        }
    }
    let state = intake.state();
    assert!(merged && state.files < 200 && state.file_ids < 1_700, "{state:?}");
    assert!(log.trim(u64::MAX).await.unwrap() <= state.covered);
    assert!(state.covered > 1_800 && log.state().first > 1_000);
    assert_eq!(
        std::fs::read_dir(&seen_folder).unwrap().filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "ids")).count()
            as u64,
        state.files
    );
}

#[tokio::test]
async fn a_lost_file_is_reported() {
    let disk = SimDisk::default();
    let (log, intake) = open(&disk, small()).await;
    let mut n = 0;
    while intake.state().files == 0 {
        patient(&intake, vec![message(n, 0)]).await;
        n += 1;
    }
    log.close().await;
    drop((log, intake));
    disk.crash(0);
    for name in disk.life().list(Path::new("/seen")).unwrap().iter().filter(|name| name.ends_with(".ids")) {
        disk.life().remove(&Path::new("/seen").join(name)).unwrap();
    }
    let log = Arc::new(LocalLog::open_on(Path::new("/log"), options(), disk.life()).await.unwrap().0);
    let (_, lost) = Intake::open(log, Path::new("/seen"), small(), Arc::from(disk.life())).await.unwrap();
    assert!(!lost.is_empty() && lost.iter().all(|lost| lost.contains(".ids")), "{lost:?}");
}

#[derive(Debug, Clone)]
enum Step {
    Send(Vec<u32>),
    /// Two requests at once.
    Both(Vec<u32>, Vec<u32>),
    Wait(i64),
    Crash(u64),
    FailWrite,
    FailSync,
    Trim,
}

fn step() -> impl Strategy<Value = Step> {
    let ids = || proptest::collection::vec(0..40u32, 1..8);
    prop_oneof![
        8 => ids().prop_map(Step::Send),
        4 => (ids(), ids()).prop_map(|(a, b)| Step::Both(a, b)),
        4 => (0..300i64).prop_map(Step::Wait),
        2 => any::<u64>().prop_map(Step::Crash),
        1 => Just(Step::FailWrite),
        1 => Just(Step::FailSync),
        1 => Just(Step::Trim),
    ]
}

/// What a log held, whether it is trimmed by now or not.
async fn gather(log: &LocalLog, all: &mut Vec<Record>) {
    let mut from = all.len() as u64;
    while from < log.state().next {
        let Read::Entries(more) = log.read(from, 1 << 20).await.unwrap() else { panic!("a gap") };
        for entry in more {
            assert_eq!(entry.offset, all.len() as u64);
            all.push(entry.record);
        }
        from = all.len() as u64;
    }
}

fn judge(sent: &[Record], answer: &Result<Vec<Outcome>, LogError>, all: &[Record]) {
    match answer {
        Err(error) => assert!(error.retry_after().is_some(), "{error}"),
        Ok(outcomes) => {
            for (record, outcome) in sent.iter().zip(outcomes) {
                match outcome {
                    Outcome::Stored(offset) => assert_eq!(&all[*offset as usize], record),
                    Outcome::Duplicate => assert!(
                        all.iter().any(|first| first.key == record.key && record.received_at - first.received_at <= HORIZON_US),
                        "a duplicate of nothing: {record:?}"
                    ),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_message_is_stored_once(steps in proptest::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
            let disk = SimDisk::default();
            let (mut log, mut intake) = open(&disk, small()).await;
            let (mut now, mut all) = (0, Vec::new());
            for step in steps {
                match step {
                    Step::Send(ids) => {
                        let sent: Vec<Record> = ids.into_iter().map(|id| message(id, now)).collect();
                        let answer = intake.append(sent.clone()).await;
                        gather(&log, &mut all).await;
                        judge(&sent, &answer, &all);
                    }
                    Step::Both(a, b) => {
                        let [a, b] = [a, b].map(|ids| ids.into_iter().map(|id| message(id, now)).collect::<Vec<_>>());
                        let (first, second) = tokio::join!(intake.append(a.clone()), intake.append(b.clone()));
                        gather(&log, &mut all).await;
                        judge(&a, &first, &all);
                        judge(&b, &second, &all);
                    }
                    Step::Wait(us) => now += us,
                    Step::Crash(chance) => {
                        disk.crash(chance);
                        log.close().await;
                        drop((log, intake));
                        (log, intake) = open(&disk, small()).await;
                        gather(&log, &mut all).await;
                    }
                    Step::FailWrite => disk.faults(|faults| faults.write = Some(ErrorKind::Other)),
                    Step::FailSync => disk.faults(|faults| faults.sync = Some(ErrorKind::Other)),
                    Step::Trim => { let _ = log.trim(u64::MAX).await; }
                }
            }
            for (n, later) in all.iter().enumerate() {
                for first in all.iter().take(n).filter(|first| first.key == later.key) {
                    assert!(later.received_at - first.received_at > HORIZON_US, "stored twice: {first:?} {later:?}");
                }
            }
        });
    }
}
