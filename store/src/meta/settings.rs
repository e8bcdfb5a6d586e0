//! What a data directory remembers of itself: its id, and which lake it was made with.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Meta;
use super::state::{decode, encode};
use crate::config::LakeConfig;
use crate::error::{Attempt, Result, StoreError};

/// The directory's id.
const STORE: &str = "store";
/// Its lake.
const LAKE: &str = "lake";

/// Which lake it is: none for one in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LakeIdentity {
    warehouse: String,
    catalog: String,
}

impl LakeIdentity {
    /// That of a lake with these settings.
    pub(crate) fn of(config: &LakeConfig) -> Self {
        Self { warehouse: config.warehouse.trim_end_matches('/').to_owned(), catalog: config.catalog_name.clone() }
    }
}

fn named(lake: Option<&LakeIdentity>) -> String {
    match lake {
        Some(lake) => format!("the warehouse {} and the catalog \"{}\"", lake.warehouse, lake.catalog),
        None => "a lake in the directory".to_owned(),
    }
}

impl Meta {
    async fn setting(&self, key: &str) -> Result<Option<String>> {
        // A directory made by an earlier version has no such table until it is written to.
        let there: Option<i64> = sqlx::query_scalar("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'settings'")
            .fetch_optional(&self.pool)
            .await
            .attempt("read the settings")?;
        if there.is_none() {
            return Ok(None);
        }
        sqlx::query_scalar("SELECT value FROM settings WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.pool)
            .await
            .attempt("read the settings")
    }

    async fn set_once(&self, key: &str, value: &str) -> Result<()> {
        sqlx::query("INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(key)
            .bind(value)
            .execute(&self.pool)
            .await
            .attempt("write the settings")?;
        Ok(())
    }

    /// The directory's id; made if it has none.
    pub(crate) async fn store_id(&self) -> Result<String> {
        if let Some(id) = self.setting(STORE).await? {
            return Ok(id);
        }
        self.set_once(STORE, &Uuid::new_v4().simple().to_string()).await?;
        self.setting(STORE).await?.ok_or_else(|| StoreError::corrupt_plain("the directory's id was not kept"))
    }

    /// Remembers which lake a new directory is made with, and refuses another later.
    ///
    /// # Errors
    ///
    /// `Conflict`, naming both.
    pub(crate) async fn check_lake(&self, dir: &std::path::Path, lake: Option<&LakeIdentity>, create: bool) -> Result<()> {
        if create && self.setting(LAKE).await?.is_none() {
            // One that has workspaces and remembers nothing was made before lakes could be shared.
            let made_with = if self.workspaces().await?.is_empty() { lake } else { None };
            self.set_once(LAKE, &encode(&made_with, "the lake's settings")?).await?;
        }
        let made_with: Option<LakeIdentity> = match self.setting(LAKE).await? {
            Some(text) => decode(&text, "the lake's settings")?,
            None => None,
        };
        if made_with.as_ref() == lake {
            return Ok(());
        }
        Err(StoreError::Conflict(format!(
            "{} was made with {}, and is opened with {}: give it the settings that it was made with",
            dir.display(),
            named(made_with.as_ref()),
            named(lake)
        )))
    }
}
