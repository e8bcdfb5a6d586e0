//! Importing files: events and users into a workspace, ids into lists. Collecting events over HTTP: [`collect`], and
//! from its log into a workspace: [`publish`].
//!
//! In: NDJSON, CSV and Parquet files, how their columns map to fields, or a recipe of SQL over them (`docs/import.md`). Out: a
//! commit of the workspace's one [`store::Writer`], a report, and a file of the rows that are unusable. An import is all or nothing, runs in
//! bounded memory, and changes nothing when it is done again.
//!
//! Deliberately absent: printing, and the clock (an import is given the time of receiving).

mod cell;
#[cfg(feature = "collect")]
pub mod collect;
mod days;
mod dedupe;
pub mod error;
mod gather;
mod hash;
mod import;
mod input;
pub mod limits;
pub mod lists;
pub mod log;
mod mapping;
mod names;
mod origin;
mod pipeline;
#[cfg(feature = "collect")]
pub mod publish;
#[cfg(feature = "recipes")]
pub mod recipe;
mod record;
mod rejects;
mod report;
mod request;
mod rows;
mod said;
pub mod seen;
mod shape;
mod sources;
mod stats;
mod steps;
mod tally;
mod types;
mod users;

pub use error::{ImportError, Result};
pub use import::import;
pub use lists::{ListFile, ListReport};
#[cfg(feature = "recipes")]
pub use recipe::Recipe;
pub use rejects::{Place, Reason, Reject};
pub use report::{Change, EventsReport, FileReport, ImportReport, NameReport, RejectedReport, UsersReport};
pub use request::{ImportRequest, NoProgress, Progress, Stage};
