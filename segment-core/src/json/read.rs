//! The reader.

use super::{Json, JsonError};
use crate::limits::JSON_DEPTH_MAX;

/// Where in a text something is wrong.
pub(super) fn error_at(bytes: &[u8], at: usize, message: &str) -> JsonError {
    let before = &bytes[..at.min(bytes.len())];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    // Continuation bytes start no character.
    let characters = before[line_start..].iter().filter(|&&b| b & 0xc0 != 0x80).count();
    let lines = before.iter().filter(|&&b| b == b'\n').count();
    JsonError { line: lines + 1, column: characters + 1, message: message.to_owned() }
}

type Fault = &'static str;

/// Reads a text.
pub(super) fn read<'a, S: Text<'a>>(text: &'a str) -> Result<Json<S>, JsonError> {
    let mut reader = Reader { text, at: 0 };
    reader.document().map_err(|message| error_at(text.as_bytes(), reader.at, message))
}

/// What a value's texts are made as: of a part of the text that is read, or of one that had escapes.
pub(super) trait Text<'a>: From<&'a str> + From<String> {}

impl<'a, S: From<&'a str> + From<String>> Text<'a> for S {}

/// Room for an object's members at first.
const MEMBERS: usize = 4;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn document<S: Text<'a>>(&mut self) -> Result<Json<S>, Fault> {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        let value = self.value(0)?;
        match self.next_token() {
            None => Ok(value),
            Some(_) => Err("text goes on after the end of the value"),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over white space; the byte after it.
    fn next_token(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn value<S: Text<'a>>(&mut self, depth: usize) -> Result<Json<S>, Fault> {
        match self.next_token() {
            Some(b'"') => match self.string()? {
                (text, true) => Ok(Json::String(text)),
                (_, false) => Ok(Json::BadString),
            },
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'-' | b'0'..=b'9') => match number_len(&self.text.as_bytes()[self.at..]) {
                Ok(len) => {
                    let start = self.at;
                    self.at += len;
                    Ok(Json::Number(self.text[start..self.at].into()))
                }
                Err(len) => {
                    self.at += len;
                    Err("a digit was expected")
                }
            },
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err("a value was expected"),
            None => Err("the text ends where a value was expected"),
        }
    }

    fn word<S>(&mut self, word: &str, value: Json<S>) -> Result<Json<S>, Fault> {
        if !self.text[self.at..].starts_with(word) {
            return Err("a value was expected");
        }
        self.at += word.len();
        Ok(value)
    }

    fn enter(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > JSON_DEPTH_MAX {
            return Err("objects and lists are nested too deeply");
        }
        self.at += 1;
        Ok(())
    }

    fn array<S: Text<'a>>(&mut self, depth: usize) -> Result<Json<S>, Fault> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.next_token() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            match self.next_token() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                _ => return Err("a comma or the end of the list was expected"),
            }
        }
    }

    fn object<S: Text<'a>>(&mut self, depth: usize) -> Result<Json<S>, Fault> {
        self.enter(depth)?;
        if self.next_token() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(Vec::new()));
        }
        let mut members = Vec::with_capacity(MEMBERS);
        loop {
            if self.next_token() != Some(b'"') {
                return Err("a key in double quotes was expected");
            }
            let (key, _) = self.string()?;
            if self.next_token() != Some(b':') {
                return Err("a colon was expected");
            }
            self.at += 1;
            members.push((key, self.value(depth)?));
            match self.next_token() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(members));
                }
                _ => return Err("a comma or the end of the object was expected"),
            }
        }
    }

    /// Reads a string, from its opening quote. The flag is false if it holds an unpaired surrogate, which is then U+FFFD
    /// in the text.
    fn string<S: Text<'a>>(&mut self) -> Result<(S, bool), Fault> {
        self.at += 1;
        let start = self.at;
        self.at += plain_len(&self.text.as_bytes()[start..]);
        let plain = &self.text[start..self.at];
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok((plain.into(), true));
        }
        let mut out = plain.to_owned();
        let mut whole = true;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok((out.into(), whole));
                }
                Some(b'\\') => match self.escape()? {
                    Some(c) => out.push(c),
                    None => {
                        out.push(char::REPLACEMENT_CHARACTER);
                        whole = false;
                    }
                },
                Some(_) => return Err("a control character in a string must be escaped"),
                None => return Err("the text ends inside a string"),
            }
            let run = self.at;
            self.at += plain_len(&self.text.as_bytes()[run..]);
            out.push_str(&self.text[run..self.at]);
        }
    }

    /// Reads an escape, from its backslash; `None` for an unpaired surrogate.
    fn escape(&mut self) -> Result<Option<char>, Fault> {
        let c = match self.text.as_bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.unit(self.at).ok_or("four hexadecimal digits were expected after \\u")?;
                let next = self.at + 6;
                self.at = next;
                if !(0xd800..0xdc00).contains(&unit) {
                    return Ok(char::from_u32(unit));
                }
                return Ok(match self.unit(next) {
                    Some(low @ 0xdc00..0xe000) => {
                        self.at = next + 6;
                        char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
                    }
                    _ => None,
                });
            }
            _ => return Err("an escape that JSON does not have"),
        };
        self.at += 2;
        Ok(Some(c))
    }

    /// The UTF-16 unit that an escape `\uXXXX` at that place stands for, if there is one.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, &b| Some(unit * 16 + char::from(b).to_digit(16)?))
    }
}

/// The length of the number that the bytes start with; on error, how far it was one.
pub(super) fn number_len(bytes: &[u8]) -> Result<usize, usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at += digits(at),
        _ => return Err(at),
    }
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        match digits(at) {
            0 => return Err(at),
            n => at += n,
        }
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        match digits(at) {
            0 => return Err(at),
            n => at += n,
        }
    }
    Ok(at)
}

/// How many bytes come before the first quote, backslash or control character. Eight bytes at a time: this is where the
/// reader spends its time.
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // A byte's high bit is set where the byte is below `limit`; a borrow can only falsify bytes above a true one.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let (chunks, tail) = bytes.as_chunks::<8>();
    let mut at = 0;
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        let hits = below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1) | below(word, 0x20);
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + tail.iter().take_while(|&&b| b != b'"' && b != b'\\' && b >= 0x20).count()
}
