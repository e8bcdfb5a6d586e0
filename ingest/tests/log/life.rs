//! What a log does on a good day.

use ingest::log::{LocalLog, Log, LogError, LogOptions, RECORD_BYTES_MAX, Read, Record};

use crate::common::{all, check, files, filled, open, options, record, reopened};

#[tokio::test]
async fn what_is_appended_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 100).await;
    assert!(files(folder.path()).len() > 3);
    let (log, opened) = open(folder.path()).await;
    assert_eq!(opened, Default::default());
    let (entries, gaps) = all(&log).await;
    check(&entries, &gaps, 0..100);
    let Read::Entries(from_here) = log.read(57, 1).await.unwrap() else { panic!("a gap") };
    assert_eq!((from_here.len(), from_here[0].offset), (1, 57));
    assert!(matches!(log.read(101, 1).await, Err(LogError::Beyond { from: 101, next: 100 })));
    assert!(matches!(LocalLog::open(folder.path(), options()).await, Err(LogError::InUse { .. })));
}

#[tokio::test]
async fn readers_follow_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = std::sync::Arc::new(open(folder.path()).await.0);
    let reader = {
        let log = std::sync::Arc::clone(&log);
        tokio::spawn(async move {
            let mut from = 0;
            while from < 200 {
                let read = log.read(from, 1_000).await.unwrap();
                let Read::Entries(entries) = &read else { panic!("a gap") };
                check(entries, &[], from..read.next(from));
                from = read.next(from);
            }
        })
    };
    for n in 0..20u64 {
        let batch: Vec<Record> = (0..10).map(|i| record(&format!("record {}", n * 10 + i))).collect();
        assert_eq!(log.append(batch).await.unwrap(), n * 10..n * 10 + 10);
    }
    reader.await.unwrap();
}

#[tokio::test]
async fn large_records_and_too_large_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = LocalLog::open(folder.path(), LogOptions::default()).await.unwrap();
    let large = |bytes| Record { received_at: 1, key: 0, bytes: vec![b'x'; bytes].into() };
    log.append(vec![large(0), large(RECORD_BYTES_MAX), large(1)]).await.unwrap();
    assert!(matches!(log.append(vec![large(RECORD_BYTES_MAX + 1)]).await, Err(LogError::TooLarge { .. })));
    let mut from = 0;
    for bytes in [0, RECORD_BYTES_MAX, 1] {
        let read = log.read(from, 1).await.unwrap();
        from = read.next(from);
        assert_eq!(read, Read::Entries(vec![ingest::log::Entry { offset: from - 1, record: large(bytes) }]));
    }
}

#[tokio::test]
async fn trimming_waits_for_every_consumer() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 100).await;
    let (log, _) = open(folder.path()).await;
    assert_eq!((log.register("lake").await.unwrap(), log.register("profiles").await.unwrap()), (0, 0));
    log.checkpoint("lake", 90).await.unwrap();
    assert_eq!(log.trim(u64::MAX).await.unwrap(), 0);
    log.checkpoint("profiles", 60).await.unwrap();
    log.checkpoint("profiles", 10).await.unwrap();
    let before = files(folder.path()).len();
    assert_eq!(log.trim(u64::MAX).await.unwrap(), 60);
    assert!(files(folder.path()).len() < before);
    assert!(matches!(log.read(59, 1).await, Err(LogError::Trimmed { from: 59, first: 60 })));
    assert!(matches!(log.checkpoint("lake", 101).await, Err(LogError::Beyond { .. })));
    assert!(matches!(log.checkpoint("nobody", 1).await, Err(LogError::Consumer { .. })));
    drop(log);
    // The writer thread lets go of the lock when it ends.
    let (log, opened) = reopened(folder.path()).await;
    assert_eq!(opened, Default::default());
    assert_eq!((log.register("lake").await.unwrap(), log.register("profiles").await.unwrap()), (90, 60));
    let (entries, gaps) = all(&log).await;
    check(&entries, &gaps, 60..100);
    log.forget("profiles").await.unwrap();
    assert_eq!(log.trim(u64::MAX).await.unwrap(), 90);
}

#[tokio::test]
async fn a_full_log_goes_on_after_trimming() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = LocalLog::open(folder.path(), LogOptions { bytes_max: 8_000, ..options() }).await.unwrap();
    log.register("lake").await.unwrap();
    let mut next = 0;
    for _ in 0..3 {
        let refused = loop {
            match log.append(vec![record(&format!("record {next}"))]).await {
                Ok(_) => next += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, LogError::Full { .. }) && refused.retry_after().is_some());
        assert!(log.state().bytes <= 8_000);
        let first = log.state().first;
        let (entries, gaps) = all(&log).await;
        check(&entries, &gaps, first..next);
        log.checkpoint("lake", next).await.unwrap();
        log.trim(u64::MAX).await.unwrap();
    }
    assert!(next > 200, "{next}");
}

#[tokio::test]
async fn a_closed_log_answers_all() {
    let folder = tempfile::tempdir().unwrap();
    let log = std::sync::Arc::new(open(folder.path()).await.0);
    let appends: Vec<_> = (0..50)
        .map(|n| {
            let log = std::sync::Arc::clone(&log);
            tokio::spawn(async move { log.append(vec![record(&format!("{n}"))]).await })
        })
        .collect();
    tokio::task::yield_now().await;
    log.close().await;
    let mut stored = 0;
    for append in appends {
        match append.await.unwrap() {
            Ok(_) => stored += 1,
            Err(error) => assert!(matches!(error, LogError::Closed)),
        }
    }
    assert!(matches!(log.append(vec![record("late")]).await, Err(LogError::Closed)));
    assert_eq!(log.state().next, stored);
    drop(log);
    assert_eq!(open(folder.path()).await.0.state().next, stored);
}
