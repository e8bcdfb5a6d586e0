//! Finds what this module's operators can do in the engine's plan.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode, AggregateOutputMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::build_join_schema;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode};

use super::aggregate::{Aggregates, UserAggregateExec};
use super::blocks::Blocks;
use super::exchange::UserExchangeExec;
use super::join::{Joined, Origin, UserJoinExec};

/// The column of users' numbers, in the lake and in the compiler's SQL.
const USER_NO: &str = "user_no";

/// An equal plan that groups and joins by user without hashing, where it can.
///
/// An aggregate is left alone if what consumes it counts on its partitions being those of a hash.
pub(in super::super) fn rewrite(plan: &Arc<dyn ExecutionPlan>, blocks: &Blocks) -> Result<Arc<dyn ExecutionPlan>> {
    Rewriting { blocks, done: RefCell::default() }.node(plan, true)
}

/// A node's address, and `free`.
type Node = (*const (), bool);

struct Rewriting<'a> {
    blocks: &'a Blocks,
    /// What has been rewritten. A join that cannot be one by user has its sides rewritten
    /// twice, above and below their exchanges: nested ones would be rewritten 2^depth times.
    done: RefCell<HashMap<Node, Arc<dyn ExecutionPlan>>>,
}

impl Rewriting<'_> {
    /// `free`: whether the node may divide its rows among partitions otherwise than it does.
    fn node(&self, plan: &Arc<dyn ExecutionPlan>, free: bool) -> Result<Arc<dyn ExecutionPlan>> {
        let key = (Arc::as_ptr(plan).cast(), free);
        if let Some(done) = self.done.borrow().get(&key) {
            return Ok(done.clone());
        }
        let new = self.rewritten(plan, free)?;
        self.done.borrow_mut().insert(key, new.clone());
        Ok(new)
    }

    fn rewritten(&self, plan: &Arc<dyn ExecutionPlan>, free: bool) -> Result<Arc<dyn ExecutionPlan>> {
        let any = plan.as_any();
        let new = match (any.downcast_ref::<AggregateExec>(), any.downcast_ref::<HashJoinExec>()) {
            (Some(aggregate), _) if free => self.grouped(aggregate)?,
            (_, Some(join)) if free => self.joined(join)?,
            _ => None,
        };
        if let Some(new) = new {
            return Ok(new);
        }
        let passes_on = any.is::<ProjectionExec>() || any.is::<FilterExec>() || any.is::<CooperativeExec>();
        let children_free = moves_rows(plan) || free && passes_on;
        let before = plan.children();
        let after = before.iter().map(|child| self.node(child, children_free)).collect::<Result<Vec<_>>>()?;
        if before.iter().zip(&after).all(|(before, after)| Arc::ptr_eq(before, after)) {
            return Ok(plan.clone());
        }
        plan.clone().with_new_children(after)
    }

    fn grouped(&self, aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some((raw, key)) = by_user(aggregate) else { return Ok(None) };
        let input = raw.input();
        let union = input.as_any().is::<UnionExec>() || input.as_any().is::<InterleaveExec>();
        let parts = if union { input.children() } else { vec![input] };
        let parts = parts.into_iter().map(|part| self.node(part, true)).collect::<Result<Vec<_>>>()?;
        let inputs = if parts.iter().all(|part| user_key(part) == Some(key)) {
            parts
        } else {
            let whole = match <[Arc<dyn ExecutionPlan>; 1]>::try_from(parts) {
                Ok([part]) => part,
                Err(parts) => UnionExec::try_new(parts)?,
            };
            vec![Arc::new(UserExchangeExec::new(whole, key, self.blocks.clone())) as Arc<dyn ExecutionPlan>]
        };
        let functions = raw.aggr_expr().iter().cloned().zip(raw.filter_expr().iter().cloned()).collect();
        let aggregates = Aggregates { functions, key, schema: aggregate.schema() };
        Ok(Some(Arc::new(UserAggregateExec::new(inputs, aggregates, self.blocks.clone()))))
    }

    fn joined(&self, join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let [(left_key, right_key)] = join.on() else { return Ok(None) };
        let (Some(left_key), Some(right_key)) = (column_of(left_key), column_of(right_key)) else { return Ok(None) };
        if join.filter().is_some() || join.null_aware {
            return Ok(None);
        }
        let (left, right) = (self.node(without_exchanges(join.left()), true)?, self.node(without_exchanges(join.right()), true)?);
        let (marks_side, keeps_others) = match (user_key(&left) == Some(left_key), user_key(&right) == Some(right_key)) {
            (false, true) => (JoinSide::Right, JoinType::Left),
            (true, false) => (JoinSide::Left, JoinType::Right),
            _ => return Ok(None),
        };
        let outer = *join.join_type() == keeps_others;
        if !outer && *join.join_type() != JoinType::Inner {
            return Ok(None);
        }
        let (profiles, profiles_key, marks, marks_key) = match marks_side {
            JoinSide::Right => (left, left_key, right, right_key),
            _ => (right, right_key, left, left_key),
        };
        let (_, indices) = build_join_schema(&join.left().schema(), &join.right().schema(), join.join_type());
        let kept = join.projection.as_ref().map_or_else(|| (0..indices.len()).collect(), |p| p.to_vec());
        let origin = |i: usize| {
            let index = indices.get(i)?;
            Some(if index.side == marks_side { Origin::Marks(index.index) } else { Origin::Profiles(index.index) })
        };
        let columns = kept.into_iter().map(origin).collect::<Option<Vec<_>>>();
        let Some(columns) = columns.filter(|_| is_number(&profiles, profiles_key)) else { return Ok(None) };
        let joined = Joined { profiles_key, marks_key, left: outer, columns, schema: join.schema() };
        Ok(Some(Arc::new(UserJoinExec::new(profiles, marks, joined, self.blocks.clone()))))
    }
}

