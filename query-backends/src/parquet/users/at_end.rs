//! `first_value` and `last_value` by `(ts, message_id)`: of each group the least or the greatest row.
//!
//! The engine copies the order of every row that is better than the one before. Here rows of one user, which come together, are compared
//! in place, and what is kept of a group is overwritten without a new allocation. Memory grows with groups.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringViewArray, StringViewBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err, internal_err, not_impl_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

/// The accumulator.
#[derive(Debug)]
pub(super) struct AtEnd {
    /// Whether the greatest row is looked for.
    last: bool,
    ty: DataType,
    /// By group: the best row's time (`None` before the first row), message and value.
    times: Vec<Option<i64>>,
    messages: Vec<String>,
    values: Values,
    text_bytes: usize,
}

#[derive(Debug)]
enum Values {
    Words(Vec<Option<u64>>),
    Texts(Vec<Option<String>>),
}

impl AtEnd {
    /// The accumulator of a function, if it is one of these and its types are known here.
    pub(super) fn of(function: &AggregateFunctionExpr, input: &Schema) -> Result<Option<Self>> {
        let last = match function.fun().name() {
            "first_value" => false,
            "last_value" => true,
            _ => return Ok(None),
        };
        let (arguments, order) = (function.expressions(), function.order_bys());
        let ([value], [ts, message]) = (arguments.as_slice(), order) else { return Ok(None) };
        let (ts_type, message_type) = (ts.expr.data_type(input)?, message.expr.data_type(input)?);
        let ordered = matches!(ts_type, DataType::Timestamp(TimeUnit::Microsecond, _)) && message_type == DataType::Utf8View;
        let ty = value.data_type(input)?;
        let values = match &ty {
            DataType::Utf8View => Values::Texts(Vec::new()),
            DataType::Int64 | DataType::Float64 | DataType::Boolean | DataType::Date32 => Values::Words(Vec::new()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Values::Words(Vec::new()),
            _ => return Ok(None),
        };
        if !ordered || ts.options.descending != message.options.descending || function.ignore_nulls() {
            return Ok(None);
        }
        let last = last != ts.options.descending;
        Ok(Some(Self { last, ty, times: Vec::new(), messages: Vec::new(), values, text_bytes: 0 }))
    }

    fn is_better(&self, row: (i64, &str), than: (i64, &str)) -> bool {
        if self.last { row > than } else { row < than }
    }

    /// Takes the best row of some that came together.
    fn offer(&mut self, group: usize, ts: i64, message: &str, values: &ArrayRef, row: usize) {
        let (Some(time), Some(kept)) = (self.times.get(group).copied(), self.messages.get(group)) else { return };
        if time.is_some_and(|time| !self.is_better((ts, message), (time, kept))) {
            return;
        }
        let known = values.is_valid(row);
        match &mut self.values {
            Values::Words(words) => words[group] = known.then(|| word(values, row)),
            Values::Texts(texts) => match (&mut texts[group], known) {
                (text, false) => *text = None,
                (Some(text), true) => self.text_bytes += overwrite(text, values.as_string_view().value(row)),
                (text @ None, true) => {
                    let value = values.as_string_view().value(row);
                    self.text_bytes += value.len();
                    *text = Some(value.to_owned());
                }
            },
        }
        self.times[group] = Some(ts);
        self.text_bytes += overwrite(&mut self.messages[group], message);
    }
}

/// Puts other text in place, and says by how many bytes it grew.
fn overwrite(text: &mut String, with: &str) -> usize {
    let before = text.capacity();
    text.clear();
    text.push_str(with);
    text.capacity() - before
}

/// A value of one of the types that fit into a word.
fn word(values: &ArrayRef, row: usize) -> u64 {
    match values.data_type() {
        DataType::Int64 => values.as_primitive::<Int64Type>().value(row) as u64,
        DataType::Float64 => values.as_primitive::<Float64Type>().value(row).to_bits(),
        DataType::Date32 => values.as_primitive::<Date32Type>().value(row) as u64,
        DataType::Boolean => u64::from(values.as_boolean().value(row)),
        _ => values.as_primitive::<TimestampMicrosecondType>().value(row) as u64,
    }
}

impl GroupsAccumulator for AtEnd {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.times.resize(total_num_groups, None);
        self.messages.resize(total_num_groups, String::new());
        match &mut self.values {
            Values::Words(words) => words.resize(total_num_groups, None),
            Values::Texts(texts) => texts.resize(total_num_groups, None),
        }
        let [values, ts, messages] = values else { return internal_err!("first and last values take a value and its order") };
        if ts.null_count() > 0 || messages.null_count() > 0 {
            return exec_err!("an event has no time or no message_id");
        }
        let (ts, messages): (_, &StringViewArray) = (ts.as_primitive::<TimestampMicrosecondType>(), messages.as_string_view());
        let counted = |row: usize| opt_filter.is_none_or(|f| f.is_valid(row) && f.value(row));
        let mut best: Option<(usize, usize)> = None;
        for (row, group) in group_indices.iter().copied().enumerate().filter(|(row, _)| counted(*row)) {
            best = match best {
                Some((of, kept)) if of == group => {
                    let better = self.is_better((ts.value(row), messages.value(row)), (ts.value(kept), messages.value(kept)));
                    Some((group, if better { row } else { kept }))
                }
                other => {
                    if let Some((of, kept)) = other {
                        self.offer(of, ts.value(kept), messages.value(kept), values, kept);
                    }
                    Some((group, row))
                }
            };
        }
        if let Some((of, kept)) = best {
            self.offer(of, ts.value(kept), messages.value(kept), values, kept);
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        if emit_to != EmitTo::All {
            return not_impl_err!("values of some groups");
        }
        let words = match std::mem::replace(&mut self.values, Values::Words(Vec::new())) {
            Values::Words(words) => words,
            Values::Texts(texts) => {
                let mut out = StringViewBuilder::with_capacity(texts.len());
                texts.iter().for_each(|text| out.append_option(text.as_deref()));
                return Ok(Arc::new(out.finish()));
            }
        };
        let words = words.into_iter();
        Ok(match &self.ty {
            DataType::Int64 => Arc::new(words.map(|w| w.map(|w| w as i64)).collect::<Int64Array>()),
            DataType::Float64 => Arc::new(words.map(|w| w.map(f64::from_bits)).collect::<Float64Array>()),
            DataType::Date32 => Arc::new(words.map(|w| w.map(|w| w as i32)).collect::<Date32Array>()),
            DataType::Boolean => Arc::new(words.map(|w| w.map(|w| w == 1)).collect::<BooleanArray>()),
            ty => {
                let array: TimestampMicrosecondArray = words.map(|w| w.map(|w| w as i64)).collect();
                Arc::new(array.with_data_type(ty.clone()))
            }
        })
    }

