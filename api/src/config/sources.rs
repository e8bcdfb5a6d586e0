//! Settings from the environment and from flags, and which of them win.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use segment_core::names;

use super::keys::{FILE_SUFFIX, KEYS, Key, Kind, SECTIONS, VARIABLE_PREFIX, find};
use super::value::{self, Value};
use super::{Entry, Fault, Given, Origin, Setting};

/// Bytes of a file that holds one secret.
const SECRET_BYTES_MAX: u64 = 1 << 16;

/// The settings in the environment. A variable of Muster's sections that names no key is a fault; an empty one is not set.
pub(super) fn environment(variables: &[(OsString, OsString)], faults: &mut Vec<Fault>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|n| is_ours(n)) else { continue };
        if value.is_empty() {
            continue;
        }
        let secret = name.strip_suffix(&FILE_SUFFIX.to_ascii_uppercase()).and_then(of_variable).filter(|k| k.kind.is_secret());
        let Some(value) = value.to_str() else {
            faults.push(Fault { place: format!("${name}"), message: "its value is not UTF-8".to_owned(), hint: None });
            continue;
        };
        let origin = Origin::Variable(name.to_owned());
        match (of_variable(name), secret) {
            (Some(key), _) => settings.extend(given(key, value, origin, faults)),
            (None, Some(key)) => settings.push(Setting { key, given: Given::SecretFile(value.into()), origin }),
            (None, None) => {
                let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
                faults.push(Fault {
                    place: format!("${name}"),
                    message: "there is no such setting".to_owned(),
                    hint: names::nearest(name, known.iter().map(String::as_str)),
                });
            }
        }
    }
    settings
}

/// Whether a variable is one of a section's.
fn is_ours(name: &str) -> bool {
    let rest = name.strip_prefix(VARIABLE_PREFIX).unwrap_or_default();
    SECTIONS.iter().any(|s| rest.strip_prefix(&s.to_ascii_uppercase()).is_some_and(|r| r.starts_with('_')))
}

fn of_variable(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.variable() == name)
}

/// A setting from text.
pub(super) fn given(key: &'static Key, text: &str, origin: Origin, faults: &mut Vec<Fault>) -> Option<Setting> {
    match value::from_text(key.kind, text) {
        Ok(value) => Some(Setting { key, given: Given::Value(value), origin }),
        Err(message) => {
            faults.push(Fault { place: origin.to_string(), message: format!("{} is refused: {message}", key.path()), hint: None });
            None
        }
    }
}

/// The settings of `--setting SECTION.KEY=VALUE`.
pub(super) fn flags(texts: &[String], faults: &mut Vec<Fault>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for text in texts {
        let (path, value) = text.split_once('=').unwrap_or((text, ""));
        let (section, name) = path.split_once('.').unwrap_or((path, ""));
        let origin = Origin::Flag(format!("--setting {path}"));
        let secret = name.strip_suffix(FILE_SUFFIX).and_then(|name| find(section, name)).filter(|k| k.kind.is_secret());
        match (find(section, name), secret) {
            (Some(key), _) => settings.extend(given(key, value, origin, faults)),
            (None, Some(key)) if !value.is_empty() => settings.push(Setting { key, given: Given::SecretFile(value.into()), origin }),
            _ => {
                let known: Vec<String> = KEYS.iter().map(Key::path).collect();
                let hint = names::nearest(path, known.iter().map(String::as_str));
                faults.push(Fault { place: origin.to_string(), message: "there is no such setting".to_owned(), hint });
            }
        }
    }
    settings
}

/// What holds of settings in ascending precedence: the last of each key, secrets read from their files.
pub(super) fn merged(layers: Vec<Vec<Setting>>, faults: &mut Vec<Fault>) -> BTreeMap<String, Entry> {
    let mut last: BTreeMap<String, Setting> = BTreeMap::new();
    for layer in layers {
        let mut seen: BTreeMap<String, Origin> = BTreeMap::new();
        for setting in layer {
            let path = setting.key.path();
            if let Some(before) = seen.insert(path.clone(), setting.origin.clone())
                && !matches!(setting.origin, Origin::Flag(_))
            {
                let message = format!("{path} is given twice: here and by {before}");
                faults.push(Fault { place: setting.origin.to_string(), message, hint: None });
            }
            last.insert(path, setting);
        }
    }
    let mut entries = BTreeMap::new();
    for (path, setting) in last {
        let (key, origin) = (setting.key, setting.origin);
        match setting.given {
            Given::Value(value) => {
                entries.insert(path, Entry { key, value, origin });
            }
            Given::SecretFile(file) => match secret(key.kind, &file) {
                Ok(value) => {
                    entries.insert(path, Entry { key, value, origin: Origin::SecretFile(file, Box::new(origin)) });
                }
                Err(message) => faults.push(Fault { place: origin.to_string(), message: format!("{path}: {message}"), hint: None }),
            },
        }
    }
    entries
}

/// The secret in a file, without the newline at its end.
fn secret(kind: Kind, file: &Path) -> Result<Value, String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|f| f.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", file.display()))?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("{} is larger than {} KiB", file.display(), SECRET_BYTES_MAX >> 10));
    }
    value::from_text(kind, text.trim_end_matches(['\n', '\r'])).map_err(|e| format!("{}: {e}", file.display()))
}
