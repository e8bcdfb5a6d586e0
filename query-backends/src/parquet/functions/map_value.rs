//! `map_value_<type>(json, key)`: the value at a key of a map that is stored as JSON text.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use segment_core::convert;
use segment_core::types::Type;
use segment_core::value::Value;
use store::LAKE_TIMEZONE;

use super::{Args, Texts, function};

/// One function for each scalar type.
pub(super) fn all() -> Vec<ScalarUDF> {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some(LAKE_TIMEZONE.into()));
    vec![
        function("map_value_string", 2, DataType::Utf8, |args| {
            collect::<StringArray, String>(args, Type::String, |v| if let Value::String(s) = v { Some(s) } else { None })
        }),
        function("map_value_integer", 2, DataType::Int64, |args| {
            collect::<Int64Array, i64>(args, Type::Integer, |v| if let Value::Integer(n) = v { Some(n) } else { None })
        }),
        function("map_value_number", 2, DataType::Float64, |args| {
            collect::<Float64Array, f64>(args, Type::Number, |v| if let Value::Number(x) = v { Some(x) } else { None })
        }),
        function("map_value_boolean", 2, DataType::Boolean, |args| {
            collect::<BooleanArray, bool>(args, Type::Boolean, |v| if let Value::Boolean(b) = v { Some(b) } else { None })
        }),
        function("map_value_timestamp", 2, timestamp, |args| {
            let values = values(args, Type::Timestamp, |v| if let Value::Timestamp(t) = v { Some(t) } else { None })?;
            Ok(Arc::new(TimestampMicrosecondArray::from(values).with_timezone(LAKE_TIMEZONE)))
        }),
        function("map_value_date", 2, DataType::Date32, |args| {
            collect::<Date32Array, i32>(args, Type::Date, |v| if let Value::Date(d) = v { Some(d) } else { None })
        }),
    ]
}

fn collect<A, T>(args: &Args<'_>, ty: Type, pick: fn(Value) -> Option<T>) -> Result<ArrayRef>
where
    A: FromIterator<Option<T>> + arrow::array::Array + 'static,
{
    Ok(Arc::new(values(args, ty, pick)?.into_iter().collect::<A>()))
}

fn values<T>(args: &Args<'_>, ty: Type, pick: fn(Value) -> Option<T>) -> Result<Vec<Option<T>>> {
    let array = args.array(0)?;
    let texts = Texts::of(&array, args.function)?;
    let key = args.literal_text(1)?;
    let map = Type::Map(Box::new(ty));
    let value = |text: &str| match convert::from_json_column(text, &map)? {
        Value::Map(mut members) => members.remove(key).and_then(pick),
        _ => None,
    };
    Ok(texts.iter().map(|t| t.and_then(value)).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type};

    use super::super::tests::{call, layouts, text};
    use super::*;

    fn named(name: &str) -> ScalarUDF {
        all().into_iter().find(|f| f.name() == name).unwrap()
    }

    #[test]
    fn finds_values_by_key() {
        let map = |members: &[(&str, Value)]| {
            convert::to_json(&Value::Map(members.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect::<BTreeMap<_, _>>()))
        };
        let json = map(&[("v1", Value::Number(0.5)), ("a\"b", Value::Number(-3.0))]);
        for arg in layouts(&[Some(&json), Some("{}"), None]) {
            let out = call(&named("map_value_number"), vec![arg.clone(), text("a\"b")], 3).unwrap();
            assert_eq!(out.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(-3.0), None, None]);
            let out = call(&named("map_value_number"), vec![arg, text("missing")], 3).unwrap();
            assert_eq!(out.null_count(), 3);
        }
        let json = map(&[("k", Value::Integer(i64::MIN))]);
        let out = call(&named("map_value_integer"), vec![layouts(&[Some(&json)]).remove(2), text("k")], 1).unwrap();
        assert_eq!(out.as_primitive::<Int64Type>().value(0), i64::MIN);
    }
}
