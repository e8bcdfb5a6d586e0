//! What tests on a real Cassandra share.

use std::sync::Arc;

use super::Cassandra;

/// The Cassandra that tests use; none, said so, where no engines are started.
pub(crate) async fn connected() -> Option<Arc<Cassandra>> {
    let config = match crate::engines::cassandra("cassandra_t_") {
        Ok(config) => config,
        Err(error) => {
            println!("skipped: {error}");
            return None;
        }
    };
    Some(Cassandra::connect(&config).await.unwrap())
}

/// A workspace's name that nobody else has.
pub(crate) fn fresh_name(what: &str) -> String {
    format!("{what}-{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}
