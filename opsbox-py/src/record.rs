//! Rows one by one.

use std::sync::Arc;

use pyo3::{
    exceptions::PyKeyError,
    prelude::*,
    types::{PyBytes, PyDict, PyIterator, PyList, PyMapping, PyString, PyTuple},
};

use crate::{data::Data, value::value};

/// A row as a mapping of column names to values. It is a view: a value is made when it is asked for.
///
/// >>> import opsbox
/// >>> record = opsbox.Parser("logfmt").parse(b"level=info n=3\n")[0]
/// >>> record["level"], record.get("user"), dict(record)
/// ('info', None, {'level': 'info', 'n': '3'})
#[pyclass(module = "opsbox", frozen, mapping, freelist = 16)]
pub(crate) struct Record {
    data: Arc<Data>,
    piece: usize,
    row: usize,
}

impl Record {
    pub(crate) fn new(data: &Arc<Data>, piece: usize, row: usize) -> Self {
        Self {
            data: Arc::clone(data),
            piece,
            row,
        }
    }

    #[inline]
    fn at<'py>(&self, py: Python<'py>, column: usize) -> PyResult<Bound<'py, PyAny>> {
        match self.data.piece(self.piece) {
            Some(batch) if column < batch.num_columns() => {
                value(py, batch.column(column), self.row)
            }
            _ => Ok(py.None().into_bound(py)),
        }
    }

    fn values_of<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let columns = 0..self.data.schema().fields().len();
        columns.map(|column| self.at(py, column)).collect()
    }
}

#[pymethods]
impl Record {
    fn __len__(&self) -> usize {
        self.data.schema().fields().len()
    }

    fn __getitem__<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let index = name.cast::<PyString>().ok();
        let index = index.and_then(|name| self.data.column_index(name));
        match index {
            Some(index) => self.at(name.py(), index),
            None => Err(PyKeyError::new_err(name.clone().unbind())),
        }
    }

    /// The value of a column, or `default` if there is no such column.
    #[pyo3(signature = (name, /, default = None))]
    fn get<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let index = name.cast::<PyString>().ok();
        let index = index.and_then(|name| self.data.column_index(name));
        match (index, default) {
            (Some(index), _) => self.at(name.py(), index),
            (None, Some(default)) => Ok(default),
            (None, None) => Ok(name.py().None().into_bound(name.py())),
        }
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> bool {
        let name = name.cast::<PyString>().ok();
        name.is_some_and(|name| self.data.column_index(name).is_some())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.keys(py)?.try_iter()
    }

    /// The names of the columns.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.data.names(py).iter().map(|name| name.bind(py)))
    }

    /// The values, in the order of the columns.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.values_of(py)?)
    }

    /// Names and values.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let values = self.values_of(py)?;
        let names = self.data.names(py).iter().map(|name| name.bind(py));
        let items = names.zip(values);
        let items = items.map(|(name, value)| PyTuple::new(py, [name.as_any(), &value]));
        PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)
    }

    /// The line's number, from 1; that of the first if there are several.
    #[getter]
    fn line(&self) -> Option<u64> {
        Some(self.data.place(self.piece, self.row)?.0)
    }

    /// The byte offset of the line's start.
    #[getter]
    fn offset(&self, py: Python<'_>) -> Option<u64> {
        py.detach(|| self.data.place(self.piece, self.row)?.1)
    }

    /// The line without its ending. None for a row of a compact table, which has not got the input.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let raw = py.detach(|| self.data.raw(self.piece, self.row))?;
        Some(PyBytes::new(py, &raw))
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<PyMapping>() else {
            return Ok(false);
        };
        let mine = PyDict::new(py);
        for (name, value) in self.data.names(py).iter().zip(self.values_of(py)?) {
            mine.set_item(name, value)?;
        }
        let theirs = py.get_type::<PyDict>().call1((other,))?;
        mine.eq(theirs)
    }

    // What is equal would have to have one hash, and a dict has none.
    #[classattr]
    fn __hash__() -> Option<Py<PyAny>> {
        None
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let names = self.data.names(py).iter();
        let parts = names.zip(self.values_of(py)?).map(|(name, value)| {
            let (name, value) = (name.bind(py).repr()?, value.repr()?);
            Ok(format!("{name}: {value}"))
        });
        let parts = parts.collect::<PyResult<Vec<_>>>()?;
        Ok(format!("<opsbox.Record {{{}}}>", parts.join(", ")))
    }
}

/// The rows of a table, one after the other.
#[pyclass(module = "opsbox")]
pub(crate) struct Records {
    data: Arc<Data>,
    piece: usize,
    row: usize,
}

impl Records {
    pub(crate) fn new(data: &Arc<Data>) -> Self {
        Self {
            data: Arc::clone(data),
            piece: 0,
            row: 0,
        }
    }
}

#[pymethods]
impl Records {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&mut self) -> Option<Record> {
        while self.row >= self.data.piece(self.piece)?.num_rows() {
            self.piece += 1;
            self.row = 0;
        }
        let record = Record::new(&self.data, self.piece, self.row);
        self.row += 1;
        Some(record)
    }

    fn __length_hint__(&self) -> usize {
        let before = (0..self.piece).filter_map(|piece| self.data.piece(piece));
        let before: usize = before.map(|batch| batch.num_rows()).sum();
        self.data.rows().saturating_sub(before + self.row)
    }
}
