//! RE2's grammar, as `re2/parse.cc` reads it with the Perl extensions on.

use std::collections::BTreeMap;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::PatternError;
use super::classes::{self, Fold};
use super::node::{Look, Node};
use crate::limits;

/// What `(?ims)` set. `U` changes only which match is preferred, so it is read and not kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) fold: Fold,
    pub(super) multi_line: bool,
    pub(super) dot_matches_line_feed: bool,
}

/// A node, and how often the repetitions in it, one in another, may copy what is innermost.
struct Item {
    node: Node,
    copies: u32,
}

/// An open group; the pattern as a whole is the first.
#[derive(Default)]
struct Group {
    start: usize,
    flags_outside: Flags,
    alternatives: Vec<Item>,
    items: Vec<Item>,
}

/// Reads one pattern.
pub(super) struct Parser {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
    pub(super) flags: Flags,
    groups: Vec<Group>,
    current: Group,
    ranges: usize,
    named: BTreeMap<String, ClassUnicode>,
}

/// What `source` says, with `fold` until it says otherwise.
pub(super) fn parse(source: &str, fold: Fold) -> Result<Node, PatternError> {
    let mut parser = Parser {
        chars: source.chars().collect(),
        at: 0,
        flags: Flags { fold, ..Flags::default() },
        groups: Vec::new(),
        current: Group::default(),
        ranges: 0,
        named: BTreeMap::new(),
    };
    parser.pattern()
}

impl Parser {
    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// An error about what is written from `start` to here.
    pub(super) fn error(&self, what: &str, start: usize) -> PatternError {
        let end = self.at.min(self.chars.len());
        let written: String = self.chars.get(start..end).unwrap_or_default().iter().collect();
        PatternError::at(format!("{what}: `{written}`"), start)
    }

