//! The client and the backend against real engines, whose settings `scripts/engines` puts into the environment.

mod backend;
mod bound;
mod client;
mod faults;
mod outages;
mod own;
mod proxy;
mod tls;

use std::time::Duration;

use store::StoreConfig;

use crate::trino::TrinoConfig;
use crate::trino::client::{Client, Session};

/// What takes this long hangs.
const HANGS: Duration = Duration::from_secs(120);

/// What the environment says; none, said so, where it does not.
fn engine<T>(found: Result<T, String>) -> Option<T> {
    found.map_err(|error| println!("skipped: {error}")).ok()
}

/// The server's settings.
fn config() -> Option<TrinoConfig> {
    engine(TrinoConfig::of_engines())
}

/// A store with the lake that the server's catalog `lake` reads.
fn store_config() -> Option<StoreConfig> {
    Some(StoreConfig { lake: Some(engine(store::engines::lake())?), ..StoreConfig::default() })
}

/// A workspace's name that nobody has.
fn unique(name: &str) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("trino_{name}_{:x}", since.as_micros())
}

fn session() -> Session {
    Session { catalog: "tpch".to_owned(), schema: Some("sf1".to_owned()), ..Session::default() }
}

/// How many queries run whose text has the mark.
async fn running(client: &Client, mark: &str) -> usize {
    let sql = "SELECT query FROM system.runtime.queries WHERE state NOT IN ('FINISHED', 'FAILED')";
    let texts = client.texts(sql, &session()).await.unwrap();
    texts.iter().filter(|text| text.contains(mark)).count()
}
