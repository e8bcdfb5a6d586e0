//! Reading lake files from threads that block, local or on S3.
//!
//! In: a file's place. Out: a [`LakeReader`], from which Parquet's blocking reader reads. Objects are fetched in blocks, a few of which
//! are kept, by one thread with a runtime of its own, so that the caller may be on any thread, within a runtime or not.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use bytes::Bytes;
use object_store::ObjectStoreExt;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::objects::Objects;
use super::snapshot::FilePlace;
use crate::error::{Result, StoreError};

/// Bytes of a block of an object.
const BLOCK_BYTES: u64 = 4 << 20;
/// Blocks kept for one open file: about one for each column that is read.
const BLOCKS_KEPT: usize = 8;
/// Requests that wait for the thread.
const REQUESTS_WAITING_MAX: usize = 64;

/// A range to fetch, and where the answer goes.
struct Request {
    uri: String,
    range: Range<u64>,
    answer: mpsc::SyncSender<Result<Bytes>>,
}

/// The thread that fetches.
pub(crate) struct Blocking {
    requests: tokio::sync::mpsc::Sender<Request>,
}

impl Blocking {
    /// Starts it.
    pub(crate) fn start(objects: Objects) -> Result<Self> {
        let (requests, mut waiting) = tokio::sync::mpsc::channel::<Request>(REQUESTS_WAITING_MAX);
        let failed = |e: std::io::Error| StoreError::unavailable("cannot start the thread that reads the lake", e);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let objects = Arc::new(objects);
        let work = move || {
            runtime.block_on(async move {
                while let Some(request) = waiting.recv().await {
                    let objects = objects.clone();
                    tokio::spawn(async move {
                        let fetched = fetch(&objects, &request.uri, request.range.clone()).await;
                        // Whoever asked may be gone.
                        let _ = request.answer.send(fetched);
                    });
                }
            });
        };
        std::thread::Builder::new().name("muster-lake-io".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { requests })
    }

    fn fetch(&self, uri: &str, range: Range<u64>) -> Result<Bytes> {
        let gone = || StoreError::Unavailable { what: "the thread that reads the lake is gone".to_owned(), source: None };
        let (answer, fetched) = mpsc::sync_channel(1);
        let mut request = Request { uri: uri.to_owned(), range, answer };
        loop {
            // `blocking_send` panics within a runtime, and the queue is hardly ever full.
            match self.requests.try_send(request) {
                Ok(()) => break,
                Err(tokio::sync::mpsc::error::TrySendError::Full(back)) => {
                    request = back;
                    std::thread::yield_now();
                }
                Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) => return Err(gone()),
            }
        }
        fetched.recv().map_err(|_| gone())?
    }
}

async fn fetch(objects: &Objects, uri: &str, range: Range<u64>) -> Result<Bytes> {
    let (store, path) = objects.at(uri)?;
    let wanted = range.end - range.start;
    let bytes = store.get_range(&path, range).await.map_err(|e| StoreError::unavailable(format!("cannot read {uri}"), e))?;
    if bytes.len() as u64 != wanted {
        return Err(StoreError::corrupt_plain(format!("{uri} is shorter than the lake's metadata says")));
    }
    Ok(bytes)
}

/// A file of the lake, open for blocking reads.
pub struct LakeReader {
    input: Input,
}

/// Why reading a file failed. Arrow's errors keep only the text of Parquet's, so it is kept besides.
#[derive(Debug, Clone, Default)]
pub struct Failure(Arc<Mutex<Option<StoreError>>>);

impl Failure {
    /// The first failure, if there was one; it is given once.
    pub fn take(&self) -> Option<StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, error: StoreError) -> ParquetError {
        let text = error.to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        ParquetError::General(text)
    }
}

enum Input {
    Local(File),
    Object(Arc<Object>),
}

struct Object {
    objects: Arc<Objects>,
    uri: String,
    size_bytes: u64,
    /// Blocks by number, the latest used last.
    blocks: Mutex<VecDeque<(u64, Bytes)>>,
    failure: Failure,
}

impl LakeReader {
    /// Opens a file. `objects` are those of its lake, if it is shared.
    pub(crate) fn open(place: &FilePlace, size_bytes: u64, objects: Option<&Arc<Objects>>) -> Result<Self> {
        let input = match (place, objects) {
            (FilePlace::Local(path), _) => Input::Local(File::open(path).map_err(|e| StoreError::io("open", path, e))?),
            (FilePlace::Object(uri), Some(objects)) => Input::Object(Arc::new(Object {
                objects: objects.clone(),
                uri: uri.clone(),
                size_bytes,
                blocks: Mutex::default(),
                failure: Failure::default(),
            })),
            (FilePlace::Object(uri), None) => return Err(StoreError::Invalid(format!("{uri} is on S3, and this lake is local"))),
        };
        Ok(Self { input })
    }

    /// Where a failure of its reads is found afterwards; always empty for a local file.
    pub fn failure(&self) -> Failure {
        match &self.input {
            Input::Local(_) => Failure::default(),
            Input::Object(object) => object.failure.clone(),
        }
    }
}

impl Object {
    /// The block with this number.
    fn block(&self, number: u64) -> ParquetResult<Bytes> {
        {
            let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
            let found = blocks.iter().position(|(n, _)| *n == number);
            if let Some(block) = found.and_then(|i| blocks.remove(i)) {
                blocks.push_back(block.clone());
                return Ok(block.1);
            }
        }
        let range = number * BLOCK_BYTES..((number + 1) * BLOCK_BYTES).min(self.size_bytes);
        let bytes = self.objects.blocking().and_then(|objects| objects.fetch(&self.uri, range)).map_err(|e| self.failure.note(e))?;
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        while blocks.len() >= BLOCKS_KEPT {
            blocks.pop_front();
        }
        blocks.push_back((number, bytes.clone()));
        Ok(bytes)
    }

    /// The bytes from `start` to the end of its block.
    fn rest_of_block(&self, start: u64) -> ParquetResult<Bytes> {
        if start >= self.size_bytes {
            return Ok(Bytes::new());
        }
        let block = self.block(start / BLOCK_BYTES)?;
        Ok(block.slice(usize::try_from(start % BLOCK_BYTES)?.min(block.len())..))
    }
}

/// Reads on from a position.
struct ObjectRead {
    object: Arc<Object>,
    at: u64,
}

impl Read for ObjectRead {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.object.rest_of_block(self.at).map_err(std::io::Error::other)?;
        let count = bytes.len().min(out.len());
        out[..count].copy_from_slice(&bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Length for LakeReader {
    fn len(&self) -> u64 {
        match &self.input {
            Input::Local(file) => file.len(),
            Input::Object(object) => object.size_bytes,
        }
    }
}

impl ChunkReader for LakeReader {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(match &self.input {
            Input::Local(file) => Box::new(file.get_read(start)?),
            Input::Object(object) => Box::new(ObjectRead { object: object.clone(), at: start }),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        match &self.input {
            Input::Local(file) => file.get_bytes(start, length),
            Input::Object(object) => {
                let first = object.rest_of_block(start)?;
                if first.len() >= length {
                    return Ok(first.slice(..length));
                }
                let mut out = Vec::with_capacity(length);
                out.extend_from_slice(&first);
                while out.len() < length {
                    let next = object.rest_of_block(start + out.len() as u64)?;
                    if next.is_empty() {
                        return Err(ParquetError::EOF(format!("{} ends before byte {}", object.uri, start + length as u64)));
                    }
                    out.extend_from_slice(&next[..next.len().min(length - out.len())]);
                }
                Ok(out.into())
            }
        }
    }
}
