//! An event as it comes: read, checked, and kept as the log keeps it.
#![no_main]

use std::sync::LazyLock;

use ingest::collect::check::Checker;
use ingest::collect::codec::{decode, encode};
use ingest::collect::{Arrival, Call, Form, Raw, Workspace, take};
use libfuzzer_sys::fuzz_target;
use segment_core::catalog::Catalog;
use segment_core::declare::declare;
use segment_core::json::Json;
use segment_core::time::Zone;

const DECLARED: &str = r#"{"attributes": {"age": {"type": "integer"}, "m": {"type": "map", "values": "number"}}, "properties": {"price": {"type": "number"}},
    "rules": {"last_price": {"event": "buy", "last": "price"}, "first_at": {"event": "buy", "first_time": true}}}"#;

static WORKSPACE: LazyLock<Workspace> = LazyLock::new(|| {
    let json = Json::parse(DECLARED).unwrap();
    let catalog = declare(&Catalog::new("Europe/Berlin"), &json).unwrap_or_else(|_| Catalog::new("Europe/Berlin"));
    Workspace { id: "w".to_owned(), zone: Zone::parse("Europe/Berlin").unwrap(), checker: Checker::new(&catalog, None) }
});

fuzz_target!(|parts: (u8, Option<i64>, Option<&str>, &[u8])| {
    let (form, sent_at, context, bytes) = parts;
    let form = match usize::from(form % 8) {
        6 => Form::Typed,
        7 => Form::Line,
        n => Form::Call(Call::ALL[n]),
    };
    let raw = Raw { form, sent_at, context: context.map(Into::into), id: "given".into(), bytes: bytes.into() };
    let arrival = Arrival { workspace: &WORKSPACE, received_at: 1_774_746_000_000_000 };
    let entry = take(raw.clone(), &arrival);
    assert_eq!(take(raw, &arrival), entry, "the same bytes are the same message");
    assert_eq!(decode(&encode(&entry)).unwrap(), entry);
});
