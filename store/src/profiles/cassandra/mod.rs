//! Profiles in Cassandra: a keyspace for each workspace, which every machine writes to and reads.
//!
//! [`CassandraProfiles`] writes, [`ProfileReader`] reads one user or ranges of tokens, [`Mirror`] keeps the columnar form that queries scan
//! (docs/adr/0010). Writes are seen at once, by whoever reads Cassandra; they are no part of the commit of an import.
//!
//! Invariants: nothing is read in order to be written; everything may be written again and comes to the same end; numbers are never given twice; what
//! was erased stays so. Deliberately absent: filtering by Cassandra without an index, counters, TLS.

pub(crate) mod attached;
mod attributes;
mod cells;
pub(crate) mod changes;
mod client;
mod cql;
mod error;
mod handle;
pub(crate) mod import;
mod indexes;
mod keyspace;
mod limits;
pub(crate) mod mirror;
mod numbers;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod ties;
mod together;
mod user;
mod whole_maps;
pub(crate) mod writes;

pub(crate) use client::rows_of;
pub use client::{Cassandra, Task};
pub use error::{CassandraError, CassandraFault};
pub use handle::CassandraProfiles;
pub use indexes::{Index, estimate, indexes};
pub use keyspace::{Keyspace, keyspace_name};
pub use mirror::Mirror;
pub use table::{Bound, Comparison, Page, Pages, ProfileReader, ReadOptions, Stored, TokenRange};
