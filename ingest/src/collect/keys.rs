//! Write keys, and the workspaces that they may write into.
//!
//! Keys are held as SHA-256 of their text: what leaks from a database or a dump of memory opens nothing. Comparing takes the
//! same time wherever hashes differ, and says nothing of a key but whether it is right.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use segment_core::time::Zone;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::check::Checker;
use super::sink::SinkError;

/// A write key's SHA-256.
#[derive(Debug, Clone, Copy, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// As it is stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// To be stored.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// A workspace as collecting needs it.
pub struct Workspace {
    /// Its key.
    pub id: String,
    /// Its zone: that of times without an offset.
    pub zone: Zone,
    /// What its events have to fit.
    pub checker: Checker,
}

/// Who knows write keys.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// The workspace that a key may write into; `None` if there is no such key.
    ///
    /// # Errors
    ///
    /// `Unavailable`: it cannot be told now, and the sender is told to try again.
    async fn workspace(&self, key: &KeyHash) -> Result<Option<Arc<Workspace>>, SinkError>;
}

/// All keys, in memory.
#[derive(Default)]
pub struct KeyTable {
    keys: RwLock<HashMap<KeyHash, Arc<Workspace>>>,
}

impl KeyTable {
    /// Puts these in place of all that there are.
    pub fn replace(&self, keys: impl IntoIterator<Item = (KeyHash, Arc<Workspace>)>) {
        let keys = keys.into_iter().collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

#[async_trait]
impl Keys for KeyTable {
    async fn workspace(&self, key: &KeyHash) -> Result<Option<Arc<Workspace>>, SinkError> {
        Ok(self.keys.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes() {
        let hash = KeyHash::of("abc");
        assert_eq!(hash.as_bytes()[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(hash, KeyHash::from_bytes(*hash.as_bytes()));
        assert_ne!(hash, KeyHash::of("abd"));
    }
}
