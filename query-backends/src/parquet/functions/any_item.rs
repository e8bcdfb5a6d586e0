//! `any_item(json, n)`: whether an item of a list of objects, stored as JSON text, meets the query's n-th item filter; and
//! `no_items(json)`: whether the list is empty.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::logical_expr::ScalarUDF;
use segment_core::convert;
use segment_core::dialect::ItemFilter;
use segment_core::plan::Test;
use segment_core::types::Type;

use super::{Texts, function};

/// Canonical JSON of a list without items.
const EMPTY: &str = "[]";

/// The function over one query's filters.
pub(super) fn any_item(filters: Vec<ItemFilter>) -> ScalarUDF {
    let tests: Vec<(Type, Test)> = filters.into_iter().map(|f| (f.ty, Test::AnyItem(Box::new(f.filter)))).collect();
    function("any_item", 2, DataType::Boolean, move |args| {
        let number = args.literal_integer(1)?;
        let Some((ty, test)) = usize::try_from(number).ok().and_then(|n| tests.get(n)) else {
            return exec_err!("there is no item filter {number}");
        };
        let array = args.array(0)?;
        let texts = Texts::of(&array, args.function)?;
        let holds = |text: &str| text != EMPTY && test.holds(convert::from_json_column(text, ty).as_ref());
        Ok(Arc::new(texts.iter().map(|t| t.map(holds)).collect::<BooleanArray>()))
    })
}

/// The function.
pub(super) fn no_items() -> ScalarUDF {
    function("no_items", 1, DataType::Boolean, |args| {
        let array = args.array(0)?;
        let texts = Texts::of(&array, args.function)?;
        Ok(Arc::new(texts.iter().map(|t| t.map(|t| t == EMPTY)).collect::<BooleanArray>()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::AsArray;
    use segment_core::plan::{Case, FieldRef, Filter, Source};
    use segment_core::value::Value;

    use super::super::tests::{call, layouts};
    use super::*;

    #[test]
    fn one_item_meets_all_of_it() {
        let ty = Type::Objects(BTreeMap::from([("sku".to_owned(), Type::String), ("n".to_owned(), Type::Integer)]));
        let field = |name: &str, ty: Type| std::sync::Arc::new(FieldRef { source: Source::Item, path: vec![name.to_owned()], ty });
        let filter = Filter::All(vec![
            Filter::Test(field("sku", Type::String), Test::Is(Value::String("a".to_owned()), Case::Exact)),
            Filter::Test(field("n", Type::Integer), Test::Gte(Value::Integer(2))),
        ]);
        let udf = any_item(vec![ItemFilter { ty, filter }]);
        let number = datafusion::logical_expr::ColumnarValue::Scalar(datafusion::common::ScalarValue::Int64(Some(0)));
        let rows = [Some(r#"[{"n":2,"sku":"a"}]"#), Some(r#"[{"n":1,"sku":"a"},{"n":2,"sku":"b"}]"#), Some("[]"), None];
        for arg in layouts(&rows) {
            let out = call(&udf, vec![arg.clone(), number.clone()], 4).unwrap();
            assert_eq!(out.as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), Some(false), None]);
            let out = call(&no_items(), vec![arg], 4).unwrap();
            assert_eq!(out.as_boolean().iter().collect::<Vec<_>>(), [Some(false), Some(false), Some(true), None]);
        }
    }
}
