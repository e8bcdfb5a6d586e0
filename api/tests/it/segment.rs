//! `muster segment` and `muster list`: what refers to what.

use crate::common::{Ran, World};

fn save(world: &World, key: &str, condition: &str, more: &[&str]) -> Ran {
    world.file("condition.json", condition);
    let mut arguments = vec!["segment", "save", key, "--data", "data", "--condition", "condition.json"];
    arguments.extend(more);
    world.run(&arguments)
}

#[test]
fn circles_are_refused_beside_every_other_fault() {
    let world = World::with_users(1);
    save(&world, "a", r#"{"everyone":true}"#, &[]).fine();
    save(&world, "b", r#"{"not":{"segment":"a"}}"#, &[]).fine();
    let ran = save(&world, "a", r#"{"all":[{"segment":"b"},{"attribute":"nn","op":"exists"}]}"#, &["--output", "json"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    let faults = ran.error()["diagnostics"].clone();
    let found: Vec<_> = faults.as_array().unwrap().iter().map(|d| (d["code"].as_str().unwrap(), d["pointer"].as_str().unwrap())).collect();
    assert_eq!(found, [("segment_cycle", "/all/0/segment"), ("unknown_attribute", "/all/1/attribute")]);
    assert!(faults[0]["message"].as_str().unwrap().contains("a → b → a"));
    // What was saved before is still there.
    assert_eq!(world.run(&["segment", "show", "a", "--data", "data"]).fine().out, "{\"everyone\":true}\n");
}

#[test]
fn what_has_dependents_stays() {
    let world = World::with_users(1);
    world.file("ids.txt", "u000000\n\nu9\nu000000\n");
    let list = world.run(&["list", "import", "l", "ids.txt", "--data", "data", "--output", "json"]).fine().value();
    for (name, rows) in [("rows", 4), ("matched", 1), ("duplicate", 1), ("blank", 1), ("unknown", 1)] {
        assert_eq!(list[name], rows, "{name}");
    }
    save(&world, "a", r#"{"list":"l"}"#, &[]).fine();
    save(&world, "b", r#"{"not":{"segment":"a"}}"#, &[]).fine();
    for (arguments, told) in [(["segment", "delete", "a"], "used by segment b"), (["list", "delete", "l"], "used by segment a")] {
        let ran = world.run(&[&arguments[..], &["--data", "data"]].concat());
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains(told), "{}", ran.err);
    }
    let delete = |what: &str, key: &str| world.run(&[what, "delete", key, "--data", "data"]);
    assert_eq!(["b", "a"].map(|key| delete("segment", key).code), [0, 0]);
    assert_eq!((delete("list", "l").code, delete("list", "l").code), (0, 3));
}
