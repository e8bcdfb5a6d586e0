//! Several at once on one data directory.

use std::io::Read;

use crate::common::{World, code};

/// Nobody is told that a database is locked, and nothing is lost.
#[test]
fn first_imports_at_once() {
    for round in 0..5 {
        let world = World::new();
        let mut running = Vec::new();
        for i in 0..6 {
            let name = format!("u{i}.csv");
            world.file(&name, format!("user_id,n\nu{i},{i}\n"));
            // Two into each of three workspaces, one of which waits.
            let workspace = format!("w{}", i % 3);
            running.push(world.start(&["import", "--data", "data", "--workspace", &workspace, "--users", &name]));
        }
        for (i, mut child) in running.into_iter().enumerate() {
            let code = code(&mut child);
            let mut err = String::new();
            child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            assert_eq!(code, Some(0), "round {round}, import {i}: {err}");
        }
        for workspace in ["w0", "w1", "w2"] {
            let ran = world.query(r#"{"everyone":true}"#, &["--workspace", workspace, "--output", "count"]).fine();
            assert_eq!(ran.out, "2\n");
        }
    }
}

/// One of two is stopped, and takes the workspace that it made away; the other makes it again.
#[test]
fn a_stopped_import_beside_another() {
    for _ in 0..5 {
        let world = World::new();
        world.file("bad.csv", "user_id\n\"\"\n");
        world.file("good.csv", "user_id\nu\n");
        let start = |file: &str| world.start(&["import", "--data", "data", "--users", file]);
        let (mut bad, mut good) = (start("bad.csv"), start("good.csv"));
        assert_eq!((code(&mut bad), code(&mut good)), (Some(4), Some(0)));
        assert_eq!(world.query(r#"{"everyone":true}"#, &["--output", "ids"]).fine().out, "u\n");
    }
}
