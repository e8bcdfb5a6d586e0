//! Grouping by `user_no` without a hash table.
//!
//! Users' numbers are nearly dense, so the number itself can be the position of the group: accumulators are indexed by it, a
//! bitmap says which groups there are, and threads' accumulators are merged position by position. [`DenseAggregation`] puts
//! [`exec::DenseAggregateExec`] in the place of hash aggregations whose one key is `user_no`, where the accumulators fit the
//! memory given for them; everything else is left alone.

mod exec;
mod groups;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

pub(crate) use exec::DenseAggregateExec;

/// The grouping column.
const KEY: &str = "user_no";
/// Bytes that one aggregate takes a group, at most, for the functions that are taken over: a value and whether it is set.
const BYTES_PER_GROUP: usize = 33;

/// Replaces hash aggregations by `user_no`.
#[derive(Debug)]
pub(crate) struct DenseAggregation {
    /// One more than the greatest user number.
    users: usize,
    /// What all the accumulators of one aggregation may take.
    memory_bytes: usize,
}

impl DenseAggregation {
    pub(crate) fn new(users: usize, memory_bytes: usize) -> Self {
        Self { users, memory_bytes }
    }

    /// The dense form of an aggregation; `None` if it is to stay.
    fn replaced(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(last) = plan.as_any().downcast_ref::<AggregateExec>() else {
            return Ok(None);
        };
        let first = match last.mode() {
            AggregateMode::Single | AggregateMode::SinglePartitioned => last,
            AggregateMode::Final | AggregateMode::FinalPartitioned => match partial_below(last.input()) {
                Some(partial) => partial,
                None => return Ok(None),
            },
            AggregateMode::Partial | AggregateMode::PartialReduce => return Ok(None),
        };
        if !self.is_dense(first) {
            return Ok(None);
        }
        Ok(Some(Arc::new(DenseAggregateExec::try_new(first, last.schema(), self.users)?)))
    }

    fn is_dense(&self, aggregate: &AggregateExec) -> bool {
        let keys = aggregate.group_expr();
        let by_user = keys.is_single()
            && keys.expr().len() == 1
            && keys.expr().iter().all(|(e, name)| name == KEY && e.as_any().is::<Column>());
        let functions = aggregate.aggr_expr();
        let simple = functions.iter().all(|f| !f.is_distinct() && f.order_bys().is_empty() && f.groups_accumulator_supported());
        let partitions = aggregate.input().output_partitioning().partition_count();
        let bytes = self.users.saturating_mul(BYTES_PER_GROUP).saturating_mul(functions.len().max(1)).saturating_mul(partitions);
        by_user && simple && aggregate.limit_options().is_none() && bytes <= self.memory_bytes
    }
}

/// The partial half of an aggregation, below what only moves its rows about.
fn partial_below(plan: &Arc<dyn ExecutionPlan>) -> Option<&AggregateExec> {
    if let Some(aggregate) = plan.as_any().downcast_ref::<AggregateExec>() {
        return (*aggregate.mode() == AggregateMode::Partial).then_some(aggregate);
    }
    plan.as_any().downcast_ref::<RepartitionExec>().and_then(|r| partial_below(r.input()))
}

impl PhysicalOptimizerRule for DenseAggregation {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan| {
            Ok(match self.replaced(&plan)? {
                Some(dense) => Transformed::yes(dense),
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "dense_aggregation"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
