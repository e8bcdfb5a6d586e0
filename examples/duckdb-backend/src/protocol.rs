//! What goes over a process's pipes: requests as lines of JSON, answers as frames (see `driver/driver.py`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use query_backends::{BackendError, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of a frame at most: a batch of the longest ids there may be. A longer one is no frame.
const FRAME_BYTES_MAX: usize = 256 << 20;

/// What the engine is started with.
#[derive(Debug, Serialize)]
pub(crate) struct Settings<'a> {
    pub(crate) threads: usize,
    pub(crate) memory_mib: u64,
    pub(crate) spill_dir: &'a str,
    pub(crate) spill_mib: u64,
}

/// What is asked.
#[derive(Debug, Serialize)]
pub(crate) struct Request {
    pub(crate) what: What,
    pub(crate) sql: String,
    pub(crate) tables: BTreeMap<String, Table>,
    /// Whether ids are wanted beside the numbers.
    pub(crate) ids: bool,
    pub(crate) batch_rows: usize,
}

/// Running a query, or saying how it would be run.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Run,
    Explain,
}

/// A view to be made.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Table {
    /// A Parquet file without rows, of the columns that the catalog says.
    pub(crate) schema: PathBuf,
    /// The table's files.
    pub(crate) files: Vec<PathBuf>,
}

/// A part of an answer.
#[derive(Debug)]
pub(crate) enum Frame {
    /// The engine has started.
    Ready,
    /// How far it is, 0 to 1.
    Progress(f64),
    /// An Arrow IPC stream.
    Batch(Vec<u8>),
    /// The end of a good answer.
    Done(Done),
    /// The end of a bad one.
    Error(BackendError),
}

/// What is said at a good end.
#[derive(Debug, Deserialize)]
pub(crate) struct Done {
    /// Members, of a run.
    pub(crate) rows: Option<u64>,
    /// The engine's plan, of an explanation.
    pub(crate) plan: Option<String>,
}

#[derive(Deserialize)]
struct Progress {
    share: f64,
}

#[derive(Deserialize)]
struct Failure {
    kind: String,
    what: String,
}

/// Reads a frame; `None` where the pipe ended between two.
pub(crate) async fn frame(pipe: &mut (impl AsyncRead + Unpin)) -> Result<Option<Frame>> {
    let kind = match pipe.read_u8().await {
        Ok(kind) => kind,
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(broken(e)),
    };
    let length = pipe.read_u32().await.map_err(broken)? as usize;
    if length > FRAME_BYTES_MAX {
        return Err(BackendError::internal(format!("DuckDB's process sent a frame of {length} bytes; {FRAME_BYTES_MAX} is the most")));
    }
    let mut payload = vec![0; length];
    pipe.read_exact(&mut payload).await.map_err(broken)?;
    let frame = match kind {
        b'R' => Frame::Ready,
        b'B' => Frame::Batch(payload),
        b'P' => Frame::Progress(json::<Progress>(&payload)?.share),
        b'D' => Frame::Done(json(&payload)?),
        b'E' => {
            let failure: Failure = json(&payload)?;
            let kind = ErrorKind::ALL.into_iter().find(|k| k.name() == failure.kind).unwrap_or(ErrorKind::Internal);
            Frame::Error(BackendError::new(kind, "DuckDB failed").caused_by(failure.what))
        }
        other => return Err(BackendError::internal(format!("DuckDB's process sent a frame of kind {other}"))),
    };
    Ok(Some(frame))
}

fn json<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T> {
    serde_json::from_slice(payload).map_err(|e| BackendError::internal("DuckDB's process sent a frame that cannot be read").caused_by(e))
}

/// A pipe that broke: the process is gone, and with it what else it would have answered.
pub(crate) fn broken(source: std::io::Error) -> BackendError {
    BackendError::new(ErrorKind::Unavailable, "DuckDB's process ended in the middle of an answer").caused_by(source)
}
