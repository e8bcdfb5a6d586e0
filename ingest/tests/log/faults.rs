//! Disks that fail, fill up and stand still.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ingest::log::{LocalLog, Log, LogError, LogOptions, Read};

use crate::common::{all, check, options, record};
use crate::sim::SimDisk;

async fn open(disk: &SimDisk, options: LogOptions) -> LocalLog {
    LocalLog::open_on(Path::new("/log"), options, disk.life()).await.unwrap().0
}

async fn next(log: &LocalLog) -> Result<u64, LogError> {
    let next = log.state().next;
    log.append(vec![record(&format!("record {next}"))]).await.map(|offsets| offsets.start)
}

#[tokio::test]
async fn a_failed_write_or_sync_is_everybody_s_and_the_file_is_left_alone() {
    for write in [true, false] {
        for chance in 0..20 {
            let disk = SimDisk::default();
            let log = open(&disk, options()).await;
            for n in 0..3 {
                assert_eq!(next(&log).await.unwrap(), n);
            }
            disk.faults(|faults| match write {
                true => faults.write = Some(ErrorKind::Other),
                false => faults.sync = Some(ErrorKind::Other),
            });
            let refused = log.append(vec![record("lost")]).await.unwrap_err();
            assert!(matches!(refused, LogError::Unavailable { .. }) && refused.retry_after().is_some());
            assert!(log.state().refusing.is_some());
            assert_eq!(log.state().next, 3);
            if chance % 2 == 0 {
                // Comes back in a file of its own, and what failed stays away.
                assert_eq!(next(&log).await.unwrap(), 3);
                assert_eq!(log.state().refusing, None);
                let (entries, gaps) = all(&log).await;
                check(&entries, &gaps, 0..4);
            }
            assert!(!disk.retried());
            disk.crash(chance);
            let log = open(&disk, options()).await;
            let (entries, gaps) = all(&log).await;
            assert_eq!(gaps, []);
            check(&entries[..3], &[], 0..3);
            if chance % 2 == 0 {
                check(&entries, &gaps, 0..4);
            }
        }
    }
}

#[tokio::test]
async fn while_it_pauses_all_are_refused_at_once() {
    let disk = SimDisk::default();
    let log = open(&disk, LogOptions { pause: Duration::from_secs(3_600), ..options() }).await;
    disk.faults(|faults| faults.sync = Some(ErrorKind::Other));
    for _ in 0..3 {
        let refused = next(&log).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(3_600)));
    }
}

#[tokio::test]
async fn a_full_disk_goes_on_after_trimming() {
    let disk = SimDisk::default();
    let log = open(&disk, options()).await;
    log.register("lake").await.unwrap();
    disk.faults(|faults| faults.bytes_max = Some(20_000));
    let mut stored = 0;
    for _ in 0..3 {
        let refused = loop {
            match next(&log).await {
                Ok(_) => stored += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, LogError::Full { .. }) && refused.retry_after().is_some(), "{refused}");
        assert!(matches!(next(&log).await, Err(LogError::Full { .. })));
        let first = log.state().first;
        let (entries, gaps) = all(&log).await;
        check(&entries, &gaps, first..stored);
        // On the full disk positions are kept all the same.
        log.checkpoint("lake", stored - 1).await.unwrap();
        assert_eq!(log.trim(u64::MAX).await.unwrap(), stored - 1);
    }
    assert!(stored > 400, "{stored}");
    assert!(!disk.retried());
}

#[tokio::test]
async fn what_is_not_durable_is_given_to_nobody() {
    let disk = SimDisk::default();
    let log = Arc::new(open(&disk, options()).await);
    next(&log).await.unwrap();
    disk.faults(|faults| faults.stuck = true);
    let append = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.append(vec![record("record 1")]).await }
    });
    let reader = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.read(1, 1).await }
    });
    // Until it is in the file; there it waits for its sync.
    let before = |disk: &SimDisk| disk.bytes(Path::new("/log/00000000000000000000.log"));
    let size = 128 + 2 * (28 + 24 + "record 0".len());
    while before(&disk) < size {
        tokio::task::yield_now().await;
    }
    assert!(!append.is_finished() && !reader.is_finished());
    assert_eq!(log.state().next, 1);
    let Read::Entries(entries) = log.read(0, 1_000).await.unwrap() else { panic!("a gap") };
    assert_eq!(entries.len(), 1);
    disk.faults(|faults| faults.stuck = false);
    assert_eq!(append.await.unwrap().unwrap(), 1..2);
    assert_eq!(reader.await.unwrap().unwrap().next(1), 2);
}
