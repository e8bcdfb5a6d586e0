//! Size and habits of the code, by ratchet: what is too long today is listed, and no entry may be added or grow.

use std::collections::BTreeSet;

use tidy::{Source, functions, root, sources};

/// Lines of a file.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer, and the most they may have.
const LONG_FILES: [(&str, usize); 0] = [];

/// Functions that are longer, and the most they may have.
const LONG_FUNCTIONS: [(&str, &str, usize); 1] = [("segment-core/src/re2/tests.rs", "refuses_what_re2_refuses", 96)];

/// Words that mark what is unfinished, or was left behind while looking for a fault.
const LEFT_BEHIND: [&str; 7] = ["TODO", "FIXME", "XXX", "HACK", "todo!(", "unimplemented!(", "dbg!("];

/// Beginnings of statements that are never made by formatting text.
const STATEMENTS: [&str; 9] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "WITH ", "MERGE"];

fn code() -> Vec<Source> {
    let own = |path: &str| path.starts_with("tidy/");
    sources(&["rs"]).into_iter().filter(|s| !own(&s.path)).collect()
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_are_short() {
    let mut faults = Vec::new();
    let mut unused: BTreeSet<&str> = LONG_FILES.iter().map(|(path, _)| *path).collect();
    for source in code() {
        let lines = source.text.lines().count();
        let listed = LONG_FILES.iter().find(|(path, _)| *path == source.path);
        if lines > FILE_LINES_MAX {
            unused.remove(source.path.as_str());
            if lines > listed.map_or(FILE_LINES_MAX, |(_, max)| *max) {
                faults.push(format!("(\"{}\", {lines}),", source.path));
            }
        }
    }
    faults.extend(unused.iter().map(|path| format!("{path} is short enough now: strike it from LONG_FILES")));
    report(&faults);
}

#[test]
fn functions_are_short() {
    let mut faults = Vec::new();
    let mut unused: BTreeSet<(&str, &str)> = LONG_FUNCTIONS.iter().map(|(path, name, _)| (*path, *name)).collect();
    for source in code() {
        for function in functions(&source.text).into_iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
            let listed = LONG_FUNCTIONS.iter().find(|(path, name, _)| *path == source.path && *name == function.name);
            unused.retain(|(path, name)| *path != source.path || *name != function.name);
            if function.lines > listed.map_or(FUNCTION_LINES_MAX, |(_, _, max)| *max) {
                faults.push(format!("(\"{}\", \"{}\", {}),", source.path, function.name, function.lines));
            }
        }
    }
    faults.extend(unused.iter().map(|(path, name)| format!("{path}: {name} is short enough now: strike it from LONG_FUNCTIONS")));
    report(&faults);
}

#[test]
fn nothing_is_left_behind() {
    let mut faults = Vec::new();
    for source in code() {
        for (line, n) in source.text.lines().zip(1..) {
            for word in LEFT_BEHIND.iter().filter(|w| stands_in(line, w)) {
                faults.push(format!("{}:{n}: {word}", source.path));
            }
        }
    }
    report(&faults);
}

/// Whether the word is in the line, and not as a part of a longer one.
fn stands_in(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|l| l.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|l| l.chars().next());
        !before.is_some_and(part) && (word.ends_with('(') || !after.is_some_and(part))
    })
}

#[test]
fn no_sql_is_formatted() {
    let mut faults = Vec::new();
    for source in code().into_iter().filter(|s| !s.path.starts_with("benches/")) {
        for (at, _) in source.text.match_indices("format!(").chain(source.text.match_indices("concat!(")) {
            let text = source.text.get(at..).and_then(|t| t.split_once('(')).map_or("", |(_, rest)| rest);
            let text = text.trim_start().trim_start_matches(['r', '#', '"']).trim_start();
            if STATEMENTS.iter().any(|s| text.starts_with(s)) {
                let line = source.text.get(..at).map_or(0, |t| t.lines().count());
                faults.push(format!("{}:{line}: a statement made by formatting", source.path));
            }
        }
    }
    report(&faults);
}

#[test]
fn every_module_says_what_it_is() {
    let undocumented: Vec<String> =
        code().into_iter().filter(|s| s.path.contains("/src/") && !s.text.starts_with("//!")).map(|s| s.path).collect();
    report(&undocumented);
}

#[test]
fn every_operator_is_registered() {
    let all = sources(&["rs", "md"]);
    let text = |path: &str| all.iter().find(|s| s.path == path).map(|s| s.text.as_str()).unwrap_or_else(|| panic!("{path} is missing"));
    let registry = text("segment-core/src/ops/mod.rs");
    let semantics = text("docs/semantics.md");
    let shared = ["mod.rs", "literal.rs"];
    let files = std::fs::read_dir(root().join("segment-core/src/ops")).unwrap();
    for file in files.flatten() {
        let file = file.file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".rs").filter(|_| !shared.contains(&file.as_str())) else { continue };
        let module = if name == "in" { "r#in" } else { name };
        for place in [format!("mod {module};"), format!("{module}::fits("), format!("{module}::resolve(")] {
            assert!(registry.contains(&place), "ops/mod.rs lacks {place}");
        }
        assert!(semantics.contains(&format!("`{name}`")), "docs/semantics.md does not tell of `{name}`");
    }
}
