//! Running a recipe's query.
//!
//! One thread, one partition: rows come out in the order the query gives them, which is the input's for a query that only
//! filters and derives.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use futures::StreamExt;
use segment_core::time::Zone;
use tokio::runtime::Runtime;

use super::refused;
use super::table::{InputTable, Log};
use crate::error::{ImportError, Result};
use crate::input::{Chunk, Format, Input, Reader};
use crate::limits::CHUNK_ROWS;
use crate::report::FileReport;
use crate::request::Progress;
use crate::rows::plan::Made;
use crate::sources::Aftermath;

/// A query over files.
pub(crate) struct Query {
    pub(crate) recipe: PathBuf,
    pub(crate) sql: String,
    pub(crate) inputs: Vec<Input>,
    pub(crate) memory_bytes: usize,
    /// Whether it is the first over these files, and tells of them.
    pub(crate) first: bool,
}

/// A query that runs.
pub(crate) struct Running {
    pub(crate) reader: Box<dyn Reader>,
    pub(crate) schema: SchemaRef,
    pub(crate) made: Made,
    pub(crate) aftermath: Box<dyn FnOnce() -> Aftermath>,
}

impl Query {
    /// Plans the query and starts it.
    ///
    /// # Errors
    ///
    /// `Recipe` for SQL that does not fit the files; whatever makes a file unusable.
    pub(crate) fn run(&self, zone: &Zone, scratch: &Path, progress: &Arc<dyn Progress>) -> Result<Running> {
        let log = Arc::new(Mutex::new(Log::default()));
        let table = InputTable::new(&self.inputs, zone, progress, log.clone())?;
        let failed = |e: DataFusionError| self.failed(e);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| ImportError::scratch("start a thread for a recipe", e))?;
        let context = self.context(scratch).map_err(failed)?;
        let schema = table.schema();
        let streaming = StreamingTable::try_new(schema, vec![Arc::new(table)]).map_err(failed)?;
        context.register_table("input", Arc::new(streaming)).map_err(failed)?;
        let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let stream = runtime.block_on(async { context.sql_with_options(&self.sql, options).await?.execute_stream().await });
        let stream = stream.map_err(failed)?;
        let first = self.first;
        let aftermath = move || {
            let log = std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner));
            if !first {
                return Aftermath { rejects: Vec::new(), files: Some(Vec::new()) };
            }
            let report = |(file, rows)| FileReport { file, kind: "recipe", rows };
            Aftermath { rejects: log.rejects, files: Some(log.files.into_iter().map(report).collect()) }
        };
        let csv = self.inputs.iter().any(|input| matches!(input.format, Format::Csv { .. }));
        let schema = stream.schema();
        let reader = QueryReader { recipe: self.recipe.clone(), runtime, stream, next_row: 1 };
        Ok(Running { reader: Box::new(reader), schema, made: Made::Query { csv }, aftermath: Box::new(aftermath) })
    }

    fn failed(&self, error: DataFusionError) -> ImportError {
        failed(&self.recipe, error)
    }

    fn context(&self, scratch: &Path) -> std::result::Result<SessionContext, DataFusionError> {
        let config = SessionConfig::new().with_target_partitions(1).with_batch_size(CHUNK_ROWS);
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![scratch.to_owned()]));
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(self.memory_bytes, 1.0).with_disk_manager_builder(disk).build_arc()?;
        let state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build();
        Ok(SessionContext::new_with_state(state))
    }
}

/// An error of the engine, or ours that came through it.
fn failed(recipe: &Path, error: DataFusionError) -> ImportError {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<ImportError>() {
            Ok(ours) => *ours,
            Err(other) => refused(recipe, "a query failed", Some(other)),
        },
        other => refused(recipe, "a query failed", Some(Box::new(other))),
    }
}

struct QueryReader {
    recipe: PathBuf,
    runtime: Runtime,
    stream: SendableRecordBatchStream,
    next_row: u64,
}

impl Reader for QueryReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            let Some(batch) = self.runtime.block_on(self.stream.next()) else { return Ok(None) };
            let batch = batch.map_err(|e| failed(&self.recipe, e))?;
            if batch.num_rows() == 0 {
                continue;
            }
            let first_row = self.next_row;
            self.next_row += batch.num_rows() as u64;
            return Ok(Some(Chunk::Batch { batch, first_row }));
        }
    }
}
