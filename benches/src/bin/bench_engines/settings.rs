//! Where the engines are, as `scripts/engines` puts it into the environment.

use muster_benches::Result;
use query_backends::TrinoConfig;
use store::{LakeConfig, S3Config, Secret, StoreConfig};

/// Trino, and the lake that its catalog reads.
pub struct Settings {
    pub trino: TrinoConfig,
    pub store: StoreConfig,
}

/// Reads them; fails with the variable that is not set.
pub fn read() -> Result<Settings> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set; see docs/engines.md"));
    let s3 = S3Config {
        endpoint: Some(setting("MUSTER_S3_ENDPOINT")?),
        region: setting("MUSTER_S3_REGION")?,
        bucket: None,
        access_key: Some(setting("MUSTER_S3_ACCESS_KEY")?),
        secret_key: Some(Secret::new(setting("MUSTER_S3_SECRET_KEY")?)),
        path_style: setting("MUSTER_S3_PATH_STYLE")? == "true",
    };
    let lake = LakeConfig {
        warehouse: ["s3://", &setting("MUSTER_S3_BUCKET")?, "/warehouse"].concat(),
        catalog_name: "muster".to_owned(),
        catalog_url: Secret::new(setting("MUSTER_POSTGRES_URL")?),
        s3,
    };
    let mut trino = TrinoConfig::new(setting("MUSTER_TRINO_URL")?, setting("MUSTER_TRINO_USER")?);
    trino.catalog = setting("MUSTER_TRINO_CATALOG")?;
    Ok(Settings { trino, store: StoreConfig { lake: Some(lake), ..StoreConfig::default() } })
}
