//! The JSON of `events_table`: read, and shown in the same form.

use super::{
    ColumnPath, EventName, EventsTable, PARTITIONS_MAX, Partition, PartitionFormat, REFRESH_SECONDS, REFRESH_SECONDS_MAX, SLACK_SECONDS,
    SLACK_SECONDS_MAX, TimeColumn, TimeForm,
};
use crate::catalog::{Catalog, CatalogError};
use crate::declare::{malformed, members};
use crate::diagnostics::Pointer;
use crate::json::Json;
use crate::time::Zone;

/// The one format there is.
const FORMAT: &str = "hive-parquet";
const MEMBERS: [&str; 11] = [
    "format",
    "location",
    "partitions",
    "partition_zone",
    "slack_seconds",
    "user_id",
    "event",
    "ts",
    "message_id",
    "properties",
    "refresh_seconds",
];

/// A table out of its declaration. The catalog has what is declared besides.
///
/// # Errors
///
/// The first thing wrong: unknown or missing members, names and zones that cannot be, a property that the catalog does not have.
pub(crate) fn read(json: &Json, at: &Pointer<'_>, catalog: &Catalog) -> Result<EventsTable, CatalogError> {
    members(json, at, Some(&MEMBERS))?;
    let needed = |key: &str| json.get(key).ok_or_else(|| malformed(at, format!("\"{key}\" is missing")));
    if needed("format")?.as_str() != Some(FORMAT) {
        return Err(malformed(&at.key("format"), format!("the format is \"{FORMAT}\"; there is no other")));
    }
    let partitions = match json.get("partitions") {
        None => Vec::new(),
        Some(list) => partitions(list, &at.key("partitions"))?,
    };
    let mut properties = std::collections::BTreeMap::new();
    if let Some(json) = json.get("properties") {
        let at = at.key("properties");
        for (name, column) in members(json, &at, None)? {
            let at = at.key(name);
            if !catalog.properties.contains_key(name) {
                return Err(malformed(&at, format!("property \"{name}\" has no type: declare it under \"properties\" of the catalog")));
            }
            properties.insert(name.clone(), path(column, &at)?);
        }
    }
    Ok(EventsTable {
        location: location(needed("location")?, &at.key("location"))?,
        partitions,
        partition_zone: zone(json.get("partition_zone"), &at.key("partition_zone"))?.unwrap_or_else(|| "UTC".to_owned()),
        slack_seconds: seconds(json.get("slack_seconds"), &at.key("slack_seconds"), SLACK_SECONDS, 0, SLACK_SECONDS_MAX)?,
        user_id: path(needed("user_id")?, &at.key("user_id"))?,
        event: event(needed("event")?, &at.key("event"))?,
        ts: time(needed("ts")?, &at.key("ts"))?,
        message_id: json.get("message_id").map(|column| path(column, &at.key("message_id"))).transpose()?,
        properties,
        refresh_seconds: seconds(json.get("refresh_seconds"), &at.key("refresh_seconds"), REFRESH_SECONDS, 1, REFRESH_SECONDS_MAX)?,
    })
}

fn location(json: &Json, at: &Pointer<'_>) -> Result<String, CatalogError> {
    let text = json.as_str().unwrap_or_default();
    let inside = match text.strip_prefix("s3://") {
        Some(rest) => rest.split_once('/').is_some_and(|(bucket, folder)| !bucket.is_empty() && !folder.trim_matches('/').is_empty()),
        None => text.starts_with('/') && !text.trim_matches('/').is_empty(),
    };
    let odd = text.chars().any(char::is_control) || text.split('/').any(|part| part == ".." || part == ".");
    if !inside || odd {
        return Err(malformed(at, "a folder is needed, \"s3://bucket/folder/\" or an absolute local path, without \"..\""));
    }
    Ok(format!("{}/", text.trim_end_matches('/')))
}

fn partitions(json: &Json, at: &Pointer<'_>) -> Result<Vec<Partition>, CatalogError> {
    let list = json.as_array().ok_or_else(|| malformed(at, "a list of {\"column\", \"format\"} is needed"))?;
    if list.len() > PARTITIONS_MAX {
        return Err(malformed(at, format!("there are {PARTITIONS_MAX} partition columns at most")));
    }
    let mut out: Vec<Partition> = Vec::new();
    for (i, json) in list.iter().enumerate() {
        let at = at.index(i);
        members(json, &at, Some(&["column", "format"]))?;
        let column = json.get("column").and_then(Json::as_str).unwrap_or_default();
        if column.is_empty() || column.chars().any(|c| c.is_control() || c == '/' || c == '=') {
            return Err(malformed(&at, "\"column\" is the name of a column, as before the = in a folder's name"));
        }
        if out.iter().any(|p| p.column.eq_ignore_ascii_case(column)) {
            return Err(malformed(&at, format!("partition column \"{column}\" is given twice")));
        }
        let name = json.get("format").and_then(Json::as_str).unwrap_or_default();
        let format = PartitionFormat::ALL.into_iter().find(|f| f.name() == name);
        let format = format.ok_or_else(|| malformed(&at.key("format"), "the format is date, basic_date, hour or text"))?;
        let again = |p: &Partition| p.format == format || (p.format.is_day() && format.is_day());
        if format != PartitionFormat::Text && out.iter().any(again) {
            return Err(malformed(&at, "one partition column is the day and one the hour, at most"));
        }
        out.push(Partition { column: column.to_owned(), format });
    }
    if out.iter().any(|p| p.format == PartitionFormat::Hour) && !out.iter().any(|p| p.format.is_day()) {
        return Err(malformed(at, "an hour needs a partition column that is its day"));
    }
    Ok(out)
}

