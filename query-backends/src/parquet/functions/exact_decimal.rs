//! `exact_decimal(number)`: what a value counts as in a sum, with six decimals; NULL beyond ±10^30.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array, new_null_array};
use arrow::datatypes::{DataType, Float64Type, Int64Type, i256};
use datafusion::common::exec_err;
use datafusion::logical_expr::ScalarUDF;
use segment_core::decimal;

use super::function;

/// Digits of a sum.
pub(super) const PRECISION: u8 = 76;
/// Digits behind the point.
pub(super) const SCALE: i8 = 6;

/// The function.
pub(super) fn exact_decimal() -> ScalarUDF {
    let returns = DataType::Decimal256(PRECISION, SCALE);
    let null = returns.clone();
    function("exact_decimal", 1, returns, move |args| {
        let array = args.array(0)?;
        let decimals: Decimal256Array = match array.data_type() {
            DataType::Float64 => {
                array.as_primitive::<Float64Type>().iter().map(|x| x.and_then(decimal::micros_of_f64).map(i256::from_i128)).collect()
            }
            DataType::Int64 => array.as_primitive::<Int64Type>().unary(|n| i256::from_i128(decimal::micros_of_i64(n))),
            DataType::Null => return Ok(new_null_array(&null, array.len())),
            other => return exec_err!("{} cannot take {other}", args.function),
        };
        let out: ArrayRef = Arc::new(decimals.with_precision_and_scale(PRECISION, SCALE)?);
        Ok(out)
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array};
    use datafusion::logical_expr::ColumnarValue;

    use super::super::tests::call;
    use super::*;

    #[test]
    fn counts_what_was_written() {
        let array = Float64Array::from(vec![Some(0.1), Some(2.0000005), Some(1e31), None, Some(-1e30)]);
        let out = call(&exact_decimal(), vec![ColumnarValue::Array(Arc::new(array))], 5).unwrap();
        let out = out.as_primitive::<arrow::datatypes::Decimal256Type>();
        assert_eq!(out.value_as_string(0), "0.100000");
        assert_eq!(out.value_as_string(1), "2.000001");
        assert!(out.is_null(2) && out.is_null(3));
        assert_eq!(out.value_as_string(4), format!("-1{}.000000", "0".repeat(30)));
        let array = Int64Array::from(vec![i64::MIN]);
        let out = call(&exact_decimal(), vec![ColumnarValue::Array(Arc::new(array))], 1).unwrap();
        assert_eq!(out.as_primitive::<arrow::datatypes::Decimal256Type>().value_as_string(0), format!("{}.000000", i64::MIN));
    }
}
