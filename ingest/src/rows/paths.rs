//! Mapped paths into structs: `user.id` is the field `id` of the column `user`.
//!
//! In: a batch and the places of the fields that are mapped. Out: those fields as columns of their own, and the structs without them. As in
//! JSON a name is first looked for as it is, dots and all, and then as the path it may be.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray, make_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

/// The place of a field: of its column, of the field in there, and so on.
pub(crate) type FieldPath = Vec<usize>;

/// Where a dotted path leads; nothing if it leads nowhere or to a column itself.
pub(crate) fn find(schema: &Schema, path: &str) -> Option<FieldPath> {
    let (first, rest) = path.split_once('.')?;
    let at = schema.fields().iter().position(|f| f.name() == first)?;
    let mut out = vec![at];
    walk(schema.fields().get(at)?, rest, &mut out).then_some(out)
}

fn walk(field: &FieldRef, path: &str, out: &mut FieldPath) -> bool {
    let DataType::Struct(fields) = field.data_type() else { return false };
    let named = |name: &str| fields.iter().position(|f| f.name() == name);
    if let Some(at) = named(path) {
        out.push(at);
        return true;
    }
    let Some((first, rest)) = path.split_once('.') else { return false };
    let Some((at, field)) = named(first).and_then(|at| Some((at, fields.get(at)?))) else { return false };
    out.push(at);
    walk(field, rest, out)
}

/// The field at a place, null where a struct around it is.
///
/// # Errors
///
/// Arrow's, and for a place that is none.
pub(crate) fn taken(batch: &RecordBatch, path: &[usize]) -> Result<ArrayRef, ArrowError> {
    let (first, rest) = path.split_first().ok_or_else(nowhere)?;
    let mut array = batch.columns().get(*first).ok_or_else(nowhere)?.clone();
    let mut nulls: Option<NullBuffer> = None;
    for step in rest {
        let outer = array.as_struct_opt().ok_or_else(nowhere)?;
        nulls = NullBuffer::union(nulls.as_ref(), outer.nulls());
        array = outer.columns().get(*step).ok_or_else(nowhere)?.clone();
    }
    // What is nothing but null has no room for more nulls.
    if nulls.is_none() || array.data_type().is_null() {
        return Ok(array);
    }
    let nulls = NullBuffer::union(nulls.as_ref(), array.logical_nulls().as_ref());
    Ok(make_array(array.to_data().into_builder().nulls(nulls).build()?))
}

/// A batch's column without the fields at those places in it.
///
/// # Errors
///
/// Arrow's, and for a column that is none.
pub(crate) fn without(batch: &RecordBatch, column: usize, paths: &[&[usize]]) -> Result<ArrayRef, ArrowError> {
    let column = batch.columns().get(column).ok_or_else(nowhere)?;
    cut(column, paths)
}

fn nowhere() -> ArrowError {
    ArrowError::SchemaError("a mapped path leads nowhere".to_owned())
}

fn cut(array: &ArrayRef, paths: &[&[usize]]) -> Result<ArrayRef, ArrowError> {
    let Some(outer) = array.as_struct_opt() else { return Ok(array.clone()) };
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (at, (field, column)) in outer.fields().iter().zip(outer.columns()).enumerate() {
        let inner: Vec<&[usize]> = paths.iter().filter_map(|p| p.split_first()).filter(|(i, _)| **i == at).map(|(_, rest)| rest).collect();
        if inner.iter().any(|rest| rest.is_empty()) {
            continue;
        }
        let column = if inner.is_empty() { column.clone() } else { cut(column, &inner)? };
        fields.push(Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone())));
        columns.push(column);
    }
    let array = StructArray::try_new_with_length(fields.into(), columns, outer.nulls().cloned(), outer.len())?;
    Ok(Arc::new(array))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Field;

    use super::*;

    fn batch() -> RecordBatch {
        let field = |name: &str, ty: &DataType| Arc::new(Field::new(name, ty.clone(), true));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
        let inner = StructArray::from(vec![(field("n", &DataType::Int64), numbers.clone()), (field("d.e", &DataType::Int64), numbers)]);
        let outer = StructArray::new(
            vec![field("in", inner.data_type()), field("t", &DataType::Utf8)].into(),
            vec![Arc::new(inner), texts.clone()],
            Some(NullBuffer::from(vec![true, false, true])),
        );
        RecordBatch::try_from_iter([("out", Arc::new(outer) as ArrayRef), ("t", texts)]).unwrap()
    }

    #[test]
    fn paths_are_found_and_taken() {
        let batch = batch();
        for (path, place, values) in [
            ("out.in.n", Some(vec![0, 0, 0]), vec![Some(1), None, None]),
            ("out.in.d.e", Some(vec![0, 0, 1]), vec![Some(1), None, None]),
            ("out.x", None, vec![]),
            ("out", None, vec![]),
            ("t.x", None, vec![]),
            ("out.in.n.x", None, vec![]),
            ("nothing.n", None, vec![]),
        ] {
            assert_eq!(find(&batch.schema(), path), place, "{path}");
            if let Some(place) = place {
                let array = taken(&batch, &place).unwrap();
                assert_eq!(array.as_ref(), &Int64Array::from(values) as &dyn Array, "{path}");
            }
        }
    }

    #[test]
    fn structs_lose_what_was_taken() {
        let batch = batch();
        let names = |array: &ArrayRef| array.as_struct().column_names().into_iter().map(str::to_owned).collect::<Vec<_>>();
        let array = without(&batch, 0, &[&[0, 0], &[1]]).unwrap();
        assert_eq!((names(&array), names(array.as_struct().column(0))), (vec!["in".to_owned()], vec!["d.e".to_owned()]));
        assert_eq!((array.len(), array.null_count()), (3, 1));
        let empty = without(&batch, 0, &[&[0], &[1]]).unwrap();
        assert_eq!((names(&empty).len(), empty.len(), empty.null_count()), (0, 3, 1));
    }
}
