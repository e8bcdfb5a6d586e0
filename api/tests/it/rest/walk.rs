//! docs/api.md: its commands do what it says.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::common::World;
use crate::serve::Server;

/// The fenced parts of a document: language and text.
fn parts(document: &str) -> Vec<(&str, String)> {
    let mut parts: Vec<(&str, String)> = Vec::new();
    let mut open = false;
    for line in document.lines() {
        match line.strip_prefix("```") {
            Some(language) => {
                open = !open;
                if open {
                    parts.push((language, String::new()));
                }
            }
            None if open => parts.last_mut().unwrap().1 += &format!("{line}\n"),
            None => {}
        }
    }
    parts
}

/// Whether all that the document shows is in what was answered.
fn has(shown: &Value, answered: &Value) -> bool {
    match (shown, answered) {
        (Value::Object(shown), Value::Object(answered)) => shown.iter().all(|(name, s)| answered.get(name).is_some_and(|a| has(s, a))),
        (Value::Array(shown), Value::Array(answered)) => {
            shown.len() == answered.len() && shown.iter().zip(answered).all(|(s, a)| has(s, a))
        }
        _ => shown == answered,
    }
}

#[test]
fn the_walk_goes_as_it_is_told() {
    let document = include_str!("../../../../docs/api.md");
    let world = World::new();
    // Everything runs in one shell. It waits for the server before the second part, which is the first one that needs it.
    let mut script = "set -euo pipefail\n".to_owned();
    let mut shown = Vec::new();
    for (language, text) in parts(document) {
        match language {
            "sh" => {
                if shown.len() == 1 {
                    script += "echo ready > ready; read -r ADDRESS\n";
                }
                script += &format!("{{\n{text}}} > out.{}\n", shown.len());
                shown.push(None);
            }
            "json" => *shown.last_mut().unwrap() = Some(serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{e}: {text}"))),
            other => panic!("{other}"),
        }
    }
    assert!(shown.iter().flatten().count() > 8);
    world.file("walk.sh", script);
    let muster = std::path::Path::new(env!("CARGO_BIN_EXE_muster")).parent().unwrap();
    let path = format!("{}:{}", muster.display(), std::env::var("PATH").unwrap());
    let mut shell = world.program("bash").arg("walk.sh").env("PATH", path).stdin(Stdio::piped()).spawn().unwrap();
    while !world.path("ready").exists() {
        assert!(shell.try_wait().unwrap().is_none(), "{:?}", shell.wait_with_output());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let server = Server::start(&world);
    shell.stdin.take().unwrap().write_all(format!("{}\n", server.address).as_bytes()).unwrap();
    let ended = shell.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&ended.stderr);
    for (n, shown) in shown.iter().enumerate() {
        let out = std::fs::read_to_string(world.path(&format!("out.{n}"))).unwrap_or_default();
        if let Some(shown) = shown {
            let answered: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("part {n}: {e}: {out:?} {err}"));
            assert!(has(shown, &answered), "part {n}: {shown} is not in {answered}");
        }
    }
    assert!(ended.status.success(), "{err}");
}
