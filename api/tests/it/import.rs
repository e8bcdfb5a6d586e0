//! `muster import`: its reports, and what stops it.

use crate::common::World;

#[test]
fn a_stopped_import_says_which_rows_stopped_it() {
    let world = World::new();
    world.file("e.csv", "user_id,event,ts\nu,e,2024-01-01\nu,e,soon\n,e,2024-01-01\n");
    let ran = world.run(&["import", "--data", "data", "--events", "e.csv", "--max-rejects", "1", "--output", "json"]);
    assert_eq!((ran.code, ran.out.as_str()), (4, ""));
    let error = ran.error();
    assert_eq!(
        (&error["error"], &error["message"]),
        (&"import_stopped".into(), &"2 rows are unusable and 1 allowed; nothing was imported".into())
    );
    let rejected = &error["rejected"];
    assert_eq!((rejected["count"].as_u64(), rejected["allowed"].as_u64(), rejected["more"].as_bool()), (Some(2), Some(1), Some(false)));
    let first = &rejected["first"][0];
    assert_eq!(
        (&first["file"], &first["line"], &first["column"], &first["reason"]),
        (&"e.csv".into(), &3.into(), &"ts".into(), &"no_time".into())
    );
    assert_eq!(rejected["first"].as_array().unwrap().len(), 2);
    let file = std::fs::read_to_string(world.path(rejected["file"].as_str().unwrap())).unwrap();
    assert_eq!(file.lines().count(), 2);
    // The workspace was made for it alone.
    assert_eq!(world.run(&["catalog", "--data", "data"]).code, 3);
    let ran = world.run(&["import", "--data", "data", "--events", "e.csv"]);
    assert_eq!(ran.code, 4);
    assert!(ran.err.starts_with("muster: 2 rows are unusable and 0 allowed"), "{}", ran.err);
    assert!(ran.err.contains("e.csv:3: ts:"), "{}", ran.err);
}

#[test]
fn what_was_not_converted_or_learned_is_told() {
    let world = World::new();
    let fields = |from: usize| (from..from + 3_000).map(|i| format!(r#""k{i}":1"#)).collect::<Vec<_>>().join(",");
    let lines = [0, 3_000].map(|from| format!(r#"{{"user_id":"u{from}","attributes":{{"prefs":{{{}}},"age":{from}}}}}"#, fields(from)));
    world.file("u.ndjson", lines.join("\n"));
    let report = world.run(&["import", "--data", "json", "--users", "u.ndjson", "--output", "json"]).fine().value();
    let prefs = &report["attributes"]["prefs"];
    assert_eq!((prefs["partial"].as_u64(), prefs["truncated"].as_bool()), (Some(1), Some(true)));
    assert_eq!(report["attributes"]["age"]["truncated"], false);
    let text = world.run(&["import", "--data", "text", "--users", "u.ndjson"]).fine().out;
    assert!(text.contains("in part") && text.contains("note: attribute \"prefs\" has more fields than are learned (4096"), "{text}");
}

#[test]
fn nothing_to_import() {
    let world = World::new();
    let ran = world.run(&["import", "--data", "data"]);
    assert_eq!((ran.code, ran.err.as_str()), (2, "muster: nothing to import: give --events, --users or --recipe\n"));
    assert!(!world.path("data").exists());
    let ran = world.run(&["import", "--data", "data", "--events", "none.csv", "--output", "json"]);
    assert_eq!((ran.code, &ran.error()["error"]), (3, &"not_found".into()));
}

#[test]
fn the_catalog_shows_what_is_inside() {
    let world = World::new();
    world.file("u.ndjson", r#"{"user_id":"u","home":{"city":"Ulm","geo":{"lat":1.5}},"cart":[{"sku":"x","n":1}]}"#);
    world.file("c.json", r#"{"attributes":{"levels":{"type":"map","values":"number"}}}"#);
    world.run(&["catalog", "--data", "data", "--set", "c.json"]).fine();
    let report = world.run(&["import", "--data", "data", "--users", "u.ndjson"]).fine().out;
    assert!(report.starts_with("workspace default: 1 row read in"), "{report}");
    let shown = world.run(&["catalog", "--data", "data"]).fine().out;
    let rows: Vec<Vec<&str>> =
        shown.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    for (name, ty) in [
        ("home", "object"),
        ("home.city", "string"),
        ("home.geo.lat", "number"),
        ("cart", "objects (n integer, sku string)"),
        ("levels", "map of number"),
    ] {
        assert!(rows.iter().any(|row| row.starts_with(&["attribute", name, ty])), "{name}: {shown}");
    }
}

#[test]
fn schemas_are_checked_when_they_are_set() {
    let world = World::new();
    let set = |schema: &str| {
        world.file("c.json", format!(r#"{{"events":{{"buy":{{"properties":["price"],"schema":{schema}}}}}}}"#));
        world.run(&["catalog", "--data", "data", "--set", "c.json"])
    };
    let ran = set(r#"{"properties":{"price":{"type":"nubmer"}}}"#);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("/events/buy/schema/properties/price/type: ") && ran.err.contains("did you mean \"number\""), "{}", ran.err);
    let ran = set(r#"{"$ref":"https://shop.example/buy"}"#);
    assert!(ran.code == 1 && ran.err.contains("/events/buy/schema/$ref: "), "{}", ran.err);
    // Nothing was made for these.
    assert!(!world.path("data").exists());
    let shown = set(r#"{"properties":{"price":{"type":"number"}}}"#).fine().out;
    assert!(shown.contains("price; with a schema"), "{shown}");
    let json = world.run(&["catalog", "--data", "data", "--output", "json"]).fine().value();
    assert_eq!(json["events"]["buy"]["schema"]["properties"]["price"]["type"], "number");
    // What was shown can be set again; null takes it away.
    assert_eq!(set("null").fine().out.matches("with a schema").count(), 0);
}
