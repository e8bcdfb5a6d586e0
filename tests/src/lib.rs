//! What the tests share: random worlds (a catalog, users, events, lists, saved segments), random condition trees over them,
//! the oracle's answers, the shrinking of a failure, golden cases, and the engines over a world.
//!
//! A world is data as it would be imported *and* the rows that it means, built side by side from the same values. The
//! oracle reads the rows, an engine what the import made of the data: the way into the lake is tested along with the SQL.
//! Deliberately absent: any opinion on what a condition means; that is `segment_core::eval`'s, and the golden cases'.

#[cfg(feature = "lake")]
#[cfg_attr(not(any(feature = "engines", feature = "federated")), allow(dead_code, unused_variables, reason = "no engine is built then"))]
pub mod differential;
#[cfg(feature = "lake")]
#[cfg_attr(not(any(feature = "engines", feature = "federated")), allow(dead_code, unused_variables, reason = "no engine is built then"))]
pub mod engine;
pub mod golden;
pub mod json;
pub mod oracle;
pub mod random;
#[cfg(feature = "federated")]
pub mod settings;
pub mod shrink;
pub mod sqltext;
pub mod trees;
pub mod world;
