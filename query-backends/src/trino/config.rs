//! How Trino is reached: the section `[trino]` of `muster.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use store::Secret;

/// How Trino is reached. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrinoConfig {
    /// `http://host:port` or `https://…`.
    pub url: String,
    /// The user that queries run as.
    pub user: String,
    /// With it, basic authentication; only over TLS.
    pub password: Option<Secret>,
    /// A JSON web token in place of a password; only over TLS.
    pub token: Option<Secret>,
    /// A file of certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The catalog of the lake.
    #[serde(default = "catalog")]
    pub catalog: String,
    /// Its name for the catalog of the Hive connector in which Muster makes tables over events that somebody else writes; without it they are not read.
    #[serde(default)]
    pub hive_catalog: Option<String>,
    /// Session properties, by name.
    #[serde(default)]
    pub session: BTreeMap<String, String>,
    /// Tags that resource groups can choose by.
    #[serde(default)]
    pub client_tags: Vec<String>,
    /// Whether large results come through its object store, where the server offers it.
    #[serde(default = "spooling")]
    pub spooling: bool,
    /// Segments of a spooled result that are fetched at once.
    #[serde(default = "segments_at_once")]
    pub segments_at_once: usize,
    /// Seconds without an answer after which a request is given up.
    #[serde(default = "request_timeout_s")]
    pub request_timeout_s: u64,
    /// Seconds that requests that may be repeated are repeated for, while Trino is away or busy.
    #[serde(default = "retry_for_s")]
    pub retry_for_s: u64,
    /// Seconds that a query may run, once Trino has begun with it; `query_max_execution_time` in `session` goes before.
    #[serde(default = "query_timeout_s")]
    pub query_timeout_s: u64,
}

impl TrinoConfig {
    /// A server and a user; the rest as it is when nothing is said.
    pub fn new(url: impl Into<String>, user: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            user: user.into(),
            password: None,
            token: None,
            ca_file: None,
            catalog: catalog(),
            hive_catalog: None,
            session: BTreeMap::new(),
            client_tags: Vec::new(),
            spooling: spooling(),
            segments_at_once: segments_at_once(),
            request_timeout_s: request_timeout_s(),
            retry_for_s: retry_for_s(),
            query_timeout_s: query_timeout_s(),
        }
    }

    /// The Trino that `scripts/engines` started, for tests and benchmarks.
    ///
    /// # Errors
    ///
    /// As [`store::engines::setting`].
    pub fn of_engines() -> Result<Self, String> {
        use store::engines::setting;
        let config = Self::new(setting("MUSTER_TRINO_URL")?, setting("MUSTER_TRINO_USER")?);
        Ok(Self { catalog: setting("MUSTER_TRINO_CATALOG")?, hive_catalog: Some(setting("MUSTER_TRINO_HIVE_CATALOG")?), ..config })
    }
}

fn catalog() -> String {
    "lake".to_owned()
}

fn spooling() -> bool {
    true
}

fn segments_at_once() -> usize {
    4
}

fn request_timeout_s() -> u64 {
    60
}

fn retry_for_s() -> u64 {
    120
}

fn query_timeout_s() -> u64 {
    600
}
