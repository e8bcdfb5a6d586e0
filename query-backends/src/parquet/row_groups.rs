//! The statistics of a table's row groups, over all its files at once, and what they prove of a filter.

use std::collections::HashSet;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use ::parquet::file::metadata::ParquetMetaData;
use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array, new_empty_array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DataFusionError, Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicate;

/// All row groups of a table, in the order of its files.
#[derive(Debug)]
pub(super) struct RowGroups {
    /// File, and row group in the file.
    pub(super) places: Vec<(usize, usize)>,
    /// Rows of each.
    rows: ArrayRef,
    columns: Vec<ColumnStatistics>,
}

#[derive(Debug)]
struct ColumnStatistics {
    name: String,
    min: ArrayRef,
    max: ArrayRef,
    nulls: ArrayRef,
}

impl RowGroups {
    /// Collects the statistics of some columns.
    pub(super) fn collect(footers: &[Arc<ParquetMetaData>], schema: &SchemaRef, names: &[&str]) -> Result<Self> {
        let mut places = Vec::new();
        let mut rows = Vec::new();
        for (file, footer) in footers.iter().enumerate() {
            for (group, metadata) in footer.row_groups().iter().enumerate() {
                places.push((file, group));
                rows.push(metadata.num_rows().unsigned_abs());
            }
        }
        let columns = names.iter().map(|name| statistics(footers, schema, name)).collect::<Result<_>>()?;
        Ok(Self { places, rows: Arc::new(UInt64Array::from(rows)), columns })
    }

    /// For each row group, whether a row of it may meet the filter.
    pub(super) fn may_hold(&self, filter: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Result<Vec<bool>> {
        let proof = PruningPredicate::try_new(filter.clone(), schema.clone())?;
        // The engine writes a prefix's bounds as Utf8 whatever the column's type is, and then cannot compare them with views.
        // What cannot be evaluated proves nothing.
        Ok(proof.prune(self).unwrap_or_else(|_| vec![true; self.places.len()]))
    }

    /// Whether the column's statistics are known here.
    pub(super) fn knows(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c.name == column)
    }

    fn column(&self, column: &Column) -> Option<&ColumnStatistics> {
        self.columns.iter().find(|c| c.name == column.name)
    }
}

fn statistics(footers: &[Arc<ParquetMetaData>], schema: &SchemaRef, name: &str) -> Result<ColumnStatistics> {
    let (mut min, mut max, mut nulls): (Vec<ArrayRef>, Vec<ArrayRef>, Vec<ArrayRef>) = Default::default();
    for footer in footers {
        let converter = StatisticsConverter::try_new(name, schema, footer.file_metadata().schema_descr())
            .map_err(|e| DataFusionError::ParquetError(Box::new(e)))?;
        let wrap = |e| DataFusionError::ParquetError(Box::new(e));
        min.push(converter.row_group_mins(footer.row_groups()).map_err(wrap)?);
        max.push(converter.row_group_maxes(footer.row_groups()).map_err(wrap)?);
        nulls.push(Arc::new(converter.row_group_null_counts(footer.row_groups()).map_err(wrap)?));
    }
    if footers.is_empty() {
        let ty = schema.field_with_name(name)?.data_type();
        return Ok(ColumnStatistics {
            name: name.to_owned(),
            min: new_empty_array(ty),
            max: new_empty_array(ty),
            nulls: new_empty_array(&DataType::UInt64),
        });
    }
    let joined = |arrays: Vec<ArrayRef>| concat(&arrays.iter().map(|a| a.as_ref() as &dyn Array).collect::<Vec<_>>());
    Ok(ColumnStatistics { name: name.to_owned(), min: joined(min)?, max: joined(max)?, nulls: joined(nulls)? })
}

impl PruningStatistics for RowGroups {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column).map(|c| c.min.clone())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column).map(|c| c.max.clone())
    }

    fn num_containers(&self) -> usize {
        self.places.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column).map(|c| c.nulls.clone())
    }

    fn row_counts(&self, _: &Column) -> Option<ArrayRef> {
        Some(self.rows.clone())
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
