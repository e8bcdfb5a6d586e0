//! Trying what a store is configured with: each check says what is there, or what is wrong and what to do about it.
//!
//! In: settings. Out: a sentence, or a [`Fault`]. Each check connects by itself, leaves nothing behind, and can be dropped at any
//! time. Deliberately absent: a time limit, which is the caller's.

mod catalog;
mod directory;

pub use catalog::catalog;
pub use directory::directory;

/// What is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was tried and what came of it, without secrets.
    pub what: String,
    /// What to do, with the settings' names.
    pub todo: String,
}

impl Fault {
    /// A fault.
    pub fn new(what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { what: what.into(), todo: todo.into() }
    }
}

/// An error and its causes, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}
