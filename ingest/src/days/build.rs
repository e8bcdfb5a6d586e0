//! Sorted rows into batches of the lake's events.
//!
//! Flat columns are built straight from cells; lists, objects and columns that were widened once go through
//! [`store::ColumnsBuilder`]. Columns that most rows lack cost nothing for those.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use segment_core::catalog::{Catalog, Column, ColumnKind, Field, Scope};
use segment_core::convert::convert;
use segment_core::json::{is_number, write_string};
use segment_core::time::{parse_date, parse_instant};
use segment_core::types::Type;
use segment_core::value::Value;
use store::{ColumnsBuilder, LAKE_TIMEZONE};

use crate::cell::{Cell, Cells};
use crate::error::{ImportError, Result};
use crate::origin::Origins;
use crate::record::Record;
use crate::shape::Shape;
use crate::stats::{Fate, Stats, is_whole};

/// The shard of the one log there is.
const LOG_SHARD: i32 = 0;

/// Builds batches.
pub(crate) struct EventsBuilder<'a> {
    shape: &'a Shape,
    events: &'a [Arc<str>],
    schema: SchemaRef,
    origins: Origins<'a>,
    event: StringBuilder,
    user_no: Int64Builder,
    user_id: StringBuilder,
    ts: TimestampMicrosecondBuilder,
    message_id: StringBuilder,
    received_at: TimestampMicrosecondBuilder,
    log_shard: Int32Builder,
    log_offset: Int64Builder,
    extra: StringBuilder,
    fields: Vec<FieldBuilder>,
    pub(crate) rows: usize,
    pub(crate) stats: Stats,
}

/// The columns of one property.
struct FieldBuilder {
    ty: Type,
    out: Out,
}

enum Out {
    String(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Other { columns: ColumnsBuilder, rows: usize },
}

impl<'a> EventsBuilder<'a> {
    pub(crate) fn new(catalog: &Catalog, shape: &'a Shape, events: &'a [Arc<str>], schema: SchemaRef, origins: Origins<'a>) -> Self {
        let time = || TimestampMicrosecondBuilder::new().with_timezone(LAKE_TIMEZONE);
        Self {
            shape,
            events,
            schema,
            origins,
            event: StringBuilder::new(),
            user_no: Int64Builder::new(),
            user_id: StringBuilder::new(),
            ts: time(),
            message_id: StringBuilder::new(),
            received_at: time(),
            log_shard: Int32Builder::new(),
            log_offset: Int64Builder::new(),
            extra: StringBuilder::new(),
            fields: catalog.properties.iter().map(|(name, field)| FieldBuilder::new(name, field)).collect(),
            rows: 0,
            stats: Stats::default(),
        }
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, record: &Record<'_>) -> Result<()> {
        self.event.append_value(self.events.get(record.event as usize).map_or("", |name| name));
        self.user_no.append_value(record.user_no as i64);
        self.user_id.append_value(record.user_id);
        self.ts.append_value(record.ts);
        self.message_id.append_value(record.message_id);
        let origin = self.origins.of(record.seq)?;
        self.received_at.append_value(origin.received_at);
        self.log_shard.append_option(origin.offset.map(|_| LOG_SHARD));
        self.log_offset.append_option(origin.offset.map(|offset| offset as i64));
        self.stats.event(record.event);
        let mut kept: Vec<(u32, Cell<'_>)> = Vec::new();
        let mut cells = Cells::new(record.cells);
        while let Some((name, cell)) = cells.next()? {
            let field = self.shape.place(name).and_then(|place| self.fields.get_mut(place));
            let fate = match field {
                Some(field) => field.put(cell, self.rows, self.shape)?,
                None => Fate::Unconverted,
            };
            if fate != Fate::Converted {
                kept.push((name, cell));
            }
            self.stats.count(name, cell, fate);
            self.stats.carry(record.event, name);
        }
        if kept.is_empty() {
            self.extra.append_null()
        } else {
            self.extra.append_value(self.object(kept))
        }
        self.rows += 1;
        Ok(())
    }

    /// Values that did not convert, as they came.
    fn object(&self, kept: Vec<(u32, Cell<'_>)>) -> String {
        let mut named: Vec<(&str, Cell<'_>)> =
            kept.into_iter().filter_map(|(name, cell)| Some((self.shape.names.get(name as usize)?.as_ref(), cell))).collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        let mut out = String::from("{");
        for (i, (name, cell)) in named.into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            // Writing into a String never fails.
            let _ = write_string(&mut out, name);
            out.push(':');
            out.push_str(&cell.to_json().to_text());
        }
        out.push('}');
        out
    }

    /// The rows so far, starting anew.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(self.event.finish()),
            Arc::new(self.user_no.finish()),
            Arc::new(self.user_id.finish()),
            Arc::new(self.ts.finish()),
            Arc::new(self.message_id.finish()),
            Arc::new(self.received_at.finish()),
            Arc::new(self.log_shard.finish()),
            Arc::new(self.log_offset.finish()),
            Arc::new(self.extra.finish()),
        ];
        for field in &mut self.fields {
            field.finish(rows, &mut arrays)?;
        }
        RecordBatch::try_new(self.schema.clone(), arrays).map_err(|e| ImportError::scratch("arrange events", e))
    }
}

impl FieldBuilder {
    fn new(name: &str, field: &Field) -> Self {
        let out = match (&field.ty, field.columns.as_slice()) {
            (_, [Column { kind, before: None, .. }]) => match kind {
                ColumnKind::String => Some(Out::String(StringBuilder::new())),
                ColumnKind::Integer => Some(Out::Integer(Int64Builder::new())),
                ColumnKind::Number => Some(Out::Number(Float64Builder::new())),
                ColumnKind::Boolean => Some(Out::Boolean(BooleanBuilder::new())),
                ColumnKind::Timestamp => Some(Out::Timestamp(TimestampMicrosecondBuilder::new().with_timezone(LAKE_TIMEZONE))),
                ColumnKind::Date => Some(Out::Date(Date32Builder::new())),
                ColumnKind::Strings | ColumnKind::Presence | ColumnKind::Json => None,
            },
            _ => None,
        };
        let out = out.unwrap_or_else(|| {
            let mut alone = Catalog::new("UTC");
            alone.properties.insert(name.to_owned(), field.clone());
            Out::Other { columns: ColumnsBuilder::new(&alone, Scope::Property), rows: 0 }
        });
        Self { ty: field.ty.clone(), out }
    }

