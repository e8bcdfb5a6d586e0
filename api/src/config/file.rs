//! Reading `muster.toml`: settings with their places, and every fault at once.

use std::ops::Range;
use std::path::{Path, PathBuf};

use segment_core::names;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{FILE_SUFFIX, KEYS, Key, Kind, SECTIONS, find};
use super::value::{self, Value};
use super::{Fault, Given, Origin, Setting};

/// Bytes of a configuration file, far above what all keys need.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

/// The settings of a file's text; faults are added to `faults`.
pub(super) fn read(path: &Path, text: &str, faults: &mut Vec<Fault>) -> Vec<Setting> {
    let mut file = File { path, text, settings: Vec::new(), faults };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        file.fault(error.span(), format!("this is not TOML: {}", error.message()), None);
    }
    // What a broken line means is not guessed.
    if errors.is_empty() {
        file.sections(document.get_ref());
    }
    file.settings
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    settings: Vec<Setting>,
    faults: &'a mut Vec<Fault>,
}

impl File<'_> {
    fn sections(&mut self, document: &DeTable<'_>) {
        for (name, section) in in_order(document) {
            let known = SECTIONS.iter().find(|s| **s == name.get_ref().as_ref());
            match (known, section.get_ref()) {
                (Some(known), DeValue::Table(table)) => self.section(known, table),
                (Some(known), _) => self.fault(Some(name.span()), format!("[{known}] is a section, not a value"), None),
                (None, value) => {
                    let what = if value.is_table() { "section" } else { "key outside of a section" };
                    let hint = names::nearest(name.get_ref(), SECTIONS);
                    self.fault(Some(name.span()), format!("there is no {what} \"{}\"", name.get_ref()), hint);
                }
            }
        }
    }

    fn section(&mut self, section: &'static str, table: &DeTable<'_>) {
        for (name, value) in in_order(table) {
            let text = name.get_ref().as_ref();
            let secret = text.strip_suffix(FILE_SUFFIX).and_then(|name| find(section, name)).filter(|k| k.kind.is_secret());
            match (find(section, text), secret) {
                (Some(key), _) => self.value(key, key.kind, name, value, Given::Value),
                (None, Some(key)) => self.value(key, Kind::Path, name, value, |v| match v {
                    Value::Path(path) => Given::SecretFile(path),
                    other => Given::Value(other),
                }),
                (None, None) => self.unknown(section, name),
            }
        }
    }

    fn value(
        &mut self,
        key: &'static Key,
        kind: Kind,
        name: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
        given: impl Fn(Value) -> Given,
    ) {
        match value::from_toml(kind, value.get_ref()) {
            Ok(value) => {
                let origin = Origin::File(self.path.to_owned(), self.position(name.span().start).0);
                self.settings.push(Setting { key, given: given(self.beside_file(value)), origin });
            }
            Err(message) => {
                let message = format!("{}.{} is refused: {message}", key.section, name.get_ref().as_ref());
                self.fault(Some(value.span()), message, None);
            }
        }
    }

    fn unknown(&mut self, section: &str, name: &Spanned<impl AsRef<str>>) {
        let text = name.get_ref().as_ref();
        // A key of another section is more help than one that is merely spelled alike.
        let elsewhere = KEYS.iter().find(|k| k.name == text).map(|k| format!("[{}] has it", k.section));
        let near = || names::nearest(text, KEYS.iter().filter(|k| k.section == section).map(|k| k.name));
        self.fault(Some(name.span()), format!("[{section}] has no key \"{text}\""), elsewhere.or_else(near));
    }

    /// A relative path starts where the file is.
    fn beside_file(&self, value: Value) -> Value {
        match (value, self.path.parent()) {
            (Value::Path(path), Some(folder)) => Value::Path(joined(folder, path)),
            (value, _) => value,
        }
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }

    fn fault(&mut self, span: Option<Range<usize>>, message: String, hint: Option<String>) {
        let place = span.map_or_else(String::new, |s| {
            let (line, column) = self.position(s.start);
            format!(":{line}:{column}")
        });
        self.faults.push(Fault { place: format!("{}{place}", self.path.display()), message, hint });
    }
}

fn joined(folder: &Path, path: PathBuf) -> PathBuf {
    if path.is_absolute() { path } else { folder.join(path) }
}

/// A table's entries in the order of the file.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        read(Path::new("/etc/muster.toml"), text, &mut faults);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn says_the_place_and_the_nearest_name() {
        for (text, fault) in [
            ("[trino]\nurll = \"x\"", "/etc/muster.toml:2:1: [trino] has no key \"urll\" (did you mean \"url\"?)"),
            ("[trinno]\nurl = 1", "/etc/muster.toml:1:2: there is no section \"trinno\" (did you mean \"trino\"?)"),
            ("url = 1", "/etc/muster.toml:1:1: there is no key outside of a section \"url\""),
            ("s3 = 1", "/etc/muster.toml:1:1: [s3] is a section, not a value"),
            ("[trino]\n  bucket = \"x\"", "/etc/muster.toml:2:3: [trino] has no key \"bucket\" ([s3] has it)"),
            ("[trino]\nurl = \"h:1\"", "/etc/muster.toml:2:7: trino.url is refused: it has to be an address, http://… or https://…"),
            ("[s3]\npath_style = 1", "/etc/muster.toml:2:14: s3.path_style is refused: it has to be true or false"),
            ("[s3]\nregion_file = \"x\"", "/etc/muster.toml:2:1: [s3] has no key \"region_file\" (did you mean \"region\"?)"),
        ] {
            assert_eq!(faults(text), [fault]);
        }
    }

    #[test]
    fn all_faults_at_once() {
        assert_eq!(faults("[a]\n[s3]\nb = 1\nregion = 2\n").len(), 3);
        assert_eq!(faults("[s3\n").len(), 1);
        assert_eq!(faults("[s3]\nregion = \"a\"\nregion = \"b\"\n").len(), 1);
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let mut none = Vec::new();
        let text = "[trino]\nca_file = \"ca.pem\"\npassword_file = \"/run/x\"\ntoken_file = \"t\"";
        let settings = read(Path::new("/etc/muster.toml"), text, &mut none);
        let given: Vec<&Given> = settings.iter().map(|s| &s.given).collect();
        assert_eq!(
            given,
            [&Given::Value(Value::Path("/etc/ca.pem".into())), &Given::SecretFile("/run/x".into()), &Given::SecretFile("/etc/t".into())]
        );
        assert!(none.is_empty());
    }
}
