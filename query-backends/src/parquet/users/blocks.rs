//! Which partition a user belongs to: numbers are cut into blocks, which are dealt out in turn.
//!
//! Blocks rather than one range a partition, because users seen first have low numbers and the most events. Numbers above those of
//! all profiles are strangers: events of users who were erased. A partition's strangers share its last place, and join nobody.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use datafusion::common::{Result, internal_err};

/// Blocks that each partition gets, at most twice as many.
const BLOCKS_A_PARTITION: u64 = 4;
/// A block has at least so many users, so that little data is not cut to pieces.
const BLOCK_BITS_MIN: u32 = 3;

/// The division of all users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Blocks {
    partitions: usize,
    bits: u32,
    /// For each block, how many users of lower blocks its partition has.
    bases: Arc<[usize]>,
}

impl Blocks {
    /// Divides users numbered below `users`.
    pub(in super::super) fn new(users: u64, partitions: usize) -> Self {
        let partitions = partitions.max(1);
        let share = users / (partitions as u64 * BLOCKS_A_PARTITION);
        let bits = share.checked_ilog2().unwrap_or(0).max(BLOCK_BITS_MIN);
        let blocks = usize::try_from(users.div_ceil(1 << bits)).unwrap_or(usize::MAX);
        let bases = (0..blocks).map(|block| (block / partitions) << bits).collect();
        Self { partitions, bits, bases }
    }

    /// How many partitions there are.
    pub(super) fn partitions(&self) -> usize {
        self.partitions
    }

    /// How many places a partition's tables have.
    pub(super) fn places(&self, partition: usize) -> usize {
        let blocks = self.bases.len().saturating_sub(partition).div_ceil(self.partitions);
        (blocks << self.bits) + 1
    }

    /// The block of a number.
    pub(super) fn block(&self, number: i64) -> usize {
        // A negative number is in a block far above all others.
        ((number as u64) >> self.bits) as usize
    }

    /// The partition of a block.
    pub(super) fn owner(&self, block: usize) -> usize {
        block % self.partitions
    }

    /// Whether no profile can have the number.
    pub(super) fn is_stranger(&self, number: i64) -> bool {
        self.block(number) >= self.bases.len()
    }

    /// A user's place in their partition's tables.
    pub(super) fn place(&self, number: i64) -> usize {
        let block = self.block(number);
        match self.bases.get(block) {
            Some(base) => base + (number as usize & ((1 << self.bits) - 1)),
            None => self.places(self.owner(block)) - 1,
        }
    }
}

/// The numbers of a column that is never null.
pub(super) fn numbers(column: &ArrayRef) -> Result<&[i64]> {
    match column.as_primitive_opt::<Int64Type>() {
        Some(array) if array.null_count() == 0 => Ok(array.values()),
        _ => internal_err!("users' numbers are of type {}, or some are missing", column.data_type()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_user_has_a_place_of_their_own() {
        for (users, partitions) in [(1, 1), (1, 4), (1023, 3), (1025, 2), (70_001, 3)] {
            let blocks = Blocks::new(users, partitions);
            let mut seen = HashSet::new();
            for number in 0..users as i64 {
                let (owner, place) = (blocks.owner(blocks.block(number)), blocks.place(number));
                assert!(owner < partitions && place + 1 < blocks.places(owner), "{number} of {users} in {partitions}");
                assert!(!blocks.is_stranger(number) && seen.insert((owner, place)));
            }
            for stranger in [-1, i64::MIN, i64::MAX, users as i64 + (1 << blocks.bits)] {
                assert!(blocks.is_stranger(stranger));
                assert_eq!(blocks.place(stranger) + 1, blocks.places(blocks.owner(blocks.block(stranger))));
            }
        }
        assert!(Blocks::new(0, 2).is_stranger(0));
    }

    #[test]
    fn shares_are_alike() {
        let blocks = Blocks::new(2_000_000, 2);
        assert!(blocks.places(0).abs_diff(blocks.places(1)) <= 1 << blocks.bits);
        assert!((8..=16).contains(&blocks.bases.len()), "{}", blocks.bases.len());
    }
}
