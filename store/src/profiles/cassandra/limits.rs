//! Bounds of the work on Cassandra.

/// Requests under way at once, of one handle.
pub(crate) const REQUESTS_MAX: usize = 64;
/// Lightweight transactions under way at once, of one handle.
pub(crate) const TRANSACTIONS_MAX: usize = 16;
/// Rows written by one batch, all of one partition, and ids asked for at once.
pub(crate) const BATCH_ROWS_MAX: usize = 100;
/// Rows of a page. Rows may be large, and several pages are held at once.
pub(crate) const PAGE_ROWS: i32 = 1000;
/// Token ranges read at once, of one scan.
pub(crate) const RANGES_AT_ONCE: usize = 8;
/// Token ranges that a mirror is built from.
pub(crate) const RANGES_OF_BUILD: u32 = 64;
/// Users read one by one between two pauses for breath.
pub(crate) const USERS_READ_MAX: usize = 4096;
