//! What stands in a segment file: two copies of a header, then records.
//!
//! Little-endian. Header: `magic 8, first offset u64, seed u64, first offset of the segment before u64, its valid bytes u64, the offset
//! after its last record u64, 8 zeros, check u64`. Record: `body length u32, records before it in its group u32, offset u64, check of these u32, check of the body u64`, then the
//! body: `received_at i64, key u128, bytes`.
//!
//! Checks are XXH3 with the segment's own random seed, so that bytes which somebody sends in never pass for a record where reading has to
//! find its place again after damage. The length has a check of its own, so that a damaged body costs one record.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Record;

/// Bytes before the first record.
pub(crate) const HEADERS: usize = 2 * HEADER;
/// Bytes of a header.
pub(crate) const HEADER: usize = 64;
/// Bytes of a record before its body.
pub(crate) const HEAD: usize = 28;
/// Bytes of a body before what was given.
const BODY: usize = 24;
/// Bytes of the smallest record.
pub(crate) const FRAME_MIN: u64 = (HEAD + BODY) as u64;
/// Bytes of the largest record.
pub(crate) const FRAME_MAX: usize = HEAD + BODY + super::RECORD_BYTES_MAX;
/// What a segment file begins with; the last is the version.
const MAGIC: [u8; 8] = *b"MUSTLOG1";
/// No segment before this one.
pub(crate) const NO_SEGMENT: u64 = u64::MAX;

/// What a segment says about itself, and about the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) first: u64,
    pub(crate) seed: u64,
    /// The first offset of the segment before it, or [`NO_SEGMENT`].
    pub(crate) before: u64,
    /// How many of that one's bytes are valid: what follows was never acknowledged.
    pub(crate) before_bytes: u64,
    /// The offset after that one's last record: less than `first` only after damage.
    pub(crate) before_next: u64,
}

/// Why there is no header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// Both copies are damaged.
    Damaged,
    /// The version is another one.
    Version(u8),
}

impl Header {
    /// Both copies.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(HEADERS);
        copy.extend_from_slice(&MAGIC);
        for field in [self.first, self.seed, self.before, self.before_bytes, self.before_next, 0] {
            copy.extend_from_slice(&field.to_le_bytes());
        }
        let check = xxh3_64_with_seed(&copy, 0);
        copy.extend_from_slice(&check.to_le_bytes());
        copy.extend_from_within(..);
        copy
    }

    /// From the first [`HEADERS`] bytes of a file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, NoHeader> {
        let mut version = None;
        for copy in bytes.chunks_exact(HEADER).take(2) {
            let Some((fields, check)) = copy.split_last_chunk::<8>() else { continue };
            if xxh3_64_with_seed(fields, 0) != u64::from_le_bytes(*check) {
                continue;
            }
            let field = |n: usize| fields.get(n * 8..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes));
            if fields.starts_with(&MAGIC) {
                return Ok(Self { first: field(1), seed: field(2), before: field(3), before_bytes: field(4), before_next: field(5) });
            }
            version = fields.get(MAGIC.len() - 1).copied();
        }
        Err(version.map_or(NoHeader::Damaged, NoHeader::Version))
    }
}

/// Bytes that a record takes.
pub(crate) fn size(record: &Record) -> usize {
    HEAD + BODY + record.bytes.len()
}

/// Appends a record; `group` records of its group stand before it.
pub(crate) fn put(out: &mut Vec<u8>, seed: u64, offset: u64, group: u32, record: &Record) {
    let start = out.len();
    // A record's bytes are at most `RECORD_BYTES_MAX`.
    out.extend_from_slice(&((BODY + record.bytes.len()) as u32).to_le_bytes());
    out.extend_from_slice(&group.to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
    let check = head_check(out.get(start..).unwrap_or_default(), seed);
    out.extend_from_slice(&check.to_le_bytes());
    let place = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&record.received_at.to_le_bytes());
    out.extend_from_slice(&record.key.to_le_bytes());
    out.extend_from_slice(&record.bytes);
    let check = body_check(out.get(place + 8..).unwrap_or_default(), seed, offset);
    if let Some(bytes) = out.get_mut(place..place + 8) {
        bytes.copy_from_slice(&check.to_le_bytes());
    }
}

