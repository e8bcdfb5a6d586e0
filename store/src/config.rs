//! Where a store keeps what is not in its directory: a lake that other engines share, and profiles in Cassandra.
//!
//! These are the sections `[lake]`, `[s3]`, `[postgres]` and `[cassandra]` of `muster.toml`. Unknown keys are refused.

use std::fmt;

use serde::Deserialize;

/// A password or key: never shown by `Debug`, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text, for whoever it is to be shown to.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"***\"")
    }
}

/// What a store has besides its directory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoreConfig {
    /// A lake that other engines share; `None`: Iceberg tables in the directory, with their catalog in its SQLite file.
    pub lake: Option<LakeConfig>,
    /// How events on S3 that somebody else writes are reached; `None`: as the lake is.
    pub s3: Option<S3Config>,
    /// Profiles in Cassandra; `None`: an embedded key-value store in the directory.
    pub cassandra: Option<CassandraConfig>,
}

/// A lake on S3 with its Iceberg catalog in Postgres, the tables of which are those of Trino's JDBC catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct LakeConfig {
    /// The folder of all tables, `s3://bucket/folder`.
    pub warehouse: String,
    /// The catalog's name, the same as Trino's `iceberg.jdbc-catalog.catalog-name`.
    pub catalog_name: String,
    /// The catalog's database, `postgres://user:password@host:port/database`.
    pub catalog_url: Secret,
    /// How the warehouse is reached.
    pub s3: S3Config,
}

/// How an object store that speaks S3 is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// `http://host:port` for anything but AWS; `None`: AWS.
    pub endpoint: Option<String>,
    /// The region.
    #[serde(default = "region")]
    pub region: String,
    /// The bucket that the lake is in where `[lake]` names no warehouse.
    pub bucket: Option<String>,
    /// `None`, with the secret: what the environment of AWS says (variables, web identity, instance).
    pub access_key: Option<String>,
    /// The secret to it.
    pub secret_key: Option<Secret>,
    /// Whether buckets are folders of the address instead of hosts.
    #[serde(default)]
    pub path_style: bool,
}

fn region() -> String {
    "us-east-1".to_owned()
}

/// How Cassandra is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CassandraConfig {
    /// `host:port` of some nodes; the others are found through them.
    pub contact_points: Vec<String>,
    /// The datacenter whose nodes are asked.
    pub local_datacenter: Option<String>,
    /// `None`, with the password: no authentication.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// Begins the name of each workspace's keyspace.
    #[serde(default = "keyspace_prefix")]
    pub keyspace_prefix: String,
    /// Copies of each row in the local datacenter, for keyspaces yet to be made.
    #[serde(default = "replicas")]
    pub replicas: u32,
    /// Seconds that the columnar mirror may be behind before a query has it follow; how old it is shows in `explain`.
    #[serde(default = "mirror_age_max_s")]
    pub mirror_age_max_s: u64,
    /// Seconds that it may be behind where it cannot follow; beyond, no state is pinned.
    #[serde(default = "mirror_behind_max_s")]
    pub mirror_behind_max_s: u64,
    /// Seconds that the table of profiles in a shared lake may be behind; then it is made anew before others read it.
    #[serde(default = "shared_behind_max_s")]
    pub shared_behind_max_s: u64,
}

impl CassandraConfig {
    /// Some nodes; the rest as it is when nothing is said.
    pub fn new(contact_points: Vec<String>) -> Self {
        Self {
            contact_points,
            local_datacenter: None,
            user: None,
            password: None,
            keyspace_prefix: keyspace_prefix(),
            replicas: replicas(),
            mirror_age_max_s: mirror_age_max_s(),
            mirror_behind_max_s: mirror_behind_max_s(),
            shared_behind_max_s: shared_behind_max_s(),
        }
    }
}

fn keyspace_prefix() -> String {
    "muster_".to_owned()
}

fn replicas() -> u32 {
    1
}

fn mirror_age_max_s() -> u64 {
    5
}

fn mirror_behind_max_s() -> u64 {
    3600
}

fn shared_behind_max_s() -> u64 {
    900
}
