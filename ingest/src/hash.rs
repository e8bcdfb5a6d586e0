//! Hashes that identify rows: of message ids, of events, of a row's content and position.
//!
//! XXH3 with 128 bits: rows that differ share one about never, unless somebody makes them to.

use xxhash_rust::xxh3::{Xxh3, xxh3_128, xxh3_128_with_seed};

/// What a message id that was made from a row's content and position begins with.
pub(crate) const ROW_PREFIX: &str = "row:";
/// Tells hashes of whole events from hashes of message ids.
const EVENT_SEED: u64 = 0x6d75_7374_6572;

/// Of a message id.
pub(crate) fn message(message_id: &str) -> u128 {
    xxh3_128(message_id.as_bytes())
}

/// Of what makes a late event one with another: message id, user, name and time.
pub(crate) fn event(message_id: &str, user_id: &str, event: &str, ts: i64) -> u128 {
    let mut hash = Xxh3::with_seed(EVENT_SEED);
    for part in [message_id, user_id, event] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(&ts.to_le_bytes());
    hash.digest128()
}

/// Of a row's content.
pub(crate) fn content(bytes: &[u8], seed: u64) -> u128 {
    xxh3_128_with_seed(bytes, seed)
}

/// A hash followed by something more.
pub(crate) fn chain(before: u128, next: u128) -> u128 {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&before.to_le_bytes());
    bytes[16..].copy_from_slice(&next.to_le_bytes());
    xxh3_128(&bytes)
}

/// The message id of an event that has none: its row's content and position in the file.
pub(crate) fn row_id(content: u128, position: u64, out: &mut String) {
    use std::fmt::Write;
    out.clear();
    // Writing into a String never fails.
    let _ = write!(out, "{ROW_PREFIX}{:032x}", chain(content, u128::from(position)));
}

/// The seed of a table's rows: its columns' names.
pub(crate) fn header_seed<'a>(columns: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = Xxh3::new();
    for column in columns {
        hash.update(&(column.len() as u64).to_le_bytes());
        hash.update(column.as_bytes());
    }
    hash.digest()
}
