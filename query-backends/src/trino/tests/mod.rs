//! The client against a real server: `MUSTER_TRINO_URL`, as `scripts/engines` sets it.

mod client;
mod faults;
mod proxy;

use crate::trino::TrinoConfig;
use crate::trino::client::{Client, Session};

/// The server's settings; none, said so, where there is no server.
fn config() -> Option<TrinoConfig> {
    match std::env::var("MUSTER_TRINO_URL") {
        Ok(url) => Some(TrinoConfig::new(url, "muster")),
        Err(_) => {
            println!("skipped: MUSTER_TRINO_URL is not set; see docs/engines.md");
            None
        }
    }
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
