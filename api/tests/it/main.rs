//! The binary as its users have it: what it prints where, and its exit codes.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;
mod import;
mod parallel;
mod query;
mod rest;
mod segment;
mod serve;
mod usage;
