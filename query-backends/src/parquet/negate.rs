//! The negation of a filter, in a form whose statistics can be looked at: comparisons turned around, not wrapped in NOT.

use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Like, Operator};

/// The filter's negation. Over values that are there it is the exact complement.
pub(super) fn negated(filter: &Expr) -> Expr {
    match filter {
        Expr::Not(inner) => inner.as_ref().clone(),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let op = if *op == Operator::And { Operator::Or } else { Operator::And };
            Expr::BinaryExpr(BinaryExpr::new(Box::new(negated(left)), op, Box::new(negated(right))))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op.negate() {
            Some(op) => Expr::BinaryExpr(BinaryExpr::new(left.clone(), op, right.clone())),
            None => Expr::Not(Box::new(filter.clone())),
        },
        Expr::InList(InList { expr, list, negated }) => Expr::InList(InList::new(expr.clone(), list.clone(), !negated)),
        Expr::Between(Between { expr, negated, low, high }) => {
            Expr::Between(Between::new(expr.clone(), !negated, low.clone(), high.clone()))
        }
        Expr::Like(like) => Expr::Like(Like { negated: !like.negated, ..like.clone() }),
        Expr::IsNull(inner) => Expr::IsNotNull(inner.clone()),
        Expr::IsNotNull(inner) => Expr::IsNull(inner.clone()),
        other => Expr::Not(Box::new(other.clone())),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn turns_comparisons_around() {
        let filter = col("ts").gt_eq(lit(1)).and(col("event").eq(lit("x")).or(col("event").in_list(vec![lit("y")], false)));
        assert_eq!(
            negated(&filter),
            col("ts").lt(lit(1)).or(col("event").not_eq(lit("x")).and(col("event").in_list(vec![lit("y")], true)))
        );
        assert_eq!(negated(&negated(&filter)), filter);
    }
}
