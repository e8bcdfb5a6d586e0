//! A table in the shared lake for another engine to find.

use std::sync::Arc;

use uuid::Uuid;

use super::Fault;
use crate::config::LakeConfig;
use crate::error::Result;
use crate::error::chain;
use crate::lake::shared::SharedLake;
use crate::lake::tables::Tables;

/// The name of the table in its namespace.
pub const SAMPLE_TABLE: &str = "muster_check";

/// A namespace of its own in the lake, with an empty table in it. Whoever made it removes it.
pub struct SampleTable {
    lake: Arc<SharedLake>,
    tables: Tables,
    namespace: String,
}

impl SampleTable {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// Why the lake does not let it be made.
    pub async fn make(config: &LakeConfig) -> std::result::Result<Self, Fault> {
        let made = async {
            let lake = Arc::new(SharedLake::new(config.clone())?);
            let tables = Tables::open_shared(&lake).await?;
            let sample = Self { lake, tables, namespace: format!("muster_check_{}", Uuid::new_v4().simple()) };
            let filled = sample.fill().await;
            if filled.is_err() {
                // The first error is the one to report.
                let _ = sample.clear().await;
            }
            filled.map(|()| sample)
        };
        made.await.map_err(|e| Fault::new(chain(&e), "see to the checks of postgres and s3 first"))
    }

    async fn fill(&self) -> Result<()> {
        self.tables.ensure_namespace(&self.namespace, self.lake.namespace(&self.namespace)?, "check").await?;
        let location = self.lake.table(&self.namespace, SAMPLE_TABLE);
        self.tables.create_list(&self.namespace, SAMPLE_TABLE, location).await.map(|_| ())
    }

    async fn clear(&self) -> Result<()> {
        self.tables.drop(&self.namespace, SAMPLE_TABLE).await?;
        self.tables.drop_namespace(&self.namespace).await?;
        self.lake.objects().delete_below(&self.lake.table(&self.namespace, SAMPLE_TABLE)).await
    }

    /// The namespace it is in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Removes it.
    ///
    /// # Errors
    ///
    /// What is left.
    pub async fn remove(self) -> std::result::Result<(), Fault> {
        self.clear().await.map_err(|e| Fault::new(chain(&e), format!("remove the schema {} from the lake by hand", self.namespace)))
    }
}
