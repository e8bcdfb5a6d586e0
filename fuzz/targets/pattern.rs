//! A pattern of `matches`: what it becomes for each engine, and whom it finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use segment_core::re2::Pattern;

fuzz_target!(|parts: (&str, &str)| {
    let (source, text) = parts;
    let Ok(pattern) = Pattern::parse(source) else { return };
    let found = pattern.is_match(text);
    // What is said to engines is itself a pattern that means the same.
    let again = Pattern::parse(pattern.portable_re2()).unwrap();
    assert_eq!(again.is_match(text), found, "{} {}", source, pattern.portable_re2());
    let rust = regex::Regex::new(pattern.portable()).unwrap();
    assert_eq!(rust.is_match(text), found, "{} {}", source, pattern.portable());
    if let Ok(folded) = Pattern::parse_ignoring_case(source) {
        let _ = folded.is_match(text);
    }
});
