//! `muster query`: results alone on standard output, whatever happens.

use std::io::Read;
use std::time::Duration;

use crate::common::{World, code, interrupt};

const EVERYONE: &str = r#"{"everyone":true}"#;
const FAULTY: &str = r#"{"attribute":"nn","op":"is","value":1}"#;

#[test]
fn every_output_has_the_members() {
    let world = World::with_users(3);
    let some = r#"{"attribute":"n","op":"lt","value":2}"#;
    assert_eq!(world.query(some, &["--output", "ids"]).fine().out, "u000000\nu000001\n");
    assert_eq!(world.query(some, &["--output", "count"]).fine().out, "2\n");
    assert_eq!(world.query(some, &["--output", "csv"]).fine().out, "user_id\nu000000\nu000001\n");
    assert_eq!(world.query(some, &["--output", "ndjson"]).fine().out, "{\"user_id\":\"u000000\"}\n{\"user_id\":\"u000001\"}\n");
    let json = world.query(some, &["--output", "json", "--as-of", "2026-01-01"]).fine().value();
    assert_eq!(
        (json["count"].as_u64(), json["as_of"].as_str(), json["backend"].as_str()),
        (Some(2), Some("2026-01-01T00:00:00Z"), Some("memory"))
    );
    assert_eq!(json["users"], serde_json::json!(["u000000", "u000001"]));
    assert!(world.query(some, &[]).fine().out.starts_with("2 users at "));
}

#[test]
fn nobody_is_an_answer() {
    let world = World::with_users(3);
    world.file("nobody.json", r#"{"attribute":"n","op":"is","value":7}"#);
    let run = |more: &[&str]| world.run(&[&["query", "--data", "data", "--condition", "nobody.json"], more].concat()).fine();
    // By whichever backend is chosen, and by the one that every build has.
    for backend in [&[][..], &["--backend", "memory"]] {
        let out = |output: &str| run(&[&["--output", output], backend].concat()).out;
        assert_eq!((out("ids"), out("count"), out("csv"), out("ndjson")), (String::new(), "0\n".into(), "user_id\n".into(), String::new()));
        let json = run(&[&["--output", "json"], backend].concat()).value();
        assert_eq!((json["count"].as_u64(), &json["users"]), (Some(0), &serde_json::json!([])));
        assert!(run(backend).out.starts_with("0 users at "));
    }
}

#[test]
fn diagnostics_go_to_standard_error() {
    let world = World::with_users(1);
    for output in ["json", "ndjson"] {
        let ran = world.query(FAULTY, &["--output", output]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{output}");
        let error = ran.error();
        assert_eq!(error["error"], "invalid_condition");
        assert_eq!(error["diagnostics"][0]["code"], "unknown_attribute");
        assert_eq!(error["diagnostics"][0]["pointer"], "/attribute");
    }
    for output in ["ids", "count", "csv", "parquet"] {
        let ran = world.query(FAULTY, &["--output", output]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{output}");
        assert!(ran.err.contains("/attribute: there is no attribute \"nn\""), "{}", ran.err);
    }
    let check = world.run(&["check", "--data", "data", "--condition", "condition.json"]);
    assert_eq!((check.code, check.err.as_str()), (1, ""));
    assert_eq!(check.value()["diagnostics"][0]["code"], "unknown_attribute");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = World::with_users(50_000);
    world.file("condition.json", EVERYONE);
    for output in ["ids", "csv", "ndjson", "json", "parquet"] {
        let mut child =
            world.start(&["query", "--data", "data", "--backend", "memory", "--condition", "condition.json", "--output", output]);
        // Before anything is written to it.
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((code(&mut child), err.as_str()), (Some(0), ""), "{output}");
    }
}

#[test]
fn ctrl_c_is_taken_while_ids_are_printed() {
    let world = World::with_users(50_000);
    world.file("condition.json", EVERYONE);
    for output in ["ids", "csv", "ndjson", "json"] {
        let mut child =
            world.start(&["query", "--data", "data", "--backend", "memory", "--condition", "condition.json", "--output", output]);
        // The first bytes are there, so the query is over; nobody reads on, so the pipe fills up.
        let mut first = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        assert!(child.try_wait().unwrap().is_none(), "{output}");
        interrupt(&child);
        assert_eq!(code(&mut child), Some(130), "{output}");
    }
}

#[test]
fn ctrl_c_is_taken_while_standard_input_is_awaited() {
    let world = World::with_users(1);
    let mut child = world.command(&["check", "--condition", "-", "--data", "data"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    interrupt(&child);
    assert_eq!(code(&mut child), Some(130));
}
