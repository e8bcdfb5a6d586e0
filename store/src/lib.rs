//! The embedded stores of a data directory: what `ingest` writes and `query-backends` reads.
//!
//! A [`Store`] is a directory. It holds [`Workspace`]s, each with a lake of events (Iceberg tables), profiles (a
//! key-value store and its columnar form), lists, saved segments and one *state row*. Whoever reads takes a
//! [`Pinned`] state and works on immutable files from then on; whoever writes takes the one [`Writer`] and ends with a
//! commit, which switches the state row in a single SQLite transaction. That is the only moment anything becomes visible.
//!
//! ```text
//! DIR/muster.db                              metadata and the Iceberg catalog's own tables (SQLite)
//! DIR/warehouse/<workspace>/events/…         the Iceberg table of events
//! DIR/warehouse/<workspace>/list_<n>/…       an Iceberg table for each list
//! DIR/profiles/<workspace>/users.redb        profiles by user; the writer has it open, and who reads single users
//! DIR/profiles/<workspace>/columns/*.parquet the columnar form that queries scan
//! DIR/profiles/<workspace>/write.lock        held by the writer
//! DIR/recent/<workspace>/*.parquet           collected events that are not in the lake's table yet
//! ```
//!
//! Invariants: pinning and reading a state opens neither `users.redb` nor any lock; files named by a state row are never changed, and are
//! removed a while after no state row names them. Iceberg metadata holds absolute paths, so a directory cannot be moved.
//!
//! With a shared lake ([`LakeConfig`]) the Iceberg tables are on S3 and their catalog is in Postgres; the rest is as above. Events' files are
//! written in the directory first and then uploaded. Profiles and lists stay in the directory, where the embedded engine scans them, and are
//! published as tables besides: a state's profiles are the table `profiles_<n>`.
//!
//! A workspace's events may be somebody else's files instead of the lake's ([`BoundEvents`]): then the state names no events, and whoever pins it
//! looks which files there are.
//!
//! Deliberately absent: what a condition means, DataFusion, dependency checks between segments (`api`'s).

mod bound;
mod collect;
mod columns;
pub mod config;
pub mod engines;
pub mod error;
pub mod lake;
mod layout;
pub mod lists;
mod lock;
mod meta;
mod names;
pub mod pinned;
pub mod probe;
pub mod profiles;
mod publish;
mod recent;
mod recover;
mod settle;
mod store;
mod stored;
mod workspace;
mod writer;

pub use bound::{BoundEvents, BoundFile, BoundRows, Keep, OpenBound};
pub use columns::ColumnsBuilder;
pub use config::{CassandraConfig, LakeConfig, S3Config, Secret, StoreConfig};
pub use error::{Result, StoreError, chain, is_denied, is_timeout};
pub use lake::blocking::{Failure, LakeReader};
pub use lake::deletes::Deleted;
pub use lake::file_writer::{EventFile, EventFileWriter, declares_order};
pub use lake::keys::KeyBatches;
pub use lake::objects::Objects;
pub use lake::schema::{LAKE_TIMEZONE, events_schema};
pub use lake::snapshot::{DataFileInfo, EventRead, EventsPlan, EventsSnapshot, FilePlace};
pub use lists::ListInfo;
pub use lock::Lock;
pub use meta::{
    Answered, ImportInfo, KeyInfo, Quarantine, QuarantinedRow, Scope, Scopes, SegmentDraft, SegmentInfo, SegmentVersion, Token, Unusable,
    VERSIONS_MAX,
};
pub use names::{check_key, check_workspace_name};
pub use pinned::{Pinned, SharedTable, SharedTables};
#[cfg(feature = "cassandra")]
pub use profiles::cassandra;
pub use profiles::{
    AttributeFacts, AttributeWrite, MAP_KEYS_MAX, Profile, ProfileFile, ProfileStore, ProfileWrite, ProfilesSnapshot, Seen, UserFacts,
    profiles_schema,
};
pub use recent::LogPosition;
pub use store::Store;
pub use workspace::Workspace;
pub use writer::{CommitInfo, Publication, Writer};
