//! One scan of a lake table: which row groups each partition reads, and DataFusion's configuration of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ::parquet::file::metadata::ParquetMetaData;
use datafusion::catalog::Session;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::utils::{collect_columns, conjunction};
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr, expressions};

use super::ahead::Ahead;
use super::files::{LakeFile, Readers};
use super::lake_table::{Known, LakeTable};
use super::split_source::{Selection, SplitSource};
use crate::backend::Reading;

/// What statistics say of a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No row meets the filters.
    Skip,
    /// The filters have to be evaluated.
    Open,
    /// All rows meet the filters that statistics can prove.
    Proven,
}

/// A scan being planned.
pub(super) struct Scan<'a> {
    pub(super) table: &'a LakeTable,
    pub(super) known: &'a Known,
    pub(super) verdicts: &'a [Verdict],
    /// Every filter.
    pub(super) all: Vec<Arc<dyn PhysicalExpr>>,
    /// The filters that statistics never prove.
    pub(super) rest: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) projection: Option<&'a Vec<usize>>,
    pub(super) limit: Option<usize>,
}

/// A row group to be read.
#[derive(Debug, Clone, Copy)]
struct Unit {
    file: usize,
    group: usize,
    proven: bool,
    rows: u64,
    bytes: u64,
}

impl Scan<'_> {
    /// The configuration, `None` if nothing is read; and how much is read.
    pub(super) fn config(&self, state: &dyn Session) -> Result<(Option<FileScanConfig>, Reading)> {
        let units = self.units()?;
        let mut files: Vec<usize> = units.iter().map(|u| u.file).collect();
        files.dedup();
        let read = Reading {
            files: files.len() as u64,
            row_groups: units.len() as u64,
            rows: units.iter().map(|u| u.rows).sum(),
            bytes: units.iter().map(|u| u.bytes).sum(),
        };
        if units.is_empty() {
            return Ok((None, read));
        }
        let spec = &self.table.spec;
        let partitions = state.config().target_partitions();
        let groups = if spec.disjoint { consecutive(&units, partitions) } else { balanced(&units, partitions) };
        let groups: Vec<FileGroup> = groups.iter().map(|units| self.file_group(units)).collect();
        let ahead = groups.iter().map(|group| self.ahead(group)).collect();
        let single = groups.iter().all(|g| g.len() <= 1);
        let mut statistics = Statistics::new_unknown(&spec.schema);
        let rows = usize::try_from(read.rows).unwrap_or(usize::MAX);
        let all = self.all.is_empty() && spec.files.iter().all(|f| f.deleted.is_empty());
        statistics.num_rows = if all { Precision::Exact(rows) } else { Precision::Inexact(rows) };
        statistics.total_byte_size = Precision::Inexact(usize::try_from(read.bytes).unwrap_or(usize::MAX));
        let config = FileScanConfigBuilder::new(self.table.store_url.clone(), Arc::new(self.source(state, ahead)))
            .with_projection_indices(self.projection.cloned())?
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_limit(self.limit)
            .with_output_ordering(if self.known.sorted && (single || spec.disjoint) { self.ordering() } else { Vec::new() })
            .build();
        Ok((Some(config), read))
    }

    fn source(&self, state: &dyn Session, ahead: Vec<Ahead>) -> SplitSource {
        let table = self.table;
        let mut options = TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
        options.global.pushdown_filters = true;
        options.global.reorder_filters = true;
        options.global.enable_page_index = table.reading.page_index;
        options.global.bloom_filter_on_read = false;
        let readers = Readers { reading: table.reading.clone(), files: table.by_location.clone(), ahead };
        let plain = ParquetSource::new(TableSchema::from_file_schema(table.spec.schema.clone()))
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let filtered = |filters: &[Arc<dyn PhysicalExpr>]| match filters {
            [] => plain.clone(),
            filters => plain.with_predicate(conjunction(filters.to_vec())),
        };
        SplitSource::new(filtered(&self.all), filtered(&self.rest))
    }

    /// The row groups that are read, in the table's order.
    fn units(&self) -> Result<Vec<Unit>> {
        let spec = &self.table.spec;
        let mut needed: HashSet<String> = match self.projection {
            Some(indices) => indices.iter().filter_map(|i| spec.schema.fields().get(*i)).map(|f| f.name().clone()).collect(),
            None => spec.schema.fields().iter().map(|f| f.name().clone()).collect(),
        };
        let add = |needed: &mut HashSet<String>, filters: &[Arc<dyn PhysicalExpr>]| {
            for filter in filters {
                needed.extend(collect_columns(filter).into_iter().map(|c| c.name().to_owned()));
            }
        };
        add(&mut needed, &self.rest);
        let proven = needed.clone();
        add(&mut needed, &self.all);
        let mut units = Vec::new();
        let mut leaves: Option<(usize, [Vec<usize>; 2])> = None;
        for ((file, group), verdict) in self.known.groups.places.iter().zip(self.verdicts) {
            let Some(footer) = self.known.footers.get(*file).filter(|_| *verdict != Verdict::Skip) else { continue };
            if leaves.as_ref().is_none_or(|(f, _)| f != file) {
                leaves = Some((*file, [leaves_of(footer, &needed), leaves_of(footer, &proven)]));
            }
            let Some((_, [open, proven])) = &leaves else { continue };
            let metadata = footer.row_group(*group);
            let read = if *verdict == Verdict::Proven { proven } else { open };
            let bytes = read.iter().filter_map(|leaf| metadata.columns().get(*leaf)).map(|c| c.compressed_size().unsigned_abs()).sum();
            let rows = metadata.num_rows().unsigned_abs();
            units.push(Unit { file: *file, group: *group, proven: *verdict == Verdict::Proven, rows, bytes });
        }
        Ok(units)
    }

    /// What one partition reads ahead.
    fn ahead(&self, group: &FileGroup) -> Ahead {
        let files = group.iter().filter_map(|file| self.table.by_location.get(&file.object_meta.location));
        Ahead::of(files, &self.table.reading.counters.progress)
    }

    /// The files of one partition, each with the row groups to be read of it.
    fn file_group(&self, units: &[Unit]) -> FileGroup {
        let mut selected: BTreeMap<(usize, bool), Vec<usize>> = BTreeMap::new();
        for unit in units {
            selected.entry((unit.file, unit.proven)).or_default().push(unit.group);
        }
        let files = selected.into_iter().filter_map(|((file, proven), groups)| {
            let (file, footer) = (self.table.spec.files.get(file)?, self.known.footers.get(file)?);
            let mut plan = ParquetAccessPlan::new_none(footer.num_row_groups());
            groups.into_iter().for_each(|g| plan.scan(g));
            leave_out(&mut plan, file, footer);
            Some(self.partitioned_file(file, Selection { plan, proven }))
        });
        FileGroup::new(files.collect())
    }

    fn partitioned_file(&self, file: &LakeFile, selection: Selection) -> PartitionedFile {
        let mut out = PartitionedFile::new("", file.size_bytes);
        out.object_meta.location = file.location.clone();
        out.extensions = Some(Arc::new(selection));
        let first = self.table.spec.sorted_by.first().and_then(|name| self.table.spec.schema.index_of(name).ok());
        if let (Some(first), Some((least, greatest)), true) = (first, file.bounds, self.table.spec.disjoint) {
            let mut statistics = Statistics::new_unknown(&self.table.spec.schema);
            statistics.num_rows = Precision::Exact(usize::try_from(file.rows).unwrap_or(usize::MAX));
            if let Some(column) = statistics.column_statistics.get_mut(first) {
                column.min_value = Precision::Exact(ScalarValue::Int64(Some(least)));
                column.max_value = Precision::Exact(ScalarValue::Int64(Some(greatest)));
                column.null_count = Precision::Exact(0);
            }
            out = out.with_statistics(Arc::new(statistics));
        }
        out
    }

    fn ordering(&self) -> Vec<LexOrdering> {
        let schema = &self.table.spec.schema;
        let by = self.table.spec.sorted_by.iter().filter_map(|name| expressions::col(name, schema).ok());
        LexOrdering::new(by.map(|expr| PhysicalSortExpr::new_default(expr).asc().nulls_last())).into_iter().collect()
    }
}

