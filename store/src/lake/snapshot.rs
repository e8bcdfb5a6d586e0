//! A pinned snapshot of the events, and planning what to read of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use iceberg::expr::{Predicate, Reference};
use iceberg::scan::FileScanTaskDeleteFile;
use iceberg::spec::{DataContentType, DataFileFormat, Datum, PartitionSpec, PrimitiveLiteral, Struct, Transform};
use iceberg::table::Table;

use crate::error::{Attempt, Result, StoreError};
use crate::lake::blocking::LakeReader;
use crate::lake::deletes::{Deleted, Wanted, deleted};
use crate::lake::objects::Objects;
use crate::lake::order::DAY_US;
use crate::lake::schema::field_id;
use crate::lake::tables::local_path;
use crate::recent::RecentFile;

/// Events that a query may need: a row is needed if any of the reads takes it. Planning may return more, never less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRead {
    /// The names; `None` for any, and nothing for an empty list.
    pub names: Option<Vec<String>>,
    /// The names' prefix, besides `names`: both must hold when both are given.
    pub prefix: Option<String>,
    /// The least `ts`, microseconds; `None` from the beginning.
    pub start: Option<i64>,
    /// The first `ts` not to read, microseconds.
    pub end: i64,
}

impl EventRead {
    fn predicate(&self) -> Option<Predicate> {
        let mut predicate = Reference::new("ts").less_than(Datum::timestamptz_micros(self.end));
        if let Some(start) = self.start {
            if start >= self.end {
                return None;
            }
            predicate = predicate.and(Reference::new("ts").greater_than_or_equal_to(Datum::timestamptz_micros(start)));
        }
        match self.names.as_deref() {
            Some([]) => return None,
            Some([name]) => predicate = predicate.and(Reference::new("event").equal_to(Datum::string(name))),
            Some(names) => predicate = predicate.and(Reference::new("event").is_in(names.iter().map(Datum::string))),
            None => {}
        }
        if let Some(prefix) = self.prefix.as_deref().filter(|p| !p.is_empty()) {
            predicate = predicate.and(Reference::new("event").starts_with(Datum::string(prefix)));
        }
        Some(predicate)
    }

    /// Whether events of a UTC day may be needed.
    fn may_need(&self, day: i32) -> bool {
        let (start, nothing) = (i64::from(day) * DAY_US, self.names.as_ref().is_some_and(Vec::is_empty));
        !nothing && start < self.end && self.start.is_none_or(|from| from < self.end && from < start + DAY_US)
    }
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilePlace {
    /// An absolute local path.
    Local(PathBuf),
    /// An object, `s3://bucket/key`.
    Object(String),
}

impl FilePlace {
    /// The place that a URI of Iceberg's metadata names.
    pub(crate) fn of(uri: &str) -> Self {
        match crate::lake::objects::split(uri) {
            Some(_) => Self::Object(uri.to_owned()),
            None => Self::Local(local_path(uri)),
        }
    }
}

impl std::fmt::Display for FilePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Object(uri) => f.write_str(uri),
        }
    }
}

/// A file of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFileInfo {
    /// Where it is.
    pub place: FilePlace,
    /// Its size.
    pub size_bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The UTC day of all its events, days since 1970-01-01.
    pub day: i32,
    /// Rows of it that are no more: whoever reads it leaves them out.
    pub deleted: Deleted,
}

/// What to read, and what there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventsPlan {
    /// Files that may hold needed rows, by day and path.
    pub files: Vec<DataFileInfo>,
    /// Why files cannot be read rightly: deletes of other forms than positions, other formats than Parquet. Always empty in the embedded
    /// lake; a reader must refuse if it is not.
    pub unsupported: Vec<String>,
    /// Files in the snapshot.
    pub files_total: u64,
    /// Rows in the snapshot's files, deleted ones included.
    pub rows_total: u64,
    /// Bytes of files in the snapshot.
    pub bytes_total: u64,
}

