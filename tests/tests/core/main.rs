//! The compiler without an engine: laws of the oracle, SQL text, golden cases, diagnostics.

mod bound;
mod diagnostics;
mod golden;
mod laws;
mod sql;