/// Whether an operator's only work is to move rows between partitions.
fn moves_rows(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let any = plan.as_any();
    any.is::<RepartitionExec>() || any.is::<CoalescePartitionsExec>()
}

/// The plan below such operators.
fn without_exchanges(mut plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    while moves_rows(plan) {
        match plan.children().into_iter().next() {
            Some(child) => plan = child,
            None => break,
        }
    }
    plan
}

/// If this is the last step of grouping by user: its first step, and the column of users' numbers in the input of that.
fn by_user(last: &AggregateExec) -> Option<(&AggregateExec, usize)> {
    if last.mode().output_mode() != AggregateOutputMode::Final || last.limit_options().is_some() {
        return None;
    }
    let raw = match last.mode().input_mode() {
        AggregateInputMode::Raw => last,
        AggregateInputMode::Partial => without_exchanges(last.input()).as_any().downcast_ref::<AggregateExec>()?,
    };
    let of_raw = raw.mode().input_mode() == AggregateInputMode::Raw && *raw.input_order_mode() == InputOrderMode::Linear;
    let [(key, _)] = raw.group_expr().expr() else { return None };
    let key = key.as_any().downcast_ref::<Column>()?;
    let numbered = key.name() == USER_NO && is_number(raw.input(), key.index());
    (of_raw && numbered && raw.group_expr().is_single()).then_some((raw, key.index()))
}

fn column_of(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.as_any().downcast_ref::<Column>().map(Column::index)
}

fn is_number(plan: &Arc<dyn ExecutionPlan>, column: usize) -> bool {
    plan.schema().fields().get(column).is_some_and(|f| *f.data_type() == DataType::Int64)
}

/// The column of users' numbers, if the plan has each user once and in the user's partition.
fn user_key(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let any = plan.as_any();
    if any.is::<UserAggregateExec>() {
        Some(0)
    } else if let Some(projection) = any.downcast_ref::<ProjectionExec>() {
        let key = user_key(projection.input())?;
        projection.expr().iter().position(|e| column_of(&e.expr) == Some(key))
    } else if let Some(filter) = any.downcast_ref::<FilterExec>() {
        let key = user_key(filter.input())?;
        match filter.projection() {
            Some(kept) => kept.iter().position(|column| *column == key),
            None => Some(key),
        }
    } else {
        None
    }
}
