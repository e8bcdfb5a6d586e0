//! The durable log and the recognition of duplicates: on real files, on a disk that fails and forgets, and under `kill -9`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;
mod damage;
mod faults;
mod kill;
mod life;
mod model;
mod seen;
mod sim;
