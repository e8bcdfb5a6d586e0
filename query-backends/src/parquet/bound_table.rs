//! A DataFusion table of events that somebody else writes.
//!
//! In: the files that a query may need, opened before planning, so that all of its scans read the same ones. Out: scans of the partitions that
//! the filters on `ts` leave. Filters on `event` and `ts` are taken exactly, before other columns are converted; others are left to the engine.
//! Files are read by threads that block, one a partition of the engine's, two batches ahead at most.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::and;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue, ToDFSchema};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicate;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{StreamExt, TryStreamExt};
use segment_core::plan::Interval;
use store::{BoundEvents, BoundFile, Keep, LAKE_TIMEZONE, OpenBound, StoreError};

use super::files::Counters;
use super::proof;
use super::pushdown::{columns_of, exact_over};
use crate::backend::{Reading, ScanPlan};

/// Footers read at once.
const FOOTERS_AT_ONCE: usize = 8;
/// Batches read ahead of the engine.
const BATCHES_AHEAD: usize = 2;
/// The columns whose filters are taken.
const FILTERED: [&str; 2] = ["event", "ts"];

/// The table.
pub(super) struct BoundTable {
    schema: SchemaRef,
    df_schema: DFSchema,
    /// `event` and `ts`.
    filtered_schema: DFSchema,
    files: Vec<(BoundFile, Arc<OpenBound>)>,
    total: Reading,
    partitions_total: u64,
    counters: Arc<Counters>,
    scans: Mutex<Vec<ScanPlan>>,
}

impl fmt::Debug for BoundTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundTable").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

/// Opens the files that may hold events of some windows. If one of them is not what it was when it was listed, they are listed anew, once; or
/// they are at first, if that is `again` so.
///
/// # Errors
///
/// As [`BoundEvents::open`].
pub(super) async fn opened(
    bound: &BoundEvents,
    windows: &[Interval],
    again: bool,
) -> crate::error::Result<(BoundEvents, Vec<(BoundFile, Arc<OpenBound>)>)> {
    if !again && let Ok(files) = open(bound, windows).await {
        return Ok((bound.clone(), files));
    }
    let bound = bound.look_again().await?;
    let files = open(&bound, windows).await?;
    Ok((bound, files))
}

async fn open(bound: &BoundEvents, windows: &[Interval]) -> store::Result<Vec<(BoundFile, Arc<OpenBound>)>> {
    let needed = |file: &&BoundFile| windows.iter().any(|window| file.may_hold(*window));
    let files: Vec<BoundFile> = bound.files().iter().filter(needed).cloned().collect();
    futures::stream::iter(files)
        .map(|file| {
            let bound = bound.clone();
            tokio::task::spawn_blocking(move || bound.open(&file).map(|open| (file, Arc::new(open))))
        })
        .buffered(FOOTERS_AT_ONCE)
        .map(|joined| {
            joined.unwrap_or_else(|e| {
                Err(StoreError::Unavailable { what: "a thread that reads footers stopped".to_owned(), source: Some(e.into()) })
            })
        })
        .try_collect()
        .await
}

impl BoundTable {
    /// A table of opened files.
    pub(super) fn new(bound: &BoundEvents, files: Vec<(BoundFile, Arc<OpenBound>)>, counters: Arc<Counters>) -> Result<Self> {
        let schema = bound.schema().clone();
        let filtered: Vec<_> = FILTERED.iter().map(|name| schema.field_with_name(name).cloned()).collect::<std::result::Result<_, _>>()?;
        let all = bound.files();
        let total = Reading { files: all.len() as u64, bytes: all.iter().map(|f| f.size_bytes).sum(), ..Reading::default() };
        let partitions_total = all.iter().map(|f| &f.partition).collect::<HashSet<_>>().len() as u64;
        Ok(Self {
            df_schema: schema.clone().to_dfschema()?,
            filtered_schema: Schema::new(filtered).to_dfschema()?,
            schema,
            files,
            total,
            partitions_total,
            counters,
            scans: Mutex::default(),
        })
    }

    /// All its files.
    pub(super) fn total(&self) -> Reading {
        self.total
    }

