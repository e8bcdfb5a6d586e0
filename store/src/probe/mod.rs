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
