//! Who may do what: keys and catalogs of the metadata, looked at again every moment.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use ingest::collect::check::Checker;
use ingest::collect::{KeyHash, KeyTable, Keys, SinkError, Workspace};
use ingest::publish::{Publishing, Reported};
use segment_core::catalog::Catalog;
use segment_core::time::Zone;
use store::{KeyInfo, Scope, Scopes, Store, StoreError};

use crate::context::now_us;
use crate::failure::Failure;

/// How often it looks: for so long a new key is unknown, and one that is revoked taken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The keys that hold.
pub(crate) struct Access {
    store: Store,
    write: KeyTable,
    /// What keys open besides.
    opened: RwLock<HashMap<KeyHash, Arc<Opened>>>,
    /// Requests of a key in a second, and at once.
    rate: NonZeroU32,
    known: Mutex<HashMap<String, Known>>,
}

/// What a key opens.
pub(crate) struct Opened {
    /// The key's id.
    pub(crate) id: String,
    pub(crate) workspace: Arc<str>,
    pub(crate) scopes: Scopes,
    expires_at: Option<i64>,
    /// The key's requests, however often keys are looked at.
    requests: Arc<DefaultDirectRateLimiter>,
}

impl Opened {
    /// Counts a request; the seconds to wait if there were too many.
    pub(crate) fn admit(&self) -> Result<(), u64> {
        let now = DefaultClock::default().now();
        self.requests.check().map_err(|not_until| not_until.wait_time_from(now).as_secs_f64().ceil().max(1.0) as u64)
    }
}

/// Whether a key still opens something.
fn holds(expires_at: Option<i64>) -> bool {
    expires_at.is_none_or(|at| now_us() < at)
}

/// A workspace as it was last looked at.
#[derive(Clone)]
struct Known {
    version: u64,
    catalog: Arc<Catalog>,
    workspace: Arc<Workspace>,
}

impl Access {
    pub(crate) fn new(store: Store, rate: NonZeroU32) -> Self {
        Self { store, write: KeyTable::default(), opened: RwLock::default(), rate, known: Mutex::default() }
    }

    /// Looks again, every moment, also for messages in quarantine that somebody wants read again.
    pub(crate) async fn follow(&self, publishing: &Publishing, notes: &dyn Reported) {
        let mut failing = false;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looked = match self.refresh().await {
                Ok(()) => self.replay(publishing).await,
                failed => failed,
            };
            let failed = looked.err();
            match &failed {
                Some(e) if !failing => notes.note(&format!("keys and catalogs stay as they were: {e}")),
                Some(_) => {}
                None if failing => notes.note("keys and catalogs are followed again"),
                None => {}
            }
            failing = failed.is_some();
        }
    }

    async fn replay(&self, publishing: &Publishing) -> Result<(), Failure> {
        let workspaces: Vec<_> = self.known.lock().unwrap_or_else(PoisonError::into_inner).values().map(|k| k.workspace.clone()).collect();
        for workspace in workspaces {
            publishing.replay(&workspace, now_us()).await.map_err(|e| Failure::Broken(e.told()))?;
        }
        Ok(())
    }

    /// Looks now.
    pub(crate) async fn refresh(&self) -> Result<(), Failure> {
        let keys = self.store.keys().await?;
        let mut write = Vec::new();
        let mut looked: HashMap<String, Known> = HashMap::new();
        let mut opened = HashMap::new();
        for key in keys.into_iter().filter(|key| holds(key.expires_at)) {
            let hash = KeyHash::from_bytes(key.hash);
            let before = self.opened.read().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
            opened.insert(hash, Arc::new(self.open(&key, before.as_deref())));
            if !key.scopes.contains(&Scope::Ingest) {
                continue;
            }
            let known = match looked.get(&key.workspace) {
                Some(known) => known.clone(),
                None => {
                    let Some(known) = self.look(&key.workspace).await? else { continue };
                    looked.insert(key.workspace.clone(), known.clone());
                    known
                }
            };
            write.push((hash, known.workspace));
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = looked;
        self.write.replace(write);
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }

    fn open(&self, key: &KeyInfo, before: Option<&Opened>) -> Opened {
        let requests = before.map_or_else(|| Arc::new(RateLimiter::direct(Quota::per_second(self.rate))), |b| b.requests.clone());
        let workspace = key.workspace.as_str().into();
        Opened { id: key.id.clone(), workspace, scopes: key.scopes.clone(), expires_at: key.expires_at, requests }
    }

    /// What a key opens.
    pub(crate) fn opened(&self, key: &KeyHash) -> Option<Arc<Opened>> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        opened.filter(|opened| holds(opened.expires_at))
    }

    /// The workspace that a key may read.
    pub(crate) fn reads(&self, key: &KeyHash) -> Option<Arc<str>> {
        self.opened(key).filter(|opened| opened.scopes.contains(&Scope::Read)).map(|opened| opened.workspace.clone())
    }

    /// A workspace as it is now; none if it is gone.
    async fn look(&self, name: &str) -> Result<Option<Known>, Failure> {
        let before = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let Some(workspace) = self.store.workspace(name).await? else { return Ok(None) };
        let (version, catalog) = match workspace.catalog().await {
            Err(StoreError::NotFound(_)) => return Ok(None),
            catalog => catalog?,
        };
        if let Some(before) = before.as_ref().filter(|b| b.version == version || *b.catalog == catalog) {
            return Ok(Some(Known { version, ..before.clone() }));
        }
        let zone = Zone::parse(&catalog.timezone).map_err(Failure::Broken)?;
        let checker = Checker::new(&catalog, before.as_ref().map(|b| &b.workspace.checker));
        let workspace = Arc::new(Workspace { id: name.to_owned(), zone, checker });
        Ok(Some(Known { version, catalog: Arc::new(catalog), workspace }))
    }
}

#[async_trait]
impl Keys for Access {
    async fn workspace(&self, key: &KeyHash) -> Result<Option<Arc<Workspace>>, SinkError> {
        self.write.workspace(key).await
    }
}
