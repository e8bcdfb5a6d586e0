//! NDJSON lines into records.
//!
//! A line is an object. Its own fields are members of their native or mapped names; `properties` (`attributes`) holds the
//! others, and so do further top-level members, over which those inside win. A mapped column is a top-level member, a member
//! of `properties`, or a dotted path into an object, `properties` itself among them.

use segment_core::convert::{canonical_user_id, is_integer_overflow, normalize_dotted};
use segment_core::json::{Json, NOT_UTF8};

use super::{Builder, Context, Core, Parsed, instant, no_event, no_time};
use crate::cell::Cell;
use crate::error::Result;
use crate::hash;
use crate::mapping::{Half, Mapping};
use crate::rejects::{Fault, Place, Reason};

/// Seed of the content of JSON lines.
const LINE_SEED: u64 = 1;

/// Parses whole lines; `first_line` is the number of the first.
pub(crate) fn parse(context: &Context<'_>, text: &[u8], first_line: u64) -> Result<Parsed> {
    let mut builder = Builder::new(context);
    builder.parsed.records.reserve(text.len());
    for (line, number) in text.split(|&b| b == b'\n').zip(first_line..) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        builder.begin(number, || content(line));
        if let Err(fault) = row(&mut builder, line, number)? {
            builder.reject(fault, number, &String::from_utf8_lossy(line));
        }
    }
    Ok(builder.parsed)
}

/// The hash of a line's content.
pub(crate) fn content(line: &[u8]) -> u128 {
    hash::content(line, LINE_SEED)
}

/// The object of a line.
fn object(line: &[u8]) -> std::result::Result<Vec<(String, Json)>, Fault> {
    let malformed = |byte: usize, message: String, reason| Fault { reason, place: Some(Place::Byte(byte as u64)), message };
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(e) => return Err(malformed(e.valid_up_to() + 1, NOT_UTF8.to_owned(), Reason::NotUtf8)),
    };
    match Json::parse(text) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(other) => Err(malformed(1, format!("a line is an object; this is {}", other.kind()), Reason::MalformedJson)),
        Err(e) => {
            let byte = text.char_indices().nth(e.column.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
            Err(malformed(byte + 1, e.message, Reason::MalformedJson))
        }
    }
}

/// The object of a line that can be a row: every integer in it has 64 bits.
pub(crate) fn usable(line: &[u8]) -> std::result::Result<Vec<(String, Json)>, Fault> {
    let members = object(line)?;
    match members.iter().find(|(_, value)| is_integer_overflow(value)) {
        Some((name, _)) => Err(Fault::field(Reason::IntegerOverflow, name, "an integer of more than 64 bits")),
        None => Ok(members),
    }
}

type Members = Vec<(String, Json)>;
type Checked<T> = std::result::Result<T, Fault>;

/// A line taken apart.
#[derive(Default)]
pub(crate) struct Line {
    /// The half's own fields, in their order.
    pub(crate) own: [Option<Json>; 4],
    /// Properties or attributes; of one given twice the later counts.
    pub(crate) others: Members,
}

fn row(builder: &mut Builder<'_>, line: &[u8], number: u64) -> Result<Checked<()>> {
    let members = match usable(line) {
        Ok(members) => members,
        Err(fault) => return Ok(Err(fault)),
    };
    let mapping = builder.context.mapping;
    let parts = if mapping.is_empty() { native(mapping.half, members) } else { mapped(mapping, members) };
    let (user_id, event, ts, message_id) = match fields(builder.context, &parts.own) {
        Ok(fields) => fields,
        Err(fault) => return Ok(Err(fault)),
    };
    put_cells(builder, parts.others)?;
    let core = Core { user_id: &user_id, event, ts, message_id: &message_id };
    builder.accept(&core, number, || content(line)).map(Ok)
}

/// By native names.
pub(crate) fn native(half: Half, members: Members) -> Line {
    let mut line = Line { own: Default::default(), others: Vec::with_capacity(members.len() + 8) };
    let mut inside = Vec::new();
    for (name, value) in members {
        if let Some(place) = half.own().iter().position(|f| *f == name).and_then(|i| line.own.get_mut(i)) {
            *place = Some(value);
        } else {
            sort_out(half, name, value, &mut line.others, &mut inside);
        }
    }
    line.others.append(&mut inside);
    line
}

/// Puts a member among those at the top, or what is in it among those inside.
fn sort_out(half: Half, name: String, value: Json, top: &mut Members, inside: &mut Members) {
    match value {
        Json::Object(members) if name == half.container() => inside.extend(members),
        Json::Null if name == half.container() => {}
        value => top.push((name, value)),
    }
}

