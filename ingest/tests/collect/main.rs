//! Collecting over HTTP: a server on the loopback interface, requests as bytes, and Segment's own SDKs.

mod beacon;
mod common;
mod hostile;
mod lines;
mod sdks;
mod slow;
mod tracking;
