//! The SQL of Trino over events that somebody else writes, as on file: one binding for each kind of time, and all kinds of columns.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Write as _;
use std::path::Path;

use segment_core::binding::{Held, HeldColumns};
use segment_core::catalog::Catalog;
use segment_core::compile;
use segment_core::declare::declare;
use segment_core::dialect::Trino;
use segment_core::dialect::trino::{PartitionValues, external};
use segment_core::json::Json;
use segment_core::lower::{Key, Strategy, Tables};
use segment_core::plan::Interval;
use segment_core::resolve::Library;
use segment_core::time::{Zone, parse_instant};

const PROPERTIES: &str = r#"{"events": {"buy": {}}, "properties": {
    "price": {"type": "number"}, "at": {"type": "timestamp"}, "tags": {"type": "strings"}, "source": {"type": "string"},
    "items": {"type": "map", "values": "number"}, "page": {"type": "object", "fields": {"path": {"type": "string"}}}}}"#;
/// Of the binding but its time.
const TABLE: &str = r#""format": "hive-parquet", "location": "s3://b/it's/", "partitions": [{"column": "dt", "format": "date"}, {"column": "src", "format": "text"}],
    "user_id": "who.id", "event": "Event \"Name\"", "message_id": "n",
    "properties": {"price": "price", "at": "at", "tags": "tags", "source": "src", "items": "items", "page": "page"}"#;
const CONDITION: &str = r#"{"all": [
    {"event": "buy", "where": {"property": "price", "op": "gt", "value": 2.5}, "window": {"last": {"n": 7, "unit": "day"}}},
    {"not": {"event": "buy", "measure": {"last": "page.path"}, "op": "is", "value": "it's"}}]}"#;

fn catalog(ts: &str) -> Catalog {
    let properties = declare(&Catalog::new("Europe/London"), &Json::parse(PROPERTIES).unwrap()).unwrap();
    let table = format!(r#"{{"events_table": {{{TABLE}, "ts": {ts}}}}}"#);
    declare(&properties, &Json::parse(&table).unwrap()).unwrap_or_else(|e| panic!("{table}: {e}"))
}

fn path(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// What the files hold, the times as given.
fn held(time: Held) -> HeldColumns {
    let mut out = HeldColumns::default();
    for (name, held) in [
        ("who", Held::Struct),
        ("who.id", Held::Text),
        ("Event \"Name\"", Held::Text),
        ("n", Held::Integer),
        ("price", Held::Decimal(10, 2)),
        ("at", Held::Timestamp { instant: false, nanos: false }),
        ("tags", Held::Texts),
        ("page", Held::Struct),
        ("page.path", Held::Text),
        ("t", time),
    ] {
        out.insert(path(name), held);
    }
    out
}

fn made(ts: &str, time: Held) -> String {
    let catalog = catalog(ts);
    let as_of = parse_instant("2026-11-28T12:00:00Z", &Zone::utc()).unwrap();
    let checked = compile::check(CONDITION, &catalog, &Library::default(), as_of);
    let plan = checked.plan.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let binding = catalog.events_table.as_ref().unwrap();
    let events = external(&plan, &catalog, binding, &held(time)).unwrap().named(&path("hive.shop.events_1"));
    let tables = Tables { events: path("events"), profiles: path("profiles"), key: Key::Id, spans: true, ..Tables::default() };
    let values = vec!["2026-11-01".to_owned(), "it's".to_owned()];
    let day = Interval { start: Some(0), end: 86_400_000_000 };
    let partition = PartitionValues::new(Some(day), "dt=2026-11-01/src=it's", &values).unwrap();
    let mut out =
        format!("{}\n{}\n", events.create(&binding.location), events.register(&partition.all, "s3://b/it's/dt=2026-11-01/src=it's"));
    for strategy in [Strategy::Arms, Strategy::OneScan] {
        let lowered = compile::lowered(&plan, &Trino, &tables, strategy).unwrap().over("events", &events);
        assert_eq!(lowered.sql(), lowered.ast().to_string());
        let _ = writeln!(out, "\n-- {}\n{:#}", strategy.name(), lowered.ast());
    }
    out
}

#[test]
fn the_sql_over_bound_events_is_as_on_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bound");
    let bless = std::env::var_os("MUSTER_BLESS").is_some_and(|v| v == "1");
    let timestamp = |instant: bool, nanos: bool| Held::Timestamp { instant, nanos };
    for (name, ts, time) in [
        ("epoch", r#"{"column": "t", "type": "epoch_ms"}"#, Held::Integer),
        ("text", r#"{"column": "t", "type": "string"}"#, Held::Text),
        ("instant", r#"{"column": "t", "type": "timestamp"}"#, timestamp(true, true)),
        ("local", r#"{"column": "t", "type": "timestamp", "zone": "America/Havana"}"#, timestamp(false, false)),
    ] {
        let (path, made) = (folder.join(format!("{name}.trino.sql")), made(ts, time));
        if bless {
            std::fs::write(&path, &made).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            continue;
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "{}: SQL changed; read it, then `MUSTER_BLESS=1 make test` keeps it:\n{made}", path.display());
    }
}

#[test]
fn what_trino_cannot_read_is_refused_where_it_is_asked_for() {
    let catalog = catalog(r#"{"column": "t", "type": "epoch_ms"}"#);
    let binding = catalog.events_table.as_ref().unwrap();
    let refused = |condition: &str, held: &HeldColumns| {
        let checked = compile::check(condition, &catalog, &Library::default(), 0);
        external(&checked.plan.unwrap_or_else(|| panic!("{:?}", checked.diagnostics)), &catalog, binding, held).err()
    };
    let asked = |property: &str| format!(r#"{{"event": "buy", "where": {{"property": "{property}", "op": "exists"}}}}"#);
    let all = held(Held::Integer);
    for property in ["price", "at", "tags", "source", "page", "page.path"] {
        assert_eq!(refused(&asked(property), &all), None, "{property}");
    }
    assert!(refused(&asked("items.a"), &all).is_some_and(|why| why.contains("JSON text")));
    let mut without = all.clone();
    without.refuse(path("at"), "it is of another time");
    assert_eq!(refused(&asked("at"), &without).as_deref(), Some("it is of another time"));
    assert_eq!(refused(&asked("price"), &without), None);
    without.refuse(path("t"), "no time");
    assert_eq!(refused(&asked("price"), &without).as_deref(), Some("no time"));
}
