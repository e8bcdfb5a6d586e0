//! The table of a binding in Trino's Hive catalog: made, and its partitions made known.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt};
use segment_core::lower::{External, create_schema, drop_schema, drop_table, tables_of};

use super::Partition;
use crate::error::{BackendError, ErrorKind, Result};
use crate::trino::TrinoBackend;
use crate::trino::client::{Repeat, Session};

/// Partitions made known at once.
const PARTITIONS_AT_ONCE: usize = 8;

/// Makes the table and its schema where they are missing, and makes those of the wanted partitions known that are not. Returns the folders of all that
/// the table knows, the wanted ones among them.
///
/// # Errors
///
/// The engine's; `Rejected` with its reason if a partition stays unknown.
///
/// # Cancel safety
///
/// Safe: what was made stays, and the next one goes on.
pub(super) async fn ensure(
    backend: &TrinoBackend,
    events: &External,
    location: &str,
    wanted: BTreeMap<String, Partition>,
    properties: &BTreeMap<String, String>,
) -> Result<HashSet<String>> {
    let schema: Vec<String> = events.table.iter().take(2).cloned().collect();
    let session = session(backend, properties);
    let known = match known(backend, events, properties).await {
        // There is no such table, or no schema for it.
        Err(e) if e.kind == ErrorKind::SchemaDrift => {
            execute(backend, &create_schema(&schema), &session).await?;
            execute(backend, &events.create(location), &session).await?;
            self::known(backend, events, properties).await?
        }
        other => other?,
    };
    let missing: Vec<&Partition> = wanted.iter().filter(|(folder, _)| !known.contains(*folder)).map(|(_, partition)| partition).collect();
    if missing.is_empty() {
        return Ok(known);
    }
    let statements: Vec<String> = missing.into_iter().map(|p| events.register(&p.values.all, &p.location)).collect();
    let registering = futures::stream::iter(statements).map(|sql| {
        let session = &session;
        async move { execute(backend, &sql, session).await }
    });
    let registered: Result<()> = registering.buffer_unordered(PARTITIONS_AT_ONCE).try_collect().await;
    let known = self::known(backend, events, properties).await?;
    if wanted.keys().all(|folder| known.contains(folder)) {
        // Another process may have been first.
        return Ok(known);
    }
    registered?;
    Err(BackendError::new(ErrorKind::Unavailable, format!("Trino does not know all partitions of {}", events.table.join("."))))
}

/// Removes the table and its schema.
pub(super) async fn remove(backend: &TrinoBackend, events: &External, properties: &BTreeMap<String, String>) -> Result<()> {
    let schema: Vec<String> = events.table.iter().take(2).cloned().collect();
    let session = session(backend, properties);
    execute(backend, &drop_table(&events.table), &session).await?;
    execute(backend, &drop_schema(&schema), &session).await
}

/// Removes the tables of a schema whose names begin so, and the schema.
pub(super) async fn forget(backend: &TrinoBackend, schema: &[String; 2], prefix: &str) -> Result<()> {
    let session = session(backend, &BTreeMap::new());
    let tables = backend.client.texts(&tables_of(schema), &session).await?;
    if tables.is_empty() {
        return Ok(());
    }
    for table in tables.iter().filter(|table| table.starts_with(prefix)) {
        execute(backend, &drop_table(&[schema.as_slice(), std::slice::from_ref(table)].concat()), &session).await?;
    }
    execute(backend, &drop_schema(schema), &session).await
}

/// The folders of the partitions that the table knows.
pub(super) async fn known(backend: &TrinoBackend, events: &External, properties: &BTreeMap<String, String>) -> Result<HashSet<String>> {
    Ok(backend.client.texts(&events.registered(), &session(backend, properties)).await?.into_iter().collect())
}

fn session(backend: &TrinoBackend, properties: &BTreeMap<String, String>) -> Session {
    Session { catalog: backend.catalog.clone(), schema: None, properties: properties.clone() }
}

/// Runs a statement without a result.
async fn execute(backend: &TrinoBackend, sql: &str, session: &Session) -> Result<()> {
    let mut results = backend.client.query(sql, session, &[], Repeat::Always).await?;
    while results.next(&|_| {}).await?.is_some() {}
    Ok(())
}
