//! Which filters a table takes upon itself.

use std::collections::BTreeSet;

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};

/// The columns that an expression reads.
pub(super) fn columns_of(expr: &Expr) -> BTreeSet<String> {
    expr.column_refs().into_iter().map(|c| c.name.clone()).collect()
}

/// Filters over nothing but such columns are applied exactly; what asks another query is left to the engine.
pub(super) fn exact_over(filters: &[&Expr], column: impl Fn(&str) -> bool) -> Result<Vec<TableProviderFilterPushDown>> {
    let exact = |filter: &&Expr| {
        let own = columns_of(filter).iter().all(|c| column(c));
        let subquery = filter.exists(|e| Ok(matches!(e, Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_))))?;
        Ok(if own && !subquery { TableProviderFilterPushDown::Exact } else { TableProviderFilterPushDown::Unsupported })
    };
    filters.iter().map(exact).collect()
}
