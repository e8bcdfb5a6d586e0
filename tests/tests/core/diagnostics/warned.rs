//! What is allowed but warned about.

use segment_core::diagnostics::Code::*;

use super::{checked, warnings};

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

#[test]
fn what_moves_with_the_instant_is_open() {
    let both = |name: &str, window: &str, other: &str| {
        format!(r#"{{"all":[{{"attribute":"{name}","op":"in_window","value":{window}}},{{"attribute":"{name}",{other}}}]}}"#)
    };
    let next = r#"{"next":{"n":7,"unit":"day"}}"#;
    let future = r#"{"from":"2030-01-01","to":"2031-01-01"}"#;
    for name in ["born", "joined"] {
        warnings(&both(name, next, r#""op":"gt","value":"2030-01-01""#), &[]);
        warnings(&both(name, r#"{"last":{"n":7,"unit":"day"}}"#, r#""op":"lt","value":"2020-01-01""#), &[]);
        warnings(&both(name, future, r#""op":"exists""#), &[]);
        warnings(&both(name, future, r#""op":"gt","value":"2040-01-01""#), &[]);
        warnings(&both(name, next, r#""op":"not_exists""#), &[(NeverTrue, "/all")]);
        warnings(&format!(r#"{{"attribute":"{name}","op":"in_window","value":{future}}}"#), &[]);
    }
}

/// At the instant of these tests a month is 31 days, and nothing lies after it.
#[test]
fn windows_that_merely_coincide_are_not_one() {
    let days = r#"{"last":{"n":31,"unit":"day"}}"#;
    let month = r#"{"last":{"n":1,"unit":"month"}}"#;
    let week = r#"{"last":{"n":1,"unit":"week"}}"#;
    let seven = r#"{"last":{"n":7,"unit":"day"}}"#;
    let future = r#"{"to":"2030-01-01"}"#;
    let spelt = [r#"{"from":"2024-05-01"}"#, r#"{"from":"2024-04-30T23:00:00Z"}"#];
    let all = |a: &str, b: &str| format!(r#"{{"all":[{a},{b}]}}"#);
    let views = |op: &str, value: u8, window: &str| format!(r#"{{"event":"view","op":"{op}","value":{value},"window":{window}}}"#);
    let contradiction = |a: &str, b: &str| all(&views("gte", 3, a), &views("lt", 3, b));
    let complement = |a: &str, b: &str| all(&views("gte", 3, a), &format!(r#"{{"not":{}}}"#, views("gte", 3, b)));
    let always = r#"{"event":"view","op":"lt","value":3}"#;
    warnings(&all(&views("gte", 3, future), always), &[]);
    for tree in [&contradiction as &dyn Fn(&str, &str) -> String, &complement] {
        warnings(&tree(days, month), &[]);
        warnings(&tree(month, month), &[(NeverTrue, "/all")]);
        warnings(&tree(seven, week), &[(NeverTrue, "/all")]);
        warnings(&tree(spelt[0], spelt[1]), &[(NeverTrue, "/all")]);
    }
    for name in ["born", "joined"] {
        let inside = |window: &str| format!(r#"{{"attribute":"{name}","op":"in_window","value":{window}}}"#);
        let complement = |a: &str, b: &str| all(&inside(a), &format!(r#"{{"not":{}}}"#, inside(b)));
        warnings(&complement(days, month), &[]);
        warnings(&complement(seven, week), &[(NeverTrue, "/all")]);
        let within = |window: &str| {
            let tree = inside(window).replace("attribute", "property");
            format!(r#"{{"event":"view","where":{tree}}}"#)
        };
        warnings(&all(&within(days), &format!(r#"{{"not":{}}}"#, within(month))), &[]);
        warnings(&all(&within(week), &format!(r#"{{"not":{}}}"#, within(seven))), &[(NeverTrue, "/all")]);
    }
}

#[test]
fn bounds_beyond_everything() {
    let age = |op: &str, value: &str| format!(r#"{{"attribute":"age","op":"{op}","value":{value}}}"#);
    for (op, value) in [("gt", "1e30"), ("gte", "9223372036854775808"), ("lt", "-1e30"), ("lte", "-1e30"), ("is", "1e30")] {
        warnings(&age(op, value), &[(NeverTrue, "/value")]);
    }
    warnings(&age("lt", "1e30"), &[]);
    warnings(&age("gt", "9223372036854775807"), &[(NeverTrue, "")]);
    warnings(r#"{"attribute":"born","op":"gt","value":"9999-12-31T12:00:00Z"}"#, &[(NeverTrue, "/value")]);
    let measured = |m: &str, op: &str, value: &str| format!(r#"{{"event":"view","measure":{{{m}}},"op":"{op}","value":{value}}}"#);
    for count in [r#""count":true"#, r#""days":true"#, r#""distinct":"age""#] {
        for (op, value) in [("gt", "-1"), ("gte", "-5"), ("gte", "-0.5"), ("is_not", "-1"), ("not_in", "[-1,-2]"), ("lt", "1e30")] {
            warnings(&measured(count, op, value), &[(AlwaysTrue, "")]);
        }
        for (op, value) in [("is", "-1"), ("lt", "-1"), ("lte", "-1"), ("in", "[-1,-2]"), ("between", "[-3,-1]")] {
            warnings(&measured(count, op, value), &[(NeverTrue, "")]);
        }
        warnings(&measured(count, "gt", "1e30"), &[(NeverTrue, "/value")]);
        warnings(&measured(count, "between", "[-3,0]"), &[]);
    }
    let (sum, avg) = (r#""sum":"score""#, r#""avg":"score""#);
    warnings(&measured(sum, "gt", "-1"), &[]);
    warnings(&measured(sum, "gt", "1e49"), &[]);
    warnings(&measured(sum, "gt", "1e60"), &[(NeverTrue, "/value")]);
    warnings(&measured(sum, "is", "1e60"), &[(NeverTrue, "/value")]);
    warnings(&measured(sum, "lt", "1e60"), &[(AlwaysTrue, "")]);
    warnings(&measured(avg, "lt", "-1e31"), &[(NeverTrue, "/value")]);
    warnings(&measured(avg, "lt", "1e31"), &[]);
    warnings(&measured(avg, "gte", "1e30"), &[]);
    let message = |text: &str| checked(text).warnings.iter().map(|w| w.message.clone()).collect::<String>();
    assert!(message(&measured(sum, "is", "0.0000001")).contains("six decimals"));
    assert!(message(&measured(sum, "in", "[0.0000001]")).contains("six decimals"));
}

#[test]
fn without_regard_to_case() {
    let country = |op: &str, value: &str| format!(r#"{{"attribute":"country","op":"{op}","value":{value},"ignore_case":true}}"#);
    let group = |key: &str, a: &str, b: &str| format!(r#"{{"{key}":[{a},{b}]}}"#);
    warnings(&group("all", &country("is", "\"A\""), &country("is", "\"b\"")), &[(NeverTrue, "/all")]);
    warnings(&group("all", &country("is", "\"A\""), &country("is", "\"a\"")), &[]);
    warnings(&group("all", &country("is", "\"A\""), &country("not_in", "[\"x\",\"a\"]")), &[(NeverTrue, "/all")]);
    warnings(&group("any", &country("is_not", "\"A\""), &country("is_not", "\"B\"")), &[(AlwaysTrue, "/any")]);
    warnings(&group("all", &country("is", "\"A\""), &country("starts_with", "\"B\"")), &[(NeverTrue, "/all")]);
    warnings(&group("all", &country("is", "\"Ab\""), &country("contains", "\"B\"")), &[]);
    // Whether `A` is meant is open where `a` is all that is known.
    let exact = r#"{"attribute":"country","op":"contains","value":"A"}"#;
    warnings(&group("all", &country("is", "\"A\""), exact), &[]);
    warnings(&group("all", &country("is", "\"A\""), r#"{"attribute":"country","op":"is","value":"B"}"#), &[(NeverTrue, "/all")]);
}

#[test]
fn inside_trees_over_events_and_items() {
    let p = |name: &str, op: &str, value: &str| format!(r#"{{"property":"{name}","op":"{op}","value":{value}}}"#);
    let group = |key: &str, a: &str, b: &str| format!(r#"{{"{key}":[{a},{b}]}}"#);
    let not = |c: &str| format!(r#"{{"not":{c}}}"#);
    let event = |tree: &str| format!(r#"{{"event":"view","where":{tree}}}"#);
    let item = |tree: &str| format!(r#"{{"attribute":"cart","op":"any_item","value":{tree}}}"#);
    let contains = p("country", "contains", "\"x\"");
    warnings(&event(&group("all", &contains, &not(&contains))), &[(NeverTrue, "/where/all")]);
    warnings(&event(&group("any", &contains, &p("country", "not_contains", "\"x\""))), &[(AlwaysTrue, "/where/any")]);
    let differ = group("any", &p("country", "is_not", "\"a\""), &p("country", "is_not", "\"b\""));
    warnings(&event(&differ), &[(AlwaysTrue, "/where/any")]);
    warnings(&not(&event(&not(&differ))), &[(AlwaysTrue, "/not/where/not/any")]);
    warnings(&event(&group("all", &p("age", "gt", "5"), &p("age", "lt", "5"))), &[(NeverTrue, "/where/all")]);
    warnings(&event(&group("any", &p("age", "gte", "5"), &p("age", "lt", "5"))), &[]);
    warnings(&event(&p("age", "gt", "1e30")), &[(NeverTrue, "/where/value")]);
    warnings(&item(&group("all", &p("n", "is", "1"), &p("n", "is", "2"))), &[(NeverTrue, "/value/all")]);
    let inside = p("cart", "any_item", &group("any", &p("n", "is_not", "1"), &p("n", "is_not", "2")));
    warnings(
        &event(&group("all", &inside, &p("age", "exists", "1").replace(",\"value\":1", ""))),
        &[(AlwaysTrue, "/where/all/0/value/any")],
    );
    let last = r#"{"event":"view","measure":{"last":"cart"},"op":"any_item","value":"#;
    warnings(&format!("{last}{}}}", group("all", &p("n", "is", "1"), &p("n", "is", "2"))), &[(NeverTrue, "/value/all")]);
}

/// Looking each of the values up among all of them one by one would take minutes here.
#[test]
fn long_lists() {
    let list = |from: usize| (from..from + 10_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let tests: Vec<String> = (0..10).map(|i| format!(r#"{{"attribute":"age","op":"in","value":[{}]}}"#, list(i * 5_000))).collect();
    warnings(&format!(r#"{{"any":[{}]}}"#, tests.join(",")), &[]);
}
