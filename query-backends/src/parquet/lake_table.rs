//! A lake table for DataFusion: files that are known beforehand, pruned by their row groups' statistics, read by DataFusion's own Parquet
//! source.
//!
//! In: files, a schema, filters. Out: a scan of the row groups that the filters leave. A filter over columns whose
//! statistics are collected is tried both ways: row groups that cannot meet it are skipped, and where all rows meet it, it is not
//! evaluated. Every filter that is taken is taken exactly; those over lists are left to the engine.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::file::metadata::ParquetMetaData;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, DataFusionError, Result, ToDFSchema};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use tokio::sync::OnceCell;

use super::files::{LakeFile, Reading, Source};
use super::proof;
use super::pushdown::{columns_of, exact_over};
use super::row_groups::RowGroups;
use super::scan::{Scan, Verdict};
use crate::backend::{self, ScanPlan};

/// Footers read at once.
const FOOTERS_AT_ONCE: usize = 8;

/// For each row group, what its statistics say of the filters; and the filters that are never proven.
type Verdicts = (Vec<Verdict>, Vec<Arc<dyn PhysicalExpr>>);

/// What a table is.
#[derive(Debug, Clone)]
pub(super) struct TableSpec {
    /// Its columns; files may lack those that may be null.
    pub(super) schema: SchemaRef,
    /// Its files, in order, but those ruled out before.
    pub(super) files: Vec<LakeFile>,
    /// All its files.
    pub(super) files_total: u64,
    /// Each file is sorted by these columns, if it says so ([`store::declares_order`]) or is local.
    pub(super) sorted_by: &'static [&'static str],
    /// Whether the files' ranges of the first of them are apart and ascend.
    pub(super) disjoint: bool,
    /// Columns whose row group statistics are looked at when planning.
    pub(super) prune_by: &'static [&'static str],
}

/// The table.
pub(super) struct LakeTable {
    pub(super) spec: TableSpec,
    pub(super) df_schema: DFSchema,
    pub(super) reading: Arc<Reading>,
    pub(super) by_location: Arc<HashMap<Path, LakeFile>>,
    pub(super) store_url: ObjectStoreUrl,
    known: OnceCell<Arc<Known>>,
    scans: Mutex<Vec<ScanPlan>>,
}

/// What the files' footers say.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) footers: Vec<Arc<ParquetMetaData>>,
    pub(super) groups: RowGroups,
    /// Whether every file is sorted: those that other engines wrote may not be.
    pub(super) sorted: bool,
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeTable").field("files", &self.spec.files.len()).finish_non_exhaustive()
    }
}

impl LakeTable {
    /// A table; text is read in its fastest layout.
    pub(super) fn new(mut spec: TableSpec, reading: Arc<Reading>, store_url: ObjectStoreUrl) -> Result<Self> {
        spec.schema = with_views(&spec.schema);
        let by_location = Arc::new(spec.files.iter().map(|f| (f.location.clone(), f.clone())).collect());
        let df_schema = spec.schema.clone().to_dfschema()?;
        Ok(Self { spec, df_schema, reading, by_location, store_url, known: OnceCell::new(), scans: Mutex::default() })
    }

