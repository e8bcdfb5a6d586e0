//! A pinned state's files as rows of users.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::file::reader::ChunkReader;
use segment_core::catalog::Scope;
use segment_core::eval::{Event, Lists, User};
use segment_core::lower::NUMBER_NONE;
use segment_core::plan::Plan;
use store::{BoundEvents, DataFileInfo, ListInfo, Pinned};
use tokio_util::sync::CancellationToken;

use super::assemble::{self, Assembler};
use super::fields::Fields;
use super::{Rows, check, check_count};
use crate::error::{BackendError, ErrorKind, Result, io_kind};
use crate::progress::Progress;

/// Rows of a batch, between two looks at the token.
const BATCH_ROWS: usize = 4096;

/// Everything the plan may look at.
pub(super) fn rows(pinned: &Pinned, files: &[DataFileInfo], plan: &Plan, progress: &Progress, cancel: &CancellationToken) -> Result<Rows> {
    let fields = Fields::of(plan);
    let mut users = profiles(pinned, &fields, plan, progress, cancel)?;
    if let Some(bound) = &pinned.bound {
        add_bound(&mut users, bound, pinned, &fields, plan, progress, cancel)?;
        return Ok(Rows { users, lists: lists(pinned, cancel)? });
    }
    let places: HashMap<i64, usize> = users.iter().enumerate().map(|(place, (number, _))| (*number, place)).collect();
    let wanted = columns(pinned, Scope::Property, &fields, &["event", "user_no", "ts", "message_id"]);
    for file in files {
        let open = pinned.events.open(file)?;
        let failure = open.failure();
        let failed = |e: BackendError| failure.take().map_or(e, BackendError::from);
        for batch in reader(open, &file.place, &wanted, file.deleted.selection(0, file.rows)).map_err(failed)? {
            check(cancel)?;
            let batch = batch.map_err(|e| failed(unreadable(&file.place, e)))?;
            let (names, messages) = (texts(&batch, "event")?, texts(&batch, "message_id")?);
            let (numbers, times) = (integers(&batch, "user_no")?, instants(&batch, "ts")?);
            let properties = Assembler::new(&pinned.catalog, Scope::Property, &fields.properties, &plan.zone, &batch)?;
            for row in 0..batch.num_rows() {
                // Events of erased users stay under numbers that nobody has.
                let Some((_, user)) = places.get(&numbers.value(row)).and_then(|place| users.get_mut(*place)) else { continue };
                user.events.push(Event {
                    name: names.value(row).to_owned(),
                    ts: times.value(row),
                    message_id: messages.value(row).to_owned(),
                    properties: properties.row(row)?,
                });
            }
            progress.add_read(batch.num_rows() as u64, 0);
        }
        progress.add_read(0, file.size_bytes);
    }
    Ok(Rows { users, lists: lists(pinned, cancel)? })
}

