//! Patterns of the operator `matches`: RE2's syntax and meaning, searched for in text.
//!
//! In goes a pattern's text, out comes a [`Pattern`] that can be searched for and that is written out for engines which
//! read patterns differently. [RE2's syntax](https://github.com/google/re2/wiki/Syntax) is read by a parser of our own,
//! since no other dialect is refused and accepted in the same places: `\d \w \s \b` and POSIX classes are ASCII, `$` is
//! only the very end, `(?i)` folds by Unicode's simple folding, `\pN`, `\p{Greek}` know RE2's general categories and
//! scripts (Unicode 15.1). Look-around, backreferences, possessive repetition and operations on sets are refused.
//!
//! [`Pattern::portable_java`] was compared with java.util.regex and JONI; the former alone can begin a match of `\B.` at
//! the second half of a surrogate pair.
//!
//! Where this differs from RE2, on purpose:
//! - `\C`, one byte, is refused: engines that see characters can't say it.
//! - Size is bounded by `limits::PATTERN_*`, other than RE2 bounds it.
//! - RE2 folds `k`, `K`, `s` and `S` in `[Kk]|[xy]` as if `(?i)` were set, by a mistake in how it merges sets; here
//!   they are what is written.
//!
//! [`Pattern::is_match`] runs the very text [`Pattern::portable`] gives, so an engine built on Rust's regex agrees with
//! it by construction.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use self::classes::Fold;
use crate::limits;

mod class;
mod classes;
mod group;
mod node;
mod parse;
mod print;
#[cfg(test)]
mod tests;

/// A pattern that compiled. Clones share it; equal, hashed and shown by its source text and by whether it ignores case.
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    source: String,
    fold: Fold,
    portable: String,
    portable_java: String,
    portable_re2: String,
    regex: Regex,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    what: String,
    offset: Option<usize>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// What RE2 refuses, `\C`, and what is beyond the `PATTERN_*` limits. Never worth a retry.
    pub fn parse(source: &str) -> Result<Pattern, PatternError> {
        Pattern::read(source, Fold::None)
    }

    /// Reads a pattern that takes a character for another where their simple lower cases are one; as with `(?i)`, a
    /// negated set is the complement of all that are like its members. `(?i)` and `(?-i)` in it put RE2's folding, or
    /// none, in place of this.
    ///
    /// # Errors
    ///
    /// As [`Pattern::parse`].
    pub fn parse_ignoring_case(source: &str) -> Result<Pattern, PatternError> {
        Pattern::read(source, Fold::Lower)
    }

    fn read(source: &str, fold: Fold) -> Result<Pattern, PatternError> {
        if source.len() > limits::PATTERN_SOURCE_BYTES_MAX {
            return Err(PatternError::whole(format!("longer than {} bytes", limits::PATTERN_SOURCE_BYTES_MAX)));
        }
        let mut node = parse::parse(source, fold)?;
        let mut rust = &print::RUST;
        if node.matches_inside_characters() {
            node = node.or_beyond_ascii();
            rust = &print::RUST_IF_ASCII;
        }
        let portable = print::print(&node, rust);
        let portable_java = print::print(&node, &print::JAVA);
        let portable_re2 = print::print(&node, &print::RE2);
        let regex = RegexBuilder::new(&portable).size_limit(limits::PATTERN_BYTES_MAX).build().map_err(|error| {
            PatternError::whole(if matches!(error, regex::Error::CompiledTooBig(_)) {
                format!("takes more than {} bytes compiled", limits::PATTERN_BYTES_MAX)
            } else {
                format!("does not compile: {error}")
            })
        })?;
        Ok(Pattern(Arc::new(Inner { source: source.to_owned(), fold, portable, portable_java, portable_re2, regex })))
    }

    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether `text` has a match anywhere.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.regex.is_match(text)
    }

    /// The pattern for Rust's regex, which finds a match with it in the same texts; no flags need to be set.
    /// Groups capture nothing, and which of several matches is found may differ.
    pub fn portable(&self) -> &str {
        &self.0.portable
    }

    /// The same for java.util.regex and for JONI with Java's syntax (Trino's default). Characters beyond ASCII stand as
    /// they are.
    pub fn portable_java(&self) -> &str {
        &self.0.portable_java
    }

    /// The same for RE2 itself, with its default options: sets stand explicitly, so its version and its folding are of no account.
    pub fn portable_re2(&self) -> &str {
        &self.0.portable_re2
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        (self.source(), self.0.fold) == (other.source(), other.0.fold)
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.source(), self.0.fold).hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.0.fold == Fold::None { "Pattern" } else { "PatternIgnoringCase" };
        f.debug_tuple(name).field(&self.source()).finish()
    }
}

impl PatternError {
    fn at(what: String, offset: usize) -> PatternError {
        PatternError { what, offset: Some(offset) }
    }

    fn whole(what: String) -> PatternError {
        PatternError { what, offset: None }
    }

    /// Where, in characters from the start; `None` if it is about the pattern as a whole.
    pub fn offset(&self) -> Option<usize> {
        self.offset
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.offset {
            Some(offset) => write!(f, " at character {offset}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PatternError {}
