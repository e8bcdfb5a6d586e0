//! `compare_avg(sum, count, literal)`: -1, 0 or 1 as the average is below, at or above the literal; NULL over nothing.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, Decimal256Type, Int64Type, i256};
use datafusion::common::{DataFusionError, exec_err};
use datafusion::logical_expr::ScalarUDF;
use num_bigint::BigInt;
use segment_core::decimal::{self, Decimal};

use super::exact_decimal::SCALE;
use super::function;

/// The function.
pub(super) fn compare_avg() -> ScalarUDF {
    function("compare_avg", 3, DataType::Int64, |args| {
        let (sums, counts) = (args.array(0)?, args.array(1)?);
        let literal = Decimal::parse(args.literal_text(2)?).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let (Some(sums), Some(counts)) = (sums.as_primitive_opt::<Decimal256Type>(), counts.as_primitive_opt::<Int64Type>()) else {
            return exec_err!("{} needs a decimal and a bigint", args.function);
        };
        if sums.scale() != SCALE {
            return exec_err!("{} needs a sum with {SCALE} decimals", args.function);
        }
        let compare = |(sum, count): (Option<i256>, Option<i64>)| {
            let count = u64::try_from(count?).ok().filter(|c| *c > 0)?;
            Some(match decimal::compare_avg(&BigInt::from_signed_bytes_le(&sum?.to_le_bytes()), count, &literal) {
                Ordering::Less => -1,
                Ordering::Equal => 0,
                Ordering::Greater => 1,
            })
        };
        Ok(Arc::new(sums.iter().zip(counts.iter()).map(compare).collect::<Int64Array>()))
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::Decimal256Array;
    use datafusion::logical_expr::ColumnarValue;

    use super::super::exact_decimal::PRECISION;
    use super::super::tests::{call, text};
    use super::*;

    #[test]
    fn nothing_is_divided() {
        let sums = Decimal256Array::from(vec![Some(i256::from_i128(10_000_000)), Some(i256::from_i128(-1)), None]);
        let sums = ColumnarValue::Array(Arc::new(sums.with_precision_and_scale(PRECISION, SCALE).unwrap()));
        let counts = ColumnarValue::Array(Arc::new(Int64Array::from(vec![3, 1, 0])));
        let against = |literal: &str| {
            let out = call(&compare_avg(), vec![sums.clone(), counts.clone(), text(literal)], 3).unwrap();
            out.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
        };
        assert_eq!(against("3.333333"), [Some(1), Some(-1), None]);
        assert_eq!(against("3.3333333333333333333333333333333334"), [Some(-1), Some(-1), None]);
        assert_eq!(against("-0.000001"), [Some(1), Some(0), None]);
    }
}
