//! Forms of a filter whose statistics can be looked at.
//!
//! A prefix becomes a range, as the engine compares statistics of text in one layout only; a negation turns comparisons around
//! instead of wrapping them in NOT, which statistics say nothing of.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Like, Operator};

/// The same filter with prefixes as ranges.
pub(super) fn comparable(filter: &Expr) -> Expr {
    let rewritten = filter.clone().transform(|expr| Ok(range_of(&expr).map_or_else(|| Transformed::no(expr), Transformed::yes)));
    rewritten.data().unwrap_or_else(|_| filter.clone())
}

/// The range of texts with a prefix.
fn range_of(expr: &Expr) -> Option<Expr> {
    let Expr::Like(Like { negated, expr, pattern, escape_char: None | Some('\\'), case_insensitive: false }) = expr else {
        return None;
    };
    let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)), _) =
        pattern.as_ref()
    else {
        return None;
    };
    let prefix = prefix_of(text)?;
    let literal = |text: String| Expr::Literal(ScalarValue::Utf8View(Some(text)), None);
    let from = expr.as_ref().clone().gt_eq(literal(prefix.clone()));
    let range = match successor(&prefix) {
        Some(end) => from.and(expr.as_ref().clone().lt(literal(end))),
        None => from,
    };
    Some(if *negated { self::negated(&range) } else { range })
}

/// The prefix that a pattern of LIKE asks for; `None` for other patterns.
fn prefix_of(pattern: &str) -> Option<String> {
    let mut prefix = String::new();
    let mut rest = pattern.chars();
    loop {
        match rest.next()? {
            '%' => return rest.next().is_none().then_some(prefix),
            '_' => return None,
            '\\' => prefix.push(rest.next()?),
            c => prefix.push(c),
        }
    }
}

/// The least text after all texts with the prefix; `None` if there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

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

    #[test]
    fn prefixes_are_ranges() {
        let view = |text: &str| Expr::Literal(ScalarValue::Utf8View(Some(text.to_owned())), None);
        let like = |pattern: &str| col("event").like(lit(pattern));
        assert_eq!(comparable(&like("ab%")), col("event").gt_eq(view("ab")).and(col("event").lt(view("ac"))));
        assert_eq!(comparable(&like("a\\%%")), col("event").gt_eq(view("a%")).and(col("event").lt(view("a&"))));
        assert_eq!(comparable(&like("a\u{10ffff}%")), col("event").gt_eq(view("a\u{10ffff}")).and(col("event").lt(view("b"))));
        assert_eq!(comparable(&like("\u{10ffff}%")), col("event").gt_eq(view("\u{10ffff}")));
        for other in ["a%b%", "a_%", "ab"] {
            assert_eq!(comparable(&like(other)), like(other));
        }
        assert_eq!(successor("\u{d7ff}"), Some("\u{e000}".to_owned()));
    }
}
