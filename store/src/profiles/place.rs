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
        let embedded = EmbeddedProfiles::open(&users, &columns, state.profiles.version, state.profiles.files.clone())?;
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
        Ok(ProfilesSnapshot::new(state.files, profiles_schema(catalog)))
    }
}
