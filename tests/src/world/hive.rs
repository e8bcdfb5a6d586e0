//! A world's events as somebody else would write them: Hive-style Parquet with names, types and partitions of its own, and the declaration
//! that binds them. Among the rows are some that are no events.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use segment_core::convert::to_json;
use segment_core::json::Json;
use segment_core::time::{INSTANT_MAX, INSTANT_MIN, format_date, format_instant};
use segment_core::types::Type;
use segment_core::value::Value;

use super::World;
use crate::json::{integer, object, text};
use crate::random::Random;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// Rows lie an hour beside their partition at most, and clocks change by so much; stray ones lie further away than this.
const SLACK_SECONDS: i64 = 3 * 3_600;

/// A row; it is an event if nothing is missing and it is not astray.
struct Row<'w> {
    user_id: Option<&'w str>,
    event: Option<&'w str>,
    ts: Option<i64>,
    message_id: &'w str,
    properties: Option<&'w BTreeMap<String, Value>>,
    /// What its partition says of the time.
    filed: i64,
}

/// Writes the events below a folder. Returns the declaration that binds them, with `location` as their place.
///
/// # Errors
///
/// A file cannot be written.
pub fn write(world: &World, folder: &Path, location: &str) -> Result<Json, String> {
    let mut random = Random::new(world.seed ^ 0x4849_5645);
    let by_hour = random.chance(30);
    let mut partitions: BTreeMap<Vec<String>, Vec<Row<'_>>> = BTreeMap::new();
    for row in rows(world, &mut random) {
        let local = row.filed + world.zone.offset_at(row.filed);
        let day = format_date(i32::try_from(local.div_euclid(DAY)).unwrap_or_default());
        let mut parts = vec![format!("dt={day}")];
        if by_hour {
            parts.push(format!("h={:02}", local.rem_euclid(DAY) / HOUR));
        }
        parts.push(format!("source={}", if random.chance(50) { "a%20b%2Fc" } else { "web" }));
        partitions.entry(parts).or_default().push(row);
    }
    for (parts, rows) in &partitions {
        let folder = folder.join(parts.join("/"));
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        std::fs::write(folder.join("_SUCCESS"), "").map_err(|e| e.to_string())?;
        for (i, rows) in rows.chunks(7).enumerate() {
            write_file(world, rows, &folder.join(format!("part-{i}.parquet")))?;
        }
    }
    Ok(declaration(world, by_hour, location))
}

fn rows<'w>(world: &'w World, random: &mut Random) -> Vec<Row<'w>> {
    let mut out = Vec::new();
    for user in &world.users {
        for event in &user.events {
            let beside = if random.chance(20) { *random.pick(&[-HOUR, HOUR]) } else { 0 };
            let row = |ts: i64| Row {
                user_id: Some(&user.user_id),
                event: Some(&event.name),
                ts: Some(ts),
                message_id: &event.message_id,
                properties: Some(&event.properties),
                filed: (event.ts + beside).clamp(INSTANT_MIN, INSTANT_MAX),
            };
            out.push(row(event.ts));
            match random.below(12) {
                0 => out.push(Row { user_id: None, ..row(event.ts) }),
                1 => out.push(Row { user_id: Some("con\u{7}trol"), ..row(event.ts) }),
                2 => out.push(Row { event: None, ..row(event.ts) }),
                3 => out.push(Row { event: Some(""), ..row(event.ts) }),
                4 => out.push(Row { ts: None, ..row(event.ts) }),
                // Astray.
                5 if event.ts < INSTANT_MAX - 10 * DAY => out.push(row(event.ts + 10 * DAY)),
                _ => {}
            }
        }
    }
    random.shuffle(&mut out);
    out
}

/// How the times are written.
fn form(world: &World) -> &'static str {
    ["string", "epoch_us", "timestamp"].get(usize::try_from(world.seed % 3).unwrap_or_default()).copied().unwrap_or("string")
}

/// Where the i-th property is.
fn place(i: usize) -> Vec<String> {
    if i.is_multiple_of(2) { vec!["payload".to_owned(), format!("v.{i}")] } else { vec![format!("Prop {i}")] }
}

