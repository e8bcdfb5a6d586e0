//! What becomes of bodies, lines and queries, up to the entry.

use proptest::prelude::*;
use segment_core::catalog::{Catalog, Scope};
use segment_core::declare::declare;
use segment_core::json::Json;
use segment_core::time::{Zone, format_instant, parse_instant};

use super::check::{Checker, Misfits};
use super::envelope::{Endpoint, Envelope};
use super::limits::{EVENT_BYTES_MAX, MESSAGE_ID_BYTES_MAX, NAMES_MAX};
use super::*;

const RECEIVED: &str = "2026-03-01T12:00:00Z";

fn instant(text: &str) -> i64 {
    parse_instant(text, &Zone::utc()).unwrap()
}

fn workspace(catalog: &str) -> Workspace {
    let catalog = declare(&Catalog::new("Asia/Tokyo"), &Json::parse(catalog).unwrap()).unwrap();
    Workspace { id: "shop".to_owned(), zone: Zone::parse("Asia/Tokyo").unwrap(), checker: Checker::new(&catalog, None) }
}

fn entries(endpoint: Endpoint, body: &str) -> Vec<Entry> {
    let workspace = workspace("{}");
    let arrival = Arrival { workspace: &workspace, received_at: instant(RECEIVED) };
    let envelope = Envelope::open(body.as_bytes()).unwrap();
    envelope.events(endpoint, &workspace.zone, "id").unwrap().into_iter().map(|raw| take(raw, &arrival)).collect()
}

fn one(call: Call, body: &str) -> Entry {
    entries(Endpoint::Call(call), body).remove(0)
}

fn line(text: &[u8]) -> Entry {
    let workspace = workspace("{}");
    let raw = Raw { form: Form::Line, sent_at: None, context: None, id: "id".into(), bytes: text.into() };
    take(raw, &Arrival { workspace: &workspace, received_at: instant(RECEIVED) })
}

/// `user name properties` of an event, `user attributes` of facts, `reason pointer` of what is unfit.
fn told(entry: &Entry) -> String {
    match entry {
        Entry::Message(Message { user_id, fact: Fact::Event { name, properties }, .. }) => format!("{user_id} {name} {properties}"),
        Entry::Message(Message { user_id, fact: Fact::Attributes { attributes }, .. }) => format!("{user_id} {attributes}"),
        Entry::Quarantined(quarantined) => format!("{} {}", quarantined.unfit.reason.name(), quarantined.unfit.pointer),
    }
}

fn check(call: Call, body: &str, expected: &str) {
    assert_eq!(told(&one(call, body)), expected, "{body}");
}

fn message(entry: Entry) -> Message {
    match entry {
        Entry::Message(message) => message,
        Entry::Quarantined(quarantined) => panic!("{:?}", quarantined.unfit),
    }
}