    fn state(&mut self, _: EmitTo) -> Result<Vec<ArrayRef>> {
        not_impl_err!("first and last values are found in one step")
    }

    fn merge_batch(&mut self, _: &[ArrayRef], _: &[usize], _: Option<&BooleanArray>, _: usize) -> Result<()> {
        not_impl_err!("first and last values are found in one step")
    }

    fn size(&self) -> usize {
        let values = match &self.values {
            Values::Words(words) => words.capacity() * size_of::<Option<u64>>(),
            Values::Texts(texts) => texts.capacity() * size_of::<Option<String>>(),
        };
        let rows = self.times.capacity() * size_of::<Option<i64>>() + self.messages.capacity() * size_of::<String>();
        values + rows + self.text_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(last: bool, filter: Option<BooleanArray>) -> Vec<Option<String>> {
        let mut end = AtEnd {
            last,
            ty: DataType::Utf8View,
            times: Vec::new(),
            messages: Vec::new(),
            values: Values::Texts(Vec::new()),
            text_bytes: 0,
        };
        let texts = |t: &[Option<&str>]| Arc::new(StringViewArray::from(t.to_vec())) as ArrayRef;
        let times = |t: &[i64]| Arc::new(TimestampMicrosecondArray::from(t.to_vec())) as ArrayRef;
        // Group 0: times tie, messages decide. Group 1: the later batch is earlier. Group 2: its end has no value.
        let batch = [
            texts(&[Some("a"), Some("b"), Some("c"), Some("late"), Some("x"), None]),
            times(&[5, 5, 5, 9, 1, 2]),
            texts(&[Some("m2"), Some("m10"), Some("m1"), Some("m"), Some("m"), Some("m")]),
        ];
        end.update_batch(&batch, &[0, 0, 0, 1, 2, 2], filter.as_ref(), 3).unwrap();
        let batch = [texts(&[Some("early"), Some("b2")]), times(&[8, 5]), texts(&[Some("m"), Some("m100")])];
        end.update_batch(&batch, &[1, 0], None, 4).unwrap();
        assert!(end.size() > 0);
        let out = end.evaluate(EmitTo::All).unwrap();
        out.as_string_view().iter().map(|t| t.map(str::to_owned)).collect()
    }

    #[test]
    fn ties_go_by_message_and_a_missing_value_stays_missing() {
        let some = |t: &str| Some(t.to_owned());
        assert_eq!(found(true, None), [some("a"), some("late"), None, None]);
        assert_eq!(found(false, None), [some("c"), some("early"), some("x"), None]);
    }

    #[test]
    fn rows_that_are_filtered_out_do_not_count() {
        let filter = BooleanArray::from(vec![Some(false), Some(true), Some(true), Some(true), Some(true), None]);
        assert_eq!(found(true, Some(filter)), [Some("b2".to_owned()), Some("late".to_owned()), Some("x".to_owned()), None]);
    }
}
