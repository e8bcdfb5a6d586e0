//! `trino`: the lake's shared tables, read by Trino.

mod config;

pub use config::TrinoConfig;
