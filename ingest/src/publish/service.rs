//! Collecting for all workspaces of a data directory, and publishing what was collected.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use store::Store;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::error::PublishError;
use super::lane::Lane;
use super::stats::{LaneStats, Reported};
use super::worker::{self, Order};
use crate::collect::{Entry, Sink, SinkError};
use crate::log::disk::{Disk, RealDisk};
use crate::log::{LogError, LogOptions};
use crate::seen::SeenOptions;

/// Workspaces that one server collects for: each has a thread, and files.
pub const LANES_MAX: usize = 256;
/// How often it is looked whether another process waits for a store of profiles.
const YIELD_EVERY: Duration = Duration::from_millis(50);
/// The folder of all logs, in the data directory.
const LOGS: &str = "log";
/// The file that says who has them, beside it.
const LOCK: &str = "serve.lock";

/// Bounds and sizes of collecting and publishing.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// How far apart commits of one workspace begin at least.
    pub interval: Duration,
    /// Bytes of the log that one commit takes.
    pub batch_bytes: usize,
    /// Of each workspace's log.
    pub log: LogOptions,
    /// Of its memory of ids.
    pub seen: SeenOptions,
    /// How long closing takes at most; what is not published by then is in the log.
    pub close_max: Duration,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(250),
            batch_bytes: 16 << 20,
            log: LogOptions::default(),
            seen: SeenOptions::default(),
            close_max: Duration::from_secs(30),
        }
    }
}

/// The logs of a data directory, open, and their workers. Only one process has them.
pub struct Publishing {
    store: Store,
    options: PublishOptions,
    reported: Arc<dyn Reported>,
    lanes: Mutex<Lanes>,
    orders: watch::Sender<Order>,
    /// Ends with the value, or the process.
    _lock: Box<dyn Send + Sync>,
}

#[derive(Default)]
struct Lanes {
    open: HashMap<String, Arc<Lane>>,
    workers: JoinSet<()>,
    closed: bool,
}

impl Publishing {
    /// Opens the logs that there are, and begins to publish them.
    ///
    /// # Errors
    ///
    /// `InUse` if another process has them. Those of opening a log; `Astray` for one that is not the workspace's any more.
    pub async fn open(store: Store, options: PublishOptions, reported: Arc<dyn Reported>) -> Result<Arc<Self>, PublishError> {
        let path = store.dir().join(LOCK);
        let lock = RealDisk.lock(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::WouldBlock => LogError::InUse { path: path.clone() },
            _ => LogError::io("lock", &path, e),
        })?;
        store.keep_users_open();
        let publishing = Self { store, options, reported, lanes: Mutex::default(), orders: watch::Sender::new(Order::Run), _lock: lock };
        for name in publishing.store.workspaces().await? {
            if publishing.store.dir().join(LOGS).join(&name).is_dir() {
                publishing.lane(&name).await?;
            }
        }
        let publishing = Arc::new(publishing);
        tokio::spawn(yielding(Arc::downgrade(&publishing)));
        Ok(publishing)
    }

    /// The lane of a workspace, opened when it is first needed.
    pub(crate) async fn lane(&self, name: &str) -> Result<Arc<Lane>, PublishError> {
        let mut lanes = self.lanes.lock().await;
        if let Some(lane) = lanes.open.get(name) {
            return Ok(lane.clone());
        }
        if lanes.closed {
            return Err(LogError::Closed.into());
        }
        if lanes.open.len() >= LANES_MAX {
            return Err(PublishError::TooMany(LANES_MAX));
        }
        let workspace = self.store.workspace(name).await?;
        let workspace = workspace.ok_or_else(|| store::StoreError::NotFound(format!("there is no workspace \"{name}\"")))?;
        let folder = self.store.dir().join(LOGS).join(name);
        let lane = Arc::new(Lane::open(workspace, folder, &self.options, self.reported.as_ref()).await?);
        lanes.open.insert(name.to_owned(), lane.clone());
        let (options, reported, orders, worked) = (self.options.clone(), self.reported.clone(), self.orders.subscribe(), lane.clone());
        lanes.workers.spawn(async move { worker::run(&worked, &options, reported.as_ref(), orders).await });
        Ok(lane)
    }

    /// Stores entries of a workspace in its log.
    pub(crate) async fn append(&self, name: &str, entries: &[Entry]) -> Result<(), PublishError> {
        self.lane(name).await?.store(entries).await.map_err(PublishError::from)
    }

    /// A workspace of the directory.
    pub(crate) async fn workspace(&self, name: &str) -> Result<Option<store::Workspace>, PublishError> {
        Ok(self.store.workspace(name).await?)
    }

    /// How each workspace stands, by name.
    pub async fn stats(&self) -> Vec<LaneStats> {
        let lanes: Vec<_> = self.lanes.lock().await.open.values().cloned().collect();
        let mut stats: Vec<_> = lanes.iter().map(|lane| lane.stats()).collect();
        stats.sort_by(|a, b| a.workspace.cmp(&b.workspace));
        stats
    }

    /// Waits until everything that is in the logs now is published.
    pub async fn published(&self) {
        let lanes: Vec<_> = self.lanes.lock().await.open.values().cloned().collect();
        for lane in lanes {
            let next = crate::log::Log::state(lane.log.as_ref()).next;
            // The sender lives as long as the lane.
            let _ = lane.published.subscribe().wait_for(|published| *published >= next).await;
        }
    }

    /// Takes nothing more, publishes what there is within [`PublishOptions::close_max`], and closes the logs. Whether all of it is published.
    pub async fn close(&self) -> bool {
        self.end(Order::Finish).await
    }

    /// Ends without publishing what there is.
    pub async fn stop(&self) {
        self.end(Order::Stop).await;
    }

    async fn end(&self, order: Order) -> bool {
        let mut lanes = self.lanes.lock().await;
        lanes.closed = true;
        self.orders.send_replace(order);
        let finishing = async { while lanes.workers.join_next().await.is_some() {} };
        if timeout(self.options.close_max, finishing).await.is_err() {
            self.orders.send_replace(Order::Stop);
            lanes.workers.shutdown().await;
        }
        let mut done = true;
        for lane in lanes.open.values() {
            done &= lane.stats().lag == 0;
            lane.log.close().await;
        }
        lanes.open.clear();
        done
    }

    fn refused(&self, workspace: &str, error: &PublishError) -> SinkError {
        match error {
            PublishError::Log(LogError::Full { .. }) => SinkError::Full,
            error => {
                self.reported.note(&format!("{workspace}: what was sent is refused: {}", error.told()));
                SinkError::Unavailable
            }
        }
    }
}

/// Lets other processes have the stores of profiles.
async fn yielding(publishing: Weak<Publishing>) {
    while let Some(publishing) = publishing.upgrade() {
        let lanes: Vec<_> = publishing.lanes.lock().await.open.values().cloned().collect();
        for lane in lanes {
            if let Err(e) = lane.workspace.yield_users() {
                publishing.reported.note(&format!("{}: {e}", lane.workspace.name()));
            }
        }
        drop(publishing);
        sleep(YIELD_EVERY).await;
    }
}

#[async_trait]
impl Sink for Publishing {
    async fn store(&self, entries: Vec<Entry>) -> Result<(), SinkError> {
        // A request is of one workspace.
        let mut rest = entries.as_slice();
        while let Some(first) = rest.first() {
            let name = first.workspace();
            let end = rest.iter().position(|entry| entry.workspace() != name).unwrap_or(rest.len());
            let (these, others) = rest.split_at(end);
            self.append(name, these).await.map_err(|e| self.refused(name, &e))?;
            rest = others;
        }
        Ok(())
    }
}
