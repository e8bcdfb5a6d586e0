//! `re2_match(text, pattern)`: whether the pattern, in the form of `Pattern::portable`, is found in the text.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::BooleanArray;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use regex::bytes::{Regex, RegexBuilder};
use segment_core::limits::PATTERN_BYTES_MAX;

use super::{Texts, function};

/// Compiled patterns kept; a tree has a thousand nodes at most, and most have few patterns.
const PATTERNS_MAX: usize = 256;
/// Bytes of a lazily built automaton, per pattern and thread.
const AUTOMATON_BYTES_MAX: usize = 8 << 20;

/// The function, with its cache of compiled patterns.
pub(super) fn re2_match() -> ScalarUDF {
    let compiled: Mutex<HashMap<String, Regex>> = Mutex::default();
    function("re2_match", 2, DataType::Boolean, move |args| {
        let pattern = args.literal_text(1)?;
        let known = compiled.lock().unwrap_or_else(PoisonError::into_inner).get(pattern).cloned();
        let regex = match known {
            Some(regex) => regex,
            None => {
                let regex = compile(pattern)?;
                let mut compiled = compiled.lock().unwrap_or_else(PoisonError::into_inner);
                if compiled.len() == PATTERNS_MAX {
                    compiled.clear();
                }
                compiled.insert(pattern.to_owned(), regex.clone());
                regex
            }
        };
        let array = args.array(0)?;
        let texts = Texts::of(&array, args.function)?;
        Ok(Arc::new(texts.iter().map(|t| t.map(|t| regex.is_match(t.as_bytes()))).collect::<BooleanArray>()))
    })
}

fn compile(pattern: &str) -> Result<Regex> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(AUTOMATON_BYTES_MAX)
        .build()
        .map_err(|e| DataFusionError::External(Box::new(e)))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use segment_core::re2::Pattern;

    use super::super::tests::{call, layouts, text};
    use super::*;

    #[test]
    fn agrees_with_core() {
        let texts = ["", "a", "ab\n", "ab", "Σκ", "\u{130}", "x1", "b\u{e9}"];
        let function = re2_match();
        for source in ["", "^a", "b$", r"\d", r"\w\b", "(?i)σ", r"\pL{2}", "[^a]", "."] {
            let pattern = Pattern::parse(source).unwrap();
            for arg in layouts(&texts.map(Some)) {
                let out = call(&function, vec![arg, text(pattern.portable())], texts.len()).unwrap();
                let out: Vec<bool> = out.as_boolean().iter().flatten().collect();
                let expected: Vec<bool> = texts.iter().map(|t| pattern.is_match(t)).collect();
                assert_eq!(out, expected, "{source}");
            }
        }
    }

    #[test]
    fn null_is_null() {
        for arg in layouts(&[None]) {
            assert!(call(&re2_match(), vec![arg, text("a")], 1).unwrap().is_null(0));
        }
    }
}
