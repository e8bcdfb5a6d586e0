//! Files that are not as they were written: nothing is passed over in silence, and nothing wrong is given out.

use std::path::Path;

use ingest::log::{Log, LogError};

use crate::common::{all, check, files, filled, open, record};

fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    to
}

fn kept_aside(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("damaged")).unwrap().count()
}

#[tokio::test]
async fn a_torn_end_is_cut_at_every_byte() {
    let made = tempfile::tempdir().unwrap();
    filled(made.path(), 3).await;
    let whole = std::fs::read(&files(made.path())[0]).unwrap();
    let size = (whole.len() - 128) / 3;
    for cut in 1..=size {
        let folder = copied(made.path());
        std::fs::write(&files(folder.path())[0], &whole[..whole.len() - cut]).unwrap();
        let (log, opened) = open(folder.path()).await;
        assert_eq!(opened.cut_bytes, (size - cut) as u64);
        assert_eq!(kept_aside(folder.path()), usize::from(cut < size));
        let (entries, gaps) = all(&log).await;
        check(&entries, &gaps, 0..2);
        assert_eq!(log.append(vec![record("record 2")]).await.unwrap(), 2..3);
        log.close().await;
        drop(log);
        let (log, opened) = open(folder.path()).await;
        assert_eq!(opened, Default::default());
        let (entries, gaps) = all(&log).await;
        check(&entries, &gaps, 0..3);
    }
}

/// Flips a bit of bytes of a file, one after the other. Whatever is read is right, the rest is a gap, and only the end may be cut.
async fn flipped(made: &Path, number: usize, records: u64, last: bool) {
    let whole = std::fs::read(&files(made)[number]).unwrap();
    let (mut cut, mut gapped) = (0, 0);
    // All of the headers and of the first and the last record or two, and a part of the rest.
    for at in (0..whole.len()).filter(|at| *at < 240 || at + 70 > whole.len() || at % 23 == 0) {
        let folder = copied(made);
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&files(folder.path())[number], bytes).unwrap();
        let (log, opened) = match crate::common::try_open(folder.path()).await {
            Err(LogError::Version { .. }) => panic!("a flipped bit passed for a version"),
            opened => opened.unwrap(),
        };
        let next = log.state().next;
        assert!(next >= records || (last && opened.cut_bytes > 0 && next == records - 1));
        let (entries, gaps) = all(&log).await;
        check(&entries, &gaps, 0..next);
        cut += usize::from(opened.cut_bytes > 0);
        gapped += usize::from(!gaps.is_empty());
        assert!(gaps.len() <= 1 && log.state().gaps_count == gaps.len() as u64);
        // A copy of the header is damaged without harm.
        assert_eq!(at >= 128, opened.cut_bytes > 0 || !gaps.is_empty(), "{at}");
        assert_eq!(log.append(vec![record(&format!("record {next}"))]).await.unwrap(), next..next + 1);
        let (entries, gaps) = all(&log).await;
        check(&entries, &gaps, 0..next + 1);
        let gone = gaps.len();
        log.trim(next + 1).await.unwrap();
        assert_eq!(kept_aside(folder.path()), usize::from(opened.cut_bytes > 0) + if last { 0 } else { gone });
    }
    assert!(gapped > 0 && (cut > 0) == last);
}

#[tokio::test]
async fn a_flipped_bit_costs_one_record_and_is_reported() {
    let made = tempfile::tempdir().unwrap();
    filled(made.path(), 70).await;
    assert!(files(made.path()).len() >= 3);
    flipped(made.path(), 1, 70, false).await;
    let made = tempfile::tempdir().unwrap();
    filled(made.path(), 5).await;
    flipped(made.path(), 0, 5, true).await;
}

