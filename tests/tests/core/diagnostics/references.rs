//! How deep saved segments may be one inside another.

use segment_core::compile;
use segment_core::diagnostics::Code;
use segment_core::dialect;
use segment_core::lower::{Strategy, Tables};
use segment_core::resolve::Library;

use super::{catalog, found};

/// `s1` refers to `s2` and so on, each so many levels below its root.
fn chain(length: usize, levels: usize) -> Library {
    let wrapped = |inner: String| format!("{}{inner}{}", "{\"not\":".repeat(levels - 1), "}".repeat(levels - 1));
    let segment = |i: usize| if i < length { format!(r#"{{"segment":"s{}"}}"#, i + 1) } else { r#"{"everyone":true}"#.to_owned() };
    Library { segments: (1..=length).map(|i| (format!("s{i}"), wrapped(segment(i)))).collect(), ..Library::default() }
}

fn check(text: &str, library: &Library, expected: &[&str]) {
    let checked = compile::check(text, &catalog(), library, 0);
    let expected = expected.iter().map(|pointer| (Code::TooDeep, (*pointer).to_owned())).collect();
    assert_eq!(found(&checked.diagnostics), expected, "{text} {:#?}", checked.diagnostics);
    assert_eq!(checked.plan.is_some(), expected.is_empty());
    assert!(checked.diagnostics.iter().all(|d| d.message.len() < 400), "{:#?}", checked.diagnostics);
}

#[test]
fn references_are_bounded() {
    let one = r#"{"segment":"s1"}"#;
    check(one, &chain(32, 1), &[]);
    check(one, &chain(33, 1), &["/segment"]);
    check(one, &chain(100_000, 1), &["/segment"]);
    // What was resolved already counts with its own depth.
    check(r#"{"all":[{"segment":"s2"},{"segment":"s1"}]}"#, &chain(33, 1), &["/all/1/segment"]);
    check(r#"{"all":[{"segment":"s2"},{"segment":"s2"}]}"#, &chain(33, 1), &[]);
}

#[test]
fn expanded_depth_is_bounded() {
    let one = r#"{"segment":"s1"}"#;
    // The last of the chain is a node itself.
    check(one, &chain(8, 32), &[]);
    check(one, &chain(9, 32), &["/segment"]);
    check(r#"{"all":[{"segment":"s2"},{"segment":"s1"}]}"#, &chain(9, 32), &["/all/1/segment"]);
}

/// What is as deep as is allowed goes all the way, on a stack of 2 MiB without optimisation.
#[test]
fn the_deepest_tree_becomes_sql() {
    let wrapped = |inner: String, levels: usize| {
        (0..levels).fold(inner, |inner, i| {
            let key = if i % 2 == 0 { "all" } else { "any" };
            format!(r#"{{"{key}":[{{"event":"view","op":"gte","value":{}}},{inner}]}}"#, i + 1)
        })
    };
    let mut library = Library::default();
    library.segments.insert("s1".to_owned(), r#"{"attribute":"age","op":"gt","value":5}"#.to_owned());
    for i in 2..=9 {
        library.segments.insert(format!("s{i}"), wrapped(format!(r#"{{"segment":"s{}"}}"#, i - 1), 31));
    }
    let checked = compile::check(r#"{"any":[{"segment":"s9"}]}"#, &catalog(), &library, 0);
    let plan = checked.plan.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    for name in dialect::NAMES {
        for strategy in Strategy::ALL {
            let dialect = dialect::named(name).unwrap_or_else(|| panic!("no dialect {name}"));
            let lowered = compile::lowered(&plan, dialect.as_ref(), &Tables::default(), strategy).unwrap_or_else(|d| panic!("{d:?}"));
            assert!(lowered.sql().len() > 1_000, "{name}");
        }
    }
}