    /// What its scans read, in the order planned.
    pub(super) fn scans(&self) -> Vec<ScanPlan> {
        self.scans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn known(&self) -> Result<&Arc<Known>> {
        self.known
            .get_or_try_init(|| async {
                let footers = futures::stream::iter(self.spec.files.clone())
                    .map(|file| {
                        let reading = self.reading.clone();
                        async move { tokio::spawn(async move { reading.footer(&file).await }).await }
                    })
                    .buffered(FOOTERS_AT_ONCE)
                    .map(|joined| match joined {
                        Ok(footer) => footer.map_err(DataFusionError::from),
                        Err(e) => Err(DataFusionError::ExecutionJoin(Box::new(e))),
                    })
                    .try_collect::<Vec<_>>()
                    .await?;
                let groups = RowGroups::collect(&footers, &self.spec.schema, self.spec.prune_by)?;
                let by = self.spec.sorted_by;
                let sorted = |(file, footer): (&LakeFile, &Arc<ParquetMetaData>)| {
                    matches!(file.source, Source::Local(_)) || store::declares_order(footer, by)
                };
                let sorted = self.spec.files.iter().zip(&footers).all(sorted);
                Ok(Arc::new(Known { footers, groups, sorted }))
            })
            .await
    }

    /// Whether nothing but row group statistics is needed to know that a filter holds: its columns are never null.
    fn provable(&self, columns: &BTreeSet<String>, known: &Known) -> bool {
        !columns.is_empty()
            && columns.iter().all(|c| known.groups.knows(c) && self.spec.schema.field_with_name(c).is_ok_and(|f| !f.is_nullable()))
    }

    /// For each row group, what its statistics say of the filters; and the filters that are never proven.
    fn verdicts(&self, state: &dyn Session, filters: &[Expr], known: &Known) -> Result<Verdicts> {
        let mut verdicts = vec![Verdict::Proven; known.groups.places.len()];
        let mut rest = Vec::new();
        for filter in filters {
            let physical = state.create_physical_expr(filter.clone(), &self.df_schema)?;
            let columns = columns_of(filter);
            if !columns.iter().any(|c| known.groups.knows(c)) {
                rest.push(physical);
                continue;
            }
            let comparable = proof::comparable(filter);
            let looked_at = state.create_physical_expr(comparable.clone(), &self.df_schema)?;
            let may_hold = known.groups.may_hold(&looked_at, &self.spec.schema)?;
            let may_fail = if self.provable(&columns, known) {
                let negated = state.create_physical_expr(proof::negated(&comparable), &self.df_schema)?;
                known.groups.may_hold(&negated, &self.spec.schema)?
            } else {
                rest.push(physical);
                vec![false; verdicts.len()]
            };
            for (verdict, (may_hold, may_fail)) in verdicts.iter_mut().zip(may_hold.into_iter().zip(may_fail)) {
                *verdict = match (*verdict, may_hold, may_fail) {
                    (Verdict::Skip, _, _) | (_, false, _) => Verdict::Skip,
                    (Verdict::Proven, true, false) => Verdict::Proven,
                    _ => Verdict::Open,
                };
            }
        }
        Ok((verdicts, rest))
    }
}

/// The schema with text as views, which are read without copying.
fn with_views(schema: &Schema) -> SchemaRef {
    let view = |field: &Field| match field.data_type() {
        DataType::Utf8 => field.clone().with_data_type(DataType::Utf8View),
        _ => field.clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(|f| view(f)).collect::<Vec<_>>()))
}

#[async_trait]
impl TableProvider for LakeTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        self.spec.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        exact_over(filters, |column| self.spec.schema.field_with_name(column).is_ok_and(|f| !f.data_type().is_nested()))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let known = self.known().await?.clone();
        let (verdicts, rest) = self.verdicts(state, filters, &known)?;
        let all = filters.iter().map(|f| state.create_physical_expr(f.clone(), &self.df_schema)).collect::<Result<Vec<_>>>()?;
        let scan = Scan { table: self, known: &known, verdicts: &verdicts, all, rest, projection, limit };
        let (config, read) = scan.config(state)?;
        let total = known.groups.places.len() as u64;
        let what: Vec<String> = filters.iter().map(ToString::to_string).collect();
        self.scans.lock().unwrap_or_else(PoisonError::into_inner).push(ScanPlan {
            what: what.join(" AND "),
            read,
            files_skipped: self.spec.files_total.saturating_sub(read.files),
            row_groups_skipped: total - read.row_groups,
        });
        self.reading.counters.progress.add_total(read.rows, read.bytes);
        match config {
            Some(config) => Ok(DataSourceExec::from_data_source(config)),
            None => Ok(Arc::new(EmptyExec::new(project(&self.spec.schema, projection)?))),
        }
    }
}

fn project(schema: &SchemaRef, projection: Option<&Vec<usize>>) -> Result<SchemaRef> {
    match projection {
        Some(indices) => Ok(Arc::new(schema.project(indices)?)),
        None => Ok(schema.clone()),
    }
}

/// The sum of what several scans read; files read by several count each time.
pub(super) fn sum(scans: &[ScanPlan]) -> backend::Reading {
    scans.iter().fold(backend::Reading::default(), |sum, scan| backend::Reading {
        files: sum.files + scan.read.files,
        row_groups: sum.row_groups + scan.read.row_groups,
        rows: sum.rows + scan.read.rows,
        bytes: sum.bytes + scan.read.bytes,
    })
}