    /// What its scans read, in the order planned.
    pub(super) fn scans(&self) -> Vec<ScanPlan> {
        self.scans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The files that filters leave.
    fn left(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&(BoundFile, Arc<OpenBound>)>> {
        let mut kept: Vec<bool> = self.files.iter().map(|(file, _)| file.times.is_none_or(|times| !times.is_empty())).collect();
        let times = Times::of(&self.files);
        for filter in filters.iter().filter(|f| columns_of(f).contains("ts")) {
            let physical = state.create_physical_expr(proof::comparable(filter), &self.df_schema)?;
            // What cannot be evaluated proves nothing.
            if let Ok(may_hold) = PruningPredicate::try_new(physical, self.schema.clone()).and_then(|proof| proof.prune(&times)) {
                kept.iter_mut().zip(may_hold).for_each(|(kept, may)| *kept &= may);
            }
        }
        Ok(self.files.iter().zip(kept).filter_map(|(file, kept)| kept.then_some(file)).collect())
    }

    /// The filters as a choice of rows.
    fn keep(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Keep>> {
        let physical: Vec<Arc<dyn PhysicalExpr>> =
            filters.iter().map(|f| state.create_physical_expr(f.clone(), &self.filtered_schema)).collect::<Result<_>>()?;
        if physical.is_empty() {
            return Ok(None);
        }
        Ok(Some(Arc::new(move |batch: &RecordBatch| {
            let failed = |e: DataFusionError| ArrowError::ExternalError(Box::new(e));
            let mut kept = BooleanArray::from(vec![true; batch.num_rows()]);
            for expr in &physical {
                let holds: ArrayRef = expr.evaluate(batch).and_then(|v| v.into_array(batch.num_rows())).map_err(failed)?;
                let holds = holds.as_boolean_opt().ok_or_else(|| ArrowError::ComputeError("a filter gives no boolean".to_owned()))?;
                kept = and(&kept, holds)?;
            }
            Ok(kept)
        })))
    }
}

/// What partitions say of the files' times.
struct Times {
    min: ArrayRef,
    max: ArrayRef,
    files: usize,
}

impl Times {
    fn of(files: &[(BoundFile, Arc<OpenBound>)]) -> Self {
        let bounds = |bound: &dyn Fn(Interval) -> Option<i64>| -> ArrayRef {
            let times: TimestampMicrosecondArray = files.iter().map(|(file, _)| file.times.and_then(bound)).collect();
            Arc::new(times.with_timezone(LAKE_TIMEZONE))
        };
        Self { min: bounds(&|times| times.start), max: bounds(&|times| Some(times.end.saturating_sub(1))), files: files.len() }
    }
}

impl PruningStatistics for Times {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        (column.name == "ts").then(|| self.min.clone())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        (column.name == "ts").then(|| self.max.clone())
    }

    fn num_containers(&self) -> usize {
        self.files
    }

    fn null_counts(&self, _: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self, _: &Column) -> Option<ArrayRef> {
        None
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

#[async_trait]
impl TableProvider for BoundTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        exact_over(filters, |column| FILTERED.contains(&column))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.left(state, filters)?;
        let schema = match projection {
            Some(indices) => Arc::new(self.schema.project(indices)?),
            None => self.schema.clone(),
        };
        let wanted: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let mut read = Reading { files: files.len() as u64, ..Reading::default() };
        for (_, open) in &files {
            let footer = open.metadata();
            read.row_groups += footer.num_row_groups() as u64;
            read.rows += footer.file_metadata().num_rows().unsigned_abs();
            read.bytes += open.bytes(&wanted);
        }
        let partitions = files.iter().map(|(file, _)| &file.partition).collect::<HashSet<_>>().len();
        let mut what: Vec<String> = filters.iter().map(ToString::to_string).collect();
        what.push(format!("{partitions} of {} partitions", self.partitions_total));
        self.scans.lock().unwrap_or_else(PoisonError::into_inner).push(ScanPlan {
            what: what.join(" AND "),
            read,
            files_skipped: self.total.files.saturating_sub(read.files),
            row_groups_skipped: 0,
        });
        self.counters.progress.add_total(read.rows, read.bytes);
        let keep = self.keep(state, filters)?;
        let streams = shared_out(&files, state.config().target_partitions()).into_iter().map(|files| -> Arc<dyn PartitionStream> {
            Arc::new(FilesStream { schema: schema.clone(), files, keep: keep.clone(), counters: self.counters.clone() })
        });
        let exec = StreamingTableExec::try_new(schema.clone(), streams.collect(), None, None, false, limit)?;
        Ok(Arc::new(exec))
    }
}

/// Spreads files over partitions by size, the largest first; there is one partition at least.
fn shared_out(files: &[&(BoundFile, Arc<OpenBound>)], partitions: usize) -> Vec<Vec<Arc<OpenBound>>> {
    let mut by_size: Vec<_> = files.to_vec();
    by_size.sort_by_key(|(file, _)| std::cmp::Reverse(file.size_bytes));
    let mut out: Vec<(u64, Vec<Arc<OpenBound>>)> = vec![(0, Vec::new()); partitions.min(files.len()).max(1)];
    for (file, open) in by_size {
        if let Some(least) = out.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            least.0 += file.size_bytes.max(1);
            least.1.push(open.clone());
        }
    }
    out.into_iter().map(|(_, files)| files).collect()
}

/// One partition: its files one after the other.
struct FilesStream {
    schema: SchemaRef,
    files: Vec<Arc<OpenBound>>,
    keep: Option<Keep>,
    counters: Arc<Counters>,
}

impl fmt::Debug for FilesStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesStream").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl PartitionStream for FilesStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), BATCHES_AHEAD);
        let (files, schema, keep, counters, sender) =
            (self.files.clone(), self.schema.clone(), self.keep.clone(), self.counters.clone(), builder.tx());
        builder.spawn_blocking(move || {
            let failed = |e: StoreError| DataFusionError::External(Box::new(e));
            let wanted: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            for open in files {
                let rows = open.metadata().file_metadata().num_rows().unsigned_abs();
                counters.row_groups.fetch_add(open.metadata().num_row_groups() as u64, std::sync::atomic::Ordering::Relaxed);
                for batch in open.rows(&wanted, keep.clone()).map_err(failed)? {
                    if sender.blocking_send(Ok(batch.map_err(failed)?)).is_err() {
                        // Nobody listens any more.
                        return Ok(());
                    }
                }
                counters.progress.add_read(rows, open.bytes(&wanted));
            }
            Ok(())
        });
        builder.build()
    }
}
