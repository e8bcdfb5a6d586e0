//! How deep saved segments may be one inside another.

use segment_core::compile;
use segment_core::diagnostics::Code;
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
