//! The backend: prepares a query, asks a process, hands its answer on.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::ipc::reader::StreamReader;
use async_trait::async_trait;
use query_backends::task::{self, Sink};
use query_backends::{
    Backend, BackendError, Capabilities, Explanation, Progress, Query, Reading, Result, Run, RunMetrics, RunOptions, ScanPlan, Users,
};

use crate::dialect;
use crate::process::{DuckDbConfig, Pool};
use crate::protocol::{Frame, Request, What};
use crate::tables::{Prepared, prepare};

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 13;

/// DuckDB in processes of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DuckDbBackend {
    pool: Arc<Pool>,
}

impl DuckDbBackend {
    /// Starts nothing yet: the first query starts the first process.
    pub fn new(config: DuckDbConfig) -> Self {
        Self { pool: Pool::new(config) }
    }
}

fn request(prepared: &Prepared, what: What, ids: bool) -> Request {
    Request { what, sql: prepared.sql.clone(), tables: prepared.tables.clone(), ids, batch_rows: BATCH_ROWS }
}

/// The share of what is to be read that is read, as rows and bytes of it.
struct Meter {
    progress: Arc<Progress>,
    total: Reading,
    read: Reading,
}

impl Meter {
    fn new(progress: Arc<Progress>, total: Reading) -> Self {
        progress.add_total(total.rows, total.bytes);
        Self { progress, total, read: Reading::default() }
    }

    /// What was said before is never taken back.
    fn reach(&mut self, share: f64) {
        let of = |total: u64| if share >= 1.0 { total } else { (total as f64 * share.max(0.0)) as u64 };
        let (rows, bytes) = (of(self.total.rows).max(self.read.rows), of(self.total.bytes).max(self.read.bytes));
        self.progress.add_read(rows - self.read.rows, bytes - self.read.bytes);
        (self.read.rows, self.read.bytes) = (rows, bytes);
    }
}

async fn work(pool: Arc<Pool>, prepared: Prepared, ids: bool, progress: Arc<Progress>, sink: Sink) -> Result<RunMetrics> {
    let events = prepared.events.unwrap_or_default();
    let (rows, bytes) = (events.rows + prepared.profiles.rows, events.bytes + prepared.profiles.bytes);
    let mut meter = Meter::new(progress, Reading { rows, bytes, ..Reading::default() });
    // Killed when this future is dropped.
    let (mut lease, mut frame) = pool.ask(&request(&prepared, What::Run, ids)).await?;
    let mut found = 0;
    loop {
        match frame {
            Frame::Progress(share) => meter.reach(share),
            Frame::Batch(stream) => {
                for batch in batches(&stream)? {
                    found += batch.num_rows() as u64;
                    sink.send(users(&batch, ids)?).await?;
                }
            }
            Frame::Done(done) if done.rows == Some(found) => break,
            Frame::Done(done) => return Err(BackendError::internal(format!("DuckDB sent {found} members and speaks of {:?}", done.rows))),
            Frame::Error(e) => {
                // The engine is none the worse for it.
                lease.give_back();
                return Err(e);
            }
            Frame::Ready => return Err(BackendError::internal("DuckDB's process starts twice")),
        }
        frame = lease.frame().await?;
    }
    lease.give_back();
    meter.reach(1.0);
    Ok(RunMetrics { rows_read: rows, bytes_read: bytes, ..RunMetrics::default() })
}

fn batches(stream: &[u8]) -> Result<Vec<RecordBatch>> {
    let unreadable = |e| BackendError::internal("DuckDB's process sent a batch that cannot be read").caused_by(e);
    StreamReader::try_new(stream, None).map_err(unreadable)?.collect::<std::result::Result<_, _>>().map_err(unreadable)
}

fn users(batch: &RecordBatch, ids: bool) -> Result<Users> {
    let column = |name: &str, ty: DataType| {
        let column = batch.column_by_name(name).ok_or_else(|| BackendError::internal(format!("DuckDB's result lacks {name}")))?;
        cast(column, &ty).map_err(|e| BackendError::internal(format!("DuckDB's {name} is no {ty}")).caused_by(e))
    };
    let numbers = column("user_no", DataType::Int64)?.as_primitive::<Int64Type>().clone();
    let ids = if ids { Some(column("user_id", DataType::Utf8)?.as_string::<i32>().clone()) } else { None };
    Ok(Users { numbers, ids })
}

#[async_trait]
impl Backend for DuckDbBackend {
    fn name(&self) -> &'static str {
        "duckdb"
    }

    fn capabilities(&self) -> Capabilities {
        dialect::CAPABILITIES
    }

    async fn explain(&self, query: &Query) -> Result<Explanation> {
        let prepared = prepare(query).await?;
        let (lease, answer) = self.pool.ask(&request(&prepared, What::Explain, true)).await?;
        lease.give_back();
        let plan = match answer {
            Frame::Done(done) => done.plan.unwrap_or_default(),
            Frame::Error(e) => return Err(e),
            other => return Err(BackendError::internal(format!("DuckDB's process explains by {other:?}"))),
        };
        let files_skipped = |read: Reading| prepared.events_total.files.saturating_sub(read.files);
        let scan = |read: Reading| ScanPlan {
            what: "events of the days that are asked for".to_owned(),
            read,
            files_skipped: files_skipped(read),
            row_groups_skipped: 0,
        };
        Ok(Explanation {
            plan,
            windows: query.plan.windows.clone(),
            scans: prepared.events.map(scan).into_iter().collect(),
            events: prepared.events_total,
            profiles: prepared.profiles,
            users: prepared.profiles.rows,
            profiles_as_of: None,
            sql: Some(prepared.sql),
        })
    }

    async fn run(&self, query: &Query, options: RunOptions) -> Result<Run> {
        let prepared = prepare(query).await?;
        let (pool, ids, progress) = (self.pool.clone(), options.ids, options.progress.clone());
        Ok(task::start(options, |sink| work(pool, prepared, ids, progress, sink)))
    }
}