/// Takes deleted rows out of what is read of a file.
fn leave_out(plan: &mut ParquetAccessPlan, file: &LakeFile, footer: &ParquetMetaData) {
    if file.deleted.is_empty() {
        return;
    }
    let mut start = 0;
    for (group, metadata) in footer.row_groups().iter().enumerate() {
        let rows = metadata.num_rows().unsigned_abs();
        if plan.should_scan(group)
            && let Some(kept) = file.deleted.selection(start, rows)
        {
            if kept.selects_any() {
                plan.scan_selection(group, kept);
            } else {
                plan.skip(group);
            }
        }
        start += rows;
    }
}

/// The Parquet leaves of some columns.
fn leaves_of(footer: &ParquetMetaData, names: &HashSet<String>) -> Vec<usize> {
    let schema = footer.file_metadata().schema_descr();
    let wanted = |leaf: &usize| schema.column(*leaf).path().parts().first().is_some_and(|root| names.contains(root));
    (0..schema.num_columns()).filter(wanted).collect()
}

/// Spreads row groups over partitions by size, the largest first; each partition's are in the table's order.
fn balanced(units: &[Unit], partitions: usize) -> Vec<Vec<Unit>> {
    let mut by_size: Vec<Unit> = units.to_vec();
    by_size.sort_by_key(|u| std::cmp::Reverse(u.bytes));
    let mut out: Vec<(u64, Vec<Unit>)> = vec![(0, Vec::new()); partitions.max(1).min(units.len())];
    for unit in by_size {
        if let Some(least) = out.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            least.0 += unit.bytes.max(1);
            least.1.push(unit);
        }
    }
    out.into_iter()
        .map(|(_, mut units)| {
            units.sort_by_key(|u| (u.file, u.group));
            units
        })
        .collect()
}

/// Cuts the table's order into partitions of about one size.
fn consecutive(units: &[Unit], partitions: usize) -> Vec<Vec<Unit>> {
    let total: u64 = units.iter().map(|u| u.bytes.max(1)).sum();
    let share = total.div_ceil(partitions.max(1) as u64).max(1);
    let mut out: Vec<Vec<Unit>> = Vec::new();
    let mut before = 0;
    for unit in units {
        let partition = usize::try_from(before / share).unwrap_or(usize::MAX);
        if out.len() <= partition {
            out.push(Vec::new());
        }
        if let Some(last) = out.last_mut() {
            last.push(*unit);
        }
        before += unit.bytes.max(1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(bytes: &[u64]) -> Vec<Unit> {
        bytes.iter().enumerate().map(|(i, bytes)| Unit { file: i, group: 0, proven: false, rows: *bytes, bytes: *bytes }).collect()
    }

    #[test]
    fn partitions_get_alike_shares() {
        let balanced = balanced(&units(&[10, 1, 1, 1, 1, 6]), 2);
        let sums: Vec<u64> = balanced.iter().map(|p| p.iter().map(|u| u.bytes).sum()).collect();
        assert_eq!(sums, [10, 10]);
        let cut = consecutive(&units(&[5, 5, 5, 5, 5]), 2);
        assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(consecutive(&units(&[1]), 4).len(), 1);
    }
}
