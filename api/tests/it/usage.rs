//! Command lines that are wrong.

use crate::common::World;

#[test]
fn usage_is_told_in_the_form_asked_for() {
    let world = World::new();
    for arguments in [
        &["query", "--output", "json"][..],
        &["query", "--data", "d", "--condition", "c", "--output=ndjson", "--such"],
        &["import", "--data", "d", "--max-rejects", "many", "--output", "json"],
        &["nothing", "--output", "json"],
        &["sql", "--data", "d", "--condition", "c", "--output", "json"],
    ] {
        let ran = world.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?} {}", ran.err);
        let error = ran.error();
        assert_eq!(error["error"], "usage");
        let message = error["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.contains('\n') && !message.starts_with("error"), "{message}");
    }
    let missing = world.run(&["query", "--output", "json"]).error();
    assert!(missing["message"].as_str().unwrap().contains("--data <DIR>"), "{missing}");
    let ran = world.run(&["query"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.starts_with("error: ") && ran.err.contains("Usage:"), "{}", ran.err);
}

#[test]
fn help_and_version_are_no_errors() {
    let world = World::new();
    for arguments in [&["--help"][..], &["help", "query"], &["query", "--help", "--output", "json"], &["--version"]] {
        let ran = world.run(arguments).fine();
        assert!(!ran.out.is_empty() && ran.err.is_empty(), "{arguments:?}");
    }
}
