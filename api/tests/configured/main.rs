//! The binary with a configuration, over the real engines that `scripts/engines` runs: checks, routing, fallback.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod check;
mod proxy;
mod routing;
mod serve;
mod world;
