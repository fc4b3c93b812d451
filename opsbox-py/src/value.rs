//! Values of columns as Python objects.

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, LargeStringArray, StringArray,
    StringViewArray, TimestampMicrosecondArray, cast::AsArray, types::Int32Type,
};
use arrow_schema::DataType;
use pyo3::{
    IntoPyObjectExt,
    exceptions::PyUnicodeDecodeError,
    prelude::*,
    sync::PyOnceLock,
    types::{PyDateTime, PyDelta, PyString, PyTzInfo},
};

/// The value of a row: `None`, text, a number, a boolean, or a time in UTC.
#[inline]
pub(crate) fn value<'py>(
    py: Python<'py>,
    column: &ArrayRef,
    row: usize,
) -> PyResult<Bound<'py, PyAny>> {
    if row >= column.len() || column.is_null(row) {
        return Ok(py.None().into_bound(py));
    }
    let any = column.as_any();
    if let Some(texts) = any.downcast_ref::<StringViewArray>() {
        return text(py, texts.value(row));
    }
    if let Some(numbers) = any.downcast_ref::<Int64Array>() {
        return numbers.value(row).into_bound_py_any(py);
    }
    if let Some(times) = any.downcast_ref::<TimestampMicrosecondArray>() {
        return time(py, times.value(row));
    }
    if let Some(texts) = any.downcast_ref::<StringArray>() {
        return text(py, texts.value(row));
    }
    if let Some(texts) = any.downcast_ref::<LargeStringArray>() {
        return text(py, texts.value(row));
    }
    if let Some(numbers) = any.downcast_ref::<Float64Array>() {
        return numbers.value(row).into_bound_py_any(py);
    }
    if let Some(booleans) = any.downcast_ref::<BooleanArray>() {
        return booleans.value(row).into_bound_py_any(py);
    }
    if let Some(categories) = column.as_dictionary_opt::<Int32Type>()
        && let Some(key) = categories.key(row)
    {
        return value(py, categories.values(), key);
    }
    Ok(py.None().into_bound(py))
}

/// A text. Bytes that somebody has written to since (`copy=False`) may not be UTF-8 any more.
fn text<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    let made = PyString::from_bytes(py, text.as_bytes());
    let made = made.or_else(
        |error| match error.is_instance_of::<PyUnicodeDecodeError>(py) {
            true => PyString::from_bytes(py, String::from_utf8_lossy(text.as_bytes()).as_bytes()),
            false => Err(error),
        },
    );
    made.map(Bound::into_any)
}

/// Microseconds since the Unix epoch as a `datetime` in UTC. Python has no year 0: that raises OverflowError.
fn time(py: Python<'_>, micros: i64) -> PyResult<Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyDateTime>> = PyOnceLock::new();
    const DAY: i64 = 86_400_000_000;
    let epoch = EPOCH.get_or_try_init(py, || {
        let utc = PyTzInfo::utc(py)?.to_owned();
        PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&utc)).map(Bound::unbind)
    })?;
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let narrow = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    let since = PyDelta::new(
        py,
        narrow(days),
        narrow(rest / 1_000_000),
        narrow(rest % 1_000_000),
        false,
    )?;
    epoch.bind(py).add(since)
}

/// What a column is called in Python: the name of its type.
pub(crate) fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int64 => "integer",
        DataType::Float64 => "float",
        DataType::Boolean => "boolean",
        DataType::Timestamp(..) => "timestamp",
        DataType::Dictionary(..) => "category",
        _ => "text",
    }
}
