//! The accumulators of one thread, indexed by user number.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::PhysicalExpr;

/// What the aggregation reads of each batch.
#[derive(Debug)]
pub(super) struct Reads {
    pub(super) key: Arc<dyn PhysicalExpr>,
    pub(super) functions: Vec<Arc<AggregateFunctionExpr>>,
    /// Arguments, for each function.
    pub(super) arguments: Vec<Vec<Arc<dyn PhysicalExpr>>>,
    /// `FILTER (WHERE …)`, for each function.
    pub(super) filters: Vec<Option<Arc<dyn PhysicalExpr>>>,
}

/// Accumulators for the users `0..users`.
pub(super) struct Groups {
    users: usize,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    present: BooleanBufferBuilder,
    /// Reused for each batch.
    positions: Vec<usize>,
}

impl Groups {
    pub(super) fn new(reads: &Reads, users: usize) -> Result<Self> {
        let accumulators = reads.functions.iter().map(|f| f.create_groups_accumulator()).collect::<Result<_>>()?;
        let mut present = BooleanBufferBuilder::new(users);
        present.append_n(users, false);
        Ok(Self { users, accumulators, present, positions: Vec::new() })
    }

    pub(super) fn update(&mut self, reads: &Reads, batch: &RecordBatch) -> Result<()> {
        let keys = reads.key.evaluate(batch)?.into_array(batch.num_rows())?;
        let keys = keys.as_primitive_opt::<Int64Type>().ok_or_else(|| exec_datafusion_err!("user_no is {}, not a long", keys.data_type()))?;
        if keys.null_count() > 0 {
            return exec_err!("a row has no user_no");
        }
        self.positions.clear();
        self.positions.reserve(keys.len());
        for key in keys.values() {
            let position = usize::try_from(*key).ok().filter(|p| *p < self.users);
            let Some(position) = position else {
                return exec_err!("user_no {key} is beyond the {} users of this state", self.users);
            };
            self.present.set_bit(position, true);
            self.positions.push(position);
        }
        for ((accumulator, arguments), filter) in self.accumulators.iter_mut().zip(&reads.arguments).zip(&reads.filters) {
            let values = arguments
                .iter()
                .map(|e| e.evaluate(batch).and_then(|v| v.into_array(batch.num_rows())))
                .collect::<Result<Vec<ArrayRef>>>()?;
            let filter = filter.as_ref().map(|e| e.evaluate(batch).and_then(|v| v.into_array(batch.num_rows()))).transpose()?;
            let filter = filter.as_ref().map(boolean).transpose()?;
            accumulator.update_batch(&values, &self.positions, filter, self.users)?;
        }
        Ok(())
    }

    /// Takes in what another thread gathered.
    pub(super) fn merge(&mut self, mut other: Groups) -> Result<()> {
        let positions: Vec<usize> = (0..self.users).collect();
        for (own, theirs) in self.accumulators.iter_mut().zip(&mut other.accumulators) {
            // An accumulator that saw no batch has no groups yet.
            let state = theirs.state(EmitTo::All)?;
            let groups = state.first().map_or(0, |s| s.len());
            if let Some(positions) = positions.get(..groups).filter(|p| !p.is_empty()) {
                own.merge_batch(&state, positions, None, self.users)?;
            }
        }
        let theirs = other.present.finish();
        for position in theirs.set_indices() {
            self.present.set_bit(position, true);
        }
        Ok(())
    }

    /// The groups in the order of their numbers, batch by batch.
    pub(super) fn finish(mut self, schema: &SchemaRef, batch_rows: usize) -> Result<Vec<RecordBatch>> {
        let present = BooleanArray::new(self.present.finish(), None);
        let mut columns = Vec::with_capacity(self.accumulators.len());
        for accumulator in &mut self.accumulators {
            columns.push(accumulator.evaluate(EmitTo::All)?);
        }
        let mut out = Vec::new();
        let rows = columns.iter().map(|c| c.len()).min().unwrap_or(self.users).min(self.users);
        let mut start = 0;
        while start < rows {
            let len = batch_rows.min(rows - start);
            let here = present.slice(start, len);
            if here.true_count() > 0 {
                let first = i64::try_from(start).map_err(|e| DataFusionError::External(e.into()))?;
                let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + len as i64));
                let columns = std::iter::once(keys).chain(columns.iter().map(|c| c.slice(start, len))).collect();
                out.push(filter_record_batch(&RecordBatch::try_new(schema.clone(), columns)?, &here)?);
            }
            start += len;
        }
        Ok(out)
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.accumulators.iter().map(|a| a.size()).sum::<usize>() + self.users / 8 + self.positions.capacity() * size_of::<usize>()
    }
}

fn boolean(array: &ArrayRef) -> Result<&BooleanArray> {
    array.as_boolean_opt().ok_or_else(|| exec_datafusion_err!("a filter is {}, not boolean", array.data_type()))
}