fn zone(json: Option<&Json>, at: &Pointer<'_>) -> Result<Option<String>, CatalogError> {
    let Some(json) = json else { return Ok(None) };
    let name = json.as_str().ok_or_else(|| malformed(at, "an IANA zone name such as \"Europe/London\" is needed"))?;
    Zone::parse(name).map_err(|e| malformed(at, e))?;
    Ok(Some(name.to_owned()))
}

fn seconds(json: Option<&Json>, at: &Pointer<'_>, default: u32, min: u32, max: u32) -> Result<u32, CatalogError> {
    let Some(json) = json else { return Ok(default) };
    let seconds = json.as_number().and_then(|n| n.parse().ok()).filter(|n| (min..=max).contains(n));
    seconds.ok_or_else(|| malformed(at, format!("a whole number of seconds from {min} to {max} is needed")))
}

/// `"a.b"`, or `["a", "b"]` where a name has a dot in it.
fn path(json: &Json, at: &Pointer<'_>) -> Result<ColumnPath, CatalogError> {
    let parts: Option<Vec<String>> = match json {
        Json::String(text) => Some(text.split('.').map(str::to_owned).collect()),
        Json::Array(parts) => parts.iter().map(|p| p.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let named = |parts: &Vec<String>| !parts.is_empty() && parts.iter().all(|p| !p.is_empty() && !p.chars().any(char::is_control));
    parts.filter(named).ok_or_else(|| malformed(at, "a column is needed: \"a\", a path into a struct \"a.b\", or a list of its names"))
}

fn event(json: &Json, at: &Pointer<'_>) -> Result<EventName, CatalogError> {
    if json.as_object().is_none() {
        return Ok(EventName::Column(path(json, at)?));
    }
    members(json, at, Some(&["constant"]))?;
    let name = json.get("constant").and_then(Json::as_str).unwrap_or_default();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(malformed(at, "an event's name is not empty and has no control characters"));
    }
    Ok(EventName::Constant(name.to_owned()))
}

fn time(json: &Json, at: &Pointer<'_>) -> Result<TimeColumn, CatalogError> {
    members(json, at, Some(&["column", "type", "zone"]))?;
    let column = json.get("column").ok_or_else(|| malformed(at, "\"column\" is missing"))?;
    let name = json.get("type").and_then(Json::as_str).unwrap_or_default();
    let form = TimeForm::ALL.into_iter().find(|f| f.name() == name);
    let form = form.ok_or_else(|| malformed(&at.key("type"), "the type is timestamp, string, epoch_s, epoch_ms or epoch_us"))?;
    let zone = zone(json.get("zone"), &at.key("zone"))?;
    if zone.is_some() && form.unit().is_some() {
        return Err(malformed(&at.key("zone"), "time since 1970 is in no zone"));
    }
    Ok(TimeColumn { column: path(column, &at.key("column"))?, form, zone })
}

/// The table as declared, every member stated.
pub(crate) fn shown(table: &EventsTable) -> Json {
    let text = |t: &str| Json::String(t.to_owned());
    let member = |key: &str, value: Json| (key.to_owned(), value);
    let number = |n: u32| Json::Number(n.to_string());
    let path = |parts: &ColumnPath| match parts.as_slice() {
        parts if parts.iter().any(|p| p.contains('.')) => Json::Array(parts.iter().map(|p| text(p)).collect()),
        parts => Json::String(parts.join(".")),
    };
    let partition = |p: &Partition| Json::Object(vec![member("column", text(&p.column)), member("format", text(p.format.name()))]);
    let mut ts = vec![member("column", path(&table.ts.column)), member("type", text(table.ts.form.name()))];
    ts.extend(table.ts.zone.iter().map(|zone| member("zone", text(zone))));
    let mut out = vec![
        member("format", text(FORMAT)),
        member("location", text(&table.location)),
        member("partitions", Json::Array(table.partitions.iter().map(partition).collect())),
        member("partition_zone", text(&table.partition_zone)),
        member("slack_seconds", number(table.slack_seconds)),
        member("user_id", path(&table.user_id)),
        member(
            "event",
            match &table.event {
                EventName::Column(column) => path(column),
                EventName::Constant(name) => Json::Object(vec![member("constant", text(name))]),
            },
        ),
        member("ts", Json::Object(ts)),
    ];
    out.extend(table.message_id.iter().map(|column| member("message_id", path(column))));
    out.push(member("properties", Json::Object(table.properties.iter().map(|(name, p)| member(name, path(p))).collect())));
    out.push(member("refresh_seconds", number(table.refresh_seconds)));
    Json::Object(out)
}

#[cfg(test)]
mod tests {
    use crate::catalog::Catalog;
    use crate::declare;
    use crate::json::Json;

    const CATALOG: &str = r#"{"properties": {"price": {"type": "number"}}}"#;
    const TABLE: &str = r#"{"format": "hive-parquet", "location": "s3://b/events", "user_id": "who.id", "event": "name", "ts": {"column": "at", "type": "epoch_ms"}}"#;

    fn catalog() -> Catalog {
        declare::declare(&Catalog::new("Asia/Tokyo"), &Json::parse(CATALOG).unwrap()).unwrap()
    }

    /// The table with one member replaced or added.
    fn declared(member: &str, value: &str) -> Result<Catalog, String> {
        let mut members = Json::parse(TABLE).unwrap().as_object().unwrap().to_vec();
        members.retain(|(key, _)| key != member);
        members.push((member.to_owned(), Json::parse(value).unwrap()));
        let json = Json::Object(vec![("events_table".to_owned(), Json::Object(members))]);
        declare::declare(&catalog(), &json).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_shown_can_be_set() {
        for (member, value) in [
            ("location", r#""/data/events""#),
            (
                "partitions",
                r#"[{"column": "dt", "format": "basic_date"}, {"column": "h", "format": "hour"}, {"column": "src", "format": "text"}]"#,
            ),
            ("event", r#"{"constant": "view"}"#),
            ("event", r#"["payload", "event.name"]"#),
            ("ts", r#"{"column": "t", "type": "string", "zone": "Europe/Berlin"}"#),
            ("message_id", r#""id""#),
            ("properties", r#"{"price": "payload.price"}"#),
            ("slack_seconds", "0"),
            ("refresh_seconds", "5"),
        ] {
            let catalog = declared(member, value).unwrap();
            let table = catalog.events_table.as_ref().unwrap();
            assert!(table.location.ends_with('/'), "{}", table.location);
            let again = declare::declare(&catalog, &declare::shown(&catalog)).unwrap();
            assert_eq!(again.events_table, catalog.events_table, "{member}");
            let none = declare::declare(&catalog, &Json::parse(r#"{"events_table": null}"#).unwrap()).unwrap();
            assert_eq!(none.events_table, None);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (member, value, why) in [
            ("format", r#""csv""#, "/events_table/format: the format is"),
            ("colour", "1", "unknown member \"colour\""),
            ("location", r#""s3://bucket""#, "a folder is needed"),
            ("location", r#""relative/path""#, "a folder is needed"),
            ("location", r#""/data/../other""#, "a folder is needed"),
            ("partitions", r#"[{"column": "h", "format": "hour"}]"#, "an hour needs"),
            (
                "partitions",
                r#"[{"column": "dt", "format": "date"}, {"column": "d", "format": "basic_date"}]"#,
                "one partition column is the day",
            ),
            ("partitions", r#"[{"column": "dt", "format": "text"}, {"column": "DT", "format": "text"}]"#, "given twice"),
            ("partitions", r#"[{"column": "dt", "format": "week"}]"#, "/events_table/partitions/0/format"),
            ("partition_zone", r#""Mars""#, "/events_table/partition_zone"),
            ("slack_seconds", "-1", "from 0 to 2678400"),
            ("slack_seconds", "1.5", "a whole number"),
            ("refresh_seconds", "0", "from 1 to 86400"),
            ("user_id", r#""a..b""#, "a column is needed"),
            ("event", r#"{"constant": ""}"#, "is not empty"),
            ("ts", r#"{"column": "t", "type": "julian"}"#, "/events_table/ts/type"),
            ("ts", r#"{"column": "t", "type": "epoch_s", "zone": "UTC"}"#, "is in no zone"),
            ("properties", r#"{"size": "size"}"#, "/events_table/properties/size: property \"size\" has no type"),
        ] {
            let error = declared(member, value).unwrap_err();
            assert!(error.contains(why), "{member} {value}: {error}");
        }
        let missing = Json::parse(r#"{"events_table": {"format": "hive-parquet"}}"#).unwrap();
        assert!(declare::declare(&catalog(), &missing).unwrap_err().to_string().contains("\"location\" is missing"));
    }
}
