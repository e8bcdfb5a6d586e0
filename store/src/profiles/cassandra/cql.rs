//! CQL text: fixed words, quoted names, quoted text. Values are bound, never written.
//!
//! A word is `&'static str`, so nothing that comes from outside can stand where a word stands.

/// A statement under construction.
#[derive(Debug, Default)]
pub(crate) struct Cql {
    text: String,
}

impl Cql {
    /// Starts with a word.
    pub(crate) fn new(word: &'static str) -> Self {
        Self { text: word.to_owned() }
    }

    /// Fixed text.
    pub(crate) fn word(mut self, word: &'static str) -> Self {
        self.text.push(' ');
        self.text.push_str(word);
        self
    }

    /// A name, quoted: it keeps its case and may be any word.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.text.push(' ');
        quoted(&mut self.text, name, '"');
        self
    }

    /// A table of a keyspace.
    pub(crate) fn table(mut self, keyspace: &str, table: &str) -> Self {
        self.text.push(' ');
        quoted(&mut self.text, keyspace, '"');
        self.text.push('.');
        quoted(&mut self.text, table, '"');
        self
    }

    /// Names with commas between.
    pub(crate) fn names<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        for (i, name) in names.into_iter().enumerate() {
            if i > 0 {
                self.text.push(',');
            }
            self = self.name(name);
        }
        self
    }

    /// A text literal, for the places that take no bound values.
    pub(crate) fn literal(mut self, text: &str) -> Self {
        self.text.push(' ');
        quoted(&mut self.text, text, '\'');
        self
    }

    /// A whole number, for the places that take no bound values.
    pub(crate) fn number(mut self, number: u32) -> Self {
        self.text.push(' ');
        self.text.push_str(&number.to_string());
        self
    }

    /// The statement.
    pub(crate) fn build(self) -> String {
        self.text
    }
}

fn quoted(out: &mut String, text: &str, quote: char) {
    out.push(quote);
    for c in text.chars() {
        if c == quote {
            out.push(quote);
        }
        out.push(c);
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_text_are_quoted() {
        let cql =
            Cql::new("ALTER TABLE").table("a\"b", "t").word("ADD (").names(["Select", "x y"]).word(") WITH comment =").literal("it's");
        assert_eq!(cql.build(), "ALTER TABLE \"a\"\"b\".\"t\" ADD ( \"Select\", \"x y\" ) WITH comment = 'it''s'");
    }
}
