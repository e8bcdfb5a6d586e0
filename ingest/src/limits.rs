//! Every bound an import keeps, with its unit.

use std::time::Duration;

/// Events with one `message_id` received within this time are one event, whatever the later one carries.
pub const DEDUP_HORIZON: Duration = Duration::from_secs(24 * 60 * 60);
/// Memory an import takes by default, in bytes; the stores it writes to have caches of their own besides.
pub const MEMORY_BYTES_DEFAULT: usize = 1 << 30;
/// Least memory an import plans with, in bytes.
pub const MEMORY_BYTES_MIN: usize = 16 << 20;
/// Least memory of a recipe's query, in bytes: less, and sorting fails.
pub const QUERY_BYTES_MIN: usize = 64 << 20;
/// Bytes of one row of text: a JSON line, or a CSV record with its quoted line breaks.
pub const ROW_BYTES_MAX: usize = 16 << 20;
/// Bytes of text that one thread parses at a time.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Rows of columnar input that one thread takes at a time.
pub const CHUNK_ROWS: usize = 8_192;
/// Distinct property names, and distinct attribute names, in one import. More are data that should be a declared map.
pub const NAMES_MAX: usize = 4_096;
/// Distinct event names in one import.
pub const EVENT_NAMES_MAX: usize = 65_536;
/// Rejected rows that are still listed after the allowed number is passed, before the import gives up reading.
pub const REJECTS_BEYOND_MAX: u64 = 1_000;
/// Rejects that an error shows.
pub const REJECTS_SHOWN: usize = 5;
/// Characters of a rejected row that the reject file keeps.
pub const RAW_CHARS_MAX: usize = 1_000;
/// Examples of values that did not convert, kept for the report, for each name.
pub const EXAMPLES_MAX: usize = 3;
/// Characters of such an example.
pub const EXAMPLE_CHARS_MAX: usize = 80;
/// Threads that parse, and threads that write days.
pub const THREADS_MAX: usize = 16;
/// Parts that the hashes of message ids are split into; each is sorted in memory, one per thread.
pub const DEDUP_PARTS: usize = 64;
/// Rows of a batch handed to the lake.
pub const BATCH_ROWS: usize = 16_384;
/// Bytes of values after which a batch of events ends, whatever its rows.
pub const BATCH_BYTES: usize = 32 << 20;
/// User rows merged at a time.
pub const USER_ROWS: usize = 8_192;
/// Earlier imports looked at for user files that were applied before.
pub const LEDGER_ROWS: u32 = 100_000;
