//! Writes a pattern down with explicit sets, so that engines with different ideas of `\w`, `$` or `(?i)` agree on it.

use std::fmt::Write as _;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::node::{Look, Node};

/// How an engine wants things written.
pub(super) struct Style {
    /// Characters beyond ASCII as `\x{HEX}`, or as they are.
    braced_hex: bool,
    /// A set without members.
    never: &'static str,
    /// Whether `[Kk]` and `[Ss]` stand as `(?:K|k)` and `(?:S|s)`.
    splits_pairs: bool,
    /// A position.
    look: fn(Look) -> &'static str,
}

/// Rust's regex.
pub(super) const RUST: Style = Style {
    braced_hex: true,
    never: r"[^\x{0}-\x{10FFFF}]",
    splits_pairs: false,
    look: |look| match look {
        Look::TextStart => r"\A",
        Look::TextEnd => r"\z",
        Look::LineStart => r"(?m:^)",
        Look::LineEnd => r"(?m:$)",
        Look::Boundary => r"(?-u:\b)",
        Look::NotBoundary => r"(?-u:\B)",
    },
};

/// Rust's regex, for a pattern that every text beyond ASCII matches anyhow. The ASCII `\B` holds inside characters too,
/// and a search that comes upon such a place can pass over the match around it.
pub(super) const RUST_IF_ASCII: Style = Style { look: |look| if look == Look::NotBoundary { r"\B" } else { (RUST.look)(look) }, ..RUST };

/// java.util.regex and JONI with Java's syntax. JONI reads no `\x{…}`, its `\b` is Unicode's, its `^` does not hold after
/// a line feed that ends the text, and its search misses `a?\z` where the text ends in a character of several bytes.
pub(super) const JAVA: Style = Style {
    braced_hex: false,
    never: r"(?!)",
    splits_pairs: false,
    look: |look| match look {
        Look::TextStart => r"\A",
        Look::TextEnd => r"(?!(?s:.))",
        Look::LineStart => r"(?<![^\x0A])",
        Look::LineEnd => r"(?![^\x0A])",
        Look::Boundary => r"(?:(?<=[0-9A-Za-z\x5F])(?![0-9A-Za-z\x5F])|(?<![0-9A-Za-z\x5F])(?=[0-9A-Za-z\x5F]))",
        Look::NotBoundary => r"(?:(?<=[0-9A-Za-z\x5F])(?=[0-9A-Za-z\x5F])|(?<![0-9A-Za-z\x5F])(?![0-9A-Za-z\x5F]))",
    },
};

/// RE2. It takes `[Kk]` for `(?i)k`, and where it merges that with another set it adds what folds to it beyond ASCII.
pub(super) const RE2: Style = Style {
    splits_pairs: true,
    look: |look| match look {
        Look::Boundary => r"\b",
        Look::NotBoundary => r"\B",
        Look::TextStart | Look::TextEnd | Look::LineStart | Look::LineEnd => (RUST.look)(look),
    },
    ..RUST
};

/// Where a node stands, by what binds there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Anything may stand alone.
    Alone,
    /// An alternation needs a group.
    InConcat,
    /// So do a concatenation and a repetition.
    InRepeat,
}

/// `node` in `style`.
pub(super) fn print(node: &Node, style: &Style) -> String {
    let mut printer = Printer { out: String::new(), style };
    printer.node(node, Place::Alone);
    printer.out
}

struct Printer<'a> {
    out: String,
    style: &'a Style,
}

impl Printer<'_> {
    fn node(&mut self, node: &Node, place: Place) {
        match node {
            Node::Empty => self.out.push_str("(?:)"),
            Node::Literal(char) => self.literal(*char),
            Node::Class(set) => self.class(set),
            Node::Look(look) => self.out.push_str((self.style.look)(*look)),
            Node::Concat(nodes) => self.grouped(place >= Place::InRepeat, |printer| {
                for node in nodes {
                    printer.node(node, Place::InConcat);
                }
            }),
            Node::Alternate(nodes) => self.grouped(place >= Place::InConcat, |printer| {
                for (index, node) in nodes.iter().enumerate() {
                    if index > 0 {
                        printer.out.push('|');
                    }
                    printer.node(node, Place::InConcat);
                }
            }),
            Node::Repeat { node, min, max } => self.grouped(place >= Place::InRepeat, |printer| {
                printer.node(node, Place::InRepeat);
                printer.times(*min, *max);
            }),
        }
    }

    fn grouped(&mut self, group: bool, inner: impl FnOnce(&mut Self)) {
        if group {
            self.out.push_str("(?:");
        }
        inner(self);
        if group {
            self.out.push(')');
        }
    }

    fn times(&mut self, min: u32, max: Option<u32>) {
        let _ = match (min, max) {
            (0, Some(1)) => self.out.write_char('?'),
            (0, None) => self.out.write_char('*'),
            (1, None) => self.out.write_char('+'),
            (min, None) => write!(self.out, "{{{min},}}"),
            (min, Some(max)) if min == max => write!(self.out, "{{{min}}}"),
            (min, Some(max)) => write!(self.out, "{{{min},{max}}}"),
        };
    }

    fn literal(&mut self, char: char) {
        match char {
            '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
                self.out.push('\\');
                self.out.push(char);
            }
            ' '..='~' => self.out.push(char),
            _ => self.coded(char),
        }
    }

    fn class(&mut self, set: &ClassUnicode) {
        let mut set = set.clone();
        let negated = set.ranges().last().is_some_and(|range| range.end() == char::MAX);
        if negated {
            set.negate();
        }
        if set.ranges().is_empty() {
            self.out.push_str(if negated { "(?s:.)" } else { self.style.never });
            return;
        }
        if self.style.splits_pairs && !negated {
            for (upper, lower, pair) in [('K', 'k', "(?:K|k)"), ('S', 's', "(?:S|s)")] {
                if set.ranges() == [ClassUnicodeRange::new(upper, upper), ClassUnicodeRange::new(lower, lower)] {
                    return self.out.push_str(pair);
                }
            }
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        for range in set.iter() {
            self.member(range.start());
            if range.start() < range.end() {
                if u32::from(range.end()) - u32::from(range.start()) > 1 {
                    self.out.push('-');
                }
                self.member(range.end());
            }
        }
        self.out.push(']');
    }

    fn member(&mut self, char: char) {
        if char.is_ascii_alphanumeric() { self.out.push(char) } else { self.coded(char) }
    }

    fn coded(&mut self, char: char) {
        let code = u32::from(char);
        let _ = match char {
            '\0'..='\x7F' => write!(self.out, "\\x{code:02X}"),
            _ if self.style.braced_hex => write!(self.out, "\\x{{{code:X}}}"),
            _ => self.out.write_char(char),
        };
    }
}
