//! The part of RE2's grammar that stands for one character: `[…]`, `\p{…}`, `\d` and escapes.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::PatternError;
use super::classes::{self, Fold};
use super::node::Node;
use super::parse::Parser;

/// The last code point.
const CODE_MAX: u32 = 0x10_FFFF;

impl Parser {
    /// `[…]`.
    pub(super) fn class(&mut self) -> Result<Node, PatternError> {
        let start = self.at;
        self.at += 1;
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut ranges = Vec::new();
        let mut first = true;
        loop {
            match self.peek() {
                None => {
                    self.at = start + 1;
                    return Err(self.error("missing closing ]", start));
                }
                Some(']') if !first => break,
                Some(_) => {}
            }
            first = false;
            let named = match self.posix_class()? {
                Some(set) => Some(set),
                None => self.named_class()?,
            };
            if let Some(set) = named {
                ranges.extend(set.iter().copied());
            } else if let Some(range) = self.class_range(start)? {
                ranges.push(range);
                self.spend(1)?;
            }
        }
        self.at += 1;
        let mut set = ClassUnicode::new(ranges);
        if self.flags.fold != Fold::None {
            classes::fold(&mut set, self.flags.fold);
            self.spend(set.ranges().len())?;
        }
        if negated {
            set.negate();
        }
        Ok(Node::class(set))
    }

    /// `[:name:]` or `[:^name:]`; without a `:]` further on, the bracket is a character.
    fn posix_class(&mut self) -> Result<Option<ClassUnicode>, PatternError> {
        if self.peek() != Some('[') || self.peek_at(1) != Some(':') {
            return Ok(None);
        }
        let start = self.at;
        let rest = self.chars.get(start + 2..).unwrap_or_default();
        let Some(length) = rest.windows(2).position(|pair| pair == [':', ']']) else {
            return Ok(None);
        };
        let name: String = rest.iter().take(length).collect();
        self.at += length + 4;
        let (negated, name) = match name.strip_prefix('^') {
            Some(name) => (true, name),
            None => (false, name.as_str()),
        };
        let Some(ranges) = classes::posix(name) else {
            return Err(self.error("unknown character class", start));
        };
        self.finished(classes::set(ranges), negated).map(Some)
    }

    /// `\d`, `\s`, `\w`, `\pN`, `\p{Name}` and their negations.
    pub(super) fn named_class(&mut self) -> Result<Option<ClassUnicode>, PatternError> {
        let (Some('\\'), Some(letter)) = (self.peek(), self.peek_at(1)) else {
            return Ok(None);
        };
        if let Some(ranges) = classes::perl(letter) {
            self.at += 2;
            return self.finished(classes::set(ranges), letter.is_ascii_uppercase()).map(Some);
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(None);
        }
        let start = self.at;
        self.at += 2;
        let mut name = String::new();
        match self.peek() {
            Some('{') => loop {
                self.at += 1;
                match self.peek() {
                    Some('}') => break,
                    Some(char) => name.push(char),
                    None => return Err(self.error("missing closing }", start)),
                }
            },
            Some(char) => name.push(char),
            None => return Err(self.error("invalid escape sequence", start)),
        }
        self.at += 1;
        let (caret, name) = match name.strip_prefix('^') {
            Some(name) => (true, name),
            None => (false, name.as_str()),
        };
        let Some(set) = self.named(name) else {
            return Err(self.error("unknown character class", start));
        };
        self.finished(set, caret != (letter == 'P')).map(Some)
    }

    /// A named set, folded before it is negated.
    fn finished(&mut self, mut set: ClassUnicode, negated: bool) -> Result<ClassUnicode, PatternError> {
        classes::fold(&mut set, self.flags.fold);
        if negated {
            set.negate();
        }
        self.spend(set.ranges().len())?;
        Ok(set)
    }

    /// `a` or `a-z`; `None` for one that holds surrogates only, which no text has.
    fn class_range(&mut self, class_start: usize) -> Result<Option<ClassUnicodeRange>, PatternError> {
        let start = self.at;
        let low = self.class_code(class_start)?;
        let high = if self.peek() == Some('-') && self.peek_at(1).is_some_and(|next| next != ']') {
            self.at += 1;
            self.class_code(class_start)?
        } else {
            low
        };
        if high < low {
            return Err(self.error("invalid character class range", start));
        }
        let low = char::from_u32(low).unwrap_or('\u{E000}');
        let high = char::from_u32(high).unwrap_or('\u{D7FF}');
        Ok((low <= high).then(|| ClassUnicodeRange::new(low, high)))
    }

    fn class_code(&mut self, class_start: usize) -> Result<u32, PatternError> {
        match self.peek() {
            Some('\\') => self.escape(),
            Some(char) => {
                self.at += 1;
                Ok(u32::from(char))
            }
            None => Err(self.error("missing closing ]", class_start)),
        }
    }

    /// A backslash and what it makes a character; the code point, which may be a surrogate.
    pub(super) fn escape(&mut self) -> Result<u32, PatternError> {
        let start = self.at;
        self.at += 1;
        let Some(char) = self.peek() else {
            return Err(self.error(r"trailing \", start));
        };
        self.at += 1;
        match char {
            '0' => Ok(self.octal(0)),
            '1'..='7' if self.peek().is_some_and(|next| next.is_digit(8)) => Ok(self.octal(u32::from(char) - u32::from('0'))),
            '1'..='9' => Err(self.error("backreferences are not in RE2's syntax", start)),
            'x' => self.hex().ok_or_else(|| self.error("invalid escape sequence", start)),
            'a' => Ok(0x07),
            'f' => Ok(0x0C),
            'n' => Ok(0x0A),
            'r' => Ok(0x0D),
            't' => Ok(0x09),
            'v' => Ok(0x0B),
            _ if char.is_ascii() && !char.is_ascii_alphanumeric() => Ok(u32::from(char)),
            _ => Err(self.error("invalid escape sequence", start)),
        }
    }

    /// At most two more octal digits after `first`.
    fn octal(&mut self, first: u32) -> u32 {
        let mut code = first;
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|next| next.to_digit(8)) else {
                break;
            };
            code = code * 8 + digit;
            self.at += 1;
        }
        code
    }

    /// Two digits, or any number of them in braces, up to the last code point.
    fn hex(&mut self) -> Option<u32> {
        if self.peek() != Some('{') {
            let high = self.hex_digit()?;
            return Some(high * 16 + self.hex_digit()?);
        }
        self.at += 1;
        let mut code = self.hex_digit()?;
        while self.peek() != Some('}') {
            code = code * 16 + self.hex_digit()?;
            if code > CODE_MAX {
                return None;
            }
        }
        self.at += 1;
        Some(code)
    }

    fn hex_digit(&mut self) -> Option<u32> {
        let digit = self.peek()?.to_digit(16)?;
        self.at += 1;
        Some(digit)
    }
}
