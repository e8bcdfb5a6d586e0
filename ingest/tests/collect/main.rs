//! Collecting over HTTP: a server on the loopback interface, requests as bytes, and Segment's own SDKs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod beacon;
mod browser;
mod common;
mod hostile;
mod lines;
mod sdks;
mod slow;
mod tracking;
