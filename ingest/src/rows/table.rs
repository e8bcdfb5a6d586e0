//! Rows of tables into records.

use std::borrow::Cow;

use segment_core::convert::normalize_dotted;
use segment_core::json::Json;

use super::plan::{Plan, Prop, Source};
use super::{Builder, Context, Core, Parsed, check_user_id, instant, no_event, no_time};
use crate::cell::Cell;
use crate::error::Result;
use crate::mapping::Half;
use crate::rejects::{Fault, Reason};

/// Some rows of a table.
pub(crate) trait Table {
    /// How many.
    fn rows(&self) -> usize;
    /// A value; `None` where there is none, which is not a null.
    fn cell(&self, column: usize, row: usize) -> Option<Cell<'_>>;
    /// What makes a row unusable before its fields are looked at.
    fn fault(&self, row: usize) -> Option<Fault>;
    /// The row's line, for people.
    fn line(&self, row: usize) -> u64;
    /// The row's number in its file, from 1.
    fn position(&self, row: usize) -> u64;
    /// The row's text, for people.
    fn raw(&self, row: usize) -> String;
    /// The hash of the row's content.
    fn content(&self, row: usize, seed: u64) -> u128;
}

/// Parses rows.
pub(crate) fn parse(context: &Context<'_>, plan: &Plan, table: &impl Table) -> Result<Parsed> {
    let mut builder = Builder::new(context);
    for row in 0..table.rows() {
        builder.begin(table.position(row), || table.content(row, plan.seed));
        let done = match table.fault(row) {
            Some(fault) => Err(fault),
            None => one(&mut builder, plan, table, row)?,
        };
        if let Err(fault) = done {
            let line = plan.position.and_then(|p| table.cell(p, row)).and_then(whole).unwrap_or_else(|| table.line(row));
            builder.reject(fault, line, &table.raw(row));
        }
    }
    Ok(builder.parsed)
}

fn whole(cell: Cell<'_>) -> Option<u64> {
    if let Cell::Int(n) = cell { u64::try_from(n).ok() } else { None }
}

fn value<'t>(table: &'t impl Table, source: &'t Source, row: usize) -> Option<Cell<'t>> {
    match source {
        Source::Absent => None,
        Source::Column(column) => table.cell(*column, row),
        Source::Constant(text) => Some(Cell::CsvText(text)),
    }
}

fn one(builder: &mut Builder<'_>, plan: &Plan, table: &impl Table, row: usize) -> Result<std::result::Result<(), Fault>> {
    let half = builder.context.mapping.half;
    let [user_id, event, _, message_id] = &plan.own;
    let mut number = String::new();
    let user_id = match user(value(table, user_id, row), &mut number) {
        Ok(id) => id,
        Err(fault) => return Ok(Err(fault)),
    };
    let event = match half {
        Half::Users => None,
        Half::Events => match value(table, event, row).map(|c| (c, c.text())) {
            None | Some((Cell::Null, _)) => return Ok(Err(no_event("there is no event name"))),
            Some((_, Some(""))) => return Ok(Err(no_event("the event's name is empty"))),
            Some((_, None)) => return Ok(Err(no_event("an event's name is text"))),
            Some((_, name)) => name,
        },
    };
    let (slot, field) = Plan::time_field(half);
    let time = plan.own.get(slot).and_then(|source| value(table, source, row)).unwrap_or(Cell::Null);
    let ts = match instant(time, field, builder.context.zone) {
        Ok(None) if half == Half::Events => return Ok(Err(no_time())),
        Ok(ts) => ts,
        Err(fault) => return Ok(Err(fault)),
    };
    let stated = if half == Half::Events { value(table, message_id, row) } else { None };
    let stated = stated.filter(|c| *c != Cell::Null).or_else(|| plan.row.and_then(|column| table.cell(column, row)));
    let message_id = message_id_text(stated.unwrap_or(Cell::Null));
    props(builder, plan, table, row)?;
    let core = Core { user_id, event, ts, message_id: &message_id };
    builder.accept(&core, table.position(row), || table.content(row, plan.seed)).map(Ok)
}

/// The user id; an integer's text goes into `number`.
fn user<'t>(cell: Option<Cell<'t>>, number: &'t mut String) -> std::result::Result<&'t str, Fault> {
    match cell {
        None | Some(Cell::Null) => Err(Fault::field(Reason::NoUserId, "user_id", "there is no user id")),
        Some(Cell::Text(text) | Cell::CsvText(text)) => check_user_id(text),
        Some(Cell::Int(n)) => {
            *number = n.to_string();
            Ok(number)
        }
        Some(_) => Err(Fault::field(Reason::BadUserId, "user_id", "the user id is neither text nor an integer")),
    }
}

/// The text of a message id; nothing for none.
fn message_id_text(cell: Cell<'_>) -> Cow<'_, str> {
    match cell {
        Cell::Null => Cow::Borrowed(""),
        Cell::Text(text) | Cell::CsvText(text) | Cell::Number(text) => Cow::Borrowed(text),
        other => Cow::Owned(match other.to_json() {
            Json::String(text) | Json::Number(text) => text,
            json => json.to_text(),
        }),
    }
}

fn props(builder: &mut Builder<'_>, plan: &Plan, table: &impl Table, row: usize) -> Result<()> {
    for prop in &plan.props {
        match prop {
            Prop::Plain { id, source } => {
                if let Some(cell) = value(table, source, row) {
                    builder.put_id(*id, cell);
                }
            }
            Prop::Nested { id, root, parts } => {
                let mut csv = false;
                let mut members = Vec::new();
                for (name, source) in parts {
                    if let Some(cell) = value(table, source, row) {
                        csv |= matches!(cell, Cell::CsvText(_));
                        members.push((name.clone(), cell.to_json()));
                    }
                }
                // A null is a member like any other, as in JSON: `{"a.b": null}` is `{"a": {"b": null}}`.
                if members.is_empty() {
                    continue;
                }
                let object = normalize_dotted(Json::Object(members));
                let Some(value) = object.get(root) else { continue };
                match value {
                    Json::Object(_) | Json::Array(_) => {
                        let text = value.to_text();
                        builder.put_id(*id, if csv { Cell::CsvJson(&text) } else { Cell::Json(&text) });
                    }
                    value => super::json::with_cell(value, |cell| builder.put_id(*id, cell)),
                }
            }
        }
    }
    Ok(())
}
