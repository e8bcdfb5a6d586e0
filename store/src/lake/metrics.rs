//! What Iceberg keeps of a data file: sizes, counts and bounds, from the Parquet footer.
//!
//! Iceberg's own conversion is private to its writer, which cannot cut row groups. Bounds are left out where any row
//! group lacks them, so that none ever excludes a row that is there.

use std::collections::{HashMap, HashSet};

use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, PrimitiveType, Schema, Struct, Type};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;

use crate::error::{Attempt, Result};
use crate::lake::schema::ELEMENT;

/// Where a data file belongs.
pub(crate) struct Place<'a> {
    /// The table's schema, with the ids of the file's columns.
    pub(crate) schema: &'a Schema,
    /// The partition spec's id.
    pub(crate) spec_id: i32,
    /// The UTC day, for a table partitioned by it.
    pub(crate) day: Option<i32>,
}

#[derive(Default)]
struct Metrics {
    column_sizes: HashMap<i32, u64>,
    value_counts: HashMap<i32, u64>,
    null_counts: HashMap<i32, u64>,
    lower: HashMap<i32, Datum>,
    upper: HashMap<i32, Datum>,
    unbounded: HashSet<i32>,
}

/// Describes a finished Parquet file to Iceberg, by the URI that readers find it at.
pub(crate) fn data_file(uri: String, size_bytes: u64, footer: &ParquetMetaData, place: &Place<'_>) -> Result<DataFile> {
    let mut metrics = Metrics::default();
    for group in footer.row_groups() {
        for chunk in group.columns() {
            let Some((id, ty)) = leaf(place.schema, chunk.column_path().parts()) else { continue };
            *metrics.column_sizes.entry(id).or_default() += u64::try_from(chunk.compressed_size()).unwrap_or(0);
            *metrics.value_counts.entry(id).or_default() += u64::try_from(chunk.num_values()).unwrap_or(0);
            let statistics = chunk.statistics();
            if let Some(nulls) = statistics.and_then(Statistics::null_count_opt) {
                *metrics.null_counts.entry(id).or_default() += nulls;
            }
            let all_null = statistics.and_then(Statistics::null_count_opt) == u64::try_from(chunk.num_values()).ok();
            match (ty, statistics.and_then(|s| bounds(ty?, s))) {
                (Some(_), Some((lower, upper))) => metrics.widen(id, lower, upper),
                (Some(_), None) if !all_null => {
                    metrics.unbounded.insert(id);
                }
                _ => {}
            }
        }
    }
    for id in &metrics.unbounded {
        metrics.lower.remove(id);
        metrics.upper.remove(id);
    }
    let partition = match place.day {
        Some(day) => Struct::from_iter([Some(Literal::date(day))]),
        None => Struct::empty(),
    };
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(uri)
        .file_format(DataFileFormat::Parquet)
        .partition(partition)
        .partition_spec_id(place.spec_id)
        .record_count(u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0))
        .file_size_in_bytes(size_bytes)
        .column_sizes(metrics.column_sizes)
        .value_counts(metrics.value_counts)
        .null_value_counts(metrics.null_counts)
        .lower_bounds(metrics.lower)
        .upper_bounds(metrics.upper)
        .split_offsets(Some(footer.row_groups().iter().filter_map(|g| g.file_offset()).collect()))
        .sort_order_id(1)
        .build()
        .attempt("describe a file of the lake")
}

impl Metrics {
    fn widen(&mut self, id: i32, lower: Datum, upper: Datum) {
        match self.lower.get_mut(&id) {
            Some(old) if *old <= lower => {}
            Some(old) => *old = lower,
            None => {
                self.lower.insert(id, lower);
            }
        }
        match self.upper.get_mut(&id) {
            Some(old) if *old >= upper => {}
            Some(old) => *old = upper,
            None => {
                self.upper.insert(id, upper);
            }
        }
    }
}

/// The field id of a Parquet column, and its type if bounds are kept for it.
fn leaf<'a>(schema: &'a Schema, path: &[String]) -> Option<(i32, Option<&'a PrimitiveType>)> {
    let field = schema.field_by_name(path.first()?)?;
    match field.field_type.as_ref() {
        Type::Primitive(ty) if path.len() == 1 => Some((field.id, Some(ty))),
        Type::List(list) if path.last().is_some_and(|p| p == ELEMENT) => Some((list.element_field.id, None)),
        _ => None,
    }
}

/// The bounds of one column chunk. Truncated ones are bounds all the same: the lower is cut, the upper is raised.
fn bounds(ty: &PrimitiveType, statistics: &Statistics) -> Option<(Datum, Datum)> {
    match (ty, statistics) {
        (PrimitiveType::Boolean, Statistics::Boolean(s)) => Some((Datum::bool(*s.min_opt()?), Datum::bool(*s.max_opt()?))),
        (PrimitiveType::Int, Statistics::Int32(s)) => Some((Datum::int(*s.min_opt()?), Datum::int(*s.max_opt()?))),
        (PrimitiveType::Date, Statistics::Int32(s)) => Some((Datum::date(*s.min_opt()?), Datum::date(*s.max_opt()?))),
        (PrimitiveType::Long, Statistics::Int64(s)) => Some((Datum::long(*s.min_opt()?), Datum::long(*s.max_opt()?))),
        (PrimitiveType::Timestamptz, Statistics::Int64(s)) => {
            Some((Datum::timestamptz_micros(*s.min_opt()?), Datum::timestamptz_micros(*s.max_opt()?)))
        }
        (PrimitiveType::Double, Statistics::Double(s)) => Some((Datum::double(*s.min_opt()?), Datum::double(*s.max_opt()?))),
        (PrimitiveType::String, Statistics::ByteArray(s)) => {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(Datum::string);
            Some((text(s.min_opt()?.data())?, text(s.max_opt()?.data())?))
        }
        _ => None,
    }
}
