//! `muster config`.

use serde_json::Value;

use crate::world::{World, engine};

fn status<'v>(report: &'v Value, name: &str) -> &'v Value {
    report["checks"].as_array().unwrap().iter().find(|c| c["check"] == name).unwrap_or_else(|| panic!("no check {name}: {report}"))
}

#[test]
fn what_runs_is_fine() {
    let world = World::new(&engine("MUSTER_TRINO_URL"), true);
    let report = world.run(&["config", "check", "--output", "json"], &[]);
    let found = report.value();
    assert_eq!((report.code, &found["ok"]), (0, &Value::Bool(true)), "{found:#}");
    for check in ["data", "postgres", "s3", "cassandra", "trino", "trino reads the lake"] {
        assert_eq!(status(&found, check)["status"], "ok", "{found:#}");
    }
    let text = world.run(&["config", "check"], &[]).fine();
    assert!(text.out.contains("trino reads the lake") && !text.out.contains("What to do"), "{}", text.out);
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let world = World::new(&engine("MUSTER_TRINO_URL"), true);
    let postgres = engine("MUSTER_POSTGRES_URL");
    let wrong_password = format!("postgres.url={}", postgres.replacen(":muster@", ":hunter2@", 1));
    let wrong_database = format!("postgres.url={postgres}_nothing");
    // A setting, the check that fails, and a word of what is to be done.
    for (setting, check, todo) in [
        (wrong_password.as_str(), "postgres", "password"),
        (&wrong_database, "postgres", "make the database"),
        ("postgres.url=postgres://muster@127.0.0.1:1/muster", "postgres", "whether PostgreSQL runs"),
        ("s3.bucket=nothing-there", "s3", "make the bucket"),
        ("s3.secret_key=hunter2", "s3", "s3.secret_key"),
        ("trino.catalog=nothing", "trino", "trino.catalog"),
        ("trino.url=http://127.0.0.1:1", "trino", "whether Trino runs"),
        ("lake.catalog_name=nothing", "trino reads the lake", "catalog-name nothing"),
        ("cassandra.contact_points=127.0.0.1:1", "cassandra", "whether Cassandra runs"),
        ("cassandra.replicas=3", "cassandra", "lower cassandra.replicas"),
    ] {
        let report = world.run(&["config", "check", "--output", "json"], &[setting]);
        let found = report.value();
        let failed = status(&found, check);
        assert_eq!((report.code, &failed["status"]), (5, &Value::from("failed")), "{setting}: {found:#}");
        assert!(failed["todo"].as_str().unwrap().contains(todo), "{setting}: {failed:#}");
        assert!(failed["elapsed_ms"].as_f64().unwrap() < 45_000.0, "{setting}: {failed:#}");
        assert!(!report.out.contains("hunter2") && !report.err.contains("hunter2"), "{setting}: {} {}", report.out, report.err);
    }
}

#[test]
fn what_holds_is_shown_without_secrets() {
    let world = World::new("http://ann:hunter2@localhost:1", true);
    world.file("data/s3-key", "hunter2");
    for output in ["json", "text"] {
        let shown = world.run(&["config", "show", "--output", output], &["trino.user=ann"]).fine();
        assert!(!shown.out.contains("hunter2") && shown.out.contains("s3-key"), "{}", shown.out);
        assert!(shown.out.contains("--setting trino.user"), "{}", shown.out);
    }
    let wrong = world.run(&["config", "show", "--output", "json"], &["trino.urll=x"]);
    assert_eq!(wrong.code, 2);
    let error: Value = serde_json::from_str(&wrong.err).unwrap();
    assert_eq!(error["error"], "invalid_configuration");
    assert_eq!(error["faults"][0]["place"], "--setting trino.urll");
}