    /// Stores a value in the row of that number.
    #[allow(clippy::unit_arg, reason = "what counts is whether there was a value to append")]
    fn put(&mut self, cell: Cell<'_>, row: usize, shape: &Shape) -> Result<Fate> {
        self.pad(row)?;
        let stored = match (&mut self.out, cell) {
            (Out::String(out), Cell::Text(text) | Cell::CsvText(text)) => Some(out.append_value(text)),
            (Out::Integer(out), Cell::Int(n)) => Some(out.append_value(n)),
            (Out::Number(out), Cell::Int(n)) => Some(out.append_value(n as f64)),
            // Adding zero makes -0.0 into 0.0.
            (Out::Number(out), Cell::Float(x)) => Some(out.append_value(x + 0.0)),
            (Out::Number(out), Cell::Number(text)) => finite(text).map(|x| out.append_value(x)),
            (Out::Number(out), Cell::Text(text) | Cell::CsvText(text)) => {
                Some(text).filter(|text| is_number(text)).and_then(finite).map(|x| out.append_value(x))
            }
            (Out::Boolean(out), Cell::Bool(b)) => Some(out.append_value(b)),
            (Out::Timestamp(out), Cell::Timestamp(t)) => Some(out.append_value(t)),
            (Out::Timestamp(out), Cell::Text(text) | Cell::CsvText(text)) => parse_instant(text, &shape.zone).map(|t| out.append_value(t)),
            (Out::Date(out), Cell::Date(d)) => Some(out.append_value(d)),
            (Out::Date(out), Cell::Text(text) | Cell::CsvText(text)) => parse_date(text).map(|d| out.append_value(d)),
            _ => return self.put_json(cell, shape),
        };
        Ok(if stored.is_some() { Fate::Converted } else { Fate::Unconverted })
    }

    fn put_json(&mut self, cell: Cell<'_>, shape: &Shape) -> Result<Fate> {
        let json = cell.to_json();
        let Some(value) = convert(&json, &self.ty, &shape.zone, cell.source()) else { return Ok(Fate::Unconverted) };
        match (&mut self.out, &value) {
            (Out::String(out), Value::String(text)) => out.append_value(text),
            (Out::Integer(out), Value::Integer(n)) => out.append_value(*n),
            (Out::Number(out), Value::Number(x)) => out.append_value(*x),
            (Out::Boolean(out), Value::Boolean(b)) => out.append_value(*b),
            (Out::Timestamp(out), Value::Timestamp(t)) => out.append_value(*t),
            (Out::Date(out), Value::Date(d)) => out.append_value(*d),
            (Out::Other { columns, rows }, value) => {
                columns.append(|_| Some(value))?;
                *rows += 1;
            }
            _ => return Ok(Fate::Unconverted),
        }
        Ok(if is_whole(&json, &value) { Fate::Converted } else { Fate::Partial })
    }

    /// Nulls for the rows before that had no value.
    fn pad(&mut self, rows: usize) -> Result<()> {
        match &mut self.out {
            Out::String(out) => (out.len()..rows).for_each(|_| out.append_null()),
            Out::Integer(out) => out.append_nulls(rows - out.len()),
            Out::Number(out) => out.append_nulls(rows - out.len()),
            Out::Boolean(out) => out.append_nulls(rows - out.len()),
            Out::Timestamp(out) => out.append_nulls(rows - out.len()),
            Out::Date(out) => out.append_nulls(rows - out.len()),
            Out::Other { columns, rows: have } => {
                while *have < rows {
                    columns.append(|_| None)?;
                    *have += 1;
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, rows: usize, arrays: &mut Vec<ArrayRef>) -> Result<()> {
        self.pad(rows)?;
        match &mut self.out {
            Out::String(out) => arrays.push(Arc::new(out.finish())),
            Out::Integer(out) => arrays.push(Arc::new(out.finish())),
            Out::Number(out) => arrays.push(Arc::new(out.finish())),
            Out::Boolean(out) => arrays.push(Arc::new(out.finish())),
            Out::Timestamp(out) => arrays.push(Arc::new(out.finish())),
            Out::Date(out) => arrays.push(Arc::new(out.finish())),
            Out::Other { columns, rows } => {
                arrays.extend(columns.finish());
                *rows = 0;
            }
        }
        Ok(())
    }
}

/// The finite double that a number's text writes.
fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|x: &f64| x.is_finite()).map(|x| x + 0.0)
}
