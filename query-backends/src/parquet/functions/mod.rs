//! The functions that [`segment_core::dialect::DataFusion`] writes and the engine lacks.
//!
//! Each takes text as Utf8, LargeUtf8 or Utf8View, gives NULL for NULL, and is immutable. Literal arguments (patterns, zones, keys, numbers of
//! filters) have to be literals: nothing else is ever written for them.

mod any_item;
mod compare_avg;
mod exact_decimal;
mod local_time;
mod map_value;
mod re2_match;
mod text;

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray, StringArray, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use segment_core::dialect::ItemFilter;

/// The functions that are the same for every query.
pub(super) fn all() -> Vec<ScalarUDF> {
    let mut out = vec![
        text::simple_lower(),
        text::md5_hex(),
        re2_match::re2_match(),
        local_time::local_day(),
        local_time::local_midnight(),
        exact_decimal::exact_decimal(),
        compare_avg::compare_avg(),
        any_item::no_items(),
    ];
    out.extend(map_value::all());
    out
}

/// `any_item` over the item filters of one query.
pub(super) fn any_item(filters: Vec<ItemFilter>) -> ScalarUDF {
    any_item::any_item(filters)
}

/// What a function does with its arguments.
type Body = Arc<dyn Fn(&Args<'_>) -> Result<ArrayRef> + Send + Sync>;

/// A function of fixed arity and type.
struct Function {
    name: &'static str,
    signature: Signature,
    returns: DataType,
    body: Body,
}

fn function(
    name: &'static str,
    arity: usize,
    returns: DataType,
    body: impl Fn(&Args<'_>) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    ScalarUDF::from(Function { name, signature: Signature::any(arity, Volatility::Immutable), returns, body: Arc::new(body) })
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.name).finish()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.body, &other.body)
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let result = (self.body)(&Args { function: self.name, args: &args.args, rows })?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// The arguments of one call.
struct Args<'a> {
    function: &'static str,
    args: &'a [ColumnarValue],
    rows: usize,
}

impl Args<'_> {
    /// An argument for every row.
    fn array(&self, i: usize) -> Result<ArrayRef> {
        match self.args.get(i) {
            Some(arg) => arg.to_array(self.rows),
            None => exec_err!("{} lacks its argument {i}", self.function),
        }
    }

    /// A literal text.
    fn literal_text(&self, i: usize) -> Result<&str> {
        match self.args.get(i) {
            Some(ColumnarValue::Scalar(
                ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
            )) => Ok(text),
            _ => exec_err!("{} needs a literal text as argument {i}", self.function),
        }
    }

    /// A literal whole number.
    fn literal_integer(&self, i: usize) -> Result<i64> {
        match self.args.get(i) {
            Some(ColumnarValue::Scalar(ScalarValue::Int64(Some(n)))) => Ok(*n),
            _ => exec_err!("{} needs a literal number as argument {i}", self.function),
        }
    }
}

/// Text in any of its layouts.
enum Texts<'a> {
    Utf8(&'a StringArray),
    Large(&'a LargeStringArray),
    View(&'a StringViewArray),
    /// NULL without a type.
    Null(usize),
}

impl<'a> Texts<'a> {
    fn of(array: &'a ArrayRef, function: &str) -> Result<Self> {
        match array.data_type() {
            DataType::Utf8 => Ok(Self::Utf8(array.as_string())),
            DataType::LargeUtf8 => Ok(Self::Large(array.as_string())),
            DataType::Utf8View => Ok(Self::View(array.as_string_view())),
            DataType::Null => Ok(Self::Null(array.len())),
            other => exec_err!("{function} needs text, not {other}"),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Utf8(a) => a.len(),
            Self::Large(a) => a.len(),
            Self::View(a) => a.len(),
            Self::Null(n) => *n,
        }
    }

    fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Utf8(a) => a.is_valid(row).then(|| a.value(row)),
            Self::Large(a) => a.is_valid(row).then(|| a.value(row)),
            Self::View(a) => a.is_valid(row).then(|| a.value(row)),
            Self::Null(_) => None,
        }
    }

    fn iter(&self) -> impl Iterator<Item = Option<&'a str>> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use datafusion::arrow::datatypes::Field;
    use datafusion::common::config::ConfigOptions;

    use super::*;

    /// Calls a function on arrays and scalars.
    pub(crate) fn call(udf: &ScalarUDF, args: Vec<ColumnarValue>, rows: usize) -> Result<ArrayRef> {
        let types: Vec<DataType> = args.iter().map(ColumnarValue::data_type).collect();
        let returns = udf.inner().return_type(&types)?;
        let arg_fields = types.into_iter().map(|t| Arc::new(Field::new("a", t, true))).collect();
        let args = ScalarFunctionArgs {
            args,
            arg_fields,
            number_rows: rows,
            return_field: Arc::new(Field::new("r", returns, true)),
            config_options: Arc::new(ConfigOptions::default()),
        };
        udf.inner().invoke_with_args(args)?.to_array(rows)
    }

    pub(crate) fn text(t: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::Utf8(Some(t.to_owned())))
    }

    /// The same texts in all layouts.
    pub(crate) fn layouts(texts: &[Option<&str>]) -> Vec<ColumnarValue> {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter(texts.iter().copied())),
            Arc::new(LargeStringArray::from_iter(texts.iter().copied())),
            Arc::new(StringViewArray::from_iter(texts.iter().copied())),
        ];
        arrays.into_iter().map(ColumnarValue::Array).collect()
    }

    #[test]
    fn untyped_null_gives_null() {
        let null = ColumnarValue::Scalar(ScalarValue::Null);
        for udf in [super::text::simple_lower(), super::text::md5_hex(), any_item::no_items()] {
            assert!(call(&udf, vec![null.clone()], 1).unwrap().is_null(0), "{}", udf.name());
        }
    }
}
