//! Small objects, read whole before their turn: asking takes longer than what is brought.
//!
//! In: the objects of a partition in the order of reading. Out: the bytes of each, which come while those before it are decoded. Invariant: of a
//! partition at most [`AHEAD`] objects are held or under way besides those being read. Local files are not read ahead.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::errors::{ParquetError, Result as ParquetResult};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::files::{LakeFile, Source, failed, whole};
use crate::progress::Progress;

/// Bytes of an object up to which it is read whole.
pub(super) const SMALL_BYTES_MAX: u64 = 1 << 20;
/// Objects of a partition that are read ahead.
pub(super) const AHEAD: usize = 8;

/// An object under way; dropped, it is given up.
pub(super) type Coming = AbortOnDropHandle<ParquetResult<Bytes>>;

/// The small objects of a partition.
#[derive(Debug)]
pub(super) struct Ahead {
    files: Vec<LakeFile>,
    progress: Arc<Progress>,
    turn: Mutex<Turn>,
}

#[derive(Debug, Default)]
struct Turn {
    /// The place after that of the last one taken.
    next: usize,
    /// Those begun and not taken, by place.
    coming: VecDeque<(usize, Coming)>,
}

impl Ahead {
    /// Of a partition's files, in the order of reading.
    pub(super) fn of<'a>(files: impl Iterator<Item = &'a LakeFile>, progress: &Arc<Progress>) -> Self {
        let small = |file: &&LakeFile| matches!(file.source, Source::Object { .. }) && file.size_bytes <= SMALL_BYTES_MAX;
        Self { files: files.filter(small).cloned().collect(), progress: progress.clone(), turn: Mutex::default() }
    }

    /// The object, and begins those after it. `None` if it is none of them.
    pub(super) fn take(&self, location: &Path) -> Option<Coming> {
        let runtime = Handle::try_current().ok()?;
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |from: usize| Some(from + self.files.get(from..)?.iter().position(|file| file.location == *location)?);
        // Not there any more if the partition is read again.
        let place = found(turn.next).or_else(|| found(0))?;
        let wanted = place..=place + AHEAD;
        turn.coming.retain(|(at, _)| wanted.contains(at));
        let from = turn.coming.back().map_or(place, |(last, _)| last + 1);
        for (at, file) in self.files.iter().enumerate().take(place + AHEAD + 1).skip(from) {
            if let Some(coming) = self.begin(file, &runtime) {
                turn.coming.push_back((at, coming));
            }
        }
        turn.next = place + 1;
        turn.coming.pop_front().filter(|(at, _)| *at == place).map(|(_, coming)| coming)
    }

    fn begin(&self, file: &LakeFile, runtime: &Handle) -> Option<Coming> {
        let Source::Object { store, path } = &file.source else { return None };
        let (store, path, size_bytes, progress) = (store.clone(), path.clone(), file.size_bytes, self.progress.clone());
        let read = async move {
            let bytes = async { store.get(&path).await?.bytes().await }.await;
            match bytes {
                Ok(bytes) => {
                    progress.add_read(0, bytes.len() as u64);
                    whole(bytes, &(0..size_bytes), &path)
                }
                Err(e) => Err(failed(&store, &path, size_bytes, e).await),
            }
        };
        Some(AbortOnDropHandle::new(runtime.spawn(read)))
    }
}

/// The object's bytes, once they are there.
pub(super) async fn arrived(coming: Coming) -> ParquetResult<Bytes> {
    coming.await.unwrap_or_else(|e| Err(ParquetError::External(Box::new(e))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::ObjectStore;
    use object_store::memory::InMemory;

    use super::*;

    async fn files(count: usize, bytes: usize) -> Vec<LakeFile> {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let mut files = Vec::new();
        for i in 0..count {
            let path = Path::from(format!("{i}"));
            store.put(&path, vec![i as u8; bytes].into()).await.unwrap();
            files.push(LakeFile {
                location: path.clone(),
                source: Source::Object { store: store.clone(), path },
                size_bytes: bytes as u64,
                rows: 1,
                bounds: None,
                deleted: store::Deleted::default(),
            });
        }
        files
    }

    #[tokio::test]
    async fn some_ahead_and_no_more() {
        let files = files(20, 3).await;
        let progress = Arc::new(Progress::default());
        let ahead = Ahead::of(files.iter(), &progress);
        for round in 0..2 {
            for (i, file) in files.iter().enumerate() {
                let bytes = arrived(ahead.take(&file.location).unwrap()).await.unwrap();
                assert_eq!(bytes, vec![i as u8; 3], "round {round}");
                let coming = ahead.turn.lock().unwrap().coming.len();
                assert_eq!(coming, AHEAD.min(files.len() - 1 - i), "round {round}");
            }
        }
        // Each once a round.
        assert_eq!(progress.now().bytes_read, 2 * 20 * 3);
        assert!(ahead.take(&Path::from("other")).is_none());
    }

    #[tokio::test]
    async fn one_passed_over_is_given_up() {
        let files = files(20, 3).await;
        let ahead = Ahead::of(files.iter(), &Arc::default());
        arrived(ahead.take(&files[0].location).unwrap()).await.unwrap();
        arrived(ahead.take(&files[15].location).unwrap()).await.unwrap();
        assert_eq!(ahead.turn.lock().unwrap().coming.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [16, 17, 18, 19]);
    }

    #[tokio::test]
    async fn the_same_file_twice_in_a_row() {
        let one = files(1, 3).await;
        let ahead = Ahead::of(one.iter().chain(&one), &Arc::default());
        for _ in 0..3 {
            assert_eq!(arrived(ahead.take(&one[0].location).unwrap()).await.unwrap().len(), 3);
        }
    }

    #[tokio::test]
    async fn another_size_is_an_error_and_large_ones_are_left() {
        let mut files = files(3, 3).await;
        files[1].size_bytes = 4;
        files[2].size_bytes = SMALL_BYTES_MAX + 1;
        let ahead = Ahead::of(files.iter(), &Arc::default());
        arrived(ahead.take(&files[0].location).unwrap()).await.unwrap();
        assert!(matches!(arrived(ahead.take(&files[1].location).unwrap()).await, Err(ParquetError::EOF(_))));
        assert!(ahead.take(&files[2].location).is_none());
    }
}
