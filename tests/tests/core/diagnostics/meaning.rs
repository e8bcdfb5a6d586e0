//! Faults of meaning: names, operators, values.

use segment_core::diagnostics::Code::*;

use super::{faults, hint};

#[test]
fn unknown_names() {
    faults(r#"{"attribute":"contry","op":"is","value":"JP"}"#, &[(UnknownAttribute, "/attribute")]);
    hint(r#"{"attribute":"contry","op":"is","value":"JP"}"#, "\"country\"");
    faults(r#"{"attribute":"Country","op":"exists"}"#, &[(UnknownAttribute, "/attribute")]);
    faults(r#"{"attribute":"address.town","op":"exists"}"#, &[(UnknownAttribute, "/attribute")]);
    hint(r#"{"attribute":"address.cty","op":"exists"}"#, "\"address.city\"");
    faults(r#"{"attribute":"country.x","op":"exists"}"#, &[(UnknownAttribute, "/attribute")]);
    faults(r#"{"attribute":"levels.anything at all","op":"exists"}"#, &[]);
    faults(r#"{"event":"purchse"}"#, &[(UnknownEvent, "/event")]);
    hint(r#"{"event":"purchse"}"#, "\"purchase\"");
    faults(r#"{"event":["view","vew"]}"#, &[(UnknownEvent, "/event/1")]);
    faults(r#"{"event":{"prefix":"zzz"}}"#, &[]);
    faults(r#"{"event":"view","where":{"property":"prise","op":"exists"}}"#, &[(UnknownProperty, "/where/property")]);
    faults(r#"{"event":"view","measure":{"sum":"prise"},"op":"gt","value":1}"#, &[(UnknownProperty, "/measure/sum")]);
    faults(r#"{"attribute":"cart","op":"any_item","value":{"property":"size","op":"exists"}}"#, &[(UnknownProperty, "/value/property")]);
    faults(r#"{"event":"view","where":{"property":"user_id","op":"exists"}}"#, &[(UnknownProperty, "/where/property")]);
    faults(r#"{"segment":"vip"}"#, &[(UnknownSegment, "/segment")]);
    hint(r#"{"segment":"vip"}"#, "\"vips\"");
    faults(r#"{"list":"chozen"}"#, &[(UnknownList, "/list")]);
    faults(r#"{"sample":{"percent":1,"salt":"x","by":"company"}}"#, &[(UnknownAttribute, "/sample/by")]);
    faults(r#"{"attribute":"age","op":"equals","value":1}"#, &[(UnknownOperator, "/op")]);
    hint(r#"{"attribute":"age","op":"betwen","value":[1,2]}"#, "\"between\"");
}

#[test]
fn segments() {
    faults(r#"{"segment":"a"}"#, &[(SegmentCycle, "/segment")]);
    let cycle = super::checked(r#"{"segment":"a"}"#);
    assert!(cycle.diagnostics.iter().any(|d| d.message.contains("a → b → c → a")), "{:?}", cycle.diagnostics);
    faults(r#"{"not":{"segment":"self"}}"#, &[(SegmentCycle, "/not/segment")]);
    faults(r#"{"all":[{"segment":"left"},{"segment":"right"}]}"#, &[]);
    faults(r#"{"any":[{"everyone":true},{"segment":"stale"}]}"#, &[(UnknownAttribute, "/any/1/segment")]);
    faults(r#"{"segment":5}"#, &[(InvalidValue, "/segment")]);
}

#[test]
fn operators_by_type() {
    let fitting = [
        ("country", "is is_not in not_in exists not_exists contains not_contains starts_with ends_with matches"),
        ("age", "is is_not in not_in exists not_exists lt lte gt gte between"),
        ("score", "is is_not in not_in exists not_exists lt lte gt gte between"),
        ("vip", "is is_not in not_in exists not_exists"),
        ("born", "is is_not in not_in exists not_exists lt lte gt gte between before after in_window"),
        ("joined", "is is_not in not_in exists not_exists lt lte gt gte between before after in_window"),
        ("tags", "exists not_exists has has_any has_all is_empty is_not_empty"),
        ("cart", "exists not_exists any_item is_empty is_not_empty"),
        ("address", "exists not_exists"),
        ("levels", "exists not_exists"),
        ("address.city", "is is_not in not_in exists not_exists contains not_contains starts_with ends_with matches"),
        ("levels.x", "is is_not in not_in exists not_exists lt lte gt gte between"),
        ("user_id", "is is_not in not_in exists not_exists contains not_contains starts_with ends_with matches"),
        ("first_seen_at", "is is_not in not_in exists not_exists lt lte gt gte between before after in_window"),
    ];
    for (name, fitting) in fitting {
        let fitting: Vec<&str> = fitting.split(' ').collect();
        for op in segment_core::ops::Op::ALL {
            let value = match op.name() {
                "exists" | "not_exists" | "is_empty" | "is_not_empty" => String::new(),
                "in_window" => r#","value":{"last":{"n":1,"unit":"day"}}"#.to_owned(),
                "any_item" => r#","value":{"all":[]}"#.to_owned(),
                // No value is right for every type; here only the operator is looked at.
                _ => r#","value":{}"#.to_owned(),
            };
            let checked = super::checked(&format!(r#"{{"attribute":"{name}","op":"{}"{value}}}"#, op.name()));
            let refused = checked.diagnostics.iter().any(|d| d.code == OperatorMismatch && d.pointer == "/op");
            assert_eq!(refused, !fitting.contains(&op.name()), "{name} {}: {:?}", op.name(), checked.diagnostics);
        }
    }
}

#[test]
fn measures() {
    let measured = |m: &str, op: &str, value: &str| format!(r#"{{"event":"view","measure":{m},"op":"{op}","value":{value}}}"#);
    for (measure, property) in [
        ("sum", "country"),
        ("avg", "vip"),
        ("sum", "born"),
        ("min", "country"),
        ("max", "vip"),
        ("min", "tags"),
        ("distinct", "tags"),
        ("distinct", "address"),
    ] {
        faults(&measured(&format!(r#"{{"{measure}":"{property}"}}"#), "gt", "1"), &[(MeasureMismatch, &format!("/measure/{measure}"))]);
    }
    faults(&measured(r#"{"count":1}"#, "gt", "1"), &[(InvalidValue, "/measure/count")]);
    faults(&measured(r#"{"sum":true}"#, "gt", "1"), &[(InvalidValue, "/measure/sum")]);
    faults(&measured(r#""count""#, "gt", "1"), &[(InvalidValue, "/measure")]);
    faults(&measured(r#"{"count":true}"#, "contains", "\"1\""), &[(OperatorMismatch, "/op")]);
    faults(&measured(r#"{"sum":"score"}"#, "matches", "\"1\""), &[(OperatorMismatch, "/op")]);
    faults(&measured(r#"{"first_time":true}"#, "gt", "5"), &[(InvalidValue, "/value")]);
    faults(&measured(r#"{"count":true}"#, "gt", "\"5\""), &[(InvalidValue, "/value")]);
    faults(&measured(r#"{"last":"country"}"#, "gt", "\"a\""), &[(OperatorMismatch, "/op")]);
    faults(&measured(r#"{"last":"country"}"#, "contains", "\"a\""), &[]);
    faults(&measured(r#"{"last":"cart"}"#, "any_item", r#"{"property":"n","op":"gt","value":1}"#), &[]);
    faults(&measured(r#"{"max":"born"}"#, "before", "\"2024-01-01\""), &[]);
}

#[test]
fn values() {
    for (name, op, value, code, pointer) in [
        ("country", "is", "5", InvalidValue, "/value"),
        ("country", "is", "null", InvalidValue, "/value"),
        ("country", "is", "[\"a\"]", InvalidValue, "/value"),
        ("country", "in", "\"a\"", InvalidValue, "/value"),
        ("country", "in", "[\"a\",5]", InvalidValue, "/value/1"),
        ("country", "contains", "true", InvalidValue, "/value"),
        ("country", "matches", "5", InvalidValue, "/value"),
        ("age", "is", "\"5\"", InvalidValue, "/value"),
        ("age", "gt", "true", InvalidValue, "/value"),
        ("age", "between", "5", InvalidValue, "/value"),
        ("age", "between", "[5]", InvalidValue, "/value"),
        ("age", "between", "[1,2,3]", InvalidValue, "/value"),
        ("age", "between", "[1,\"2\"]", InvalidValue, "/value/1"),
        ("age", "is", "1e400", NonFinite, "/value"),
        ("score", "gt", "1e309", NonFinite, "/value"),
        ("score", "in", "[1,-1e999]", NonFinite, "/value/1"),
        ("vip", "is", "\"true\"", InvalidValue, "/value"),
        ("vip", "is", "1", InvalidValue, "/value"),
        ("born", "is", "\"2024-02-30\"", InvalidValue, "/value"),
        ("born", "is", "20240101", InvalidValue, "/value"),
        ("born", "before", "\"now\"", InvalidValue, "/value"),
        ("joined", "after", "\"2024-13-01\"", InvalidValue, "/value"),
        ("joined", "is", "1700000000", InvalidValue, "/value"),
        ("tags", "has", "5", InvalidValue, "/value"),
        ("tags", "has_any", "\"a\"", InvalidValue, "/value"),
        ("tags", "has_all", "[\"a\",null]", InvalidValue, "/value/1"),
        ("cart", "any_item", "5", InvalidCondition, "/value"),
        ("cart", "any_item", "{\"property\":\"n\",\"op\":\"is\",\"value\":\"5\"}", InvalidValue, "/value/value"),
        ("cart", "any_item", "{\"property\":\"sku\",\"op\":\"gt\",\"value\":\"5\"}", OperatorMismatch, "/value/op"),
        ("country", "matches", "\"(\"", InvalidPattern, "/value"),
        ("country", "matches", "\"a**\"", InvalidPattern, "/value"),
        ("country", "matches", "\"(?=a)\"", InvalidPattern, "/value"),
        ("country", "matches", "\"(a)\\\\1\"", InvalidPattern, "/value"),
        ("country", "matches", "\"a{1001}\"", InvalidPattern, "/value"),
        ("country", "matches", "\"[z-a]\"", InvalidPattern, "/value"),
    ] {
        faults(&format!(r#"{{"attribute":"{name}","op":"{op}","value":{value}}}"#), &[(code, pointer)]);
    }
    for name in ["age", "score"] {
        for value in ["1e-500", "-1e-99999999999999999999", "0.1e-400"] {
            faults(&format!(r#"{{"attribute":"{name}","op":"gt","value":{value}}}"#), &[]);
        }
    }
    let digits = format!(r#"{{"attribute":"age","op":"gt","value":1.{}}}"#, "1".repeat(1_000));
    faults(&digits, &[(InvalidValue, "/value")]);
    faults(r#"{"attribute":"country","op":"is","value":"a","ignore_case":"yes"}"#, &[(InvalidValue, "/ignore_case")]);
    faults(r#"{"attribute":5,"op":"is","value":"a"}"#, &[(InvalidValue, "/attribute")]);
    faults(r#"{"attribute":"age","op":5,"value":1}"#, &[(InvalidValue, "/op")]);
    faults(r#"{"event":5}"#, &[(InvalidValue, "/event")]);
    faults(r#"{"event":[]}"#, &[(InvalidValue, "/event")]);
    faults(r#"{"event":["view",5]}"#, &[(InvalidValue, "/event/1")]);
    faults(r#"{"event":"view","where":5}"#, &[(InvalidCondition, "/where")]);
}

#[test]
fn samples() {
    let sample = |percent: &str, rest: &str| format!(r#"{{"sample":{{"percent":{percent},"salt":"x"{rest}}}}}"#);
    for percent in ["-1", "100.1", "1e5"] {
        faults(&sample(percent, ""), &[(InvalidValue, "/sample/percent")]);
    }
    faults(&sample("1e999", ""), &[(NonFinite, "/sample/percent")]);
    faults(&sample("1e-500", ""), &[]);
    faults(&sample("200", r#","by":5"#), &[(InvalidValue, "/sample/percent"), (InvalidValue, "/sample/by")]);
    faults(&sample("200", r#","by":"company""#), &[(InvalidValue, "/sample/percent"), (UnknownAttribute, "/sample/by")]);
    faults(&sample("\"5\"", ""), &[(InvalidValue, "/sample/percent")]);
    faults(&sample("\"5\"", r#","by":"company""#), &[(InvalidValue, "/sample/percent"), (UnknownAttribute, "/sample/by")]);
    faults(r#"{"sample":5}"#, &[(InvalidValue, "/sample")]);
    faults(r#"{"sample":{"percent":5,"salt":7}}"#, &[(InvalidValue, "/sample/salt")]);
    for by in ["score", "joined", "tags", "address"] {
        faults(&sample("5", &format!(r#","by":"{by}""#)), &[(InvalidValue, "/sample/by")]);
    }
    for by in ["country", "age", "vip", "user_id", "address.city"] {
        faults(&sample("5", &format!(r#","by":"{by}""#)), &[]);
    }
}

#[test]
fn everything_at_once() {
    faults(
        r#"{"all":[
            {"attribute":"contry","op":"is","value":5},
            {"attribute":"age","op":"contains","value":"x"},
            {"event":"purchse","where":{"any":[{"property":"prise","op":"gt","value":1},{"property":"age","op":"gt","value":"1"}]},
             "measure":{"sum":"country"},"op":"gt","value":1,"window":{"last":{"n":0,"unit":"days"}},"x":1},
            {"not":{"not":{"segment":"nobody"}}},
            {"evnt":"view"},
            {"attribute":"age","op":"is"}
        ]}"#,
        &[
            (UnknownAttribute, "/all/0/attribute"),
            (OperatorMismatch, "/all/1/op"),
            (UnknownField, "/all/2/x"),
            (InvalidWindow, "/all/2/window/last/n"),
            (InvalidWindow, "/all/2/window/last/unit"),
            (UnknownEvent, "/all/2/event"),
            (UnknownProperty, "/all/2/where/any/0/property"),
            (InvalidValue, "/all/2/where/any/1/value"),
            (MeasureMismatch, "/all/2/measure/sum"),
            (UnknownSegment, "/all/3/not/not/segment"),
            (UnknownField, "/all/4/evnt"),
            (MissingField, "/all/5"),
        ],
    );
    faults(
        r#"{"event":"purchse","where":{"property":"prise","op":"exists"},"measure":{"avg":"country"},"op":"gt","value":1,
            "window":{"ago":{"from":{"n":1,"unit":"day"},"to":{"n":2,"unit":"day"}}}}"#,
        &[(UnknownEvent, "/event"), (UnknownProperty, "/where/property"), (MeasureMismatch, "/measure/avg"), (EmptyWindow, "/window")],
    );
    faults(
        r#"{"attribute":"age","op":"in","value":["x",1,true,1e999],"ignore_case":true,"y":0}"#,
        &[
            (UnknownField, "/y"),
            (UnknownField, "/ignore_case"),
            (InvalidValue, "/value/0"),
            (InvalidValue, "/value/2"),
            (NonFinite, "/value/3"),
        ],
    );
    faults(
        r#"{"attribute":"cart","op":"any_item","value":{"all":[{"property":"skew","op":"is","value":"x"},{"property":"n","op":"matches","value":"x"}]}}"#,
        &[(UnknownProperty, "/value/all/0/property"), (OperatorMismatch, "/value/all/1/op")],
    );
}

/// An unknown name hides no fault that the value has whatever the type.
#[test]
fn values_of_the_unknown() {
    let many = format!("[{}]", vec!["1"; 10_001].join(","));
    for (op, value, faulty) in [
        ("is", r#""a\u0000""#, &[(InvalidString, "")] as &[_]),
        ("is", "[1]", &[(InvalidValue, "")]),
        ("is_not", "1e999", &[(NonFinite, "")]),
        ("is", "true", &[]),
        ("in", r#""a""#, &[(InvalidValue, "")]),
        ("in", r#"[1,"\ud800",{},1e999]"#, &[(InvalidString, "/1"), (InvalidValue, "/2"), (NonFinite, "/3")]),
        ("not_in", &many, &[(TooManyValues, "")]),
        ("in", "[]", &[]),
        ("gt", "true", &[(InvalidValue, "")]),
        ("gt", "5", &[]),
        ("between", "[1]", &[(InvalidValue, "")]),
        ("between", r#"[1,null]"#, &[(InvalidValue, "/1")]),
        ("contains", "5", &[(InvalidValue, "")]),
        ("matches", r#""(""#, &[(InvalidPattern, "")]),
        ("matches", r#""a""#, &[]),
        ("has_any", r#"["a",5]"#, &[(InvalidValue, "/1")]),
        ("before", r#""soon""#, &[(InvalidValue, "")]),
        ("before", r#""2024-01-01""#, &[]),
        ("in_window", r#"{"from":"2024-02-01","to":"2024-01-01"}"#, &[(EmptyWindow, "")]),
        ("in_window", r#"{"last":{"n":1,"unit":"day"}}"#, &[]),
        (
            "any_item",
            r#"{"any":[{"property":"x","op":"matches","value":"("},{"property":"y","op":"is","value":1}]}"#,
            &[(InvalidPattern, "/any/0/value")],
        ),
    ] {
        let found = |at: &str, name: (_, &str)| -> Vec<(_, String)> {
            let values = faulty.iter().map(|(code, pointer)| (*code, format!("{at}/value{pointer}")));
            values.chain([(name.0, format!("{at}/{}", name.1))]).collect()
        };
        let check = |text: String, expected: Vec<(segment_core::diagnostics::Code, String)>| {
            faults(&text, &expected.iter().map(|(code, pointer)| (*code, pointer.as_str())).collect::<Vec<_>>());
            assert!(super::checked(&text).warnings.is_empty(), "{text}");
        };
        check(format!(r#"{{"attribute":"contry","op":"{op}","value":{value}}}"#), found("", (UnknownAttribute, "attribute")));
        check(
            format!(r#"{{"event":"view","where":{{"property":"prise","op":"{op}","value":{value}}}}}"#),
            found("/where", (UnknownProperty, "property")),
        );
        check(
            format!(r#"{{"event":"view","measure":{{"last":"prise"}},"op":"{op}","value":{value}}}"#),
            found("", (UnknownProperty, "measure/last")),
        );
    }
    let sum = |of: &str| format!(r#"{{"event":"view","measure":{{"{of}":"prise"}},"op":"gt","value":"5"}}"#);
    for measure in ["sum", "avg", "distinct"] {
        faults(&sum(measure), &[(UnknownProperty, &format!("/measure/{measure}")), (InvalidValue, "/value")]);
    }
    faults(&sum("max"), &[(UnknownProperty, "/measure/max")]);
    faults(
        r#"{"event":"view","measure":{"sum":"country"},"op":"matches","value":1}"#,
        &[(MeasureMismatch, "/measure/sum"), (OperatorMismatch, "/op")],
    );
}

/// What is no operator, or none for the type, hides no fault that the value has whatever asks of it; nor does a name at fault.
#[test]
fn values_that_nothing_asks_of() {
    let many = format!("[{}]", vec!["1"; 10_001].join(","));
    let values: [(&str, &[(_, &str)]); 12] = [
        (r#""a\u0000""#, &[(InvalidString, "")]),
        ("1e999", &[(NonFinite, "")]),
        (r#"[1,"\ud800",[1e999],null,true]"#, &[(InvalidString, "/1"), (NonFinite, "/2/0")]),
        (&many, &[(TooManyValues, "")]),
        (r#"{"strange":"\u0000"}"#, &[(InvalidString, "/strange")]),
        ("5", &[]),
        ("null", &[]),
        (r#"{"last":{"n":0,"unit":"day"}}"#, &[(InvalidWindow, "/last/n")]),
        (r#"{"from":"2024-02-01","to":"2024-01-01"}"#, &[(EmptyWindow, "")]),
        (r#"{"next":{"n":1,"unit":"day"}}"#, &[]),
        (r#"{"property":"x","op":"matches","value":"("}"#, &[(InvalidPattern, "/value")]),
        (r#"{"any":[{"property":"x","op":"iz","value":"\u0000"}]}"#, &[(UnknownOperator, "/any/0/op"), (InvalidString, "/any/0/value")]),
    ];
    for (value, faulty) in values {
        let check = |text: &str, at: &str, others: &[(_, &str)]| {
            let values: Vec<(_, String)> = faulty.iter().map(|(code, pointer)| (*code, format!("{at}/value{pointer}"))).collect();
            let expected: Vec<(_, &str)> =
                values.iter().map(|(code, pointer)| (*code, pointer.as_str())).chain(others.iter().copied()).collect();
            faults(&text.replace("VALUE", value), &expected);
        };
        check(r#"{"attribute":"age","op":"equals","value":VALUE}"#, "", &[(UnknownOperator, "/op")]);
        check(r#"{"attribute":"age","value":VALUE}"#, "", &[(MissingField, "")]);
        check(r#"{"attribute":"age","op":7,"value":VALUE}"#, "", &[(InvalidValue, "/op")]);
        check(r#"{"attribute":"agee","op":"equals","value":VALUE}"#, "", &[(UnknownAttribute, "/attribute"), (UnknownOperator, "/op")]);
        check(r#"{"attribute":7,"op":"equals","value":VALUE}"#, "", &[(InvalidValue, "/attribute"), (UnknownOperator, "/op")]);
        check(
            r#"{"event":"vew","measure":{"sum":"prise"},"op":"equals","value":VALUE}"#,
            "",
            &[(UnknownEvent, "/event"), (UnknownProperty, "/measure/sum"), (UnknownOperator, "/op")],
        );
        check(r#"{"event":"view","where":{"property":"age","op":"equals","value":VALUE}}"#, "/where", &[(UnknownOperator, "/where/op")]);
    }
    faults(r#"{"attribute":5,"op":"matches","value":"("}"#, &[(InvalidValue, "/attribute"), (InvalidPattern, "/value")]);
    faults(
        r#"{"event":"view","where":{"property":5,"op":"in","value":1}}"#,
        &[(InvalidValue, "/where/property"), (InvalidValue, "/where/value")],
    );
    faults(r#"{"attribute":"age","op":"contains","value":"\u0000"}"#, &[(OperatorMismatch, "/op"), (InvalidString, "/value")]);
    faults(
        r#"{"attribute":"age","op":"any_item","value":{"property":"x","op":"matches","value":"("}}"#,
        &[(OperatorMismatch, "/op"), (InvalidPattern, "/value/value")],
    );
    faults(
        r#"{"attribute":"age","op":"in_window","value":{"from":"2024-02-01","to":"2024-01-01"}}"#,
        &[(OperatorMismatch, "/op"), (EmptyWindow, "/value")],
    );
    let cart = r#"{"attribute":"cart","op":"any","value":{"property":"skew","op":"is","value":"x"}}"#;
    faults(cart, &[(UnknownOperator, "/op"), (UnknownProperty, "/value/property")]);
}