#[tokio::test]
async fn positions_with_a_flipped_bit_are_the_other_slot_s() {
    let made = tempfile::tempdir().unwrap();
    filled(made.path(), 40).await;
    {
        let (log, _) = open(made.path()).await;
        log.register("lake").await.unwrap();
        for below in [10, 11] {
            log.checkpoint("lake", below).await.unwrap();
        }
        log.close().await;
    }
    let path = made.path().join("positions");
    let whole = std::fs::read(&path).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for at in (0..80).chain(4096..4176) {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        let (log, opened) = open(made.path()).await;
        assert!(!opened.positions_lost);
        seen.insert(log.register("lake").await.unwrap());
        log.close().await;
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [10, 11]);
    std::fs::write(&path, vec![0; 8192]).unwrap();
    let (log, opened) = open(made.path()).await;
    assert!(opened.positions_lost);
    assert_eq!(log.register("lake").await.unwrap(), 0);
    let (entries, gaps) = all(&log).await;
    check(&entries, &gaps, 0..40);
}

#[tokio::test]
async fn a_deleted_or_shortened_file_is_a_gap() {
    let made = tempfile::tempdir().unwrap();
    filled(made.path(), 150).await;
    let count = files(made.path()).len();
    assert!(count >= 4);
    for number in 0..count {
        for shorten in [false, true] {
            let folder = copied(made.path());
            let file = &files(folder.path())[number];
            let last = number == count - 1;
            if shorten {
                let whole = std::fs::read(file).unwrap();
                std::fs::write(file, &whole[..if last { 20 } else { whole.len() - 100 }]).unwrap();
            } else {
                std::fs::remove_file(file).unwrap();
            }
            let (log, opened) = open(folder.path()).await;
            assert_eq!(opened.gaps.len(), 1, "file {number}");
            let next = log.state().next;
            assert!(next >= 150 || (last && shorten));
            log.append(vec![record(&format!("record {next}"))]).await.unwrap();
            let (entries, gaps) = all(&log).await;
            check(&entries, &gaps, 0..next + 1);
            assert_eq!(gaps.len(), 1);
            log.close().await;
            drop(log);
            let (log, opened) = open(folder.path()).await;
            let (entries, gaps) = all(&log).await;
            check(&entries, &gaps, 0..next + 1);
            assert_eq!((gaps.len(), opened.gaps.len()), (1, 1));
        }
    }
}

#[tokio::test]
async fn a_file_deleted_while_open_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 150).await;
    let (log, _) = open(folder.path()).await;
    std::fs::remove_file(&files(folder.path())[1]).unwrap();
    let (entries, gaps) = all(&log).await;
    check(&entries, &gaps, 0..150);
    assert_eq!((gaps.len(), log.state().gaps_count), (1, 1));
}

#[tokio::test]
async fn a_consumer_past_the_end_means_that_the_end_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 10).await;
    {
        let (log, _) = open(folder.path()).await;
        log.register("lake").await.unwrap();
        log.checkpoint("lake", 10).await.unwrap();
        log.close().await;
    }
    let file = files(folder.path()).remove(0);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 70]).unwrap();
    let (log, opened) = open(folder.path()).await;
    assert_eq!((opened.gaps.len(), opened.gaps[0].from, opened.gaps[0].next), (1, 8, 10));
    assert_eq!(log.append(vec![record("record 10")]).await.unwrap(), 10..11);
    let (entries, gaps) = all(&log).await;
    check(&entries, &gaps, 0..11);
}

#[tokio::test]
async fn another_version_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1).await;
    let file = files(folder.path()).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    for copy in [0, 64] {
        bytes[copy + 7] = b'2';
        let check = xxhash_rust::xxh3::xxh3_64(&bytes[copy..copy + 56]);
        bytes[copy + 56..copy + 64].copy_from_slice(&check.to_le_bytes());
    }
    std::fs::write(&file, bytes).unwrap();
    let refused = crate::common::try_open(folder.path()).await.err().unwrap();
    assert!(refused.to_string().contains("version '2'"), "{refused}");
}
