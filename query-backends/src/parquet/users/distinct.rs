//! `count(DISTINCT x)` by group: each value is numbered once; a group has a bit for each of the first 64 values, and pairs of numbers
//! are kept of the others.
//!
//! The engine keeps a set of values for each group, or groups twice. Exact; memory grows with groups, distinct values and those pairs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{HashMap, HashSet, Result, exec_datafusion_err, not_impl_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

/// Bytes that a set or map takes for an entry, besides the entry: free slots and control bytes.
const ENTRY_BYTES: usize = 8;

/// Whether values of a type can be counted here.
pub(super) fn counts(ty: &DataType) -> bool {
    use DataType::{Boolean, Date32, Float64, Int64, Timestamp, Utf8, Utf8View};
    matches!(ty, Utf8 | Utf8View | Int64 | Float64 | Boolean | Date32 | Timestamp(TimeUnit::Microsecond, _))
}

/// The accumulator.
#[derive(Debug, Default)]
pub(super) struct DistinctCounts {
    texts: HashMap<Box<str>, u32>,
    text_bytes: usize,
    words: HashMap<u64, u32>,
    /// The word numbered last: rows of a day, or of a user, come together.
    last_word: Option<(u64, u32)>,
    /// By group: the values numbered below 64.
    bits: Vec<u64>,
    /// The others: group in the high half, the value's number in the low half.
    pairs: HashSet<u64>,
    /// By group: how many pairs.
    counts: Vec<i64>,
}

impl DistinctCounts {
    /// Numbers the value of each row that is looked at, and counts those that are new to their group.
    fn add<T>(&mut self, rows: impl Iterator<Item = (usize, T)>, mut number: impl FnMut(&mut Self, T) -> Option<u32>) -> Result<()> {
        for (group, value) in rows {
            let number = number(self, value).ok_or_else(|| exec_datafusion_err!("there are too many distinct values"))?;
            if number < u64::BITS {
                if let Some(bits) = self.bits.get_mut(group) {
                    *bits |= 1 << number;
                }
                continue;
            }
            let group_number = u32::try_from(group).map_err(|_| exec_datafusion_err!("there are too many groups"))?;
            if self.pairs.insert(u64::from(group_number) << 32 | u64::from(number))
                && let Some(count) = self.counts.get_mut(group)
            {
                *count += 1;
            }
        }
        Ok(())
    }

    fn text_number(&mut self, text: &str) -> Option<u32> {
        if let Some(number) = self.texts.get(text) {
            return Some(*number);
        }
        let number = u32::try_from(self.texts.len()).ok()?;
        self.text_bytes += text.len();
        self.texts.insert(text.into(), number);
        Some(number)
    }

    fn word_number(&mut self, word: u64) -> Option<u32> {
        if let Some((last, number)) = self.last_word
            && last == word
        {
            return Some(number);
        }
        let next = u32::try_from(self.words.len()).ok()?;
        let number = *self.words.entry(word).or_insert(next);
        self.last_word = Some((word, number));
        Some(number)
    }
}

