//! A row on its way: the bytes that are sorted, spilled and read back.
//!
//! `length u32, event u32, user_no u64, ts i64, seq u64, user id length u32, message id length u32`, little-endian, then the
//! user id, the message id and the [`crate::cell`]s. `length` counts all of it. A user row has no event and no message id;
//! its `ts` is the stated `first_seen_at`, [`NO_TIME`] if there is none.

use crate::error::{ImportError, Result};

/// `ts` of a user row that states no time.
pub(crate) const NO_TIME: i64 = i64::MIN;
/// Bytes before the user id.
const HEAD: usize = 40;
/// Where the user's number is.
const USER_NO: std::ops::Range<usize> = 8..16;

/// A row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) event: u32,
    pub(crate) user_no: u64,
    pub(crate) ts: i64,
    /// Source and row, see [`seq`].
    pub(crate) seq: u64,
    pub(crate) user_id: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) cells: &'a [u8],
    /// All of it.
    pub(crate) bytes: &'a [u8],
}

/// Bits of a sequence number that count rows.
const ROW_BITS: u32 = 40;

/// The number that orders all rows of an import: by source, then by row from 1. Never 0.
pub(crate) fn seq(source: u32, row: u64) -> u64 {
    (u64::from(source) << ROW_BITS) | row
}

/// The source and row of a sequence number.
pub(crate) fn source_and_row(seq: u64) -> (u32, u64) {
    ((seq >> ROW_BITS) as u32, seq & ((1 << ROW_BITS) - 1))
}

/// Appends a row whose user has no number yet.
pub(crate) fn put(out: &mut Vec<u8>, event: u32, ts: i64, seq: u64, user_id: &str, message_id: &str, cells: &[u8]) {
    let length = HEAD + user_id.len() + message_id.len() + cells.len();
    out.reserve(length);
    // A row's text is at most `ROW_BYTES_MAX`, far below 4 GiB.
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.extend_from_slice(&event.to_le_bytes());
    out.extend_from_slice(&0u64.to_le_bytes());
    out.extend_from_slice(&ts.to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&(user_id.len() as u32).to_le_bytes());
    out.extend_from_slice(&(message_id.len() as u32).to_le_bytes());
    out.extend_from_slice(user_id.as_bytes());
    out.extend_from_slice(message_id.as_bytes());
    out.extend_from_slice(cells);
}

/// Writes the user's number into a row's bytes.
pub(crate) fn set_user_no(record: &mut [u8], user_no: u64) {
    if let Some(place) = record.get_mut(USER_NO) {
        place.copy_from_slice(&user_no.to_le_bytes());
    }
}

/// The length of the row that the bytes start with.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    (length >= HEAD).then_some(length)
}

/// The time of the row that the bytes start with.
pub(crate) fn ts(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(*bytes.get(16..)?.first_chunk()?))
}

/// Reads the row that the bytes start with.
pub(crate) fn read(bytes: &[u8]) -> Result<Record<'_>> {
    parse(bytes).ok_or_else(|| ImportError::scratch("read back temporary files", "a row is cut off"))
}

fn parse(bytes: &[u8]) -> Option<Record<'_>> {
    let bytes = bytes.get(..length(bytes)?)?;
    let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (user_len, message_len) = (u32_at(32)? as usize, u32_at(36)? as usize);
    let rest = bytes.get(HEAD..)?;
    let (user_id, rest) = rest.split_at_checked(user_len)?;
    let (message_id, cells) = rest.split_at_checked(message_len)?;
    Some(Record {
        event: u32_at(4)?,
        user_no: u64_at(8)?,
        ts: u64_at(16)? as i64,
        seq: u64_at(24)?,
        user_id: std::str::from_utf8(user_id).ok()?,
        message_id: std::str::from_utf8(message_id).ok()?,
        cells,
        bytes,
    })
}

/// The rows of a buffer, one after the other.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = read(self.rest);
        match &record {
            Ok(record) => self.rest = self.rest.get(record.bytes.len()..).unwrap_or_default(),
            Err(_) => self.rest = &[],
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip() {
        let mut bytes = Vec::new();
        put(&mut bytes, 3, -5, seq(2, 7), "ü", "m", b"cells");
        put(&mut bytes, 0, NO_TIME, seq(1, 1), "u", "", b"");
        set_user_no(&mut bytes, 99);
        let rows: Vec<_> = Records::new(&bytes).map(Result::unwrap).collect();
        assert_eq!((rows[0].event, rows[0].user_no, rows[0].ts, source_and_row(rows[0].seq)), (3, 99, -5, (2, 7)));
        assert_eq!((rows[0].user_id, rows[0].message_id, rows[0].cells), ("ü", "m", &b"cells"[..]));
        assert_eq!((rows[1].user_id, rows[1].ts, rows[1].cells.len()), ("u", NO_TIME, 0));
        assert!(Records::new(&bytes[..bytes.len() - 1]).last().unwrap().is_err());
    }
}
