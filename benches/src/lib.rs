//! What the benchmarks share: made-up data.
//!
//! In: sizes and a seed. Out: Arrow batches of events and users, the same for the same seed on every machine. The harness around it
//! is `benches/bench.py`, which `make bench` runs; `bench-engines` (`make bench-engines`) measures the SQL's shapes on Trino. Deliberately absent: timing
//! thresholds; the figures go into docs/benchmarks.md.

pub mod events;
pub mod files;
pub mod ids;
pub mod random;
pub mod report;
pub mod users;

pub use store::chain;

/// The result of everything in this crate: what went wrong is only ever shown.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is made: how much of it, and which.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Users, those without events too.
    pub users: u64,
    /// Events over all days.
    pub events: u64,
    /// Another seed, other data.
    pub seed: u64,
}
