//! The configuration: `muster.toml`, then the environment, then flags; the later wins.
//!
//! In: [`Sources`], what the command line and the environment say. Out: [`Settings`], every value with where it came from, and the
//! typed settings of each part. Invariants: every fault is reported at once, with its place; an unknown key is a fault; a secret is
//! never shown. Deliberately absent: trying the connections (`commands::config::check`).

mod file;
pub(crate) mod keys;
mod settings;
mod sources;
mod value;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use settings::Settings;
pub(crate) use value::without_password;

use keys::{Key, find};
use value::Value;

/// The variable that names the configuration file.
pub(crate) const CONFIG_VARIABLE: &str = "MUSTER_CONFIG";
/// The configuration file of a data directory.
const FILE_NAME: &str = "muster.toml";

/// What is wrong with the configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// A file with line and column, a variable, or a flag.
    pub(crate) place: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    /// A file, and the line.
    File(PathBuf, usize),
    Variable(String),
    Flag(String),
    /// A file that holds the secret, and what named it.
    SecretFile(PathBuf, Box<Origin>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => write!(f, "${name}"),
            Origin::Flag(name) => f.write_str(name),
            Origin::SecretFile(path, by) => write!(f, "{}, named by {by}", path.display()),
        }
    }
}

/// A value, or the file with it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    Value(Value),
    SecretFile(PathBuf),
}

/// One setting as it was given.
#[derive(Debug, Clone)]
struct Setting {
    key: &'static Key,
    given: Given,
    origin: Origin,
}

/// A key with the value that holds.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: &'static Key,
    value: Value,
    pub(crate) origin: Origin,
}

/// Where settings are looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// The file that `--config` names.
    pub(crate) file: Option<PathBuf>,
    /// The data directory, whose `muster.toml` counts where nothing else names a file.
    pub(crate) data: Option<PathBuf>,
    /// The environment.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// `SECTION.KEY=VALUE`, as `--setting` takes them.
    pub(crate) settings: Vec<String>,
    /// Flags of their own: the flag, the key's section and name, the value.
    pub(crate) flags: Vec<(&'static str, (&'static str, &'static str), String)>,
}

impl Sources {
    /// The settings that hold.
    ///
    /// # Errors
    ///
    /// Every fault.
    pub(crate) fn load(&self) -> Result<Settings, Vec<Fault>> {
        let mut faults = Vec::new();
        let defaults = keys::KEYS.iter().filter_map(|k| sources::given(k, k.default?, Origin::Default, &mut faults)).collect();
        let path = self.path();
        let file = path.as_deref().map_or_else(Vec::new, |path| read_file(path, &mut faults));
        let environment = sources::environment(&self.variables, &mut faults);
        let mut flags = sources::flags(&self.settings, &mut faults);
        for (flag, (section, name), text) in &self.flags {
            let key = find(section, name);
            flags.extend(key.and_then(|k| sources::given(k, text, Origin::Flag((*flag).to_owned()), &mut faults)));
        }
        let entries = sources::merged(vec![defaults, file, environment, flags], &mut faults);
        let settings = Settings::new(path, entries, &mut faults);
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    /// The configuration file: the one that is named must be there, a data directory may have one.
    fn path(&self) -> Option<PathBuf> {
        let variable = || {
            let found = self.variables.iter().find(|(name, value)| name == CONFIG_VARIABLE && !value.is_empty());
            found.map(|(_, value)| PathBuf::from(value))
        };
        let of_data = || self.data.as_ref().map(|d| d.join(FILE_NAME)).filter(|p| p.exists());
        self.file.clone().or_else(variable).or_else(of_data)
    }
}

fn read_file(path: &Path, faults: &mut Vec<Fault>) -> Vec<Setting> {
    match crate::context::read_bytes(path, file::FILE_BYTES_MAX).map(String::from_utf8) {
        Ok(Ok(text)) => file::read(path, &text, faults),
        Ok(Err(e)) => {
            let message = format!("byte {} is not UTF-8", e.utf8_error().valid_up_to());
            faults.push(Fault { place: path.display().to_string(), message, hint: None });
            Vec::new()
        }
        Err(failure) => {
            faults.push(Fault { place: "the configuration".to_owned(), message: failure.to_string(), hint: None });
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
