//! Trying what a store is configured with: each check says what is there, or what is wrong and what to do about it.
//!
//! In: settings. Out: a sentence, or a [`Fault`]. Each check connects by itself and leaves nothing behind;
//! one that is dropped may leave objects and schemas whose names say that they are of a check. Deliberately absent: a time limit, which is the caller's.

mod catalog;
mod directory;
#[cfg(feature = "cassandra")]
mod profiles;
mod sample;
mod warehouse;

pub use catalog::catalog;
pub use directory::directory;
#[cfg(feature = "cassandra")]
pub use profiles::cassandra;
pub use sample::{SAMPLE_TABLE, SampleTable};
pub use warehouse::warehouse;

/// What is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was tried and what came of it, without secrets.
    pub what: String,
    /// What to do, with the settings' names.
    pub todo: String,
}

/// Characters of what a server said that are shown.
const WHAT_CHARS_MAX: usize = 300;

impl Fault {
    /// A fault; of a long `what` the beginning is kept, on one line.
    pub fn new(what: impl Into<String>, todo: impl Into<String>) -> Self {
        let mut what = what.into().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = what.char_indices().nth(WHAT_CHARS_MAX) {
            what.truncate(end);
            what.push('…');
        }
        Self { what, todo: todo.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_one_short_line() {
        let fault = Fault::new(format!("a\n  <b>{}", "ü".repeat(1000)), "c");
        assert!(fault.what.starts_with("a <b>ü") && fault.what.ends_with("ü…"), "{}", fault.what);
        assert_eq!(fault.what.chars().count(), WHAT_CHARS_MAX + 1);
    }
}
