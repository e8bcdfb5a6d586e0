//! From the log into a workspace: what was collected becomes events and profiles, each message once.
//!
//! In: the durable log that [`crate::collect`] fills, one for each workspace. Out: commits of the workspace, several a second, each with the
//! offset of the log that it holds (`docs/adr/0017-from-the-log-to-the-lake.md`). Types are learnt, values converted and rows written by the code of imports.
//!
//! Invariants: the state row says how far the log is published, and it alone; whatever stops in between, publishing goes on from there. A message
//! is given up by the log only when a state holds it. What cannot be an event goes to the quarantine in the same commit. Deliberately absent: HTTP.

mod batch;
mod commit;
mod error;
mod imported;
mod lane;
mod overlay;
mod replay;
mod service;
mod stats;
mod user;
mod worker;

pub use error::PublishError;
pub use service::{PublishOptions, Publishing};
pub use stats::{LaneStats, Reported};
pub use user::UserNow;
