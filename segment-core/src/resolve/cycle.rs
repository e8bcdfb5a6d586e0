//! Circles of saved segments.

use super::Library;
use crate::condition::Condition;

/// The circle that a segment is in, or leads to, from its start back to its start; `None` if there is none.
pub fn find_cycle(key: &str, library: &Library) -> Option<Vec<String>> {
    let mut path = Vec::new();
    let mut done = Vec::new();
    visit(key, library, &mut path, &mut done)
}

fn visit(key: &str, library: &Library, path: &mut Vec<String>, done: &mut Vec<String>) -> Option<Vec<String>> {
    if let Some(start) = path.iter().position(|k| k == key) {
        return Some(path.iter().skip(start).cloned().chain([key.to_owned()]).collect());
    }
    if done.iter().any(|k| k == key) {
        return None;
    }
    let text = library.segments.get(key)?;
    path.push(key.to_owned());
    let parsed = Condition::parse(text);
    let found = parsed.condition.segments().into_iter().find_map(|next| visit(next, library, path, done));
    path.pop();
    done.push(key.to_owned());
    found
}
