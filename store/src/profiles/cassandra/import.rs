//! An import's profiles: gathered and merged on this machine, written to Cassandra when the import commits.
//!
//! Only then are its columns known. They are written before the lake's append and the switch of the state row, so no event becomes visible whose user is
//! not there. An import that breaks off between leaves profiles behind; importing the same again writes the same again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use segment_core::catalog::Catalog;

use super::handle::CassandraProfiles;
use super::writes::UserWrite;
use crate::error::Result;
use crate::meta::ProfilesState;
use crate::profiles::embedded::EmbeddedProfiles;
use crate::profiles::writing::RewrittenProfiles;

/// Users written at a time.
const USERS_MAX: usize = 8192;

/// What an import says of profiles.
pub(crate) struct ImportedProfiles {
    pub(crate) pending: EmbeddedProfiles,
    pub(crate) handle: CassandraProfiles,
    has_erased: bool,
    /// Files that the state names.
    named: Vec<PathBuf>,
    /// Everything written is in the mirror from this instant on, as the state's version of profiles.
    pub(crate) written_until: u64,
}

impl ImportedProfiles {
    /// Nothing yet. `scratch` is a folder that goes with the import.
    pub(crate) fn begin(handle: CassandraProfiles, scratch: &Path, state: &ProfilesState) -> Result<Self> {
        std::fs::create_dir_all(scratch).map_err(|e| crate::error::StoreError::io("make", scratch, e))?;
        let giver = handle.clone();
        let give = move |ids: &[&str]| giver.user_numbers_blocking(ids.iter().map(|id| (*id).to_owned()).collect());
        let pending = EmbeddedProfiles::pending(&scratch.join("pending.redb"), scratch, Box::new(give))?;
        let named = state.files.iter().map(|f| f.path.clone()).collect();
        Ok(Self { pending, handle, has_erased: false, named, written_until: state.version })
    }

    /// Forgets users: what this import said of them, and, at once, what Cassandra has.
    pub(crate) fn erase(&mut self, user_ids: &[String]) -> Result<u64> {
        self.pending.erase_users(user_ids)?;
        self.has_erased = true;
        self.handle.erase_blocking(user_ids)
    }

    /// Writes everything, and has the mirror follow.
    pub(crate) async fn write(&mut self, catalog: &Catalog) -> Result<RewrittenProfiles> {
        self.handle.set_catalog(catalog).await?;
        let (mut from, mut changed) = (0, self.has_erased);
        loop {
            let users = self.pending.written_users(from, USERS_MAX)?;
            let Some(last) = users.last() else { break };
            (from, changed) = (last.user_no + 1, true);
            let write =
                |u: crate::profiles::embedded::WrittenUser| UserWrite { user_no: u.user_no, user_id: u.user_id, row: u.row, seen: u.seen };
            self.handle.write(users.into_iter().map(write).collect()).await?;
        }
        self.handle.release().await?;
        let snapshot = self.handle.mirror().refresh_for_state(catalog, self.named.clone()).await?;
        self.written_until = snapshot.as_of.map_or(0, i64::unsigned_abs);
        changed |= snapshot.files.iter().map(|f| &f.path).ne(&self.named);
        Ok(RewrittenProfiles { files: snapshot.files, replaced: Vec::new(), stale: BTreeMap::new(), changed })
    }
}