/// The events of a pinned state. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventsSnapshot {
    table: Table,
    snapshot_id: Option<i64>,
    schema: SchemaRef,
    objects: Option<Arc<Objects>>,
    recent: Arc<[RecentFile]>,
}

impl EventsSnapshot {
    pub(crate) fn new(table: Table, snapshot_id: Option<i64>, schema: SchemaRef, objects: Option<Arc<Objects>>) -> Self {
        Self { table, snapshot_id, schema, objects, recent: Arc::default() }
    }

    /// With files of collected events that are not in the table yet.
    pub(crate) fn with_recent(self, recent: Vec<RecentFile>) -> Self {
        Self { recent: recent.into(), ..self }
    }

    /// Whether there never was an event.
    pub fn is_empty(&self) -> bool {
        self.snapshot_id.is_none() && self.recent.is_empty()
    }

    /// How files on S3 are reached; `None` if the lake is in the directory.
    pub fn objects(&self) -> Option<&Arc<Objects>> {
        self.objects.as_ref()
    }

    /// Opens a planned file for reads that block, from any thread.
    ///
    /// # Errors
    ///
    /// `Io` if a local file is gone. An object is looked for by the first read.
    pub fn open(&self, file: &DataFileInfo) -> Result<LakeReader> {
        LakeReader::open(&file.place, file.size_bytes, self.objects.as_ref())
    }

    /// The Iceberg snapshot's id; `None` before the first event.
    pub fn id(&self) -> Option<i64> {
        self.snapshot_id
    }

    /// The Arrow schema of the pinned catalog ([`crate::events_schema`]).
    /// Files may lack newer columns: read them as null, matching columns by name.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Plans reads by partition and file statistics.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the lake's metadata cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only reads.
    pub async fn plan(&self, reads: &[EventRead]) -> Result<EventsPlan> {
        let predicates = reads.iter().filter_map(EventRead::predicate).collect();
        let mut plan = self.plan_table(any(predicates)).await?;
        self.add_recent(&mut plan, |day| reads.iter().any(|read| read.may_need(day)));
        Ok(plan)
    }

    /// Plans what a predicate needs.
    pub(crate) async fn plan_where(&self, predicate: Predicate) -> Result<EventsPlan> {
        let mut plan = self.plan_table(Some(predicate)).await?;
        self.add_recent(&mut plan, |_| true);
        Ok(plan)
    }

    /// Adds the recent files of the days that are needed.
    fn add_recent(&self, plan: &mut EventsPlan, needed: impl Fn(i32) -> bool) {
        for file in self.recent.iter() {
            plan.files_total += 1;
            plan.rows_total += file.rows;
            plan.bytes_total += file.size_bytes;
            if needed(file.day) && plan.unsupported.is_empty() {
                plan.files.push(DataFileInfo {
                    place: FilePlace::Local(file.path.clone()),
                    size_bytes: file.size_bytes,
                    rows: file.rows,
                    day: file.day,
                    deleted: Deleted::default(),
                });
            }
        }
        plan.files.sort_by(|a, b| (a.day, &a.place).cmp(&(b.day, &b.place)));
    }

