//! What is allowed but warned about.

use segment_core::diagnostics::Code::*;

use super::warnings;

#[test]
fn nothing() {
    warnings(r#"{"everyone":true}"#, &[]);
    warnings(r#"{"all":[{"attribute":"age","op":"gt","value":5},{"attribute":"age","op":"lt","value":9}]}"#, &[]);
    warnings(r#"{"any":[{"attribute":"age","op":"gt","value":5},{"attribute":"age","op":"lt","value":3}]}"#, &[]);
    // A missing value meets neither.
    warnings(r#"{"any":[{"attribute":"age","op":"gte","value":5},{"attribute":"age","op":"lt","value":5}]}"#, &[]);
    warnings(r#"{"any":[{"attribute":"vip","op":"is","value":true},{"attribute":"vip","op":"is","value":false}]}"#, &[]);
    // Of texts, folded ones may meet both.
    warnings(
        r#"{"all":[{"attribute":"country","op":"is","value":"A","ignore_case":true},{"attribute":"country","op":"is","value":"A"}]}"#,
        &[],
    );
}

#[test]
fn empty_groups_and_lists() {
    warnings(r#"{"all":[]}"#, &[(EmptyGroup, "/all")]);
    warnings(r#"{"not":{"any":[]}}"#, &[(EmptyGroup, "/not/any")]);
    warnings(r#"{"event":"view","where":{"all":[]}}"#, &[(EmptyGroup, "/where/all")]);
    warnings(r#"{"attribute":"cart","op":"any_item","value":{"any":[]}}"#, &[(EmptyGroup, "/value/any")]);
    warnings(r#"{"attribute":"age","op":"in","value":[]}"#, &[(NeverTrue, "/value")]);
    warnings(r#"{"attribute":"age","op":"not_in","value":[]}"#, &[(AlwaysTrue, "/value")]);
    warnings(r#"{"attribute":"tags","op":"has_any","value":[]}"#, &[(NeverTrue, "/value")]);
    warnings(r#"{"attribute":"tags","op":"has_all","value":[]}"#, &[(EmptyList, "/value")]);
    warnings(r#"{"attribute":"age","op":"between","value":[5,1]}"#, &[(NeverTrue, "/value")]);
    warnings(r#"{"attribute":"age","op":"is","value":2.5}"#, &[(NeverTrue, "/value")]);
    warnings(r#"{"attribute":"age","op":"is_not","value":2.5}"#, &[(AlwaysTrue, "/value")]);
}

#[test]
fn contradictions_and_tautologies() {
    let group = |key: &str, a: &str, b: &str| format!(r#"{{"{key}":[{a},{b}]}}"#);
    let age = |op: &str, value: &str| format!(r#"{{"attribute":"age","op":"{op}","value":{value}}}"#);
    let country = |op: &str, value: &str| format!(r#"{{"attribute":"country","op":"{op}","value":{value}}}"#);
    let not = |c: &str| format!(r#"{{"not":{c}}}"#);
    let list = r#"{"list":"chosen"}"#;
    warnings(&group("all", list, &not(list)), &[(NeverTrue, "/all")]);
    warnings(&group("any", list, &not(list)), &[(AlwaysTrue, "/any")]);
    warnings(&group("any", &country("is_not", "\"a\""), &country("is_not", "\"b\"")), &[(AlwaysTrue, "/any")]);
    warnings(&group("all", &country("is", "\"a\""), &country("is", "\"b\"")), &[(NeverTrue, "/all")]);
    warnings(&group("all", &country("is", "\"a\""), &country("not_in", "[\"a\",\"b\"]")), &[(NeverTrue, "/all")]);
    warnings(&group("all", &age("gt", "5"), &age("lt", "5")), &[(NeverTrue, "/all")]);
    warnings(&group("all", &age("gt", "5"), &age("lt", "6")), &[(NeverTrue, "/all")]);
    warnings(&group("all", &age("between", "[1,2]"), &age("between", "[3,4]")), &[(NeverTrue, "/all")]);
    warnings(&group("any", &not(&age("gt", "5")), &age("gte", "3")), &[(AlwaysTrue, "/any")]);
    let exists = r#"{"attribute":"age","op":"exists"}"#;
    warnings(&group("any", exists, r#"{"attribute":"age","op":"not_exists"}"#), &[(AlwaysTrue, "/any")]);
    warnings(&group("all", r#"{"attribute":"age","op":"not_exists"}"#, &age("gt", "1")), &[(NeverTrue, "/all")]);
    warnings(&group("all", &age("gt", "5"), &format!(r#"{{"all":[{},{exists}]}}"#, age("lt", "5"))), &[(NeverTrue, "/all")]);
    let count = |op: &str, value: &str| format!(r#"{{"event":"view","op":"{op}","value":{value}}}"#);
    warnings(&group("any", &count("lte", "3"), &count("gte", "3")), &[(AlwaysTrue, "/any")]);
    warnings(&group("all", &count("is", "0"), &count("gte", "1")), &[(NeverTrue, "/all")]);
    warnings(&group("all", r#"{"event":"view"}"#, &count("lt", "1")), &[(NeverTrue, "/all")]);
    warnings(&count("gte", "0"), &[(AlwaysTrue, "")]);
    warnings(&count("lt", "0"), &[(NeverTrue, "")]);
    warnings(&not(&count("gte", "0")), &[(AlwaysTrue, "/not")]);
    warnings(r#"{"attribute":"user_id","op":"exists"}"#, &[(AlwaysTrue, "")]);
}

#[test]
fn never_seen() {
    warnings(r#"{"attribute":"planned","op":"exists"}"#, &[(NeverSeen, "/attribute")]);
    warnings(r#"{"event":"launch"}"#, &[(NeverSeen, "/event")]);
    warnings(r#"{"event":["view","launch"]}"#, &[(NeverSeen, "/event/1")]);
}