fn head_check(head: &[u8], seed: u64) -> u32 {
    xxh3_64_with_seed(head, seed) as u32
}

fn body_check(body: &[u8], seed: u64, offset: u64) -> u64 {
    xxh3_64_with_seed(body, seed ^ offset.rotate_left(32))
}

/// A record's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) offset: u64,
    /// The offset of the first record that was written with it.
    pub(crate) group: u64,
    /// Bytes of all of it.
    pub(crate) size: usize,
    check: u64,
}

/// The head that the bytes start with; none if they are damaged or too few.
pub(crate) fn head(bytes: &[u8], seed: u64) -> Option<Head> {
    let head: &[u8; HEAD] = bytes.first_chunk()?;
    let u32_at = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(*head.get(at..)?.first_chunk()?));
    if u32_at(16)? != head_check(head.get(..16)?, seed) {
        return None;
    }
    let (length, offset) = (u32_at(0)? as usize, u64_at(8)?);
    let fits = (BODY..=FRAME_MAX - HEAD).contains(&length);
    fits.then_some(Head { offset, group: offset.checked_sub(u64::from(u32_at(4)?))?, size: HEAD + length, check: u64_at(20)? })
}

/// The record that the bytes start with; none if it is damaged or cut off.
pub(crate) fn record(bytes: &Bytes, at: usize, head: &Head, seed: u64) -> Option<Record> {
    let body = bytes.get(at + HEAD..at + head.size)?;
    if body_check(body, seed, head.offset) != head.check {
        return None;
    }
    let (received_at, rest) = body.split_first_chunk()?;
    let (key, _) = rest.split_first_chunk()?;
    Some(Record {
        received_at: i64::from_le_bytes(*received_at),
        key: u128::from_le_bytes(*key),
        bytes: bytes.slice(at + HEAD + BODY..at + head.size),
    })
}

/// Whether a whole record stands there.
pub(crate) fn stands(bytes: &[u8], at: usize, seed: u64) -> Option<Head> {
    let head = head(bytes.get(at..)?, seed)?;
    let body = bytes.get(at + HEAD..at + head.size)?;
    (body_check(body, seed, head.offset) == head.check).then_some(head)
}

/// The first place from `at` on where a whole record stands, of offset `least` or more. A sound head before a damaged body says where.
pub(crate) fn resume(bytes: &[u8], at: usize, seed: u64, least: u64) -> Option<(usize, Head)> {
    let good = |at: usize| stands(bytes, at, seed).filter(|head| head.offset >= least).map(|head| (at, head));
    let jump = || head(bytes.get(at..)?, seed).and_then(|head| good(at + head.size));
    good(at).or_else(jump).or_else(|| (at + 1..bytes.len().saturating_sub(HEAD)).find_map(good))
}

/// Damage that a [`scan`] found: offsets from `from` to before `next`, at byte `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) from: u64,
    pub(crate) next: u64,
    pub(crate) at: usize,
}

/// What a segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Bytes up to the end of the last valid record.
    pub(crate) end: usize,
    /// The offset after it.
    pub(crate) next: u64,
    /// Damage before it.
    pub(crate) holes: Vec<Hole>,
}

/// Looks through the last segment, whose end may never have become durable. A group begins only when the one before it is durable: so damage
/// before the last group is real, and damage in it is its torn end, from where on nothing counts.
pub(crate) fn scan(bytes: &[u8], header: &Header) -> Scan {
    let mut scan = Scan { end: HEADERS, next: header.first, holes: Vec::new() };
    let mut group = header.first;
    while let Some((at, head)) = resume(bytes, scan.end, header.seed, scan.next) {
        if head.offset > scan.next || at > scan.end {
            scan.holes.push(Hole { from: scan.next, next: head.offset, at: scan.end });
        }
        (scan.end, scan.next, group) = (at + head.size, head.offset + 1, head.group);
    }
    if let Some(torn) = scan.holes.iter().position(|hole| hole.next > group)
        && let Some(hole) = scan.holes.get(torn).copied()
    {
        scan.holes.truncate(torn);
        (scan.end, scan.next) = (hole.at, hole.from);
        if hole.from < group {
            scan.holes.push(Hole { next: group, ..hole });
            scan.next = group;
        }
    }
    scan
}
