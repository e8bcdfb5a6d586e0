//! Circles of saved segments.

use std::collections::HashSet;

use super::Library;
use crate::condition::Condition;
use crate::limits;

/// Finds the circles that saving a segment would close.
pub(super) struct Circles {
    /// The segment.
    key: String,
    /// Segments that do not lead to it.
    apart: HashSet<String>,
}

impl Circles {
    pub(super) fn new(key: &str) -> Self {
        Self { key: key.to_owned(), apart: HashSet::new() }
    }

    /// The circle that a reference to `first` would close, from the segment back to it; of a long one its two ends, with `…` in
    /// between. `None` if there is none. However long a chain of references is, it takes no more of the stack.
    pub(super) fn through(&mut self, first: &str, library: &Library) -> Option<Vec<String>> {
        // The path from the first segment to the one looked at, each with its references that are not looked at yet, the next one last.
        let mut path = vec![(self.key.clone(), vec![first.to_owned()])];
        while let Some((_, left)) = path.last_mut() {
            let Some(next) = left.pop() else {
                path.pop();
                continue;
            };
            if next == self.key {
                // Those on the way do lead to it.
                path.iter().for_each(|(key, _)| {
                    self.apart.remove(key);
                });
                return Some(shortened(path.into_iter().map(|(key, _)| key).chain([next]).collect()));
            }
            if self.apart.insert(next.clone()) {
                let left = references(&next, library);
                path.push((next, left));
            }
        }
        None
    }
}

/// The segments that one refers to, the first one last.
fn references(key: &str, library: &Library) -> Vec<String> {
    let condition = library.segments.get(key).map(|text| Condition::parse(text).condition);
    let mut keys: Vec<String> = condition.iter().flat_map(Condition::segments).map(str::to_owned).collect();
    keys.reverse();
    keys
}

/// A path's keys for people: of a long one the two ends.
pub(super) fn shortened(mut path: Vec<String>) -> Vec<String> {
    const END: usize = limits::PATH_KEYS_SHOWN_MAX / 2;
    if path.len() > limits::PATH_KEYS_SHOWN_MAX {
        let from_end = path.split_off(path.len() - END);
        path.truncate(END);
        path.push("…".to_owned());
        path.extend(from_end);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(segments: &[(String, String)]) -> Library {
        Library { segments: segments.iter().cloned().collect(), ..Library::default() }
    }

    fn chain(length: usize, last: &str) -> Library {
        let refer = |key: String| format!(r#"{{"not":{{"segment":"{key}"}}}}"#);
        let mut segments: Vec<(String, String)> = (1..length).map(|i| (format!("s{i}"), refer(format!("s{}", i + 1)))).collect();
        segments.push((format!("s{length}"), last.to_owned()));
        library(&segments)
    }

    fn circle(key: &str, first: &str, library: &Library) -> Option<Vec<String>> {
        Circles::new(key).through(first, library)
    }

    #[test]
    fn circles_are_found() {
        let expected = |keys: &[&str]| Some(keys.iter().map(|k| (*k).to_owned()).collect::<Vec<String>>());
        assert_eq!(circle("s1", "s2", &chain(3, r#"{"segment":"s1"}"#)), expected(&["s1", "s2", "s3", "s1"]));
        assert_eq!(circle("s1", "s1", &chain(3, r#"{"everyone":true}"#)), expected(&["s1", "s1"]));
        // A circle further on, which the segment is no part of, is for whoever goes round it.
        assert_eq!(circle("s1", "s2", &chain(3, r#"{"segment":"s2"}"#)), None);
        assert_eq!(circle("s1", "s2", &chain(3, r#"{"any":[{"segment":"s9"},{"everyone":true}]}"#)), None);
        assert_eq!(circle("s9", "s1", &chain(3, "{}")), None);
        let diamond = [
            ("left", r#"{"segment":"bottom"}"#),
            ("right", r#"{"any":[{"segment":"bottom"},{"segment":"top"}]}"#),
            ("bottom", r#"{"everyone":true}"#),
        ];
        let diamond = library(&diamond.map(|(k, v)| (k.to_owned(), v.to_owned())));
        let mut circles = Circles::new("top");
        assert_eq!(circles.through("left", &diamond), None);
        assert_eq!(circles.through("right", &diamond), expected(&["top", "right", "top"]));
        assert_eq!(circles.through("right", &diamond), expected(&["top", "right", "top"]));
        assert_eq!(Circles::new("other").through("right", &diamond), None);
    }

    #[test]
    fn long_chains_take_no_stack_and_are_shortened() {
        assert_eq!(circle("s1", "s2", &chain(100_000, r#"{"everyone":true}"#)), None);
        let found = circle("s1", "s2", &chain(100_000, r#"{"segment":"s1"}"#)).unwrap();
        assert_eq!(found.len(), limits::PATH_KEYS_SHOWN_MAX + 1);
        assert_eq!((found[0].as_str(), found[6].as_str(), found[12].as_str()), ("s1", "…", "s1"));
    }
}
