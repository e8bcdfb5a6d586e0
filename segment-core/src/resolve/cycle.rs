//! Circles of saved segments.

use std::collections::HashSet;

use super::Library;
use crate::condition::Condition;
use crate::limits;

/// The circle that a segment is in, or leads to, from its start back to its start; of a long one its two ends, with `…` in
/// between. `None` if there is none. However long a chain of references is, it takes no more of the stack.
pub fn find_cycle(key: &str, library: &Library) -> Option<Vec<String>> {
    let mut seen = HashSet::from([key.to_owned()]);
    let mut open = HashSet::from([key.to_owned()]);
    // The path from the segment to the one looked at, each with its references that are not looked at yet, the next one last.
    let mut path = vec![(key.to_owned(), references(key, library))];
    while let Some((current, left)) = path.last_mut() {
        let Some(next) = left.pop() else {
            open.remove(current);
            path.pop();
            continue;
        };
        if open.contains(&next) {
            let keys = path.into_iter().map(|(key, _)| key).skip_while(|key| *key != next);
            return Some(shortened(keys.chain([next.clone()]).collect()));
        }
        if seen.insert(next.clone()) {
            open.insert(next.clone());
            let left = references(&next, library);
            path.push((next, left));
        }
    }
    None
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

    #[test]
    fn circles_are_found() {
        let circle = |keys: &[&str]| Some(keys.iter().map(|k| (*k).to_owned()).collect::<Vec<String>>());
        assert_eq!(find_cycle("s1", &chain(3, r#"{"segment":"s1"}"#)), circle(&["s1", "s2", "s3", "s1"]));
        assert_eq!(find_cycle("s1", &chain(3, r#"{"segment":"s2"}"#)), circle(&["s2", "s3", "s2"]));
        assert_eq!(find_cycle("s1", &chain(1, r#"{"segment":"s1"}"#)), circle(&["s1", "s1"]));
        assert_eq!(find_cycle("s1", &chain(3, r#"{"any":[{"segment":"s9"},{"everyone":true}]}"#)), None);
        assert_eq!(find_cycle("s9", &chain(3, "{}")), None);
        let diamond = [
            ("top", r#"{"all":[{"segment":"left"},{"segment":"right"}]}"#),
            ("left", r#"{"segment":"bottom"}"#),
            ("right", r#"{"segment":"bottom"}"#),
            ("bottom", r#"{"everyone":true}"#),
        ];
        assert_eq!(find_cycle("top", &library(&diamond.map(|(k, v)| (k.to_owned(), v.to_owned())))), None);
    }

    #[test]
    fn long_chains_take_no_stack_and_are_shortened() {
        assert_eq!(find_cycle("s1", &chain(100_000, r#"{"everyone":true}"#)), None);
        let found = find_cycle("s1", &chain(100_000, r#"{"segment":"s1"}"#)).unwrap();
        assert_eq!(found.len(), limits::PATH_KEYS_SHOWN_MAX + 1);
        assert_eq!((found[0].as_str(), found[6].as_str(), found[12].as_str()), ("s1", "…", "s1"));
    }
}
