//! Stores in temporary folders, and lakes on S3. One binary, because each takes minutes to compile.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;
mod imports;
mod lake;
mod others;
mod profiles;
mod shared;
mod workspaces;
