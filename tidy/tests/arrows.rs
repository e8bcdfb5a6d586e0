//! Who may depend on whom. Dependencies go downward only: api → ingest, query-backends → store → segment-core.

use std::collections::BTreeSet;
use std::fs;

use tidy::{root, sources};

/// Every member of the workspace, with the members that it may depend on.
const ARROWS: [(&str, &[&str]); 9] = [
    ("segment-core", &[]),
    ("store", &["segment-core"]),
    ("ingest", &["store", "segment-core"]),
    ("query-backends", &["store", "segment-core"]),
    ("api", &["ingest", "query-backends", "store", "segment-core"]),
    ("tests", &["ingest", "query-backends", "store", "segment-core"]),
    ("benches", &["ingest", "query-backends", "store", "segment-core"]),
    ("tidy", &[]),
    ("examples/duckdb-backend", &["query-backends", "store", "segment-core", "muster-tests"]),
];

/// How the names of crates begin that the compiler stays free of: runtimes, engines, databases, their types.
const KEPT_FROM_CORE: [&str; 12] =
    ["tokio", "async-", "futures", "arrow", "parquet", "datafusion", "object_store", "iceberg", "sqlx", "redb", "reqwest", "tempfile"];

/// What the compiler's code does not reach for: files, the network, the clock, the environment, threads.
const OUTSIDE_WORLD: [&str; 8] =
    ["std::fs", "std::net", "std::env", "std::process", "std::thread", "SystemTime", "Instant::now", "std::io::stdin"];

fn manifest(path: &str) -> toml::Table {
    let path = root().join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The names of all dependencies, those of tests and build scripts too.
fn dependencies(member: &str) -> BTreeSet<String> {
    let manifest = manifest(&format!("{member}/Cargo.toml"));
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    tables.iter().filter_map(|t| manifest.get(*t)?.as_table()).flat_map(|t| t.keys().cloned()).collect()
}

#[test]
fn every_member_is_known() {
    let workspace = manifest("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members: BTreeSet<&str> = members.iter().filter_map(|m| m.as_str()).collect();
    assert_eq!(members, ARROWS.iter().map(|(member, _)| *member).collect());
}

#[test]
fn dependencies_go_downward_only() {
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(member, _)| *member).chain(["muster-tests", "muster-benches"]).collect();
    for (member, allowed) in ARROWS {
        for dependency in dependencies(member) {
            let fine = !ours.contains(dependency.as_str()) || allowed.contains(&dependency.as_str());
            assert!(fine, "{member} may not depend on {dependency}");
        }
    }
}

#[test]
fn the_compiler_is_pure() {
    for dependency in dependencies("segment-core") {
        assert!(!KEPT_FROM_CORE.iter().any(|k| dependency.starts_with(k)), "segment-core may not depend on {dependency}");
    }
    for source in sources(&["rs"]) {
        if source.path.starts_with("segment-core/src/") {
            for word in OUTSIDE_WORLD {
                assert!(!source.text.contains(word), "{}: {word} has no place in the compiler", source.path);
            }
        }
    }
}

#[test]
fn every_member_takes_the_lints_and_the_version() {
    for (member, _) in ARROWS {
        let manifest = manifest(&format!("{member}/Cargo.toml"));
        let inherits = |table: &str, key: &str| manifest[table].get(key).and_then(|v| v.get("workspace")).is_some();
        assert!(manifest["lints"]["workspace"].as_bool() == Some(true), "{member}: [lints] workspace = true");
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            assert!(inherits("package", key), "{member}: {key}.workspace = true");
        }
    }
}