/// By a mapping.
fn mapped(mapping: &Mapping, members: Members) -> Line {
    let (mut top, mut inside) = (Vec::with_capacity(members.len() + 8), Vec::new());
    for (name, value) in members {
        sort_out(mapping.half, name, value, &mut top, &mut inside);
    }
    let mut own: [Option<Json>; 4] = Default::default();
    let mut taken: Vec<&str> = Vec::new();
    for (&field, place) in mapping.half.own().iter().zip(&mut own) {
        let column = mapping.column(field);
        let from_column = column
            .and_then(|column| find(&top, column).or_else(|| find(&inside, column)).or_else(|| find(&inside, mapping.half.inner(column)?)));
        if from_column.is_some() {
            taken.extend(column);
        }
        let constant = mapping.constant(field).map(|value| Json::String(value.to_owned()));
        // A column of the field's own name is the field, unless something else is, or it is mapped to another field.
        let other = constant.is_some() || from_column.is_some() || mapping.is_mapped(field);
        let native = if other { None } else { take(&mut top, field) };
        *place = constant.or(from_column).or(native);
    }
    let mut renamed = Vec::new();
    for (field, column) in mapping.renamed() {
        let value = find(&inside, column).or_else(|| find(&top, column));
        if let Some(value) = value.or_else(|| find(&inside, mapping.half.inner(column)?)) {
            taken.push(column);
            renamed.push((field.to_owned(), value));
        }
    }
    for column in taken {
        mapping.found(column);
        remove(&mut top, column);
        remove(&mut inside, column);
        if let Some(inner) = mapping.half.inner(column) {
            remove(&mut inside, inner);
        }
    }
    top.append(&mut inside);
    top.append(&mut renamed);
    for (name, value) in mapping.constants() {
        top.retain(|(other, _)| other != name);
        if name.contains('.') {
            top.push((name.to_owned(), Json::String(value.to_owned())));
        }
    }
    Line { own, others: top }
}

/// A member, the last of that name, or what a dotted path leads to.
fn find(members: &Members, column: &str) -> Option<Json> {
    if let Some((_, value)) = members.iter().rev().find(|(name, _)| name == column) {
        return Some(value.clone());
    }
    let (first, rest) = column.split_once('.')?;
    match members.iter().rev().find(|(name, _)| name == first)? {
        (_, Json::Object(inner)) => find(inner, rest),
        _ => None,
    }
}

fn take(members: &mut Members, name: &str) -> Option<Json> {
    let value = find(members, name);
    members.retain(|(other, _)| other != name);
    value
}

fn remove(members: &mut Members, column: &str) {
    let before = members.len();
    members.retain(|(name, _)| name != column);
    if members.len() == before
        && let Some((first, rest)) = column.split_once('.')
    {
        for (_, value) in members.iter_mut().filter(|(name, _)| name == first) {
            if let Json::Object(inner) = value {
                remove(inner, rest);
            }
        }
    }
}

/// The half's own fields, checked: user id, event, time, message id.
fn fields<'j>(context: &Context<'_>, own: &'j [Option<Json>; 4]) -> Checked<(String, Option<&'j str>, Option<i64>, String)> {
    let [user_id, second, third, fourth] = own;
    let user_id = match user_id {
        None => Err("there is no user id"),
        Some(json) => canonical_user_id(json),
    };
    let user_id = user_id.map_err(|message| {
        let missing = matches!(&own[0], None | Some(Json::Null)) || own[0].as_ref().and_then(Json::as_str) == Some("");
        Fault::field(if missing { Reason::NoUserId } else { Reason::BadUserId }, "user_id", message)
    })?;
    if context.mapping.half == Half::Users {
        return Ok((user_id, None, time(second, "first_seen_at", context)?, String::new()));
    }
    let event = match second {
        Some(Json::String(name)) if !name.is_empty() => name.as_str(),
        Some(Json::String(_)) => return Err(no_event("the event's name is empty")),
        None | Some(Json::Null) => return Err(no_event("there is no event name")),
        Some(other) => return Err(no_event(&format!("an event's name is text; this is {}", other.kind()))),
    };
    let ts = time(third, "ts", context)?.ok_or_else(no_time)?;
    let message_id = match fourth {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text) | Json::Number(text)) => text.clone(),
        Some(other) => other.to_text(),
    };
    Ok((user_id, Some(event), Some(ts), message_id))
}

fn time(json: &Option<Json>, field: &str, context: &Context<'_>) -> Checked<Option<i64>> {
    match json {
        None => Ok(None),
        Some(json) => with_cell(json, |cell| instant(cell, field, context.zone)),
    }
}

/// Makes cells of properties or attributes.
pub(crate) fn put_cells(builder: &mut Builder<'_>, others: Members) -> Result<()> {
    let Json::Object(others) = normalize_dotted(Json::Object(others)) else { return Ok(()) };
    // Those with a dot are among the others, to become paths.
    for (field, value) in builder.context.mapping.constants().filter(|(field, _)| !field.contains('.')) {
        builder.put(field, Cell::CsvText(value))?;
    }
    // Backwards, as the first that is put is the one that counts.
    for (name, value) in others.iter().rev() {
        with_cell(value, |cell| builder.put(name, cell))?;
    }
    Ok(())
}

/// A JSON value as a cell.
pub(crate) fn with_cell<T>(json: &Json, use_it: impl FnOnce(Cell<'_>) -> T) -> T {
    match json {
        Json::Null => use_it(Cell::Null),
        Json::Bool(b) => use_it(Cell::Bool(*b)),
        Json::String(text) => use_it(Cell::Text(text)),
        Json::Number(text) => use_it(match text.parse() {
            Ok(n) => Cell::Int(n),
            Err(_) => Cell::Number(text),
        }),
        Json::BadString | Json::Array(_) | Json::Object(_) => use_it(Cell::Json(&json.to_text())),
    }
}