fn declaration(world: &World, by_hour: bool, location: &str) -> Json {
    let partition = |column: &str, format: &str| object([("column", text(column)), ("format", text(format))]);
    let mut partitions = vec![partition("dt", "date")];
    if by_hour {
        partitions.push(partition("h", "hour"));
    }
    partitions.push(partition("source", "text"));
    let path = |parts: Vec<String>| Json::Array(parts.into_iter().map(text).collect());
    let properties = world.catalog.properties.keys().enumerate().map(|(i, name)| (name.clone(), path(place(i))));
    let table = object([
        ("format", text("hive-parquet")),
        ("location", text(location)),
        ("partitions", Json::Array(partitions)),
        ("partition_zone", text(world.zone.name())),
        ("slack_seconds", integer(SLACK_SECONDS)),
        ("user_id", text("who.id")),
        ("event", text("Event Name")),
        ("ts", object([("column", text("at")), ("type", text(form(world)))])),
        ("message_id", text("mid")),
        ("properties", object(properties)),
    ]);
    object([("events_table", table)])
}

fn write_file(world: &World, rows: &[Row<'_>], path: &Path) -> Result<(), String> {
    let texts = |of: &dyn Fn(&Row<'_>) -> Option<String>| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<StringArray>()) };
    let ids = texts(&|row| row.user_id.map(str::to_owned));
    let at: ArrayRef = match form(world) {
        "string" => texts(&|row| row.ts.map(format_instant)),
        "epoch_us" => Arc::new(rows.iter().map(|row| row.ts).collect::<Int64Array>()),
        _ => Arc::new(rows.iter().map(|row| row.ts).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
    };
    let mut columns = vec![
        ("who".to_owned(), structure(vec![("id".to_owned(), ids)], None)),
        ("Event Name".to_owned(), texts(&|row| row.event.map(str::to_owned))),
        ("at".to_owned(), at),
        ("mid".to_owned(), texts(&|row| Some(row.message_id.to_owned()))),
    ];
    let mut payload = Vec::new();
    for (i, (name, field)) in world.catalog.properties.iter().enumerate() {
        let values: Vec<Option<&Value>> = rows.iter().map(|row| row.properties.and_then(|p| p.get(name))).collect();
        // A file lacks the columns that none of its rows has, as others' files do.
        if values.iter().all(Option::is_none) && world.seed.is_multiple_of(2) {
            continue;
        }
        match place(i).as_slice() {
            [column] => columns.push((column.clone(), array(&field.ty, &values))),
            parts => payload.extend(parts.last().map(|name| (name.clone(), array(&field.ty, &values)))),
        }
    }
    if !payload.is_empty() {
        columns.push(("payload".to_owned(), structure(payload, None)));
    }
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| e.to_string())?;
    let file = File::create_new(path).map_err(|e| e.to_string())?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).map_err(|e| e.to_string())?;
    writer.write(&batch).map_err(|e| e.to_string())?;
    writer.close().map_err(|e| e.to_string())?;
    Ok(())
}

fn structure(children: Vec<(String, ArrayRef)>, present: Option<Vec<bool>>) -> ArrayRef {
    let fields: Fields = children.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
    let arrays = children.into_iter().map(|(_, array)| array).collect();
    Arc::new(StructArray::new(fields, arrays, present.map(NullBuffer::from)))
}

fn array(ty: &Type, values: &[Option<&Value>]) -> ArrayRef {
    let json = || -> ArrayRef { Arc::new(values.iter().map(|v| v.map(to_json)).collect::<StringArray>()) };
    macro_rules! of {
        ($array:ty, $kind:ident) => {
            Arc::new(values.iter().map(|v| if let Some(Value::$kind(v)) = v { Some(v.clone()) } else { None }).collect::<$array>())
        };
    }
    match ty {
        Type::String => of!(StringArray, String),
        Type::Integer => of!(Int64Array, Integer),
        Type::Number => of!(Float64Array, Number),
        Type::Boolean => of!(BooleanArray, Boolean),
        Type::Date => of!(Date32Array, Date),
        Type::Timestamp => {
            let micros = values.iter().map(|v| if let Some(Value::Timestamp(t)) = v { Some(*t) } else { None });
            Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        Type::Strings => {
            let mut out = ListBuilder::new(StringBuilder::new());
            for value in values {
                if let Some(Value::Strings(items)) = value {
                    items.iter().for_each(|item| out.values().append_value(item));
                    out.append(true);
                } else {
                    out.append(false);
                }
            }
            Arc::new(out.finish())
        }
        Type::Objects(_) | Type::Map(_) => json(),
        Type::Object(fields) if fields.is_empty() => json(),
        Type::Object(fields) => {
            let inner = |name: &String| -> Vec<Option<&Value>> {
                values.iter().map(|v| if let Some(Value::Object(members)) = v { members.get(name) } else { None }).collect()
            };
            let children = fields.iter().map(|(name, ty)| (name.clone(), array(ty, &inner(name)))).collect();
            structure(children, Some(values.iter().map(Option::is_some).collect()))
        }
    }
}
