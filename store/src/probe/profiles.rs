//! Cassandra, for profiles.

use super::Fault;
use crate::config::CassandraConfig;
use crate::error::Result;
use crate::error::chain;
use crate::profiles::cassandra::{Cassandra, CassandraError, CassandraFault, rows_of};

/// The version of the node that is asked, and its datacenter.
const LOCAL: &str = "SELECT release_version FROM system.local";
/// The other nodes' datacenters.
const PEERS: &str = "SELECT data_center FROM system.peers";

/// Whether Cassandra answers, lets us in, and has nodes enough for the copies asked for.
///
/// # Errors
///
/// What is wrong with it.
pub async fn cassandra(config: &CassandraConfig) -> std::result::Result<String, Fault> {
    let asked = async {
        let cassandra = Cassandra::connect(config).await?;
        let version = texts(&cassandra, LOCAL).await?;
        let peers = texts(&cassandra, PEERS).await?;
        let local = peers.iter().filter(|d| *d == cassandra.datacenter()).count() + 1;
        Ok((version.into_iter().next().unwrap_or_default(), cassandra.datacenter().to_owned(), local))
    };
    let asked: Result<(String, String, usize)> = asked.await;
    let (version, datacenter, nodes) = asked.map_err(|e| {
        let todo = match CassandraError::fault_of(&e) {
            Some(CassandraFault::Denied) => "see to cassandra.user and cassandra.password, and what the user may do",
            Some(CassandraFault::Overloaded) => "the nodes have too much to do: try again later",
            _ => "see whether Cassandra runs there: cassandra.contact_points (host:port), cassandra.local_datacenter",
        };
        Fault::new(chain(&e), todo)
    })?;
    if nodes < config.replicas as usize {
        return Err(Fault::new(
            format!("{datacenter} has {nodes} nodes, and {} copies of each row are asked for", config.replicas),
            "lower cassandra.replicas, or add nodes",
        ));
    }
    let shown = if nodes == 1 { "1 node".to_owned() } else { format!("{nodes} nodes") };
    Ok(format!("Cassandra {version}, {shown} in {datacenter}; keyspaces begin with {}", config.keyspace_prefix))
}

/// The first column of a statement's rows.
async fn texts(cassandra: &Cassandra, cql: &str) -> Result<Vec<String>> {
    let what = "cannot ask Cassandra what it is";
    let prepared = cassandra.prepare(cql.to_owned(), what).await?;
    let rows = rows_of(cassandra.execute(&prepared, &(), what).await?, what)?;
    let broken = |e: String| CassandraError::new(CassandraFault::Shape, e).during(what);
    let rows = rows.rows::<(Option<String>,)>().map_err(|e| broken(e.to_string()))?;
    rows.map(|row| row.map(|(text,)| text.unwrap_or_default()).map_err(|e| broken(e.to_string()))).collect()
}
