//! Numbers of users, remembered within bounds, and event spans by number.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The most numbers remembered, in two generations.
const REMEMBERED_MAX: usize = 4 << 20;

/// A map from user ids. Its hash is seeded by chance, and short ids take a few nanoseconds.
pub(crate) type ByUser = HashMap<Box<str>, u64, IdHash>;

/// Hashes user ids.
#[derive(Clone)]
pub(crate) struct IdHash {
    seed: u64,
}

impl Default for IdHash {
    fn default() -> Self {
        Self { seed: RandomState::new().build_hasher().finish() }
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { state: self.seed }
    }
}

/// The state of hashing one id.
pub(crate) struct IdHasher {
    state: u64,
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.state = xxh3_64_with_seed(bytes, self.state);
    }

    fn write_u8(&mut self, byte: u8) {
        // A text's end; ids are hashed alone, so it tells nothing apart.
        self.state ^= u64::from(byte);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

/// Numbers seen lately. Two generations stand in for least-recently-used: when the younger is full, it replaces the
/// older, and what is used again moves back to the younger.
#[derive(Default)]
pub(crate) struct Numbers {
    young: ByUser,
    old: ByUser,
}

impl Numbers {
    /// The number of a user, if remembered.
    pub(crate) fn get(&mut self, user_id: &str) -> Option<u64> {
        if let Some(&number) = self.young.get(user_id) {
            return Some(number);
        }
        let (id, number) = self.old.remove_entry(user_id)?;
        self.insert(id, number);
        Some(number)
    }

    /// Remembers a number.
    pub(crate) fn insert(&mut self, user_id: Box<str>, number: u64) {
        if self.young.len() >= REMEMBERED_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(user_id, number);
    }

    /// Forgets a user.
    pub(crate) fn remove(&mut self, user_id: &str) {
        self.young.remove(user_id);
        self.old.remove(user_id);
    }
}

/// Users of a page of spans.
const PAGE_USERS: u64 = 1 << 12;
/// The most pages held: 64 MiB.
const PAGES_MAX: usize = 1 << 10;
/// The span of a user without events: anything widens it.
const EMPTY: (i64, i64) = (i64::MAX, i64::MIN);

/// First and last event by user number, held back to be written in order. Numbers are dense, so pages are arrays.
#[derive(Default)]
pub(crate) struct Spans {
    pages: HashMap<u64, Box<[(i64, i64)]>>,
}

impl Spans {
    /// Widens a user's span.
    pub(crate) fn widen(&mut self, number: u64, first: i64, last: i64) {
        let page = self.pages.entry(number / PAGE_USERS).or_insert_with(|| vec![EMPTY; PAGE_USERS as usize].into());
        let span = &mut page[(number % PAGE_USERS) as usize];
        *span = (span.0.min(first), span.1.max(last));
    }

    /// Whether it is time to write them.
    pub(crate) fn is_full(&self) -> bool {
        self.pages.len() >= PAGES_MAX
    }

    /// Takes all spans, by number.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (u64, (i64, i64))> {
        let mut pages: Vec<(u64, Box<_>)> = self.pages.drain().collect();
        pages.sort_unstable_by_key(|(page, _)| *page);
        let numbered = |(page, spans): (u64, Box<[(i64, i64)]>)| (page * PAGE_USERS..).zip(spans.into_vec());
        pages.into_iter().flat_map(numbered).filter(|(_, span)| *span != EMPTY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_outlives_a_generation() {
        let mut numbers = Numbers::default();
        for n in 0..REMEMBERED_MAX as u64 {
            numbers.insert(format!("u{n}").into(), n);
            if n % 1000 == 0 {
                assert_eq!(numbers.get("u0"), Some(0));
            }
        }
        assert!(numbers.young.len() + numbers.old.len() <= REMEMBERED_MAX);
        numbers.remove("u0");
        assert_eq!(numbers.get("u0"), None);
    }

    #[test]
    fn spans_come_out_by_number() {
        let mut spans = Spans::default();
        for number in [70_000, 3, 70_000, 4096] {
            spans.widen(number, number as i64, 70_001);
        }
        spans.widen(3, -5, -5);
        let all: Vec<_> = spans.drain().collect();
        assert_eq!(all, [(3, (-5, 70_001)), (4096, (4096, 70_001)), (70_000, (70_000, 70_001))]);
        assert_eq!(spans.drain().count(), 0);
    }
}
