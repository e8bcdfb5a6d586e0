//! The engines that `scripts/engines` started, as it puts them into the environment: for tests and benchmarks, here and in the crates above.
//!
//! The binary does not read these; what it is configured by has the same names.

use crate::config::{CassandraConfig, LakeConfig, S3Config, Secret};

/// The value of a variable.
///
/// # Errors
///
/// What is not set, and where it is told how to set it.
pub fn setting(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set; see docs/engines.md"))
}

/// The lake that Trino's catalog `lake` is.
///
/// # Errors
///
/// As [`setting`].
pub fn lake() -> Result<LakeConfig, String> {
    lake_of(setting)
}

/// The same by settings from elsewhere than the environment, for engines of a test's own.
///
/// # Errors
///
/// Those of `setting`.
pub fn lake_of(setting: impl Fn(&str) -> Result<String, String>) -> Result<LakeConfig, String> {
    let bucket = setting("MUSTER_S3_BUCKET")?;
    let s3 = S3Config {
        endpoint: Some(setting("MUSTER_S3_ENDPOINT")?),
        region: setting("MUSTER_S3_REGION")?,
        access_key: Some(setting("MUSTER_S3_ACCESS_KEY")?),
        secret_key: Some(Secret::new(setting("MUSTER_S3_SECRET_KEY")?)),
        path_style: setting("MUSTER_S3_PATH_STYLE")? == "true",
        bucket: Some(bucket.clone()),
    };
    Ok(LakeConfig {
        warehouse: format!("s3://{bucket}/warehouse"),
        catalog_name: "muster".to_owned(),
        catalog_url: Secret::new(setting("MUSTER_POSTGRES_URL")?),
        s3,
    })
}

/// Cassandra, with a mirror that every query has follow and keyspaces that begin with `keyspace_prefix`.
///
/// # Errors
///
/// As [`setting`].
pub fn cassandra(keyspace_prefix: impl Into<String>) -> Result<CassandraConfig, String> {
    cassandra_of(keyspace_prefix, setting)
}

/// The same by settings from elsewhere than the environment, for engines of a test's own.
///
/// # Errors
///
/// Those of `setting`.
pub fn cassandra_of(
    keyspace_prefix: impl Into<String>,
    setting: impl Fn(&str) -> Result<String, String>,
) -> Result<CassandraConfig, String> {
    let points = setting("MUSTER_CASSANDRA_CONTACT_POINTS")?;
    Ok(CassandraConfig {
        local_datacenter: Some(setting("MUSTER_CASSANDRA_LOCAL_DATACENTER")?),
        keyspace_prefix: keyspace_prefix.into(),
        mirror_age_max_s: 0,
        ..CassandraConfig::new(points.split(',').map(str::to_owned).collect())
    })
}