impl GroupsAccumulator for DistinctCounts {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.bits.resize(total_num_groups, 0);
        self.counts.resize(total_num_groups, 0);
        let [values] = values else { return not_impl_err!("counting {} values a row", values.len()) };
        let counted = |row: &usize| values.is_valid(*row) && opt_filter.is_none_or(|f| f.is_valid(*row) && f.value(*row));
        let rows = group_indices.iter().copied().enumerate().filter(|(row, _)| counted(row));
        match values.data_type() {
            DataType::Utf8View => {
                let texts = values.as_string_view();
                self.add(rows.map(|(row, group)| (group, texts.value(row))), |s, text| s.text_number(text))
            }
            DataType::Utf8 => {
                let texts = values.as_string::<i32>();
                self.add(rows.map(|(row, group)| (group, texts.value(row))), |s, text| s.text_number(text))
            }
            DataType::Int64 => {
                let array = values.as_primitive::<Int64Type>();
                self.add(rows.map(|(row, group)| (group, array.value(row) as u64)), Self::word_number)
            }
            DataType::Float64 => {
                let array = values.as_primitive::<Float64Type>();
                // Stored numbers have no negative zero, and there is no NaN.
                self.add(rows.map(|(row, group)| (group, array.value(row).to_bits())), Self::word_number)
            }
            DataType::Boolean => {
                let array = values.as_boolean();
                self.add(rows.map(|(row, group)| (group, u64::from(array.value(row)))), Self::word_number)
            }
            DataType::Date32 => {
                let array = values.as_primitive::<Date32Type>();
                self.add(rows.map(|(row, group)| (group, array.value(row) as u64)), Self::word_number)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let array = values.as_primitive::<TimestampMicrosecondType>();
                self.add(rows.map(|(row, group)| (group, array.value(row) as u64)), Self::word_number)
            }
            other => not_impl_err!("counting distinct values of type {other}"),
        }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        match emit_to {
            EmitTo::All => {
                self.pairs = HashSet::default();
                let (bits, counts) = (std::mem::take(&mut self.bits), std::mem::take(&mut self.counts));
                let total = |(bits, count): (u64, i64)| i64::from(bits.count_ones()) + count;
                Ok(Arc::new(Int64Array::from_iter_values(bits.into_iter().zip(counts).map(total))))
            }
            EmitTo::First(_) => not_impl_err!("counts of some groups"),
        }
    }

    fn state(&mut self, _: EmitTo) -> Result<Vec<ArrayRef>> {
        not_impl_err!("counts of distinct values are made in one step")
    }

    fn merge_batch(&mut self, _: &[ArrayRef], _: &[usize], _: Option<&BooleanArray>, _: usize) -> Result<()> {
        not_impl_err!("counts of distinct values are made in one step")
    }

    fn size(&self) -> usize {
        self.text_bytes
            + self.texts.capacity() * (size_of::<(Box<str>, u32)>() + ENTRY_BYTES)
            + self.words.capacity() * (size_of::<(u64, u32)>() + ENTRY_BYTES)
            + self.pairs.capacity() * (size_of::<u64>() + ENTRY_BYTES)
            + self.bits.capacity() * size_of::<u64>()
            + self.counts.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, StringViewArray};

    use super::*;

    fn counted(batches: &[(ArrayRef, &[usize], Option<BooleanArray>)], groups: usize) -> Vec<i64> {
        let mut counts = DistinctCounts::default();
        for (values, rows, filter) in batches {
            counts.update_batch(std::slice::from_ref(values), rows, filter.as_ref(), groups).unwrap();
        }
        assert!(counts.size() > 0);
        counts.evaluate(EmitTo::All).unwrap().as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn texts_by_group_over_batches() {
        let texts = |t: &[Option<&str>]| Arc::new(StringViewArray::from(t.to_vec())) as ArrayRef;
        let first = texts(&[Some("a"), Some(""), Some("a"), None, Some("a longer text than a view holds")]);
        let second = texts(&[Some("a"), Some("b"), Some("a longer text than a view holds")]);
        let filter = BooleanArray::from(vec![Some(true), None, Some(true)]);
        assert_eq!(counted(&[(first, &[0, 0, 1, 1, 1], None), (second, &[0, 0, 1], Some(filter))], 3), [2, 2, 0]);
    }

    #[test]
    fn many_values() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1000).map(|i| i % 200)));
        let groups: Vec<usize> = (0..1000).map(|i| i / 500).collect();
        assert_eq!(counted(&[(numbers, &groups, None)], 2), [200, 200]);
    }

    #[test]
    fn numbers_and_truths() {
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.1), Some(0.1), Some(-0.1), None]));
        assert_eq!(counted(&[(numbers, &[0, 0, 0, 1], None)], 2), [2, 0]);
        let truths: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true]));
        assert_eq!(counted(&[(truths, &[0, 0, 0], None)], 1), [2]);
    }
}
