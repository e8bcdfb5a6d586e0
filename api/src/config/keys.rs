//! Every key of the configuration: the one table that the file, the environment, flags, `config show` and docs/configuration.md follow.

/// What a key's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, not empty.
    Text,
    /// An address that begins with one of these.
    Url(&'static [&'static str]),
    /// Text that is never shown. `<key>_file` names a file that holds it.
    Secret,
    /// An address with a password in it: shown without. `<key>_file` as for a secret.
    SecretUrl(&'static [&'static str]),
    /// A path; in a file, from the file's folder.
    Path,
    /// `true` or `false`.
    Boolean,
    /// A whole number, both ends included.
    Integer(u64, u64),
    /// A list of texts; in the environment and in flags with commas between.
    Texts,
    /// A list of some of these.
    Choices(&'static [&'static str]),
    /// A table of texts; in the environment and in flags `name=value` with commas between.
    Map,
}

impl Kind {
    /// What it is, for people.
    pub(crate) fn describe(self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Url(schemes) | Kind::SecretUrl(schemes) => format!("an address, {}…", schemes.join("… or ")),
            Kind::Secret => "text, a secret".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Boolean => "true or false".to_owned(),
            Kind::Integer(least, u64::MAX) => format!("a whole number from {least}"),
            Kind::Integer(least, most) => format!("a whole number from {least} to {most}"),
            Kind::Texts => "a list of texts".to_owned(),
            Kind::Choices(of) => format!("a list of {}", of.join(", ")),
            Kind::Map => "a table of texts".to_owned(),
        }
    }

    /// Whether the value may also be in a file of its own, named by `<key>_file`.
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Kind::Secret | Kind::SecretUrl(_))
    }
}

/// A key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The default, written as the environment would; `None`: there is none, and `meaning` says what then holds.
    pub(crate) default: Option<&'static str>,
    pub(crate) meaning: &'static str,
}

impl Key {
    /// `section.name`.
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The variable of the environment that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}_{}", self.section, self.name).to_ascii_uppercase()
    }
}

/// How the names of Muster's variables begin.
pub(crate) const VARIABLE_PREFIX: &str = "MUSTER_";
/// What the name of the file with a secret ends in.
pub(crate) const FILE_SUFFIX: &str = "_file";

/// The sections, in the order they are shown in.
pub(crate) const SECTIONS: [&str; 8] = ["s3", "postgres", "lake", "cassandra", "trino", "parquet", "router", "serve"];

const HTTP: &[&str] = &["http://", "https://"];
const POSTGRES: &[&str] = &["postgres://", "postgresql://"];
const S3: &[&str] = &["s3://"];
/// Seconds that a key can state at most: a day.
const SECONDS_MAX: u64 = 86_400;
/// Mebibytes that a key can state at most: 16 TiB.
const MIB_MAX: u64 = 1 << 24;
const SECONDS: Kind = Kind::Integer(0, SECONDS_MAX);
const MS: Kind = Kind::Integer(0, 1000 * SECONDS_MAX);
const RATE: Kind = Kind::Integer(1, MIB_MAX);
/// What the router may choose from.
pub(crate) const BACKENDS: [&str; 4] = ["parquet", "memory", "trino", "cassandra"];
/// What it chooses from unless told otherwise; those that are not built or configured are passed over.
#[cfg(feature = "parquet")]
const BACKENDS_DEFAULT: &str = "parquet,trino,cassandra";
#[cfg(not(feature = "parquet"))]
const BACKENDS_DEFAULT: &str = "memory,trino,cassandra";

const fn key(section: &'static str, name: &'static str, kind: Kind, default: Option<&'static str>, meaning: &'static str) -> Key {
    Key { section, name, kind, default, meaning }
}

