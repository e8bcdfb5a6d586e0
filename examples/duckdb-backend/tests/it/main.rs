//! The adapter over a real DuckDB: the conformance suite, random trees, hostile trees, faults.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic is how a test fails")]

mod common;
mod conformance;
mod faults;
mod random;
