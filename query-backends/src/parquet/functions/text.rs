//! `simple_lower(text)` and `md5_hex(text)`.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use segment_core::{convert, eval};

use super::{Texts, function};

/// Each code point by Unicode's simple lower case.
pub(super) fn simple_lower() -> ScalarUDF {
    function("simple_lower", 1, DataType::Utf8, |args| {
        let array = args.array(0)?;
        let texts = Texts::of(&array, args.function)?;
        Ok(Arc::new(texts.iter().map(|t| t.map(convert::simple_lower)).collect::<StringArray>()))
    })
}

/// Lower-case hex of the md5.
pub(super) fn md5_hex() -> ScalarUDF {
    function("md5_hex", 1, DataType::Utf8, |args| {
        let array = args.array(0)?;
        let texts = Texts::of(&array, args.function)?;
        Ok(Arc::new(texts.iter().map(|t| t.map(eval::md5_hex)).collect::<StringArray>()))
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::super::tests::{call, layouts};
    use super::*;

    #[test]
    fn folds_each_code_point_and_keeps_null() {
        for arg in layouts(&[Some("ÀB"), None, Some("İ"), Some("")]) {
            let out = call(&simple_lower(), vec![arg], 4).unwrap();
            let out = out.as_string::<i32>();
            assert_eq!((out.value(0), out.is_null(1), out.value(3)), ("àb", true, ""));
            assert_eq!(out.value(2), convert::simple_lower("İ"));
        }
    }

    #[test]
    fn hashes() {
        for arg in layouts(&[Some("exp-7:u1"), None]) {
            let out = call(&md5_hex(), vec![arg], 2).unwrap();
            assert_eq!(out.as_string::<i32>().value(0), eval::md5_hex("exp-7:u1"));
            assert!(out.is_null(1));
        }
    }
}
