//! Buffers of Python objects as bytes.

use bytes::Bytes;
use pyo3::{
    buffer::PyBuffer,
    exceptions::PyBufferError,
    prelude::*,
    pybacked::PyBackedBytes,
    types::{PyBytes, PyMemoryView},
};

use super::owner::Owner;

/// The bytes of an object.
///
/// `bytes`, and what is read-only down to its owner, stay where they are. What could be written to is copied, unless
/// `copy` is `false`: then it stays where it is, too, and the caller promises that nobody writes.
pub(crate) fn bytes_of(object: &Bound<'_, PyAny>, copy: Option<bool>) -> PyResult<Bytes> {
    let py = object.py();
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return match copy {
            Some(true) => Ok(Bytes::copy_from_slice(bytes.as_bytes())),
            _ => Owner::hold(py, Bytes::from_owner(PyBackedBytes::from(bytes.clone()))),
        };
    }
    let view = PyMemoryView::from(object)?;
    let is_contiguous = view.getattr("c_contiguous")?.is_truthy()?;
    if view.getattr("nbytes")?.extract::<usize>()? == 0 {
        return Ok(Bytes::new());
    }
    if !is_contiguous && copy == Some(false) {
        return Err(PyBufferError::new_err(
            "the buffer is not contiguous, so it has to be copied: leave copy=False out",
        ));
    }
    let stays = match copy {
        Some(copy) => !copy,
        None => is_contiguous && !can_be_written(&view)?,
    };
    if !stays {
        let copied = view.call_method0("tobytes")?;
        let copied = copied.cast::<PyBytes>()?;
        return Owner::hold(py, Bytes::from_owner(PyBackedBytes::from(copied.clone())));
    }
    let view = match view.getattr("format")?.extract::<String>()?.as_str() {
        "B" => view.into_any(),
        _ => view.call_method1("cast", ("B",))?,
    };
    let bytes: pyo3_bytes::PyBytes = view.extract()?;
    Owner::hold(py, bytes.into_inner())
}

/// Whether the object that owns the memory lets somebody write to it: a read-only view of a bytearray is no promise.
fn can_be_written(view: &Bound<'_, PyMemoryView>) -> PyResult<bool> {
    let is_readonly = view.getattr("readonly")?.is_truthy()?;
    let owner = view.getattr("obj")?;
    if !is_readonly || owner.is_none() {
        return Ok(true);
    }
    Ok(!PyBuffer::<u8>::get(&owner).map_or_else(
        |_| PyMemoryView::from(&owner)?.getattr("readonly")?.is_truthy(),
        |buffer| Ok(buffer.readonly()),
    )?)
}
