//! What a pattern says, without how it was written: groups, laziness and flags are gone, case folding is in the sets.
//!
//! A search only asks whether there is a match, so which groups captured what and which repetition prefers fewer
//! makes no difference and is not kept.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// A condition on a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The start of the text.
    TextStart,
    /// The end of the text.
    TextEnd,
    /// The start of the text, or after a line feed.
    LineStart,
    /// The end of the text, or before a line feed.
    LineEnd,
    /// A word character (ASCII) on exactly one side.
    Boundary,
    /// A word character (ASCII) on both sides or on neither.
    NotBoundary,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Matches the empty text.
    Empty,
    /// One character.
    Literal(char),
    /// One character out of a set, which may be empty.
    Class(ClassUnicode),
    /// A position.
    Look(Look),
    /// All, one after another; at least two.
    Concat(Vec<Node>),
    /// Any one; at least two.
    Alternate(Vec<Node>),
    /// `min` to `max` times (`None`: without end); never `{0}` or `{1}`.
    Repeat {
        /// What is repeated.
        node: Box<Node>,
        /// The fewest times.
        min: u32,
        /// The most times.
        max: Option<u32>,
    },
}

impl Node {
    /// A set as a node; a set of one is a literal.
    pub(super) fn class(set: ClassUnicode) -> Node {
        match set.ranges() {
            [range] if range.start() == range.end() => Node::Literal(range.start()),
            _ => Node::Class(set),
        }
    }

    /// `nodes` one after another.
    pub(super) fn concat(nodes: Vec<Node>) -> Node {
        let mut flat = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Concat(inner) => flat.extend(inner),
                Node::Empty => {}
                other @ (Node::Literal(_) | Node::Class(_) | Node::Look(_) | Node::Alternate(_) | Node::Repeat { .. }) => flat.push(other),
            }
        }
        Node::one_or(flat, Node::Concat)
    }

    /// Any one of `nodes`.
    pub(super) fn alternate(nodes: Vec<Node>) -> Node {
        let mut flat = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Alternate(inner) => flat.extend(inner),
                other @ (Node::Empty | Node::Literal(_) | Node::Class(_) | Node::Look(_) | Node::Concat(_) | Node::Repeat { .. }) => {
                    flat.push(other)
                }
            }
        }
        Node::one_or(flat, Node::Alternate)
    }

    fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
        match nodes.len() {
            0 => Node::Empty,
            1 => nodes.pop().unwrap_or(Node::Empty),
            _ => many(nodes),
        }
    }

    /// `self`, `min` to `max` times.
    pub(super) fn repeat(self, min: u32, max: Option<u32>) -> Node {
        if max == Some(0) {
            return Node::Empty;
        }
        if (min, max) == (1, Some(1)) {
            return self;
        }
        match self {
            // A position holds however often it is asked for, and not at all if it may be left out.
            Node::Empty | Node::Look(_) => {
                if min == 0 {
                    Node::Empty
                } else {
                    self
                }
            }
            Node::Repeat { node, min: inner_min, max: inner_max } if squashes(inner_min, inner_max) && squashes(min, max) => {
                let max = if inner_max == Some(1) && max == Some(1) { Some(1) } else { None };
                Node::Repeat { node, min: min.min(inner_min), max }
            }
            Node::Literal(_) | Node::Class(_) | Node::Concat(_) | Node::Alternate(_) | Node::Repeat { .. } => {
                Node::Repeat { node: Box::new(self), min, max }
            }
        }
    }

    /// Levels below and with this one.
    pub(super) fn depth(&self) -> usize {
        match self {
            Node::Empty | Node::Literal(_) | Node::Class(_) | Node::Look(_) => 1,
            Node::Concat(nodes) | Node::Alternate(nodes) => 1 + nodes.iter().map(Node::depth).max().unwrap_or(0),
            Node::Repeat { node, .. } => 1 + node.depth(),
        }
    }

    /// Whether every text with a character beyond ASCII has a match. RE2 looks for matches at every byte, so `\B` also
    /// holds between the bytes of one character, where a match can only be empty.
    pub(super) fn matches_inside_characters(&self) -> bool {
        self.matches_empty(true) && !self.matches_empty(false)
    }

    /// `self`, or any character beyond ASCII.
    pub(super) fn or_beyond_ascii(self) -> Node {
        let beyond_ascii = ClassUnicode::new([ClassUnicodeRange::new('\u{80}', char::MAX)]);
        Node::alternate(vec![self, Node::Class(beyond_ascii)])
    }

    /// Whether the empty text is a match at a position where no condition but perhaps `\B` holds.
    fn matches_empty(&self, not_boundary: bool) -> bool {
        match self {
            Node::Empty => true,
            Node::Literal(_) | Node::Class(_) => false,
            Node::Look(look) => not_boundary && *look == Look::NotBoundary,
            Node::Concat(nodes) => nodes.iter().all(|node| node.matches_empty(not_boundary)),
            Node::Alternate(nodes) => nodes.iter().any(|node| node.matches_empty(not_boundary)),
            Node::Repeat { node, min, .. } => *min == 0 || node.matches_empty(not_boundary),
        }
    }
}

/// `?`, `*` and `+`: two of them, one on the other, are again one of them.
fn squashes(min: u32, max: Option<u32>) -> bool {
    min <= 1 && max.is_none_or(|max| max == 1)
}
