//! Processes of the engine: started when there is no idle one, used by one query at a time, given back after a good end.
//!
//! Invariants: never more than `processes_max`; a process that is not given back is killed, so that what it worked on stops with whoever
//! drops it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use query_backends::{BackendError, ErrorKind, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::protocol::{Frame, Request, Settings, broken, frame};

/// The program that drives the engine.
const DRIVER: &str = include_str!("../driver/driver.py");
/// Time in which a process has to be ready.
const START_MAX: Duration = Duration::from_secs(60);
/// Time for which a query waits for a process that others use.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Bytes of the pipe's buffer on our side.
const PIPE_BYTES: usize = 256 << 10;
/// Bytes kept of what a process says on standard error, for the message when it dies.
const COMPLAINT_BYTES_MAX: usize = 4 << 10;

/// How DuckDB is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuckDbConfig {
    /// A Python that has the packages of `driver/requirements.txt`.
    pub python: PathBuf,
    /// Queries at a time, each in a process of its own.
    pub processes_max: usize,
    /// Threads of each process.
    pub threads: usize,
    /// MiB of memory of each process's engine; beyond it, it spills.
    pub memory_mib: u64,
    /// Where it spills.
    pub spill_dir: PathBuf,
    /// MiB that each may spill.
    pub spill_mib: u64,
}

impl DuckDbConfig {
    /// A query at a time for each processor, 2 GiB each.
    pub fn new(python: impl Into<PathBuf>, spill_dir: impl Into<PathBuf>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (python, spill_dir) = (python.into(), spill_dir.into());
        Self { python, processes_max: processors, threads: processors, memory_mib: 2 << 10, spill_dir, spill_mib: 100 << 10 }
    }
}

/// The processes.
#[derive(Debug)]
pub(crate) struct Pool {
    config: DuckDbConfig,
    idle: Mutex<Vec<Process>>,
    slots: Arc<Semaphore>,
}

/// A running process, waiting for a request.
#[derive(Debug)]
struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    complaint: Arc<Mutex<String>>,
}

/// A process in use. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Lease {
    process: Process,
    /// Whether it was idle before: then it may have died without anybody's noticing.
    used_before: bool,
    pool: Arc<Pool>,
    _slot: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(config: DuckDbConfig) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(config.processes_max.max(1)));
        Arc::new(Self { config, idle: Mutex::default(), slots })
    }

    /// Asks a process of one's own: it, and the first part of its answer. A process that was idle and is found dead is replaced.
    pub(crate) async fn ask(self: &Arc<Self>, request: &Request) -> Result<(Lease, Frame)> {
        loop {
            let mut lease = self.take().await?;
            match lease.ask(request).await {
                Ok(frame) => return Ok((lease, frame)),
                // Each time one less is idle.
                Err(e) if lease.used_before && e.kind == ErrorKind::Unavailable => {}
                Err(e) => return Err(e),
            }
        }
    }

    async fn take(self: &Arc<Self>) -> Result<Lease> {
        let slot = tokio::time::timeout(WAIT_MAX, self.slots.clone().acquire_owned()).await.map_err(|e| {
            let what = format!("all {} processes of DuckDB were busy for {} s", self.config.processes_max, WAIT_MAX.as_secs());
            BackendError::new(ErrorKind::Overloaded, what).caused_by(e)
        })?;
        let slot = slot.map_err(|e| BackendError::internal("the pool of processes is closed").caused_by(e))?;
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let (process, used_before) = match idle {
                Some(mut idle) => match idle.child.try_wait() {
                    Ok(None) => (idle, true),
                    // It has died since; it is not asked any more.
                    Ok(Some(_)) | Err(_) => continue,
                },
                None => (Process::start(&self.config).await?, false),
            };
            return Ok(Lease { process, used_before, pool: self.clone(), _slot: slot });
        }
    }
}

impl Process {
    async fn start(config: &DuckDbConfig) -> Result<Self> {
        let unavailable = |what: String| BackendError::new(ErrorKind::Unavailable, what);
        let spill_dir = config.spill_dir.to_str().ok_or_else(|| unavailable("the folder to spill to is no UTF-8".to_owned()))?;
        let settings = Settings { threads: config.threads, memory_mib: config.memory_mib, spill_dir, spill_mib: config.spill_mib };
        let settings = serde_json::to_string(&settings).map_err(|e| BackendError::internal("settings without JSON").caused_by(e))?;
        let mut child = Command::new(&config.python)
            .args(["-I", "-c", DRIVER])
            .arg(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| unavailable(format!("cannot start {}, which runs DuckDB", config.python.display())).caused_by(e))?;
        let (Some(requests), Some(answers), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(BackendError::internal("a process without pipes"));
        };
        let complaint = Arc::new(Mutex::new(String::new()));
        tokio::spawn(listen(errors, complaint.clone()));
        let mut process = Self { child, requests, answers: BufReader::with_capacity(PIPE_BYTES, answers), complaint };
        match tokio::time::timeout(START_MAX, process.frame()).await {
            Ok(Ok(Frame::Ready)) => Ok(process),
            Ok(Ok(Frame::Error(e))) => Err(unavailable(format!("DuckDB does not start in {}", config.python.display())).caused_by(e)),
            Ok(Ok(other)) => Err(BackendError::internal(format!("DuckDB's process starts with {other:?}"))),
            Ok(Err(e)) => Err(e),
            Err(e) => {
                Err(BackendError::new(ErrorKind::Timeout, format!("DuckDB was not ready after {} s", START_MAX.as_secs())).caused_by(e))
            }
        }
    }

    /// The next frame; there is one, or it is an error.
    async fn frame(&mut self) -> Result<Frame> {
        match frame(&mut self.answers).await? {
            Some(frame) => Ok(frame),
            None => {
                let status = self.child.wait().await.map_err(broken)?;
                let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let error = BackendError::new(ErrorKind::Unavailable, format!("DuckDB's process ended before its answer did: {status}"));
                Err(if complaint.is_empty() { error } else { error.caused_by(complaint) })
            }
        }
    }
}

impl Lease {
    /// Asks; the answer is read frame by frame, this being the first.
    async fn ask(&mut self, request: &Request) -> Result<Frame> {
        let mut line = serde_json::to_vec(request).map_err(|e| BackendError::internal("a request without JSON").caused_by(e))?;
        line.push(b'\n');
        self.process.requests.write_all(&line).await.map_err(broken)?;
        self.process.requests.flush().await.map_err(broken)?;
        self.frame().await
    }

    /// The next part of the answer.
    pub(crate) async fn frame(&mut self) -> Result<Frame> {
        self.process.frame().await
    }

    /// After the end of an answer: leaves the process to the next query.
    pub(crate) fn give_back(self) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.process);
    }
}

/// Takes what a process says on standard error, so that it never waits, and keeps the end of it.
async fn listen(mut errors: ChildStderr, complaint: Arc<Mutex<String>>) {
    let mut kept: Vec<u8> = Vec::new();
    let mut chunk = [0; COMPLAINT_BYTES_MAX];
    while let Ok(n @ 1..) = errors.read(&mut chunk).await {
        kept.extend_from_slice(chunk.get(..n).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(COMPLAINT_BYTES_MAX));
        *complaint.lock().unwrap_or_else(PoisonError::into_inner) = String::from_utf8_lossy(&kept).into_owned();
    }
}
