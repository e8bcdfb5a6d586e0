//! What tests on a real Cassandra share.

use std::sync::Arc;

use super::Cassandra;
use crate::config::CassandraConfig;

/// The Cassandra that tests use; none, said so, where no engines are started.
pub(crate) async fn connected() -> Option<Arc<Cassandra>> {
    let Ok(points) = std::env::var("MUSTER_CASSANDRA_CONTACT_POINTS") else {
        println!("skipped: MUSTER_CASSANDRA_CONTACT_POINTS is not set; see docs/engines.md");
        return None;
    };
    let config = CassandraConfig {
        contact_points: points.split(',').map(str::to_owned).collect(),
        local_datacenter: std::env::var("MUSTER_CASSANDRA_LOCAL_DATACENTER").ok(),
        user: None,
        password: None,
        keyspace_prefix: "cassandra_t_".to_owned(),
        replicas: 1,
        mirror_age_max_s: 0,
    };
    Some(Cassandra::connect(&config).await.unwrap())
}

/// A workspace's name that nobody else has.
pub(crate) fn fresh_name(what: &str) -> String {
    format!("{what}-{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}
