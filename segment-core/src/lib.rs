//! The compiler: condition trees in, SQL and in-memory evaluation out.
//!
//! Wire JSON (`condition`) → resolved against a `catalog`, an instant and a zone (`resolve`) → typed `plan` → `simplify`
//! → lowered for a `dialect` (`lower`) → SQL text. Pure: no I/O, no clock, no async, no Arrow.

pub mod binding;
pub mod catalog;
pub mod compile;
pub mod condition;
pub mod convert;
pub mod decimal;
pub mod declare;
pub mod diagnostics;
pub mod dialect;
pub mod eval;
pub mod json;
pub mod learn;
pub mod limits;
mod lint;
pub mod lower;
mod map;
pub mod names;
pub mod ops;
pub mod plan;
pub mod re2;
pub mod resolve;
pub mod rules;
mod schema;
pub mod simplify;
pub mod sql;
pub mod time;
pub mod types;
pub mod value;
