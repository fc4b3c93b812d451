//! File objects and iterators of chunks as readers.

use std::{
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, Bytes};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyIterator, PyString},
};

use super::buffer::bytes_of;

/// What a Python object raised while it was read.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn put(&self, error: PyErr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// Reads a Python object: by its `read`, or chunk by chunk as it is iterated.
pub(crate) struct PyReader {
    from: From,
    rest: Bytes,
    raised: Raised,
}

enum From {
    File(Py<PyAny>),
    Iterator(Py<PyIterator>),
}

impl PyReader {
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let from = if object.hasattr("read")? {
            From::File(object.clone().unbind())
        } else {
            From::Iterator(object.try_iter()?.unbind())
        };
        Ok(Self {
            from,
            rest: Bytes::new(),
            raised: Raised::default(),
        })
    }

    /// Where the exception is after a read that failed.
    pub(crate) fn raised(&self) -> Raised {
        self.raised.clone()
    }

    fn chunk(&self, py: Python<'_>, wanted: usize) -> PyResult<Option<Bytes>> {
        let chunk = match &self.from {
            From::File(file) => file
                .bind(py)
                .call_method1("read", (wanted.max(64 << 10),))?,
            From::Iterator(iterator) => match iterator.bind(py).clone().next() {
                Some(chunk) => chunk?,
                None => return Ok(None),
            },
        };
        if chunk.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err(
                "chunks have to be bytes, not str: open the file in binary mode",
            ));
        }
        if chunk.is_none() {
            let message = "the file has nothing to read yet, and does not wait: make it blocking";
            return Err(PyTypeError::new_err(message));
        }
        let chunk = bytes_of(&chunk, None)?;
        let is_end = chunk.is_empty() && matches!(self.from, From::File(_));
        Ok((!is_end).then_some(chunk))
    }
}

impl Read for PyReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let chunk = Python::try_attach(|py| {
                let chunk = py.check_signals().and_then(|()| self.chunk(py, out.len()));
                chunk.map_err(|error| self.raised.put(error))
            });
            match chunk {
                Some(Ok(Some(chunk))) => self.rest = chunk,
                Some(Ok(None)) => return Ok(0),
                Some(Err(())) => return Err(io::Error::other("the Python object raised")),
                None => return Err(io::Error::other("the interpreter has ended")),
            }
        }
        let len = self.rest.len().min(out.len());
        self.rest.copy_to_slice(&mut out[..len]);
        Ok(len)
    }
}