/// All keys, by section.
pub(crate) const KEYS: &[Key] = &[
    key("s3", "endpoint", Kind::Url(HTTP), None, "The object store's address; AWS if left out"),
    key("s3", "region", Kind::Text, Some("us-east-1"), "Its region"),
    key("s3", "bucket", Kind::Text, None, "The bucket of the lake, where `lake.warehouse` names none"),
    key("s3", "access_key", Kind::Text, None, "The access key; what AWS's own variables and instance roles say if left out"),
    key("s3", "secret_key", Kind::Secret, None, "The secret to it"),
    key("s3", "path_style", Kind::Boolean, Some("false"), "Whether buckets are folders of the address, as most servers but AWS want it"),
    key("postgres", "url", Kind::SecretUrl(POSTGRES), None, "The database of the lake's Iceberg catalog"),
    key("lake", "warehouse", Kind::Url(S3), None, "The folder of all tables; `s3://<s3.bucket>/warehouse` if left out"),
    key("lake", "catalog_name", Kind::Text, Some("muster"), "The Iceberg catalog's name, Trino's `iceberg.jdbc-catalog.catalog-name`"),
    key("cassandra", "contact_points", Kind::Texts, None, "`host:port` of some nodes; with it, profiles are in Cassandra"),
    key("cassandra", "local_datacenter", Kind::Text, None, "The datacenter whose nodes are asked; any if left out"),
    key("cassandra", "user", Kind::Text, None, "The user; no authentication if left out"),
    key("cassandra", "password", Kind::Secret, None, "The user's password"),
    key("cassandra", "keyspace_prefix", Kind::Text, Some("muster_"), "Begins the name of each workspace's keyspace"),
    key("cassandra", "replicas", Kind::Integer(1, 100), Some("1"), "Copies of each row, for keyspaces yet to be made"),
    key("cassandra", "mirror_age_max_s", SECONDS, Some("5"), "Seconds that the columnar mirror may be behind before a query has it follow"),
    key(
        "cassandra",
        "mirror_behind_max_s",
        SECONDS,
        Some("3600"),
        "Seconds that it may be behind where it cannot follow; beyond, queries are refused",
    ),
    key(
        "cassandra",
        "shared_behind_max_s",
        SECONDS,
        Some("900"),
        "Seconds that the table of profiles in a shared lake may be behind; then it is made anew before Trino reads it",
    ),
    key("trino", "url", Kind::Url(HTTP), None, "Trino's address; without it Trino is not used"),
    key("trino", "user", Kind::Text, Some("muster"), "The user that queries run as"),
    key("trino", "password", Kind::Secret, None, "The user's password; over TLS only"),
    key("trino", "token", Kind::Secret, None, "A JSON web token in place of a password; over TLS only"),
    key("trino", "ca_file", Kind::Path, None, "Certificates (PEM) to trust besides the system's"),
    key("trino", "catalog", Kind::Text, Some("lake"), "Trino's name for the catalog of the lake"),
    key(
        "trino",
        "hive_catalog",
        Kind::Text,
        None,
        "Trino's name for a catalog of the Hive connector, for events that somebody else writes",
    ),
    key("trino", "session", Kind::Map, None, "Session properties, by name"),
    key("trino", "client_tags", Kind::Texts, None, "Tags that resource groups can choose by"),
    key("trino", "spooling", Kind::Boolean, Some("true"), "Whether large results come through Trino's object store, where it offers that"),
    key("trino", "segments_at_once", Kind::Integer(1, 256), Some("4"), "Segments of such a result fetched at once"),
    key(
        "trino",
        "request_timeout_s",
        Kind::Integer(1, SECONDS_MAX),
        Some("60"),
        "Seconds without an answer after which a request is given up",
    ),
    key(
        "trino",
        "retry_for_s",
        Kind::Integer(0, SECONDS_MAX),
        Some("120"),
        "Seconds that requests are repeated for while Trino is away or busy",
    ),
    key(
        "trino",
        "query_timeout_s",
        Kind::Integer(1, SECONDS_MAX),
        Some("600"),
        "Seconds that a query may run in Trino, its queue not counted",
    ),
    key(
        "parquet",
        "memory_mib",
        Kind::Integer(1, MIB_MAX),
        Some("2048"),
        "MiB of memory for queries, before they spill to disk (`--memory`)",
    ),
    key("parquet", "threads", Kind::Integer(1, 4096), None, "Threads (`--threads`); all processors if left out"),
    key("parquet", "spill_dir", Kind::Path, None, "Where queries spill; the system's folder for temporary files if left out"),
    key("parquet", "spill_mib", Kind::Integer(0, MIB_MAX), Some("102400"), "MiB that they may spill"),
    key("parquet", "footers_mib", Kind::Integer(0, MIB_MAX), Some("256"), "MiB of Parquet footers remembered between queries"),
    key(
        "router",
        "backends",
        Kind::Choices(&BACKENDS),
        Some(BACKENDS_DEFAULT),
        "The backends to choose from, the first where all else is equal",
    ),
    key("router", "fresh_within_s", SECONDS, Some("60"), "Profiles that are behind by this at most count as fresh"),
    key("router", "rest_s", SECONDS, Some("10"), "Seconds that a backend which was down is asked last"),
    key("router", "explain_timeout_s", SECONDS, Some("5"), "Seconds that a backend may take to explain what another runs"),
    key("router", "parquet_start_ms", MS, Some("20"), "Milliseconds that the smallest query takes by `parquet`"),
    key("router", "parquet_mib_per_s", RATE, Some("400"), "MiB of the files that a query needs, in a second"),
    key("router", "memory_start_ms", MS, Some("5"), "The smallest query by `memory`, which reads every event there is"),
    key("router", "memory_mib_per_s", RATE, Some("5"), "The same of `memory`"),
    key("router", "trino_start_ms", MS, Some("700"), "The smallest query by `trino`"),
    key("router", "trino_mib_per_s", RATE, Some("400"), "The same of `trino`"),
    key("router", "cassandra_start_ms", MS, Some("20"), "The smallest query by `cassandra`"),
    key("router", "cassandra_mib_per_s", RATE, Some("5"), "The same of `cassandra`, in bytes of the profiles' columnar form"),
    key("serve", "listen", Kind::Text, Some("127.0.0.1:8420"), "The address and port that `muster serve` listens on (`--listen`)"),
    key(
        "serve",
        "publish_ms",
        Kind::Integer(1, 1000 * SECONDS_MAX),
        Some("250"),
        "Milliseconds that commits of collected messages begin apart at least; with a shared lake, 5000 or more make fewer files",
    ),
    key(
        "serve",
        "log_mib",
        Kind::Integer(64, MIB_MAX),
        Some("16384"),
        "MiB that a workspace's log may have before senders are told to wait",
    ),
    key(
        "serve",
        "key_requests_per_s",
        Kind::Integer(1, 1_000_000),
        Some("100"),
        "Requests to `/api/v1` that a key may make in a second, and at once",
    ),
    key("serve", "stop_delay_ms", MS, Some("0"), "Milliseconds that a server which stops is not ready and takes requests still"),
];

/// The key of that path.
pub(crate) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.section == section && k.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_distinct_and_of_known_sections() {
        let paths: BTreeSet<String> = KEYS.iter().map(Key::path).collect();
        let variables: BTreeSet<String> = KEYS.iter().map(Key::variable).collect();
        assert_eq!((paths.len(), variables.len()), (KEYS.len(), KEYS.len()));
        let sections: Vec<&str> = KEYS.iter().map(|k| k.section).fold(Vec::new(), |mut all, s| {
            if all.last() != Some(&s) {
                all.push(s);
            }
            all
        });
        assert_eq!(sections, SECTIONS);
    }

    #[test]
    fn no_key_is_taken_for_the_file_of_a_secret() {
        for key in KEYS {
            let of = key.name.strip_suffix(FILE_SUFFIX).and_then(|name| find(key.section, name));
            assert!(!of.is_some_and(|k| k.kind.is_secret()), "{}", key.path());
        }
    }
}
