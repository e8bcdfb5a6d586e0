//! What Cassandra says of a table: its indexes, and how many rows it has about.

use std::collections::BTreeMap;

use super::client::rows_of;
use super::keyspace::{Keyspace, malformed};
use crate::error::Result;

/// An index that a query can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// The column.
    pub column: String,
    /// Whether it is built; until then queries that use it fail.
    pub is_queryable: bool,
}

/// The names that a storage-attached index has as a class.
const SAI: [&str; 3] = ["sai", "storageattachedindex", "org.apache.cassandra.index.sai.storageattachedindex"];

/// The storage-attached indexes on single columns of the profiles that compare values as they are: one that folds case or cuts text into words is none.
///
/// # Errors
///
/// `Unavailable` if Cassandra is.
pub async fn indexes(keyspace: &Keyspace) -> Result<Vec<Index>> {
    let here = keyspace.clone();
    keyspace.cassandra.run(async move { indexes_here(&here).await }).await
}

async fn indexes_here(keyspace: &Keyspace) -> Result<Vec<Index>> {
    let what = "read the indexes of profiles";
    let cassandra = &keyspace.cassandra;
    let select = "SELECT index_name, options FROM system_schema.indexes WHERE keyspace_name = ? AND table_name = 'profiles'";
    let select = cassandra.prepare(select.to_owned(), what).await?;
    let rows = rows_of(cassandra.execute(&select, &(keyspace.name(),), what).await?, what)?;
    let mut out = Vec::new();
    for row in rows.rows::<(String, BTreeMap<String, String>)>().map_err(|e| malformed(what, e))? {
        let (name, options) = row.map_err(|e| malformed(what, e))?;
        let class = options.get("class_name").map(|c| c.to_lowercase());
        let plain = options.keys().all(|k| k == "class_name" || k == "target");
        let target = options.get("target").map(|t| t.trim_matches('"').replace("\"\"", "\""));
        if let (true, Some(column)) = (plain && class.is_some_and(|c| SAI.contains(&c.as_str())), target) {
            out.push(Index { name, column, is_queryable: false });
        }
    }
    if out.is_empty() {
        return Ok(out);
    }
    let select = "SELECT index_name, is_queryable FROM system_views.sai_column_indexes WHERE keyspace_name = ?";
    let select = cassandra.prepare(select.to_owned(), what).await?;
    let rows = rows_of(cassandra.execute(&select, &(keyspace.name(),), what).await?, what)?;
    for row in rows.rows::<(String, bool)>().map_err(|e| malformed(what, e))? {
        let (name, is_queryable) = row.map_err(|e| malformed(what, e))?;
        out.iter_mut().filter(|i| i.name == name).for_each(|i| i.is_queryable = is_queryable);
    }
    Ok(out)
}

/// About how many rows the node that answers has of the profiles; `None` while it has not estimated, which it does every few minutes.
///
/// # Errors
///
/// `Unavailable` if Cassandra is.
pub async fn estimate(keyspace: &Keyspace) -> Result<Option<u64>> {
    let here = keyspace.clone();
    keyspace.cassandra.run(async move { estimate_here(&here).await }).await
}

async fn estimate_here(keyspace: &Keyspace) -> Result<Option<u64>> {
    let what = "read the estimated size of profiles";
    let cassandra = &keyspace.cassandra;
    let select = "SELECT partitions_count FROM system.size_estimates WHERE keyspace_name = ? AND table_name = 'profiles'";
    let select = cassandra.prepare(select.to_owned(), what).await?;
    let rows = rows_of(cassandra.execute(&select, &(keyspace.name(),), what).await?, what)?;
    let mut sum = None;
    for row in rows.rows::<(i64,)>().map_err(|e| malformed(what, e))? {
        let (partitions,) = row.map_err(|e| malformed(what, e))?;
        *sum.get_or_insert(0) += partitions.unsigned_abs();
    }
    Ok(sum)
}