#[test]
fn calls() {
    check(Call::Track, r#"{"userId":"u","event":"buy","properties":{"price":9.50,"a.b":1}}"#, r#"u buy {"price":9.50,"a":{"b":1}}"#);
    check(Call::Track, r#"{"userId":"u","event":"buy","properties":null}"#, "u buy {}");
    check(Call::Track, r#"{"userId":7,"event":"buy","type":"page","integrations":{"All":99999999999999999999}}"#, "7 buy {}");
    check(Call::Identify, r#"{"userId":"u","traits":{"plan":"pro","old":null}}"#, r#"u {"plan":"pro","old":null}"#);
    check(
        Call::Identify,
        r#"{"userId":"u","traits":{"plan":"pro"},"context":{"traits":{"plan":"free","city":"Oslo"},"ip":"::1"}}"#,
        r#"u {"city":"Oslo","plan":"pro"}"#,
    );
    check(
        Call::Page,
        r#"{"userId":"u","name":"Home","category":"Docs","properties":{"name":"Start"}}"#,
        r#"u page {"name":"Start","category":"Docs"}"#,
    );
    check(Call::Screen, r#"{"userId":"u","name":"Home"}"#, r#"u screen {"name":"Home"}"#);
    check(Call::Group, r#"{"userId":"u","groupId":"g","traits":{"size":3}}"#, r#"u group {"group_id":"g","traits":{"size":3}}"#);
    check(Call::Alias, r#"{"userId":"u","previousId":"v"}"#, r#"u alias {"previous_id":"v"}"#);
    check(
        Call::Track,
        r#"{"userId":"u","event":"e","context":{"os":{"name":"iOS"},"traits":{"a":1}}}"#,
        r#"u e {"context":{"os":{"name":"iOS"},"traits":{"a":1}}}"#,
    );
    check(Call::Track, r#"{"userId":"u","event":"e","context":{"a":1},"properties":{"context":"mine"}}"#, r#"u e {"context":"mine"}"#);
}

#[test]
fn users() {
    check(Call::Track, r#"{"anonymousId":"a","event":"e"}"#, "a e {}");
    check(Call::Track, r#"{"userId":"","anonymousId":"a","event":"e"}"#, "a e {}");
    check(Call::Track, r#"{"userId":null,"anonymousId":"a","event":"e"}"#, "a e {}");
    check(Call::Track, r#"{"userId":"u","anonymousId":"a","event":"e"}"#, r#"u e {"anonymous_id":"a"}"#);
    check(Call::Track, r#"{"userId":"u","anonymousId":"u","event":"e"}"#, "u e {}");
    check(Call::Track, r#"{"userId":"v","userId":"u","event":"e"}"#, "u e {}");
    check(Call::Track, r#"{"event":"e"}"#, "no_user_id ");
    check(Call::Track, r#"{"userId":"","anonymousId":"","event":"e"}"#, "no_user_id ");
    check(Call::Track, r#"{"userId":"a\nb","anonymousId":"a","event":"e"}"#, "bad_user_id /userId");
    check(Call::Track, r#"{"anonymousId":{},"event":"e"}"#, "bad_user_id /anonymousId");
}

#[test]
fn unfit() {
    check(Call::Track, r#"{"userId":"u"}"#, "no_event ");
    check(Call::Track, r#"{"userId":"u","event":""}"#, "no_event /event");
    check(Call::Track, r#"{"userId":"u","event":5}"#, "no_event /event");
    check(Call::Track, r#"{"userId":"u","event":"e","properties":[1]}"#, "malformed_json /properties");
    check(Call::Identify, r#"{"userId":"u","traits":"x"}"#, "malformed_json /traits");
    check(Call::Track, r#"{"userId":"u","event":"e","context":1}"#, "malformed_json /context");
    check(Call::Track, r#"{"userId":"u","event":"e","properties":{"n":9223372036854775808}}"#, "integer_overflow /properties");
    check(Call::Track, r#"{"userId":"u","event":"e","timestamp":"soon"}"#, "no_time /timestamp");
    check(Call::Track, r#"{"userId":"u","event":"e","timestamp":1700000000}"#, "no_time /timestamp");
    check(Call::Track, r#"{"userId":"u","event":"e","messageId":{}}"#, "bad_message_id /messageId");
    let long = "m".repeat(MESSAGE_ID_BYTES_MAX + 1);
    check(Call::Track, &format!(r#"{{"userId":"u","event":"e","messageId":"{long}"}}"#), "bad_message_id /messageId");
    check(Call::Track, &format!(r#"{{"userId":"u","event":"{}"}}"#, "e".repeat(EVENT_BYTES_MAX)), "too_large ");
    let deep = format!(r#"{{"userId":"u","event":"e","properties":{{"a":{}1{}}}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    check(Call::Track, &deep, "malformed_json ");
}

#[test]
fn times() {
    let ts = |members: &str| {
        let body = format!(r#"{{"userId":"u","event":"e"{members}}}"#);
        format_instant(message(one(Call::Track, &body)).ts)
    };
    assert_eq!(ts(""), RECEIVED);
    assert_eq!(ts(r#","timestamp":"2026-02-28T10:00:00+01:00""#), "2026-02-28T09:00:00Z");
    assert_eq!(ts(r#","timestamp":"2026-02-28""#), "2026-02-27T15:00:00Z");
    // A clock a year late.
    assert_eq!(ts(r#","timestamp":"2025-03-01T11:50:00Z","sentAt":"2025-03-01T12:00:00Z""#), "2026-03-01T11:50:00Z");
    assert_eq!(ts(r#","originalTimestamp":"2025-03-01T11:50:00Z","sentAt":"2025-03-01T12:00:00Z""#), "2026-03-01T11:50:00Z");
    // Corrected already.
    assert_eq!(
        ts(r#","timestamp":"2026-02-01T00:00:00Z","originalTimestamp":"2025-03-01T11:50:00Z","sentAt":"2025-03-01T12:00:00Z""#),
        "2026-02-01T00:00:00Z"
    );
    assert_eq!(ts(r#","timestamp":"2030-01-01T00:00:00Z""#), RECEIVED);
    assert_eq!(ts(r#","timestamp":"2026-02-01T00:00:00Z","sentAt":"what""#), "2026-02-01T00:00:00Z");
}

#[test]
fn batches() {
    let body = r#"{"batch":[
        {"type":"track","userId":"u","event":"e","messageId":"m1","timestamp":"2026-03-01T00:00:00Z","sentAt":"2001-01-01T00:00:00Z"},
        {"type":"identify","userId":"u","traits":{"a":1}},
        {"type":"track","userId":"u","event":"\ud800"},
        5,
        {"type":"dance","userId":"u"},
        {"userId":"u"},
        {"type":"page","userId":"u","context":{"b":2}}
    ],"context":{"b":1,"c":3},"sentAt":"2026-03-01T01:00:00Z","writeKey":"k"}"#;
    let all = entries(Endpoint::Batch, body);
    let told: Vec<String> = all.iter().map(told).collect();
    assert_eq!(
        told,
        [
            r#"u e {"context":{"b":1,"c":3}}"#,
            r#"u {"a":1}"#,
            "no_event /event",
            "malformed_json ",
            "unknown_type /type",
            "unknown_type ",
            r#"u page {"context":{"c":3,"b":2}}"#,
        ]
    );
    let first = message(all[0].clone());
    // The batch's time of sending is the later one, and counts.
    assert_eq!((first.message_id.as_str(), format_instant(first.ts).as_str()), ("m1", "2026-03-01T11:00:00Z"));
    assert_eq!(message(all[1].clone()).message_id, "id-1");
    assert_eq!(message(all[6].clone()).message_id, "id-6");
}

#[test]
fn bodies_that_are_none() {
    for body in ["", "[]", "5", "{", "{}x", "nul", r#"{"a":1,}"#] {
        assert!(Envelope::open(body.as_bytes()).is_err(), "{body}");
    }
    assert!(Envelope::open(b"{\"a\":\"\xff\"}").is_err());
    for body in ["{}", r#"{"batch":{}}"#, r#"{"batch":null}"#] {
        assert!(Envelope::open(body.as_bytes()).unwrap().events(Endpoint::Batch, &Zone::utc(), "id").is_err(), "{body}");
    }
    let marked = "\u{feff} {\"writeKey\":\"a\",\"writeKey\":\"k\\n\"} ";
    assert_eq!(Envelope::open(marked.as_bytes()).unwrap().write_key().as_deref(), Some("k\n"));
}

#[test]
fn what_is_in_quarantine_reads_again_the_same() {
    let body = r#"{"batch":[{"type":"track","userId":"u","timestamp":"2026-03-01T00:00:00Z","properties":{"big":99999999999999999999}}],
        "context":{"c":3},"sentAt":"2026-03-01T01:00:00Z"}"#;
    let Entry::Quarantined(quarantined) = entries(Endpoint::Batch, body).remove(0) else { panic!("it is unfit") };
    assert_eq!(quarantined.unfit.reason, Reason::IntegerOverflow);
    assert!(body.contains(std::str::from_utf8(&quarantined.raw.bytes).unwrap()));
    let workspace = workspace("{}");
    let at = Arrival { workspace: &workspace, received_at: quarantined.received_at };
    assert_eq!(take(quarantined.raw.clone(), &at), Entry::Quarantined(quarantined.clone()));
    // Mended, it is what it would have been.
    let mended = String::from_utf8(quarantined.raw.bytes.to_vec())
        .unwrap()
        .replace("99999999999999999999", "9")
        .replace("\"userId\"", "\"event\":\"e\",\"userId\"");
    let mended = message(take(Raw { bytes: mended.into_bytes().into(), ..quarantined.raw }, &at));
    assert_eq!((mended.message_id.as_str(), format_instant(mended.ts).as_str()), ("id-0", "2026-03-01T11:00:00Z"));
    assert_eq!(mended.fact, Fact::Event { name: "e".to_owned(), properties: r#"{"big":9,"context":{"c":3}}"#.to_owned() });
}

#[test]
fn a_mended_catalog_lets_events_out_of_quarantine() {
    let schema =
        |ty: &str| format!(r#"{{"events":{{"buy":{{"schema":{{"required":["price"],"properties":{{"price":{{"type":"{ty}"}}}}}}}}}}}}"#);
    let (strict, mended) = (workspace(&schema("number")), workspace(&schema("string")));
    let body = r#"{"batch":[{"type":"track","userId":"u","event":"buy","timestamp":"2026-03-01T00:00:00Z","properties":{"price":"9.50"}},
        {"type":"track","userId":"u","event":"buy","messageId":"mine"}],"context":{"c":3},"sentAt":"2026-03-01T01:00:00Z"}"#;
    let at = Arrival { workspace: &strict, received_at: instant(RECEIVED) };
    let raws = Envelope::open(body.as_bytes()).unwrap().events(Endpoint::Batch, &strict.zone, "id").unwrap();
    let mut kept = raws.into_iter().map(|raw| match take(raw, &at) {
        Entry::Quarantined(quarantined) => quarantined,
        Entry::Message(message) => panic!("{message:?}"),
    });
    let (wrong, missing) = (kept.next().unwrap(), kept.next().unwrap());
    assert_eq!((wrong.unfit.reason, wrong.unfit.pointer.as_str()), (Reason::SchemaMismatch, "/properties/price"));
    // As the log holds it.
    let Ok(Entry::Quarantined(wrong)) = codec::decode(&codec::encode(&Entry::Quarantined(wrong))) else { panic!("it reads back") };
    assert_eq!(wrong.clone().replay(&strict), Entry::Quarantined(wrong.clone()));
    let out = message(wrong.clone().replay(&mended));
    assert_eq!(out.fact, Fact::Event { name: "buy".to_owned(), properties: r#"{"price":"9.50","context":{"c":3}}"#.to_owned() });
    assert_eq!((out.workspace.as_str(), out.message_id.as_str(), out.received_at), ("shop", "id-0", instant(RECEIVED)));
    assert_eq!(format_instant(out.ts), "2026-03-01T11:00:00Z");
    // What is wrong still is told anew.
    let Entry::Quarantined(missing) = missing.replay(&mended) else { panic!("it has no price") };
    assert_eq!((missing.unfit.reason, missing.unfit.pointer.as_str()), (Reason::SchemaMismatch, "/properties"));
    let mended = workspace("{}");
    assert_eq!(message(missing.replay(&mended)).message_id, "mine");
    let elsewhere = Workspace { id: "other".to_owned(), ..mended };
    assert_eq!(wrong.clone().replay(&elsewhere), Entry::Quarantined(wrong));
}

/// Its beginning might be an event, but not the one that was sent.
#[test]
fn what_was_too_large_stays_in_quarantine() {
    let text = r#"{"user_id":"u","event":"e","ts":"2026-02-01"}"#;
    let cut = line(format!("{text}{}x", " ".repeat(EVENT_BYTES_MAX - text.len())).as_bytes());
    let Entry::Quarantined(cut) = cut else { panic!("it is too large") };
    assert_eq!((cut.unfit.reason, cut.raw.bytes.len()), (Reason::TooLarge, EVENT_BYTES_MAX));
    assert_eq!(cut.clone().replay(&workspace("{}")), Entry::Quarantined(cut));
}

#[test]
fn lines() {
    let check = |text: &str, expected: &str| assert_eq!(told(&line(text.as_bytes())), expected, "{text}");
    check(r#"{"user_id":"u","event":"e","ts":"2026-02-01","price":1,"properties":{"a":2}}"#, r#"u e {"price":1,"a":2}"#);
    check(r#"{"user_id":"u","event":"e","ts":"2026-02-01","properties":5}"#, r#"u e {"properties":5}"#);
    check(r#"{"user_id":"u","event":"e"}"#, "no_time ");
    check(r#"{"user_id":"u","event":"e","ts":5}"#, "no_time /ts");
    check(r#"{"user_id":"u","ts":"2026-02-01"}"#, "no_event ");
    check(r#"{"event":"e","ts":"2026-02-01"}"#, "no_user_id ");
    check(r#"{"user_id":"a\tb","event":"e","ts":"2026-02-01"}"#, "bad_user_id /user_id");
    check(r#"{"user_id":"u","event":"e","ts":"2026-02-01","n":99999999999999999999}"#, "integer_overflow /n");
    check("[]", "malformed_json ");
    check("{", "malformed_json ");
    assert_eq!(told(&line(b"{\"a\":\"\xff\"}")), "not_utf8 ");
    let read = message(line(br#"{"user_id":"u","event":"e","ts":"2030-01-01T00:00:00Z","message_id":5}"#));
    assert_eq!((read.message_id.as_str(), format_instant(read.ts).as_str()), ("5", RECEIVED));
}

#[test]
fn beacons() {
    let check = |query: &str, key: Option<&str>, expected: &str| {
        let query = pixel::read(query, "id");
        assert_eq!(query.write_key.as_deref(), key);
        let workspace = workspace("{}");
        let entry = take(query.raw, &Arrival { workspace: &workspace, received_at: instant(RECEIVED) });
        assert_eq!(told(&entry), expected);
    };
    check("writeKey=k&event=open&userId=u&campaign=sp%20ring", Some("k"), r#"u open {"campaign":"sp ring"}"#);
    check("data=%7B%22writeKey%22%3A%22k%22%2C%22userId%22%3A%22u%22%2C%22event%22%3A%22e%22%7D", Some("k"), "u e {}");
    // {"writeKey":"k","userId":"u","type":"page","name":"?>"} and with the other alphabet and no padding.
    check("data=eyJ3cml0ZUtleSI6ImsiLCJ1c2VySWQiOiJ1IiwidHlwZSI6InBhZ2UiLCJuYW1lIjoiPz4ifQ==", Some("k"), r#"u page {"name":"?>"}"#);
    check("data=eyJ1c2VySWQiOiJ1IiwiZXZlbnQiOiLCv8O_In0&writeKey=k", Some("k"), "u ¿ÿ {}");
    check("", None, "no_user_id ");
    check("data=%%%", None, "malformed_json ");
    check("data=%ff%fe", None, "malformed_json ");
}

#[test]
fn names_are_bounded() {
    let members = |n: usize| (0..n).map(|i| format!("\"p{i}\":1")).collect::<Vec<_>>().join(",");
    let body = |n| format!(r#"{{"userId":"u","event":"e","properties":{{{}}}}}"#, members(n));
    assert_eq!(told(&one(Call::Track, &body(NAMES_MAX + 1))), "too_many_names /properties");
    assert_ne!(told(&one(Call::Track, &body(NAMES_MAX))), "too_many_names /properties");

    // A hundred thousand names, a few at a time.
    let workspace = workspace(r#"{"properties":{"known":{"type":"string"}}}"#);
    let send = |text: String, workspace: &Workspace| {
        let raw = Raw { form: Form::Typed, sent_at: None, context: None, id: "id".into(), bytes: text.into_bytes().into() };
        told(&take(raw, &Arrival { workspace, received_at: 0 }))
    };
    let (mut taken, mut refused) = (0, 0);
    for i in 0..100_000 {
        let told = send(format!(r#"{{"type":"track","userId":"u","event":"e","properties":{{"known":1,"p{i}":1}}}}"#), &workspace);
        if told == format!("too_many_names /properties/p{i}") { refused += 1 } else { taken += 1 }
    }
    assert_eq!((taken, refused), (4_095, 95_905));
    let (mut taken, mut refused) = (0, 0);
    for i in 0..100_000 {
        let told = send(format!(r#"{{"type":"track","userId":"u","event":"e{i}"}}"#), &workspace);
        if told == "too_many_names /event" { refused += 1 } else { taken += 1 }
    }
    // "e" was the first.
    assert_eq!((taken, refused), (65_535, 34_465));
    // What was there before still is accepted, and attributes have room of their own.
    assert_eq!(send(r#"{"type":"track","userId":"u","event":"e7","properties":{"p7":1}}"#.to_owned(), &workspace), r#"u e7 {"p7":1}"#);
    assert_eq!(send(r#"{"type":"identify","userId":"u","traits":{"new":1}}"#.to_owned(), &workspace), r#"u {"new":1}"#);
    // A new catalog keeps the count.
    let before = workspace.checker;
    let after = Workspace { checker: Checker::new(&Catalog::new("UTC"), Some(&before)), id: workspace.id, zone: workspace.zone };
    assert_eq!(send(r#"{"type":"track","userId":"u","event":"e7","properties":{"p7":1}}"#.to_owned(), &after), r#"u e7 {"p7":1}"#);
    assert_eq!(send(r#"{"type":"track","userId":"u","event":"new"}"#.to_owned(), &after), "too_many_names /event");
}

#[test]
fn values_that_do_not_convert_are_counted_and_kept() {
    let catalog = r#"{"properties":{"price":{"type":"number"},"tags":{"type":"strings"}},"attributes":{"age":{"type":"integer"}}}"#;
    let workspace = workspace(catalog);
    let arrival = Arrival { workspace: &workspace, received_at: 0 };
    for (text, expected) in [
        (
            r#"{"type":"track","userId":"u","event":"e","properties":{"price":"much","tags":["a",1]}}"#,
            r#"u e {"price":"much","tags":["a",1]}"#,
        ),
        (
            r#"{"type":"track","userId":"u","event":"e","properties":{"price":"12","tags":null,"x":{}}}"#,
            r#"u e {"price":"12","tags":null,"x":{}}"#,
        ),
        (r#"{"type":"identify","userId":"u","traits":{"age":"old","price":"much"}}"#, r#"u {"age":"old","price":"much"}"#),
    ] {
        let raw = Raw { form: Form::Typed, sent_at: None, context: None, id: "id".into(), bytes: text.as_bytes().into() };
        assert_eq!(told(&take(raw, &arrival)), expected);
    }
    let counted = |checker: &Checker| checker.misfits();
    let expected = vec![
        (Scope::Attribute, "age".to_owned(), Misfits { unconverted: 1, partial: 0 }),
        (Scope::Property, "price".to_owned(), Misfits { unconverted: 1, partial: 0 }),
        (Scope::Property, "tags".to_owned(), Misfits { unconverted: 0, partial: 1 }),
    ];
    assert_eq!(counted(&workspace.checker), expected);
    assert_eq!(counted(&Checker::new(&Catalog::new("UTC"), Some(&workspace.checker))), expected);
}

#[test]
fn the_image() {
    assert_eq!(pixel::GIF.len(), 43);
    assert_eq!(&pixel::GIF[..10], b"GIF89a\x01\x00\x01\x00");
    assert_eq!(pixel::GIF[42], b';');
}

/// JSON of any form, deeper in the middle than any that is meant.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        Just("1e400".to_owned()),
        "\\PC{0,8}".prop_map(|text| Json::String(text).to_text()),
        Just("\"\\ud800\"".to_owned()),
        Just("\"2026-02-01T00:00:00Z\"".to_owned()),
    ];
    let names = prop::sample::select(vec![
        "userId",
        "anonymousId",
        "event",
        "type",
        "properties",
        "traits",
        "context",
        "timestamp",
        "sentAt",
        "messageId",
        "batch",
        "a.b",
        "a",
        "",
        "user_id",
        "ts",
        "groupId",
        "name",
    ]);
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((names.clone(), inner.clone()), 0..8).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            (inner, 0usize..520).prop_map(|(text, depth)| format!("{}{text}{}", "{\"d\":".repeat(depth), "}".repeat(depth))),
        ]
    })
}

/// Whatever came: an entry, whose object can be read again, or the bytes as they were.
fn sound(entry: Entry, bytes: &[u8]) {
    match entry {
        Entry::Message(message) => {
            assert!(!message.user_id.is_empty() && !message.message_id.is_empty() && message.ts <= message.received_at);
            let (Fact::Event { properties: text, .. } | Fact::Attributes { attributes: text }) = &message.fact;
            assert!(Json::parse(text).unwrap().as_object().is_some(), "{text}");
            assert_eq!(codec::decode(&codec::encode(&Entry::Message(message.clone()))), Ok(Entry::Message(message)));
        }
        Entry::Quarantined(quarantined) => assert_eq!(quarantined.raw.bytes.as_ref(), &bytes[..bytes.len().min(EVENT_BYTES_MAX)]),
    }
}

proptest! {
    #[test]
    fn whatever_comes(text in json(), context in prop::option::of(json()), call in prop::sample::select(Call::ALL.to_vec())) {
        let workspace = workspace("{}");
        let at = Arrival { workspace: &workspace, received_at: instant(RECEIVED) };
        for form in [Form::Call(call), Form::Typed, Form::Line] {
            let raw = Raw { form, sent_at: None, context: None, id: "id".into(), bytes: text.as_bytes().into() };
            sound(take(raw, &at), text.as_bytes());
        }
        let user = format!(r#"{{"userId":"u","event":"e","properties":{text},"traits":{text},"context":{text}}}"#);
        let context = context.unwrap_or_else(|| "null".to_owned());
        let batch = format!(r#"{{"batch":[{user},{text}],"context":{context}}}"#);
        for (endpoint, body) in [(Endpoint::Call(call), user), (Endpoint::Batch, batch)] {
            let envelope = Envelope::open(body.as_bytes()).unwrap();
            for raw in envelope.events(endpoint, &workspace.zone, "id").unwrap_or_default() {
                let bytes = raw.bytes.to_vec();
                sound(take(raw, &at), &bytes);
            }
        }
    }

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), query in ".{0,200}") {
        let workspace = workspace("{}");
        let at = Arrival { workspace: &workspace, received_at: 0 };
        for form in [Form::Call(Call::Track), Form::Typed, Form::Line] {
            let raw = Raw { form, sent_at: Some(i64::MIN), context: None, id: "id".into(), bytes: bytes.as_slice().into() };
            sound(take(raw, &at), &bytes);
        }
        let _ = Envelope::open(&bytes);
        let _ = gzip::inflate(&bytes, 1_000);
        let raw = pixel::read(&query, "id").raw;
        let bytes = raw.bytes.to_vec();
        sound(take(raw, &at), &bytes);
    }
}
