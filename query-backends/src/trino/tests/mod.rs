//! The client and the backend against real engines, whose settings `scripts/engines` puts into the environment.

mod backend;
mod client;
mod faults;
mod outages;
mod own;
mod proxy;
mod tls;

use std::time::Duration;

use store::{LakeConfig, S3Config, Secret, StoreConfig};

use crate::trino::TrinoConfig;
use crate::trino::client::{Client, Session};

/// What takes this long hangs.
const HANGS: Duration = Duration::from_secs(120);

/// The value of a variable; none, said so, where it is not set.
fn setting(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        println!("skipped: {name} is not set; see docs/engines.md");
    }
    value
}

/// The server's settings.
fn config() -> Option<TrinoConfig> {
    Some(TrinoConfig::new(setting("MUSTER_TRINO_URL")?, "muster"))
}

/// A store with the lake that the server's catalog `lake` reads.
fn store_config() -> Option<StoreConfig> {
    store_config_of(setting)
}

/// The same by settings from elsewhere.
fn store_config_of(setting: impl Fn(&str) -> Option<String>) -> Option<StoreConfig> {
    let bucket = setting("MUSTER_S3_BUCKET")?;
    let s3 = S3Config {
        endpoint: setting("MUSTER_S3_ENDPOINT"),
        region: setting("MUSTER_S3_REGION")?,
        access_key: setting("MUSTER_S3_ACCESS_KEY"),
        secret_key: setting("MUSTER_S3_SECRET_KEY").map(Secret::new),
        path_style: setting("MUSTER_S3_PATH_STYLE")? == "true",
        bucket: None,
    };
    let lake = LakeConfig {
        warehouse: format!("s3://{bucket}/warehouse"),
        catalog_name: "muster".to_owned(),
        catalog_url: Secret::new(setting("MUSTER_POSTGRES_URL")?),
        s3,
    };
    Some(StoreConfig { lake: Some(lake), ..StoreConfig::default() })
}

/// A workspace's name that nobody has.
fn unique(name: &str) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("trino_{name}_{:x}", since.as_micros())
}

fn session() -> Session {
    Session { catalog: "tpch".to_owned(), schema: Some("sf1".to_owned()) }
}

/// How many queries run whose text has the mark.
async fn running(client: &Client, mark: &str) -> usize {
    let sql = "SELECT query FROM system.runtime.queries WHERE state NOT IN ('FINISHED', 'FAILED')";
    let texts = client.texts(sql, &session()).await.unwrap();
    texts.iter().filter(|text| text.contains(mark)).count()
}