    fn pattern(&mut self) -> Result<Node, PatternError> {
        let mut last_repeat = None;
        while let Some(char) = self.peek() {
            let start = self.at;
            let repeat_start = last_repeat.take();
            match char {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.at += 1;
                    self.end_alternative()?;
                }
                '^' => self.look(1, if self.flags.multi_line { Look::LineStart } else { Look::TextStart }),
                '$' => self.look(1, if self.flags.multi_line { Look::LineEnd } else { Look::TextEnd }),
                '.' => {
                    self.at += 1;
                    let mut set = ClassUnicode::empty();
                    if !self.flags.dot_matches_line_feed {
                        set.push(ClassUnicodeRange::new('\n', '\n'));
                    }
                    set.negate();
                    self.push(Node::class(set));
                }
                '[' => {
                    let node = self.class()?;
                    self.push(node);
                }
                '*' | '+' | '?' | '{' => {
                    if let Some((min, max)) = self.repetition() {
                        self.repeat(min, max, start, repeat_start)?;
                        last_repeat = Some(repeat_start.unwrap_or(start));
                    } else {
                        self.at += 1;
                        self.push_char(char)?;
                    }
                }
                '\\' => self.escaped()?,
                _ => {
                    self.at += 1;
                    self.push_char(char)?;
                }
            }
        }
        self.end_alternative()?;
        if !self.groups.is_empty() {
            self.at = self.current.start + 1;
            return Err(self.error("missing closing )", self.current.start));
        }
        Ok(alternation(std::mem::take(&mut self.current.alternatives)).node)
    }

    fn push(&mut self, node: Node) {
        self.current.items.push(Item { node, copies: 1 });
    }

    fn look(&mut self, length: usize, look: Look) {
        self.at += length;
        self.push(Node::Look(look));
    }

    fn push_char(&mut self, char: char) -> Result<(), PatternError> {
        if self.flags.fold == Fold::None {
            self.push(Node::Literal(char));
            return Ok(());
        }
        let mut set = ClassUnicode::new([ClassUnicodeRange::new(char, char)]);
        classes::fold(&mut set, self.flags.fold);
        self.spend(set.ranges().len())?;
        self.push(Node::class(set));
        Ok(())
    }

    /// Counts ranges against the most a pattern may have.
    pub(super) fn spend(&mut self, ranges: usize) -> Result<(), PatternError> {
        self.ranges += ranges;
        if self.ranges > limits::PATTERN_RANGES_MAX {
            return Err(PatternError::at(format!("more than {} ranges of characters", limits::PATTERN_RANGES_MAX), self.at));
        }
        Ok(())
    }

    /// The set of `\p{name}`.
    pub(super) fn named(&mut self, name: &str) -> Option<ClassUnicode> {
        if let Some(set) = self.named.get(name) {
            return Some(set.clone());
        }
        let set = classes::unicode(name)?;
        self.named.insert(name.to_owned(), set.clone());
        Some(set)
    }

    fn end_alternative(&mut self) -> Result<(), PatternError> {
        let items = std::mem::take(&mut self.current.items);
        let item = combine(items, Node::concat);
        self.check_depth(&item)?;
        self.current.alternatives.push(item);
        Ok(())
    }

    fn check_depth(&self, item: &Item) -> Result<(), PatternError> {
        if item.node.depth() > limits::PATTERN_DEPTH_MAX {
            return Err(PatternError::at(format!("nested more than {} deep", limits::PATTERN_DEPTH_MAX), self.at));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), PatternError> {
        self.at += 1;
        let Some(outer) = self.groups.pop() else {
            return Err(self.error("unexpected )", self.at - 1));
        };
        self.end_alternative()?;
        let group = std::mem::replace(&mut self.current, outer);
        self.flags = group.flags_outside;
        let item = alternation(group.alternatives);
        self.check_depth(&item)?;
        self.current.items.push(item);
        Ok(())
    }

    fn open(&mut self) -> Result<(), PatternError> {
        let start = self.at;
        let outside = self.flags;
        self.at += 1;
        let opens = if self.peek() == Some('?') {
            self.at += 1;
            self.look_around(start)?;
            self.named_group(start)? || self.flag_group(start)?
        } else {
            true
        };
        if opens {
            let group = Group { start, flags_outside: outside, ..Group::default() };
            self.groups.push(std::mem::replace(&mut self.current, group));
        }
        Ok(())
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}` and a `?` after it; `None`, and nothing read, for a `{` that is a character.
    fn repetition(&mut self) -> Option<(u32, Option<u32>)> {
        let start = self.at;
        self.at += 1;
        let times = match self.chars.get(start) {
            Some('*') => Some((0, None)),
            Some('+') => Some((1, None)),
            Some('?') => Some((0, Some(1))),
            _ => self.counted(),
        };
        if times.is_none() {
            self.at = start;
        } else if self.peek() == Some('?') {
            self.at += 1;
        }
        times
    }

    fn counted(&mut self) -> Option<(u32, Option<u32>)> {
        let min = self.integer()?;
        let max = if self.peek() == Some(',') {
            self.at += 1;
            if self.peek() == Some('}') { None } else { Some(self.integer()?) }
        } else {
            Some(min)
        };
        if self.peek() != Some('}') {
            return None;
        }
        self.at += 1;
        Some((min, max))
    }

    /// Digits without leading zeros; RE2 takes ten or more of them for characters.
    fn integer(&mut self) -> Option<u32> {
        let digits: String = self.chars.iter().skip(self.at).take_while(|char| char.is_ascii_digit()).collect();
        if digits.len() > 9 || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        self.at += digits.len();
        digits.parse().ok()
    }

    fn repeat(&mut self, min: u32, max: Option<u32>, start: usize, repeat_start: Option<usize>) -> Result<(), PatternError> {
        if let Some(repeat_start) = repeat_start {
            return Err(self.error("bad repetition operator", repeat_start));
        }
        let most = max.unwrap_or(min);
        if most.max(min) > limits::PATTERN_REPEAT_MAX || most < min {
            return Err(self.error("invalid repetition size", start));
        }
        let Some(item) = self.current.items.pop() else {
            return Err(self.error("missing argument to repetition operator", start));
        };
        // The size limit is about counts, and RE2 asks for it only where a count is 2 or more.
        let counted = self.chars.get(start) == Some(&'{');
        let copies = if counted { item.copies.saturating_mul(most.max(1)) } else { item.copies };
        if counted && most >= 2 && copies > limits::PATTERN_REPEAT_MAX {
            return Err(self.error("invalid repetition size", start));
        }
        let item = Item { node: item.node.repeat(min, max), copies };
        self.check_depth(&item)?;
        self.current.items.push(item);
        Ok(())
    }

    /// What follows a backslash outside `[]`.
    fn escaped(&mut self) -> Result<(), PatternError> {
        match self.peek_at(1) {
            Some('b') => self.look(2, Look::Boundary),
            Some('B') => self.look(2, Look::NotBoundary),
            Some('A') => self.look(2, Look::TextStart),
            Some('z') => self.look(2, Look::TextEnd),
            Some('C') => {
                return Err(PatternError::at(r"`\C` matches one byte, and texts here are characters".to_owned(), self.at));
            }
            Some('Q') => {
                self.at += 2;
                while let Some(char) = self.peek() {
                    if char == '\\' && self.peek_at(1) == Some('E') {
                        self.at += 2;
                        break;
                    }
                    self.at += 1;
                    self.push_char(char)?;
                }
            }
            _ => {
                if let Some(set) = self.named_class()? {
                    self.push(Node::class(set));
                } else {
                    let code = self.escape()?;
                    match char::from_u32(code) {
                        Some(char) => self.push_char(char)?,
                        None => self.push(Node::Class(ClassUnicode::empty())),
                    }
                }
            }
        }
        Ok(())
    }
}

fn alternation(alternatives: Vec<Item>) -> Item {
    combine(alternatives, Node::alternate)
}

fn combine(mut items: Vec<Item>, join: fn(Vec<Node>) -> Node) -> Item {
    if items.len() == 1
        && let Some(item) = items.pop()
    {
        return item;
    }
    let copies = items.iter().map(|item| item.copies).max().unwrap_or(1);
    Item { node: join(items.into_iter().map(|item| item.node).collect()), copies }
}
