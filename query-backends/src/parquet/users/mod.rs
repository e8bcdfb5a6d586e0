//! Grouping and joining by user without hashing.
//!
//! A user's number is nearly dense, and events of one name and day come sorted by it. So rows are dealt out to partitions by
//! blocks of numbers (slices of batches, nothing is copied), each partition groups its users in one step through a table indexed by
//! number, and the profiles find their marks through such a table too. The engine's own plan hashes each row twice for the
//! first and copies it for the exchange in between.
//!
//! In: the engine's physical plan. Out: an equal plan in which what has that form is replaced; the rest stays as it is.
//! Deliberately absent: spilling. Tables are accounted for, and a query that lacks the memory is planned again without this.

mod aggregate;
mod at_end;
mod blocks;
mod distinct;
mod exchange;
mod join;
mod rewrite;

pub(super) use blocks::Blocks;
pub(super) use rewrite::rewrite;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::{Partitioning, PlanProperties};

/// The properties of an operator that promises nothing about order.
fn properties(schema: SchemaRef, partitions: usize, emission: EmissionType) -> Arc<PlanProperties> {
    let partitioning = Partitioning::UnknownPartitioning(partitions);
    Arc::new(PlanProperties::new(EquivalenceProperties::new(schema), partitioning, emission, Boundedness::Bounded))
}
