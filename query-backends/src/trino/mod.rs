//! `trino`: the lake's shared tables, read by Trino.

mod client;
mod config;
#[cfg(test)]
mod tests;

pub use config::TrinoConfig;
