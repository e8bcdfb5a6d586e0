//! Makes a failing tree smaller while it still fails.

use segment_core::json::Json;

/// Trees tried at most.
const TRIES_MAX: usize = 600;

/// The smallest tree found for which `fails` says yes; it does for the tree given. Candidates may be no conditions at all.
pub fn shrink(tree: &Json, mut fails: impl FnMut(&Json) -> bool) -> Json {
    let mut best = tree.clone();
    let mut tries = 0;
    'again: loop {
        for candidate in smaller(&best) {
            tries += 1;
            if tries > TRIES_MAX {
                return best;
            }
            if fails(&candidate) {
                best = candidate;
                continue 'again;
            }
        }
        return best;
    }
}

/// Smaller trees, the smallest first: a part in place of the whole, one element or optional member less, or the same one
/// level down.
fn smaller(json: &Json) -> Vec<Json> {
    let mut out = Vec::new();
    match json {
        Json::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    ("not", child) => out.push(child.clone()),
                    ("all" | "any", Json::Array(children)) => out.extend(children.iter().cloned()),
                    _ => {}
                }
            }
            for i in 0..members.len() {
                let optional = members
                    .get(i)
                    .is_some_and(|(k, _)| matches!(k.as_str(), "where" | "window" | "ignore_case" | "by" | "aligned" | "measure"));
                if optional {
                    let mut less = members.clone();
                    less.remove(i);
                    out.push(Json::Object(less));
                }
            }
            for (i, (key, value)) in members.iter().enumerate() {
                for child in smaller(value) {
                    let mut changed = members.clone();
                    if let Some(member) = changed.get_mut(i) {
                        *member = (key.clone(), child);
                    }
                    out.push(Json::Object(changed));
                }
            }
        }
        Json::Array(items) => {
            for i in 0..items.len() {
                let mut less = items.clone();
                less.remove(i);
                out.push(Json::Array(less));
            }
            for (i, item) in items.iter().enumerate() {
                for child in smaller(item) {
                    let mut changed = items.clone();
                    if let Some(item) = changed.get_mut(i) {
                        *item = child;
                    }
                    out.push(Json::Array(changed));
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::BadString => {}
    }
    out
}
