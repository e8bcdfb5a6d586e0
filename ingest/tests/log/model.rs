//! Random appends, crashes, faults, reads and trims on the forgetful disk, against plain lists.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use ingest::log::{LocalLog, Log, LogError, Read};
use proptest::prelude::*;

use crate::common::{options, record};
use crate::sim::SimDisk;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u8>),
    Together(u8),
    Crash(u64),
    Reopen,
    Read(u8),
    Pass(u8),
    Trim,
    FailWrite,
    FailSync,
    Full(u16),
    Roomy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::collection::vec(0..200u8, 1..6).prop_map(Step::Append),
        4 => (2..8u8).prop_map(Step::Together),
        3 => any::<u64>().prop_map(Step::Crash),
        1 => Just(Step::Reopen),
        3 => any::<u8>().prop_map(Step::Read),
        2 => any::<u8>().prop_map(Step::Pass),
        2 => Just(Step::Trim),
        1 => Just(Step::FailWrite),
        2 => Just(Step::FailSync),
        1 => (0..3_000u16).prop_map(Step::Full),
        1 => Just(Step::Roomy),
    ]
}

struct World {
    disk: SimDisk,
    log: LocalLog,
    /// Texts by offset that were acknowledged, or given to a reader: none of them ever changes.
    durable: BTreeMap<u64, String>,
    /// Texts that were refused and may be there all the same.
    maybe: BTreeSet<String>,
    texts: u64,
    passed: u64,
}

async fn open(disk: &SimDisk) -> LocalLog {
    let (log, opened) = LocalLog::open_on(Path::new("/log"), options(), disk.life()).await.unwrap();
    assert_eq!((opened.gaps, opened.positions_lost), (vec![], false));
    log
}

impl World {
    fn text(&mut self, length: u8) -> String {
        self.texts += 1;
        format!("{:08}{}", self.texts, "x".repeat(length.into()))
    }

    fn appended(&mut self, texts: Vec<String>, answer: Result<std::ops::Range<u64>, LogError>) {
        match answer {
            Ok(offsets) => {
                assert_eq!(offsets.end - offsets.start, texts.len() as u64);
                for (offset, text) in offsets.zip(texts) {
                    assert_eq!(self.durable.insert(offset, text), None, "an offset was given twice");
                }
            }
            Err(error) => {
                assert!(error.retry_after().is_some(), "{error}");
                self.maybe.extend(texts);
            }
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Append(lengths) => {
                let texts: Vec<String> = lengths.into_iter().map(|length| self.text(length)).collect();
                let answer = self.log.append(texts.iter().map(|text| record(text)).collect()).await;
                self.appended(texts, answer);
            }
            Step::Together(count) => {
                let texts: Vec<String> = (0..count).map(|n| self.text(n)).collect();
                let appends = texts.iter().map(|text| self.log.append(vec![record(text)]));
                let answers = join(appends.collect()).await;
                for (text, answer) in texts.into_iter().zip(answers) {
                    self.appended(vec![text], answer);
                }
            }
            Step::Crash(chance) => {
                self.disk.crash(chance);
                self.log.close().await;
                self.log = open(&self.disk).await;
            }
            Step::Reopen => {
                self.disk.faults(|faults| *faults = Default::default());
                self.log.close().await;
                let closed = std::mem::replace(
                    &mut self.log,
                    LocalLog::open_on(Path::new("/other"), options(), SimDisk::default().life()).await.unwrap().0,
                );
                drop(closed);
                self.log = open(&self.disk).await;
            }
            Step::Read(share) => self.read(share).await,
            Step::Pass(share) => {
                self.passed = self.passed.max(self.log.state().next * u64::from(share) / 255);
                self.disk.faults(|faults| (faults.write, faults.sync) = (None, None));
                self.log.checkpoint("worker", self.passed).await.unwrap();
            }
            Step::Trim => {
                self.disk.faults(|faults| (faults.write, faults.sync) = (None, None));
                let first = self.log.trim(u64::MAX).await.unwrap();
                assert_eq!(first, self.passed);
            }
            Step::FailWrite => self.disk.faults(|faults| faults.write = Some(ErrorKind::Other)),
            Step::FailSync => self.disk.faults(|faults| faults.sync = Some(ErrorKind::Other)),
            Step::Full(bytes) => self.disk.faults(|faults| faults.bytes_max = Some(usize::from(bytes) + 9_000)),
            Step::Roomy => self.disk.faults(|faults| faults.bytes_max = None),
        }
    }

    /// Reads from somewhere to the end: all that was acknowledged, nothing but what was appended, nothing twice.
    async fn read(&mut self, share: u8) {
        let state = self.log.state();
        let start = state.first + (state.next - state.first) * u64::from(share) / 255;
        let mut from = start;
        while from < state.next {
            let read = self.log.read(from, 200).await.unwrap();
            from = read.next(from);
            let Read::Entries(entries) = read else { panic!("a gap: {read:?}") };
            for entry in entries {
                let text = String::from_utf8(entry.record.bytes.to_vec()).unwrap();
                match self.durable.get(&entry.offset) {
                    Some(known) => assert_eq!(known, &text),
                    None => {
                        assert!(self.maybe.remove(&text), "{text} at {} was never appended, or stands there twice", entry.offset);
                        self.durable.insert(entry.offset, text);
                    }
                }
            }
        }
        assert_eq!(from, state.next);
        assert!(self.durable.range(state.next..).next().is_none(), "the end was lost");
    }
}

/// All of them at once.
async fn join<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, done) in &mut futures {
            if done.is_none()
                && let std::task::Poll::Ready(answer) = future.as_mut().poll(context)
            {
                *done = Some(answer);
            }
        }
        match futures.iter().all(|(_, done)| done.is_some()) {
            true => std::task::Poll::Ready(futures.iter_mut().filter_map(|(_, done)| done.take()).collect()),
            false => std::task::Poll::Pending,
        }
    })
    .await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn acknowledged_is_stored_once(steps in proptest::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
            let disk = SimDisk::default();
            let log = open(&disk).await;
            log.register("worker").await.unwrap();
            let mut world = World { disk, log, durable: BTreeMap::new(), maybe: BTreeSet::new(), texts: 0, passed: 0 };
            for step in steps {
                world.step(step).await;
                assert!(!world.disk.retried(), "a file was written or synced after that had failed");
            }
            world.step(Step::Crash(1)).await;
            world.read(0).await;
        });
    }
}
