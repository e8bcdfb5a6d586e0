//! Running a resolved plan: the [`Backend`] trait, its adapters, and the suite that each of them passes.
//!
//! In: a [`Query`], a plan with the pinned state it is evaluated against. Out: a stream of batches of user ids, with progress
//! that can be watched and work that can be stopped. `memory` is the oracle: plain rows, no SQL. `parquet` is
//! DataFusion over the lake, `trino` the same tables in Trino, `cassandra` reads profiles as they are now. `router` chooses among them.
//! Deliberately absent: what is done with the users.

pub mod backend;
#[cfg(feature = "cassandra")]
pub mod cassandra;
pub mod conformance;
pub mod error;
pub mod memory;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod progress;
pub mod router;
mod state;
pub mod task;
#[cfg(feature = "trino")]
pub mod trino;

pub use backend::{Backend, Capabilities, Explanation, Query, Reading, Run, RunMetrics, RunOptions, ScanPlan, Stage, Users};
#[cfg(feature = "cassandra")]
pub use cassandra::{CassandraBackend, Evaluator};
pub use error::{BackendError, ErrorKind, Result};
pub use memory::MemoryBackend;
#[cfg(feature = "parquet")]
pub use parquet::{ParquetBackend, ParquetConfig};
pub use progress::{Progress, ProgressNow};
pub use router::{Choice, ProfilesRead, Rate, Router, RouterConfig, Routing, Verdict};
pub use state::{event_reads, key};
#[cfg(feature = "trino")]
pub use trino::{TrinoBackend, TrinoConfig};
