//! DataFusion's Parquet source, twice over the same files: for row groups of which statistics prove some filters, and for the
//! others. The proven filters are not evaluated, so their columns are not decoded.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use object_store::ObjectStore;

/// What to read of a file, in `PartitionedFile::extensions`.
#[derive(Debug)]
pub(super) struct Selection {
    /// Row groups.
    pub(super) plan: ParquetAccessPlan,
    /// Whether the proven filters hold for all rows in them.
    pub(super) proven: bool,
}

/// The source.
#[derive(Clone)]
pub(super) struct SplitSource {
    /// With all filters.
    pub(super) full: Arc<dyn FileSource>,
    /// Without the proven ones. Shares the metrics of `full`.
    pub(super) rest: Arc<dyn FileSource>,
}

impl SplitSource {
    /// Of two copies of one source.
    pub(super) fn new(full: ParquetSource, rest: ParquetSource) -> Self {
        Self { full: Arc::new(full), rest: Arc::new(rest) }
    }
}

impl FileSource for SplitSource {
    fn create_file_opener(&self, store: Arc<dyn ObjectStore>, config: &FileScanConfig, partition: usize) -> Result<Arc<dyn FileOpener>> {
        Ok(Arc::new(SplitOpener {
            full: self.full.create_file_opener(store.clone(), config, partition)?,
            rest: self.rest.create_file_opener(store, config, partition)?,
        }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn table_schema(&self) -> &TableSchema {
        self.full.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self { full: self.full.with_batch_size(batch_size), rest: self.rest.with_batch_size(batch_size) })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.full.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.full.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.full.metrics()
    }

    fn file_type(&self) -> &str {
        "parquet"
    }

    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn fmt_extra(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        if let Some(filter) = self.full.filter() {
            write!(f, ", filter={filter}")?;
        }
        if self.full.filter().is_some() {
            match self.rest.filter() {
                Some(filter) => write!(f, ", filter_where_proven={filter}")?,
                None => write!(f, ", filter_where_proven=none")?,
            }
        }
        Ok(())
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        match (self.full.try_pushdown_projection(projection)?, self.rest.try_pushdown_projection(projection)?) {
            (Some(full), Some(rest)) => Ok(Some(Arc::new(Self { full, rest }))),
            _ => Ok(None),
        }
    }
}

struct SplitOpener {
    full: Arc<dyn FileOpener>,
    rest: Arc<dyn FileOpener>,
}

impl FileOpener for SplitOpener {
    fn open(&self, mut file: PartitionedFile) -> Result<FileOpenFuture> {
        let selection = file.extensions.take().and_then(|e| e.downcast::<Selection>().ok());
        let Some(selection) = selection else {
            return Err(DataFusionError::Internal(format!("nothing is said of what to read of {}", file.object_meta.location)));
        };
        file.extensions = Some(Arc::new(selection.plan.clone()));
        if selection.proven { self.rest.open(file) } else { self.full.open(file) }
    }
}
