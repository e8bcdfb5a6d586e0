//! Where the profiles of a data directory are: embedded, or in Cassandra.

use segment_core::catalog::Catalog;

use super::embedded::EmbeddedProfiles;
use super::writing::WritingProfiles;
use super::{ProfilesSnapshot, profiles_schema};
use crate::error::Result;
use crate::meta::{ProfilesState, State};
use crate::store::Shared;

impl Shared {
    /// Opens a workspace's profiles for an import. The write lock must be held.
    pub(crate) async fn writing_profiles(&self, workspace: &str, state: &State) -> Result<WritingProfiles> {
        let (users, columns) = (self.layout.users(workspace), self.layout.columns(workspace));
        #[cfg(feature = "cassandra")]
        {
            use super::cassandra::attached::check_place;
            use super::cassandra::import::ImportedProfiles;
            let folder = self.layout.profiles(workspace);
            check_place(&folder, &users, self.cassandra.is_some())?;
            if let Some(cassandra) = &self.cassandra {
                let handle = cassandra.open(workspace, &folder, &state.catalog).await?;
                let scratch = crate::recover::scratch_folder(&self.layout, workspace);
                return Ok(WritingProfiles::Cassandra(ImportedProfiles::begin(handle, &scratch, &state.profiles)?));
            }
        }
        let embedded = EmbeddedProfiles::over(self.opened.database(workspace, &users).await?, &columns, state.profiles.clone())?;
        Ok(WritingProfiles::Embedded(embedded))
    }

    /// The profiles that a state is read with.
    pub(crate) async fn profiles_snapshot(&self, workspace: &str, state: ProfilesState, catalog: &Catalog) -> Result<ProfilesSnapshot> {
        #[cfg(feature = "cassandra")]
        {
            use super::cassandra::attached::check_place;
            let folder = self.layout.profiles(workspace);
            check_place(&folder, &self.layout.users(workspace), self.cassandra.is_some())?;
            if let Some(cassandra) = &self.cassandra {
                return cassandra.snapshot(workspace, &folder, catalog, state.version).await;
            }
        }
        let as_of = state.stale.values().min().copied();
        Ok(ProfilesSnapshot { as_of, ..ProfilesSnapshot::new(state.files, profiles_schema(catalog)) })
    }

    /// Whether Cassandra could not be reached a moment ago.
    pub(crate) fn cassandra_failed_lately(&self) -> bool {
        #[cfg(feature = "cassandra")]
        let failed = self.cassandra.as_ref().is_some_and(|c| c.failed_lately());
        #[cfg(not(feature = "cassandra"))]
        let failed = false;
        failed
    }

    /// The instant up to which the table of profiles that a state names has all changes, `None` for all there are; or why it is too old to be read
    /// beside a snapshot.
    pub(crate) fn published_as_of(&self, state: &ProfilesState, snapshot: &ProfilesSnapshot) -> std::result::Result<Option<i64>, String> {
        #[cfg(feature = "cassandra")]
        if let Some(cassandra) = &self.cassandra
            && state.files != snapshot.files
        {
            return cassandra.published_as_of(state.version).map(Some);
        }
        #[cfg(not(feature = "cassandra"))]
        let _ = state;
        Ok(snapshot.as_of)
    }
}
