//! The values that hold, as each part of Muster takes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use store::{CassandraConfig, LakeConfig, S3Config, Secret, StoreConfig};

use super::keys::Key;
use super::value::Value;
use super::{Entry, Fault};

/// What `[parquet]` says.
#[cfg(any(feature = "parquet", test))]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ParquetSettings {
    pub(crate) memory_mib: u64,
    /// `None`: all processors.
    pub(crate) threads: Option<u64>,
    pub(crate) spill_dir: Option<PathBuf>,
    pub(crate) spill_mib: u64,
    pub(crate) footers_mib: u64,
}

/// The configuration that holds.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    file: Option<PathBuf>,
    entries: BTreeMap<String, Entry>,
    /// What a store has besides its directory.
    pub(crate) store: StoreConfig,
    /// `None` where no Trino is configured.
    #[cfg(feature = "trino")]
    pub(crate) trino: Option<query_backends::TrinoConfig>,
}

impl Settings {
    /// Typed settings of entries; what does not go together is a fault.
    pub(super) fn new(file: Option<PathBuf>, entries: BTreeMap<String, Entry>, faults: &mut Vec<Fault>) -> Self {
        let mut settings = Self {
            file,
            entries,
            store: StoreConfig::default(),
            #[cfg(feature = "trino")]
            trino: None,
        };
        settings.both("s3.access_key", "s3.secret_key", faults);
        settings.both("cassandra.user", "cassandra.password", faults);
        settings.store.lake = settings.lake(faults);
        settings.store.s3 = settings.section::<S3Config>("s3", faults);
        if settings.is_set("cassandra.contact_points") {
            settings.store.cassandra = settings.section::<CassandraConfig>("cassandra", faults);
        } else {
            settings.needless("cassandra", "contact_points", faults);
        }
        if !settings.is_set("trino.url") {
            settings.needless("trino", "url", faults);
        } else if let (Some(a), Some(b)) = (settings.entry("trino.password"), settings.entry("trino.token")) {
            let message = format!("trino.password is given as well, by {}; Trino takes one of them", a.origin);
            faults.push(Fault { place: b.origin.to_string(), message, hint: None });
        }
        #[cfg(feature = "trino")]
        if settings.is_set("trino.url") {
            settings.trino = settings.section("trino", faults);
        }
        settings
    }

    /// The file that was read, if any.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Every key with the value that holds, `None` where there is none, in the order of the table.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static Key, Option<&Entry>)> {
        super::keys::KEYS.iter().map(|key| (key, self.entry(&key.path())))
    }

    /// What `[parquet]` says.
    #[cfg(any(feature = "parquet", test))]
    pub(crate) fn parquet(&self) -> ParquetSettings {
        let path = |name: &str| match self.value(name) {
            Some(Value::Path(path)) => Some(path.clone()),
            _ => None,
        };
        ParquetSettings {
            memory_mib: self.integer("parquet.memory_mib").unwrap_or_default(),
            threads: self.integer("parquet.threads"),
            spill_dir: path("parquet.spill_dir"),
            spill_mib: self.integer("parquet.spill_mib").unwrap_or_default(),
            footers_mib: self.integer("parquet.footers_mib").unwrap_or_default(),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self, path: &str) -> Option<u64> {
        match self.value(path) {
            Some(Value::Integer(n)) => Some(*n),
            _ => None,
        }
    }

    /// A list of texts; empty where there is none.
    pub(crate) fn texts(&self, path: &str) -> &[String] {
        match self.value(path) {
            Some(Value::Texts(items)) => items,
            _ => &[],
        }
    }

    /// Text that is no secret.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        match self.value(path) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    fn value(&self, path: &str) -> Option<&Value> {
        self.entry(path).map(|e| &e.value)
    }

    fn is_set(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// Two keys that are there together or not at all.
    fn both(&self, a: &str, b: &str, faults: &mut Vec<Fault>) {
        for (here, there) in [(a, b), (b, a)] {
            if let (Some(entry), None) = (self.entry(here), self.entry(there)) {
                let message = format!("{here} needs {there} beside it");
                faults.push(Fault { place: entry.origin.to_string(), message, hint: None });
            }
        }
    }

    /// Keys of a section that count for nothing without the one that turns it on.
    fn needless(&self, section: &str, needed: &str, faults: &mut Vec<Fault>) {
        let stated = |e: &&Entry| e.key.section == section && e.origin != super::Origin::Default;
        for entry in self.entries.values().filter(stated) {
            let message = format!("{} counts for nothing without {section}.{needed}", entry.key.path());
            faults.push(Fault { place: entry.origin.to_string(), message, hint: None });
        }
    }

    /// The shared lake: there is one where there is a catalog for it and a place.
    fn lake(&self, faults: &mut Vec<Fault>) -> Option<LakeConfig> {
        let bucket = self.text("s3.bucket").map(|b| format!("s3://{b}/warehouse"));
        let warehouse = self.text("lake.warehouse").map(str::to_owned).or(bucket);
        match (warehouse, self.text("postgres.url")) {
            (Some(warehouse), Some(url)) => Some(LakeConfig {
                warehouse,
                catalog_name: self.text("lake.catalog_name").unwrap_or_default().to_owned(),
                catalog_url: Secret::new(url),
                s3: self.section::<S3Config>("s3", faults)?,
            }),
            (_, url) => {
                if let (Some(entry), None) = (self.entry("lake.warehouse"), url) {
                    let message = "a lake there needs a catalog: postgres.url is not set".to_owned();
                    faults.push(Fault { place: entry.origin.to_string(), message, hint: None });
                }
                None
            }
        }
    }

    /// A section as the type of its part.
    fn section<T: DeserializeOwned>(&self, section: &str, faults: &mut Vec<Fault>) -> Option<T> {
        let of_section = self.entries.values().filter(|e| e.key.section == section);
        let json: serde_json::Map<String, Json> = of_section.map(|e| (e.key.name.to_owned(), e.value.json())).collect();
        // Kinds were checked before; what fails here is a table of keys that does not fit the type, which a test holds.
        serde_json::from_value(Json::Object(json))
            .map_err(|e| faults.push(Fault { place: format!("[{section}]"), message: e.to_string(), hint: None }))
            .ok()
    }
}

impl Entry {
    /// For whoever looks: without secrets.
    pub(crate) fn shown(&self) -> Json {
        self.value.shown(self.key.kind)
    }
}