    /// Plans what a predicate needs of the table; nothing for none.
    async fn plan_table(&self, predicate: Option<Predicate>) -> Result<EventsPlan> {
        let Some(snapshot_id) = self.snapshot_id else { return Ok(EventsPlan::default()) };
        let snapshot = self.table.metadata().snapshot_by_id(snapshot_id);
        let snapshot = snapshot.ok_or_else(|| StoreError::corrupt_plain(format!("the lake has no snapshot {snapshot_id}")))?;
        let total = |key: &str| -> Result<u64> {
            let text = snapshot.summary().additional_properties.get(key);
            let text = text.ok_or_else(|| StoreError::corrupt_plain(format!("snapshot {snapshot_id} has no {key}")))?;
            text.parse().map_err(|e| StoreError::corrupt(format!("{key} of snapshot {snapshot_id} is {text:?}"), e))
        };
        let mut plan = EventsPlan {
            files_total: total("total-data-files")?,
            rows_total: total("total-records")?,
            bytes_total: total("total-files-size")?,
            ..EventsPlan::default()
        };
        let Some(predicate) = predicate else { return Ok(plan) };
        let ts = field_id(self.table.metadata().current_schema(), "ts")?;
        if !self.table.metadata().partition_specs_iter().all(|spec| is_by_day(spec, ts)) {
            plan.unsupported.push(format!("{} was partitioned otherwise than by day(ts) by another engine", self.table.identifier()));
            return Ok(plan);
        }
        let scan = self.table.scan().snapshot_id(snapshot_id).select_empty().with_filter(predicate).build();
        let tasks = scan.attempt("plan a scan of the lake")?.plan_files().await.attempt("plan a scan of the lake")?;
        let tasks: Vec<_> = tasks.try_collect().await.attempt("plan a scan of the lake")?;
        let mut wanted = Wanted::new();
        for task in &tasks {
            plan.unsupported.extend(task.deletes.iter().filter_map(unsupported_delete));
            if task.data_file_format != DataFileFormat::Parquet {
                plan.unsupported.push(format!("{} is no Parquet file", task.data_file_path));
            }
            let deletes: BTreeMap<_, _> = task.deletes.iter().map(|d| (d.file_path.clone(), d.file_size_in_bytes)).collect();
            if !deletes.is_empty() {
                wanted.insert(task.data_file_path.clone(), deletes);
            }
        }
        if !plan.unsupported.is_empty() {
            plan.unsupported.sort();
            plan.unsupported.dedup();
            return Ok(plan);
        }
        let mut deleted = deleted(wanted, self.objects.as_ref()).await?;
        for task in tasks {
            let rows = task.record_count.ok_or_else(|| StoreError::corrupt_plain(format!("{} has no row count", task.data_file_path)))?;
            let day = task.partition.as_ref().and_then(day_of);
            let day = day.ok_or_else(|| StoreError::corrupt_plain(format!("{} is not partitioned by day(ts)", task.data_file_path)))?;
            plan.files.push(DataFileInfo {
                place: FilePlace::of(&task.data_file_path),
                size_bytes: task.file_size_in_bytes,
                rows,
                day,
                deleted: deleted.remove(&task.data_file_path).unwrap_or_default(),
            });
        }
        Ok(plan)
    }
}

/// Why a delete file cannot be applied.
fn unsupported_delete(delete: &FileScanTaskDeleteFile) -> Option<String> {
    if delete.file_type != DataContentType::PositionDeletes {
        return Some(format!(
            "{} deletes by values, which is not supported: compact the table in the engine that wrote it",
            delete.file_path
        ));
    }
    (!delete.file_path.ends_with(".parquet")).then(|| {
        format!(
            "{} is no Parquet file (deletion vectors of Iceberg's version 3 are not supported): keep the table at format version 2",
            delete.file_path
        )
    })
}

/// Whether files are partitioned by the day of `ts` and nothing else.
fn is_by_day(spec: &PartitionSpec, ts: i32) -> bool {
    matches!(spec.fields(), [field] if field.transform == Transform::Day && field.source_id == ts)
}

/// The day in a partition tuple.
fn day_of(partition: &Struct) -> Option<i32> {
    match partition.fields().first()?.as_ref()?.as_primitive_literal()? {
        PrimitiveLiteral::Int(day) => Some(day),
        _ => None,
    }
}

/// The disjunction, balanced so that hundreds of reads do not make a deep tree.
fn any(mut predicates: Vec<Predicate>) -> Option<Predicate> {
    while predicates.len() > 1 {
        let mut pairs = predicates.into_iter();
        let mut next = Vec::new();
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                Some(right) => left.or(right),
                None => left,
            });
        }
        predicates = next;
    }
    predicates.pop()
}
