//! `trino`: the lake's shared tables, read by Trino.
//!
//! In: a query over a pinned state of a shared lake. The plan is lowered to Trino's SQL over the pinned snapshots of its tables
//! (`prepare`), sent by a client of our own (`client`), and its rows are handed on (`running`); or they stay in the lake as a table
//! (`materialise`). Deliberately absent: the embedded lake, which Trino cannot see (refused), and recent events that the lake does
//! not hold yet.

mod bound;
mod client;
mod config;
mod explain;
mod materialise;
mod prepare;
mod running;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use segment_core::lower::{Lowered, Strategy};

pub use config::TrinoConfig;

use self::client::{Client, Kind, Repeat, Session};
use self::prepare::Prepared;
use crate::backend::{Backend, Capabilities, Explanation, Query, Run, RunOptions};
use crate::error::{BackendError, ErrorKind, Result};
use crate::state::any_pinned;

/// The catalog's schemas, in the catalog of the session.
const SCHEMAS: &str = "SELECT schema_name FROM information_schema.schemata";

/// The rows of [`store::probe::SAMPLE_TABLE`], in the schema of the session.
const SAMPLE_ROWS: &str = "SELECT CAST(count(*) AS varchar) FROM muster_check";

/// Trino over a shared lake. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TrinoBackend {
    client: Client,
    catalog: String,
    hive_catalog: Option<String>,
}

impl TrinoBackend {
    /// What it can do.
    pub const CAPABILITIES: Capabilities =
        Capabilities { dialect: Some("trino"), strategies: &Strategy::ALL, sorted: false, events_max: None, events: true, bound: true };

    /// A backend; it connects when it is asked something, and works on the runtime that it is asked on.
    ///
    /// # Errors
    ///
    /// `Rejected` for settings that make no sense, or would show credentials to the network; `Unavailable` for a file of certificates that
    /// cannot be read.
    pub fn new(config: &TrinoConfig) -> Result<Self> {
        Ok(Self { client: Client::new(config)?, catalog: config.catalog.clone(), hive_catalog: config.hive_catalog.clone() })
    }

    /// Tries the connection, the credentials and the catalog: the server's version.
    ///
    /// # Errors
    ///
    /// `Unavailable` if it does not answer or still starts, `PermissionDenied` if it lets us not in, `SchemaDrift` if it has no such catalog.
    pub async fn check(&self) -> Result<String> {
        let (version, starting) = self.client.version().await?;
        if starting {
            return Err(BackendError::new(ErrorKind::Unavailable, "Trino is still starting"));
        }
        self.client.texts(SCHEMAS, &Session { catalog: self.catalog.clone(), ..Session::default() }).await?;
        Ok(version)
    }

    /// Whether Trino finds the rows of a table that Muster made in the lake, [`store::probe::SAMPLE_TABLE`] of a namespace.
    ///
    /// # Errors
    ///
    /// `Rejected` or `SchemaDrift` if there is no such table, which is so if its catalog is another one; otherwise as [`Backend::run`].
    pub async fn check_lake(&self, namespace: &str) -> Result<()> {
        self.client.texts(SAMPLE_ROWS, &self.session(namespace)).await.map(|_| ())
    }

    /// Whether tables over files that somebody else writes can be made in the Hive catalog, and partitions made known: a schema and a table of
    /// that name are made over a folder, which has to be there, and removed.
    ///
    /// # Errors
    ///
    /// `SchemaDrift` without such a catalog, `PermissionDenied` or `Rejected` if it does not allow it; otherwise as [`Backend::run`].
    pub async fn check_hive(&self, name: &str, folder: &str) -> Result<()> {
        bound::check(self, name, folder).await
    }

    /// Removes the tables that were made over events that somebody else writes for a workspace whose binding is given up or another one; they hold no
    /// data. A query that reads them meanwhile fails.
    ///
    /// # Errors
    ///
    /// As [`Backend::run`].
    pub async fn forget_bound(&self, namespace: &str) -> Result<()> {
        bound::forget(self, namespace).await
    }

    /// The SQL of a query for somebody to look at: Trino is not asked. Of a binding, partitions that Trino was told of and that are gone are not left out.
    ///
    /// # Errors
    ///
    /// As [`Backend::run`], but for those of the engine.
    pub async fn sql(&self, query: &Query) -> Result<Lowered> {
        let pinned = any_pinned(query)?;
        match &pinned.bound {
            Some(bound) => bound::sql(self, query, pinned, bound).await,
            None => Ok(Prepared::new(query, pinned, &self.catalog, true)?.lowered),
        }
    }

    fn session(&self, namespace: &str) -> Session {
        Session { catalog: self.catalog.clone(), schema: Some(namespace.to_owned()), properties: BTreeMap::new() }
    }

    /// The session of a query.
    fn session_of(&self, prepared: &Prepared) -> Session {
        Session { properties: prepared.properties.clone(), ..self.session(&prepared.namespace) }
    }

    /// The query as it is sent.
    async fn prepared(&self, query: &Query, ids: bool) -> Result<Prepared> {
        let pinned = any_pinned(query)?;
        match &pinned.bound {
            Some(bound) => bound::prepare(self, query, pinned, bound, ids).await,
            None => Prepared::new(query, pinned, &self.catalog, ids),
        }
    }
}

#[async_trait]
impl Backend for TrinoBackend {
    fn name(&self) -> &'static str {
        "trino"
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    async fn explain(&self, query: &Query) -> Result<Explanation> {
        explain::explain(self, query, any_pinned(query)?, self.prepared(query, true).await?).await
    }

    async fn run(&self, query: &Query, options: RunOptions) -> Result<Run> {
        let started = std::time::Instant::now();
        let prepared = tokio::select! {
            biased;
            () = options.cancel.cancelled() => return Err(BackendError::cancelled()),
            prepared = self.prepared(query, options.ids) => prepared?,
        };
        let kinds: &[Kind] = if options.ids { &[Kind::Integer, Kind::Text] } else { &[Kind::Integer] };
        let session = self.session_of(&prepared);
        let sql = prepared.lowered.sql();
        let results = tokio::select! {
            biased;
            () = options.cancel.cancelled() => return Err(BackendError::cancelled()),
            results = self.client.query(&sql, &session, kinds, Repeat::Always) => results?,
        };
        let (progress, metrics) = (options.progress.clone(), Arc::new(OnceLock::new()));
        Ok(Run::new(running::users(results, options, metrics.clone(), started, prepared.whole), progress, metrics))
    }
}
