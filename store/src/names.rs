//! Which names workspaces, segments and lists may have.

use crate::error::{Result, StoreError};

/// The most characters a workspace's name has.
const WORKSPACE_NAME_CHARS_MAX: usize = 64;
/// The most characters a segment's or list's key has.
const KEY_CHARS_MAX: usize = 128;

/// Accepts 1 to 64 of `a-z 0-9 _ -`, starting with a letter or digit.
///
/// # Errors
///
/// `Invalid`, naming the rule.
pub fn check_workspace_name(name: &str) -> Result<()> {
    let ok = (1..=WORKSPACE_NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
        && !name.starts_with(['_', '-']);
    if ok {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "{name:?} cannot name a workspace: use 1 to {WORKSPACE_NAME_CHARS_MAX} of a-z, 0-9, _ and -, starting with a letter or digit"
    )))
}

/// Accepts 1 to 128 of `A-Z a-z 0-9 _ . -`, as keys of segments and lists.
///
/// # Errors
///
/// `Invalid`, naming the rule.
pub fn check_key(key: &str) -> Result<()> {
    let ok = (1..=KEY_CHARS_MAX).contains(&key.len())
        && key.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'));
    if ok {
        return Ok(());
    }
    Err(StoreError::Invalid(format!("{key:?} cannot be a key: use 1 to {KEY_CHARS_MAX} of A-Z, a-z, 0-9, _, . and -")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_names() {
        for good in ["default", "a", "0", "retail-2_x", &"x".repeat(64)] {
            assert!(check_workspace_name(good).is_ok(), "{good}");
        }
        for bad in ["", "_a", "-a", "A", "a.b", "a/b", "..", "é", "a b", &"x".repeat(65)] {
            assert!(check_workspace_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys() {
        for good in ["vip", "A.b-c_9", &"k".repeat(128)] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "日", &"k".repeat(129)] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
    }
}
