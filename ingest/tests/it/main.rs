//! Imports into real workspaces, in temporary folders.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic is how a test fails")]

mod again;
mod bounded;
mod common;
#[cfg(feature = "collect")]
mod elsewhere;
mod formats;
mod learning;
mod mapping;
#[cfg(feature = "collect")]
mod outages;
#[cfg(feature = "collect")]
mod published;
#[cfg(feature = "recipes")]
mod real;
#[cfg(feature = "recipes")]
mod recipes;
mod rejects;
#[cfg(feature = "collect")]
mod stream;
