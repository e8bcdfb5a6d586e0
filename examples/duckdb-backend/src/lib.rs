//! An adapter written from docs/backends.md alone: DuckDB over the lake's Parquet files.
//!
//! In: a query over a pinned state. Out: its members. The plan becomes DuckDB's SQL (`dialect`), the state's files become views
//! (`tables`), and a process of Python's DuckDB answers over pipes (`process`). A process runs one query at a time and is used again
//! after a good end; a query is stopped by killing its process, which no engine can put off. Nothing is linked, so a crash of the
//! engine or a lack of memory ends one query and nothing else. Deliberately absent: a lake that is not in local files, delete files (refused).

mod backend;
mod dialect;
mod process;
mod protocol;
mod tables;

pub use backend::DuckDbBackend;
pub use dialect::DuckDb;
pub use process::DuckDbConfig;
