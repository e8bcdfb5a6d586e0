//! The adapter over a real DuckDB: the conformance suite, random trees, hostile trees, faults.

mod common;
mod conformance;
mod faults;
mod random;