/// Adds the events that somebody else writes, and whoever is known by them alone.
fn add_bound(
    users: &mut Vec<(i64, User)>,
    bound: &BoundEvents,
    pinned: &Pinned,
    fields: &Fields,
    plan: &Plan,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<()> {
    let mut places: HashMap<String, usize> = users.iter().enumerate().map(|(place, (_, user))| (user.user_id.clone(), place)).collect();
    let wanted = columns(pinned, Scope::Property, fields, &["event", "user_id", "ts", "message_id"]);
    let mut count = 0;
    for file in bound.files() {
        for batch in bound.rows(file, &wanted)? {
            check(cancel)?;
            let batch = batch?;
            count += batch.num_rows() as u64;
            check_count(count)?;
            let (names, messages) = (texts(&batch, "event")?, texts(&batch, "message_id")?);
            let (ids, times) = (texts(&batch, "user_id")?, instants(&batch, "ts")?);
            let properties = Assembler::new(&pinned.catalog, Scope::Property, &fields.properties, &plan.zone, &batch)?;
            for row in 0..batch.num_rows() {
                let (id, ts) = (ids.value(row), times.value(row));
                let place = *places.entry(id.to_owned()).or_insert_with(|| {
                    users.push((NUMBER_NONE, User { user_id: id.to_owned(), first_seen_at: Some(ts), ..User::default() }));
                    users.len() - 1
                });
                let Some((_, user)) = users.get_mut(place) else { continue };
                // A profile that states no time has always been there.
                user.first_seen_at = user.first_seen_at.map(|first| first.min(ts));
                user.last_seen_at = user.last_seen_at.max(Some(ts));
                user.events.push(Event {
                    name: names.value(row).to_owned(),
                    ts,
                    message_id: messages.value(row).to_owned(),
                    properties: properties.row(row)?,
                });
            }
            progress.add_read(batch.num_rows() as u64, 0);
        }
        progress.add_read(0, file.size_bytes);
    }
    Ok(())
}

fn profiles(pinned: &Pinned, fields: &Fields, plan: &Plan, progress: &Progress, cancel: &CancellationToken) -> Result<Vec<(i64, User)>> {
    let wanted = columns(pinned, Scope::Attribute, fields, &["user_no", "user_id", "first_seen_at", "last_seen_at"]);
    let mut users = Vec::new();
    for file in &pinned.profiles.files {
        for batch in open(&file.path, &wanted)? {
            check(cancel)?;
            let batch = batch.map_err(|e| unreadable(&file.path.display(), e))?;
            let (numbers, ids) = (integers(&batch, "user_no")?, texts(&batch, "user_id")?);
            let (first, last) = (instants(&batch, "first_seen_at")?, instants(&batch, "last_seen_at")?);
            let attributes = Assembler::new(&pinned.catalog, Scope::Attribute, &fields.attributes, &plan.zone, &batch)?;
            for row in 0..batch.num_rows() {
                let user = User {
                    user_id: ids.value(row).to_owned(),
                    first_seen_at: first.is_valid(row).then(|| first.value(row)),
                    last_seen_at: last.is_valid(row).then(|| last.value(row)),
                    attributes: attributes.row(row)?,
                    events: Vec::new(),
                };
                users.push((numbers.value(row), user));
            }
            progress.add_read(batch.num_rows() as u64, 0);
        }
        progress.add_read(0, file.size_bytes);
    }
    Ok(users)
}

fn lists(pinned: &Pinned, cancel: &CancellationToken) -> Result<Lists> {
    let mut lists = Lists::new();
    for (key, info) in &pinned.lists {
        lists.insert(key.clone(), list(info, cancel)?);
    }
    Ok(lists)
}

/// A list's members.
pub(crate) fn list(info: &ListInfo, cancel: &CancellationToken) -> Result<BTreeSet<String>> {
    let mut members = BTreeSet::new();
    for path in &info.files {
        for batch in open(path, &["user_id"])? {
            check(cancel)?;
            let batch = batch.map_err(|e| unreadable(&path.display(), e))?;
            members.extend(texts(&batch, "user_id")?.iter().flatten().map(str::to_owned));
        }
    }
    Ok(members)
}

fn columns<'a>(pinned: &'a Pinned, scope: Scope, fields: &Fields, fixed: &[&'a str]) -> Vec<&'a str> {
    let mut out = fixed.to_vec();
    out.extend(assemble::columns(&pinned.catalog, scope, fields.names(scope)));
    out
}

fn open(path: &Path, wanted: &[&str]) -> Result<ParquetRecordBatchReader> {
    let file = File::open(path).map_err(|e| BackendError::new(io_kind(&e), format!("cannot open {}", path.display())).caused_by(e))?;
    reader(file, &path.display(), wanted, None)
}

fn reader<R: ChunkReader + 'static>(
    file: R,
    name: &dyn Display,
    wanted: &[&str],
    kept: Option<RowSelection>,
) -> Result<ParquetRecordBatchReader> {
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable(name, e))?;
    if let Some(kept) = kept {
        builder = builder.with_row_selection(kept);
    }
    let present = builder.schema().fields().iter().enumerate().filter(|(_, f)| wanted.contains(&f.name().as_str()));
    let mask = ProjectionMask::roots(builder.parquet_schema(), present.map(|(i, _)| i));
    builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|e| unreadable(name, e))
}

fn unreadable(name: &dyn Display, source: impl Into<crate::error::Source>) -> BackendError {
    BackendError::new(ErrorKind::SchemaDrift, format!("cannot read {name}")).caused_by(source)
}

fn lacks(name: &str) -> impl Fn() -> BackendError + '_ {
    move || BackendError::new(ErrorKind::SchemaDrift, format!("a file has no column {name} of its type"))
}

fn texts<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b StringArray> {
    batch.column_by_name(name).and_then(|c| c.as_string_opt()).ok_or_else(lacks(name))
}

fn integers<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b Int64Array> {
    batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(lacks(name))
}

fn instants<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b arrow::array::TimestampMicrosecondArray> {
    batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>()).ok_or_else(lacks(name))
}
