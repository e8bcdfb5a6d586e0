//! The part of RE2's grammar after `(?`: names and flags.

use super::PatternError;
use super::classes::Fold;
use super::parse::Parser;

impl Parser {
    /// Refuses `?=`, `?!`, `?<=` and `?<!`.
    pub(super) fn look_around(&mut self, start: usize) -> Result<(), PatternError> {
        let behind = usize::from(self.peek() == Some('<'));
        if matches!(self.peek_at(behind), Some('=' | '!')) {
            self.at += behind + 1;
            return Err(self.error("looking ahead or behind is not in RE2's syntax", start));
        }
        Ok(())
    }

    /// `P<name>` or `<name>`; whether one is here.
    pub(super) fn named_group(&mut self, start: usize) -> Result<bool, PatternError> {
        match (self.peek(), self.peek_at(1)) {
            (Some('P'), Some('<')) => self.at += 2,
            (Some('<'), _) => self.at += 1,
            _ => return Ok(false),
        }
        let mut name = Vec::new();
        loop {
            let next = self.peek();
            self.at += 1;
            match next {
                Some('>') if !name.is_empty() => break,
                Some(char) if char != '>' => name.push(char),
                _ => return Err(self.error("invalid named group", start)),
            }
        }
        let word = ["Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Mn", "Mc", "Nd", "Pc"];
        for char in name {
            let allowed = char.is_ascii_alphanumeric() || word.iter().any(|category| self.named_contains(category, char));
            if !allowed {
                return Err(self.error("invalid named group", start));
            }
        }
        Ok(true)
    }

    fn named_contains(&mut self, name: &str, char: char) -> bool {
        self.named(name).is_some_and(|set| set.iter().any(|range| range.start() <= char && char <= range.end()))
    }

    /// `ims-U)` or `ims-U:`; whether it opens a group.
    pub(super) fn flag_group(&mut self, start: usize) -> Result<bool, PatternError> {
        let mut flags = self.flags;
        let mut on = true;
        let mut needs_flag = false;
        loop {
            let next = self.peek();
            self.at += 1;
            match next {
                Some('i') => flags.fold = if on { Fold::Simple } else { Fold::None },
                Some('m') => flags.multi_line = on,
                Some('s') => flags.dot_matches_line_feed = on,
                Some('U') => {}
                Some('-') if on => {
                    on = false;
                    needs_flag = true;
                    continue;
                }
                Some(end @ (':' | ')')) if !needs_flag => {
                    self.flags = flags;
                    return Ok(end == ':');
                }
                _ => return Err(self.error("invalid or unsupported group syntax", start)),
            }
            needs_flag = false;
        }
    }
}
