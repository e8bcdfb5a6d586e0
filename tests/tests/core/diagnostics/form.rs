//! Faults of form.

use segment_core::diagnostics::Code::*;

use super::{faults, hint};

#[test]
fn json() {
    faults("", &[(InvalidJson, "")]);
    faults("{", &[(InvalidJson, "")]);
    faults(r#"{"everyone":true} x"#, &[(InvalidJson, "")]);
    faults(r#"{"attribute":"score","op":"is","value":NaN}"#, &[(InvalidJson, "")]);
    faults(r#"{"attribute":"score","op":"is","value":Infinity}"#, &[(InvalidJson, "")]);
}

#[test]
fn no_condition() {
    faults("1", &[(InvalidCondition, "")]);
    faults("[]", &[(InvalidCondition, "")]);
    faults("null", &[(InvalidCondition, "")]);
    faults("{}", &[(InvalidCondition, "")]);
    faults(r#"{"op":"is","value":1}"#, &[(InvalidCondition, "")]);
    faults(r#"{"all":[1,{"everyone":true},"x"]}"#, &[(InvalidCondition, "/all/0"), (InvalidCondition, "/all/2")]);
    faults(r#"{"not":[]}"#, &[(InvalidCondition, "/not")]);
    faults(r#"{"all":{"everyone":true}}"#, &[(InvalidValue, "/all")]);
    faults(r#"{"all":[],"any":[]}"#, &[(InvalidCondition, "")]);
    faults(
        r#"{"event":"view","where":{"not":{"property":"age","op":"exists"},"property":"age","op":"exists"},"list":"chosen"}"#,
        &[(InvalidCondition, ""), (InvalidCondition, "/where")],
    );
    faults(r#"{"everyone":false}"#, &[(InvalidValue, "/everyone")]);
}

#[test]
fn unknown_fields() {
    faults(r#"{"everyone":true,"x":1}"#, &[(UnknownField, "/x")]);
    faults(r#"{"evryone":true}"#, &[(UnknownField, "/evryone")]);
    hint(r#"{"evryone":true}"#, "everyone");
    faults(r#"{"vlaue":1,"op":"is"}"#, &[(UnknownField, "/vlaue"), (InvalidCondition, "")]);
    hint(r#"{"vlaue":1,"op":"is"}"#, "value");
    faults(r#"{"x":1,"y":2,"x":3}"#, &[(DuplicateField, "/x"), (UnknownField, "/x"), (UnknownField, "/y"), (InvalidCondition, "")]);
    faults(r#"{"property":"age","op":"exists"}"#, &[(UnknownField, "/property")]);
    hint(r#"{"property":"age","op":"exists"}"#, "\"attribute\"");
    faults(r#"{"attribute":"age","op":"is","value":1,"window":{"last":{"n":1,"unit":"day"}}}"#, &[(UnknownField, "/window")]);
    faults(r#"{"attribute":"age","op":"is","value":1,"a/b~c":2}"#, &[(UnknownField, "/a~1b~0c")]);
    faults(r#"{"attribute":"age","op":"exists","value":1}"#, &[(UnknownField, "/value")]);
    faults(r#"{"attribute":"tags","op":"is_empty","value":[]}"#, &[(UnknownField, "/value")]);
    faults(r#"{"attribute":"age","op":"gt","value":1,"ignore_case":true}"#, &[(UnknownField, "/ignore_case")]);
    faults(r#"{"attribute":"age","op":"is","value":1,"ignore_case":true}"#, &[(UnknownField, "/ignore_case")]);
    faults(r#"{"event":"view","where":{"attribute":"age","op":"exists"}}"#, &[(UnknownField, "/where/attribute")]);
    faults(r#"{"event":{"prefix":"v","suffix":"w"}}"#, &[(UnknownField, "/event/suffix")]);
    faults(r#"{"event":"view","measure":{"total":"score"},"op":"gt","value":1}"#, &[(UnknownField, "/measure/total")]);
    faults(
        r#"{"event":"view","measure":{"total":"score","smu":"score"},"op":"gt","value":1}"#,
        &[(UnknownField, "/measure/total"), (UnknownField, "/measure/smu")],
    );
    hint(r#"{"event":"view","where":{"attribute":"age","op":"exists"}}"#, "\"property\"");
    faults(r#"{"event":"view","measure":{"sum":"score","avg":"score"},"op":"gt","value":1}"#, &[(UnknownField, "/measure/avg")]);
    faults(r#"{"sample":{"percent":1,"salt":"x","of":2}}"#, &[(UnknownField, "/sample/of")]);
    faults(
        r#"{"event":"view","window":{"last":{"n":1,"unit":"day","x":1},"y":2}}"#,
        &[(UnknownField, "/window/last/x"), (UnknownField, "/window/y")],
    );
    faults(r#"{"event":"view","window":{"next":{"n":1,"unit":"day"}}}"#, &[(UnknownField, "/window/next")]);
    // What else is wrong is told at once.
    faults(
        r#"{"event":"view","window":{"from":"2024-02-01","to":"2024-01-01","z":1}}"#,
        &[(UnknownField, "/window/z"), (EmptyWindow, "/window")],
    );
    faults(r#"{"event":"view","window":{"from":1,"to":"2024-01-01"}}"#, &[(InvalidValue, "/window/from")]);
    faults(r#"{"event":["nothing",3]}"#, &[(InvalidValue, "/event/1"), (UnknownEvent, "/event/0")]);
}

#[test]
fn doubled_fields() {
    faults(r#"{"everyone":true,"everyone":true}"#, &[(DuplicateField, "/everyone")]);
    faults(r#"{"attribute":"age","op":"is","op":"gt","value":1}"#, &[(DuplicateField, "/op")]);
    faults(r#"{"event":"view","window":{"last":{"n":1,"n":2,"unit":"day"}}}"#, &[(DuplicateField, "/window/last/n")]);
    faults(r#"{"event":"view","where":{"property":"age","op":"is","value":1,"value":1}}"#, &[(DuplicateField, "/where/value")]);
    faults(r#"{"sample":{"percent":1,"percent":2,"salt":"x"}}"#, &[(DuplicateField, "/sample/percent")]);
    faults(r#"{"event":{"prefix":"v","prefix":"w"}}"#, &[(DuplicateField, "/event/prefix")]);
}

#[test]
fn missing_fields() {
    faults(r#"{"attribute":"age"}"#, &[(MissingField, "")]);
    faults(r#"{"attribute":"age","op":"is"}"#, &[(MissingField, "")]);
    faults(r#"{"not":{"attribute":"age","value":1}}"#, &[(MissingField, "/not")]);
    faults(r#"{"event":"view","value":1}"#, &[(MissingField, "")]);
    faults(r#"{"event":"view","op":"gte"}"#, &[(MissingField, "")]);
    faults(r#"{"event":"view","measure":{"sum":"score"}}"#, &[(MissingField, "")]);
    faults(r#"{"event":"view","measure":{}}"#, &[(MissingField, "/measure")]);
    faults(r#"{"event":{}}"#, &[(MissingField, "/event")]);
    faults(r#"{"event":"view","where":{"property":"age"}}"#, &[(MissingField, "/where")]);
    faults(r#"{"sample":{"salt":"x"}}"#, &[(MissingField, "/sample")]);
    faults(r#"{"sample":{"percent":5}}"#, &[(MissingField, "/sample")]);
}

#[test]
fn windows() {
    let window = |w: &str| format!(r#"{{"event":"view","window":{w}}}"#);
    for (text, code, pointer) in [
        (r#"{}"#, EmptyWindow, "/window"),
        (r#""day""#, InvalidWindow, "/window"),
        (r#"{"last":30}"#, InvalidWindow, "/window/last"),
        (r#"{"last":{"n":0,"unit":"day"}}"#, InvalidWindow, "/window/last/n"),
        (r#"{"last":{"n":-1,"unit":"day"}}"#, InvalidWindow, "/window/last/n"),
        (r#"{"last":{"n":1.5,"unit":"day"}}"#, InvalidWindow, "/window/last/n"),
        (r#"{"last":{"n":1000001,"unit":"day"}}"#, InvalidWindow, "/window/last/n"),
        (r#"{"last":{"n":"1","unit":"day"}}"#, InvalidWindow, "/window/last/n"),
        (r#"{"last":{"n":1e999,"unit":"day"}}"#, NonFinite, "/window/last/n"),
        (r#"{"last":{"n":1e-500,"unit":"day"}}"#, InvalidWindow, "/window/last/n"),
        (r#"{"last":{"n":1,"unit":"days"}}"#, InvalidWindow, "/window/last/unit"),
        (r#"{"last":{"n":1,"unit":"fortnight"}}"#, InvalidWindow, "/window/last/unit"),
        (r#"{"last":{"n":1}}"#, MissingField, "/window/last"),
        (r#"{"last":{"unit":"day"}}"#, MissingField, "/window/last"),
        (r#"{"last":{"n":1,"unit":"day"},"aligned":"yes"}"#, InvalidValue, "/window/aligned"),
        (r#"{"aligned":true}"#, MissingField, "/window"),
        (r#"{"ago":{"from":{"n":1,"unit":"day"}}}"#, MissingField, "/window/ago"),
        (r#"{"ago":{"from":{"n":0,"unit":"day"},"to":{"n":0,"unit":"day"}}}"#, InvalidWindow, "/window/ago/from/n"),
        (r#"{"ago":{"from":{"n":1,"unit":"day"},"to":{"n":1,"unit":"day"}}}"#, EmptyWindow, "/window"),
        (r#"{"ago":{"from":{"n":1,"unit":"day"},"to":{"n":24,"unit":"hour"}}}"#, EmptyWindow, "/window"),
        (r#"{"ago":{"from":{"n":1,"unit":"day"},"to":{"n":2,"unit":"day"}},"aligned":true}"#, EmptyWindow, "/window"),
        (r#"{"ago":{"from":{"n":1,"unit":"week"},"to":{"n":1,"unit":"day"}},"aligned":true}"#, MixedUnits, "/window"),
        (r#"{"from":"2024-02-01","to":"2024-01-01"}"#, EmptyWindow, "/window"),
        (r#"{"from":"2024-01-01","to":"2024-01-01"}"#, EmptyWindow, "/window"),
        (r#"{"from":"yesterday"}"#, InvalidWindow, "/window/from"),
        (r#"{"to":"2024-02-30"}"#, InvalidWindow, "/window/to"),
        (r#"{"to":5}"#, InvalidValue, "/window/to"),
    ] {
        faults(&window(text), &[(code, pointer)]);
    }
    for text in [
        r#"{"last":{"n":1000000,"unit":"year"}}"#,
        r#"{"last":{"n":1e2,"unit":"day"}}"#,
        r#"{"ago":{"from":{"n":1,"unit":"day"},"to":{"n":1,"unit":"day"}},"aligned":true}"#,
        r#"{"ago":{"from":{"n":1,"unit":"day"},"to":{"n":0,"unit":"month"}}}"#,
        r#"{"from":"2030-01-01"}"#,
        r#"{"from":"2024-03-31T01:30:00","to":"2024-03-31T02:31:00"}"#,
    ] {
        faults(&window(text), &[]);
    }
    faults(&window(r#"{"from":"yesterday","to":"today"}"#), &[(InvalidWindow, "/window/from"), (InvalidWindow, "/window/to")]);
    faults(&window(r#"{"from":5,"to":"today"}"#), &[(InvalidValue, "/window/from"), (InvalidWindow, "/window/to")]);
    faults(&window(r#"{"from":"yesterday","too":"2024-01-01"}"#), &[(InvalidWindow, "/window/from"), (UnknownField, "/window/too")]);
    let attribute = |w: &str| format!(r#"{{"attribute":"joined","op":"in_window","value":{w}}}"#);
    faults(&attribute(r#"{"next":{"n":1,"unit":"day"}}"#), &[]);
    faults(&attribute(r#"{"next":{"n":1,"unit":"day"},"aligned":true}"#), &[(UnknownField, "/value/aligned")]);
    faults(&attribute("{}"), &[(EmptyWindow, "/value")]);
    faults(&attribute(r#""2024-01-01""#), &[(InvalidWindow, "/value")]);
}

#[test]
fn strings() {
    faults(r#"{"attribute":"country","op":"is","value":"a\u0000b"}"#, &[(InvalidString, "/value")]);
    faults(r#"{"attribute":"country","op":"is","value":"\ud800"}"#, &[(InvalidString, "/value")]);
    faults(r#"{"attribute":"country","op":"is","value":"\udc00\ud800"}"#, &[(InvalidString, "/value")]);
    faults(r#"{"attribute":"country","op":"in","value":["a","\u0000"]}"#, &[(InvalidString, "/value/1")]);
    faults(r#"{"attribute":"tags","op":"has_any","value":["\ud83d"]}"#, &[(InvalidString, "/value/0")]);
    faults(r#"{"attribute":"country","op":"matches","value":"\u0000"}"#, &[(InvalidString, "/value")]);
    faults(r#"{"event":"\u0000"}"#, &[(InvalidString, "/event")]);
    faults(r#"{"event":["view","\ud800"]}"#, &[(InvalidString, "/event/1")]);
    faults(r#"{"event":{"prefix":"\u0000"}}"#, &[(InvalidString, "/event/prefix")]);
    faults(r#"{"sample":{"percent":1,"salt":"\u0000"}}"#, &[(InvalidString, "/sample/salt")]);
    faults(r#"{"attribute":"country","op":"is","value":"\ud83d\ude00"}"#, &[]);
}

#[test]
fn not_yet() {
    faults(r#"{"sequence":{"steps":[{"event":"view"}]}}"#, &[(NotSupported, "/sequence")]);
    faults(r#"{"not":{"sql":"SELECT user_id FROM users"}}"#, &[(NotSupported, "/not/sql")]);
}

#[test]
fn bounds() {
    let nested = |depth: usize| format!("{}{{\"everyone\":true}}{}", "{\"not\":".repeat(depth - 1), "}".repeat(depth - 1));
    faults(&nested(32), &[]);
    faults(&nested(33), &[(TooDeep, &"/not".repeat(32))]);
    // Trees in `where` count on from their leaf.
    let inside = |depth: usize| {
        let tree = format!("{}{{\"property\":\"age\",\"op\":\"exists\"}}{}", "{\"not\":".repeat(depth - 2), "}".repeat(depth - 2));
        format!("{{\"event\":\"view\",\"where\":{tree}}}")
    };
    faults(&inside(32), &[]);
    faults(&inside(33), &[(TooDeep, &format!("/where{}", "/not".repeat(31)))]);
    let wide = |nodes: usize| format!("{{\"any\":[{}]}}", vec!["{\"attribute\":\"age\",\"op\":\"exists\"}"; nodes - 1].join(","));
    faults(&wide(1_000), &[]);
    faults(&wide(1_001), &[(TooManyNodes, "")]);
    // An event with a tree of two nodes is three.
    let leaf = r#"{"event":"view","where":{"not":{"property":"age","op":"exists"}}}"#;
    faults(&format!("{{\"any\":[{}]}}", vec![leaf; 333].join(",")), &[]);
    faults(&format!("{{\"any\":[{}]}}", vec![leaf; 334].join(",")), &[(TooManyNodes, "")]);
    let values = |n: usize| format!(r#"{{"attribute":"age","op":"in","value":[{}]}}"#, vec!["1"; n].join(","));
    faults(&values(10_000), &[]);
    faults(&values(10_001), &[(TooManyValues, "/value")]);
    let items = |op: &str, n: usize| format!(r#"{{"attribute":"tags","op":"{op}","value":[{}]}}"#, vec!["\"a\""; n].join(","));
    faults(&items("has_any", 10_001), &[(TooManyValues, "/value")]);
    faults(&items("has_all", 10_001), &[(TooManyValues, "/value")]);
}

/// Quadratic work would take minutes here.
#[test]
fn tens_of_thousands_of_members() {
    let members: Vec<String> = (0..40_000).map(|i| format!(r#""k{i}":0,"k{i}":1"#)).collect();
    let checked = super::checked(&format!(r#"{{"everyone":true,{}}}"#, members.join(",")));
    let count = |code| checked.diagnostics.iter().filter(|d| d.code == code).count();
    assert_eq!((count(DuplicateField), count(UnknownField), checked.diagnostics.len()), (40_000, 40_000, 80_000));
}
